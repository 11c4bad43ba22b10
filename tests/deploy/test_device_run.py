"""A bundle goes to a device, runs, and what it measured becomes rows of notebook 18."""

import errno
import json
import os
import sys

import psutil
import pytest
import yaml
from typer.testing import CliRunner

from dance_lib.analysis.energy import devices_table
from dance_lib.cli import app
from dance_lib.deploy.device.read import read_into
from dance_lib.deploy.device.remote import RemoteError
from dance_lib.deploy.device.results import ResultsError
from dance_lib.deploy.device.run import RunRequest, folder_there, run_on_device
from dance_lib.deploy.device.runs_file import RunsFileError, append_runs
from dance_lib.deploy.device.sent_bundle import BundleError, read_sent_bundle
from dance_lib.deploy.device.ssh import Ssh
from dance_lib.devices.runs import read_runs
from tests.deploy.made_bundle import DENSE as LOGITS
from tests.deploy.made_bundle import write_bundle, write_clips, write_hashes
from tests.deploy.made_meters import BUSY_W, IDLE_W, nano, tegrastats
from tests.deploy.sshd import sshd  # noqa: F401

QUICK = ("--seconds=2.2", "--repeats=1", "--idle=2.2", "--threads=1", "--interval=0.05")
FOLDER = 'dance\'s "bundle" $HOME'


@pytest.fixture
def bundle(tmp_path):
    return write_bundle(tmp_path / "bundle")


def run(request, remote):
    """Whether all figures are supported, and what was said."""
    said, complained = [], []
    good = run_on_device(request, remote, said.append, complained.append)
    assert not complained
    return good, said


@pytest.fixture
def there(sshd, tmp_path):  # noqa: F811
    """A folder on the device, in whose results a tegrastats looks for marks."""
    folder = tmp_path / "there" / FOLDER
    program = tegrastats(
        sshd.programs / "tegrastats", tmp_path / "there" / "*" / "results" / "*" / "tegrastats.txt"
    )
    yield folder
    program.unlink()


# ------------------------------------------------------------------ by ssh
@pytest.mark.sshd
def test_a_bundle_runs_under_a_recorded_tegrastats(sshd, there, bundle, tmp_path):  # noqa: F811
    """The board takes 2 W until the first loop begins, and 6 W from then on."""
    out = tmp_path / "device logs"
    request = RunRequest(
        bundle, out, options=(*QUICK, "--logger=tegrastats"), remote_folder=str(there),
        python=sshd.python,
    )  # fmt: skip
    good, said = run(request, sshd.remote())
    assert good
    assert any("files to copy" in line and "0 there already" in line for line in said)
    table = read_runs(out)
    assert table[["device", "network", "rail", "kind", "clock"]].to_numpy().tolist() == [
        ["jetson-nano", network, "total", "measured", "recorded"] for network in ("dense", "pruned")
    ]
    assert table["mean_w"].tolist() == pytest.approx([BUSY_W] * 2, rel=1e-6)
    assert table["idle_w"].tolist() == pytest.approx([IDLE_W] * 2, rel=1e-6)
    for row in table.to_dict("records"):  # joules by hand: watts × seconds / clips
        seconds = row["duration_s"]
        assert row["j_per_clip"] == pytest.approx(BUSY_W * seconds / row["clips"])
        assert row["net_j_per_clip"] == pytest.approx((BUSY_W - IDLE_W) * seconds / row["clips"])
    summary = devices_table(table).set_index("network")
    ratio = summary.loc["dense", "j_per_clip"] / summary.loc["pruned", "j_per_clip"]
    assert summary.loc["pruned", "energy_ratio"] == pytest.approx(ratio)
    # Nothing is left running, and the second run copies nothing but the manifest.
    pids = (sshd.programs / "tegrastats.pids").read_text().split()
    assert not any(psutil.pid_exists(int(pid)) for pid in pids)
    _, said = run(request, sshd.remote())
    assert any("0 files to copy" in line for line in said)
    assert read_runs(out)["run"].tolist() == [0, 0, 1, 1]
    assert len(yaml.safe_load((out / "runs.yml").read_text())["runs"]) == 4


