"""tegrastats: rails, times, restarts, marks, and what is refused."""

import os
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings

from dance_lib.devices.formats import Declared, read_text
from dance_lib.devices.power import LogError, Window, energy_table
from dance_lib.devices.tegrastats import FORMAT
from tests.devices.mutations import EXAMPLES, mutations, read_or_refuse, words

REST = "/3964MB (lfb 366x4MB) IRAM 0/252kB(lfb 252kB) CPU [10%@102,off,off,0%@102] EMC_FREQ 0%"
NANO = f"""RAM 936{REST} GR3D_FREQ 0%@76 APE 25 PLL@24C POM_5V_IN 1000/1000 POM_5V_GPU 0/0
RAM 936{REST} GR3D_FREQ 0%@76 APE 25 PLL@24C POM_5V_IN 2001/1500 POM_5V_GPU 100/50
RAM 936{REST} GR3D_FREQ 0%@76 APE 25 PLL@24C POM_5V_IN 3000/2000 POM_5V_GPU 0/33
"""
TOKENS = ("RAM 936/3964MB ", "POM_5V_IN 1000/1000", " VDD_IN 5mW/5mW", "mW", "# begin a", "# end a")
TOKENS = (*TOKENS, "10-01-2025 20:05:55 ", "99-99-0000 99:99:99 ", "/", "off")


def read(text, interval=None):
    return FORMAT.read("log", text, Declared(interval=interval))


def rails(*values, stamps=None, name="VDD_IN"):
    """Lines of one rail, (current, average) each, with the times given."""
    stamps = stamps or [""] * len(values)
    pairs = zip(stamps, values, strict=True)
    return "\n".join(
        f"{f'10-01-2025 20:05:{stamp} ' if stamp else ''}RAM 1/2MB {name} {now}mW/{mean}mW"
        for stamp, (now, mean) in pairs
    )


def running(*runs):
    """Lines of one rail with the average that tegrastats prints, started anew for each run."""
    return rails(
        *((now, sum(run[: at + 1]) // (at + 1)) for run in runs for at, now in enumerate(run))
    )


# Rails


def test_current_values_in_watts_and_energy_by_hand():
    log = read(NANO, interval=0.5)
    assert log.watts.to_dict("list") == {
        "POM_5V_IN": [1.0, 2.001, 3.0],
        "POM_5V_GPU": [0.0, 0.1, 0.0],
    }
    table = energy_table(log).set_index("rail")
    assert table.energy_j["total"] == pytest.approx(0.5 * (1 / 2 + 2.001 + 3 / 2))
    assert table.mean_w["POM_5V_GPU"] == pytest.approx(0.1 / 3)


@pytest.mark.parametrize(
    ("names", "total"),
    [
        (["POM_5V_IN", "POM_5V_GPU", "POM_5V_CPU"], ["POM_5V_IN"]),
        (["VDD_SYS_GPU", "VDD_4V0_WIFI", "VDD_IN", "VDD_SYS_CPU"], ["VDD_IN"]),  # TX2
        (["VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"], ["VDD_IN"]),
        (
            ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0", "VDDQ_VDD2_1V8AO"],
            ["VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"],
        ),
        (["GPU", "CPU", "SOC", "CV", "VDDRQ", "SYS5V"],) * 2,
        (["GPU", "CPU", "SOC"], []),
    ],
)
def test_which_rails_feed_the_board(names, total):
    fields = " ".join(f"{name} {number}mW/{number}mW" for number, name in enumerate(names))
    log = read(f"RAM 1/2MB (lfb 2x4MB)    SWAP 0/1MB (cached 0MB) GR3D_FREQ 0% {fields}")
    assert list(log.watts) == names
    assert list(log.total) == total
    assert any("no total" in note for note in log.notes) == (not total)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Ctrl-C", "line 2: is not a line of tegrastats"),
        ("RAM 936/3964", "line 2: is not a line of tegrastats"),
        (f"RAM 936{REST}", "line 2: has no POM_5V_GPU, unlike line 1"),
        ("RAM 1/2MB POM_5V_IN 5/5 POM_5V_GPU 7/7 VDD_IN 1/1", "line 2: has VDD_IN, unlike line 1"),
        ("RAM 1/2MB POM_5V_IN 5/5 POM_5V_IN 7/7", "line 2: rail POM_5V_IN twice"),
        ("RAM 1/2MB POM_5V_IN -5/5 POM_5V_GPU 7/7", "line 2: POM_5V_IN at -5/5 mW"),
        ("RAM 1/2MB POM_5V_IN 5/5 POM_5V_GPU 7/1000001", "line 2: POM_5V_GPU at 7/1000001 mW"),
        ("RAM 1/2MB POM_5V_IN 5mW/5 POM_5V_GPU 7/7", "line 2: '5mW/5' is no power"),
        ("RAM 1/2MB POM_5V_IN 5W/5W POM_5V_GPU 7/7", "line 2: '5W/5W' is no power"),
        ("RAM 1/2MB POM_5V_IN 5/5 POM_5V_GPU 7/", "line 2: '7/' is no power"),
        ("10-01-2025 20:05:55 RAM 1/2MB POM_5V_IN 5/5 POM_5V_GPU 7/7", "line 1: has no date"),
    ],
)
def test_lines_that_are_refused(line, message):
    first, rest = NANO.split("\n", 1)
    with pytest.raises(LogError, match=message):
        read(f"{first}\n{line}\n{rest}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# nothing else", "no line of tegrastats"),
        (f"RAM 936{REST}\nRAM 936{REST}", "name no power rail"),
    ],
)
def test_logs_without_power_are_refused(text, message):
    with pytest.raises(LogError, match=message):
        read(text)


