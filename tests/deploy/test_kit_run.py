"""run.py on this machine: what it checks, what it writes, and how it ends."""

import csv
import json
import signal
import subprocess
import sys
from datetime import datetime

import numpy as np
import psutil
import pytest

from dance_lib.devices.events import read_events
from dance_lib.devices.read import read_log
from tests.deploy.made_bundle import DENSE, KIT, classifier, write_bundle, write_clips, write_hashes
from tests.deploy.made_meters import nano

QUICK = ("--seconds", "0.01", "--repeats", "1", "--idle", "0", "--threads", "1")


@pytest.fixture
def bundle(tmp_path):
    return write_bundle(tmp_path / "a bundle")


def call(bundle, *arguments):
    command = [sys.executable, bundle / "run.py", *QUICK, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=bundle.parent
    )


def refused(bundle, *arguments):
    done = call(bundle, "--logger", "none", *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    *_, line = done.stderr.strip().split("\n")
    assert line.startswith("run.py: error: ")
    return line


def table(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_the_kit_keeps_to_python_3_6():
    done = subprocess.run(
        [sys.executable, "-c", "import vermin; vermin.main()", "-t=3.6-", "--no-tips",
         *sorted(KIT.glob("*.py")), KIT.parent / "device" / "far_side.py"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


# ------------------------------------------------------------------ what it writes
def test_forms_are_checked_and_timed_in_turns(bundle, tmp_path):
    out = tmp_path / "out"
    done = call(bundle, "--logger", "none", "--repeats", 2, "--idle", 0.02, "--out", out,
                "--form", "dense", "--form", "codebook")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "codebook: all logits right" in done.stdout
    rows = table(out / "latency.csv")
    assert [row["window"] for row in rows] == ["dense-0", "codebook-0", "codebook-1", "dense-1"]
    for row in rows:
        assert int(row["clips"]) % 3 == 0  # whole rounds of the three clips
        assert float(row["seconds"]) >= 0.01
        assert float(row["p5_ms"]) <= float(row["median_ms"]) <= float(row["p95_ms"])
        assert float(row["load_s"]) > 0
    assert [row["ideal_mac_ratio"] for row in rows] == ["1.0", "0.5", "0.5", "1.0"]
    windows = table(out / "windows.csv")
    assert [w["name"] for w in windows] == [
        "idle",
        "dense-0",
        "codebook-0",
        "codebook-1",
        "dense-1",
    ]
    moments = [datetime.fromisoformat(w[end]) for w in windows for end in ("start", "end")]
    assert moments == sorted(moments)
    about = json.loads((out / "run.json").read_text())
    assert about["complete"] is about["ended"] is True
    assert about["forms"] == ["dense", "codebook"]
    assert about["versions"]["numpy"] == np.__version__


def test_dense_and_the_codebook_run_where_nothing_is_asked(bundle, tmp_path):
    assert call(bundle, "--logger", "none", "--out", tmp_path / "out").returncode == 0
    rows = table(tmp_path / "out" / "latency.csv")
    assert [row["form"] for row in rows] == ["dense", "codebook"]


def test_the_power_log_and_its_windows_fit(bundle, tmp_path):
    out = tmp_path / "out"
    done = call(bundle, "--logger", "ina", "--sysfs", nano(tmp_path / "sys"), "--interval", 0.01,
                "--out", out, "--idle", 0.05, "--form", "dense")  # fmt: skip
    assert done.returncode == 0, done.stderr
    log = read_log(out / "power.csv")
    windows = read_events(out / "windows.csv", log)
    assert [w.name for w in windows] == ["idle", "dense-0"]
    about = json.loads((out / "run.json").read_text())
    assert (about["logger"], about["log"], about["log_format"]) == ("ina", "power.csv", "csv")


# ------------------------------------------------------------------ what it refuses
def test_wrong_logits_end_it(bundle):
    wrong = DENSE.copy()
    wrong[1, 2] *= 1.01
    write_clips(bundle, logits_dense=wrong)
    write_hashes(bundle)
    assert "dense: wrong logits of clip 1" in refused(bundle)


def test_logits_that_are_no_numbers_are_wrong(bundle):
    classifier(bundle / "networks/dense.onnx", "clip", np.full((3, 4), np.nan, np.float32))
    write_hashes(bundle)
    assert "dense: wrong logits of clip 0" in refused(bundle)


def test_a_network_that_can_not_run_is_named(bundle):
    classifier(bundle / "networks/dense.onnx", "another", np.ones((3, 4), np.float32))
    write_hashes(bundle)
    assert "dense: ONNX Runtime can't run it: " in refused(bundle)


def test_a_file_that_was_changed_or_is_missing_is_named(bundle):
    network = bundle / "networks/dense.onnx"
    network.write_bytes(network.read_bytes() + b" ")
    assert "networks/dense.onnx: was changed or cut short" in refused(bundle)
    network.unlink()
    assert "networks/dense.onnx: No such file or directory" in refused(bundle)


def test_a_changed_network_of_another_form_does_not_matter(bundle):
    (bundle / "networks/dynamic.onnx").unlink()
    assert call(bundle, "--logger", "none").returncode == 0
    assert "networks/dynamic.onnx" in refused(bundle, "--form", "dynamic", "--out", "other")


@pytest.mark.parametrize("name", ["../dense.onnx", "/etc/passwd", "networks//dense.onnx", "a\nb"])
def test_names_that_lead_outside_are_refused(bundle, name):
    forms = {"dense": {"networks": [name], "ideal_mac_ratio": 1.0}}
    write_hashes(bundle, forms=forms)
    assert "is no file of a bundle" in refused(bundle)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1, "forms": [], "hashes": {}}'])
def test_a_manifest_that_is_none(bundle, text):
    (bundle / "bundle.json").write_text(text)
    assert "copy the bundle again" in refused(bundle)


def test_mistakes_at_the_keyboard(bundle, tmp_path):
    assert "no form 'static' in this bundle; there are: codebook, dense, dynamic" in refused(
        bundle, "--form", "static"
    )
    assert "no provider Quantum here; there are:" in refused(bundle, "--provider", "Quantum")
    (tmp_path / "file").write_text("")
    assert "choose a folder you may write to" in refused(bundle, "--out", tmp_path / "file" / "x")
    assert call(bundle, "--logger", "none", "--out", tmp_path / "out").returncode == 0
    assert "has the results of a run" in refused(bundle, "--out", tmp_path / "out")
    done = call(bundle, "--logger", "ina", "--sysfs", tmp_path, "--out", tmp_path / "two")
    assert done.returncode == 2
    assert "no INA3221 power monitor" in done.stderr


# ------------------------------------------------------------------ how it ends
def test_an_interruption_ends_the_logger_and_keeps_what_was_measured(bundle, tmp_path):
    out = tmp_path / "out"
    command = [sys.executable, "-u", bundle / "run.py", "--seconds", "0.01", "--repeats", "100000",
               "--idle", "0", "--logger", "ina", "--sysfs", nano(tmp_path / "sys"), "--form",
               "dense", "--out", out]  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    ) as runner:
        for line in runner.stdout:
            if line.startswith("dense, 2 of"):
                break
        loggers = psutil.Process(runner.pid).children(recursive=True)
        assert loggers
        runner.send_signal(signal.SIGINT)
        runner.communicate()
    assert runner.returncode == 130
    assert not psutil.wait_procs(loggers, timeout=10)[1]
    about = json.loads((out / "run.json").read_text())
    assert (about["complete"], about["ended"]) == (False, True)
    assert len(table(out / "latency.csv")) >= 2


def test_it_ends_when_nobody_listens_any_more(bundle, tmp_path):
    command = [sys.executable, "-u", bundle / "run.py", "--seconds", "0.01", "--repeats", "100000",
               "--idle", "0", "--logger", "none", "--end-with-input",
               "--out", tmp_path / "out"]  # fmt: skip
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as runner:
        for line in runner.stdout:
            if line.startswith("dense, 1 of"):
                break
        runner.stdin.close()
        runner.stdout.read()
        assert runner.wait(60) == 130