@pytest.mark.sshd
def test_the_command_line(sshd, there, bundle, tmp_path):  # noqa: F811
    remote = sshd.remote()
    arguments = [
        "device", "run", bundle, "--host", remote.host, "--port", remote.port, "--identity",
        remote.identity, "--known-hosts", remote.known_hosts, "--ssh-config", remote.config,
        "--remote-folder", there, "--seconds", 0.01, "--repeats", 1, "--idle", 0, "--logger",
        "none", "--out", tmp_path / "logs", "--form", "dense", "--python", sshd.python,
    ]  # fmt: skip
    result = CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "no power was logged, so runs.yml gets no runs" in result.output
    assert not (tmp_path / "logs" / "runs.yml").exists()


@pytest.mark.sshd
def test_a_runner_that_fails_is_told_in_one_line(sshd, bundle, tmp_path):  # noqa: F811
    write_clips(bundle, logits_dense=LOGITS + 1)
    write_hashes(bundle)
    request = RunRequest(
        bundle, tmp_path / "out", options=(*QUICK, "--logger=none"),
        remote_folder=str(tmp_path / "there"), python=sshd.python,
    )  # fmt: skip
    with pytest.raises(RemoteError, match="the runner stopped: dense: wrong logits of clip 0"):
        run(request, sshd.remote())
    assert not (tmp_path / "out").exists()


@pytest.mark.sshd
def test_a_connection_that_breaks_ends_the_runner_and_keeps_its_loops(
    sshd, there, bundle, tmp_path  # noqa: F811
):  # fmt: skip
    out = tmp_path / "out"
    request = RunRequest(
        bundle, out, remote_folder=str(there), forms=["dense"], python=sshd.python,
        options=("--seconds=0.2", "--repeats=1000", "--idle=0", "--logger=tegrastats",
                 "--interval=0.05"),
    )  # fmt: skip

    def say(line):
        if "dense, 2 of" in line:
            sshd.cut()

    with pytest.raises(RemoteError, match=r"loops were finished and are in .*device read"):
        run_on_device(request, sshd.remote(), say, say)
    (place,) = out.iterdir()
    about = json.loads((place / "run.json").read_text())
    assert (about["complete"], about["ended"]) == (False, True)
    pids = (sshd.programs / "tegrastats.pids").read_text().split()
    assert not any(psutil.pid_exists(int(pid)) for pid in pids)


# ------------------------------------------------------------------ before it goes
def test_what_is_no_bundle(bundle, tmp_path):
    request = RunRequest(tmp_path / "none", tmp_path / "out")
    with pytest.raises(BundleError, match="`dance bundle` makes a bundle"):
        run(request, Ssh("board"))
    (bundle / "networks/dense.onnx").write_bytes(b"other")
    with pytest.raises(BundleError, match=r"dense.onnx: is not the file that was bundled"):
        read_sent_bundle(bundle)
    (bundle / "networks/dense.onnx").unlink()
    with pytest.raises(BundleError, match=r"dense.onnx: No such file"):
        read_sent_bundle(bundle)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a//b", "a\nb", "bundle.json"])
def test_a_bundle_whose_names_lead_outside(bundle, name):
    told = json.loads((bundle / "bundle.json").read_text())
    told["hashes"][name] = "0" * 64
    (bundle / "bundle.json").write_text(json.dumps(told))
    with pytest.raises(BundleError, match="is no file of a bundle"):
        read_sent_bundle(bundle)


def test_a_link_that_leads_outside(bundle, tmp_path):
    outside = tmp_path / "secret.onnx"
    (bundle / "networks/dense.onnx").rename(outside)
    (bundle / "networks/dense.onnx").symlink_to(outside)
    with pytest.raises(BundleError, match="lies outside the bundle"):
        read_sent_bundle(bundle)


def test_which_forms_run(bundle):
    sent = read_sent_bundle(bundle)
    assert sent.choose([]) == ["dense", "codebook"]
    assert sent.choose(["dynamic", "dense", "dynamic"]) == ["dynamic", "dense"]
    with pytest.raises(BundleError, match="two pruned forms would both be `pruned`"):
        sent.choose(["dynamic", "codebook"])
    with pytest.raises(BundleError, match="unknown form 'static'"):
        sent.choose(["static"])
    files = sent.files(["dense"])
    assert "networks/dense.onnx" in files
    assert "networks/stem.onnx" not in files


