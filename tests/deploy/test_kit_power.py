"""power.py in trees made like the kernel's; `dance energy` reads its logs."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from dance_lib.devices.power import energy_table
from dance_lib.devices.read import read_log
from tests.deploy.made_bundle import KIT
from tests.deploy.made_meters import BUSY_W, files, nano, tegrastats


def start(*arguments):
    command = [sys.executable, KIT / "power.py", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def log(tmp_path, logger, root, *commands, interval=0.02):
    """Log until a few samples are there; each command is said between two samples."""
    out = tmp_path / "log"
    with start("--logger", logger, "--out", out, "--sysfs", root, "--interval", interval) as power:
        assert power.stdout.readline().startswith("ready: ")
        for command in ("sample", *commands, "sample"):
            print(command, file=power.stdin, flush=True)
            if command == "sample":
                assert power.stdout.readline() == "seen\n"
        _, errors = power.communicate()
    assert (power.returncode, errors) == (0, "")
    return out


def refused(logger, root, *more):
    with start("--logger", logger, "--out", os.devnull, "--sysfs", root, *more) as power:
        errors = power.stderr.read()  # its input stays open: at the end of that it would end too
        power.communicate()
    assert power.returncode == 2
    assert errors.startswith("power.py: error: ")
    assert errors.count("\n") == 1
    return errors


def means(log):
    table = energy_table(log, max_gap=10)  # a machine with more to do may leave a sample out
    return table.set_index("rail")["mean_w"].to_dict()


def test_the_ina3221_of_jetpack_4(tmp_path):
    found = read_log(log(tmp_path, "ina", nano(tmp_path / "sys [1]")))
    assert (found.format, found.clock, found.kind) == ("csv", "recorded", "measured")
    assert found.start is not None
    assert found.start.tzinfo is not None
    assert means(found) == {"power": 5.0, "POM 5V GPU": 1.0, "POM 5V CPU": 1.5, "total": 5.0}


def test_the_ina3221_of_jetpack_5_has_current_and_voltage(tmp_path):
    device = "bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3"
    tree = {}
    # 5 V × 0.9 A = 4.5 W, 5 V × 0.2 A = 1 W; the seventh is a sum of shunts
    for number, name, ma in ((1, "VDD_IN", 900), (2, "VDD_SOC", 200), (3, "NC", 0), (7, "sum", 1)):
        tree |= {f"{device}/in{number}_label": name, f"{device}/in{number}_input": 5000}
        tree[f"{device}/curr{number}_input"] = ma
    found = read_log(log(tmp_path, "ina", files(tmp_path / "sys", tree)))
    assert means(found) == {"power": 4.5, "VDD SOC": 1.0, "total": 4.5}


def test_rails_of_two_monitors_are_added_up_where_none_feeds_all(tmp_path):
    tree = {}
    for at, names in (("1-0040", ("VDD_GPU_SOC", "VDD_CPU_CV")), ("1-0041", ("VIN_SYS_5V0",))):
        for number, name in enumerate(names, start=1):
            folder = f"bus/i2c/drivers/ina3221/{at}/hwmon/hwmon{number}"
            tree |= {f"{folder}/in{number}_label": name, f"{folder}/in{number}_input": 5000,
                     f"{folder}/curr{number}_input": 1000}  # fmt: skip
    found = read_log(log(tmp_path, "ina", files(tmp_path / "sys", tree)))
    assert found.total == ("power",)
    assert means(found)["total"] == 15.0


def test_a_battery(tmp_path):
    mouse = "class/power_supply/hidpp"
    cell = "class/power_supply/battery"
    tree = {f"{mouse}/type": "Battery", f"{mouse}/scope": "Device", f"{mouse}/power_now": 1,
            f"{cell}/type": "Battery", f"{cell}/status": "Discharging",
            f"{cell}/current_now": -500_000, f"{cell}/voltage_now": 4_000_000}  # fmt: skip
    root = files(tmp_path / "sys", tree)
    found = read_log(log(tmp_path, "power_supply", root))
    assert found.format == "power_supply"
    assert means(found) == {"battery": 2.0, "total": 2.0}  # 0.5 A × 4 V
    files(root, {f"{cell}/status": "Charging"})
    assert "status is 'Charging'" in refused("power_supply", root)


def test_tegrastats_gets_times_and_marks(tmp_path):
    program = tegrastats(tmp_path / "tegrastats", tmp_path / "log")
    out = tmp_path / "log"
    with start("--logger", "tegrastats", "--out", out, "--tegrastats", program,
               "--interval", 0.02) as power:  # fmt: skip
        assert power.stdout.readline() == "ready: tegrastats\n"
        for command in ("begin dense-0", *["sample"] * 8, "end dense-0", "begin cut"):
            print(command, file=power.stdin, flush=True)
            if command == "sample":
                assert power.stdout.readline() == "seen\n"
        power.communicate()
    lines = out.read_text().splitlines()
    assert "# begin dense-0" in lines
    assert lines.index("# cut short: cut") < lines.index("# end cut")
    with_cut = out.read_text().replace("# begin cut", "# cut").replace("# end cut", "# cut")
    out.write_text(with_cut)  # without a sample inside, a window is refused
    found = read_log(out)
    assert (found.format, found.clock, found.total) == ("tegrastats", "recorded", ("POM_5V_IN",))
    (window,) = found.marks
    assert window.name == "dense-0"
    assert energy_table(found, window).set_index("rail")["max_w"]["total"] == BUSY_W
    (pid,) = (tmp_path / "tegrastats.pids").read_text().split()
    assert not psutil.pid_exists(int(pid))


def test_tegrastats_ends_with_a_logger_that_is_killed(tmp_path):
    program = tegrastats(tmp_path / "tegrastats", tmp_path / "log")
    with start("--logger", "tegrastats", "--out", tmp_path / "log", "--tegrastats", program,
               "--interval", 0.02) as power:  # fmt: skip
        power.stdout.readline()
        pid = int((tmp_path / "tegrastats.pids").read_text())
        board = psutil.Process(pid)
        power.send_signal(signal.SIGKILL)
        power.wait()
        psutil.wait_procs([board], timeout=20)  # nobody takes its lines any more
        assert not board.is_running() or board.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("RAM 936/3964MB CPU [1%@102]", "names no power rail"),
        ("must be root", "tegrastats ended (must be root)"),
    ],
)
def test_a_tegrastats_without_power(tmp_path, said, reason):
    program = tmp_path / "tegrastats"
    program.write_text(f"#!/bin/sh\necho '{said}'\n")
    program.chmod(0o755)
    assert reason in refused("tegrastats", tmp_path, "--tegrastats", program)


def test_meters_that_are_not_there(tmp_path):
    assert "no INA3221 power monitor under" in refused("ina", tmp_path)
    assert "no battery to be read under" in refused("power_supply", tmp_path)
    assert "can't start absent" in refused("tegrastats", tmp_path, "--tegrastats", "absent")
    root = nano(tmp_path / "sys")
    files(root, {"bus/i2c/devices/6-0040/iio:device0/in_power0_input": "much"})
    assert "is no number" in refused("ina", root)
