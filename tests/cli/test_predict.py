"""`dance predict` as a person runs it."""

import os
import pty
import subprocess
import sys
import termios

import pytest
from typer.testing import CliRunner

from dance_lib import cli
from tests.explain.made import checkpoint, video


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return str(checkpoint(tmp_path_factory.mktemp("checkpoint")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for name in ("a.mp4", "b.mp4"):
        video(folder / name)
    (folder / "c.mp4").write_text("no video")
    return folder


def run(*arguments):
    return CliRunner().invoke(cli.app, [str(a) for a in arguments])


def test_help_says_every_option():
    said = CliRunner().invoke(cli.app, ["predict", "--help"], terminal_width=200).stdout
    for option in ("--top", "--clips", "--explain", "--csv", "--rounds"):
        assert option in said


def test_every_option_arrives(monkeypatch, tmp_path):
    got = {}

    def stands_in(asked, say, complain):
        got.update(vars(asked))

    monkeypatch.setattr("dance_lib.explain.command.predict", stands_in)
    done = run("-q", "predict", "net.safetensors", "a.mp4", "b", "--top", 3, "--clips", 2,
               "--explain", "out", "--csv", "rows.csv", "--rounds", 7)  # fmt: skip
    assert done.exit_code == 0, done.output
    assert {name: str(value) for name, value in got.items() if name != "videos"} == {
        "checkpoint": "net.safetensors", "top": "3", "clips": "2", "explain": "out",
        "csv": "rows.csv", "rounds": "7",
    }  # fmt: skip
    assert [str(path) for path in got["videos"]] == ["a.mp4", "b"]


def test_words_go_to_stdout_and_what_is_skipped_to_stderr(saved, folder, tmp_path):
    csv = tmp_path / "rows.csv"
    done = run("predict", saved, folder, "--rounds", 0, "--csv", csv)
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-2:] == ["2 videos, 1 skipped", f"rows in {csv}"]
    assert done.stderr.startswith(f"skipped: {folder / 'c.mp4'}: does not open as a video")
    assert done.stderr.count("\n") == 1  # no bar outside a terminal


def test_quiet_says_nothing_but_errors_and_writes_the_table(saved, folder, tmp_path):
    csv = tmp_path / "rows.csv"
    done = run("-q", "predict", saved, folder / "a.mp4", "--rounds", 0, "--csv", csv)
    assert (done.exit_code, done.output) == (0, "")
    assert csv.read_text().count("\n") == 2


def test_a_mistake_is_one_line_and_status_two(saved, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["dance", "predict", saved, "nope.mp4"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert capsys.readouterr().err == "error: nope.mp4: no such file or folder\n"


def in_a_terminal(*arguments):
    """stdout, and what a terminal got by stderr."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    command = [sys.executable, "-m", "dance_lib", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, text=True, check=True)
    os.close(theirs)
    shown = b""
    try:
        while more := os.read(ours, 1 << 16):
            shown += more
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    return done.stdout, shown.decode()


@pytest.mark.slow
def test_a_terminal_gets_a_bar_that_leaves_the_words_alone(saved, folder):
    stdout, shown = in_a_terminal("predict", saved, folder, "--rounds", 0)
    assert "0/3" in shown
    assert "\nskipped: " in shown.replace("\r", "\n")  # on a line of its own
    assert stdout.endswith("2 videos, 1 skipped\n")
    assert "\r" not in stdout


@pytest.mark.slow
def test_quiet_has_no_bar(saved, folder):
    stdout, shown = in_a_terminal("-q", "predict", saved, folder, "--rounds", 1)
    assert stdout == ""
    assert shown.strip().startswith("skipped: ")
    assert "/3" not in shown
