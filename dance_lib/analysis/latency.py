"""What the tables of `dance bench` say: speedups, where pruning begins to pay, shares, cores.

Times are medians of interleaved runs, and all that is derived here is derived from them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dance_lib.study import paths

SETTING = ["model", "clip_shape", "precision", "threads", "batch"]
ORIGIN = [
    "rounds", "cores", "clip", "commit", "dirty", "seed", "device", "instruction_set", "python",
    "torch", "onnxruntime", "openvino", "torch-pruning", "date",
]  # fmt: skip
LATENCY = [
    *SETTING, "name", "group", "kind", "reason", "engine", "axis", "keep_rate", "plan",
    "ideal_mac_ratio", "executed_mac_ratio", "ideal_byte_ratio", "executed_byte_ratio", "ms",
    "ms_q25", "ms_q75", "ms_per_clip", "speedup", "speedup_q25", "speedup_q75", "time_ratio",
    "efficiency", "rival", *ORIGIN,
]  # fmt: skip
GPU = [
    "model", "clip_shape", "precision", "batch", "group", "label", "keep_rate", "ms_per_clip",
    "speedup", "ideal_mac_ratio", "efficiency", "roofline_ms", "of_roofline", "detail", "reason",
    "rival", "kind", "cuda", "triton", *ORIGIN,
]  # fmt: skip
TARGETS = ["model", "setting", "bound", "to_reach", "measured", "short_by", "verdict", "kind"]
FILES = {"latency.csv": LATENCY, "targets.csv": TARGETS}
STATIC = ("pruned", "narrower")
SAME_MACS = 1.05  # a static rival with up to so many times our MACs stands for one with as many
DENSE = "fastest dense engine"
MEASURED, NOT_TESTED = "measured", "not tested"


def read(folder: str | Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables `latency`, float32 first, and `targets` of a bench; an absent one has no rows.

    Args:
        folder: what `dance bench --out` wrote; a relative path starts at the root of the study.
    """
    place = paths.resolve(folder)
    latency, targets = (_read(place / name, columns) for name, columns in FILES.items())
    first = latency.sort_values("precision", ascending=False, kind="stable", ignore_index=True)
    return first, targets


def _read(file: Path, columns: list[str]) -> pd.DataFrame:
    if not file.is_file():
        return pd.DataFrame(columns=columns)
    table = pd.read_csv(file, keep_default_na=False, na_values=[""], dtype={"reason": str})
    return table.reindex(columns=[*columns, *(name for name in table if name not in columns)])


def measured_on(rows: pd.DataFrame) -> str:
    """Device, instruction set, commit and date of some rows, in words."""
    dirty = {True: " with changes", False: ""}
    commits = {
        str(c)[:8] + dirty.get(d, "") for c, d in zip(rows["commit"], rows["dirty"], strict=True)
    }
    return (
        f"measured on {listed(rows['device'])} ({listed(rows['instruction_set'])}), commit "
        f"{', '.join(sorted(commits))}, {listed(rows['date'])}"
    )


