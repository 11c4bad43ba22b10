"""Meters that a test makes: a tree like the kernel's, and a tegrastats that replays a board."""

import sys

# A line as a Jetson Nano with JetPack 4.6 prints it; {0} is the power of the board in mW.
NANO = (
    "RAM 936/3964MB (lfb 366x4MB) SWAP 0/4096MB (cached 0MB) IRAM 0/252kB(lfb 252kB) "
    "CPU [10%@102,3%@102,0%@102,0%@102] EMC_FREQ 0%@204 GR3D_FREQ 0%@76 APE 25 PLL@24C CPU@27.5C "
    "PMIC@50C GPU@28C AO@29.5C thermal@28C POM_5V_IN {0}/{0} POM_5V_GPU 0/0 POM_5V_CPU 164/164"
)
IDLE_W, BUSY_W = 2.0, 6.0

# Idle until the log that is made of its lines says that the first loop begins, then busy.
REPLAY = """#!{python}
import glob, os, sys, time
interval = int(sys.argv[sys.argv.index("--interval") + 1]) / 1000
with open({pids!r}, "a") as file:
    file.write("%d\\n" % os.getpid())
busy = False
while True:
    found = sorted(glob.glob({logs!r}), key=os.path.getmtime)
    busy = busy or bool(found) and "# begin dense-0" in open(found[-1]).read()
    print({line!r}.format({busy_mw} if busy else {idle_mw}), flush=True)
    time.sleep(interval)
"""


def tegrastats(path, logs):
    """Write a program; it notes its process in `path` with `.pids` at the end.

    Args:
        logs: pattern of the logs that its lines may come into.
    """
    program = REPLAY.format(
        python=sys.executable,
        pids=f"{path}.pids",
        logs=str(logs),
        line=NANO,
        busy_mw=round(1000 * BUSY_W),
        idle_mw=round(1000 * IDLE_W),
    )
    path.write_text(program)
    path.chmod(0o755)
    return path


def files(root, tree):
    """Files by their path below root."""
    for name, text in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


def nano(root):
    """The sysfs of a Jetson Nano with JetPack 4: 5 W, of which GPU 1 W and CPU 1.5 W."""
    device = "bus/i2c/devices/6-0040"
    rails = [("POM_5V_IN", 5000), ("POM_5V_GPU", 1000), ("POM_5V_CPU", 1500)]
    tree = {f"{device}/name": "ina3221x"}
    for number, (name, mw) in enumerate(rails):
        tree[f"{device}/iio:device0/rail_name_{number}"] = name
        tree[f"{device}/iio:device0/in_power{number}_input"] = mw
    return files(root, tree)
