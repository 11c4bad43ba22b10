"""Which arms and rivals belong together: read off the study matrix, never listed twice."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from dance_lib.analysis.accuracy import MISS
from dance_lib.analysis.figures import seeds_in_words
from dance_lib.errors import DanceError
from dance_lib.study import paths
from dance_lib.study.matrix import load_matrix
from dance_lib.study.notebook import declared_parameters

BASE = "aap"  # the arm that ablations differ from in one thing
EVALUATION = ("arm", "rival", "shuffles", "oracle_plans")  # no part of what an arm is
NOTEBOOKS = {"arm": "03_aap", "rival": "04_rivals"}


def parameters_of(name: str) -> dict[str, dict[str, Any]]:
    """By arm (or rival), all parameters of its notebook."""
    root = paths.find_root()
    literals = declared_parameters(paths.notebook_file(root, NOTEBOOKS[name]))
    return {
        key: {**literals, **row.parameters} for key, row in load_matrix(root).rows(name).items()
    }


def differing_in(parameter: str, arms: Sequence[str]) -> dict[str, Any]:
    """Those of the arms that differ from the base in this parameter alone, with its values.

    The base comes first.

    Raises:
        DanceError: the base is not among the arms.
    """
    every = parameters_of("arm")
    if BASE not in arms:
        raise DanceError(f"arm {BASE!r} is what the others are compared with: run it as well")
    base = _without(every[BASE], parameter)
    alike = [arm for arm in arms if _without(every[arm], parameter) == base]
    return {arm: every[arm][parameter] for arm in (BASE, *(a for a in alike if a != BASE))}


def that_ran(values: Mapping[str, Any], clips: pd.DataFrame) -> dict[str, Any]:
    """Those of the arms, with their values, that a table has rows of."""
    ran = set(clips["arm"])
    return {arm: value for arm, value in values.items() if arm in ran}


def some_of(shown: Sequence[str], arms: Sequence[str]) -> list[str]:
    """Those to show that were run.

    Raises:
        DanceError: none of them was.
    """
    some = [arm for arm in shown if arm in arms]
    if not some:
        raise DanceError(f"none of the arms {', '.join(shown)} is among {', '.join(arms)}")
    return some


def on_one_line() -> dict[str, list[str]]:
    """Arms, then rivals, that differ in their budget alone; named by the first of each."""
    lines: dict[str, list[str]] = {}
    for name in NOTEBOOKS:
        rows = load_matrix(paths.find_root()).rows(name)
        groups: dict[str, list[str]] = {}
        for key, parameters in parameters_of(name).items():
            groups.setdefault(json.dumps(_without(parameters, "budget")), []).append(key)
        lines |= {rows[keys[0]].title: keys for keys in groups.values()}
    return lines


def answer(table: pd.DataFrame) -> str:
    """At each budget of the base's line: ours, and the best of the rivals that meet it.

    Args:
        table: as `accuracy_table`.
    """
    every = parameters_of("arm")
    ours = [
        arm for arm in every if _without(every[arm], "budget") == _without(every[BASE], "budget")
    ]
    parts = []
    for row in table[table["key"].isin(ours) & (table["group"] == "arm")].to_dict("records"):
        rivals = table[(table["group"] == "rival") & (table["budget"] == row["budget"])]
        met = rivals[rivals["mac_ratio"] <= row["mac_ratio"] + MISS]
        text = f"At a budget of {row['budget']}, {row['name']} reaches **{_share(row)}**"
        if len(met):
            # Against dense of their own seeds: seeds differ more than networks do.
            best = met.sort_values("against_dense").iloc[-1]
            text += f"; the best of {len(met)} rivals ({best['name']}) {_share(best)}"
        parts.append(text + ".")
    return " ".join(parts)


def _share(row: Any) -> str:
    return (
        f"{100 * row['accuracy']:.1f} % with {row['mac_ratio']:.2f} of the MACs, "
        f"{100 * row['against_dense']:+.1f} points against dense [{100 * row['against_low']:+.1f}, "
        f"{100 * row['against_high']:+.1f}] ({seeds_in_words(row['seeds'])})"
    )


def _without(parameters: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What makes an arm what it is, but for one parameter; how much is evaluated does not count."""
    return {k: v for k, v in parameters.items() if k not in {name, *EVALUATION}}
