"""The figures that decide claims, on tables of ten clips."""

import math

import pandas as pd
import pytest

from dance_lib.analysis.measures import MEASURES, NotComparableError, Question
from tests.analysis import made


@pytest.fixture(scope="module")
def tables():
    return made.every_table()


def asked(arm="dance", against="", bound=0.0):
    return Question(arm=arm, against=against, bound=bound)


@pytest.mark.parametrize(
    ("measure", "question", "expected", "count"),
    [
        ("accuracy_difference", asked(), 0.9 - 1.0, 10),  # own plans − dense, not − start
        ("accuracy_difference", asked(against="aap"), 0.9 - 0.8, 10),
        ("accuracy_difference", asked(against="static"), 0.9 - 0.5, 10),
        ("shuffled_loss", asked(), 0.9 - 0.4, 10),
        ("inverted_loss", asked("aap"), 0.8 - 0.1, 10),
        ("mac_ratio", asked(), 0.5, 10),
        ("byte_ratio", asked(), 0.6, 10),
        ("variability_ratio", asked(against="cv"), 2.0, 4),  # over units
        ("ratio_spread", asked(), 0.18, 1),  # ten values from 0.4 to 0.6, 5 % from either end
        ("difficulty", asked(), (73.5 / 82.5) ** 0.5, 1),  # mean ranks 2.5, 6, 9 of 4, 3, 3 clips
        ("largest_branch", asked("aap"), 1.0, 1),
        ("smallest_axis", asked(), 0.2, 1),
    ],
)
def test_measures_by_hand(tables, measure, question, expected, count):
    interval = MEASURES[measure](tables, question).interval
    assert interval.mean == pytest.approx(expected)
    assert interval.clips == count


def test_variability_is_compared_within_a_seed(tables):
    """The second seed varies ten times as much and is raised by 4: (2 + 4) / 2, not near 4."""
    first = tables["variability"]
    after = first["stage"].eq("after") & first["ava"].eq("cv")
    second = first.assign(seed=1, interaction=10 * first["interaction"] * (1 + after))
    both = tables | {"variability": pd.concat([first, second])}
    measured = MEASURES["variability_ratio"](both, asked(against="cv"))
    assert measured.interval.mean == pytest.approx(3)
    assert measured.by_seed == pytest.approx((2, 4))


def test_a_run_off_the_macs_of_ours_is_not_compared(tables):
    rivals = tables["rivals"].copy()
    missed = tables | {"rivals": rivals.assign(mac_ratio=rivals["mac_ratio"] + 0.15)}
    measure = MEASURES["accuracy_difference"]
    with pytest.raises(NotComparableError, match=r"static has no run within 0\.02 of the MACs"):
        measure(missed, asked(against="static"))
    off = tables["arms"].query("arm == 'aap' and plans == 'controller'")["mac_ratio"].mean() - 0.15
    dense = missed | {"dense": tables["dense"].assign(mac_ratio=off)}
    assert measure(dense, asked()).interval.mean == pytest.approx(
        0.9 - 1.0
    )  # that is no such rival


def runs(*networks, kind="measured", device="board", rail="total", format="csv", timed_by="window"):
    """A row a run: (network, ms and joules of a clip)."""
    return pd.DataFrame(
        {"device": device, "network": name, "ms_per_clip": float(ms), "j_per_clip": float(joules),
         "kind": kind, "rail": rail, "format": format, "timed_by": timed_by}
        for name, ms, joules in networks
    )  # fmt: skip


DENSE, PRUNED, RIVAL = ("dense", 40, 8), ("pruned", 20, 2), ("X3D", 30, 3)


def device(measure, *tables, of="board"):
    """The measure's interval, or None."""
    devices = pd.concat(tables, ignore_index=True)
    found = MEASURES[measure]({"devices": devices}, Question("", "", 1.0, of))
    return found and found.interval


def test_speedup_on_a_device():
    once = device("device_speedup", runs(DENSE, PRUNED))
    assert (once.mean, once.low, once.high, once.clips) == (2.0, -math.inf, math.inf, 1)
    twice = device("device_speedup", runs(DENSE, DENSE, PRUNED, PRUNED))
    assert (twice.mean, twice.low, twice.high, twice.clips) == pytest.approx((2.0, 2.0, 2.0, 2))


@pytest.mark.parametrize(
    "tables",
    [
        [runs(DENSE)],
        [runs(PRUNED, RIVAL)],
        [runs(DENSE), runs(PRUNED, device="another")],
        [runs(DENSE, PRUNED, kind="estimated")],
        [runs(DENSE, PRUNED, kind="modelled")],
        [runs(DENSE), runs(PRUNED, kind="estimated")],
        [runs(DENSE), runs(PRUNED, rail="gpu")],
        [runs(DENSE), runs(PRUNED, timed_by="tflite")],
        [runs(DENSE), runs(PRUNED, format="tegrastats")],
    ],
)
def test_a_speedup_needs_both_networks_measured_on_that_device(tables):
    assert device("device_speedup", *tables) is None


def test_energy_against_a_named_rival():
    assert device("device_energy", runs(DENSE, PRUNED)) is None  # dense is not the state of the art
    assert device("device_energy", runs(DENSE, RIVAL)) is None
    assert device("device_energy", runs(PRUNED, RIVAL)).mean == pytest.approx(1.5)
    better = runs(("pruned", 1, 1), ("SlowFast", 1, 4), device="another")
    assert device("device_energy", runs(PRUNED, RIVAL), better).mean == pytest.approx(4)
    worse = ("C3D", 50, 9)  # the rival that does best is the state of the art
    assert device("device_energy", runs(PRUNED, RIVAL, worse)).mean == pytest.approx(1.5)
    assert device("device_energy", runs(PRUNED), runs(RIVAL, rail="gpu")) is None
    assert device("device_energy", runs(PRUNED), runs(RIVAL, device="another")) is None
    assert device("device_energy", runs(PRUNED, RIVAL, kind="estimated")) is None


def test_all_measures_are_tested_here():
    assert len(MEASURES) == 12


def test_p_is_against_the_bound(tables):
    far = MEASURES["shuffled_loss"](tables, asked(bound=-0.5))
    near = MEASURES["shuffled_loss"](tables, asked(bound=0.4))
    assert far.p < 0.01 < near.p
    assert far.interval == near.interval
    assert far.p_mcnemar == near.p_mcnemar == pytest.approx(2 * 0.5**5)  # five pairs, all ours
    assert math.isnan(MEASURES["mac_ratio"](tables, asked()).p)


def test_seeds_do_not_count_as_clips(tables):
    twice = {k: pd.concat([t, t.assign(seed=1)], ignore_index=True) for k, t in tables.items()}
    for name in ("accuracy_difference", "shuffled_loss", "mac_ratio", "byte_ratio"):
        one, two = (MEASURES[name](t, asked()).interval for t in (tables, twice))
        assert (one.clips, one.seeds, two.clips, two.seeds) == (10, 1, 10, 2)
        assert [two.mean, two.low, two.high] == pytest.approx([one.mean, one.low, one.high])


@pytest.mark.parametrize("measure", MEASURES)
def test_without_tables_nothing_is_measured(measure):
    assert MEASURES[measure]({}, asked()) is None
    empty = {name: pd.DataFrame() for name in ("dense", "arms", "rivals", "variability")}
    assert MEASURES[measure](empty, asked()) is None
    assert MEASURES[measure](made.every_table(), asked("never run", "never run")) is None
