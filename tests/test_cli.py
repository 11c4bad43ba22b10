import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from dance_lib import cli
from dance_lib.cli.loudness import loudness
from dance_lib.errors import DanceError

ROOT = Path(__file__).parents[1]
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


def commands_below(command, name="dance"):
    """Every command of the program, with its words."""
    yield name, command
    for word, inner in getattr(command, "commands", {}).items():
        yield from commands_below(inner, f"{name} {word}")


def test_every_command_and_every_option_says_what_it_does():
    said = CliRunner().invoke(cli.app, ["--help"]).stdout
    every = dict(commands_below(get_command(cli.app)))
    assert {"dance reproduce", "dance bench", "dance device read"} < set(every)
    assert all(f" {name.split()[1]} " in said for name in every if " " in name)
    for name, command in every.items():
        assert command.help, name
        for option in command.params:
            assert option.help, (name, option.name)


@pytest.fixture
def asked(monkeypatch):
    """What a bench is asked for, which then fails of its first setting, but for energy."""
    asked = {}

    def stands_in(settings, out, *, task, force, say):
        asked.update(names=[s.name for s in settings], out=out, force=force, task=task)
        asked["rounds"] = {s.rounds for s in settings}
        return settings[:1] if task == "latency" else []

    monkeypatch.setattr("dance_lib.bench.run.run_bench", stands_in)
    return asked


def test_bench_takes_lists_and_ends_with_a_failure(asked, tmp_path):
    arguments = ["-q", "bench", "--model", "s3d", "--model", "c3d", "--precision", "float32",
                 "--threads", "all", "--batch", "2", "--out", str(tmp_path), "--force"]  # fmt: skip
    done = CliRunner().invoke(cli.app, arguments)
    assert done.exit_code == 1
    assert asked == {
        "names": [f"{model}.16x112x112.float32.all.batch2" for model in ("s3d", "c3d")],
        "out": tmp_path,
        "force": True,
        "task": "latency",
        "rounds": {15},
    }


def test_bench_of_energy_is_of_one_setting_unless_more_are_asked_for(asked, tmp_path):
    words = ["-q", "bench", "--energy", "--model", "s3d", "--out", str(tmp_path)]
    assert CliRunner().invoke(cli.app, words).exit_code == 0
    assert asked == {
        "names": ["s3d.16x112x112.float32.one.batch1"],
        "out": tmp_path,
        "force": False,
        "task": "energy",
        "rounds": {3},
    }
    assert CliRunner().invoke(cli.app, [*words, "--rounds", "1"]).exit_code == 0
    assert asked["rounds"] == {1}


def test_bench_on_a_gpu_that_is_not_there_says_so_at_once(monkeypatch, tmp_path):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    done = CliRunner().invoke(cli.app, ["bench", "--device", "cuda", "--out", str(tmp_path / "b")])
    assert done.exit_code == 1
    assert "no CUDA device here; give --device cpu" in str(done.exception)
    assert not (tmp_path / "b").exists()


def test_bench_names_what_it_does_not_know():
    done = CliRunner().invoke(cli.app, ["bench", "--engines", "tensorrt"])
    assert isinstance(done.exception, DanceError)
    assert str(done.exception).startswith("unknown engine 'tensorrt'; known: eager, compile")


def completed(*words):
    """What a shell is offered after these words."""
    done = subprocess.run(
        [Path(sys.executable).with_name("dance")],
        env={
            **os.environ,
            "_DANCE_COMPLETE": "complete_bash",
            "COMP_WORDS": " ".join(["dance", *words]),
            "COMP_CWORD": str(len(words)),
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_a_shell_completes_commands_and_what_the_study_has():
    assert completed("repr") == ["reproduce"]
    assert completed("reproduce", "--profile", "sm") == ["smoke"]
    assert completed("reproduce", "--only", "99") == ["99_claims"]


def test_quiet_silences_bars_of_children_too_and_verbose_tells_what_is_done(capsys):
    logger = logging.getLogger("dance_lib.anything")
    for quiet, verbose, heard in ((True, False, ["e"]), (False, False, ["w", "e"]),
                                  (False, True, ["i", "w", "e"])):  # fmt: skip
        before = os.environ.get("TQDM_DISABLE")
        with loudness(quiet, verbose):
            assert os.environ.get("TQDM_DISABLE") == ("1" if quiet else before)
            logger.info("i")
            logger.warning("w")
            logger.error("e")
        assert os.environ.get("TQDM_DISABLE") == before
        said = capsys.readouterr()
        assert said.out == ""
        assert [line[-1] for line in said.err.splitlines()] == heard


def test_without_extras_it_says_what_is_missing():
    """The library alone has no typer."""
    hidden = "import sys; sys.modules['typer'] = None; import dance_lib.__main__ as m; m.main()"
    done = subprocess.run(
        [sys.executable, "-c", hidden], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        "error: the command line needs an extra: pip install 'dance-lib[study]'\n"
    )


def test_a_missing_package_comes_with_the_extra_that_brings_it(monkeypatch, capsys):
    for module, extra in (("onnx", "deploy"), ("sklearn", "study"), ("sphinx.cmd", "site")):
        with pytest.raises(SystemExit) as end:
            run_main(monkeypatch, ModuleNotFoundError("gone", name=module))
        assert end.value.code == 2
        assert f"pip install 'dance-lib[{extra}]'" in capsys.readouterr().err
    with pytest.raises(ModuleNotFoundError):
        run_main(monkeypatch, ModuleNotFoundError("gone", name="of_ours"))


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
