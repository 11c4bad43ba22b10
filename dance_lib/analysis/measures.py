"""The figures that decide claims, each from the tables of the study."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from dance_lib.analysis.accuracy import MISS
from dance_lib.analysis.adaptivity import axis_parts, difficulty, largest_branch
from dance_lib.analysis.amplified import raised
from dance_lib.analysis.comparisons import compare
from dance_lib.analysis.intervals import Interval, clip_interval, factor_interval, mean_interval
from dance_lib.devices.runs import DENSE, PRUNED
from dance_lib.errors import DanceError

Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Measured:
    """A figure with its interval, and where it compares two networks, how sure the difference is.

    Attributes:
        p: two-sided, against the bound; NaN where nothing is compared.
        p_mcnemar, effect: of the difference itself (against 0), as in `Comparison`.
        by_seed: the figure of each seed; empty where the interval is not over seeds.
        counted: what the interval is over: `clips`, `units`, `seeds` or `runs`.
    """

    interval: Interval
    counted: str = "clips"
    p: float = float("nan")
    p_mcnemar: float = float("nan")
    effect: float = float("nan")
    by_seed: tuple[float, ...] = ()


@dataclass(frozen=True)
class Question:
    """What a criterion asks of the tables.

    Attributes:
        arm: the arm it is about. against: an arm or rival, where not the dense network.
        bound: that the figure has to keep.
        device: whose logs are asked about.
    """

    arm: str
    against: str
    bound: float
    device: str = ""


class NotComparableError(DanceError):
    """The tables are there, and still decide nothing; the message says why."""


Measure = Callable[[Tables, Question], Measured | None]


def gather(tables: Tables, name: str, **values: str) -> pd.DataFrame:
    """Rows of a table with these values; empty where the table or a column is missing."""
    rows = tables.get(name, pd.DataFrame())
    for column, value in values.items():
        if column not in rows:
            return pd.DataFrame()
        rows = rows[rows[column] == value]
    return rows


def _own(tables: Tables, arm: str) -> pd.DataFrame:
    return gather(tables, "arms", arm=arm, plans="controller")


def _difference(ours: pd.DataFrame, theirs: pd.DataFrame, bound: float) -> Measured | None:
    if ours.empty or theirs.empty:
        return None
    found = compare(ours, theirs)
    beyond = compare(ours.assign(correct=ours["correct"] - bound), theirs)
    return Measured(
        found.difference,
        p=beyond.p_bootstrap,
        p_mcnemar=found.p_mcnemar,
        effect=found.effect,
        by_seed=found.by_seed,
    )


def accuracy_difference(tables: Tables, asked: Question) -> Measured | None:
    """Accuracy of an arm by its own plans − that of the dense network, an arm or a rival.

    An arm or a rival is compared at equal MACs: runs (a seed each) that miss ours by more than 0.02
    are left out, as the protocol has it.

    Raises:
        NotComparableError: that leaves none.
    """
    ours = _own(tables, asked.arm)
    if not asked.against:
        return _difference(ours, gather(tables, "dense", plans="dense"), asked.bound)
    theirs = _own(tables, asked.against)
    if theirs.empty:
        theirs = gather(tables, "rivals", rival=asked.against)
    if ours.empty or theirs.empty:
        return None
    own, other = (rows.groupby("seed")["mac_ratio"].mean() for rows in (ours, theirs))
    missed = (other - own).abs() > MISS
    both = own.index.intersection(other.index)
    if len(both) and missed[both].all():
        raise NotComparableError(
            f"{asked.against} has no run within {MISS} of the MACs of {asked.arm}"
        )
    return _difference(ours, theirs[~theirs["seed"].map(missed).astype(bool)], asked.bound)


def control_loss(plans: str) -> Measure:
    """Accuracy by own plans − by others': what deciding for each clip is worth."""

    def measure(tables: Tables, asked: Question) -> Measured | None:
        others = gather(tables, "arms", arm=asked.arm, plans=plans)
        return _difference(_own(tables, asked.arm), others, asked.bound)

    return measure


