"""Output of TensorRT's trtexec."""

import os
from math import isnan
from pathlib import Path

import pytest
from hypothesis import given, settings

from dance_lib.devices.formats import Declared
from dance_lib.devices.power import LogError
from dance_lib.devices.trtexec import FORMAT
from tests.devices.mutations import EXAMPLES, mutations, read_or_refuse, words

VALID = """&&&& RUNNING TensorRT.trtexec [TensorRT v8201] # trtexec --loadEngine=a.trt
[03/29/2023-17:56:47] [I] TensorRT version: 8.2.1
[03/29/2023-17:57:16] [I] Warmup completed 1 queries over 200 ms
[03/29/2023-17:57:16] [I] Timing trace has 10 queries over 2.5 s
[03/29/2023-17:57:16] [I]
[03/29/2023-17:57:16] [I] === Trace details ===
[03/29/2023-17:57:16] [I] Average on 10 runs - GPU latency: 200 ms - Host latency: 210 ms
[03/29/2023-17:57:16] [I]
[03/29/2023-17:57:16] [I] === Performance summary ===
[03/29/2023-17:57:16] [I] Throughput: 4 qps
[03/29/2023-17:57:16] [I] Latency: min = 200 ms, max = 230 ms, mean = 210 ms, median = 211 ms
[03/29/2023-17:57:16] [I] GPU Compute Time: min = 190 ms, max = 220 ms, mean = 200 ms, \
median = 201 ms, percentile(99%) = 219 ms
[03/29/2023-17:57:16] [I] D2H Latency: min = 0.0117188 ms, max = 1 ms, mean = 1 ms, median = 1 ms
[03/29/2023-17:57:16] [I] Total Host Walltime: 2.5 s
[03/29/2023-17:57:16] [I] Total GPU Compute Time: 2 s
[03/29/2023-17:57:16] [W] * GPU compute time is unstable, with coefficient of variance = 3%.
&&&& PASSED TensorRT.trtexec [TensorRT v8201] # trtexec --loadEngine=a.trt
"""
LATER = ", percentile(90%) = 212 ms, percentile(95%) = 215 ms, percentile(99%) = 219 ms"


def read(text):
    return FORMAT.read("log", text, Declared())


def test_compute_time_of_the_summary():
    log = read(VALID)
    assert (log.format, log.runs) == ("trtexec", 10)
    assert (log.least_ms, log.mean_ms, log.median_ms, log.most_ms) == (190, 200, 201, 220)
    assert log.duration_s == 2.5
    assert isnan(log.deviation_ms)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (", percentile(99%) = 219 ms", LATER),  # 8.5 and later
        (", percentile(99%) = 219 ms", ""),
        ("[03/29/2023-17:57:16] [I] ", ""),  # copied without dates
        ("[03/29/2023-17:57:16]", "[INFO] [03/29/2023-17:57:16]"),
        ("has 10 queries", "has 320 queries"),  # implicit batch of 32
        ("has 10 queries", "has 0 queries"),  # explicit batch in 8.0
    ],
)
def test_other_wordings(old, new):
    log = read(VALID.replace(old, new))
    assert (log.runs, log.mean_ms, log.duration_s) == (10, 200, 2.5)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("&&&& PASSED", "&&&& FAILED", "trtexec FAILED"),
        ("=== Performance summary ===", "", "no performance summary"),
        ("GPU Compute Time: ", "GPU Compute ", "no line `GPU Compute Time`"),
        ("D2H Latency", "GPU Compute Time", "2 lines `GPU Compute Time`"),
        ("mean = 200 ms, ", "", "has no mean"),
        ("mean = 200 ms", "mean = 0 ms", "no positive mean"),
        ("mean = 200 ms", "mean = inf ms", "'mean = inf ms' of GPU Compute Time is not"),
        ("mean = 200 ms", "mean = 200 us", "'mean = 200 us' of GPU Compute Time is not"),
        ("mean = 200 ms", "min = 200 ms", "'min = 200 ms' of GPU Compute Time is not"),
        ("mean = 200 ms", "mean = 230 ms", "is not between min and max"),
        ("has 10 queries", "has 14 queries", "lines of different runs"),
        ("Total GPU Compute Time: 2 s", "Total GPU Compute Time: 0 s", "lines of different runs"),
        ("Total Host", "Host", "no line `Total Host Walltime`"),
        ("Timing trace", "Trace", "no line `Timing trace has"),
        (
            "* GPU compute",
            "* Multiple inference streams are used. GPU",
            "several inference streams",
        ),
        (VALID, VALID + VALID, "2 lines `GPU Compute Time`.*a file of its own"),
    ],
)
def test_what_is_refused(old, new, reason):
    with pytest.raises(LogError, match=reason):
        read(VALID.replace(old, new))


def test_recognised():
    assert FORMAT.recognises(VALID)
    assert FORMAT.recognises("=== Performance summary ===")
    assert not FORMAT.recognises("[I] Throughput: 4 qps")


@pytest.mark.shared_data
def test_a_real_log_of_a_jetson_nano():
    path = Path(os.environ["DANCE_DATA"]) / "device_logs/jetson_nano_resnet50.trtexec.txt"
    text = path.read_text()
    assert FORMAT.recognises(text[:4096])
    log = read(text)
    assert (log.runs, log.mean_ms, log.median_ms) == (10, 2030.5, 2033.62)
    assert (log.least_ms, log.most_ms, log.duration_s) == (2005.91, 2054.4, 20.324)


TOKENS = (
    "=== Performance summary ===",
    "GPU Compute Time: ",
    "mean = ",
    " ms",
    "Total Host ",
    "e9",
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=words(*TOKENS, "Timing trace has ", " queries over ", "[I] ", "Walltime: ", " s\n"))
def test_any_words(text):
    read_or_refuse(FORMAT, text, Declared())


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=mutations(VALID, *TOKENS))
def test_any_change(text):
    read_or_refuse(FORMAT, text, Declared())
