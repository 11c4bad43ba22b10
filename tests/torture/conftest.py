"""`tally`: what the torture tests tried and what held, in one table at the end.

A row travels in its test's report, so that the rows of all xdist processes come together.
"""

import shlex
from pathlib import Path

import pandas as pd
import pytest

TALLY = "tally"


def pytest_addoption(parser):
    parser.addoption("--tally", type=Path, help="write the table to this .csv or .md file, too")
    parser.addoption("--clips", type=int, default=100_000, help="clips of the load test")


def pytest_collection_modifyitems(items):
    """The longest first, so that none of them begins when the other process has nothing left."""

    def minutes(item):
        marker = item.get_closest_marker("torture")
        return marker.kwargs.get("minutes", 0) if marker else 0

    items.sort(key=minutes, reverse=True)


@pytest.fixture
def tally(request):
    """A function that puts a row into the table, and fails where fewer cases held than tried."""

    def add(*, group: str, what: str, tried: int, held: int, command: str | None = None) -> None:
        command = command or f"python -m pytest {shlex.quote(request.node.nodeid)}"
        counts = {"tried": int(tried), "held": int(held)}  # xdist sends no numbers of NumPy
        row = {"group": group, "what": what, **counts, "command": command}
        request.node.user_properties.append((TALLY, row))
        assert tried > 0, f"{what}: nothing was tried"
        assert held == tried, f"{what}: {held} of {tried} held"

    return add


def pytest_terminal_summary(terminalreporter, config):
    rows = [
        row
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, row in report.user_properties
        if name == TALLY
    ]
    if not rows or hasattr(config, "workerinput"):  # a process of xdist has its own rows alone
        return
    table = pd.DataFrame(rows).sort_values(["group", "what"])
    alike = table[table["group"] != "load"]  # clips and runs make no sum
    sums = alike.groupby("group", as_index=False)[["tried", "held"]].sum()
    whole = sums.assign(what="in all", command="make torture")
    table = pd.concat([table, whole]).sort_values("group", kind="stable")
    terminalreporter.section("tried and held")
    terminalreporter.write_line(_markdown(table))
    if path := config.getoption("--tally", None):
        path.parent.mkdir(parents=True, exist_ok=True)
        as_csv = path.suffix == ".csv"
        path.write_text(table.to_csv(index=False) if as_csv else _markdown(table) + "\n")


def _markdown(table: pd.DataFrame) -> str:
    rows = [table.columns, ["---"] * table.columns.size, *table.astype(str).to_numpy()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
