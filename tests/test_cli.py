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
    said = CliRunner().invoke(cli.app, ["reproduce", "--help"], terminal_width=200).stdout
    for option in ("--profile", "--parameter", "--only", "--name", "--cores", "--dry-run"):
        assert option in said


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
