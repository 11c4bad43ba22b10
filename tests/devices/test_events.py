"""Windows of a log from a table of events."""

import tempfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings

from dance_lib.devices.events import read_events
from dance_lib.devices.power import LogError, PowerLog, Window
from tests.devices.mutations import EXAMPLES, mutations, words

VALID = "name,start,end\nidle,0,2.5\nx3d,2.5,9\n"
DATED = "name,start,end\nidle,2023-11-14T22:13:20Z,2023-11-15T00:13:22.500+02:00\nx3d,2.5,9\n"


def log_from(start=None):
    watts = pd.DataFrame({"in": [1.0, 2.0]}, index=pd.Index([0.0, 10.0]))
    return PowerLog("meter.csv", "csv", watts, ("in",), "recorded", start)


ZONED = log_from(pd.Timestamp(1_700_000_000_000, unit="ms", tz="UTC"))
NAIVE = log_from(pd.Timestamp("2023-11-14 22:13:20.000000001"))


@pytest.fixture
def read(tmp_path):
    def of(text, log=ZONED):
        path = tmp_path / "events.csv"
        path.write_text(text)
        return read_events(path, log)

    return of


def test_seconds(read):
    expected = (Window("idle", 0, 2.5), Window("x3d", 2.5, 9))
    assert read(VALID, log_from()) == expected
    assert read(VALID.replace("\n", "\n\n").replace(",", " , ")) == expected
    assert read(VALID.replace("idle", '"idle, warm"'))[0].name == "idle, warm"


def test_dates(read):
    assert read(DATED) == read(VALID)
    naive = "name,start,end\na,2023-11-14 22:13:21,2023-11-14T22:13:24\n"
    assert read(naive, NAIVE) == (Window("a", 1, 4),)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("start,end\n0,1\n", "columns must be name, start, end, and are start, end"),
        (VALID.replace("end", "end,watts"), "and are name, start, end, watts"),
        ("\n\nname,begin,end\n", "and are name, begin, end"),
        ("name,start,end\n", "a header and no event"),
        (VALID.replace("idle", "x3d"), "row 3: a second event 'x3d'"),
        (VALID.replace("idle", ""), "row 2: an event without a name"),
        (VALID.replace("2.5,9", "9,2.5"), "row 3: 'x3d' ends at 2.5, and starts at 9"),
        (VALID.replace("2.5,9", "9,9"), "row 3: 'x3d' ends at 9"),
        (VALID.replace("2.5,9", "2.5,10.5"), "'x3d' is from 2.5 to 10.5 s, and meter.csv has 0 to"),
        (VALID.replace("2.5,9", "2.5"), "row 3 has 2 cells"),
        (VALID.replace("2.5,9", "-1,9"), "'-1' is neither seconds"),
        (VALID.replace("2.5,9", "nan,9"), "'nan' is neither seconds"),
        (VALID.replace("2.5,9", ",9"), "'' is neither seconds"),
        (DATED.replace("20Z", "19Z"), "is from -1 to 2.5 s"),
        (DATED.replace("20Z", "20"), r"must have a zone, such as \+0000"),
        (DATED.replace("-14T", "-31T"), "neither seconds since the first sample nor a date"),
        (VALID.replace("idle", '"idle'), "events.csv: "),
        (" \n", "is empty"),
    ],
)
def test_what_is_refused(read, text, reason):
    with pytest.raises(LogError, match=reason):
        read(text)


def test_dates_that_the_log_cannot_place(read):
    with pytest.raises(LogError, match="does not tell when it began; give seconds"):
        read(DATED, log_from())
    with pytest.raises(LogError, match="must have no zone"):
        read(DATED, NAIVE)


def test_no_such_table(tmp_path):
    with pytest.raises(LogError, match="No such file"):
        read_events(tmp_path / "none.csv", ZONED)


def read_or_refuse(text):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.csv"
        path.write_text(text)
        for log in (ZONED, NAIVE, log_from()):
            try:
                assert read_events(path, log)
            except LogError as error:
                assert str(error).startswith(str(path))  # noqa: PT017 - or read


TOKENS = ("name,start,end\n", "a,0,1\n", "2023-11-14T22:13:20Z", "0001-01-01", "9999-12-31T23:59Z")


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=words(*TOKENS))
def test_any_words(text):
    read_or_refuse(text)


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=mutations(DATED, *TOKENS))
def test_any_change(text):
    read_or_refuse(text)
