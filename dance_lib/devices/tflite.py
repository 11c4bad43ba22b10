"""Output of TensorFlow Lite's, now LiteRT's, `benchmark_model`.

Two lines tell: `Inference timings in us: Init: .., First inference: .., Warmup (avg): ..,
Inference (avg): ..`, and before it, for the runs after warm-up, `count=50 first=.. curr=.. min=..
max=.. avg=.. std=..` (`count=1 curr=..` and `count=9 curr=..(all same)` where all are one value;
newer ones append `p5=.. median=.. p95=..`). All in µs of the host's clock around one call of the
interpreter. With `--run_delay` runs have pauses between, so what they took together is not told.

Specification: github.com/google-ai-edge/LiteRT, tflite/tools/benchmark/benchmark_model.cc and
github.com/tensorflow/tensorflow, tensorflow/lite/tools/benchmark/benchmark_model.cc
(OnBenchmarkEnd, Run), benchmark_main.cc beside it, and stats_calculator.h of tensorflow/core/util
or tsl (OutputToStream); described in the README.md of that folder.
"""

import re

from dance_lib.devices.formats import Declared, Format
from dance_lib.devices.latency import NUMBER, LatencyLog
from dance_lib.devices.power import LogError

LOGCAT = r"(?:INFO: |(?:[^a-z]* )?I[ /]tflite *(?:\( *[0-9]+\))?: )?"  # before a line on a device
SUMMARY = re.compile(
    rf"{LOGCAT}Inference timings in us: Init: {NUMBER}, First inference: {NUMBER}, "
    rf"Warmup \(avg\): (?:{NUMBER}|-?nan), Inference \(avg\): (?P<mean>{NUMBER})\s*"
)
COUNT = re.compile(rf"{LOGCAT}(count=[0-9]{{1,9}}(?: \w+=.*)?)\s*")
FIELD = re.compile(rf"(\w+)=({NUMBER})")
FAILED = "Benchmarking failed"  # said at the end, after the summary too
AGREE = 1e-4  # relative; both lines round to six digits
HEADS = re.compile(
    rf"^{LOGCAT}(?:Inference timings in us: |Log parameter values verbosely: |count=[0-9]"
    r"|Min num runs: \[|Min runs duration \(seconds\): \[|Initialized session in )",
    re.MULTILINE,
)


def _recognises(head: str) -> bool:
    return HEADS.search(head) is not None


def _read(source: str, text: str, declared: Declared) -> LatencyLog:
    lines = text.splitlines()
    found = [at for at, line in enumerate(lines) if "Inference timings in us:" in line]
    if not found:
        raise LogError(
            f"{source}: no line `Inference timings in us`, so the benchmark did not come to its end"
        )
    if any(FAILED in line for line in lines):
        raise LogError(f"{source}: says {FAILED!r}; its log supports no figure")
    if len(found) > 1:
        raise LogError(f"{source}: {len(found)} benchmarks in one log; give each a file of its own")
    summary = SUMMARY.fullmatch(lines[found[0]])
    if summary is None:
        raise LogError(f"{source}: line {found[0] + 1} does not tell the average in µs as a number")
    mean = float(summary["mean"])
    counts = [(at, hit[1]) for at in range(found[0]) if (hit := COUNT.fullmatch(lines[at]))]
    if not counts:
        return LatencyLog(source=source, format="tflite", runs=None, mean_ms=mean / 1000)
    return _with_count(source, counts[-1][0] + 1, counts[-1][1], mean)


def _with_count(source: str, line: int, count: str, mean: float) -> LatencyLog:
    fields: dict[str, float] = {}
    for part in count.replace("(all same)", "").split():
        field = FIELD.fullmatch(part)
        if field is None or field[1] in fields:
            raise LogError(f"{source}: line {line}: {part[:40]!r} is not understood")
        fields[field[1]] = float(field[2])
    if fields["count"] == 0:
        raise LogError(f"{source}: line {line}: no run was timed, as with --dry_run")
    if "curr" in fields and "first" not in fields:  # all of one value
        fields |= dict.fromkeys(("min", "max", "avg", "median"), fields["curr"]) | {"std": 0.0}
    missing = {"min", "max", "avg", "std"} - set(fields)
    if missing:
        raise LogError(f"{source}: line {line} has no {', '.join(sorted(missing))}")
    if abs(fields["avg"] - mean) > AGREE * mean:
        raise LogError(
            f"{source}: line {line} has an average of {fields['avg']:g} µs and `Inference (avg)` "
            f"is {mean:g}: lines of different runs"
        )
    least, most = fields["min"], fields["max"]
    median = fields.get("median", float("nan"))
    if any(not least * (1 - AGREE) <= x <= most * (1 + AGREE) for x in (mean, median) if x == x):
        raise LogError(f"{source}: line {line}: an average that is not between min and max")
    return LatencyLog(
        source=source,
        format="tflite",
        runs=int(fields["count"]),
        mean_ms=mean / 1000,
        median_ms=median / 1000,
        least_ms=least / 1000,
        most_ms=most / 1000,
        deviation_ms=fields["std"] / 1000,
    )


FORMAT = Format("tflite", _recognises, _read)
