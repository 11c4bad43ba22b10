import numpy as np
import pandas as pd
import pytest

from dance_lib.devices.power import LogError, PowerLog, Window, energy_table
from dance_lib.devices.report import COLUMNS, report

TEGRASTATS = "RAM 1/2MB POM_5V_IN {0}/{0} POM_5V_GPU 100/100"
TFLITE = """
count=10 first=900 curr=1100 min=900 max=1100 avg=1000 std=10
Inference timings in us: Init: 5, First inference: 900, Warmup (avg): 950, Inference (avg): 1000
"""


def power_log(times=(0.0, 1.0, 2.0, 4.0), watts=(2.0, 4.0, 2.0, 6.0), **columns):
    frame = pd.DataFrame({"in": watts, "gpu": np.ones(len(times))}, index=list(times))
    options = {"source": "made", "format": "made", "total": ("in",), "clock": "recorded"}
    return PowerLog(watts=frame, **{**options, **columns})


# ------------------------------------------------------------------ energy of a log
def test_energy_by_trapezoids_over_the_real_times():
    table = energy_table(power_log()).set_index("rail")
    assert table.loc["in", "energy_j"] == 3 + 3 + 8
    assert table.loc["gpu", "energy_j"] == 4
    assert (table.loc["in", "mean_w"], table.loc["in", "max_w"]) == (3.5, 6.0)
    assert table.loc["total"].tolist()[1:] == table.loc["in"].tolist()[1:]
    assert set(table["samples"]) == {4}
    assert set(table["duration_s"]) == {4.0}


def test_a_window_is_interpolated_at_its_ends():
    table = energy_table(power_log(), Window("run", 0.5, 1.5)).set_index("rail")
    assert table.loc["in", "energy_j"] == 0.5 * 3.5 + 0.5 * 3.5  # 3 to 4 W, 4 to 3 W
    assert table.loc["in", "mean_w"] == 4.0  # of the one sample in it
    assert table.loc["in", "samples"] == 1


def test_the_total_adds_the_rails_that_feed_the_device():
    table = energy_table(power_log(total=("in", "gpu"))).set_index("rail")
    assert table.loc["total", "energy_j"] == 14 + 4
    assert "total" not in set(energy_table(power_log(total=()))["rail"])


@pytest.mark.parametrize(
    ("window", "reason"),
    [
        (Window("run", -1, 2), "does not lie in the log, which has 0 to 4 s"),
        (Window("run", 2, 5), "does not lie in the log"),
        (Window("run", 2, 2), "does not lie in the log"),
        (Window("run", 1.2, 1.8), "no sample in it"),
    ],
)
def test_a_window_that_the_log_does_not_cover(window, reason):
    with pytest.raises(LogError, match=f"made, window 'run': .*{reason}"):
        energy_table(power_log(), window)


def test_a_gap_is_refused_unless_it_is_allowed_or_outside():
    log = power_log(times=(0.0, 1.0, 2.0, 9.0))
    with pytest.raises(LogError, match=r"no sample for 7 s after 2 s, where 5 s are allowed"):
        energy_table(log)
    assert energy_table(log, max_gap=7.0)["duration_s"].tolist() == [9.0] * 3
    assert energy_table(log, Window("before", 0, 2))["energy_j"].tolist() == [6.0, 2.0, 6.0]


@pytest.mark.parametrize("longest", [0.0, -1.0, float("nan")])
def test_a_longest_step_that_is_none(longest):
    with pytest.raises(LogError, match="is none"):
        energy_table(power_log(), max_gap=longest)


def test_a_restart_in_the_window_is_refused():
    log = power_log(breaks=(2.0,))
    with pytest.raises(LogError, match="began anew at 2 s"):
        energy_table(log)
    assert len(energy_table(log, Window("before", 0, 1)))
    assert len(energy_table(log, Window("after", 2, 4)))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"times": (), "watts": ()}, "no sample in it"),
        ({"times": (0.0, 0.0), "watts": (1, 1)}, r"time does not go forward at sample 2"),
        ({"times": (0.0, 1.0), "watts": (1, np.nan)}, "no finite number"),
        ({"times": (0.0, np.inf), "watts": (1, 1)}, "no finite number"),
    ],
)
def test_what_is_no_power_log(options, reason):
    with pytest.raises(LogError, match=reason):
        power_log(**options)


def test_a_log_without_rails_and_one_of_a_single_sample():
    with pytest.raises(LogError, match="no power rail"):
        PowerLog("made", "made", pd.DataFrame(index=[0.0]), (), "recorded")
    with pytest.raises(LogError, match="one sample, and energy needs two"):
        energy_table(power_log(times=(0.0,), watts=(1.0,)))


# ------------------------------------------------------------------ rows of files
@pytest.fixture
def nano(tmp_path):
    path = tmp_path / "nano.txt"
    path.write_text("\n".join(TEGRASTATS.format(mw) for mw in (1000, 1000, 1000, 1000)))
    return path


def test_rows_of_power(nano):
    table = report(nano)
    assert list(table.columns) == COLUMNS
    assert table["rail"].tolist() == ["POM_5V_IN", "POM_5V_GPU", "total"]
    assert table["energy_j"].tolist() == pytest.approx([3.0, 0.3, 3.0])  # 1 s steps, nominal
    assert table["clock"].tolist() == ["nominal"] * 3
    assert "nominal" in table["notes"][0]
    assert set(table["kind"]) == {"estimated"}  # seconds by an assumed interval


def test_a_row_of_latency(tmp_path):
    path = tmp_path / "phone.txt"
    path.write_text(TFLITE)
    row = report(path).iloc[0]
    assert (row["log"], row["runs"], row["mean_ms"]) == ("phone.txt", 10, 1.0)
    assert row["kind"] == "measured"


def test_windows_from_events(nano, tmp_path):
    events = tmp_path / "events.csv"
    events.write_text("name,start,end\nfirst,0,1\nsecond,1,3\n")
    table = report(nano, events=events)
    assert table["window"].tolist() == ["first"] * 3 + ["second"] * 3
    assert table["energy_j"].tolist()[::3] == pytest.approx([1.0, 2.0])


def test_windows_marked_in_the_log(tmp_path):
    line = TEGRASTATS.format(1000)
    path = tmp_path / "marked.txt"
    path.write_text("\n".join([line, "# begin run", line, line, line, "# end run", line]))
    table = report(path)
    assert set(table["window"]) == {"run"}
    assert set(table["duration_s"]) == {2.0}


def test_an_empty_file(tmp_path):
    (tmp_path / "empty.txt").touch()
    with pytest.raises(LogError, match=r"empty\.txt: is empty"):
        report(tmp_path / "empty.txt")
