"""Any log, by the format it is recognised as or named."""

import os
from pathlib import Path

import pytest

from dance_lib.devices.formats import Declared
from dance_lib.devices.latency import LatencyLog
from dance_lib.devices.power import LogError, PowerLog
from dance_lib.devices.read import FORMATS, read_log
from tests.devices import test_batterystats as batterystats
from tests.devices import test_dumpsys_battery as dumpsys_battery
from tests.devices import test_power_supply as power_supply
from tests.devices import test_tflite as tflite
from tests.devices import test_trtexec as trtexec

MADE = {
    "power_supply": power_supply.VALID,
    "dumpsys battery": dumpsys_battery.VALID,
    "batterystats": batterystats.CHECKIN,
    "tflite": tflite.VALID,
    "trtexec": trtexec.VALID,
}
REAL = {
    "android_trepn.csv": "trepn",
    "jetson_ina3221.csv": "csv",
    "jetson_nano_resnet50.tegrastats.txt": "tegrastats",
    "jetson_nano_resnet50.trtexec.txt": "trtexec",
    "xavier_nx_jetpack5.tegrastats.txt": "tegrastats",
}


@pytest.fixture
def write(tmp_path):
    def of(text):
        path = tmp_path / "made.log"
        path.write_text(text)
        return path

    return of


def test_formats_are_found_by_their_names():
    assert set(FORMATS) == {*MADE, *REAL.values()}
    assert all(name == kind.name for name, kind in FORMATS.items())


@pytest.mark.parametrize("name", MADE)
def test_each_is_recognised_as_itself(write, name):
    log = read_log(write(MADE[name]))
    assert log.format == name
    assert log.source == "made.log"
    assert isinstance(log, LatencyLog if name in ("tflite", "trtexec") else PowerLog)


def test_declarations_reach_the_reader(write):
    text = power_supply.VALID.replace("000,4000000", ",4000000")
    declared = Declared(columns={"current": ("current_now", "mA")})
    log = read_log(write(text), declared=declared)
    assert isinstance(log, PowerLog)
    assert log.watts["battery"].tolist() == [2.0, 3.0, 1.0]


def test_named_formats_are_not_recognised_but_read(write):
    with pytest.raises(LogError, match="no performance summary"):
        read_log(write(tflite.VALID), format="trtexec")


@pytest.mark.parametrize(
    ("text", "format", "reason"),
    [
        ("hello\n", None, "unsupported log: it looks like none of them; known formats: tegrastats"),
        ("hello\n", "perf", "unsupported format 'perf'; known formats: .*trtexec; name it by --f"),
        (tflite.VALID + trtexec.VALID, None, "it looks like tflite and like trtexec; known"),
        (" \n", None, "is empty"),
    ],
)
def test_what_is_refused(write, text, format, reason):
    with pytest.raises(LogError, match=reason):
        read_log(write(text), format)


def test_what_is_no_text(tmp_path):
    with pytest.raises(LogError, match="No such file"):
        read_log(tmp_path / "none.log")
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\xff")
    with pytest.raises(LogError, match="is no text"):
        read_log(path)


@pytest.mark.shared_data
@pytest.mark.parametrize("name", REAL)
def test_real_logs(name):
    path = Path(os.environ["DANCE_DATA"]) / "device_logs" / name
    hits = [kind.name for kind in FORMATS.values() if kind.recognises(path.read_text()[:4096])]
    assert hits == [REAL[name]]
