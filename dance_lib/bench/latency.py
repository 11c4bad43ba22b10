"""From single runs to medians, quartiles and ratios within the round."""

from collections.abc import Iterable

import pandas as pd

from dance_lib.bench.candidates import Candidate


def summarise(timings: pd.DataFrame, rival: str | None) -> pd.DataFrame:
    """A row a name.

    Args:
        timings: name, round, ms; every name once a round.
        rival: the name that all others are held against.

    Returns:
        Indexed by name: rounds, ms (median), ms_q25, ms_q75; speedup = rival's ms / own ms of the
        same round, median, speedup_q25 and _q75; time_ratio, the median of its inverse. Without a
        rival the ratios are NaN.
    """
    wide = timings.pivot(index="round", columns="name", values="ms")  # a round a row
    speedup = wide.rdiv(wide[rival], axis=0) if rival is not None else wide * float("nan")
    return pd.DataFrame(
        {
            "rounds": wide.count(),
            "ms": wide.median(),
            "ms_q25": wide.quantile(0.25),
            "ms_q75": wide.quantile(0.75),
            "speedup": speedup.median(),
            "speedup_q25": speedup.quantile(0.25),
            "speedup_q75": speedup.quantile(0.75),
            "time_ratio": (1 / speedup).median(),
        }
    )


def fastest(timings: pd.DataFrame, names: Iterable[str]) -> str | None:
    """The name with the least median time; None where none of them was timed."""
    medians = timings[timings["name"].isin(list(names))].groupby("name")["ms"].median()
    return str(medians.idxmin()) if len(medians) else None


def latency_table(candidates: list[Candidate], timings: pd.DataFrame, batch: int) -> pd.DataFrame:
    """A row a candidate, those that could not be timed included.

    Returns:
        name, group, kind ("measured", or "not tested" with a `reason`), ms_per_clip, rival (the
        fastest dense engine), the columns of `summarise`, all facts, and efficiency = speedup ×
        ideal_mac_ratio, where a candidate has such a ratio; where a roofline_ms is known, also
        of_roofline = roofline_ms / ms_per_clip.
    """
    rival = fastest(timings, [c.name for c in candidates if c.group == "dense"])
    rows = [
        {
            "name": c.name,
            "group": c.group,
            "kind": "not tested" if c.run is None else "measured",
            "reason": "",
            **c.facts,
        }
        for c in candidates
    ]
    table = pd.DataFrame(rows).join(summarise(timings, rival), on="name")
    table["ms_per_clip"] = table["ms"] / batch
    table["rival"] = rival
    table["efficiency"] = table["speedup"] * table["ideal_mac_ratio"]
    if "roofline_ms" in table:
        table["of_roofline"] = table["roofline_ms"] / table["ms_per_clip"]
    return table
