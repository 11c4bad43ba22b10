"""Runs on a made board: 10 W when dense, 5 W when pruned, 2 W at rest."""

import pandas as pd
import pytest

from dance_lib.devices.power import LogError
from dance_lib.devices.runs import COLUMNS, read_runs
from dance_lib.errors import DanceError

TFLITE = """
count=10 first=90000 curr=110000 min=90000 max=110000 avg=100000 std=10
Inference timings in us: Init: 5, First inference: 9, Warmup (avg): 9, Inference (avg): 100000
"""


def log(folder, name, watts, seconds=10):
    rows = [f"{second},{watts}" for second in range(seconds + 1)]
    (folder / name).write_text("\n".join(["time (s),power (W)", *rows]))


@pytest.fixture
def folder(tmp_path):
    log(tmp_path, "dense.csv", 10)
    log(tmp_path, "pruned.csv", 5)
    log(tmp_path, "idle.csv", 2)
    return tmp_path


def write(folder, *runs):
    (folder / "runs.yml").write_text("runs:\n" + "".join(f"  - {{{run}}}\n" for run in runs))


DENSE = "log: dense.csv, device: board, network: dense, clips: 100"


def test_joules_of_a_clip(folder):
    write(folder, DENSE + ", idle: {log: idle.csv}",
          "log: pruned.csv, device: board, network: pruned, clips: 200")  # fmt: skip
    table = read_runs(folder).set_index("network")
    dense = table.loc["dense"]
    assert (dense["energy_j"], dense["j_per_clip"], dense["ms_per_clip"]) == (100.0, 1.0, 100.0)
    assert (dense["idle_w"], dense["net_j_per_clip"]) == (2.0, 0.8)
    assert (dense["rail"], dense["format"], dense["clock"]) == ("total", "csv", "recorded")
    pruned = table.loc["pruned"]
    assert (pruned["j_per_clip"], pruned["ms_per_clip"]) == (0.25, 50.0)
    assert pd.isna(pruned["net_j_per_clip"])  # no idle log is named
    assert set(table["kind"]) == {"measured"}


def test_a_device_does_not_take_more_at_rest(folder):
    write(
        folder, "log: idle.csv, device: board, network: pruned, clips: 10, idle: {log: dense.csv}"
    )
    with pytest.raises(LogError, match="10 W at rest is no less than in idle"):
        read_runs(folder)


def test_repeats_are_counted_by_device_and_network(folder):
    log(folder, "again.csv", 10)
    log(folder, "other.csv", 10)
    write(folder, DENSE, DENSE.replace("dense.csv", "again.csv"),
          DENSE.replace("dense.csv", "other.csv").replace("board", "other"))  # fmt: skip
    assert read_runs(folder)["run"].tolist() == [0, 1, 0]


def test_a_log_with_windows_needs_one_named(folder):
    (folder / "events.csv").write_text("name,start,end\nrun,2,6\n")
    write(folder, DENSE + ", events: events.csv")
    with pytest.raises(LogError, match=r"dense\.csv: it has windows; name one"):
        read_runs(folder)


def test_a_part_does_not_stand_for_the_device_whose_whole_is_known(folder):
    rows = "".join(f"RAM 1/2MB POM_5V_IN {w}/{w} POM_5V_GPU 9/9\n" for w in (100, 100, 100))
    (folder / "nano.txt").write_text(rows)
    write(folder, DENSE.replace("dense.csv", "nano.txt") + ", rail: POM_5V_GPU")
    with pytest.raises(LogError, match="'POM_5V_GPU' is a part of the device"):
        read_runs(folder)


def test_a_window_of_events(folder):
    (folder / "events.csv").write_text("name,start,end\nrun,2,6\n")
    write(folder, DENSE + ", window: run, events: events.csv")
    row = read_runs(folder).iloc[0]
    assert (row["window"], row["duration_s"], row["j_per_clip"]) == ("run", 4.0, 0.4)
    write(folder, DENSE + ", window: walk, events: events.csv")
    with pytest.raises(LogError, match="no window 'walk'; there are: run"):
        read_runs(folder)


def test_a_latency_log_tells_the_time(folder):
    (folder / "bench.txt").write_text(TFLITE)
    write(folder, DENSE + ", latency: bench.txt, clips_per_run: 4")
    assert read_runs(folder)["ms_per_clip"].tolist() == [25.0]
    write(folder, DENSE + ", latency: idle.csv")
    with pytest.raises(LogError, match=r"idle\.csv: is no log of latency"):
        read_runs(folder)


def test_a_latency_log_alone_tells_no_energy(folder):
    (folder / "bench.txt").write_text(TFLITE)
    write(folder, "log: bench.txt, device: phone, network: dense, clips: 10", DENSE)
    phone, board = read_runs(folder).to_dict("records")
    assert (phone["ms_per_clip"], phone["timed_by"], phone["kind"]) == (100.0, "tflite", "measured")
    assert pd.isna(phone["j_per_clip"])
    assert board["timed_by"] == "window"
    write(folder, DENSE + ", idle: {log: bench.txt}")
    with pytest.raises(LogError, match=r"bench\.txt: tells no power"):
        read_runs(folder)


def test_a_nominal_clock_is_an_estimate(folder):
    (folder / "bare.csv").write_text("power (W)\n" + "5\n" * 11)
    write(folder, "log: bare.csv, format: csv, interval: 0.5, device: board, network: pruned, "
                  "clips: 10")  # fmt: skip
    row = read_runs(folder).iloc[0]
    assert (row["energy_j"], row["clock"], row["kind"]) == (25.0, "nominal", "estimated")


def test_without_the_file_there_is_nothing(tmp_path):
    for place in (tmp_path, tmp_path / "absent"):
        table = read_runs(place)
        assert table.empty
        assert list(table.columns) == COLUMNS


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (DENSE.replace("clips: 100", "clips: 0"), r"runs\.yml: runs\.0\.clips"),
        (DENSE + ", volts: 5", r"runs\.0\.volts"),
        (DENSE.replace("dense.csv", "absent.csv"), r"absent\.csv: No such file"),
        (DENSE.replace("dense.csv", "../dense.csv"), r"\.\./dense\.csv lies outside"),
        (DENSE.replace("dense.csv", "/etc/passwd"), r"/etc/passwd lies outside"),
        (DENSE + ", rail: gpu", "rail 'gpu' is a part of the device"),
        (DENSE.replace("network: dense", "network: Dense"), "write 'dense', or a rival's name"),
        (DENSE.replace("network: dense", "network: prune"), "write 'pruned', or a rival's name"),
        (f"{DENSE}}}\n  - {{{DENSE}", "is there twice"),
        (DENSE + ", idle: {log: idle.csv, rail: power}", "can't be taken from that of total"),
    ],
)
def test_what_can_not_be_read(folder, run, reason):
    write(folder, run)
    with pytest.raises(DanceError, match=reason):
        read_runs(folder)


def test_other_runs_go_on_where_someone_is_told(folder):
    write(folder, DENSE.replace("dense.csv", "absent.csv"), DENSE)
    reasons = []
    assert len(read_runs(folder, reasons.append)) == 1
    assert "absent.csv" in str(reasons[0])
