"""What is said of videos: a row of numbers for each, and lines to read."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dance_lib.aap.plan import AXES
from dance_lib.explain.decision import Decision

MILLION = 1e6
SHOWN = {
    "path": "video", "class": "class", "probability": "prob.", "mac_ratio": "R",
    "executed_mac_ratio": "executed", **{f"kept_{axis}": axis for axis in AXES},
    "dense_ms": "dense ms", "sparse_ms": "sparse ms",
}  # fmt: skip


def row_of(
    decision: Decision,
    classes: Sequence[str],
    dense_macs: int,
    executed: float | None,
    times: Mapping[str, float],
) -> dict[str, Any]:
    """The numbers of a video, means over its clips; None where there is none.

    Args:
        dense_macs: of the network, on one clip.
        executed: MACs that the sparse executor carries out, over dense ones; None without one.
        times: as `latency`.
    """
    [(label, probability)] = decision.best()
    return {
        "class": classes[label],
        "probability": probability,
        "clips": len(decision.plan),
        "dense_macs": dense_macs,
        "mac_ratio": decision.mac_ratios.mean().item(),
        "executed_mac_ratio": executed,
        **{f"kept_{axis}": float(decision.kept_overall[axis]) for axis in AXES},
        "dense_ms": times.get("dense"),
        "sparse_ms": times.get("sparse"),
    }


def block(
    decision: Decision, row: Mapping[str, Any], classes: Sequence[str], top: int
) -> list[str]:
    """All about one video, in lines.

    Args:
        row: as `row_of`, and `path`.
        top: so many classes.
    """
    facts, shape = decision.video.facts, decision.video.frames.shape[1:4]
    clips = counted(row["clips"], "clip")
    return [
        f"{row['path']}: {facts.seconds:.2f} s, {facts.frames} frames of {facts.width} × "
        f"{facts.height}, seen as {clips} of {' × '.join(map(str, shape))}",
        *_titled("class", _classes(decision, classes, top)),
        *_titled("MACs", [_macs(row)]),
        *_titled("kept", _kept(decision)),
        *_titled("latency", [_latency(row)] if row["dense_ms"] is not None else []),
    ]


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Several videos, a line each."""
    shown = pd.DataFrame(rows)[list(SHOWN)].dropna(axis=1, how="all")
    shares = ["probability", *(f"kept_{axis}" for axis in AXES)]
    shown[shares] = shown[shares].map("{:.0%}".format)
    for text in ("path", "class"):
        shown[text] = shown[text].str.ljust(shown[text].str.len().max())
    text = shown.rename(columns=SHOWN).to_string(index=False, float_format="{:.2f}".format)
    return text.splitlines()


def counted(number: int, thing: str) -> str:
    """`1 clip`, `2 clips`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _titled(title: str, lines: Sequence[str]) -> list[str]:
    return [f"  {title if i == 0 else '':9}{line}" for i, line in enumerate(lines)]


def _classes(decision: Decision, classes: Sequence[str], top: int) -> list[str]:
    best = decision.best(top)
    wide = max(len(classes[label]) for label, _ in best)
    return [f"{classes[label]:{wide}}  {probability:6.1%}" for label, probability in best]


def _macs(row: Mapping[str, Any]) -> str:
    ideal = row["mac_ratio"] * row["dense_macs"] / MILLION
    dense, executed = row["dense_macs"] / MILLION, row["executed_mac_ratio"]
    text = f"{ideal:,.1f} of {dense:,.1f} million a clip: R {row['mac_ratio']:.3f} of dense"
    return text if executed is None else f"{text}, executed {executed:.3f}"


def _kept(decision: Decision) -> list[str]:
    """A line a branch, and one for all of them."""
    rows = [*decision.kept.iterrows(), ("all", decision.kept_overall)]
    wide = max(len("branch"), *(len(str(name)) for name, _ in rows))
    lines = [f"{'branch':{wide}}" + "".join(f"{axis:>10}" for axis in AXES) + "   of the MACs"]
    for name, values in rows:
        shares = "".join(f"{values[axis]:10.0%}" for axis in AXES)
        share = f"{values['dense_share']:14.0%}" if "dense_share" in values else ""
        lines.append(f"{name:{wide}}{shares}{share}")
    return lines


def _latency(row: Mapping[str, Any]) -> str:
    dense = f"dense {row['dense_ms']:.1f} ms"
    if row["sparse_ms"] is None:
        return dense
    speed = row["dense_ms"] / row["sparse_ms"]
    return f"{dense}, sparse {row['sparse_ms']:.1f} ms: {speed:.2f} times as fast"
