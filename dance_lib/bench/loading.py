"""What it takes to load an exported network: seconds, and memory, in a process of its own."""

from __future__ import annotations

import importlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from time import perf_counter

from dance_lib.deploy.engines import ENGINES

MIB = 1 << 20


def runs_in(forms: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each form with each engine that is installed and takes it."""
    for name, engine in ENGINES.items():
        if importlib.util.find_spec(engine.package) is not None:
            for form in forms:
                if engine.takes_dynamic or not form.startswith("dynamic"):
                    yield form, name


def load_forms(forms: Mapping[str, Sequence[Path]], clip_shape: Sequence[int]) -> list[dict]:
    """A row a form and engine.

    Args:
        forms: files by name. clip_shape: (C, T, H, W).

    Returns:
        form, engine, load_s (reading and compiling), memory_mib (resident, above the engine that
        holds nothing, after a clip through every network), file_mib, kind.
    """
    rows = []
    for form, engine in runs_in(forms):
        files = list(map(str, forms[form]))
        command = [sys.executable, "-m", __name__, engine, json.dumps([1, *clip_shape]), *files]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        size = sum(Path(file).stat().st_size for file in files) / MIB
        about = {"form": form, "engine": engine, **json.loads(told), "file_mib": size}
        rows.append(about | {"kind": "measured"})
    return rows


def _measure(name: str, shape: Sequence[int], files: Sequence[Path]) -> dict[str, float]:
    """Load time and memory of one form in this process."""
    import numpy as np
    import psutil

    engine = ENGINES[name]
    importlib.import_module(engine.package)
    process = psutil.Process()
    clip = np.zeros(shape, dtype=np.float32)
    before = process.memory_info().rss
    start = perf_counter()
    run = engine.load(files)
    seconds = perf_counter() - start
    run(clip)
    return {"load_s": seconds, "memory_mib": (process.memory_info().rss - before) / MIB}


if __name__ == "__main__":
    _name, _shape, *_files = sys.argv[1:]
    print(json.dumps(_measure(_name, json.loads(_shape), [Path(file) for file in _files])))
