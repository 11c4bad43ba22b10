"""Same in, same out: a seed gives the same tables to the last digit, in whatever order jobs ran."""

import pytest

from tests.torture.real_study import RealStudy, same, tables

pytestmark = pytest.mark.torture(minutes=3)


def test_a_seed_gives_the_same_tables_whatever_runs_beside(tmp_path, tally):
    study = RealStudy(tmp_path / "study")
    study.reproduce("--name", "first")
    study.reproduce("--name", "again")
    study.reproduce("--name", "alone", "--cores", "1")  # no two jobs at once
    results = study.root / "results"
    first, *others = (tables(results / name) for name in ("first", "again", "alone"))
    assert len(first) > 0
    held = sum(same(first, other) == len(first) for other in others)
    what = "a batch run again, and one job at a time: tables the same to the last digit"
    tally(group="same in, same out", what=what, tried=len(others), held=held)
