"""On a real GPU, compiled and by CUDA graphs; in a process of its own, without the interpreter."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import sys
import threading
import torch
from dance_lib import Dance, PruningPlan, sparse
from dance_lib.executors.cuda.kernels import INTERPRETED
from tests.executors.agreement import BOUNDS, clips, expected
from tests.executors.cuda.agreement import family, plan_of_each_kind
from tests.plans import by_unit

assert not INTERPRETED
torch.backends.cudnn.allow_tf32 = False  # float32 is float32
net, dtype = family(sys.argv[1]), getattr(torch, sys.argv[2])
executor = sparse(net, "cuda", dtype)
for plan in (plan_of_each_kind(net), by_unit(net, 4, 9), by_unit(net, 1, 3)):
    clip = clips(net, len(plan))
    values, found = expected(net, clip, plan), {}

    def record(name, value):
        found.setdefault(name, []).append(value.cpu())

    clip = clip.cuda()
    logits = executor(clip, plan, record)
    found = {"logits": logits.cpu(), **{name: torch.cat(each) for name, each in found.items()}}
    for name, (value, size) in values.items():
        error = (found[name].double() - value).abs().flatten(1).amax(1) / size
        assert (error <= BOUNDS[dtype]).all(), (name, error.tolist())
    assert torch.equal(executor(clip, plan), logits)
    assert torch.equal(executor(clip, executor.pack(plan)), logits)
# Threads and streams take turns; what came first, in another format or mode, changes nothing.
answers = {}

def ask(name, *given):
    with torch.cuda.stream(torch.cuda.Stream()), torch.inference_mode(name == "free"):
        for _ in range(3):
            answers[name] = executor(*given).cpu()

ready = executor.pack(plan)
executor(clip.to(dtype))
torch.cuda.synchronize()
threads = [threading.Thread(target=ask, args=given)
           for given in (("free", clip), ("planned", clip, ready), ("flipped", clip.flip(0)))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert torch.equal(answers["planned"], executor(clip, plan).cpu())
assert torch.equal(answers["free"], executor(clip).cpu())
assert torch.equal(answers["flipped"], executor(clip.flip(0)).cpu())
own = executor(clip)
assert torch.equal(own, executor(clip, executor.plan(clip)))
captured = [executor._replay._captured, executor._replay_planned._captured]
assert all(each and None not in each.values() for each in captured), "not captured"
"""


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@pytest.mark.parametrize("name", ["r3d", "r2plus1d", "c3d", "slow", "csn", "x3d", "s3d"])
def test_every_family_compiled_and_replayed(name, dtype):
    variables = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    variables["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, name, dtype],
        capture_output=True, text=True, check=False, env=variables,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
