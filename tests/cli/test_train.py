"""`dance train` as a person types it."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from dance_lib import cli
from tests.train.videos import make_videos


def run(*arguments):
    return CliRunner().invoke(cli.app, [str(a) for a in arguments])


def test_help_says_every_option():
    said = CliRunner().invoke(cli.app, ["train", "--help"], terminal_width=200).stdout
    for option in ("--dataset", "--fold", "--test-fraction", "--model", "--weights", "--from",
                   "--frames", "--size", "--axes", "--ava", "--budget", "--parameter", "--seed",
                   "--out", "--cache", "--force"):  # fmt: skip
        assert option in said


def test_every_option_arrives(monkeypatch):
    got = {}
    monkeypatch.setattr("dance_lib.train.command.train", lambda asked, say: got.update(vars(asked)))
    done = run("train", "videos", "--dataset", "csv", "--fold", 2, "--test-fraction", 0.3,
               "--model", "c3d", "--weights", "hub", "--from", "a.safetensors", "--frames", 8,
               "--size", 32, "--axes", "frames,channels", "--ava", "raw", "--budget", 0.4,
               "-p", "lr=1e-3", "-p", "dense_epochs=1", "--seed", 3, "--out", "b.safetensors",
               "--cache", "c", "--force")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert {name: str(value) for name, value in got.items()} == {
        "videos": "videos", "dataset": "csv", "fold": "2", "test_fraction": "0.3", "model": "c3d",
        "weights": "hub", "start": "a.safetensors", "frames": "8", "size": "32",
        "axes": "('frames', 'channels')", "variant": "raw", "budget": "0.4",
        "recipe": "['lr=1e-3', 'dense_epochs=1']", "seed": "3", "out": "b.safetensors",
        "cache": "c", "force": "True",
    }  # fmt: skip


def test_without_options_it_is_the_defaults_of_the_library(monkeypatch):
    from dance_lib.train.command import Asked

    got = []
    monkeypatch.setattr("dance_lib.train.command.train", lambda asked, say: got.append(asked))
    assert run("train").exit_code == 0
    assert vars(got[0]) == vars(Asked()) | {"recipe": []}


def test_a_mistake_is_one_line_and_status_two(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["dance", "train", str(tmp_path), "-p", "epochs=1"])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("error: unknown field of the recipe 'epochs'")


@pytest.mark.slow
def test_quiet_says_nothing_and_writes_the_checkpoint(tmp_path):
    videos = make_videos(tmp_path / "videos", 5, frames=8, size=32)
    out = tmp_path / "net.safetensors"
    short = [f"-p{name}_epochs=1" for name in ("dense", "ava", "controller", "joint")]
    command = [sys.executable, "-m", "dance_lib", "-q", "train", videos, "--frames", "8", "--size",
               "32", *short, "--out", out, "--cache", tmp_path / "cache"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    assert out.is_file()