def test_a_remote_folder_is_never_an_option(bundle):
    sent, remote = read_sent_bundle(bundle), Ssh("board")
    assert folder_there(None, remote, sent) == "dance/tiny"
    assert folder_there("-rf", remote, sent) == "./-rf"
    assert folder_there("~/a b", remote, sent) == "a b"
    for folder in ("", "/", "~/", "a\nb"):
        with pytest.raises(RemoteError, match="name a folder that is the bundle's alone"):
            folder_there(folder, remote, sent)


# ------------------------------------------------------------------ results carried home
@pytest.fixture
def results(bundle, tmp_path):
    """What run.py leaves on a board whose rails never change: 5 W."""
    import subprocess

    out = tmp_path / "carried home"
    subprocess.run(
        [sys.executable, bundle / "run.py", "--seconds", "0.3", "--repeats", "1", "--idle", "0",
         "--logger", "ina", "--sysfs", nano(tmp_path / "sys"), "--interval", "0.02", "--out", out],
        check=True, capture_output=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return out


def test_results_are_read_once(results, tmp_path):
    said, complained = [], []
    out = tmp_path / "logs"
    assert read_into(results, out, said.append, complained.append)
    assert not complained
    table = read_runs(out)
    expected = (5 * table["duration_s"] / table["clips"]).tolist()
    assert table["j_per_clip"].tolist() == pytest.approx(expected)
    listed = yaml.safe_load((out / "runs.yml").read_text())["runs"]
    assert [run["window"] for run in listed] == ["dense-0", "codebook-0"]
    assert [run["network"] for run in listed] == ["dense", "pruned"]
    with pytest.raises(ResultsError):
        read_into(results, out, said.append, complained.append)
    assert yaml.safe_load((out / "runs.yml").read_text())["runs"] == listed


@pytest.mark.parametrize("fails", ["shutil.copyfile", "dance_lib.deploy.device.read.append_runs"])
def test_results_that_could_not_be_taken_can_be_read_again(fails, results, tmp_path, monkeypatch):
    """The disk is full while they are copied, or after it."""
    out = tmp_path / "logs"

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(out))

    with monkeypatch.context() as patched:
        patched.setattr(fails, full)
        with pytest.raises((ResultsError, OSError), match="No space left"):
            read_into(results, out, print, print)
    call = ["device", "read", str(results), "--out", str(out), "--device", "my board"]
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 0, done.output
    assert set(read_runs(out)["device"]) == {"my board"}


def test_a_folder_without_results(tmp_path):
    with pytest.raises(ResultsError, match=r"no results of run\.py"):
        read_into(tmp_path, tmp_path / "out", print, print)
    assert not (tmp_path / "out").exists()


# ------------------------------------------------------------------ runs.yml
NEW = {"log": "new/power.csv", "device": "yes", "network": "pruned", "clips": 3, "window": "a: b"}


@pytest.mark.parametrize(
    "old",
    [
        "",
        "runs:\n- {log: a.txt, device: d, network: dense, clips: 1}  # mine\n",
        "# by hand\nruns:\n    -   log: a.txt\n        device: d\n        network: dense\n"
        "        clips: 1\n",
    ],
)
def test_runs_are_added_at_the_end_and_nothing_else_changes(tmp_path, old):
    file = tmp_path / "runs.yml"
    if old:
        file.write_text(old)
    before = yaml.safe_load(old)["runs"] if old else []
    append_runs(tmp_path, [NEW])
    text = file.read_text()
    assert text.startswith(old.rstrip("\n"))
    assert yaml.safe_load(text)["runs"] == [*before, NEW]
    with pytest.raises(RunsFileError, match="it is one run"):
        append_runs(tmp_path, [NEW])
    assert file.read_text() == text


@pytest.mark.parametrize("old", ["runs: 3", "runs: [", "other: 1\n", "runs: [{log: a}]\n"])
def test_a_file_with_a_mistake_is_left_alone(tmp_path, old):
    (tmp_path / "runs.yml").write_text(old)
    with pytest.raises(RunsFileError, match=r"runs\.yml"):
        append_runs(tmp_path, [NEW])
    assert (tmp_path / "runs.yml").read_text() == old