# Times


def test_without_times_the_interval_is_nominal_and_said_to_be():
    log = read(NANO)
    assert log.clock == "nominal"
    assert log.watts.index.tolist() == [0, 1, 2]
    assert "1 s between samples is nominal (tegrastats' default" in log.notes[0]
    assert "0.25 s between samples is nominal (declared)" in read(NANO, 0.25).notes[0]


@pytest.mark.parametrize("interval", [0.0, -1.0, float("nan"), float("inf")])
def test_interval_that_is_none(interval):
    with pytest.raises(LogError, match="between samples is none"):
        read(NANO, interval)


def test_samples_of_one_second_are_spread_over_it():
    # 3 in second 56: at 0, 1/3, 2/3. One before it, 1/3 before second 56; one after at second 57.
    stamps = ["55", "56", "56", "56", "57"]
    log = read(rails(*[(5, 5)] * 5, stamps=stamps))
    assert log.clock == "recorded"
    assert log.watts.index.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 1, 4 / 3])
    assert log.start == pd.Timestamp("2025-10-01 20:05:55") + pd.Timedelta(seconds=2 / 3)
    assert "spread" in log.notes[0]


def test_one_sample_a_second_stays_where_it_was():
    log = read(rails((5, 5), (5, 5), (5, 5), stamps=["55", "56", "58"]))
    assert log.watts.index.tolist() == [0, 1, 3]
    assert log.start == pd.Timestamp("2025-10-01 20:05:55")


def test_all_samples_in_one_second():
    assert read(rails((5, 5), (5, 5), stamps=["55", "55"])).watts.index.tolist() == [0, 0.5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (rails((5, 5), (5, 5), stamps=["56", "55"]), "line 2: time goes back from .*:56 to .*:55"),
        (rails((5, 5), stamps=["61"]), "line 1: '10-01-2025 20:05:61' is no date"),
        (rails((5, 5), stamps=["55"]).replace("10-01", "13-01"), "line 1: .* is no date"),
    ],
)
def test_times_that_are_refused(text, message):
    with pytest.raises(LogError, match=message):
        read(text)


# Restarts


def test_restart_without_times_breaks_the_log():
    log = read(running([1000, 2000, 3000], [500, 700]), interval=0.5)
    assert log.breaks == (1.5,)
    assert "line 4: tegrastats began anew" in log.notes
    with pytest.raises(LogError, match=r"began anew at 1\.5 s"):
        energy_table(log)


def test_restart_with_times_is_noted_only():
    log = read(rails((10, 10), (30, 20), (90, 90), stamps=["55", "56", "57"]))
    assert log.breaks == ()
    assert "line 3: tegrastats began anew" in log.notes


def test_constant_power_is_no_restart():
    assert read(running([5000] * 50)).breaks == ()
    assert read(running([5000, 5001, 5000, 5001])).breaks == ()


def test_restart_of_constant_power_cannot_be_seen_until_power_changes():
    assert read(running([5000] * 9, [5000, 9000, 9000])).breaks == (10.0,)


