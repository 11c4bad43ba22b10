"""The controller: what it costs, and what it has to see."""

from collections.abc import Hashable, Mapping
from typing import Any

import pandas as pd

from dance_lib.analysis.accuracy import MISS
from dance_lib.analysis.comparisons import compare
from dance_lib.analysis.families import that_ran
from dance_lib.analysis.intervals import clip_interval, in_points
from dance_lib.bench.ours import PLANNING

MACS, BYTES = "MACs", "bytes"


def cost_table(controllers: pd.DataFrame, parts: pd.DataFrame) -> pd.DataFrame:
    """A row a network: parameters, MACs and bytes of the controller as shares of the dense network.

    Args:
        controllers: `controller` of 03_aap, of one arm. parts: `parts` of the bench, with `share`
            of the dense time.
    """
    first = controllers.iloc[0]
    counted = {
        word: first[name] / first[f"dense_{name}"]
        for word, name in (("parameters", "parameters"), (MACS, "macs"), (BYTES, "bytes"))
    }
    rows = [
        {"network": "of this study", "what": f"{word} of the controller", "share": share,
         "kind": "counted"}
        for word, share in counted.items()
    ]  # fmt: skip
    rows += [
        {"network": _timed(part), "what": f"time of {part['part']}", "share": part["share"],
         "kind": "measured"}
        for part in parts.to_dict("records")
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _timed(part: Mapping[Hashable, Any]) -> str:
    """A network and how it ran: `r3d_18, bfloat16, one core, batch 8`."""
    where = {"one": "one core", "all": "all cores", "cuda": "a GPU"}[part["threads"]]
    return f"{part['model']}, {part['precision']}, {where}, batch {part['batch']}"


def sources_table(
    clips: pd.DataFrame, reads: Mapping[str, str], base: str, titles: Mapping[str, str]
) -> pd.DataFrame:
    """A row an arm that differs in what its controller reads: what it reaches, against `base`.

    `equal_macs` says whether its mean R is that of `base`, give or take 0.02: else accuracies are
    not compared at equal MACs.

    Args:
        clips: of 03_aap. reads: by arm, what its controller reads.
    """
    own = clips[clips["plans"] == "controller"]
    rows = []
    for arm, source in that_ran(reads, own).items():
        of_arm = clips[clips["arm"] == arm]
        ours = own[own["arm"] == arm]
        accuracy = clip_interval(ours)
        against = compare(ours, own[own["arm"] == base])
        lost = compare(ours, of_arm[of_arm["plans"] == "shuffled"])
        rows.append(
            {
                "arm": titles[arm],
                "reads": source,
                "seeds": accuracy.seeds,
                "clips": accuracy.clips,
                "accuracy": accuracy.mean,
                "low": accuracy.low,
                "high": accuracy.high,
                "mac_ratio": ours["mac_ratio"].mean(),
                "equal_macs": abs(_excess(ours, own[own["arm"] == base])) <= MISS,
                "against": against.difference.mean,
                "against_low": against.difference.low,
                "against_high": against.difference.high,
                "shuffled_loss": lost.difference.mean,
            }
        )
    return pd.DataFrame(rows).assign(kind="measured")


def _excess(ours: pd.DataFrame, base: pd.DataFrame) -> float:
    """Mean R over that of the base, over the seeds that both have."""
    both = set(ours["seed"]) & set(base["seed"])
    own, other = (rows.loc[rows["seed"].isin(both), "mac_ratio"].mean() for rows in (ours, base))
    return own - other


def sources_answer(costs: pd.DataFrame, sources: pd.DataFrame) -> str:
    """What deciding costs, and whether the stem's statistics are enough."""
    shares = costs.drop_duplicates("what").set_index("what")["share"]
    macs, moved = (shares[f"{what} of the controller"] for what in (MACS, BYTES))
    deciding = costs[costs["what"] == f"time of {PLANNING}"].sort_values("share")
    timed = [f"{100 * r['share']:.1f} % ({r['network']})" for r in deciding.to_dict("records")]
    others = "; ".join(
        f"{row['arm']} {in_points(row['against'], row['against_low'], row['against_high'])}"
        + ("" if row["equal_macs"] else f" (**not at equal MACs**: R {row['mac_ratio']:.2f})")
        for row in sources.to_dict("records")
        if row["reads"] != "stem" or row["against"]
    )
    return (
        f"The controller takes **{100 * macs:.3f} %** of the dense network's MACs and "
        f"**{100 * moved:.1f} %** of its bytes. Of the fastest dense engine's time deciding takes "
        f"{' to '.join(dict.fromkeys((timed[0], timed[-1]))) if timed else 'what is not tested'}. "
        f"Against reading the stem's output: {others or 'no other source was run'}."
    )
