"""Claims of the paper, the measure that decides each, and the verdict."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import model_validator

from dance_lib.analysis.intervals import Interval, clip_interval, mean_interval, paired_difference
from dance_lib.errors import DanceError
from dance_lib.study.schema import Strict, read_yaml

Tables = Mapping[str, pd.DataFrame]
Verdict = Literal["reproduced", "partly", "not reproduced", "not tested"]


class Criterion(Strict):
    """The figure that decides a claim, and the bound it has to keep with its whole interval."""

    measure: str
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _bounded(self) -> "Criterion":
        if self.at_least is None and self.at_most is None:
            raise ValueError("a test needs at_least or at_most: without a bound anything passes")
        return self


class Claim(Strict):
    """One claim of the abstract, in our words.

    Attributes:
        paper: the paper's own figure, where it gives one.
        test: None where nothing at hand can decide it; `needs` then says what is missing.
    """

    id: str
    claim: str
    paper: str = ""
    test: Criterion | None = None
    unit: Literal["points", "share", "ratio"] = "share"
    needs: str = ""


class ClaimFile(Strict):
    """`results/paper/claims.yaml`."""

    source: str
    claims: tuple[Claim, ...]


def load_claims(path: Path) -> ClaimFile:
    """Read the claims.

    Raises:
        DanceError: the file is missing or says something this study can't test.
    """
    try:
        claims = read_yaml(path, ClaimFile)
    except OSError as error:
        raise DanceError(f"{path}: {error.strerror}") from error
    for claim in claims.claims:
        if claim.test is not None and claim.test.measure not in MEASURES:
            raise DanceError(
                f"{path}: claim {claim.id!r} is decided by {claim.test.measure!r}; known measures: "
                + ", ".join(MEASURES)
            )
    return claims


def judge(claims: ClaimFile, tables: Tables, seeds: int) -> pd.DataFrame:
    """A row a claim: the claim, the paper's figure, ours with its interval, and the verdict.

    Args:
        tables: `dense`, `aap` (clips), `variability`, as the notebooks write them.
        seeds: number of seeds behind them; one seed is an indication only.
    """
    rows = []
    for claim in claims.claims:
        interval = MEASURES[claim.test.measure](tables) if claim.test else None
        decided = verdict(claim.test, interval)
        rows.append(
            {
                "id": claim.id,
                "claim": claim.claim,
                "paper": claim.paper or "no figure",
                "ours": _text(interval, claim),
                "low": interval.low if interval else float("nan"),
                "estimate": interval.mean if interval else float("nan"),
                "high": interval.high if interval else float("nan"),
                "bound": _bound(claim.test),
                "verdict": decided,
                "note": _note(claim, interval, seeds),
                "kind": "not tested" if decided == "not tested" else "measured",
            }
        )
    return pd.DataFrame(rows)


def verdict(test: Criterion | None, interval: Interval | None) -> Verdict:
    """Reproduced if the whole interval keeps the bound, partly if the estimate alone does."""
    if test is None or interval is None or interval.clips == 0 or interval.mean != interval.mean:
        return "not tested"

    def keeps(value: float) -> bool:
        low = test.at_least is None or value >= test.at_least
        return low and (test.at_most is None or value <= test.at_most)

    if not keeps(interval.mean):
        return "not reproduced"
    return "reproduced" if keeps(interval.low) and keeps(interval.high) else "partly"


def _text(interval: Interval | None, claim: Claim) -> str:
    if interval is None or interval.clips == 0:
        return "none"
    if claim.unit == "points":
        values = [100 * v for v in (interval.mean, interval.low, interval.high)]
        return "{:+.1f} points [{:+.1f}, {:+.1f}]".format(*values)
    return f"{interval.mean:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _bound(test: Criterion | None) -> str:
    if test is None:
        return ""
    parts = [f"≥ {test.at_least}" if test.at_least is not None else ""]
    parts.append(f"≤ {test.at_most}" if test.at_most is not None else "")
    return " and ".join(part for part in parts if part)


def _note(claim: Claim, interval: Interval | None, seeds: int) -> str:
    if interval is None:
        return claim.needs
    counted = f"{interval.clips:,} clips" if claim.unit != "ratio" else f"{interval.clips} units"
    return f"{counted}, {seeds} seeds" if seeds > 1 else f"{counted}, one seed: indication only"


# ------------------------------------------------------------------ measures
def _pick(tables: Tables, name: str, **values: Any) -> pd.DataFrame:
    rows = tables.get(name, pd.DataFrame())
    for column, value in values.items():
        if column not in rows:
            return pd.DataFrame()
        rows = rows[rows[column] == value]
    return rows


def _amplified(tables: Tables) -> str:
    """The AVA variant the claims are about: the default reading where it was run."""
    variants = set(tables["aap"]["ava"]) - {"none"} if "aap" in tables else set()
    return "cv" if "cv" in variants or not variants else sorted(variants)[0]


def _difference(
    ours: pd.DataFrame, theirs: pd.DataFrame, value: str = "correct"
) -> Interval | None:
    return None if ours.empty or theirs.empty else paired_difference(ours, theirs, value)


def accuracy_difference(tables: Tables) -> Interval | None:
    """Pruned (AVA, then AAP, own plans) − dense, in shares of clips."""
    ours = _pick(tables, "aap", ava=_amplified(tables), plans="controller")
    return _difference(ours, _pick(tables, "dense", arm="dense", plans="dense"))


def shuffled_loss(tables: Tables) -> Interval | None:
    """Own plans − another clip's plans: what deciding per clip is worth."""
    aap = {"ava": _amplified(tables)}
    own = _pick(tables, "aap", plans="controller", **aap)
    return _difference(own, _pick(tables, "aap", plans="shuffled", **aap))


def ava_gain(tables: Tables) -> Interval | None:
    """Accuracy of AAP after AVA − after equally long retraining without it."""
    ours = _pick(tables, "aap", ava=_amplified(tables), plans="controller")
    return _difference(ours, _pick(tables, "aap", ava="none", plans="controller"))


def _clip_mean(value: str) -> Callable[[Tables], Interval | None]:
    def measure(tables: Tables) -> Interval | None:
        rows = _pick(tables, "aap", ava=_amplified(tables), plans="controller")
        return None if rows.empty else clip_interval(rows, value)

    measure.__doc__ = f"Mean {value} of the pruned network's clips."
    return measure


def variability_ratio(tables: Tables) -> Interval | None:
    """Held-out interaction variance after AVA ÷ after as long without it, over units.

    Not the statistic that the default variant optimises: that it rises would prove nothing.
    """
    rows = tables.get("variability", pd.DataFrame())
    if rows.empty:
        return None
    after = rows[rows["stage"] == "after"].pivot_table("interaction", "unit", "ava")
    variant = _amplified(tables)
    if not {"none", variant} <= set(after):
        return None
    return mean_interval(after[variant] / after["none"])


MEASURES: dict[str, Callable[[Tables], Interval | None]] = {
    "accuracy_difference": accuracy_difference,
    "shuffled_loss": shuffled_loss,
    "ava_gain": ava_gain,
    "mac_ratio": _clip_mean("mac_ratio"),
    "byte_ratio": _clip_mean("byte_ratio"),
    "variability_ratio": variability_ratio,
}
