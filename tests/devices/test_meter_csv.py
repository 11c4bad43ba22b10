"""Tables of power meters: roles and units of columns, times, and what is refused."""

import os
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings

from dance_lib.devices.formats import Declared, read_text
from dance_lib.devices.meter_csv import FORMAT
from dance_lib.devices.power import LogError, energy_table
from tests.devices.mutations import EXAMPLES, mutations, read_or_refuse, words

PLAIN = "time_s,power_mw\n10.0,1000\n10.5,3000\n11.5,2000\n"
PARTS = """Timestamp (s);GPU current [mA];GPU voltage (V);note
0,0;400;5,0;a
0,1;500;5,25;b
"""
DATES = """timestamp,Power (W)
2025-05-16 23:59:59.5,5
2025-05-17 00:00:00.75,7
"""
TOKENS = ("time_s", "power_mw", "current [A]", "bus voltage (V)", "2025-05-16 23:59:59", "Power")
TOKENS = (*TOKENS, "(mW)", "µ", ";", "\t", "1700000000", "+05:30", "e9", "-1", '"')


def read(text, interval=None, **columns):
    return FORMAT.read("log", text, Declared(interval, columns))


def one(header, *values, time="time_s"):
    """A table of one column beside the time, a sample a second."""
    lines = [f"{time},{header}", *(f"{at},{value}" for at, value in enumerate(values))]
    return "\n".join(lines)


# Power


def test_power_and_energy_by_hand():
    log = read(PLAIN)
    assert log.watts["power"].tolist() == [1.0, 3.0, 2.0]
    assert log.watts.index.tolist() == [0, 0.5, 1.5]
    assert (log.total, log.clock, log.start) == (("power",), "recorded", None)
    assert energy_table(log).energy_j.iloc[-1] == pytest.approx(0.5 * 2 + 1 * 2.5)


@pytest.mark.parametrize(
    ("header", "watts"),
    [
        ("Power (mW)", 1.5),
        ("power_mw", 1.5),
        ("Input (mW)", 1.5),
        ("total power [mW]", 1.5),
        ("Power_W", 1500),
        ("power (uW)", 1.5e-3),
        ("power (µW)", 1.5e-3),
        ("power (μW)", 1.5e-3),
    ],
)
def test_units_of_power(header, watts):
    if watts > 1000:
        with pytest.raises(LogError, match=r"mean power of 1500 W is outside of 0\.001 to 1000 W"):
            read(one(header, 1500, 1500))
    else:
        log = read(one(header, 1500, 1500))
        assert log.watts["power"].tolist() == pytest.approx([watts, watts])


def test_rails_are_named_and_not_added_up():
    log = read("time_s,GPU power (mW),VDD_IN (mW),ch1_power_W\n0,1,2,3\n1,4,5,6")
    assert log.watts.iloc[1].to_dict() == {"GPU": 0.004, "VDD_IN": 0.005, "ch1": 6}
    assert log.total == ()
    assert "no total" in log.notes[-1]


def test_total_beside_rails():
    log = read("time_s,GPU power (mW),total power (mW)\n0,1,2\n1,4,5")
    assert log.total == ("power",)


def test_current_times_voltage_with_decimal_commas():
    log = read(PARTS)
    assert log.watts["GPU"].tolist() == pytest.approx([0.4 * 5, 0.5 * 5.25])
    assert log.watts.index.tolist() == pytest.approx([0, 0.1])


def test_power_is_taken_before_current_and_voltage_and_the_shunt_never():
    text = "time_s,bus voltage (V),shunt voltage (mV),current (mA),power (mW)\n0,5,1,2,3\n1,5,1,2,4"
    log = read(text)
    assert log.watts["power"].tolist() == [0.003, 0.004]
    assert log.notes[0].startswith("column 'shunt voltage (mV)' left out")
    without = "\n".join(line.rpartition(",")[0] for line in text.split("\n"))
    assert read(without).watts["power"].tolist() == pytest.approx([0.01, 0.01])


