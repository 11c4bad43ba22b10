"""Joules of a clip, by whatever tells them: this machine's meters, logs of devices, a model."""

from pathlib import Path
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from dance_lib.analysis import latency_report, reading
from dance_lib.analysis.figures import seeds_in_words
from dance_lib.analysis.intervals import factor_interval
from dance_lib.analysis.latency import SETTING, measured_on
from dance_lib.devices.runs import DENSE, read_runs
from dance_lib.errors import DanceError
from dance_lib.study import paths

FILE = "energy.csv"
HOST = [
    *SETTING, "name", "group", "repeat", "part", "meter", "kind", "clips", "duration_s",
    "ms_per_clip", "power_w", "idle_w", "energy_j", "j_per_clip", "net_j_per_clip",
    "ideal_mac_ratio", "commit", "dirty", "device", "instruction_set", "date",
]  # fmt: skip
MODEL, PLAN, LESS_JOULES = "r2plus1d_18", "MACs 0.5", 1.3  # what a GPU is to reach
SHAPE, DENSE_FORMS = "3x16x112x112", {"eager", "channels_last", "graph", "compile"}  # against these
VALUES = ["ms_per_clip", "power_w", "idle_w", "j_per_clip", "net_j_per_clip"]
SUMMARY = ["source", "device", "network", "part", "meter", "kind", "sample", "speedup",
           "energy_ratio", "net_energy_ratio"]  # fmt: skip


def read_host(folder: str | Path) -> pd.DataFrame:
    """`energy.csv` of `dance bench --energy`, or no rows where there is none."""
    file = paths.resolve(folder) / FILE
    return pd.read_csv(file) if file.is_file() else pd.DataFrame(columns=HOST)


def read_devices(folder: str | Path) -> tuple[pd.DataFrame, list[str]]:
    """Rows of the runs in a folder of device logs, and why the others were refused."""
    reasons: list[str] = []
    place = paths.resolve(folder)

    def refused(error: DanceError) -> None:
        reasons.append(str(error).replace(f"{place}/", ""))

    return read_runs(place, refused), reasons


def host_table(rows: pd.DataFrame) -> pd.DataFrame:
    """A row a setting, network and part of the machine: medians over repeats, least and most.

    `speedup` and `energy_ratio` (gross) and `net_energy_ratio` are over the dense engine with the
    least time, medians of the ratio within a repeat: each repeat has one loop of everyone. A part
    that takes no more than at rest has no joules above idle, and no ratio of them.
    """
    if rows.empty:
        return pd.DataFrame(columns=[*SETTING, *SUMMARY[1:], *VALUES])
    above = rows["net_j_per_clip"] > 1e-6 * rows["j_per_clip"]  # less is rounding
    rows = rows.assign(net_j_per_clip=rows["net_j_per_clip"].where(above))
    tables = []
    for _, of_setting in rows.groupby(SETTING, sort=False):
        dense = of_setting[of_setting["group"] == DENSE]
        if dense.empty:
            continue
        about = of_setting.iloc[0]
        rival = dense.groupby("name")["ms_per_clip"].median().idxmin()
        for keys, own in of_setting.groupby(["name", "part", "meter", "kind"], sort=False):
            name, part, meter, kind = keys
            theirs = dense[(dense["name"] == rival) & (dense["part"] == part)]
            theirs = theirs[theirs["meter"] == meter].set_index("repeat")
            own = own.set_index("repeat")
            ratio = theirs[VALUES] / own[VALUES]
            tables.append(
                {
                    **{name: about[name] for name in SETTING},
                    "device": about["device"],
                    "network": name,
                    "group": own["group"].iloc[0],
                    "rival": rival,
                    "part": part,
                    "meter": meter,
                    "kind": kind,
                    "sample": f"{len(own)} loops",
                    "loop_s": own["duration_s"].median(),
                    "clips": own["clips"].sum(),
                    "ideal_mac_ratio": own["ideal_mac_ratio"].iloc[0],
                    **{value: own[value].median() for value in VALUES},
                    "j_low": own["j_per_clip"].min(),
                    "j_high": own["j_per_clip"].max(),
                    "speedup": ratio["ms_per_clip"].median(),
                    "energy_ratio": ratio["j_per_clip"].median(),
                    "net_energy_ratio": ratio["net_j_per_clip"].median(),
                }
            )
    return pd.DataFrame(tables)


