"""Log the power that this device draws, until the standard input ends.

    python3 power.py --logger ina --out power.csv

`ina` reads INA3221 monitors of a Jetson in sysfs, `tegrastats` relays that program's lines with
their times, `power_supply` reads a battery. Lines `begin NAME` and `end NAME` on the standard input
mark windows; `sample` is answered by `seen` once one more is in the log. End it by Ctrl-D, or give
--seconds. As its input ends with whoever started it, no logger is left running.
"""

import argparse
import contextlib
import glob
import os
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from typing import Dict, Tuple

LOGS = {"ina": "power.csv", "tegrastats": "tegrastats.txt", "power_supply": "power_supply.csv"}
FORMATS = {"ina": "csv", "tegrastats": "tegrastats", "power_supply": "power_supply"}
INTERVALS = {"ina": 0.1, "tegrastats": 0.1, "power_supply": 0.5}  # s; a fuel gauge is slow

# Rails that together feed the board, the first set of which all are there (NVIDIA's Jetson Linux
# Developer Guide, "Software-Based Power Consumption Modeling"); as in dance_lib/devices.
TOTALS = (
    ("POM_5V_IN",),
    ("VDD_IN",),
    ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),
    ("GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"),
)
RAIL = re.compile(r"(?<!\S)[A-Za-z]\w* [0-9]+(mW)?/[0-9]+(mW)?(?!\S)")  # of tegrastats
DATED = re.compile(r"[0-9]{2}-[0-9]{2}-[0-9]{4} ")  # newer releases print times themselves


class MeterError(Exception):
    """There is no such meter here, or it can't be read; says what to do, in one line."""


class Clock:
    """Seconds since 1970 that go forward evenly, whatever sets the device's clock meanwhile."""

    def __init__(self):
        self._offset = time.time() - time.monotonic()

    def now(self):
        """Seconds since 1970."""
        return self._offset + time.monotonic()


def read(path):
    """What a file of sysfs says."""
    try:
        with open(path) as file:
            return file.read().strip()
    except PermissionError as error:
        raise MeterError(
            f"{path}: permission denied; run this as a user who may read it"
        ) from error
    except OSError as error:
        raise MeterError(f"{path}: {error.strerror}") from error


def ina_rails(sysfs):
    """Of each rail of each INA3221: its name, and what gives mW or, multiplied, µW.

    JetPack 4 has `iio:device*/in_power0_input`, JetPack 5 and 6 `hwmon*/in1_input` and
    `curr1_input`; channels 4 to 7 there are shunts and sums.
    """
    root = glob.escape(os.path.join(sysfs, "bus", "i2c"))
    found = glob.glob(os.path.join(root, "drivers", "ina3221*", "*-*"))
    for name in glob.glob(os.path.join(root, "devices", "*", "name")):
        try:
            if read(name).startswith("ina3221"):
                found.append(os.path.dirname(name))
        except MeterError:  # another device's name need not be readable
            continue
    rails: Dict[str, Tuple[str, ...]] = {}
    for device in sorted({os.path.realpath(path) for path in found}):
        inside = glob.escape(device)
        old = [p for name in ("iio:device*", "iio_device*") for p in glob.glob(inside + "/" + name)]
        new = glob.glob(inside + "/hwmon/hwmon*")
        for folder in sorted(old):
            for n in range(3):
                label, power = f"{folder}/rail_name_{n}", f"{folder}/in_power{n}_input"
                if os.path.exists(label) and os.path.exists(power):
                    rails.setdefault(read(label), (power,))
        for folder in sorted(new):
            for n in range(1, 4):
                label = f"{folder}/in{n}_label"
                both = (f"{folder}/in{n}_input", f"{folder}/curr{n}_input")
                if os.path.exists(label) and all(map(os.path.exists, both)):
                    rails.setdefault(read(label), both)
    rails.pop("NC", None)  # not connected
    if not rails:
        raise MeterError(
            f"no INA3221 power monitor under {sysfs}: not a Jetson, or one without (Nano 2GB); "
            "take another --logger"
        )
    return rails


