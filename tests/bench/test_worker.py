import os
import subprocess
import sys

from dance_lib.bench.worker import cores_of, environment

QUICK = """
import sys
import dance_lib.bench.worker
started = {"torch", "numpy", "pandas", "onnxruntime", "openvino"} & set(sys.modules)
assert not started, f"threads may be started before the process is pinned, by {started}"
"""


def test_nothing_with_threads_is_loaded_before_the_process_is_pinned():
    subprocess.run([sys.executable, "-c", QUICK], check=True)


def test_one_core_or_all_that_are_allowed(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {5, 3, 4})
    assert cores_of("one") == [3]
    assert cores_of("all") == [3, 4, 5]


def test_threads_and_kept_memory(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {5, 3})
    variables = environment("all")
    assert variables["OMP_NUM_THREADS"] == "2"
    assert variables["MALLOC_MMAP_MAX_"] == "0"
    assert int(variables["MALLOC_TRIM_THRESHOLD_"]) > 1 << 34
    assert variables["TORCHINDUCTOR_COMPILE_THREADS"] == "1"
    assert environment("cuda")["TORCHINDUCTOR_COMPILE_THREADS"] == "2"
