"""Measured times as a reader wants them: tables to show, and the answers computed from them."""

from collections import Counter
from collections.abc import Hashable
from pathlib import Path

import pandas as pd
from pandas.io.formats.style import Styler

from dance_lib.analysis import reading
from dance_lib.analysis.latency import (
    FILES,
    NOT_TESTED,
    SETTING,
    listed,
    measured_on,
    shown,
)
from dance_lib.study import paths

NETWORK = ["model", "clip_shape", "precision"]


def origin(latency: pd.DataFrame, folder: str | Path) -> str:
    """Where the times come from, or what is missing and how it is made, in a sentence or two."""
    place = paths.resolve(folder)
    missing = [f"`{name}`" for name in FILES if not (place / name).is_file()]
    if missing:
        return (
            f"**Not measured:** `{folder}` has no {' and no '.join(missing)}, so what follows from "
            "it is empty. `make bench` times this machine and writes `results/bench`; "
            "`dance reproduce --only 17_table_latency -p bench=results/bench` then draws it."
        )
    if latency.empty:
        return f"**Not measured:** no time of `{folder}` is a processor's."
    return (
        f"{len(latency)} rows of `{folder}`, {measured_on(latency)}. Clips: "
        f"{listed(latency['clip'])}. Plans: {listed(latency['plan'])}."
    )


def engines(table: pd.DataFrame) -> Styler:
    """Milliseconds of each dense engine by setting, or why there are none."""
    reason = table["reason"].fillna("").astype(str)
    cell = _or_not(table, "ms").where(reason == "", NOT_TESTED + ": " + reason)
    return _pivot(table.assign(cell=cell), SETTING, "engine", "cell")


def plans(table: pd.DataFrame) -> Styler:
    """The plans of the settings that are shown, with what they are held against."""
    rows = shown(table)
    columns = {
        **{name: name for name in NETWORK}, "label": "plan kept", "plan": "plan by",
        "ideal_mac_ratio": "ideal MACs", "ideal_byte_ratio": "ideal bytes", "ms": "ms",
        "speedup": "speedup", "by_macs": "1 / MACs", "by_bytes": "1 / bytes",
        "efficiency": "efficiency", "pruned": "pruned", "narrower": "narrower",
    }  # fmt: skip
    return reading.table(rows[list(columns)].rename(columns=columns), 2, NOT_TESTED)


def crossovers(table: pd.DataFrame) -> Styler:
    """Crossovers of the settings that are shown, a column a rival."""
    return _pivot(shown(table), [*NETWORK, "axis"], "against", "quicker")


def parts(table: pd.DataFrame) -> Styler:
    """Parts of the settings that are shown, shares in percent."""
    shares = [str(name) for name in table if str(name).startswith("share")]
    rows = shown(table)[[*NETWORK, "part", "ms", *shares]]
    read = reading.table(rows, 2, NOT_TESTED)
    percents: list[Hashable] = [name.replace("_", " ") for name in shares]
    return read.format("{:.2%}", subset=percents, na_rep=NOT_TESTED)


def targets(table: pd.DataFrame) -> Styler:
    """What was to be reached, what was measured, and whether that is met or short by how much."""
    sign = table["bound"].map({"at least": "≥ ", "at most": "≤ "})
    reason = table.reindex(columns=["reason"])["reason"]  # not every table of targets has one
    why = reason.map("; {}".format).where(reason.notna(), "")
    rows = pd.DataFrame(
        {
            "model": table["model"],
            "setting": table["setting"],
            "to reach": sign + table["to_reach"].map("{:g}".format),
            "measured": table["measured"].map("{:.3f}".format).where(table["measured"].notna(), ""),
            "verdict": table["verdict"] + why,
        }
    )
    return reading.table(rows)


def gpu_origin(table: pd.DataFrame) -> str:
    """Where the times on a GPU come from, or that there are none."""
    if table.empty:
        return (
            "**Not tested:** no time of this bench is a GPU's. `dance bench --device cuda` takes "
            "them where there is one; the speeds to reach there are above, not tested."
        )
    versions = f"CUDA {listed(table['cuda'])}, Triton {listed(table['triton'])}"
    return f"{len(table)} rows, {measured_on(table)}; {versions}."