class Ina:
    """Rails of INA3221 monitors as a csv: the whole device first, if it is known what feeds it."""

    def __init__(self, sysfs):
        self.rails = ina_rails(sysfs)
        whole = next((names for names in TOTALS if set(names) <= set(self.rails)), ())
        self.whole = whole
        self.others = [name for name in self.rails if (name,) != whole]
        names = [re.sub(r"[^\w .-]", "_", name) + " power (W)" for name in self.others]
        self.header = ["time (s)"] + (["power (W)"] if whole else []) + names
        self.what = "INA3221, " + (" + ".join(whole) if whole else "what feeds it all is unknown")

    def row(self):
        """Watts, as text."""
        watts = {name: self._watts(paths) for name, paths in self.rails.items()}
        whole = [sum(watts[name] for name in self.whole)] if self.whole else []
        return [f"{value:.6f}" for value in whole + [watts[name] for name in self.others]]

    def _watts(self, paths):
        try:
            values = [float(read(path)) for path in paths]
        except ValueError as error:
            raise MeterError(f"{paths[0]}: is no number") from error
        return values[0] / 1e3 if len(values) == 1 else values[0] * values[1] / 1e6  # mV * mA


class PowerSupply:
    """The battery of a phone or laptop, as the kernel names its attributes."""

    def __init__(self, sysfs):
        root = os.path.join(sysfs, "class", "power_supply")
        self.folder = ""
        for folder in sorted(glob.glob(glob.escape(root) + "/*")):
            kind, scope = folder + "/type", folder + "/scope"
            if not os.path.exists(kind) or read(kind) != "Battery":
                continue
            if not (os.path.exists(scope) and read(scope) == "Device"):  # a mouse's
                self.folder = folder
                break
        if not self.folder:
            raise MeterError(f"no battery to be read under {root}; take another --logger")
        there = [n for n in ("current_now", "voltage_now") if os.path.exists(self._path(n))]
        if len(there) < 2:
            there = ["power_now"]
            if not os.path.exists(self._path("power_now")):
                raise MeterError(f"{self.folder}: has neither current_now nor power_now")
        self.names = there + (["status"] if os.path.exists(self._path("status")) else [])
        self.header = ["time_s"] + self.names
        self.what = f"battery {os.path.basename(self.folder)}"
        status = read(self._path("status")) if "status" in self.names else "Discharging"
        if status != "Discharging":
            raise MeterError(
                f"{self.folder}: status is {status!r}, so something else feeds the device; pull "
                "the cable (adb works over Wi-Fi)"
            )

    def row(self):
        """The attributes, as text."""
        return [read(self._path(name)).replace(",", " ") for name in self.names]

    def _path(self, name):
        return os.path.join(self.folder, name)


class Tegrastats:
    """That program, whose lines come when it prints them."""

    what = "tegrastats"

    def __init__(self, command, interval):
        arguments = shlex.split(command) + ["--interval", str(round(1000 * interval))]
        try:
            self.process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            assert self.process.stdout
            self.output = self.process.stdout
        except OSError as error:
            raise MeterError(
                f"can't start {command}: {error.strerror}; is this a Jetson?"
            ) from error
        self._rest = b""
        self._last = ""

    def lines(self):
        """The whole lines that have come; waits for some."""
        data = os.read(self.output.fileno(), 65536)
        if not data:
            said = self._last or "and said nothing"
            raise MeterError(f"tegrastats ended ({said})")
        *whole, self._rest = (self._rest + data).split(b"\n")
        texts = [line.decode("utf-8", "replace").strip() for line in whole]
        texts = [text for text in texts if text]
        self._last = texts[-1] if texts else self._last
        return texts

    def close(self):
        """End it; one that was started by sudo ends as soon as nobody takes its lines."""
        with contextlib.suppress(OSError):
            self.process.terminate()
        self.output.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(OSError):
                self.process.kill()


