import subprocess
import sys

import pytest
from typer.testing import CliRunner

from dance_lib import cli
from dance_lib.errors import DanceError

QUICK = """
import sys
from dance_lib.cli import app
slow = {"torch", "pandas", "snakemake", "papermill", "matplotlib"} & set(sys.modules)
assert not slow, f"`dance --help` waits for {slow}"
"""


def test_the_command_line_loads_nothing_slow():
    subprocess.run([sys.executable, "-c", QUICK], check=True)


def test_python_m_is_the_same_command():
    command = [sys.executable, "-m", "dance_lib", "--version"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said == "dance 0.1.0\n"


def test_help_lists_the_commands_and_every_option_says_what_it_does():
    said = CliRunner().invoke(cli.app, ["--help"]).stdout
    assert "reproduce" in said
    assert "bench" in said
    said = CliRunner().invoke(cli.app, ["reproduce", "--help"], terminal_width=200).stdout
    for option in ("--profile", "--parameter", "--only", "--name", "--cores", "--dry-run"):
        assert option in said


def test_bench_says_what_each_option_does():
    said = CliRunner().invoke(cli.app, ["bench", "--help"], terminal_width=200).stdout
    for option in ("--model", "--clip-shape", "--precision", "--threads", "--batch", "--engines",
                   "--rounds", "--checkpoint", "--out", "--quick", "--force"):  # fmt: skip
        assert option in said


def test_bench_takes_lists_and_ends_with_a_failure(monkeypatch, tmp_path):
    asked = {}

    def stands_in(settings, out, *, task, force, quiet, say):
        asked.update(names=[s.name for s in settings], out=out, force=force, quiet=quiet, task=task)
        return settings[:1]

    monkeypatch.setattr("dance_lib.bench.run.run_bench", stands_in)
    arguments = ["-q", "bench", "--model", "s3d", "--model", "c3d", "--precision", "float32",
                 "--threads", "all", "--batch", "2", "--out", str(tmp_path), "--force"]  # fmt: skip
    done = CliRunner().invoke(cli.app, arguments)
    assert done.exit_code == 1
    assert asked == {
        "names": [f"{model}.16x112x112.float32.all.batch2" for model in ("s3d", "c3d")],
        "out": tmp_path,
        "force": True,
        "quiet": True,
        "task": "latency",
    }


def test_bench_names_what_it_does_not_know():
    done = CliRunner().invoke(cli.app, ["bench", "--engines", "tensorrt"])
    assert isinstance(done.exception, DanceError)
    assert str(done.exception).startswith("unknown engine 'tensorrt'; known: eager, compile")


def run_main(monkeypatch, error, *arguments):
    def fail():
        raise error

    monkeypatch.setattr(cli, "app", fail)
    monkeypatch.setattr(sys, "argv", ["dance", *arguments])
    cli.main()


def test_a_mistake_is_one_line_and_status_two(monkeypatch, capsys):
    with pytest.raises(SystemExit) as end:
        run_main(monkeypatch, DanceError("no such profile"))
    assert end.value.code == 2
    assert capsys.readouterr().err == "error: no such profile\n"


def test_verbose_shows_where_it_came_from(monkeypatch):
    with pytest.raises(DanceError):
        run_main(monkeypatch, DanceError("no such profile"), "-v")


def test_a_fault_of_ours_is_not_hidden(monkeypatch):
    with pytest.raises(ZeroDivisionError):
        run_main(monkeypatch, ZeroDivisionError())
