"""Samples of /sys/class/power_supply/battery."""

import pandas as pd
import pytest
from hypothesis import given, settings

from dance_lib.devices.formats import Declared
from dance_lib.devices.power import LogError, energy_table
from dance_lib.devices.power_supply import FORMAT
from tests.devices.mutations import EXAMPLES, mutations, read_or_refuse, words

VALID = """time_s,current_now,voltage_now,status
100.0,-500000,4000000,Discharging
101.0,-750000,4000000,Discharging
103.0,-250000,4000000,Discharging
"""
MILLI = Declared(columns={"current": ("current_now", "mA")})


def read(text, declared=None):
    return FORMAT.read("log", text, declared or Declared())


def test_power_and_energy_by_hand():
    log = read(VALID)
    assert log.watts["battery"].tolist() == [2.0, 3.0, 1.0]
    assert log.watts.index.tolist() == [0, 1, 3]
    assert log.total == ("battery",)
    assert log.clock == "recorded"
    assert log.start is None  # seconds since the device started, or anything
    assert energy_table(log).energy_j.iloc[-1] == pytest.approx(2.5 + 4)


def test_positive_sign_is_discharging_where_status_says_so():
    assert read(VALID.replace(",-", ",")).watts.equals(read(VALID).watts)


def test_without_status_the_documented_sign_is_taken():
    log = read("\n".join(line.rpartition(",")[0] for line in VALID.splitlines()))
    assert log.watts["battery"].tolist() == [2.0, 3.0, 1.0]
    assert "no status" in log.notes[0]


def test_epoch_milliseconds_tell_the_start():
    text = (
        "time_ms,power_now,status\n1700000000250,2500000,Discharging\n1700000000750,1,Discharging"
    )
    log = read(text)
    assert log.start == pd.Timestamp("2023-11-14T22:13:20.250Z")
    assert log.watts.index[1] == pytest.approx(0.5)
    assert log.watts["battery"].tolist() == [2.5, 1e-6]


def test_a_declared_unit():
    text = VALID.replace("000,4000000", ",4000000")
    with pytest.raises(LogError, match=r'another unit.*current: \("current_now", "mA"\)'):
        read(text)
    assert read(text, MILLI).watts["battery"].tolist() == [2.0, 3.0, 1.0]
    volts = Declared(columns={"voltage": ("volts", "mV"), "time": ("t", "ms")})
    text = VALID.replace("4000000", "4000").replace("voltage_now", "volts").replace("time_s", "t")
    log = read(text.replace(".0,", "000,"), volts)
    assert log.watts["battery"].tolist() == [2.0, 3.0, 1.0]
    assert log.watts.index[2] == pytest.approx(3)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (",-750000", ",750000", "the sign changes"),
        ("Discharging\n103", "Charging\n103", "status is 'Charging'"),
        ("Discharging\n103", "Full\n103", "something else feeds the device"),
        ("Discharging\n103", "\n103", "status is ''"),
        ("4000000", "4000", r"voltage_now of reading 1 would be 0.004 V.*declare it"),
        ("000,4000000", ",4000000", "0.002 W on average"),
        ("000,4000000", "000000,4000000", "3000 W at most"),
        ("current_now", "current", "neither current_now nor power_now"),
        ("voltage_now", "voltage", "a current without voltage_now"),
        ("time_s", "time", "0 time columns"),
        ("status", "time_ms", "2 time columns"),
        ("status", "time_s", "'time_s' twice"),
        ("-750000", "", "line 3: current_now is '', and no number"),
        ("-750000", "nan", "line 3: current_now is 'nan'"),
        (",Discharging\n103", "\n103", "line 3 has 3 cells"),
        ("\n101.0", "\n100.0", "time does not go forward at sample 2"),
        (VALID[VALID.index("\n") :], "", "no sample below it"),
        (VALID, "", "is empty"),
    ],
)
def test_what_is_refused(old, new, reason):
    with pytest.raises(LogError, match=reason):
        read(VALID.replace(old, new))


def test_positive_sign_without_status_is_refused():
    with pytest.raises(LogError, match="log `status` too"):
        read("time_s,current_now,voltage_now\n1,500000,4000000\n2,500000,4000000")


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"current": ("current_now", "kA")}, "there is µA"),
        ({"rail": ("current_now", "A")}, "declared as 'rail'"),
        ({"current": ("now", "mA")}, "no column 'now', declared as current; it has time_s"),
    ],
)
def test_declarations_that_do_not_fit(columns, reason):
    with pytest.raises(LogError, match=reason):
        read(VALID, Declared(columns=columns))


def test_recognised_by_its_header():
    assert FORMAT.recognises(VALID)
    assert FORMAT.recognises("time_ms, power_now")
    assert not FORMAT.recognises("time_s,power")
    assert not FORMAT.recognises("")


TOKENS = ("time_s", "time_ms", "current_now", "voltage_now", "power_now", "status", "Discharging")


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=words(*TOKENS, "-500000,4000000"))
def test_any_words(text):
    read_or_refuse(FORMAT, text, Declared())


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=mutations(VALID, *TOKENS))
def test_any_change(text):
    read_or_refuse(FORMAT, text, Declared())
    read_or_refuse(FORMAT, text, MILLI)


@pytest.mark.parametrize(("head", "step"), [("time_s", 1000), ("time_ms", 1), ("time_s", 7200)])
def test_a_time_in_another_unit_than_its_header_says(head, step):
    rows = [f"{1_700_000_000 + i * step},-400000,4000000,Discharging" for i in range(4)]
    text = "\n".join([f"{head},current_now,voltage_now,status", *rows])
    with pytest.raises(LogError, match=f"between two samples by {head}"):
        FORMAT.read("log", text, Declared())
