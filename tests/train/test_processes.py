"""Two processes that train together end where one ends; a network goes to a GPU and comes back."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from dance_lib import load
from dance_lib.errors import DanceError
from dance_lib.train.processes import Processes, here
from tests.train import shared_run
from tests.train.small import same
from tests.train.videos import make_videos

ROOT = Path(__file__).parents[2]
EVALUATED = ("dense", "pruned", "ratios", "chosen", "one plan", "few")
TOLERANCE = 1e-6


def in_two(*command, cwd=ROOT):
    """Run it in two processes on the CPU, by torch's own launcher; warnings are errors."""
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    own = {"PYTHONPATH": paths, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1",
           "TQDM_DISABLE": "1", "PYTHONWARNINGS": "error,ignore:This DataLoader"}  # fmt: skip
    done = subprocess.run(
        [sys.executable, *launcher, *map(str, command)],
        env=os.environ | own, cwd=cwd, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What both processes found, and the folder where one of them kept its progress."""
    folder = tmp_path_factory.mktemp("two")
    in_two(Path(shared_run.__file__), folder)
    return [torch.load(folder / f"process{k}.pt") for k in range(2)], folder


@pytest.fixture(scope="module")
def one():
    return {}


def alone(one, variant):
    if variant not in one:
        one[variant] = shared_run.trained(variant)
    return one[variant]


def agree(found, expected, tolerance=TOLERANCE):
    for name in EVALUATED:
        torch.testing.assert_close(found[name], expected[name], rtol=tolerance, atol=tolerance)
    assert len(found["history"]) == len(expected["history"]) == 5
    for row, other in zip(found["history"], expected["history"], strict=True):
        assert row["stage"] == other["stage"]
        assert numbers(row) == pytest.approx(numbers(other), rel=tolerance, abs=tolerance)


def numbers(row):
    return {name: value for name, value in row.items() if name != "stage"}


# ------------------------------------------------------------------ one after the other
@pytest.mark.slow
@pytest.mark.parametrize("variant", shared_run.VARIANTS)
def test_two_processes_end_with_the_evaluation_of_one(two, one, variant):
    """Dense, AVA, controller, joint, norms and calibration, over batches of 21, 21 and 1."""
    (first, second), _ = two
    agree(first[variant], alone(one, variant))
    assert same(first[variant]["state"], second[variant]["state"])
    agree(second[variant], first[variant], 0.0)


@pytest.mark.slow
def test_clips_are_read_once_and_changed_as_in_one_process(two):
    (first, second), _ = two
    seen = []
    whole = shared_run.clips_read()
    for (rows, clips), (_, own), (_, other) in zip(
        whole, first["read"], second["read"], strict=True
    ):
        seen += rows.tolist()
        if len(rows) == 1:  # too few to share
            assert torch.equal(own, clips)
            assert torch.equal(other, clips)
        else:
            assert abs(len(own) - len(other)) == 1
            assert torch.equal(torch.cat([own, other]), clips)
    assert sorted(seen) == list(range(shared_run.CLIPS))


@pytest.mark.slow
@pytest.mark.parametrize("lost", [(), ("joint",), ("controller", "joint")], ids=str)
def test_one_process_goes_on_from_what_two_kept(two, one, rates_used, tmp_path, lost):
    _, folder = two
    for file in folder.glob("cv.*"):
        if file.suffix.removeprefix(".") not in lost:
            (tmp_path / file.name).write_bytes(file.read_bytes())
    expected = alone(one, "cv")
    rates_used.clear()  # of that run, where it was the first to ask
    agree(shared_run.trained("cv", tmp_path / "cv"), expected)
    assert len(rates_used) == 3 * len(lost)  # three steps an epoch, an epoch a stage


@pytest.mark.slow
def test_dance_train_speaks_once_and_writes_one_checkpoint(tmp_path):
    make_videos(tmp_path / "videos" / "train", 4, frames=8, size=32)
    make_videos(tmp_path / "videos" / "test", 2, frames=8, size=32, seed=1)
    epochs = (f"-p{name}_epochs=1" for name in ("dense", "ava", "controller", "joint"))
    done = in_two("-m", "dance_lib", "train", "videos", "--frames", 8, "--size", 32, "--budget",
                  0.6, *epochs, cwd=tmp_path)  # fmt: skip
    lines = done.stdout.splitlines()
    for start in ("clips:", "epochs:", "dense:", "net.safetensors is written"):
        assert sum(line.startswith(start) for line in lines) == 1, done.stdout
    assert load(tmp_path / "net.safetensors").clip_shape == (3, 8, 32, 32)
    assert {p.name for p in tmp_path.iterdir()} == {"videos", "data", "net.safetensors"}


# ------------------------------------------------------------------ alone
def test_a_process_that_nobody_launched_is_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.delenv("ACCELERATE_USE_CPU", raising=False)
    monkeypatch.setitem(sys.modules, "accelerate", None)  # and needs no other package
    processes = here()
    assert (processes.place, processes.device.type) == ((0, 1), "cpu")
    assert processes.is_main
    assert processes.bar == {}
    assert processes.told(lambda: 3) == 3
    assert processes.joined("own", 100) == ["own"]


def test_one_of_several_needs_accelerate(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(ModuleNotFoundError, match="accelerate"):
        here()


def test_float16_is_refused():
    with pytest.raises(DanceError, match="launch with --mixed_precision bf16 or no"):
        Processes(SimpleNamespace(mixed_precision="fp16"))


def test_a_network_that_its_owner_put_elsewhere_stays_there(net):
    net.to("meta")
    with here().at_work(net) as device:
        assert device.type == "meta"
    assert net.mean.device.type == "meta"


@pytest.mark.gpu
def test_training_on_a_gpu_ends_near_that_on_the_cpu(monkeypatch):
    """And leaves the network where it was, fit to be trained again."""
    assert here().device.type == "cuda"
    found = shared_run.trained("cv")
    assert all(tensor.device.type == "cpu" for tensor in found["state"].values())
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    here.cache_clear()
    agree(found, shared_run.trained("cv"), 1e-4)