def clip_mean(value: str) -> Measure:
    """Mean of a column over the clips of an arm."""

    def measure(tables: Tables, asked: Question) -> Measured | None:
        rows = _own(tables, asked.arm)
        if rows.empty:
            return None
        by_seed = rows.groupby("seed")[value].mean()
        return Measured(clip_interval(rows, value), by_seed=tuple(by_seed))

    return measure


def over_seeds(table: str, value: Callable[[pd.DataFrame], float]) -> Measure:
    """A figure of each seed's rows of an arm; the interval is over seeds."""

    def measure(tables: Tables, asked: Question) -> Measured | None:
        own = {"plans": "controller"} if table == "arms" else {}
        rows = gather(tables, table, arm=asked.arm, **own)
        if rows.empty:
            return None
        found = pd.Series([value(of_seed) for _, of_seed in rows.groupby("seed")])
        if found.isna().any():
            return None
        return Measured(mean_interval(found), counted="seeds", by_seed=tuple(found))

    return measure


def spread(own: pd.DataFrame) -> float:
    """R's 95th − 5th percentile over clips."""
    return float(own["mac_ratio"].quantile(0.95) - own["mac_ratio"].quantile(0.05))


def variability_ratio(tables: Tables, asked: Question) -> Measured | None:
    """Held-out interaction variance after AVA ÷ after as long without it, over units.

    Not the statistic that the default variant optimises: that it rises would prove nothing.
    """
    rows = gather(tables, "variability", stage="after")
    if rows.empty or not {"none", asked.against} <= set(rows["ava"]):
        return None
    ratios = raised(rows, "interaction")[asked.against].dropna()
    over_units = mean_interval(ratios.groupby("unit").mean())
    return Measured(over_units, counted="units", by_seed=tuple(ratios.groupby("seed").mean()))


def device_speedup(tables: Tables, asked: Question) -> Measured | None:
    """Time of a clip, dense over pruned, by logs of both networks on that device."""
    runs = gather(tables, "devices", device=asked.device, kind="measured")
    return _factor(runs, DENSE, "ms_per_clip")


def device_energy(tables: Tables, asked: Question) -> Measured | None:
    """Joules of a clip, of a named rival over pruned, by logs of both on one device.

    On each device against the rival that does best; then the device with the largest factor, since
    the claim is of "up to".
    """
    runs = gather(tables, "devices", kind="measured")
    best = []
    for _, of_device in runs.groupby("device") if len(runs) else []:
        rivals = sorted(set(of_device["network"]) - {DENSE, PRUNED})
        found = [_factor(of_device, rival, "j_per_clip") for rival in rivals]
        told = [m for m in found if m is not None]
        if told:
            best.append(min(told, key=lambda m: m.interval.mean))
    return max(best, key=lambda m: m.interval.mean) if best else None


def _factor(runs: pd.DataFrame, other: str, value: str) -> Measured | None:
    """Other over ours, of one rail by one meter and clock: nothing else can be compared."""
    for _, alike in runs.groupby(["rail", "format", "timed_by"]) if len(runs) else []:
        theirs = alike.loc[alike["network"] == other, value].dropna()
        ours = alike.loc[alike["network"] == PRUNED, value].dropna()
        if len(theirs) and len(ours):
            return Measured(factor_interval(theirs, ours), counted="runs")
    return None


MEASURES: dict[str, Measure] = {
    "accuracy_difference": accuracy_difference,
    "shuffled_loss": control_loss("shuffled"),
    "inverted_loss": control_loss("inverted"),
    "mac_ratio": clip_mean("mac_ratio"),
    "byte_ratio": clip_mean("byte_ratio"),
    "variability_ratio": variability_ratio,
    "device_speedup": device_speedup,
    "device_energy": device_energy,
    "ratio_spread": over_seeds("arms", spread),
    "difficulty": over_seeds("arms", difficulty),
    "largest_branch": over_seeds("branches", largest_branch),
    "smallest_axis": over_seeds("shares", lambda shares: float(axis_parts(shares).min())),
}
