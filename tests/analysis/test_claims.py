"""Verdicts by hand, measures on tables of ten clips, and the study's own file of claims."""

from pathlib import Path

import pandas as pd
import pytest
import yaml
from pydantic import ValidationError

from dance_lib.analysis import claims
from dance_lib.analysis.claims import Claim, ClaimFile, Criterion, judge, load_claims
from dance_lib.analysis.intervals import Interval
from dance_lib.analysis.measures import MEASURES, Measured, Question
from dance_lib.errors import DanceError
from tests.analysis import made

OWN = Path(__file__).parents[2] / "results" / "paper" / "claims.yaml"
NAN = float("nan")


@pytest.fixture(scope="module")
def tables():
    return made.every_table()


def one(measure, unit="share", arm="dance", **bounds):
    """A file of one claim."""
    test = Criterion(measure=measure, arm=arm, **bounds)
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
        ({"at_least": 0.0}, (0.1, NAN, NAN), "partly"),  # one group: an estimate, no interval
    ],
)
def test_verdicts(bounds, interval, expected):
    criterion = Criterion(measure="mac_ratio", **bounds)
    assert claims.verdict(criterion, Measured(Interval(*interval, 10)), NAN) == expected


@pytest.mark.parametrize(
    ("interval", "counted", "expected"),
    [
        ((0.1, 0.05, 0.2), "clips", "consistent"),
        ((0.1, -0.05, 0.2), "clips", "consistent"),
        ((-0.1, -0.2, 0.05), "clips", "inconclusive"),
        ((-0.1, -0.2, -0.05), "seeds", "not reproduced"),
        ((-0.1, NAN, NAN), "units", "not reproduced"),
        ((0.1, 0.05, 0.2), "runs", "reproduced"),  # logs of a device know no clips
    ],
)
def test_few_clips_are_consistent_with_a_claim_at_most(interval, counted, expected):
    criterion = Criterion(measure="mac_ratio", at_least=0.0)
    measured = Measured(Interval(*interval, 10), counted)
    assert claims.verdict(criterion, measured, NAN, few=True) == expected


@pytest.mark.parametrize(("fewest", "expected"), [(10, "reproduced"), (11, "consistent")])
def test_the_file_says_how_many_clips_are_few(tables, fewest, expected):
    asked = one("mac_ratio", at_most=1.0).model_copy(update={"fewest_clips": fewest})
    assert judge(asked, tables, seeds=1).iloc[0]["verdict"] == expected  # of ten clips


@pytest.mark.parametrize(
    ("p", "alpha", "expected"),
    [(0.04, 0.05, "reproduced"), (0.06, 0.05, "partly"), (0.04, 0.01, "partly")],
)
def test_where_networks_are_compared_p_has_to_be_small(p, alpha, expected):
    criterion = Criterion(measure="mac_ratio", at_least=0.0, alpha=alpha)
    assert claims.verdict(criterion, Measured(Interval(0.1, 0.05, 0.2, 10)), p) == expected


def test_without_a_test_or_data_there_is_no_verdict():
    criterion = Criterion(measure="mac_ratio", at_least=0.0)
    assert claims.verdict(None, None, NAN) == "not tested"
    assert claims.verdict(criterion, None, NAN) == "not tested"


def test_p_values_are_adjusted_over_the_claims_that_compare(tables):
    tests = {
        "a": Criterion(measure="shuffled_loss", arm="dance", at_least=0.0),
        "b": Criterion(measure="accuracy_difference", arm="aap", at_least=-0.9),
        "c": Criterion(measure="mac_ratio", arm="aap", at_most=0.6),
    }
    several = ClaimFile(
        source="us", claims=tuple(Claim(id=k, claim="so", test=t) for k, t in tests.items())
    )
    rows = judge(several, tables, seeds=1).set_index("id")
    alone = [
        MEASURES[t.measure](tables, Question(t.arm, t.against, t.bound)).p
        for t in (tests["a"], tests["b"])
    ]
    assert max(alone) < 0.5
    # Holm by hand, for two: the smaller is doubled, the larger stays unless that is above it.
    small, large = sorted(alone)
    adjusted = {small: 2 * small, large: max(2 * small, large)}
    if small == large:
        adjusted = {small: 2 * small}
    assert rows.loc[["a", "b"], "p_holm"].tolist() == pytest.approx([adjusted[p] for p in alone])
    assert pd.isna(rows.loc["c", "p_holm"])


