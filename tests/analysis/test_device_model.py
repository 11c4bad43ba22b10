"""Costs of two arms and two seeds by hand, through the roofline of both devices to the figures."""

import pandas as pd
import pytest

from dance_lib.analysis import device_figures, device_model
from dance_lib.analysis.claims import Claim, ClaimFile, load_claims
from dance_lib.study import MissingProductError, paper_file
from tests.analysis.drawing import drawn, study_style  # noqa: F401
from tests.analysis.made import TITLES, reread

PEAK, BANDWIDTH = 117.9648e6, 25.6e6  # MACs and bytes per ms of the Nano
PAPER = {"jetson-nano": 1.37, "snapdragon-8-gen-1": 2.22, "energy": 1.47}


def costs():
    """`costs` of 03_aap. In ms on the Nano, dense: a 8 by MACs, b 1 by bytes, other 1 by MACs.

    `aap` halves a, `dance` quarters it; seed 1 saves nothing at all.
    """
    rows = [
        {"unit": unit, "clips": 36, "arm": arm, "seed": seed, "fold": "own", "kind": "counted",
         "dense_macs": macs * PEAK, "ideal_macs": macs * PEAK * (1 if seed else kept),
         "dense_bytes": moved * BANDWIDTH, "ideal_bytes": moved * BANDWIDTH}
        for arm, kept_of_a in (("aap", 0.5), ("dance", 0.25))
        for seed in (0, 1)
        for unit, macs, moved, kept in (
            ("a", 8, 0.1, kept_of_a), ("b", 0.01, 1, 1), ("other", 1, 0.1, 1))
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture
def speeds():
    return device_model.speed_table(costs(), TITLES)


@pytest.fixture
def units():
    return device_model.unit_table(costs(), TITLES)


def test_speedups_by_hand(speeds):
    nano = speeds[speeds["device"] == "jetson-nano"].set_index(["arm", "seed"])
    assert nano["dense_ms"].tolist() == pytest.approx([10] * 4)
    assert nano["ideal_ms"].tolist() == pytest.approx([6, 10, 4, 10])
    assert nano["speedup"].tolist() == pytest.approx([10 / 6, 1, 2.5, 1])
    assert nano.loc[("aap", 0), "dense_mj"] == pytest.approx(100)  # 10 W
    assert nano.loc[("aap", 0), "mac_ratio"] == pytest.approx(5.01 / 9.01)
    assert nano["byte_ratio"].tolist() == [1] * 4
    assert set(nano["title"]) == {"AAP", "AVA cv + AAP"}
    assert set(nano["clips"]) == {36}
    assert (nano["energy_low"] <= nano["energy_high"]).all()


def test_a_phone_whose_power_nobody_publishes_has_no_energy(speeds):
    phone = speeds[speeds["device"] == "snapdragon-8-gen-1"]
    assert len(phone) == 4
    assert phone[["dense_mj", "ideal_mj"]].isna().all(axis=None)
    assert set(speeds["kind"]) == {"modelled"}


def test_units_are_bound_by_what_takes_longer(units):
    """Seeds are averaged first: `aap` keeps 0.75 of a on average."""
    nano = units[units["device"] == "jetson-nano"].set_index(["arm", "unit"])
    assert nano["dense_bound"].tolist() == ["compute", "memory", "compute"] * 2
    assert nano.loc[("aap", "a"), "ideal_ms"] == pytest.approx(6)
    assert nano.loc[("dance", "a"), "ideal_ms"] == pytest.approx(5)
    assert set(units["kind"]) == {"modelled"}


def test_the_papers_figures_are_read_from_its_claims():
    assert device_model.paper_figures(load_claims(paper_file("claims.yaml"))) == PAPER


def test_a_claim_without_a_factor_has_no_line():
    claims = ClaimFile(
        source="s", claims=(Claim(id="energy", claim="c", paper="higher"), Claim(id="x", claim="c"))
    )
    assert device_model.paper_figures(claims) == {}


def test_every_figure_of_a_device_has_a_source_or_is_not_published():
    table = device_model.devices_table()
    assert len(table) == 2 * 4
    assert table["source"].str.len().gt(3).all()
    absent = table[table["value"].isna()]
    assert absent[["figure", "kind"]].to_numpy().tolist() == [["power_w", "not tested"]]
    shown = device_model.shown_devices(table)
    assert "not published" in shown.to_html()
    assert shown.data["figure"].notna().all()
    assert "Our choice" in device_model.processors()


def test_figures(speeds, units):
    figures = device_figures.drawn(speeds, units, PAPER)
    assert set(figures) == {"expected", "bounds"}
    nano, phone, energy = drawn(figures["expected"]).axes
    for axes, paper in ((nano, 1.37), (phone, 2.22), (energy, 1.47)):
        assert any(set(line.get_xdata()) == {paper} for line in axes.lines)
        assert f"{paper:g}×" in axes.get_title()
    (points,) = (line for line in nano.lines if line.get_marker() == "o")
    assert points.get_xydata().round(3).tolist() == [[1.667, 0], [1, 0], [2.5, 1], [1, 1]]
    assert [t.get_text() for t in nano.get_yticklabels()] == ["AAP", "AVA cv + AAP"]
    title = figures["expected"].get_suptitle()
    assert title == "Modelled, not measured: mean costs of 36 test clips, up to 2 seeds"
    top, _ = drawn(figures["bounds"]).axes
    heights = [[round(bar.get_height()) for bar in group] for group in top.containers]
    assert heights == [[8000, 1000, 1000], [6000, 1000, 1000]]


def test_a_paper_without_figures_leaves_no_dashed_line(speeds, units):
    figure = drawn(device_figures.drawn(speeds, units, {})["expected"])
    assert all(set(line.get_xdata()) == {1} for axes in figure.axes for line in axes.lines
               if line.get_marker() != "o")  # fmt: skip


def test_the_answer_says_that_it_decides_nothing(speeds, units):
    answer = device_model.answer(speeds, units, PAPER)
    assert answer.startswith("**Modelled, not measured; it decides no claim.**")
    expected = "**1.33×** (AAP) to **1.75×** (AVA cv + AAP) on the Jetson Nano GPU (paper: 1.37×)"
    assert expected in answer
    assert "Of 3 units of AAP, memory binds 1 dense and 1 pruned on the Jetson Nano GPU" in answer
    for left_out in ("skipping", "launches", "caches", "decoding", "batch 1"):
        assert left_out in answer
    one = speeds[speeds["arm"] == "aap"]
    assert "**1.33×** (AAP) on the Jetson" in device_model.answer(one, units, {})
    assert "paper" not in device_model.answer(one, units, {})


def test_tables_of_another_notebook_do(tmp_path):
    again = reread(costs(), tmp_path / "costs.csv")
    pd.testing.assert_frame_equal(
        device_model.speed_table(again, TITLES), device_model.speed_table(costs(), TITLES)
    )


def test_where_costs_are_missing_one_line_says_so(speeds, monkeypatch):
    def absent(*args, **kwargs):
        raise MissingProductError("/home/somebody/costs.csv is missing")

    monkeypatch.setattr(device_model.study, "read", absent)
    empty = device_model.read("results/reference/full", seed=[0], fold=["own"], arm=["aap"])
    line = device_model.missing(empty, "results/reference/full")
    assert line.startswith("**Nothing to draw:** `results/reference/full` has no")
    assert "\n" not in line
    assert "/home" not in line
    assert device_model.missing(costs(), "results/x") == ""
    none = device_model.speed_table(empty, TITLES)
    assert none.empty
    assert list(none) == list(speeds)
    units = device_model.unit_table(empty, TITLES)
    assert device_figures.drawn(none, units, PAPER) == {}
    assert "decides no claim" in device_model.answer(none, units, PAPER)
    device_model.shown_speeds(none).to_html()