def to_reach(host: pd.DataFrame) -> pd.DataFrame:
    """The joules to reach on a GPU, as the speeds of the bench: a row a batch.

    Args:
        host: as `host_table` gives it; only what is measured counts, beside all dense forms.
    """
    rows = []
    for batch in (1, 32):
        setting = f"joules a clip, dense over {PLAN}, float16, GPU, batch {batch}"
        wanted = {"model": MODEL, "clip_shape": SHAPE, "precision": "float16", "threads": "cuda",
                  "batch": batch, "part": "gpu", "kind": "measured"}  # fmt: skip
        metered = host
        for column, value in wanted.items():
            metered = metered[metered[column] == value]
        found = metered[(metered["network"] == PLAN) & (set(metered["network"]) >= DENSE_FORMS)]
        row: dict[str, Any] = {"model": MODEL, "setting": setting, "bound": "at least",
                               "to_reach": LESS_JOULES, "measured": float("nan")}  # fmt: skip
        if found.empty:
            rows.append(row | {"verdict": "not tested", "kind": "not tested"})
            continue
        measured = float(found["energy_ratio"].min())
        short = max(0.0, LESS_JOULES - measured)
        verdict = f"short by {short:.3f}" if short else "met"
        rows.append(row | {"measured": measured, "verdict": verdict, "kind": "measured"})
    return pd.DataFrame(rows)


def devices_table(runs: pd.DataFrame) -> pd.DataFrame:
    """A row a device and network: means over its runs, and how many times less than dense.

    A ratio is taken within one rail, kind, meter and clock alone.
    """
    rows = []
    keys = ["device", "rail", "kind", "format", "timed_by"]
    for (device, rail, kind, meter, _), group in runs.groupby(keys, sort=False):
        dense = group[group["network"] == DENSE]
        for network, own in group.groupby("network", sort=False):
            row: dict[str, Any] = {
                "device": device, "network": network, "part": rail, "kind": kind,
                "sample": f"{len(own)} runs", "clips": own["clips"].sum(),
                "meter": meter,
                **{value: own[value].mean() for value in VALUES if value in own},
            }  # fmt: skip
            for name, value in (("speedup", "ms_per_clip"), ("energy_ratio", "j_per_clip")):
                known = len(dense) > 0
                factor = factor_interval(dense[value], own[value]) if known else None
                row[name] = factor.mean if factor else float("nan")
                row[f"{name}_low"] = factor.low if factor else float("nan")
                row[f"{name}_high"] = factor.high if factor else float("nan")
            row["net_energy_ratio"] = dense["net_j_per_clip"].mean() / row["net_j_per_clip"]
            rows.append(row)
    columns = [*SUMMARY[1:], "clips", "ms_per_clip", "idle_w", "j_per_clip",
               "net_j_per_clip", "speedup_low", "speedup_high", "energy_ratio_low",
               "energy_ratio_high"]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def summary(host: pd.DataFrame, devices: pd.DataFrame, speeds: pd.DataFrame) -> pd.DataFrame:
    """Speedup and energy over dense of everything pruned, a row a source and network.

    Args:
        host: of `host_table`. devices: of `devices_table`.
        speeds: of `device_model.speed_table`; its energy is of constant power, where that is
            published.
    """
    parts = [
        host[host["group"] != DENSE].assign(source="this machine") if len(host) else host,
        devices[devices["network"] != DENSE].assign(source="device logs"),
    ]
    if len(speeds):
        by_arm = speeds.groupby(["title", "device"], sort=False)
        means = by_arm.agg({"speedup": "mean", "dense_mj": "mean", "seed": "nunique"}).reset_index()
        parts.append(
            means.rename(columns={"title": "network"}).assign(
                source="model",
                part="processor",
                meter="roofline",
                kind="modelled",
                energy_ratio=means["speedup"].where(means["dense_mj"].notna()),
                sample=[seeds_in_words(seeds) for seeds in means["seed"]],
            )
        )
    shown = [part.reindex(columns=SUMMARY) for part in parts if len(part)]
    return pd.concat(shown, ignore_index=True) if shown else pd.DataFrame(columns=SUMMARY)