def networks(rows: pd.DataFrame, value: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Name (`r2plus1d_18.16x112x112`) and rows with a `value` of each model and clip shape."""
    rows = rows[rows[value].notna()]
    for (model, shape), of_network in rows.groupby(["model", "clip_shape"], sort=False):
        yield f"{model}.{str(shape).partition('x')[2]}", of_network


def shown(rows: pd.DataFrame) -> pd.DataFrame:
    """Of each network and precision the rows on one core at batch 1, or of its first setting."""
    parts = []
    for _, group in rows.groupby(["model", "clip_shape", "precision"], sort=False):
        one = (group["threads"] == "one") & (group["batch"] == 1)
        first = (group[["threads", "batch"]] == group[["threads", "batch"]].iloc[0]).all(axis=1)
        parts.append(group[one if one.any() else first])
    return pd.concat(parts, ignore_index=True) if parts else rows


def on_processors(latency: pd.DataFrame) -> pd.DataFrame:
    """The rows that were not timed on a GPU."""
    return latency[latency["threads"] != "cuda"].reset_index(drop=True)


def on_gpus(latency: pd.DataFrame) -> pd.DataFrame:
    """The rows that were timed on a GPU."""
    return latency[latency["threads"] == "cuda"].reset_index(drop=True)


def gpu_table(rows: pd.DataFrame) -> pd.DataFrame:
    """A row a dense form, plan of ours or part of it that was to be timed on a GPU.

    `roofline_ms` (modelled) is what the chip's arithmetic and memory allow a clip, `of_roofline`
    how much of that is reached.
    """
    rows = rows[rows["group"].isin(["dense", "ours", "part"])]
    return rows.assign(label=_labels(rows)).reindex(columns=GPU).reset_index(drop=True)


def _labels(rows: pd.DataFrame) -> pd.Series:
    """Names, but for the controller's plan whose it is: `controller`, `untrained controller`."""
    return rows["name"].mask(rows["name"] == "controller", rows["plan"])


# ------------------------------------------------------------------ engines and plans
def engines(latency: pd.DataFrame) -> pd.DataFrame:
    """A row a dense engine and setting, those that could not be timed with their reason."""
    columns = [*SETTING, "engine", "ms", "ms_q25", "ms_q75", "speedup", "rival", "reason", "kind"]
    table = latency.loc[latency["group"] == "dense", [*columns, *ORIGIN]]
    return table.reset_index(drop=True)


def plans(latency: pd.DataFrame) -> pd.DataFrame:
    """A row a plan of ours and setting: its speedup, and all it is held against.

    Returns:
        label: the row's name, of the controller's plan whose it is. by_macs and by_bytes: the
        reciprocals of the ideal ratios.
        pruned and narrower: the speedup over dense of the static rival at the same MACs, by
        interpolating its time over its MAC ratio; empty where all rivals have over 5 % more.
        against_pruned and against_narrower: our speed over the rival's.
    """
    table = latency[latency["group"] == "ours"].reset_index(drop=True)
    table["label"] = _labels(table)
    table["by_macs"] = 1 / table["ideal_mac_ratio"]
    table["by_bytes"] = 1 / table["ideal_byte_ratio"]
    for kind in STATIC:
        table[kind] = np.nan
        for setting, of_setting in table.groupby(SETTING):
            times = _static_times(latency, setting, kind, of_setting["ideal_mac_ratio"])
            table.loc[of_setting.index, kind] = 1 / times
        table[f"against_{kind}"] = table["speedup"] / table[kind]
    made = ["by_macs", "by_bytes", *STATIC, *(f"against_{kind}" for kind in STATIC)]
    kept = [c for c in LATENCY if c not in (*SETTING, *ORIGIN, "name", "group", "engine")]
    return table[[*SETTING, "label", *kept, *made, *ORIGIN]]


def _static_times(latency: pd.DataFrame, setting: Any, kind: str, ratios: pd.Series) -> np.ndarray:
    """Time of a static rival over the fastest dense engine's, at each MAC ratio.

    The rival's curve begins at the dense network itself: (1, 1).
    """
    of_setting = (latency[SETTING] == list(setting)).all(axis=1)
    rivals = latency[of_setting & (latency["group"] == kind) & latency["time_ratio"].notna()]
    if rivals.empty:
        return np.full(len(ratios), np.nan)
    curve = rivals.groupby("ideal_mac_ratio")["time_ratio"].mean()  # ascending
    if curve.index[-1] < 1:
        curve = pd.concat([curve, pd.Series({1.0: 1.0})])
    wanted = ratios.to_numpy(dtype=float)
    times = np.interp(wanted, curve.index.to_numpy(dtype=float), curve.to_numpy(dtype=float))
    return np.where(wanted * SAME_MACS < curve.index[0], np.nan, times)


# ------------------------------------------------------------------ where pruning begins to pay
def crossovers(plans: pd.DataFrame) -> pd.DataFrame:
    """A row a setting, axis and rival: the keep rate below which pruning is quicker than it.

    Args:
        plans: as `plans` gives them.

    Returns:
        against: `dense` (its fastest engine), `pruned` or `narrower` (at the same MACs).
        quicker: the keep rates at which ours is quicker, in words: `below 0.83 (MACs 0.85)` (with
        `, down to 0.5` where the rival was not made small enough for lower ones), `all tested`,
        `only at 0.75` where ours is slower again further down, `none`, `not tested`.
        keep_rate, mac_ratio: of the crossover; empty where all that is below is not quicker.
        between: the tested keep rates it was interpolated between. quicker_at: the tested keep
        rates at which ours is quicker. kind: `measured`, or `not tested`.
    """
    rows = []
    for _, of_setting in plans.groupby(SETTING, sort=False):
        full = of_setting[of_setting["axis"] == "full"]
        pruned = of_setting[of_setting["keep_rate"].notna() & (of_setting["axis"] != "full")]
        for _, of_axis in pruned.groupby("axis", sort=False):
            curve = pd.concat([full, of_axis]).sort_values("keep_rate")
            about: dict[Any, Any] = of_axis[[*SETTING, "axis", *ORIGIN]].iloc[0].to_dict()
            for against in ("dense", *STATIC):
                speed = "speedup" if against == "dense" else f"against_{against}"
                found = _crossover(curve, speed)
                rows.append({**about, "against": against, **found})
    made = ["against", "quicker", "keep_rate", "mac_ratio", "between", "quicker_at", "kind"]
    return pd.DataFrame(rows, columns=[*SETTING, "axis", *made, *ORIGIN])


def _crossover(curve: pd.DataFrame, speed: str) -> dict[str, Any]:
    """Where a curve, keep rates ascending, first stops being quicker than its rival.

    Between two tested keep rates the ratio of times is taken as linear, since a time is about a
    constant and a share of the MACs.
    """
    tested = curve[curve[speed].notna()]
    if not (tested["axis"] != "full").any():
        return {"quicker": NOT_TESTED, "kind": NOT_TESTED}
    rates, macs = (tested[name].to_numpy() for name in ("keep_rate", "ideal_mac_ratio"))
    times = 1 / tested[speed].to_numpy()
    quicker = times < 1
    quicker_at = ", ".join(f"{rate:g}" for rate in rates[quicker])
    said = {"kind": MEASURED, "quicker_at": quicker_at}
    if not quicker[0]:
        return said | {"quicker": f"only at {quicker_at}" if quicker_at else "none"}
    down = f", down to {rates[0]:g}" if rates[0] > curve["keep_rate"].min() else ""
    if quicker.all():
        words = f"all tested{down}"
        return said | {"quicker": words, "keep_rate": rates[-1], "mac_ratio": macs[-1]}
    i = int(quicker.argmin())  # the first that is not
    part = (1 - times[i - 1]) / (times[i] - times[i - 1])
    keep_rate, mac_ratio = (float(x[i - 1] + part * (x[i] - x[i - 1])) for x in (rates, macs))
    return said | {
        "quicker": f"below {keep_rate:.2f} (MACs {mac_ratio:.2f}){down}",
        "keep_rate": keep_rate,
        "mac_ratio": mac_ratio,
        "between": f"{rates[i - 1]:g}, {rates[i]:g}",
    }


# ------------------------------------------------------------------ shares, cores, batches
def parts(latency: pd.DataFrame) -> pd.DataFrame:
    """A row a part (stem; statistics, controller, planning) and setting, as shares of a clip.

    Returns:
        share_of_dense: of the fastest dense engine's time. share_of_full, share_of_half: of the
        time of our own full plan, and of the one that keeps half of every axis.
    """
    table = latency[latency["group"] == "part"].rename(
        columns={"name": "part", "time_ratio": "share_of_dense"}
    )
    ours = latency[latency["group"] == "ours"]
    for share, name in (("share_of_full", "full"), ("share_of_half", "all 0.5")):
        whole = ours[ours["name"] == name].set_index(SETTING)["ms"].rename(share)
        table = table.join(whole, on=SETTING)
        table[share] = table["ms"] / table[share]
    shares = ["share_of_dense", "share_of_full", "share_of_half"]
    columns = [*SETTING, "part", "ms", "ms_per_clip", *shares, "kind", *ORIGIN]
    return table[columns].reset_index(drop=True)


def scaling(latency: pd.DataFrame, plans: pd.DataFrame) -> pd.DataFrame:
    """A row a plan of ours, or the fastest dense engine, and setting: milliseconds a clip.

    Returns:
        over_one_core: its time over that on one core at the same batch. over_batch_1: its time a
        clip over that at batch 1 on as many cores. Both 1 where nothing is gained.
    """
    dense = latency[(latency["group"] == "dense") & (latency["name"] == latency["rival"])]
    columns = [*SETTING, "label", "engine", "keep_rate", "ms_per_clip", "kind", *ORIGIN]
    both = [dense.assign(label=DENSE), plans.assign(engine="ours")]
    filled = [rows[columns] for rows in both if len(rows)]
    table = pd.concat(filled or [both[1][columns]], ignore_index=True)
    for share, column, value in (("over_one_core", "threads", "one"), ("over_batch_1", "batch", 1)):
        keys = [name for name in (*SETTING, "label") if name != column]
        base = table[table[column] == value].set_index(keys)["ms_per_clip"].rename("base")
        table[share] = table["ms_per_clip"] / table.join(base, on=keys)["base"]
    groups = [rows for _, rows in table.groupby(["model", "clip_shape", "precision"], sort=False)]
    return pd.concat(groups, ignore_index=True) if groups else table


def in_several(scaling: pd.DataFrame) -> pd.DataFrame:
    """The rows of what was timed with more than one number of cores, or more than one batch."""
    groups = scaling.groupby(["model", "clip_shape", "label"])[["threads", "batch"]]
    return scaling[(groups.transform("nunique") > 1).any(axis=1)]


def listed(values: pd.Series) -> str:
    """Distinct values in the order they come."""
    return ", ".join(str(value) for value in values.dropna().unique())
