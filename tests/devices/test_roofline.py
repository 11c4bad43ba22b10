"""A device of round numbers, by hand: 100 GMAC/s, 10 GB/s, 5 W; the ridge is at 10 MACs a byte."""

import pandas as pd
import pytest

from dance_lib import Dance, PruningPlan, count
from dance_lib.devices.published import DEVICES, JETSON_NANO, SNAPDRAGON_8_GEN_1, Device
from dance_lib.devices.roofline import clip_times, operation_energy, unit_times
from dance_lib.errors import DanceError
from tests.networks import TwoBlocks

SOURCES = dict.fromkeys(("float32_gmacs", "float16_gmacs", "bandwidth_gb", "power_w"), "made up")
ROUND = {
    "name": "round", "title": "Round", "processor": "one", "float32_gmacs": 100.0,
    "float16_gmacs": 200.0, "bandwidth_gb": 10.0, "power_w": 5.0, "sources": SOURCES,
}  # fmt: skip


@pytest.fixture
def device():
    return Device(**ROUND)


def table(**changed):
    """Two clips. In ms: a is 4 by MACs and 2 by bytes, b 1 and 3; halving MACs of a leaves 2 or 2.

    Clip 1 drops b; `other` is 1 by either, and has a controller in clip 0.
    """
    rows = [
        (0, "a", 400e6, 200e6, 20e6, 20e6),
        (0, "b", 100e6, 50e6, 30e6, 25e6),
        (0, "other", 100e6, 150e6, 10e6, 12e6),
        (1, "a", 400e6, 400e6, 20e6, 20e6),
        (1, "b", 100e6, 0, 30e6, 0),
        (1, "other", 100e6, 100e6, 10e6, 10e6),
    ]
    names = ["clip", "unit", "dense_macs", "ideal_macs", "dense_bytes", "ideal_bytes"]
    return pd.DataFrame(rows, columns=names).assign(**changed)


def test_a_unit_takes_the_longer_of_arithmetic_and_traffic(device):
    times = unit_times(table(), device)
    assert times["dense_ms"].tolist() == pytest.approx([4, 3, 1, 4, 3, 1])
    assert times["ideal_ms"].tolist() == pytest.approx([2, 2.5, 1.5, 4, 0, 1])
    assert times["dense_bound"].tolist() == ["compute", "memory", "compute"] * 2
    assert times["ideal_bound"].tolist()[:3] == ["compute", "memory", "compute"]  # a tie: compute
    assert set(times["kind"]) == {"modelled"}
    assert set(times["device"]) == {"round"}


def test_a_clip_takes_what_its_units_take(device):
    times = clip_times(table(), device)
    assert times["clip"].tolist() == [0, 1]
    assert times["dense_ms"].tolist() == pytest.approx([8, 8])
    assert times["ideal_ms"].tolist() == pytest.approx([6, 5])
    assert times["speedup"].tolist() == pytest.approx([8 / 6, 8 / 5])
    assert times["dense_mj"].tolist() == pytest.approx([40, 40])
    assert times["ideal_mj"].tolist() == pytest.approx([30, 25])
    assert set(times["kind"]) == {"modelled"}


def test_at_constant_power_the_ratio_of_energies_is_that_of_times(device):
    times = clip_times(table(), device)
    assert (times["dense_mj"] / times["ideal_mj"]).tolist() == times["speedup"].tolist()


def test_power_that_is_not_published_gives_no_energy():
    times = clip_times(table(), Device(**{**ROUND, "power_w": None}))
    assert times[["dense_mj", "ideal_mj"]].isna().all(axis=None)
    assert times["speedup"].notna().all()


def test_float16_halves_the_time_and_keeps_the_ratio(device):
    full, half = clip_times(table(), device), clip_times(table(), device, precision="float16")
    assert half["dense_ms"].tolist() == pytest.approx([4, 4])
    assert half["speedup"].tolist() == pytest.approx(full["speedup"].tolist())


def test_energy_of_operations_by_hand():
    """Clip 1: 600 M MACs and 60 MB dense, 500 M and 30 MB pruned."""
    energy = operation_energy(table()).set_index("clip").loc[1]
    low = (4.6 * 600 + 162.5 * 60) / (4.6 * 500 + 162.5 * 30)
    high = (4.6 * 600 + 325 * 60) / (4.6 * 500 + 325 * 30)
    assert energy[["energy_low", "energy_high"]].tolist() == pytest.approx([low, high])
    assert energy["kind"] == "modelled"


def test_what_count_gives_can_be_modelled():
    net = Dance(TwoBlocks(), TwoBlocks.clip, grid=4).eval()
    times = clip_times(count(net, PruningPlan.full(net, 2)), JETSON_NANO)
    assert times["clip"].tolist() == [0, 1]
    assert ((times["speedup"] > 0.8) & (times["speedup"] <= 1)).all()  # the controller costs


def test_arms_and_seeds_are_told_apart_by_the_columns_named(device):
    both = pd.concat([table(arm="x"), table(arm="y")], ignore_index=True)
    assert len(clip_times(both, device, by=["arm", "clip"])) == 4
    with pytest.raises(DanceError, match="a unit comes twice for one of clip"):
        clip_times(both, device)


def test_no_rows_give_no_rows(device):
    nothing = table().iloc[:0]
    assert clip_times(nothing, device).empty
    assert operation_energy(nothing).empty


@pytest.mark.parametrize(
    ("made", "complaint"),
    [
        (table().drop(columns="ideal_bytes"), "needs the column 'ideal_bytes'"),
        (table().drop(columns="clip"), "needs the column 'clip'"),
        (table(dense_macs=-1.0), "negative or no number"),
        (table(dense_macs=float("nan")), "negative or no number"),
        (table()[lambda rows: rows["unit"] != "other"], "no row 'other'"),
    ],
)
def test_a_table_that_is_none_of_costs_is_refused(device, made, complaint):
    for model in (lambda: clip_times(made, device), lambda: operation_energy(made)):
        with pytest.raises(DanceError, match=complaint):
            model()


def test_an_unknown_precision_is_refused(device):
    with pytest.raises(DanceError, match="'int8' is not modelled; there are: float32, float16"):
        unit_times(table(), device, precision="int8")


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"bandwidth_gb": 0.0}, "bandwidth_gb is 0.0, not a positive number"),
        ({"float32_gmacs": None}, "float32_gmacs is None"),
        ({"power_w": float("inf")}, "power_w is inf"),
        ({"sources": SOURCES | {"power_w": ""}}, "power_w has no source"),
    ],
)
def test_a_device_has_positive_figures_with_sources(changed, complaint):
    with pytest.raises(DanceError, match=complaint):
        Device(**{**ROUND, **changed})


def test_the_published_figures():
    nano, phone = JETSON_NANO, SNAPDRAGON_8_GEN_1
    assert (nano, phone) == DEVICES
    assert 2 * nano.float16_gmacs == pytest.approx(472, abs=0.5)  # GFLOPS, as NVIDIA states
    assert nano.float32_gmacs == pytest.approx(117.96, abs=0.01)
    assert (nano.bandwidth_gb, nano.power_w) == (25.6, 10)
    assert (phone.float32_gmacs, phone.float16_gmacs) == (48 + 60, 216)
    assert (phone.bandwidth_gb, phone.power_w) == (51.2, None)