def test_declared_columns_go_before_the_header():
    text = "t,P,Power (W),I,U\n0,1000,7,2,5\n1,2000,7,3,5"
    time = ("t", "s")
    assert read(text, time=time, power=("P", "mW")).watts["power"].tolist() == [1, 2]
    by_parts = read(text, time=time, current=("I", "A"), voltage=("U", "V"))
    assert by_parts.watts["power"].tolist() == [10, 15]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (one("Power", 1, 2), "column 'Power': no unit in its header"),
        (one("Power (hp)", 1, 2), "column 'Power .hp.': 'hp' is no known unit of power"),
        (one("Power (mV)", 1, 2), "'mV' is no known unit of power"),
        (one("POWER_MW", 1, 2), "no unit in its header"),  # milli or mega
        (one("average power (mW)", 1, 2), "no column of power"),
        (one("current (mA)", 1, 2), "no column of power, nor of current and voltage"),
        (one("Power (mW),total power (mW)", "1,1"), "can both be the power of 'power'"),
        (one("Power (mW),time_ms", "1,1"), "'time_s' and 'time_ms' can both be the time"),
        (one("A current (A),B voltage (V)", "1,5"), "no column that goes with it"),
        (one("current (A),bus voltage (V),load voltage (V)", "1,5,5"), "can both be the voltage"),
        (one("power (mW)"), "a header and no sample"),
        (one("power (mW)", 1, ""), "line 3, column 'power .mW.': no value"),
        (one("power (mW)", 1, "n/a"), "line 3, column 'power .mW.': 'n/a' is no number"),
        (one("power (mW)", 1, "nan"), "line 3, column 'power .mW.': 'nan' is no number"),
        (one("power (mW)", 1, "1e300"), "'1e300' is too large"),
        (one("power (mW)", 1, -1), "line 3, column 'power .mW.': negative power"),
        (one("power (mW)", 1, "2,3"), "line 3: 3 cells, but the header has 2"),
        (one("power (uW)", 10, 20), "mean power of 1.5e-05 W is outside"),
        (one("power (W)", 1, 1500, 1, 1), "the highest power of 1500 W is outside"),
        (one("current (A),voltage (V)", "1,5000", "1,5000"), "the median of 5000 V is outside"),
        (one("current (A),voltage (mV)", "1,5", "1,5"), "the median of 0.005 V is outside"),
        (one("current (A),voltage (V)", "1,5", "1,5", "1,99"), "the highest of 99 V is outside"),
        ('time_s,"power (mW)\n0,1', "is no line of csv"),
        ("time_s;power (mW),x\n0;1,2", "which one separates the columns is not clear"),
        ("time_s;power (mW)\n0;1,234\n1;5,678", "comma in numbers that can be of decimals or"),
        ("time_s;power (mW)\n0,5;1\n1.5;2", "comma in numbers that can be of decimals or"),
        ("0,5\n1,6", "no column of power"),
    ],
)
def test_tables_that_are_refused(text, message):
    with pytest.raises(LogError, match=message):
        read(text)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"power": ("P", "mW")}, "no column 'P', declared as power; columns are time_s, power_mw"),
        ({"power": ("power_mw", "hp")}, "'hp' is no known unit"),
        ({"torque": ("power_mw", "W")}, "'torque' is no role"),
        ({"time": ("time_s", "datetime")}, r"line 2, .* '10\.0' is no date and time"),
    ],
)
def test_declarations_that_are_refused(columns, message):
    with pytest.raises(LogError, match=message):
        read(PLAIN, **columns)


# Times


def test_dates_and_times():
    log = read(DATES)
    assert log.watts.index.tolist() == [0, 1.25]
    assert log.start == pd.Timestamp("2025-05-16 23:59:59.5")
    zoned = read(DATES.replace(".5,", ".5Z,").replace(".75,", ".75+00:00,"))
    assert zoned.watts.index.tolist() == [0, 1.25]
    assert zoned.start == pd.Timestamp("2025-05-16 23:59:59.5Z")


def test_dates_under_a_header_of_seconds_are_noted():
    log = read(DATES.replace("timestamp", "Timestamp (s)"))
    assert log.watts.index.tolist() == [0, 1.25]
    assert log.notes[0] == "column 'Timestamp (s)' holds dates and times, unlike its header says"


@pytest.mark.parametrize(("unit", "digits"), [("s", ""), ("ms", "000"), ("us", "000000")])
def test_seconds_since_1970_by_their_unit(unit, digits):
    text = f"timestamp_{unit},power_mw\n1700000000{digits},5\n1700000002{digits},7"
    log = read(text)
    assert log.watts.index.tolist() == [0, 2]
    assert log.start == pd.Timestamp("2023-11-14 22:13:20Z")


