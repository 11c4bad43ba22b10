"""Loops under a made meter and a made clock: what a clip takes, worked out by hand."""

import math

import pandas as pd
import pytest

from dance_lib.bench import energy as module
from dance_lib.bench.candidates import Candidate
from dance_lib.bench.energy import chosen, measure_energy, meter_loops
from dance_lib.bench.run import run_bench
from dance_lib.bench.setting import BenchError
from dance_lib.bench.worker import DONE, ENERGY
from dance_lib.devices.host import Reading


class Machine:
    """Its clock moves when something runs; its processor takes 2 W idle and more at work."""

    def __init__(self, watts=None, meter="counter"):
        self.now = 0.0
        self.joules = 0.0
        self.watts = watts or {}
        self.meter = meter

    def spend(self, seconds, watts=2.0):
        self.now += seconds
        self.joules += seconds * watts

    def run(self, seconds, watts):
        return lambda: self.spend(seconds, watts)

    def energy_of(self, work):
        before = self.joules
        work()
        return [
            Reading("processor", self.joules - before, self.meter, "measured"),
            Reading("memory", 1.0, "assumed", "estimated"),
        ]


def loops(machine, runs, **options):
    options = {"batch": 2, "loop_s": 10.0, "repeats": 2, **options}
    return meter_loops(runs, machine, clock=lambda: machine.now, rest=machine.spend, **options)


def test_joules_of_a_clip_gross_and_without_the_idle_machine():
    machine = Machine()
    table = loops(machine, {"slow": machine.run(4.0, 10.0), "quick": machine.run(2.0, 10.0)})
    assert len(table) == 2 * 2 * 2  # repeats, candidates, parts of the machine
    own = table[table["part"] == "processor"].set_index("name")
    slow = own.loc["slow"].iloc[0]  # three runs of two clips in 12 s, the last one begun at 8 s
    assert (slow["clips"], slow["duration_s"], slow["ms_per_clip"]) == (6, 12.0, 2000.0)
    assert (slow["power_w"], slow["idle_w"], slow["energy_j"]) == (10.0, 2.0, 120.0)
    assert (slow["j_per_clip"], slow["net_j_per_clip"]) == (20.0, 16.0)
    quick = own.loc["quick"].iloc[0]  # five runs in 10 s
    assert (quick["clips"], quick["j_per_clip"], quick["net_j_per_clip"]) == (10, 10.0, 8.0)


def test_parts_are_rows_of_their_own_meter():
    machine = Machine()
    table = loops(machine, {"a": machine.run(5.0, 3.0)})
    assert set(zip(table["part"], table["meter"], table["kind"], strict=True)) == {
        ("processor", "counter", "measured"),
        ("memory", "assumed", "estimated"),
    }


def test_no_difference_is_taken_between_two_meters():
    machine = Machine()

    def work():
        machine.meter = "another"
        machine.spend(5.0, 3.0)

    def idle(seconds):
        machine.meter = "counter"
        machine.spend(seconds)

    table = meter_loops(
        {"a": work}, machine, batch=1, loop_s=10.0, repeats=1, clock=lambda: machine.now, rest=idle
    )
    row = table[table["part"] == "processor"].iloc[0]
    assert row["j_per_clip"] == 15.0
    assert math.isnan(row["net_j_per_clip"])


def candidates():
    def run():
        pass

    return [
        Candidate("eager", "dense", run),
        Candidate("openvino", "dense", None, {"reason": "not installed"}),
        Candidate("full", "ours", run, {"ideal_mac_ratio": 1.0}),
        Candidate("all 0.5", "ours", run, {"ideal_mac_ratio": 0.3}),
        Candidate("controller", "ours", run, {"ideal_mac_ratio": 0.6, "plan": "controller"}),
        Candidate("stem", "part", run),
        Candidate("pruned @ 0.60", "pruned", run, {"target_mac_ratio": 0.6}),
        Candidate("pruned @ 0.90", "pruned", run, {"target_mac_ratio": 0.9}),
    ]


def test_what_is_metered():
    names = [c.name for c in chosen(candidates())]
    assert names == ["eager", "all 0.5", "controller", "pruned @ 0.60"]


def test_a_static_network_stands_for_all_plans_of_about_its_ratio():
    """It was made for a plan of 0.605 that is not metered, and is the controller's rival too."""
    found = candidates()
    found[-1] = Candidate("pruned @ 0.61", "pruned", lambda: None, {"target_mac_ratio": 0.605})
    assert "pruned @ 0.61" in [c.name for c in chosen(found)]


def test_plans_of_a_budget_stand_for_half_of_every_axis():
    found = [*candidates(), Candidate("MACs 0.3", "ours", print, {"ideal_mac_ratio": 0.3})]
    assert [c.name for c in chosen(found) if c.group == "ours"] == ["controller", "MACs 0.3"]


def test_an_untrained_controller_is_not_worth_a_loop():
    found = candidates()
    found[4] = Candidate("controller", "ours", print, {"plan": "untrained controller"})
    assert "controller" not in [c.name for c in chosen(found)]


def test_one_setting_with_its_origin(setting):
    machine = Machine()
    two = setting.model_copy(update={"rounds": 2})
    table = measure_energy(two, 1, meter=machine, loop_s=0.01)
    assert set(table["repeat"]) == {0, 1}
    assert set(table["name"]) >= {"eager", "all 0.5"}
    assert set(table["group"]) >= {"dense", "ours"}
    assert set(table["threads"]) == {"one"}
    assert (table["duration_s"] >= 0.01).all()
    for column in ("commit", "device", "torch", "date", "cores", "clip"):
        assert table[column].notna().all()
    ratio = table.set_index("name")["ideal_mac_ratio"]
    assert 0 < ratio.loc["all 0.5"].iloc[0] < 1


def test_on_a_gpu_the_versions_that_decide_there_are_told_too(setting, monkeypatch):
    found = [Candidate("eager", "dense", lambda: None)]
    monkeypatch.setattr(module, "make_candidates", lambda setting, threads: (found, "noise"))
    on_gpu = setting.model_copy(update={"threads": "cuda"})
    table = measure_energy(on_gpu, 1, meter=Machine(), loop_s=0.01)
    assert {"cuda", "triton"} <= set(table)


def test_nothing_that_runs_is_an_error(setting, monkeypatch):
    monkeypatch.setattr(module, "make_candidates", lambda setting, threads: ([], "noise"))
    with pytest.raises(BenchError, match="nothing runs here"):
        measure_energy(setting, 1, meter=Machine())


def test_energy_is_kept_beside_the_times(setting, tmp_path):
    def work(folder, asked):
        folder.mkdir(parents=True)
        pd.DataFrame([{"name": "eager", "batch": asked.batch}]).to_csv(folder / ENERGY, index=False)
        (folder / DONE).write_text(asked.model_dump_json())
        return True

    assert run_bench([setting], tmp_path, task="energy", work=work, say=lambda line: None) == []
    assert pd.read_csv(tmp_path / ENERGY)["batch"].tolist() == [2]
    assert (tmp_path / "energy" / setting.name / DONE).is_file()
    assert not (tmp_path / "targets.csv").exists()
