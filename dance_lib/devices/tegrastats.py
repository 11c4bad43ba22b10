"""tegrastats of NVIDIA Jetson boards: a line a sample, rails as `NAME current/average` in mW.

Only the current value of a rail is power at that time: the average runs since tegrastats began.
"""

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from dance_lib.devices.formats import Declared, Format
from dance_lib.devices.power import LogError, PowerLog
from dance_lib.devices.tegrastats_clock import discontinuities, nominal, recorded
from dance_lib.devices.tegrastats_marks import Marks

# Rails that together feed the board, the first set of which all are there. NVIDIA Jetson Linux
# Developer Guide, Platform Power and Performance, "Software-Based Power Consumption Modeling",
# tables of power monitors, a page a board; of AGX Orin (r36.4.3, "Jetson Orin Nano Series, Jetson
# Orin NX Series and Jetson AGX Orin Series"): VDDQ_VDD2_1V8AO is contained in VIN_SYS_5V0.
TOTALS = (
    (("POM_5V_IN",), "the 5 V input of the board (Nano)"),
    (("VDD_IN",), "the input of the module, without its carrier board"),
    (
        ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),
        "the rails of the module (AGX Orin has none for its input), without its carrier board",
    ),
    (
        ("GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"),
        "the rails of the module (AGX Xavier has none for its input), without its carrier board",
    ),
)
MOST_MW = 1_000_000  # ten times what any Jetson draws: a larger number is damage

_LINE = re.compile(r"(?:([0-9-]{10} [0-9:]{8}) )?RAM [0-9]+/[0-9]+MB(?!\S)(.*)")
_MEMORY = re.compile(r"(?<!\S)[A-Z]+\s+[0-9]+/[0-9]+[kMG]B(?:\s*\([^)]*\))?(?!\S)")
_RAIL = re.compile(r"(?<!\S)([A-Za-z]\w*)\s+(-?[0-9]{1,9})(mW|)/(-?[0-9]{1,9})\3(?!\S)", re.ASCII)


@dataclass(frozen=True)
class _Sample:
    line: int
    stamp: str | None
    rails: dict[str, tuple[int, int]]  # current and average, mW


def recognises(head: str) -> bool:
    """Whether a line among the first ones begins as those of tegrastats do."""
    return any(_LINE.fullmatch(line.strip()) for line in head.splitlines())


def read(source: str, text: str, declared: Declared) -> PowerLog:
    """Power of every rail.

    Lines `# begin NAME` and `# end NAME` mark a window, from the first sample after the one to
    the last sample before the other; other lines that begin with `#` are comments.

    Raises:
        LogError: a line that is not of tegrastats, rails that come and go or are negative or not
            there at all, times on some lines only, going back, or no dates, marks that do not
            pair, or a nominal interval that is none.
    """
    samples, marks = _scan(source, text)
    rails = _rails(source, samples)
    values = np.array([[sample.rails[rail] for rail in rails] for sample in samples], dtype=float)
    stamps = [(sample.line, sample.stamp) for sample in samples if sample.stamp is not None]
    if stamps and len(stamps) < len(samples):
        line = next(sample.line for sample in samples if sample.stamp is None)
        raise LogError(
            f"{source}, line {line}: has no date and time, but other lines have; cut the log so "
            "that all lines have them or none has"
        )
    if stamps:
        times, start, notes = recorded(source, stamps)
    else:
        start = None
        times, notes = nominal(source, len(samples), declared.interval)
    breaks = []
    for at, anew in discontinuities(values[..., 0], values[..., 1]):
        what = "tegrastats began anew" if anew else "the average jumps, so lines are missing"
        notes.append(f"line {samples[at].line}: {what}")
        breaks.append(float(times[at]))
    total, fed = next(
        ((names, fed) for names, fed in TOTALS if set(names) <= set(rails)),
        ((), "not known for these rails, so there is no total"),
    )
    return PowerLog(
        source=source,
        format=FORMAT.name,
        watts=pd.DataFrame(values[..., 0] / 1000, index=times, columns=rails),
        total=total,
        clock="recorded" if stamps else "nominal",
        start=start,
        breaks=() if stamps else tuple(breaks),
        marks=marks.windows(times),
        notes=(*notes, f"what feeds the device: {fed}"),
    )


def _scan(source: str, text: str) -> tuple[list[_Sample], Marks]:
    samples: list[_Sample] = []
    marks = Marks(source)
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line:
            continue
        if line.startswith("#"):
            marks.note(number, line, len(samples))
            continue
        where = f"{source}, line {number}"
        found = _LINE.fullmatch(line)
        if not found:
            raise LogError(
                f"{where}: is not a line of tegrastats ({line[:40]!r}); delete it, or put # before "
                "it if it is a remark"
            )
        samples.append(_Sample(number, found[1], _rails_of(where, found[2])))
    if not samples:
        raise LogError(f"{source}: no line of tegrastats in it")
    return samples, marks


def _rails_of(where: str, fields: str) -> dict[str, tuple[int, int]]:
    fields = _MEMORY.sub(" ", fields)
    rails: dict[str, tuple[int, int]] = {}
    for found in _RAIL.finditer(fields):
        rail, current, average = found[1], int(found[2]), int(found[4])
        if rail == "NC":  # not connected; AGX Orin prints it twice
            continue
        if rail in rails:
            raise LogError(f"{where}: rail {rail} twice; delete the line")
        if not 0 <= current <= MOST_MW or not 0 <= average <= MOST_MW:
            raise LogError(f"{where}: {rail} at {current}/{average} mW is no power of a board")
        rails[rail] = current, average
    left = next((word for word in _RAIL.sub(" ", fields).split() if "/" in word), None)
    if left:
        raise LogError(f"{where}: {left[:40]!r} is no power of a rail in mW; delete the line")
    return rails


def _rails(source: str, samples: list[_Sample]) -> list[str]:
    """Names of the rails, which all samples must have."""
    first = samples[0]
    if not any(sample.rails for sample in samples):
        raise LogError(
            f"{source}: its lines name no power rail (an emulator, a board without power monitors, "
            "or tegrastats without sudo), so it supports no figure of power"
        )
    for sample in samples:
        missing = sorted(first.rails.keys() - sample.rails.keys())
        new = sorted(sample.rails.keys() - first.rails.keys())
        if missing or new:
            what = f"has no {missing[0]}" if missing else f"has {new[0]}"
            raise LogError(
                f"{source}, line {sample.line}: {what}, unlike line {first.line}; a log is of one "
                "board and every line names all its rails: delete cut lines, split mixed logs"
            )
    return list(first.rails)


FORMAT = Format("tegrastats", recognises, read)