def host_origin(rows: pd.DataFrame, folder: str | Path) -> str:
    """Where the joules of this machine come from, or how they are made."""
    if rows.empty:
        return (
            f"**Not tested:** `{folder}` has no `{FILE}`. `dance bench --energy` meters this "
            "machine and writes `results/bench`; `-p bench=results/bench` then shows it here."
        )
    kinds = " and ".join(
        f"{part}: **{kind}** ({meter})"
        for (part, kind, meter), _ in rows.groupby(["part", "kind", "meter"], sort=False)
    )
    return (
        f"{kinds}. Loops of {rows['duration_s'].min():.0f} s or more, {rows['repeat'].nunique()} "
        f"of each, {measured_on(rows)}. An estimate is a power that was assumed, times time: it "
        "tells nothing that the times do not, and decides no claim."
    )


def devices_origin(runs: pd.DataFrame, reasons: list[str], folder: str | Path) -> str:
    """Which logs there are, and why some are left out."""
    if runs.empty and not reasons:
        return (
            f"**Not tested:** `{folder}` has no `runs.yml`. Put logs of a device there with that "
            "file, which says what ran (DEVICES.md shows one), and run this again."
        )
    lines = [f"{len(runs)} runs on {runs['device'].nunique()} devices, from `{folder}`."]
    return "\n".join([*lines, *(f"- refused: {reason}" for reason in reasons)])


def answer(table: pd.DataFrame) -> str:
    """What was measured, what is only estimated or modelled, and what that allows to say."""
    told = []
    for kind, meaning in (
        ("measured", "by a counter or a device's meter"),
        ("estimated", "an assumed power, so no evidence"),
        ("modelled", "a roofline, so no evidence"),
    ):
        rows = table[(table["kind"] == kind) & table["energy_ratio"].notna()]
        if len(rows):
            best = rows.sort_values("energy_ratio").iloc[-1]
            told.append(
                f"{len(rows)} **{kind}** ({meaning}), at most {best['energy_ratio']:.2f}× less "
                f"energy than dense ({best['network']}, {best['device']})"
            )
    if not told:
        return "No energy was measured, estimated or modelled: **not tested**."
    measured = (table["kind"] == "measured").any()
    end = "" if measured else " Nothing here was measured, so no claim about energy is decided."
    return "Of the figures of pruned networks " + "; ".join(told) + "." + end


def shown_host(table: pd.DataFrame) -> Styler:
    """The table of this machine as a reader wants it."""
    columns = {
        "network": "network", "part": "part", "kind": "kind", "sample": "sample",
        "ideal_mac_ratio": "ideal MACs", "ms_per_clip": "ms a clip", "power_w": "W",
        "idle_w": "W idle", "j_per_clip": "J a clip", "net_j_per_clip": "J without idle",
        "speedup": "speedup", "energy_ratio": "energy, dense / own",
        "net_energy_ratio": "without idle",
    }  # fmt: skip
    return _shown(table, ["model", "threads", *columns], columns)


def shown_to_reach(table: pd.DataFrame) -> Styler:
    """As the speeds to reach are shown."""
    return latency_report.targets(table)


def shown_devices(table: pd.DataFrame) -> Styler | None:
    """The table of devices as a reader wants it; None where no log is there."""
    if table.empty:
        return None
    columns = {
        "device": "device", "network": "network", "part": "rail", "kind": "kind",
        "sample": "sample",
        "ms_per_clip": "ms a clip", "idle_w": "W idle", "j_per_clip": "J a clip",
        "net_j_per_clip": "J without idle", "speedup": "speedup",
        "energy_ratio": "energy, dense / own", "net_energy_ratio": "without idle",
    }  # fmt: skip
    return _shown(table, list(columns), columns)


def _shown(table: pd.DataFrame, wanted: list[str], names: dict[str, str]) -> Styler:
    rows = table.reindex(columns=wanted).rename(columns=names)
    return reading.table(rows, empty="not tested", hidden=())
