"""Output of TensorFlow Lite's benchmark_model."""

from math import isnan

import pytest
from hypothesis import given, settings

from dance_lib.devices.formats import Declared
from dance_lib.devices.power import LogError
from dance_lib.devices.tflite import FORMAT
from tests.devices.mutations import EXAMPLES, mutations, read_or_refuse, words

VALID = """STARTING!
Log parameter values verbosely: [0]
Num threads: [4]
Graph: [x3d.tflite]
Loaded model x3d.tflite
Initialized session in 17.2ms.
Running benchmark for at least 1 iterations and at least 0.5 seconds.
count=2 first=351000 curr=349000 min=349000 max=351000 avg=350000 std=1000

Running benchmark for at least 50 iterations and at least 1 seconds.
count=50 first=2990275 curr=2913402 min=2727568 max=3189954 avg=2.95034e+06 std=109798

Inference timings in us: Init: 17187, First inference: 351000, Warmup (avg): 350000, \
Inference (avg): 2.95034e+06
Memory footprint delta from the start of the tool (MB): init=4.2 overall=46.1
Timings (microseconds): count=9 first=1 curr=1 min=1 max=2 avg=1.5 std=1
"""


def read(text):
    return FORMAT.read("log", text, Declared())


def test_the_runs_after_warm_up():
    log = read(VALID)
    assert (log.format, log.runs) == ("tflite", 50)
    assert log.mean_ms == pytest.approx(2950.34)
    assert log.least_ms == pytest.approx(2727.568)
    assert log.most_ms == pytest.approx(3189.954)
    assert log.deviation_ms == pytest.approx(109.798)
    assert isnan(log.median_ms)
    assert isnan(log.duration_s)


@pytest.mark.parametrize(
    "before", ["INFO: ", "I tflite  : ", "11-25 10:00:00.1  77  78 I tflite: "]
)
def test_lines_of_a_device_log(before):
    text = "\n".join(before + line for line in VALID.splitlines() if not line.startswith("Timings"))
    assert FORMAT.recognises(text)
    log = read(text)
    assert (log.runs, log.mean_ms, log.most_ms) == (50, 2950.34, 3189.954)


def test_a_median_where_printed():
    text = VALID.replace("std=109798", "std=109798 p5=2730000 median=2940000 p95=3100000")
    assert read(text).median_ms == pytest.approx(2940)


def test_runs_of_one_duration():
    block = VALID[VALID.index("count=50") : VALID.index("\n\nInference")]
    log = read(VALID.replace(block, "count=3 curr=2950338(all same)"))
    assert (log.runs, log.deviation_ms) == (3, 0)
    assert log.median_ms == log.least_ms == log.most_ms == pytest.approx(2950.338)
    assert read(VALID.replace(block, "count=1 curr=2950338")).runs == 1
    later = "count=3 curr=2950338(all same) p5=2950338 median=2950338 p95=2950338"
    assert read(VALID.replace(block, later)).runs == 3


def test_the_summary_alone():
    log = read("Inference timings in us: " + VALID.partition("Inference timings in us: ")[2])
    assert log.runs is None
    assert log.mean_ms == pytest.approx(2950.34)
    assert isnan(log.least_ms)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("Inference timings in us", "Inference timings", "did not come to its end"),
        ("Inference (avg): 2.95034e+06", "Inference (avg): 2.95e+06", "lines of different runs"),
        ("avg=2.95034e+06", "avg=2.96e+06", "lines of different runs"),
        ("Inference (avg): 2.95034e+06", "Inference (avg): nan", "does not tell the average"),
        ("Inference (avg): 2.95034e+06", "Inference (avg): 0", "lines of different runs"),
        ("min=2727568", "min=2960000", "not between min and max"),
        ("min=2727568 ", "", "line 11 has no min"),
        ("std=109798", "std=x", "'std=x' is not understood"),
        ("std=109798", "std=1 std=2", "'std=2' is not understood"),
        ("count=50 ", "count=0 ", "no run was timed"),
        ("Memory footprint", "Inference timings in us: Memory", "2 benchmarks in one log"),
        ("Timings (micro", "Benchmarking failed.\nTimings (micro", "says 'Benchmarking failed'"),
        (VALID, "", "did not come to its end"),
    ],
)
def test_what_is_refused(old, new, reason):
    with pytest.raises(LogError, match=reason):
        read(VALID.replace(old, new))


def test_no_time_at_all():
    with pytest.raises(LogError, match="no latency"):
        read(
            "Inference timings in us: Init: 1, First inference: 1, Warmup (avg): 1, "
            "Inference (avg): 0"
        )


def test_recognised():
    assert FORMAT.recognises(VALID)
    assert FORMAT.recognises("STARTING!\nMin num runs: [50]")
    assert not FORMAT.recognises("STARTING!")


TOKENS = (
    "Inference timings in us: ",
    "Init: ",
    "Inference (avg): ",
    "count=",
    "avg=",
    "std=",
    "e+06",
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=words(*TOKENS, "First inference: 1, Warmup (avg): 1, ", " curr=", "(all same)"))
def test_any_words(text):
    read_or_refuse(FORMAT, text, Declared())


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=mutations(VALID, *TOKENS))
def test_any_change(text):
    read_or_refuse(FORMAT, text, Declared())
