"""What is timed: built, checked against what it must give, and only then a candidate."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from dance_lib.bench.dense import relative_error
from dance_lib.bench.setting import Precision

# Of the largest logit.
TOLERANCES: dict[Precision, float] = {"float32": 1e-3, "float16": 1e-2, "bfloat16": 5e-2}
LONGEST_REASON = 300  # characters


@dataclass(frozen=True)
class Candidate:
    """A row of the latency table to come.

    Attributes:
        name: of the row, unique in its setting.
        group: "dense", "ours", "pruned", "narrower" or "part".
        run: does the work once; None where there is nothing to time.
        prepare: done before each run, off the clock.
        facts: further columns of the row: ratios, relative error, and where `run` is None the
            `reason`.
    """

    name: str
    group: str
    run: Callable[[], object] | None
    facts: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[], object] | None = None


def attempt(
    name: str,
    group: str,
    build: Callable[[], tuple[Callable[[], Tensor], str]],
    expected: Tensor,
    precision: Precision,
    **facts: Any,
) -> Candidate:
    """Build and check one candidate; a failure is a row with its reason, never the end.

    Args:
        build: gives what to time, and a word on how it runs.
        expected: logits (N, classes) it must give, within TOLERANCES of the largest.
    """
    try:
        run, detail = build()
        error = relative_error(run(), expected)
    except Exception as failure:  # whatever a runtime raises: the others go on
        return Candidate(name, group, None, {**facts, "reason": reason(failure)})
    facts |= {"detail": detail, "relative_error": error}
    limit = TOLERANCES[precision]
    if not error <= limit:
        wrong = f"wrong result: logits differ by {error:.2g} of the largest, {limit:g} is allowed"
        return Candidate(name, group, None, {**facts, "reason": wrong})
    return Candidate(name, group, run, facts)


def reason(failure: Exception) -> str:
    """A failure in one line; a package that is missing comes with the remedy."""
    if isinstance(failure, ModuleNotFoundError):
        return f"{failure.name} is not installed: make bench, or pip install '.[bench]'"
    text = " ".join(str(failure).split())
    return f"{type(failure).__name__}: {text}"[:LONGEST_REASON]