# ------------------------------------------------------------------ rows
def test_a_row_a_claim(tables):
    row = judge(one("shuffled_loss", "points", at_least=0.1), tables, seeds=1).iloc[0]
    assert row["ours"].startswith("+50.0 points [+")
    assert row["estimate"] == 0.5
    assert row["bound"] == "≥ +10 points"
    assert row["verdict"] == "reproduced"
    assert row["note"] == "10 clips, one seed: indication only"
    assert row["paper"] == "no figure"
    assert row["kind"] == "measured"


def test_notes_say_over_what_and_how_many_seeds(tables):
    notes = [
        judge(one(measure, unit, at_least=0.0), tables, seeds=seeds).iloc[0]["note"]
        for measure, unit, seeds in (
            ("mac_ratio", "share", 3), ("ratio_spread", "share", 1)
        )
    ]  # fmt: skip
    # The arm has one seed, however many the dense network has.
    assert notes == ["10 clips, one seed: indication only", "one seed: indication only"]


def test_seeds_that_alone_are_too_few_are_said(tables):
    """Two seeds that win all clips and half of them: 0.75, and by Student's t from −2.4 to 3.9."""
    arms = pd.concat([tables["arms"].assign(seed=s) for s in (0, 1)])
    own = (arms["arm"] == "dance") & (arms["plans"] == "controller")
    half = arms["path"].isin(sorted(arms["path"].unique())[::2])
    arms["correct"] = (own & ((arms["seed"] == 0) | half)).astype(int)
    claim = one("shuffled_loss", "points", at_least=0.1)
    row = judge(claim, tables | {"arms": arms}, seeds=2).iloc[0]
    assert (row["estimate"], row["verdict"]) == (0.75, "reproduced")
    assert (row["seeds_low"], row["seeds_high"]) == pytest.approx((-2.4266, 3.9266), abs=1e-4)
    assert row["over_seeds"] == "[-242.7, +392.7]"
    assert row["note"] == "10 clips, 2 seeds; not by the seeds alone"


@pytest.mark.parametrize(
    ("least", "doubt"),
    [(0.52, "not by the seeds alone"), (0.5, "open: the interval spans the bound")],
)
def test_a_verdict_against_a_claim_is_doubted_alike(tables, least, doubt):
    """Two seeds, about half and 0.8 of the MACs, leave open whether half are kept."""
    arms = pd.concat(
        [tables["arms"].assign(seed=s, mac_ratio=m) for s, m in ((0, least), (1, 0.8))]
    )
    row = judge(one("mac_ratio", at_most=0.5), tables | {"arms": arms}, seeds=2).iloc[0]
    assert row["verdict"] == "not reproduced"
    assert row["note"] == f"10 clips, 2 seeds; {doubt}"


def test_one_seed_has_no_interval_over_seeds(tables):
    row = judge(one("mac_ratio", at_most=1.0), tables, seeds=1).iloc[0]
    assert (row["over_seeds"], row["verdict"]) == ("", "reproduced")


def test_bounds_in_words():
    row = judge(one("mac_ratio", at_most=0.5), {}, seeds=1).iloc[0]
    assert row["bound"] == "≤ 0.5"
    assert row["note"] == "the tables for it are not there"


def test_what_was_not_run_is_not_tested(tables):
    row = judge(one("mac_ratio", at_most=0.5), {}, seeds=1).iloc[0]
    assert (row["ours"], row["verdict"], row["kind"]) == ("none", "not tested", "not tested")
    other = tables["dense"].assign(path=[f"other {i}" for i in range(20)])  # no clip in common
    strangers = judge(one("accuracy_difference", at_least=-0.5), tables | {"dense": other}, seeds=1)
    row = strangers.iloc[0]
    assert (row["ours"], row["verdict"], row["kind"]) == ("none", "not tested", "not tested")


def test_what_misses_the_macs_is_not_tested_and_says_so(tables):
    off = tables["rivals"].assign(mac_ratio=0.9)
    claim = one("accuracy_difference", "points", at_least=0.0, against="static")
    row = judge(claim, tables | {"rivals": off}, seeds=1).iloc[0]
    assert row["verdict"] == "not tested"
    assert row["note"] == "static has no run within 0.02 of the MACs of dance"


