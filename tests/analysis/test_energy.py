import pandas as pd
import pytest

from dance_lib.analysis import device_figures, energy
from dance_lib.analysis.latency import SETTING
from dance_lib.bench.engines import ENGINES
from dance_lib.bench.speed_targets import CONDITIONS
from tests.analysis.drawing import drawn, study_style  # noqa: F401

ABOUT = {"model": "m", "clip_shape": "3x16x56x56", "precision": "float32", "threads": "one",
         "batch": 1, "device": "CPU", "instruction_set": "AVX2", "commit": "c" * 40,
         "dirty": False, "date": "2026-01-01"}  # fmt: skip


def loops(part="processor", meter="RAPL", kind="measured"):
    """Two repeats; ours takes half the time and a quarter of the joules of `openvino`.

    In the second repeat all take twice as long: ratios are within a repeat.
    """
    rows = [
        {**ABOUT, "name": name, "group": group, "repeat": repeat, "part": part, "meter": meter,
         "kind": kind, "clips": 100, "duration_s": 30.0, "ms_per_clip": ms * slow,
         "power_w": 5.0, "idle_w": 1.0, "energy_j": 1.0, "j_per_clip": joules * slow,
         "net_j_per_clip": joules * slow - 1, "ideal_mac_ratio": ratio}
        for repeat, slow in enumerate((1, 2))
        for name, group, ms, joules, ratio in (
            ("eager", "dense", 40, 40, None), ("openvino", "dense", 20, 8, None),
            ("all 0.5", "ours", 10, 2, 0.3))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def runs(*, pruned=(1.0,), kind="measured"):
    rows = [("dense", 2.0, 0), ("dense", 2.0, 1)]
    rows += [("pruned", joules, i) for i, joules in enumerate(pruned)]
    return pd.DataFrame(
        {"device": "board", "network": network, "run": run, "rail": "total", "format": "csv",
         "timed_by": "window",
         "clips": 100, "ms_per_clip": 10 * joules, "idle_w": 1.0, "j_per_clip": joules,
         "net_j_per_clip": joules - 0.5, "kind": kind}
        for network, joules, run in rows
    )  # fmt: skip


def speeds():
    return pd.DataFrame(
        {"title": "AAP", "device": ["jetson-nano"] * 2 + ["phone"], "seed": [0, 1, 0],
         "speedup": [1.4, 1.6, 2.0], "dense_mj": [3.0, 3.0, None]}
    )  # fmt: skip


def test_ratios_of_this_machine_are_over_the_quickest_dense_engine():
    table = energy.host_table(loops()).set_index("network")
    ours = table.loc["all 0.5"]
    assert (ours["rival"], ours["speedup"], ours["energy_ratio"]) == ("openvino", 2.0, 4.0)
    assert ours["net_energy_ratio"] == pytest.approx((7 / 1 + 15 / 3) / 2)
    assert (ours["ms_per_clip"], ours["j_low"], ours["j_high"]) == (15.0, 2.0, 4.0)
    assert (ours["sample"], ours["clips"], ours["loop_s"]) == ("2 loops", 200, 30.0)
    assert table.loc["eager", "speedup"] == 0.5
    assert list(table.columns[: len(SETTING) - 1]) == SETTING[: len(SETTING) - 1]


def test_a_part_that_never_rises_above_idle_has_no_ratio_above_it():
    rows = loops("memory", "assumed", "estimated")
    rounding = rows["repeat"].map({0: 1e-15, 1: -1e-15})  # of joules less idle power times time
    table = energy.host_table(rows.assign(net_j_per_clip=rounding))
    assert table[["net_j_per_clip", "net_energy_ratio"]].isna().all(axis=None)
    assert table["energy_ratio"].tolist() == energy.host_table(rows)["energy_ratio"].tolist()


def test_the_joules_to_reach_on_a_gpu():
    about = {"model": "r2plus1d_18", "clip_shape": "3x16x112x112", "precision": "float16",
             "threads": "cuda"}  # fmt: skip
    names = {"all 0.5": "MACs 0.5", "openvino": "graph"}
    rows = loops("gpu", "NVML").replace({"name": names}).assign(**about)
    eager = rows[rows["name"] == "eager"]
    others = [eager.assign(name=name) for name in ("channels_last", "compile")]
    rows = pd.concat([rows, *others], ignore_index=True)
    less = rows["name"] == "MACs 0.5"
    joules = rows["j_per_clip"]
    worse = rows.assign(batch=32, j_per_clip=joules.where(~less, joules * 3.2))
    table = energy.to_reach(energy.host_table(pd.concat([rows, worse])))
    assert table["verdict"].tolist() == ["met", "short by 0.050"]
    assert table["measured"].tolist() == pytest.approx([4.0, 1.25])
    estimated = energy.host_table(rows.assign(kind="estimated"))
    without = energy.host_table(rows[rows["name"] != "compile"])
    for nothing in (estimated, without, energy.host_table(loops()), energy.host_table(loops()[:0])):
        found = energy.to_reach(nothing)
        assert found["verdict"].tolist() == ["not tested", "not tested"]
        assert set(found["kind"]) == {"not tested"}


def test_the_dense_forms_are_those_of_the_bench():
    assert set(ENGINES["cuda"]) == energy.DENSE_FORMS
    assert CONDITIONS["clip_shape"] == energy.SHAPE


def test_parts_and_meters_stay_apart():
    rows = pd.concat([loops(), loops("memory", "assumed", "estimated")], ignore_index=True)
    table = energy.host_table(rows)
    assert len(table) == 6
    assert set(zip(table["part"], table["meter"], table["kind"], strict=True)) == {
        ("processor", "RAPL", "measured"), ("memory", "assumed", "estimated"),
    }  # fmt: skip


def test_devices_by_their_logs():
    table = energy.devices_table(runs(pruned=(1.0, 1.0))).set_index("network")
    pruned = table.loc["pruned"]
    assert (pruned["speedup"], pruned["energy_ratio"]) == pytest.approx((2.0, 2.0))
    assert pruned["net_energy_ratio"] == pytest.approx(1.5 / 0.5)
    assert (pruned["sample"], pruned["meter"], pruned["part"]) == ("2 runs", "csv", "total")
    assert table.loc["dense", "energy_ratio"] == 1


def test_a_device_without_a_dense_run_has_no_ratio():
    table = energy.devices_table(runs()[lambda r: r["network"] == "pruned"])
    assert table[["speedup", "energy_ratio", "net_energy_ratio"]].isna().all(axis=None)


def test_the_summary_labels_every_source():
    host, devices = energy.host_table(loops()), energy.devices_table(runs())
    table = energy.summary(host, devices, speeds())
    assert table["source"].tolist() == ["this machine", "device logs", "model", "model"]
    assert table["network"].tolist() == ["all 0.5", "pruned", "AAP", "AAP"]  # no dense engine
    assert table["kind"].tolist() == ["measured"] * 2 + ["modelled"] * 2
    assert table["energy_ratio"].iloc[:3].tolist() == pytest.approx([4.0, 2.0, 1.5])
    assert pd.isna(table["energy_ratio"].iloc[3])  # the power of that phone is not published


def test_nothing_at_all():
    host = energy.host_table(energy.read_host("absent"))
    devices, reasons = energy.read_devices("absent")
    table = energy.summary(host, energy.devices_table(devices), speeds().iloc[:0])
    assert table.empty
    assert device_figures.energies(table) == {}
    assert energy.shown_devices(energy.devices_table(devices)) is None
    assert energy.answer(table).endswith("**not tested**.")
    assert "dance bench --energy" in energy.host_origin(host, "absent")
    assert "no `runs.yml`" in energy.devices_origin(devices, reasons, "absent")


def test_a_run_that_is_refused_is_named_without_the_place(tmp_path):
    (tmp_path / "runs.yml").write_text(
        "runs:\n  - {log: a.txt, device: board, network: dense, clips: 1}\n"
    )
    rows, reasons = energy.read_devices(tmp_path)
    assert rows.empty
    assert reasons == ["a.txt: No such file or directory"]
    assert "- refused: a.txt" in energy.devices_origin(rows, reasons, "logs")


def test_where_joules_come_from():
    said = energy.host_origin(loops(kind="estimated", meter="codecarbon: CPU(Cpu Load)"), "bench")
    assert "processor: **estimated** (codecarbon: CPU(Cpu Load))" in said
    assert "Loops of 30 s or more, 2 of each" in said
    assert "decides no claim" in said


def test_the_answer_tells_kinds_apart():
    host, devices = energy.host_table(loops()), energy.devices_table(runs())
    said = energy.answer(energy.summary(host, devices, speeds()))
    assert "2 **measured** (by a counter or a device's meter), at most 4.00×" in said
    assert "1 **modelled**" in said
    assert "no claim about energy is decided" not in said
    estimated = energy.host_table(loops(kind="estimated"))
    said = energy.answer(energy.summary(estimated, devices.iloc[:0], speeds()))
    assert said.endswith("Nothing here was measured, so no claim about energy is decided.")


def test_the_figure_shows_kinds_apart():
    host, devices = energy.host_table(loops()), energy.devices_table(runs())
    figure = device_figures.energies(energy.summary(host, devices, speeds()))["energies"]
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert labels[-1] == "model, jetson-nano, AAP, processor, 2 seeds"
    assert [line.get_label() for line in figure.axes[0].get_lines()[:2]] == ["measured", "modelled"]
    assert figure.axes[1].get_xlabel().startswith("joules of a clip")
    drawn(figure)
