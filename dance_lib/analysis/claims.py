"""Claims of the paper and targets of ours, the measure that decides each, and the verdict."""

from math import isfinite, isnan
from pathlib import Path
from typing import Literal

import pandas as pd
from pydantic import NonNegativeInt, model_validator

from dance_lib.analysis.comparisons import holm
from dance_lib.analysis.intervals import Interval, student_interval
from dance_lib.analysis.measures import MEASURES, Measured, NotComparableError, Question, Tables
from dance_lib.errors import DanceError
from dance_lib.study.schema import Strict, read_yaml

Verdict = Literal[
    "reproduced", "partly", "consistent", "inconclusive", "not reproduced", "not tested"
]
ALPHA = 0.05  # of the family, after Holm
OPEN = "open: the interval spans the bound"


class Criterion(Strict):
    """The figure that decides a claim, and the bound it has to keep with its whole interval.

    Attributes:
        arm: the arm it is about. against: another arm, a rival, or a variant of AVA; where it is
            left out, the dense network.
        device: whose logs it is about, where it is about a device.
        alpha: largest p, after Holm, where the measure compares two networks.
    """

    measure: str
    arm: str = ""
    against: str = ""
    device: str = ""
    at_least: float | None = None
    at_most: float | None = None
    alpha: float = ALPHA

    @model_validator(mode="after")
    def _bounded(self) -> "Criterion":
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("a test needs one of at_least and at_most")
        return self

    @property
    def bound(self) -> float:
        """The one bound."""
        return self.at_least if self.at_least is not None else self.at_most or 0.0

    def keeps(self, value: float) -> bool:
        """Whether a value keeps the bound."""
        return value >= self.bound if self.at_least is not None else value <= self.bound


class Claim(Strict):
    """One claim, in our words.

    Attributes:
        paper: the paper's own figure, where it gives one.
        ours: whether it is a target of ours and no claim of the abstract.
        test: None where nothing at hand can decide it; `needs` then says what is missing.
    """

    id: str
    claim: str
    paper: str = ""
    ours: bool = False
    test: Criterion | None = None
    unit: Literal["points", "share", "ratio"] = "share"
    needs: str = ""


class ClaimFile(Strict):
    """`results/paper/claims.yaml`.

    Attributes:
        fewest_clips: test clips that a margin needs; over fewer nothing is reproduced, and at most
            consistent.
    """

    source: str
    fewest_clips: NonNegativeInt = 0
    claims: tuple[Claim, ...]


def load_claims(path: Path) -> ClaimFile:
    """Read the claims.

    Raises:
        DanceError: the file is missing or says something this study can't test.
    """
    claims = read_yaml(path, ClaimFile)
    for claim in claims.claims:
        if claim.test is not None and claim.test.measure not in MEASURES:
            raise DanceError(
                f"{path}: claim {claim.id!r} is decided by {claim.test.measure!r}; known measures: "
                + ", ".join(MEASURES)
            )
    return claims


def judge(claims: ClaimFile, tables: Tables, seeds: int) -> pd.DataFrame:
    """A row a claim: the claim, the paper's figure, ours with its interval, and the verdict.

    p-values are adjusted by Holm's method over all claims of the file that compare two networks.

    Args:
        tables: `dense`, `arms`, `rivals` (clips), `branches`, `shares`, `variability`, as the
            notebooks write them, and `devices`, as `read_runs` gives it; what is missing is not
            tested.
        seeds: number of seeds behind them; one seed is an indication only.
    """
    found, why = zip(*(_measured(claim.test, tables) for claim in claims.claims), strict=True)
    p_values = pd.Series([m.p if m else float("nan") for m in found])
    adjusted = holm(p_values)
    few = _clips(tables) < claims.fewest_clips
    rows = []
    for claim, measured, reason, p in zip(claims.claims, found, why, adjusted, strict=True):
        decided = verdict(claim.test, measured, p, few)
        interval = measured.interval if measured else None
        over_seeds = student_interval(measured.by_seed if measured else ())
        rows.append(
            {
                "id": claim.id,
                "of": "ours" if claim.ours else "abstract",
                "claim": claim.claim,
                "paper": claim.paper or "no figure",
                "ours": _text(measured, claim),
                "low": interval.low if interval else float("nan"),
                "estimate": interval.mean if interval else float("nan"),
                "high": interval.high if interval else float("nan"),
                "seeds_low": over_seeds.low,
                "seeds_high": over_seeds.high,
                "over_seeds": _ends(over_seeds, claim),
                "bound": _bound(claim),
                "p_holm": p,
                "p_mcnemar": measured.p_mcnemar if measured else float("nan"),
                "effect": measured.effect if measured else float("nan"),
                "verdict": decided,
                "note": reason
                or _note(claim, measured, seeds)
                + _doubt(claim.test, decided, interval, over_seeds),
                "kind": "not tested" if decided == "not tested" else "measured",
            }
        )
    return pd.DataFrame(rows)