# ------------------------------------------------------------------ the file
def write(tmp_path, **claim):
    path = tmp_path / "claims.yaml"
    claim = {"id": "x", "claim": "it is so", **claim}
    path.write_text(yaml.safe_dump({"source": "us", "claims": [claim]}))
    return path


def test_the_studys_own_claims(tables):
    file = load_claims(OWN)
    assert file.fewest_clips == 1000
    assert "consistent" in judge(file, tables, seeds=1)["verdict"].tolist()  # of ten clips
    many = file.model_copy(update={"fewest_clips": 0})
    verdicts = judge(many, tables, seeds=1).set_index("id")
    assert len(verdicts) == len(file.claims)
    assert verdicts.index.is_unique
    assert (verdicts["of"] == "abstract").sum() == 9
    assert "abstract" in file.source
    by_hand = {  # of the tables made for these tests
        "accuracy": "not reproduced",  # −10 points
        "dynamic": "partly",  # +50 points, but p > 0.01: ten clips, a family of claims
        "macs": "partly",  # 0.5 of at most 0.52, its interval reaches beyond
        "variability": "reproduced",  # twice
        "every-axis": "reproduced",  # a fifth of the savings at least
        "one-branch": "not reproduced",  # one carries all
        "over-narrow": "not tested",
    }
    assert verdicts["verdict"].loc[list(by_hand)].to_dict() == by_hand
    assert verdicts.loc["macs", "high"] > 0.52


def test_the_answer_counts_claims_and_targets_apart():
    verdicts = pd.DataFrame(
        {
            "of": ["abstract", "abstract", "ours"],
            "verdict": ["partly", "not tested", "not reproduced"],
            "note": ["", "no logs", f"3 seeds; {claims.OPEN}"],
        }
    )
    assert claims.claims_answer(verdicts, "the abstract") == (
        "Of 2 claims of the abstract: **1 partly, 1 not tested**. "
        "Of 1 targets of ours: **1 not reproduced**, 1 of them open. (the abstract)"
    )


@pytest.mark.parametrize("device", ["jetson-nano", "snapdragon", "energy"])
def test_claims_about_devices_are_not_tested(tables, device):
    row = judge(load_claims(OWN), tables, seeds=3).set_index("id").loc[device]
    assert (row["ours"], row["verdict"], row["kind"]) == ("none", "not tested", "not tested")
    assert "logs" in row["note"]  # what is missing
    assert "×" in row["paper"]


def test_logs_of_both_networks_decide_a_claim_about_that_device(tables):
    def verdict(*runs):
        devices = pd.DataFrame(
            {"device": "jetson-nano", "network": network, "ms_per_clip": ms, "j_per_clip": 1.0,
             "kind": "measured", "rail": "total", "format": "csv", "timed_by": "window"}
            for network, ms in runs
        )  # fmt: skip
        rows = judge(load_claims(OWN), {**tables, "devices": devices}, seeds=3).set_index("id")
        assert rows.loc["snapdragon", "verdict"] == rows.loc["energy", "verdict"] == "not tested"
        return rows.loc["jetson-nano", ["verdict", "ours", "note"]].tolist()

    once = [("dense", 14.0), ("pruned", 10.0)]
    assert verdict(*once) == ["partly", "1.400, no interval", "one run of each: indication only"]
    assert verdict(*once, *once) == ["reproduced", "1.400 [1.400, 1.400]", "2 runs of each"]
    assert verdict(*once[:1]) == [
        "not tested",
        "none",
        "latency logs of both networks from that board",
    ]
    slower = [("dense", 9.0), ("pruned", 10.0)]
    assert verdict(*slower)[0] == "not reproduced"


def test_an_unknown_measure_is_refused(tmp_path):
    path = write(tmp_path, test={"measure": "speedup", "at_least": 1.0})
    with pytest.raises(DanceError, match=r"claims\.yaml.*'x'.*'speedup'.*accuracy_difference"):
        load_claims(path)


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ({"verdict": "reproduced"}, r"claims\.0\.verdict: Extra inputs"),
        ({"unit": "percent"}, r"claims\.0\.unit"),
        ({"test": {"measure": "mac_ratio"}}, r"claims\.0\.test.*one of at_least and at_most"),
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
