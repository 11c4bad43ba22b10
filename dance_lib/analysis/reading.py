"""Tables of notebooks as a reader wants them; what they hold is shown as text, never as HTML."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

HIDDEN = ("kind", "key", "run_id")  # for programs, and said elsewhere


def table(
    rows: pd.DataFrame,
    digits: int = 3,
    empty: str = "",
    *,
    across: str = "",
    hidden: Sequence[str] = HIDDEN,
) -> Styler:
    """Return rows with intervals in one cell and spaces for the underscores of names.

    Args:
        rows: `x`, `x_low` and `x_high` side by side (or `x`, `low`, `high`) become `x [low, high]`;
            where `p` or `x_p` would be shown as zero, it says what it is below.
        digits: after the point.
        empty: what stands where a value is missing.
        across: a column whose values become the columns, for tables far wider than long.
        hidden: columns left out where they are there.
    """
    read = _intervals(rows.drop(columns=[name for name in hidden if name in rows]), digits)
    for name in [name for name in read if name == "p" or str(name).endswith("_p")]:
        read[name] = [_probability(value, digits) for value in read[name]]
    if across:
        texts = read.set_index(across).map(lambda value: _text(value, digits, empty))
        read = texts.T.rename_axis(index=across, columns=None).reset_index()
        read[across] = read[across].str.replace("_", " ")
    read.columns = [str(name).replace("_", " ") for name in read]
    styler = Styler(read, cell_ids=False)
    styler.format(precision=digits, na_rep=empty, escape="html")  # Styler takes "" for no answer
    return styler.format_index(escape="html", axis=1).hide(axis="index")


def _intervals(rows: pd.DataFrame, digits: int) -> pd.DataFrame:
    """The same with every mean, low and high in one column, named after the mean."""
    names = [str(name) for name in rows]
    read = rows.copy()
    for mean, low, high in zip(names, names[1:], names[2:], strict=False):
        stem = low.removesuffix("low").rstrip("_")
        if low.endswith("low") and high.endswith("high") and mean.startswith(stem):
            triples = zip(rows[mean], rows[low], rows[high], strict=True)
            read[mean] = [_interval(*triple, digits) for triple in triples]
            read = read.drop(columns=[low, high])
    return read


def _interval(mean: Any, low: Any, high: Any, digits: int) -> str | None:
    """The mean alone where it has no interval, as that of a single clip; None without a mean."""
    if pd.isna(mean):
        return None
    if pd.isna(low) or pd.isna(high):
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _probability(p: Any, digits: int) -> Any:
    least = 10**-digits
    return f"< {least:.{digits}f}" if not pd.isna(p) and 0 <= p < least else p


def _text(value: Any, digits: int, empty: str) -> str:
    if pd.isna(value):
        return empty
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)
