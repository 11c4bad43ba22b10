"""What Triton makes of the kernels for real GPUs, without one: it compiles for an architecture."""

import json
import os
import subprocess
import sys

import pytest

SCRIPT = """
import json, re, sys
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from dance_lib.executors.cuda import kernels

architecture, dtype, kind = int(sys.argv[1]), *sys.argv[2:]
adds, tight = kind == "listed", kind == "side by side"
function = kernels.convolve.fn
pointers = dict(x=dtype, weight=dtype, bias="fp32", y=dtype, table="i32", bits="u8", lists="i32",
                counts="i32", parts="fp32", tickets="i32")
found = []
for config in kernels.CONFIGS:
    fixed = dict(LISTED=kind != "whole", TIGHT_IN=tight, TIGHT_OUT=tight, RELU=not adds, ADD=adds,
                 RELU_SUM=adds, WIDE=False, **config.kwargs)
    names = function.arg_names
    kinds = {n: "constexpr" if n in fixed else f"*{pointers[n]}" if n in pointers else "i32"
             for n in names}
    aligned = {(i,): [["tt.divisibility", 16]] for i, n in enumerate(names) if n in pointers}
    source = ASTSource(function, kinds, {(names.index(n),): v for n, v in fixed.items()}, aligned)
    options = dict(num_warps=config.num_warps, num_stages=config.num_stages)
    made = triton.compile(source, target=GPUTarget("cuda", architecture, 32), options=options)
    ptx = made.asm["ptx"]
    found.append({
        "rows": config.kwargs["M"],
        "warpgroup products": len(re.findall(r"wgmma\\.mma_async", ptx)),
        "warp products": len(re.findall(r"mma\\.sync", ptx)),
        "copies of 16 bytes": len(re.findall(r"cp\\.async\\.cg", ptx)),
        "wide stores": len(re.findall(r"st\\.global\\.v4", ptx)),
        "shared": made.metadata.shared,
    })
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.parametrize("architecture", [80, 90])
@pytest.mark.parametrize("dtype", ["fp16", "bf16"])
@pytest.mark.parametrize("kind", ["whole", "listed", "side by side"])
def test_tiles_use_tensor_cores_and_whole_vectors(architecture, dtype, kind):
    """Groups of eight channels are what makes 16 bytes of a gathered row one copy."""
    variables = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(architecture), dtype, kind],
        capture_output=True, text=True, check=False, env=variables,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for tile in json.loads(done.stdout):
        by_warpgroup = architecture == 90 and tile["rows"] >= 64  # of 64 rows at least
        assert tile["warpgroup products" if by_warpgroup else "warp products"] > 0, tile
        assert tile["copies of 16 bytes"] > 0, tile
        assert tile["wide stores"] > 0, tile
        assert tile["shared"] <= {80: 163, 90: 227}[architecture] * 1024, tile
