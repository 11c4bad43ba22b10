"""Trepn: the power's own times, the averages it prints, and what is refused."""

import os
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings

from dance_lib.devices.formats import Declared, read_text
from dance_lib.devices.power import LogError, energy_table
from dance_lib.devices.trepn import FORMAT
from tests.devices.mutations import EXAMPLES, mutations, read_or_refuse, words

HEAD = """App,Package,Start Time,Duration,Filename
"System",,"Sep 1, 2019 @ 12:37:25 AM","1 sec","Trepn.db"

Time  [ms],"Battery Status",Time  [ms],"Battery Power* [uW] (Raw)","Battery Power* [uW] (Delta)",\
Time  [ms],"CPU1 Load [%]",
"""
ROWS = """10,3,50,1000000,0,51,7,
110,3,150,3000000,500000,151,7,
310,3,350,2000000,100000,351,7,
"""
TAIL = """,,,,,,,

System Statistics:
Sensor Id,Name,Type,Average
206,"Battery Status",Battery Status,3.0
332,"Battery Power*",Power [uW],200000.0
"""
VALID = HEAD + ROWS + TAIL
TOKENS = (*HEAD.splitlines(), "\n,,,,,,,\n", "Time  [ms]", "(Raw)", "332", "Statistics:", ",,", '"')


def read(text):
    return FORMAT.read("log", text, Declared())


def test_power_at_its_own_times_and_energy_by_hand():
    log = read(VALID)
    assert log.watts["Battery Power"].tolist() == pytest.approx([1, 3, 2])
    assert log.watts.index.tolist() == pytest.approx([0, 0.1, 0.3])
    assert (log.total, log.clock) == (("Battery Power",), "recorded")
    assert log.start == pd.Timestamp("2019-09-01 00:37:25.050")
    assert energy_table(log).energy_j.iloc[-1] == pytest.approx(0.1 * 2 + 0.2 * 2.5)


def test_average_of_trepn_is_that_of_delta_or_of_power():
    assert read(VALID).notes[0].endswith("it is that of power above Trepn's baseline (Delta)")
    whole = read(VALID.replace("200000.0", "2000000.0"))
    assert whole.notes[0].endswith("it is that of power")
    with pytest.raises(LogError, match="200001, is not that of the samples"):
        read(VALID.replace("200000.0", "200001"))
    assert read(HEAD + ROWS).notes[0].startswith("no average of power in the export")


def test_lost_line_is_seen_by_the_average():
    with pytest.raises(LogError, match="lines were lost or changed"):
        read(VALID.replace(ROWS.splitlines()[1] + "\n", ""))


def test_no_total_while_the_battery_is_charged():
    log = read(VALID.replace("110,3,", "110,2,"))
    assert log.total == ()
    assert "not only discharging" in log.notes[-1]


def test_power_sampled_less_often_than_the_rest():
    rows = ROWS + "410,3,,,,,,\n"
    assert len(read(HEAD + rows + TAIL).watts) == 3  # 60 ms after the last power: not a gap


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Battery Power* [uW] (Raw)", "Power", "no column of battery power"),
        ("CPU1 Load [%]", "Battery Power [uW]", "more than one column of battery power"),
        ("* [uW] (Raw)", "* [hp] (Raw)", "no unit of power"),
        ('Time  [ms],"Battery P', 'Time  [s],"Battery P', "no column 'Time .ms.' before it"),
        ("Time  [ms],", "Zeit,", "no table of samples"),
        (ROWS, "", "no sample below it"),
        (",3000000,", ",,", "line 6, column .*Raw.*: no value"),
        (",3000000,", ",x,", "line 6, column .*Raw.*: 'x' is no number"),
        (",3000000,", ",-3000000,", "line 6, column .*Raw.*: negative power"),
        ("150,3000000,500000", ",,", "line 6, .* sampling of power stops and begins anew"),
        ("310,3,", "9310,3,", r"power stops at 0\.35 s, but .* \(column 1\) goes on to 9\.31 s"),
        (",350,", ",150,", "line 7, .* time does not go forward"),
        (",50,", ",-50,", "begins at -0.05 s"),
        ("151,7,", "151,", "line 6: 7 cells, but the header has 8"),
        ("110,3,", "\n110,3,", "line 7: samples stop before an empty line and go on"),
        ("000000,", ",", "mean power of 2e-06 W is outside"),
        ('"CPU1', '"CPU"1', "is no line of csv"),
        ("200000.0", "many", "'many' is no number"),
    ],
)
def test_exports_that_are_refused(old, new, message):
    with pytest.raises(LogError, match=message):
        read(VALID.replace(old, new))


def test_recognised_by_its_preamble():
    assert FORMAT.recognises(VALID)
    assert not FORMAT.recognises(ROWS)
    assert not FORMAT.recognises("")


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=words(*TOKENS))
def test_any_words(text):
    read_or_refuse(FORMAT, text, Declared())
    read_or_refuse(FORMAT, HEAD + text, Declared())


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=mutations(VALID, *TOKENS))
def test_any_damage(text):
    read_or_refuse(FORMAT, text, Declared())


@pytest.mark.shared_data
def test_real_export():
    log = read(read_text(Path(os.environ["DANCE_DATA"]) / "device_logs/android_trepn.csv"))
    table = energy_table(log).set_index("rail")
    assert log.start == pd.Timestamp("2019-09-01 16:37:25.049")
    assert (len(log.watts), log.total) == (38, ("Battery Power",))
    assert log.duration_s == pytest.approx(7.35)
    assert table.mean_w["total"] == pytest.approx(1.76467, abs=1e-5)  # raw; Delta's is 0.484
    assert table.max_w["total"] == pytest.approx(3.074173)
    assert "483955" in log.notes[0]
    assert "Delta" in log.notes[0]
