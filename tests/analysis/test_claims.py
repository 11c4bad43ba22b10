"""Verdicts by hand, measures on tables of ten clips, and the study's own file of claims."""

from pathlib import Path

import pandas as pd
import pytest
import yaml
from pydantic import ValidationError

from dance_lib.analysis import claims
from dance_lib.analysis.claims import MEASURES, Claim, ClaimFile, Criterion, judge, load_claims
from dance_lib.analysis.intervals import Interval
from dance_lib.errors import DanceError
from tests.analysis import made

OWN = Path(__file__).parents[2] / "results" / "paper" / "claims.yaml"
NAN = float("nan")


@pytest.fixture(scope="module")
def tables():
    return {"dense": made.dense(), "aap": made.aap(), "variability": made.variability()}


def one(measure, unit="share", **bounds):
    """A file of one claim."""
    test = Criterion(measure=measure, **bounds)
    return ClaimFile(source="us", claims=(Claim(id="x", claim="it is so", test=test, unit=unit),))


# ------------------------------------------------------------------ verdicts
@pytest.mark.parametrize(
    ("bounds", "interval", "expected"),
    [
        ({"at_least": 0.0}, (0.1, 0.05, 0.2), "reproduced"),
        ({"at_least": 0.0}, (0.1, -0.05, 0.2), "partly"),
        ({"at_least": 0.0}, (-0.1, -0.2, 0.05), "not reproduced"),
        ({"at_least": 0.0}, (-0.1, -0.2, -0.05), "not reproduced"),
        ({"at_least": 0.1}, (0.1, 0.1, 0.1), "reproduced"),  # a bound holds with equality
        ({"at_most": 0.5}, (0.4, 0.3, 0.5), "reproduced"),
        ({"at_most": 0.5}, (0.4, 0.3, 0.6), "partly"),
        ({"at_most": 0.5}, (0.6, 0.4, 0.7), "not reproduced"),
        ({"at_least": 0.2, "at_most": 0.5}, (0.4, 0.3, 0.5), "reproduced"),
        ({"at_least": 0.2, "at_most": 0.5}, (0.4, 0.1, 0.5), "partly"),
        ({"at_least": 0.2, "at_most": 0.5}, (0.1, 0.3, 0.5), "not reproduced"),
        ({"at_least": 0.0}, (0.1, NAN, NAN), "partly"),  # one group: an estimate, no interval
        ({"at_least": 0.0}, (NAN, NAN, NAN), "not tested"),
    ],
)
def test_verdicts(bounds, interval, expected):
    criterion = Criterion(measure="mac_ratio", **bounds)
    assert claims.verdict(criterion, Interval(*interval, 10)) == expected


def test_without_a_test_or_data_there_is_no_verdict():
    criterion = Criterion(measure="mac_ratio", at_least=0.0)
    assert claims.verdict(None, None) == "not tested"
    assert claims.verdict(criterion, None) == "not tested"
    assert claims.verdict(criterion, Interval(NAN, NAN, NAN, 0)) == "not tested"


# ------------------------------------------------------------------ measures
@pytest.mark.parametrize(
    ("measure", "expected", "count"),
    [
        ("accuracy_difference", 0.9 - 1.0, 10),  # cv's own plans − dense, not − start
        ("shuffled_loss", 0.9 - 0.4, 10),
        ("ava_gain", 0.9 - 0.8, 10),
        ("mac_ratio", 0.5, 10),
        ("byte_ratio", 0.6, 10),
        ("variability_ratio", 2.0, 4),  # over units
    ],
)
def test_measures_by_hand(tables, measure, expected, count):
    interval = MEASURES[measure](tables)
    assert interval.mean == pytest.approx(expected)
    assert interval.clips == count
    assert interval.low <= interval.mean + 1e-12
    assert interval.mean - 1e-12 <= interval.high


def test_all_measures_are_tested_here():
    assert len(MEASURES) == 6


def test_seeds_do_not_count_as_clips(tables):
    twice = {k: pd.concat([t, t.assign(seed=1)], ignore_index=True) for k, t in tables.items()}
    for name, measure in MEASURES.items():
        assert measure(twice) == measure(tables), name


@pytest.mark.parametrize("measure", MEASURES)
def test_without_tables_nothing_is_measured(measure):
    assert MEASURES[measure]({}) is None
    empty = {"dense": pd.DataFrame(), "variability": pd.DataFrame()}
    assert MEASURES[measure](empty) is None


def test_claims_are_about_the_default_reading_of_ava_where_it_was_run(tables):
    aap = tables["aap"]
    raw = aap.replace({"ava": {"cv": "raw"}})
    both = pd.concat([aap, raw[raw["ava"] == "raw"].assign(correct=0)])
    assert MEASURES["ava_gain"]({"aap": both}).mean == pytest.approx(0.1)  # cv, not raw
    assert MEASURES["ava_gain"]({"aap": raw}).mean == pytest.approx(0.1)  # the one there is
    none = aap[aap["ava"] == "none"]
    for measure in ("ava_gain", "accuracy_difference", "shuffled_loss", "mac_ratio"):
        assert MEASURES[measure]({"aap": none, "dense": tables["dense"]}) is None
    one_arm = tables["variability"].query("ava == 'none'")
    assert MEASURES["variability_ratio"]({"aap": none, "variability": one_arm}) is None


