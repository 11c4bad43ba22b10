"""Power by the charge that a battery has left: arithmetic by hand."""

import numpy as np
import pytest

from dance_lib.devices.battery import MOST_PIECES, drawn_by_charge
from dance_lib.devices.power import LogError, PowerLog, Window, energy_table


def of_charge(times, coulombs, volts=4.0):
    times = np.array(times, dtype=float)
    return drawn_by_charge(
        "log", times, np.array(coulombs, dtype=float), np.broadcast_to(volts, times.shape)
    )


def as_log(frame):
    return PowerLog("log", "battery", frame, ("battery",), "recorded")


def energy(frame, window=None):
    return energy_table(as_log(frame), window).energy_j.iloc[-1]


def test_energy_is_the_sum_of_steps():
    # steps at 10, 20, 40 and 50 s; of 2, 1 and 4 C after the first: 7 C × 4 V
    frame, first = of_charge([0, 10, 20, 30, 40, 50], [100, 99, 97, 97, 96, 92])
    assert first == 10
    assert energy(frame) == pytest.approx(28, rel=1e-12)
    assert frame.index[0] == 0
    assert frame.index[-1] == 40


def test_energy_between_two_steps_is_that_of_the_stretch():
    frame, _ = of_charge([0, 10, 20, 30, 40, 50], [100, 99, 97, 97, 96, 92])
    assert energy(frame, Window("a", 0, 10)) == pytest.approx(8, rel=1e-9)
    assert energy(frame, Window("b", 10, 30)) == pytest.approx(4, rel=1e-9)
    assert energy(frame, Window("c", 30, 40)) == pytest.approx(16, rel=1e-9)


def test_readings_between_steps_only_tell_voltage():
    # 1 C from 1 to 3 s; 4 V, then 5, then 4: half a second of ramps each, 4.5 V on average
    frame, _ = of_charge([0, 1, 2, 3, 4, 5], [9, 8, 8, 7, 6, 5], [4, 4, 5, 4, 4, 4])
    assert energy(frame, Window("a", 0, 2)) == pytest.approx(4.5, rel=1e-9)


def test_steps_of_very_different_length_are_no_gap():
    times = [0, 1, 2, 499, 500, 501, 899, 900]
    frame, _ = of_charge(times, [9, 8, 7, 7, 6, 5, 5, 4])
    assert energy(frame) == pytest.approx(16, rel=1e-9)
    assert frame["battery"].loc[[0, 100, 600]].tolist() == pytest.approx([4, 4 / 498, 4 / 399])
    assert np.diff(frame.index).max() == pytest.approx(1)


def test_number_of_samples_is_bounded():
    times = [0, 0.001, 0.002, 0.003, 1e5, 2e5, 2e5 + 0.001]
    frame, _ = of_charge(times, [9, 8, 7, 6, 5, 4, 4])
    assert len(frame) < 2 * MOST_PIECES
    assert energy(frame) == pytest.approx(16, rel=1e-9)


def test_steps_seen_too_late_are_taken_together():
    # the step seen at 100 s may have been at 3 s, so the one of 101 s ends no stretch of its own
    times = [0, 1, 2, 3, 100, 101, 102, 203, 204]
    frame, _ = of_charge(times, [9, 8, 7, 6, 5, 4, 4, 3, 2])
    assert frame.index[-1] == 202
    assert frame["battery"].max() == pytest.approx(4)
    assert frame["battery"].loc[101] == pytest.approx(8 / 103)


def test_of_readings_at_one_time_the_last_counts():
    frame, _ = of_charge([0, 1, 1, 2, 3, 4], [9, 8.5, 8, 7, 6, 5])
    assert energy(frame) == pytest.approx(12, rel=1e-9)


@pytest.mark.parametrize(
    ("times", "coulombs", "reason"),
    [
        ([0, 1, 2, 3, 4], [5, 5, 5, 5, 5], "never moves"),
        ([0], [5], "never moves"),
        ([0, 1, 2, 3, 4], [5, 4, 4, 4, 4], "makes 1 step whose times are known, and 4"),
        ([0, 1, 2, 3, 4], [5, 4, 3, 2, 2], "makes 3 steps whose times are known, and 4"),
        ([0, 1, 2, 3, 4], [5, 4, 3, 4, 3], "rises 3 s after the first reading"),
        ([0, 1, 2, 1, 4], [5, 4, 3, 2, 1], "time does not go forward at reading 4"),
    ],
)
def test_what_tells_no_power(times, coulombs, reason):
    with pytest.raises(LogError, match=reason):
        of_charge(times, coulombs)