class Log:
    """The file, its open windows, and whether someone waits for a sample."""

    def __init__(self, file, marks_inside):
        self.file = file
        self.marks_inside = marks_inside
        self.open = []
        self.waiting = False
        self.samples = 0
        self._input = b""

    def write(self, line):
        """A line, at once: what was logged is there whatever happens next."""
        self.file.write(line + "\n")
        self.file.flush()

    def sampled(self, what):
        """A sample was written; tell those who wait for one."""
        self.samples += 1
        if self.samples == 1:
            tell("ready: " + what)
        if self.waiting:
            tell("seen")
        self.waiting = False

    def take(self, data):
        """Marks out of the standard input."""
        *whole, self._input = (self._input + data).split(b"\n")
        for line in whole:
            kind, _, name = line.decode("utf-8", "replace").strip().partition(" ")
            self.waiting = self.waiting or kind == "sample"
            if kind not in ("begin", "end") or not name:
                continue
            if self.marks_inside:
                self.write(f"# {kind} {name}")
            if kind == "begin":
                self.open.append(name)
            elif name in self.open:
                self.open.remove(name)

    def close(self):
        """End the windows that were cut short, so that the others can be read."""
        for name in self.open if self.marks_inside else ():
            self.write(f"# cut short: {name}")
            self.write(f"# end {name}")


def tell(text):
    """Say something to whoever started this, if they are still there."""
    with contextlib.suppress(OSError, ValueError):
        print(text, flush=True)


def open_source(name, sysfs, tegrastats, interval):
    """The meter of a name."""
    if name == "tegrastats":
        return Tegrastats(tegrastats, interval)
    return Ina(sysfs) if name == "ina" else PowerSupply(sysfs)


def keep_log(source, log, interval, seconds, clock):
    """Sample until the standard input ends, or so many seconds long."""
    own = isinstance(source, Tegrastats)
    if not own:
        log.write(",".join(source.header))
    inputs = [0] + ([source.output.fileno()] if own else [])
    start = due = time.monotonic()
    while seconds is None or time.monotonic() - start < seconds:
        wait = 1.0 if own else max(0.0, due - time.monotonic())
        ready = select.select(inputs, [], [], wait)[0]
        if 0 in ready:
            data = os.read(0, 4096)
            if data:
                log.take(data)
            elif seconds is None:
                return
            else:
                inputs.remove(0)  # it was started without one: the seconds count
        if own and len(ready) > (0 in ready):
            for line in source.lines():
                relay(line, log, clock)
        if not own and time.monotonic() >= due:
            log.write(",".join([f"{clock.now():.6f}"] + source.row()))
            log.sampled(source.what)
            due = max(due + interval, time.monotonic())


def relay(line, log, clock):
    """A line of tegrastats with its time; anything else it says becomes a remark."""
    dated = DATED.match(line)
    if not dated and not line.startswith("RAM "):
        log.write("# " + line)
        return
    if not log.samples and not RAIL.search(line):
        raise MeterError(
            "tegrastats names no power rail; where it needs root: --tegrastats 'sudo -n tegrastats'"
        )
    stamp = "" if dated else time.strftime("%m-%d-%Y %H:%M:%S ", time.localtime(clock.now()))
    log.write(stamp + line)
    log.sampled("tegrastats")


def main(arguments=None):
    """The command line; the exit status."""
    parser = argparse.ArgumentParser(description="Log the power that this device draws.")
    parser.add_argument("--logger", required=True, choices=sorted(LOGS))
    parser.add_argument("--out", help="the log; by default one named after the logger, here")
    parser.add_argument("--interval", type=float, help="seconds between samples")
    parser.add_argument("--seconds", type=float, help="end by itself after so long")
    parser.add_argument("--sysfs", default="/sys", help="where the kernel shows its devices")
    parser.add_argument("--tegrastats", default="tegrastats", help="how it is called")
    asked = parser.parse_args(arguments)
    interval = INTERVALS[asked.logger] if asked.interval is None else asked.interval
    if not 0.01 <= interval <= 60:
        parser.error("--interval must be 0.01 to 60 s")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    source, log = None, None
    try:
        source = open_source(asked.logger, asked.sysfs, asked.tegrastats, interval)
        with open(asked.out or LOGS[asked.logger], "w") as file:
            log = Log(file, marks_inside=asked.logger == "tegrastats")
            try:
                keep_log(source, log, interval, asked.seconds, Clock())
            finally:
                log.close()
    except KeyboardInterrupt:
        pass
    except (MeterError, OSError) as error:
        print(f"power.py: error: {error}", file=sys.stderr)
        return 2
    finally:
        if isinstance(source, Tegrastats):
            source.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