def on_gpus(table: pd.DataFrame) -> Styler | None:
    """Milliseconds a clip on a GPU at every batch, beside a roofline; None where none is timed.

    Of plans at a keep rate of every axis or one, those that keep all or half.
    """
    if table.empty:
        return None
    table = _all_or_half(table)
    columns = {
        "model": "model", "precision": "precision", "batch": "batch", "label": "what",
        "ms_per_clip": "ms a clip", "speedup": "speedup", "ideal_mac_ratio": "ideal MACs",
        "efficiency": "efficiency", "roofline_ms": "roofline, ms", "of_roofline": "of roofline",
    }  # fmt: skip
    return reading.table(table[list(columns)].rename(columns=columns), 3, NOT_TESTED)


def scaling(table: pd.DataFrame) -> Styler:
    """Milliseconds a clip of what keeps all or half, a column for each cores and batch."""
    rows = _all_or_half(table)
    where = rows["cores"].map("cores: {:.0f}, ".format) + rows["batch"].map("batch {}".format)
    return _pivot(rows.assign(where=where, cell=_or_not(rows, "ms_per_clip")),
                  [*NETWORK, "label"], "where", "cell")  # fmt: skip


def _all_or_half(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["keep_rate"].isna() | rows["keep_rate"].isin([0.5, 1.0])]


def _or_not(rows: pd.DataFrame, value: str) -> pd.Series:
    return rows[value].map("{:.1f}".format).where(rows[value].notna(), NOT_TESTED)


def _pivot(table: pd.DataFrame, rows: list[str], column: str, cell: str) -> Styler:
    wide = table.pivot_table(index=rows, columns=column, values=cell, aggfunc="first", sort=False)
    return reading.table(wide.rename_axis(columns=None).reset_index().fillna(""))


def answer(plans: pd.DataFrame, crossovers: pd.DataFrame, targets: pd.DataFrame) -> str:
    """What the tables say, a paragraph a network and precision."""
    counts = Counter(str(verdict).partition(" by ")[0] for verdict in targets["verdict"])
    counted = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    told_all = [f"Of {len(targets)} speeds to reach: **{counted}**."] if counted else []
    crossings = dict(list(shown(crossovers).groupby([*NETWORK, "against"], sort=False)))
    for network, rows in shown(plans).groupby(NETWORK, sort=False):
        speeds = rows.set_index("label")["speedup"].dropna()
        told = [
            f"{words} **× {speeds[name]:.2f}**"
            for name, words in (("full", "full plan"), ("all 0.5", "half of every axis"))
            if name in speeds
        ]
        for against, words in (("dense", "dense"), ("pruned", "the statically pruned network")):
            found = crossings.get((*network, against), crossovers.iloc[:0])
            each = zip(found["axis"].replace("all", "all three"), found["quicker"], strict=True)
            rates = ", ".join(f"{axis} {quicker}" for axis, quicker in each)
            told.append(f"quicker than {words} at keep rates: {rates or NOT_TESTED}")
        rival = listed(rows["rival"]) or "no dense engine"
        told_all.append(f"{', '.join(map(str, network))}, against {rival}: {'; '.join(told)}.")
    return "\n\n".join(told_all) or "Not tested."


def gpu_answer(table: pd.DataFrame) -> str:
    """What the times on a GPU say, a line a network and batch; nothing where none is timed."""
    told = []
    of_plans = {
        "full": "full plan", "frames 0.5": "half of the frames", "channels 0.5": "of the channels",
        "features 0.5": "of the tiles", "MACs 0.5": "half of the MACs", "MACs 0.3": "0.3 of them",
        "controller": "the trained controller's plan, decided within that time",
    }  # fmt: skip
    for (model, precision, batch), rows in table.groupby(["model", "precision", "batch"]):
        dense = rows[(rows["group"] == "dense") & rows["speedup"].notna()]
        speeds = rows.set_index("label")["speedup"].dropna()
        each = [f"{w} × {speeds[name]:.2f}" for name, w in of_plans.items() if name in speeds]
        told.append(
            f"- {model}, {precision}, batch {batch}, against {listed(rows['rival'])}, the fastest "
            f"of {listed(dense['label'])}: {', '.join(each)}"
        )
    return "\n".join(told and [f"On {listed(table['device'])}:", "", *told])
