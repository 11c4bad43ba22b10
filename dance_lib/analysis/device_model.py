"""What a roofline of two devices expects of each arm: tables and the answer. Modelled.

Times are of the mean costs of a clip, not means of the clips' times: a maximum of means is at most
the mean of the maxima, so pruned networks come out a little too quick: by nothing where all clips
are bound by the same, by 5 % on random plans that keep 0.3 to all of every axis of the narrow
network. `other` (stem, shortcuts, head, controller) is one unit here, which flatters it likewise.
"""

import re
from collections.abc import Mapping

import pandas as pd
from pandas.io.formats.style import Styler

from dance_lib import study
from dance_lib.analysis import reading
from dance_lib.analysis.claims import ClaimFile
from dance_lib.devices.published import DEVICES, FIGURES
from dance_lib.devices.roofline import COSTS, PLANS, clip_times, operation_energy, unit_times

RUN = ["arm", "seed", "fold"]
CLAIMS = {"jetson-nano": "jetson-nano", "snapdragon-8-gen-1": "snapdragon", "energy": "energy"}
IN_WORDS = {
    "float32_gmacs": "arithmetic in float32",
    "float16_gmacs": "arithmetic in float16",
    "bandwidth_gb": "memory bandwidth",
    "power_w": "power",
}
LEFT_OUT = (
    "It leaves out what a kernel that skips pays for skipping (gathers, indices, unequal shapes), "
    "launches, caches, and reading and decoding the video; batch 1; peaks that no network reaches"
)


def read(made: str, **values: list[object]) -> pd.DataFrame:
    """`costs` of 03_aap for all arms, or no rows where one of these tables is not there."""
    try:
        return study.read(made, "03_aap", "costs", **values)
    except study.MissingProductError:
        return pd.DataFrame(columns=["unit", "clips", *COSTS, *RUN])


def missing(costs: pd.DataFrame, made: str) -> str:
    """Why there is nothing to draw, in a line; nothing where there is something."""
    if len(costs):
        return ""
    return (
        f"**Nothing to draw:** `{made}` has no `tables/03_aap/costs` of every arm and seed asked "
        "for. Runs of `03_aap` write it; `make reproduce PROFILE=full` makes the reference anew."
    )


def paper_figures(claims: ClaimFile) -> dict[str, float]:
    """The factor in the paper's figure ("up to 1.47×" is 1.47), by device and `energy`.

    Empty for what the file has no factor for.
    """
    said = {claim.id: re.search(r"(\d+(?:\.\d+)?)\s*×", claim.paper) for claim in claims.claims}
    found = {name: said.get(claim) for name, claim in CLAIMS.items()}
    return {name: float(match[1]) for name, match in found.items() if match}


def devices_table() -> pd.DataFrame:
    """A row a figure of a device: value, unit, where it is published."""
    rows = [
        {
            "device": device.title,
            "figure": figure,
            "value": getattr(device, figure),
            "unit": unit,
            "source": device.sources[figure],
            "kind": "not tested" if getattr(device, figure) is None else "modelled",
        }
        for device in DEVICES
        for figure, unit in FIGURES.items()
    ]
    return pd.DataFrame(rows)


