"""Dumps of `dumpsys battery` with their times."""

import pandas as pd
import pytest
from hypothesis import given, settings

from dance_lib.devices.dumpsys_battery import FORMAT
from dance_lib.devices.formats import Declared
from dance_lib.devices.power import LogError, energy_table
from tests.devices.mutations import EXAMPLES, mutations, read_or_refuse, words

DUMP = """Current Battery Service state:
  AC powered: false
  USB powered: false
  Wireless powered: false
  Max charging current: 0
  Charge counter: {charge}
  status: 3
  health: 2
  present: true
  level: 77
  scale: 100
  voltage: {voltage}
  temperature: 281
  technology: Li-ion
  current now: {current}"""


def dumps(charges, times=None, voltage=4000, currents=None):
    lines = []
    for number, charge in enumerate(charges):
        if times is not None:
            lines.append(f"time: {times[number]}")
        current = currents[number] if currents else -500
        lines.append(DUMP.format(charge=charge, voltage=voltage, current=current))
    return "\n".join(lines)


VALID = dumps(
    [3_000_000, 2_999_000, 2_998_000, 2_998_000, 2_996_500, 2_996_000],
    [1_700_000_000 + 10 * n for n in range(6)],
)
EVERY_TEN = Declared(interval=10.0)
CURRENT = Declared(interval=10.0, columns={"current": ("current now", "mA")})


def read(text, declared=None):
    return FORMAT.read("log", text, declared or Declared())


def test_power_and_energy_by_hand():
    # steps at 10, 20, 40 and 50 s; 1 mAh = 3.6 C, at 4 V 14.4 J: 1, 1.5 and 0.5 of them
    log = read(VALID)
    assert energy_table(log).energy_j.iloc[-1] == pytest.approx(3 * 14.4, rel=1e-9)
    assert log.watts["battery"].iloc[[0, -1]].tolist() == pytest.approx([1.44, 0.72])
    assert log.watts["battery"].loc[20] == pytest.approx(1.5 * 14.4 / 20)
    assert log.duration_s == 40
    assert log.clock == "recorded"
    assert log.start == pd.Timestamp("2023-11-14T22:13:30Z")  # of the first step
    assert "10 s after the first reading" in log.notes[0]


def test_a_bare_time_is_one_too():
    assert read(VALID.replace("time: ", "")).watts.equals(read(VALID).watts)


def test_no_times_need_an_interval():
    text = "\n".join(line for line in VALID.splitlines() if not line.startswith("time"))
    with pytest.raises(LogError, match="declare the interval"):
        read(text)
    log = read(text, EVERY_TEN)
    assert log.clock == "nominal"
    assert log.start is None
    assert log.watts.equals(read(VALID).watts)


def test_current_needs_a_declared_unit():
    text = dumps(
        [7] * 3, [1_700_000_000, 1_700_000_001, 1_700_000_003], currents=[-500, -750, -250]
    )
    with pytest.raises(LogError, match="never moves"):
        read(text)
    log = read(text, CURRENT)
    assert log.watts["battery"].tolist() == pytest.approx([2, 3, 1])
    assert log.watts.index.tolist() == [0, 1, 3]
    assert log.start == pd.Timestamp("2023-11-14T22:13:20Z")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("USB powered: false", "USB powered: true", "dump 1 says USB powered"),
        ("status: 3", "status: 2", "status 2 .charging., and only 3"),
        ("status: 3", "status: 9", "status 9 .not known."),
        ("  status: 3\n", "", "dump 1 has no status"),
        ("present: true", "present: false", "no battery, as an emulator"),
        ("voltage: 4000", "voltage: 0", "would be 0 V.*an emulator"),
        ("voltage: 4000", "voltage: 4000000", "would be 4000 V"),
        ("voltage: 4000", "voltage: four", "voltage is 'four', and no number"),
        ("  voltage: 4000\n", "", "dump 1 has no 'voltage'"),
        ("Charge counter", "Charge", "dump 1 has no 'Charge counter'"),
        ("Charge counter: 299", "Charge counter: 300", "the charge counter rises"),
        ("state:\n", "state:\n  (UPDATES STOPPED -- use 'reset' to restart)\n", "set by hand"),
        ("  health: 2", "  status: 3", "'status' a second time in one dump"),
        ("time: 1700000010", "", "a dump without its time"),
        ("time: 1700000000", "", "6 dumps and 5 times"),
        ("time: 1700000010", "time: 1700000010\ntime: 1700000011", "no dump since the last one"),
        ("time: 1700000020", "time: 1700000005", "time does not go forward at reading 3"),
    ],
)
def test_what_is_refused(old, new, reason):
    with pytest.raises(LogError, match=reason):
        read(VALID.replace(old, new))


def test_logs_too_short_or_still():
    with pytest.raises(LogError, match="1 dump in it"):
        read(dumps([1], [1_700_000_000]))
    with pytest.raises(LogError, match="no dump in it"):
        read("  status: 3", EVERY_TEN)
    with pytest.raises(LogError, match="never moves: an emulator"):
        read(dumps([10_000] * 9), EVERY_TEN)
    with pytest.raises(LogError, match="makes 1 step whose"):
        read(dumps([3_000_000] * 5 + [2_999_000]), EVERY_TEN)
    with pytest.raises(LogError, match="ends with a time"):
        read(VALID + "\n1700000060")


def test_a_counter_in_another_unit():
    with pytest.raises(LogError, match="not in µAh"):
        read(dumps(range(3000, 2990, -1)), EVERY_TEN)


@pytest.mark.parametrize("interval", [0.0, -1.0, float("nan"), float("inf")])
def test_intervals_that_are_none(interval):
    with pytest.raises(LogError, match="an interval of"):
        read(dumps([2, 1]), Declared(interval=interval))


def test_recognised_by_its_first_line():
    assert FORMAT.recognises(VALID)
    assert not FORMAT.recognises("time: 1700000000")


TOKENS = (
    "Current Battery Service state:",
    "  status: 3",
    "  voltage: 4000",
    "  Charge counter: ",
    "  current now: -",
    "time: 1700000000",
    "1700000001.5",
    "  USB powered: true",
    "UPDATES STOPPED",
)


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=words(*TOKENS))
def test_any_words(text):
    read_or_refuse(FORMAT, text, EVERY_TEN)


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=mutations(VALID, *TOKENS))
def test_any_change(text):
    read_or_refuse(FORMAT, text, Declared())
    read_or_refuse(FORMAT, text, CURRENT)
