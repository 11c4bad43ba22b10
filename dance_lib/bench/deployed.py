"""Exported networks beside each other in this machine's engines: time, load time and memory."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

import dance_lib as dance
from dance_lib.bench.interleave import interleave
from dance_lib.deploy.codebook import Codebook
from dance_lib.deploy.engines import Run, in_onnx_runtime, in_openvino
from dance_lib.network import Dance

ENGINES: dict[str, tuple[str, Callable[..., Run]]] = {  # by title: its package, and what loads
    "ONNX Runtime": ("onnxruntime", in_onnx_runtime),
    "OpenVINO": ("openvino", in_openvino),
}
SPARSE = "sparse executor"
MIB = 1 << 20


def export_forms(net: Dance, codebook: Codebook, folder: Path) -> dict[str, list[Path]]:
    """Every form as files; `dense, 2-D kernels` and the like are those that `planar` gives.

    A form that can't be written so is left out: 3-D kernels that are not factorised.
    """
    forms = {}
    for planar in (False, True):
        for form in ("dense", "dynamic", "codebook"):
            name = f"{form}, 2-D kernels" if planar else form
            try:
                place = folder / name.replace(", ", "-").replace(" ", "-")
                forms[name] = net.export(place, form, codebook=codebook, planar=planar)
            except dance.DanceError:
                if not planar:
                    raise
    return forms


def time_forms(
    net: Dance, forms: dict[str, list[Path]], clips: Tensor, rounds: int, seed: int = 0
) -> pd.DataFrame:
    """A row a form, engine and timed run of one clip on one thread, all in turns.

    Args:
        forms: of `export_forms`.
        clips: (N, C, T, H, W); round r takes clip r, the same for everyone.

    Returns:
        form, engine, round, ms, kind. Engines that are not installed are not there, nor is a dynamic
        network in OpenVINO, which takes none.
    """
    arrays = [clip[None].numpy() for clip in clips]
    fast = dance.sparse(net)
    runs: dict[tuple[str, str], Run] = {
        ("free plan", SPARSE): lambda clip: fast(torch.from_numpy(clip)).numpy()
    }
    for engine, (package, load) in ENGINES.items():
        if importlib.util.find_spec(package) is not None:
            for form, files in forms.items():
                if not (engine == "OpenVINO" and form.startswith("dynamic")):
                    runs[form, engine] = load(files)

    def on_each(run: Run, own: Iterator[np.ndarray]) -> Callable[[], object]:
        return lambda: run(next(own))

    names = {"\t".join(key): on_each(run, cycle(arrays)) for key, run in runs.items()}
    with _one_thread():
        table = interleave(names, rounds, seed=seed, title="engines")
    table[["form", "engine"]] = table["name"].str.split("\t", expand=True)
    return table[["form", "engine", "round", "ms"]].assign(kind="measured")


def load_forms(forms: dict[str, list[Path]], clip: Tensor) -> pd.DataFrame:
    """A row a form and engine, each in a process of its own.

    Args:
        clip: (1, C, T, H, W).

    Returns:
        form, engine, load_s (reading and compiling), memory_mib (resident, above the engine that
        holds nothing, after a clip through every network), file_mib.
    """
    rows = []
    for engine, (package, _) in ENGINES.items():
        if importlib.util.find_spec(package) is None:
            continue
        for form, files in forms.items():
            if engine == "OpenVINO" and form.startswith("dynamic"):
                continue
            command = [sys.executable, "-m", __name__, engine, json.dumps(list(clip.shape))]
            told = subprocess.run(
                [*command, *map(str, files)], capture_output=True, text=True, check=True
            )
            size = sum(file.stat().st_size for file in files) / MIB
            rows.append(
                {"form": form, "engine": engine, **json.loads(told.stdout), "file_mib": size}
            )
    return pd.DataFrame(rows).assign(kind="measured")


class _one_thread:  # noqa: N801 - used as a function
    """PyTorch on one thread, as the engines are."""

    def __enter__(self) -> None:
        self._before = torch.get_num_threads()
        torch.set_num_threads(1)

    def __exit__(self, *error: object) -> None:
        torch.set_num_threads(self._before)


def _measure(engine: str, shape: list[int], files: list[Path]) -> dict[str, Any]:
    """Load time and memory of one form in this process."""
    import psutil

    package, load = ENGINES[engine]
    importlib.import_module(package)
    process = psutil.Process()
    clip = np.zeros(shape, dtype=np.float32)
    before = process.memory_info().rss
    start = perf_counter()
    run = load(files)
    seconds = perf_counter() - start
    run(clip)
    return {"load_s": seconds, "memory_mib": (process.memory_info().rss - before) / MIB}


if __name__ == "__main__":
    print(
        json.dumps(_measure(sys.argv[1], json.loads(sys.argv[2]), [Path(f) for f in sys.argv[3:]]))
    )