def _measured(test: Criterion | None, tables: Tables) -> tuple[Measured | None, str]:
    """The figure, or why there is none although its tables are there."""
    if test is None:
        return None, ""
    asked = Question(test.arm, test.against, test.bound, test.device)
    try:
        measured = MEASURES[test.measure](tables, asked)
    except NotComparableError as error:
        return None, str(error)
    if measured is None or measured.interval.clips == 0 or isnan(measured.interval.mean):
        return None, ""
    return measured, ""


def _clips(tables: Tables) -> int:
    """How many test clips stand behind the tables."""
    paths = [table["path"].nunique() for table in tables.values() if "path" in table]
    return max(paths, default=0)


def verdict(
    test: Criterion | None, measured: Measured | None, p: float, few: bool = False
) -> Verdict:
    """Reproduced if the whole interval keeps the bound (and p is small, where there is one).

    Partly if the estimate alone keeps it. Of few clips: consistent if the estimate keeps it,
    inconclusive if some of the interval does.
    """
    if test is None or measured is None:
        return "not tested"
    interval = measured.interval
    low, high = test.keeps(interval.low), test.keeps(interval.high)
    if few and measured.counted != "runs":
        if test.keeps(interval.mean):
            return "consistent"
        return "inconclusive" if low or high else "not reproduced"
    if not test.keeps(interval.mean):
        return "not reproduced"
    return "reproduced" if low and high and not p > test.alpha else "partly"


def _text(measured: Measured | None, claim: Claim) -> str:
    if measured is None:
        return "none"
    mean, ends = measured.interval.mean, _ends(measured.interval, claim)
    value = f"{100 * mean:+.1f} points" if claim.unit == "points" else f"{mean:.3f}"
    return f"{value} {ends}" if ends else f"{value}, no interval"


def _ends(interval: Interval, claim: Claim) -> str:
    """Empty where they are not known."""
    if not isfinite(interval.low):
        return ""
    if claim.unit == "points":
        return f"[{100 * interval.low:+.1f}, {100 * interval.high:+.1f}]"
    return f"[{interval.low:.3f}, {interval.high:.3f}]"


def _bound(claim: Claim) -> str:
    if claim.test is None:
        return ""
    sign = "≥" if claim.test.at_least is not None else "≤"
    if claim.unit == "points":
        return f"{sign} {100 * claim.test.bound:+g} points"
    return f"{sign} {claim.test.bound:g}"


def _note(claim: Claim, measured: Measured | None, seeds: int) -> str:
    if measured is None:
        return claim.needs or "the tables for it are not there"
    interval = measured.interval
    if measured.counted == "runs":
        runs = interval.clips
        return f"{runs} runs of each" if runs > 1 else "one run of each: indication only"
    # Of units, values are means over all seeds; of clips, the interval knows the seeds of this row.
    behind = {"units": seeds, "seeds": interval.clips}.get(measured.counted, interval.seeds)
    counted = "" if measured.counted == "seeds" else f"{interval.clips:,} {measured.counted}, "
    return counted + (f"{behind} seeds" if behind > 1 else "one seed: indication only")


def _doubt(
    test: Criterion | None, decided: Verdict, interval: Interval | None, over_seeds: Interval
) -> str:
    """Said where the interval, or the one over the seeds alone, which are few, spans the bound."""
    if test is None or interval is None or decided not in ("reproduced", "not reproduced"):
        return ""

    def sure(found: Interval) -> bool:
        ends = {test.keeps(found.low), test.keeps(found.high)}
        return isnan(found.low) or ends == {decided == "reproduced"}

    if not sure(interval):
        return f"; {OPEN}"
    return "" if sure(over_seeds) else "; not by the seeds alone"


def claims_answer(verdicts: pd.DataFrame, source: str) -> str:
    """How many claims came out how."""
    parts = []
    for whose, name in (("abstract", "claims of the abstract"), ("ours", "targets of ours")):
        rows = verdicts[verdicts["of"] == whose]
        counts = rows["verdict"].value_counts()
        listed = ", ".join(f"{count} {decided}" for decided, count in counts.items())
        unsure = int(rows["note"].str.endswith(OPEN).sum())
        left = f", {unsure} of them open" if unsure else ""
        if len(rows):
            parts.append(f"Of {len(rows)} {name}: **{listed}**{left}.")
    return f"{' '.join(parts)} ({source})"