# ------------------------------------------------------------------ rows
def test_a_row_a_claim(tables):
    row = judge(one("shuffled_loss", "points", at_least=0.1), tables, seeds=1).iloc[0]
    assert row["ours"].startswith("+50.0 points [+")
    assert row["estimate"] == 0.5
    assert row["bound"] == "≥ 0.1"
    assert row["verdict"] == "reproduced"
    assert row["note"] == "10 clips, one seed: indication only"
    assert row["paper"] == "no figure"
    assert row["kind"] == "measured"


def test_notes_say_over_what_and_how_many_seeds(tables):
    notes = [
        judge(one(measure, unit, at_least=0.0), tables, seeds=seeds).iloc[0]["note"]
        for measure, unit, seeds in (
            ("mac_ratio", "share", 3), ("variability_ratio", "ratio", 1)
        )
    ]  # fmt: skip
    assert notes == ["10 clips, 3 seeds", "4 units, one seed: indication only"]


def test_bounds_in_words():
    row = judge(one("mac_ratio", at_least=0.1, at_most=0.5), {}, seeds=1).iloc[0]
    assert row["bound"] == "≥ 0.1 and ≤ 0.5"


def test_what_was_not_run_is_not_tested(tables):
    row = judge(one("mac_ratio", at_most=0.5), {}, seeds=1).iloc[0]
    assert (row["ours"], row["verdict"], row["kind"]) == ("none", "not tested", "not tested")
    other = tables["dense"].assign(path=[f"other {i}" for i in range(20)])  # no clip in common
    strangers = judge(one("accuracy_difference", at_least=-1.0), tables | {"dense": other}, seeds=1)
    row = strangers.iloc[0]
    assert (row["ours"], row["verdict"], row["kind"]) == ("none", "not tested", "not tested")


# ------------------------------------------------------------------ the file
def write(tmp_path, **claim):
    path = tmp_path / "claims.yaml"
    claim = {"id": "x", "claim": "it is so", **claim}
    path.write_text(yaml.safe_dump({"source": "us", "claims": [claim]}))
    return path


def test_the_studys_own_claims(tables):
    file = load_claims(OWN)
    verdicts = judge(file, tables, seeds=1).set_index("id")
    assert len(verdicts) == len(file.claims) == 9
    assert verdicts.index.is_unique
    assert "abstract" in file.source
    decided = {claim.test.measure for claim in file.claims if claim.test}
    assert decided == set(MEASURES)
    by_hand = {  # of the tables made for these tests
        "accuracy": "not reproduced",  # −10 points
        "dynamic": "reproduced",  # +50 points
        "macs": "partly",  # 0.5 of at most 0.52, its interval reaches beyond
        "variability": "reproduced",  # twice
    }
    assert verdicts["verdict"].loc[list(by_hand)].to_dict() == by_hand
    assert verdicts.loc["macs", "high"] > 0.52


@pytest.mark.parametrize("device", ["jetson-nano", "snapdragon", "energy"])
def test_claims_about_devices_are_not_tested(tables, device):
    row = judge(load_claims(OWN), tables, seeds=3).set_index("id").loc[device]
    assert (row["ours"], row["verdict"], row["kind"]) == ("none", "not tested", "not tested")
    assert "logs" in row["note"]  # what is missing
    assert "×" in row["paper"]


def test_an_unknown_measure_is_refused(tmp_path):
    path = write(tmp_path, test={"measure": "speedup", "at_least": 1.0})
    with pytest.raises(DanceError, match=r"claims\.yaml.*'x'.*'speedup'.*accuracy_difference"):
        load_claims(path)


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ({"verdict": "reproduced"}, r"claims\.0\.verdict: Extra inputs"),
        ({"unit": "percent"}, r"claims\.0\.unit"),
        ({"test": {"measure": "mac_ratio"}}, r"claims\.0\.test.*at_least or at_most"),
        ({"test": {"measure": "mac_ratio", "at_leats": 1}}, r"claims\.0\.test\.at_leats"),
    ],
    ids=["field", "unit", "no-bound", "misspelt-bound"],
)
def test_a_mistake_in_the_file_is_named_in_one_line(tmp_path, claim, message):
    with pytest.raises(DanceError, match=message) as caught:
        load_claims(write(tmp_path, **claim))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_or_no_yaml(tmp_path):
    with pytest.raises(DanceError, match=r"claims\.yaml: No such file"):
        load_claims(tmp_path / "claims.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("claims: [")
    with pytest.raises(DanceError, match=r"broken\.yaml: .*flow"):
        load_claims(broken)


def test_claims_do_not_change():
    with pytest.raises(ValidationError, match="frozen"):
        one("mac_ratio", at_most=0.5).claims[0].claim = "another"
