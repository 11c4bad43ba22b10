"""Resuming and joining, with stand-ins for the process that measures."""

import pandas as pd
import pytest

from dance_lib.bench.run import in_process, run_bench
from dance_lib.bench.setting import BenchError
from dance_lib.bench.worker import DONE, LATENCY, TIMINGS, is_finished


@pytest.fixture
def settings(setting):
    return [setting.model_copy(update={"batch": batch}) for batch in (1, 8)]


class Work:
    """Writes what a worker would; `fails` names batches at which it dies half-way."""

    def __init__(self, fails=()):
        self.fails = fails
        self.did = []

    def __call__(self, folder, setting):
        self.did.append(setting.batch)
        folder.mkdir(parents=True, exist_ok=True)
        numbers = dict.fromkeys(("ms", "ms_per_clip", "speedup", "efficiency", "time_ratio"), 1.0)
        row = {**setting.columns(), "name": "full", "group": "ours", **numbers}
        for name in (TIMINGS, LATENCY):
            pd.DataFrame([row]).to_csv(folder / name, index=False)
            if setting.batch in self.fails:
                return False
        (folder / DONE).write_text(setting.model_dump_json())
        return True


def bench(settings, out, **options):
    said = []
    work = options.pop("work", None) or Work()
    failed = run_bench(settings, out, work=work, say=said.append, **options)
    return work.did, [s.batch for s in failed], said


def test_every_setting_is_measured_and_joined(settings, tmp_path):
    assert bench(settings, tmp_path)[:2] == ([1, 8], [])
    for name in (TIMINGS, LATENCY):
        assert pd.read_csv(tmp_path / name)["batch"].tolist() == [1, 8]
    assert (tmp_path / "targets.csv").is_file()


def test_a_rerun_measures_nothing_unless_forced(settings, tmp_path):
    bench(settings, tmp_path)
    did, _, said = bench(settings, tmp_path)
    assert did == []
    assert said[0].startswith(f"kept    {settings[0].name} (1 of 2; --force")
    assert bench(settings, tmp_path, force=True)[0] == [1, 8]


def test_other_rounds_are_another_measurement(settings, tmp_path):
    bench(settings, tmp_path)
    more = [s.model_copy(update={"rounds": 9}) for s in settings]
    assert bench(more, tmp_path)[0] == [1, 8]


def test_a_failure_loses_nothing_and_is_done_next_time(settings, tmp_path):
    did, failed, said = bench(settings, tmp_path, work=Work(fails=[1]))
    assert (did, failed) == ([1, 8], [1])
    assert f"FAILED  {settings[0].name}" in said
    assert pd.read_csv(tmp_path / LATENCY)["batch"].tolist() == [8]
    assert bench(settings, tmp_path)[0] == [1]
    assert pd.read_csv(tmp_path / LATENCY)["batch"].tolist() == [1, 8]


def test_when_killed_what_was_finished_is_in_the_tables(settings, tmp_path):
    work = Work()

    def killed(folder, setting):
        if setting.batch == 8:
            raise KeyboardInterrupt
        return work(folder, setting)

    with pytest.raises(KeyboardInterrupt):
        run_bench(settings, tmp_path, work=killed, say=lambda line: None)
    assert pd.read_csv(tmp_path / LATENCY)["batch"].tolist() == [1]


def test_nothing_but_failures_leaves_no_tables(settings, tmp_path):
    bench(settings, tmp_path, work=Work(fails=[1, 8]))
    assert not (tmp_path / LATENCY).exists()


def test_a_folder_that_cannot_be_written_is_named(settings, tmp_path):
    place = tmp_path / "file"
    place.touch()
    with pytest.raises(BenchError, match=r"can't write .*/file: .*; give another folder as --out"):
        run_bench(settings, place, work=Work())


def test_a_process_measures_one_setting(setting, tmp_path):
    assert in_process(tmp_path, setting.model_copy(update={"rounds": 1}))
    assert is_finished(tmp_path, setting.model_copy(update={"rounds": 1}))
    timings = pd.read_csv(tmp_path / TIMINGS)
    assert set(timings["kind"]) == {"measured"}
    assert set(timings["round"]) == {0}
    row = pd.read_csv(tmp_path / LATENCY).set_index("name").loc["eager"]
    assert (row["kind"], row["rival"], row["cores"], row["batch"]) == ("measured", "eager", 1, 2)
    assert len(row["commit"]) == 40 or row["commit"] == "unknown"


def test_a_process_that_fails_says_so_in_one_line(setting, tmp_path, capfd):
    assert not in_process(tmp_path, setting.model_copy(update={"model": "r2d2"}))
    said = capfd.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert said[0].startswith("error: unknown model 'r2d2'")
    assert not (tmp_path / DONE).exists()