def speed_table(costs: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    """A row an arm, seed, fold and device: times, energies, and how many times less of each.

    Returns:
        arm, title, seed, fold, clips, device, mac_ratio, byte_ratio (ideal over dense), dense_ms,
        ideal_ms, speedup, dense_mj, ideal_mj, energy_low, energy_high (by the energy of each
        operation, the same for all devices), kind.
    """
    sums = costs.groupby(RUN, sort=False).agg({"clips": "first", **dict.fromkeys(COSTS, "sum")})
    ratios = sums[["clips"]].assign(
        mac_ratio=sums["ideal_macs"] / sums["dense_macs"],
        byte_ratio=sums["ideal_bytes"] / sums["dense_bytes"],
    )
    energy = operation_energy(costs, by=RUN).drop(columns="kind")
    times = pd.concat([clip_times(costs, device, by=RUN) for device in DEVICES], ignore_index=True)
    table = times.merge(ratios.reset_index(), on=RUN).merge(energy, on=RUN)
    return table.assign(title=table["arm"].map(dict(titles)), kind="modelled")


def unit_table(costs: pd.DataFrame, titles: Mapping[str, str]) -> pd.DataFrame:
    """A row an arm, device and unit: its time and what it is bound by, of the mean over seeds."""
    groups = costs.groupby(["arm", "unit"], sort=False)
    means = groups[["clips", *COSTS]].mean().assign(seeds=groups["seed"].nunique()).reset_index()
    table = pd.concat([unit_times(means, device) for device in DEVICES], ignore_index=True)
    return table.assign(title=table["arm"].map(dict(titles)))


def processors() -> str:
    """Which part of each device is modelled, and why, a line a device."""
    return "\n".join(f"- {device.title}: {device.processor}." for device in DEVICES)


def shown_devices(table: pd.DataFrame) -> Styler:
    """The figures of the devices, as a reader wants them."""
    named = table.assign(figure=table["figure"].map(IN_WORDS))
    return reading.table(named, digits=1, empty="not published")


def shown_speeds(speeds: pd.DataFrame) -> Styler:
    """Means over seeds and folds, a row an arm and device."""
    columns = [
        "mac_ratio", "byte_ratio", "dense_ms", "ideal_ms", "speedup", "dense_mj", "ideal_mj",
        "energy_low", "energy_high",
    ]  # fmt: skip
    means = speeds.groupby(["title", "device"], sort=False)[columns].mean().reset_index()
    return reading.table(means, digits=2, empty="not published")


def answer(speeds: pd.DataFrame, units: pd.DataFrame, paper: Mapping[str, float]) -> str:
    """The range over arms beside the paper's figure, what bounds the units, what is left out."""
    if speeds.empty:
        return "Nothing was modelled: the tables for it are not there. It decides no claim."
    means = speeds.assign(energy=speeds[["energy_low", "energy_high"]].mean(axis=1))
    means = means.groupby(["title", "device"], sort=False)[["speedup", "energy"]].mean()
    told, bound = [], []
    for device in DEVICES:
        of_device = means.xs(device.name, level="device")
        told.append(f"{_range(of_device['speedup'])} on the {device.title}"
                    f"{_paper(paper, device.name)}")  # fmt: skip
        rows = units[(units["arm"] == units["arm"].iloc[0]) & (units["device"] == device.name)]
        dense, ideal = ((rows[f"{plan}_bound"] == "memory").sum() for plan in PLANS)
        bound.append(f"{dense} dense and {ideal} pruned on the {device.title}")
    return (
        "**Modelled, not measured; it decides no claim.** Over dense the roofline expects "
        f"{' and '.join(told)}. At constant power energy falls by the same factors; by the energy "
        f"of each operation, by {_range(of_device['energy'])}"
        f"{_paper(paper, 'energy', ', against the state of the art, not dense')}. Of "
        f"{units['unit'].nunique()} units of {units['title'].iloc[0]}, memory binds "
        f"{', '.join(bound)}. {LEFT_OUT}."
    )


def _range(factors: pd.Series) -> str:
    """The factors of one arm or of all: `1.50× (AAP)`, `1.50× (AAP) to 2.00× (AAP, 0.3)`."""
    ordered = sorted((factor, str(name)) for name, factor in factors.items())
    ends = [ordered[0], ordered[-1]] if len(ordered) > 1 else ordered
    return " to ".join(f"**{factor:.2f}×** ({name})" for factor, name in ends)


def _paper(paper: Mapping[str, float], name: str, note: str = "") -> str:
    return f" (paper: {paper[name]:g}×{note})" if name in paper else ""