def test_log_that_begins_later_than_tegrastats_did():
    values = [1000, 2000, 3000, 4000, 1000, 700, 650]
    text = running(values, [900, 100, 100])
    later = "\n".join(text.split("\n")[2:])
    assert read(text).breaks == (7.0,)
    assert read(later).breaks == (5.0,)


def test_missing_lines_break_the_log():
    lines = running([1000, 2000, 3000, 5000, 1000, 700]).split("\n")
    log = read("\n".join(lines[:1] + lines[3:]))
    assert log.breaks == (1.0,)
    assert "line 2: the average jumps, so lines are missing" in log.notes


# Marks


def test_marks_take_the_samples_between_them():
    first, second, third = NANO.splitlines()
    text = f"# remark\n# begin warm up\n{first}\n{second}\n#END warm up\n# begin b\n{third}\n"
    log = read(f"{text}{third}\n# end b\n{third}", interval=2)
    assert log.marks == (Window("warm up", 0, 2), Window("b", 4, 6))
    assert energy_table(log, log.marks[0]).energy_j.iloc[0] == pytest.approx(3.001)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"# begin a\n{NANO}", "line 1: 'a' begins and never ends"),
        (f"{NANO}# end a", "line 4: 'a' ends and has not begun"),
        (f"# begin a\n{NANO}# end a\n# begin a", "line 6: 'a' begins a second time"),
        (f"# begin a\n{NANO}# end a\n# end a", "line 6: 'a' ends a second time"),
        (f"# begin\n{NANO}", "line 1: a mark needs a name"),
        (f"{NANO}# begin a\n# end a", "line 5: 'a' holds fewer than two samples"),
    ],
)
def test_marks_that_are_refused(text, message):
    with pytest.raises(LogError, match=message):
        read(text)


# Any text


def test_recognised_by_any_of_the_first_lines():
    assert FORMAT.recognises(f"$ tegrastats\n{NANO}")
    assert FORMAT.recognises(rails((5, 5), stamps=["55"]))
    assert not FORMAT.recognises("Timestamp (s),Power (mW)\n")
    assert not FORMAT.recognises("")


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=words(*TOKENS))
def test_any_words(text):
    read_or_refuse(FORMAT, text, Declared())


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=mutations(f"# begin a\n{NANO}# end a\n{NANO}", *TOKENS))
def test_any_damage(text):
    read_or_refuse(FORMAT, text, Declared(interval=0.25))


@settings(max_examples=EXAMPLES, deadline=None)
@given(text=mutations(rails(*[(5, 5)] * 4, stamps=["55", "55", "56", "58"]), *TOKENS))
def test_any_damage_with_times(text):
    read_or_refuse(FORMAT, text, Declared())


# The real material


@pytest.mark.shared_data
def test_real_nano():
    folder = Path(os.environ["DANCE_DATA"]) / "device_logs"
    log = read(read_text(folder / "jetson_nano_resnet50.tegrastats.txt"), interval=0.25)
    table = energy_table(log).set_index("rail")
    for rail, mean_mw in (("POM_5V_IN", 4437), ("POM_5V_GPU", 2231), ("POM_5V_CPU", 407)):
        assert table.mean_w[rail] * 1000 == pytest.approx(mean_mw, abs=1)
    assert table.max_w["total"] == 5.206
    assert (log.clock, log.breaks, log.total) == ("nominal", (), ("POM_5V_IN",))
    theirs = pd.read_csv(folder / "jetson_nano_resnet50.power.csv")  # made by the log's author
    assert theirs.columns.tolist() == [f"{rail} (mW)" for rail in log.watts]
    assert (theirs.to_numpy() / 1000).tolist() == log.watts.to_numpy().tolist()


@pytest.mark.shared_data
def test_real_xavier_nx():
    folder = Path(os.environ["DANCE_DATA"]) / "device_logs"
    log = read(read_text(folder / "xavier_nx_jetpack5.tegrastats.txt"))
    table = energy_table(log).set_index("rail")
    assert (log.clock, log.breaks, log.total) == ("recorded", (), ("VDD_IN",))
    assert log.start == pd.Timestamp("2025-10-01 20:05:55")
    assert log.duration_s == 105
    assert table.mean_w["total"] == pytest.approx(12.7918, abs=1e-4)  # its last average: 12791 mW
    assert table.max_w["VDD_IN"] == 13.83
