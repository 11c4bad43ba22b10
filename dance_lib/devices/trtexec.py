"""Output of TensorRT's `trtexec`, version 8 and later: its performance summary.

The latency taken is `GPU Compute Time`, the time of the network's kernels on the GPU for one
query. `Latency` adds the copies to and from the GPU, which trtexec makes by default in some
versions and leaves out in others, so only the former means the same everywhere. What all runs
together took is `Total Host Walltime`, copies and waiting included.

Runs are the queries that were timed. trtexec multiplies them by the batch of an engine with
implicit batch and prints none for others in old versions; `Total GPU Compute Time` over the mean
tells the true number.

Specification: github.com/NVIDIA/TensorRT, samples/common/sampleReporting.cpp (printProlog,
printEpilog, printMetricExplanations), read at releases 8.2 to 10.
"""

import re

from dance_lib.devices.formats import Declared, Format
from dance_lib.devices.latency import NUMBER, LatencyLog
from dance_lib.devices.power import LogError

PREFIX = r"(?:\[[^]]*\] )*"  # [date] [I]
SUMMARY = re.compile(rf"{PREFIX}=== Performance summary ===\s*")
COMPUTE = re.compile(rf"{PREFIX}GPU Compute Time: (.*)")
ITEM = re.compile(rf"(\w+|percentile\([0-9.]+%\)) = ({NUMBER}) ms")
WALL = re.compile(rf"{PREFIX}Total Host Walltime: ({NUMBER}) s\s*")
TOTAL_COMPUTE = re.compile(rf"{PREFIX}Total GPU Compute Time: ({NUMBER}) s\s*")
QUERIES = re.compile(rf"{PREFIX}Timing trace has ([0-9]{{1,12}}) queries over {NUMBER} s\s*")
STREAMS = "Multiple inference streams are used"
AGREE = 1e-3  # relative; all are rounded to six digits and summed up as float32
HEADS = re.compile(
    rf"^(?:&&&& \w+ TensorRT\.trtexec\b|{PREFIX}=== Performance summary ===|"
    rf"{PREFIX}GPU Compute Time: |{PREFIX}Timing trace has )",
    re.MULTILINE,
)


def _recognises(head: str) -> bool:
    return HEADS.search(head) is not None


def _read(source: str, text: str, declared: Declared) -> LatencyLog:
    lines = text.splitlines()
    if any(line.startswith("&&&& FAILED") for line in lines):
        raise LogError(f"{source}: trtexec FAILED; its log supports no figure")
    if any(STREAMS in line for line in lines):
        raise LogError(
            f"{source}: several inference streams ran at once, so the time of one is not its "
            "latency; run trtexec with one stream"
        )
    if not any(SUMMARY.fullmatch(line) for line in lines):
        raise LogError(f"{source}: no performance summary of TensorRT 8 or later in it")
    found = _items(source, _only(source, lines, COMPUTE, "GPU Compute Time"))
    least, most, mean, median = (found[name] for name in ("min", "max", "mean", "median"))
    if any(not least * (1 - AGREE) <= x <= most * (1 + AGREE) for x in (mean, median)):
        raise LogError(f"{source}: mean or median of GPU Compute Time is not between min and max")
    wall = float(_only(source, lines, WALL, "Total Host Walltime"))
    compute = float(_only(source, lines, TOTAL_COMPUTE, "Total GPU Compute Time"))
    queries = int(_only(source, lines, QUERIES, "Timing trace has .. queries"))
    return LatencyLog(
        source=source,
        format="trtexec",
        runs=_runs(source, queries, compute, mean),
        mean_ms=mean,
        median_ms=median,
        least_ms=least,
        most_ms=most,
        duration_s=wall,
    )


def _only(source: str, lines: list[str], pattern: re.Pattern[str], name: str) -> str:
    """What the one line of this kind says."""
    hits = [hit[1] for line in lines if (hit := pattern.fullmatch(line))]
    if len(hits) != 1:
        raise LogError(
            f"{source}: {len(hits) or 'no'} line{'s' * (len(hits) > 1)} `{name}`, and one is "
            "needed; give each run of trtexec a file of its own"
        )
    return hits[0]


def _items(source: str, said: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in said.strip().split(", "):
        item = ITEM.fullmatch(part)
        if item is None or item[1] in found:
            raise LogError(f"{source}: {part[:40]!r} of GPU Compute Time is not understood")
        found[item[1]] = float(item[2])
    missing = [name for name in ("min", "max", "mean", "median") if name not in found]
    if missing or found["mean"] <= 0:
        raise LogError(f"{source}: GPU Compute Time has no {', '.join(missing) or 'positive mean'}")
    return found


def _runs(source: str, queries: int, compute_s: float, mean_ms: float) -> int:
    """How many were timed; held against how long all and one of them took."""
    runs = round(1000 * compute_s / mean_ms)
    batch = max(1, round(queries / runs)) if runs else 1
    if not runs or (queries and abs(queries / batch - runs) > AGREE * runs):
        raise LogError(
            f"{source}: {queries} queries of {mean_ms:g} ms do not make the {compute_s:g} s of "
            "Total GPU Compute Time: lines of different runs"
        )
    return queries // batch if queries else runs


FORMAT = Format("trtexec", _recognises, _read)