def test_no_time_column_needs_an_interval():
    text = "Power (mW),x\n5,1\n7,1"
    with pytest.raises(LogError, match="no column of time in its header; declare"):
        read(text)
    log = read(text, interval=0.25)
    assert log.watts.index.tolist() == [0, 0.25]
    assert log.clock == "nominal"
    assert "nominal, not exact" in log.notes[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PLAIN.replace("time_s", "timestamp"), "column 'timestamp': no unit in its header"),
        (PLAIN.replace("10.5", "10.0"), "line 3, column 'time_s': time does not go forward"),
        (PLAIN.replace("11.5", "9"), "line 4, column 'time_s': time does not go forward"),
        (PLAIN.replace("time_s", "time_us"), "mean step of .* s is outside"),
        (PLAIN.replace("11.5", "99999"), "mean step of 49994.5 s is outside"),
        (PLAIN.replace("10.0", "-1"), "-1 s is no time since 1970"),
        ("time_s,power_mw\n1700000000000,5", "1.7e.12 s is no time since 1970"),
        ("epoch_s,power_mw\n5,5", "5 s is no time since 1970"),
        (DATES.replace("05-17", "17-05"), "line 3, .* is no date and time"),
        (
            DATES.replace("2025-05-17 00:00:00.75", "later"),
            "line 3, .* 'later' is no date and time",
        ),
        (DATES.replace(".75", ".75Z"), "line 3, .*with a time zone or without"),
        (DATES.replace("2025-05-16", "16.05.2025"), "no unit in its header"),
    ],
)
def test_times_that_are_refused(text, message):
    with pytest.raises(LogError, match=message):
        read(text)


# Any text


@pytest.mark.parametrize(
    ("head", "is_csv"),
    [
        (PLAIN, True),
        (PARTS, True),
        ("POM_5V_IN (mW),POM_5V_GPU (mW)\n1,2", True),
        ("time_s,current_now,voltage_now\n", False),
        ("time_ms,power_now,status\n", False),
        ("App,Package,Power (mW)\n", False),
        ("time_s,latency (ms)\n", False),
        ("Power", False),
        ('"', False),
        ("", False),
    ],
)
def test_recognised_by_its_header(head, is_csv):
    assert FORMAT.recognises(head) == is_csv


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=words(*TOKENS, "\ntime_s,power_mw\n1,2", ","))
def test_any_words(text):
    read_or_refuse(FORMAT, text, Declared())
    read_or_refuse(FORMAT, f"time_s,power_mw\n{text}", Declared())


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=mutations(PLAIN, *TOKENS))
def test_any_damage(text):
    read_or_refuse(FORMAT, text, Declared())
    read_or_refuse(FORMAT, text, Declared(0.5, {"power": ("power_mw", "mW")}))


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=mutations(PARTS, *TOKENS) | mutations(DATES, *TOKENS))
def test_any_damage_to_parts_and_dates(text):
    read_or_refuse(FORMAT, text, Declared())


# The real material


@pytest.mark.shared_data
def test_real_ina3221():
    path = Path(os.environ["DANCE_DATA"]) / "device_logs/jetson_ina3221.csv"
    log = read(read_text(path))
    table = energy_table(log).set_index("rail")
    assert (len(log.watts), log.total, log.clock) == (985, ("power",), "recorded")
    assert log.start == pd.Timestamp("2025-05-16 01:12:05.193600")
    assert log.duration_s == pytest.approx(11.464531)
    theirs = pd.read_csv(path).iloc[:, 1]
    assert table.mean_w["total"] == pytest.approx(theirs.mean() / 1000)
    assert table.max_w["total"] == pytest.approx(5.96467)


@pytest.mark.shared_data
def test_real_tables_without_times_are_refused():
    folder = Path(os.environ["DANCE_DATA"]) / "device_logs"
    with pytest.raises(LogError, match="no column of time"):
        read(read_text(folder / "jetson_nano_resnet50.power.csv"))
    with pytest.raises(LogError, match="no column of power"):
        read(read_text(folder / "jetson_nano_resnet50.evaluation.csv"))
