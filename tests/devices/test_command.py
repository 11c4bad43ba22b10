import pandas as pd
import pytest
from typer.testing import CliRunner

from dance_lib import cli
from dance_lib.devices.command import columns_of
from dance_lib.devices.power import LogError


@pytest.fixture
def meter(tmp_path):
    path = tmp_path / "meter.csv"
    path.write_text("time (s),power (W)\n" + "".join(f"{t},4\n" for t in range(11)))
    return path


def run(*arguments):
    return CliRunner().invoke(cli.app, ["energy", *map(str, arguments)])


def test_a_log_is_told_of(meter):
    done = run(meter)
    assert done.exit_code == 0
    assert "meter.csv (csv, times recorded), measured" in done.stdout
    row = next(
        line.split() for line in done.stdout.splitlines() if line.split()[:2] == ["all", "power"]
    )
    assert row == ["all", "power", "11", "4", "4", "10", "40"]


def test_rows_are_written(meter, tmp_path):
    out = tmp_path / "rows.csv"
    assert run(meter, meter, "--from", 2, "--to", 5, "--csv", out).exit_code == 0
    table = pd.read_csv(out)
    assert table["energy_j"].tolist() == [12.0] * 4
    assert set(table["window"]) == {"asked"}


def test_a_log_that_is_refused_does_not_stop_the_others(meter, tmp_path):
    done = run(tmp_path / "absent.txt", meter)
    assert done.exit_code == 1
    assert "refused: " in done.stderr
    assert "absent.txt: No such file" in done.stderr
    assert "meter.csv (csv" in done.stdout


def test_a_log_is_not_written_over(meter):
    before = meter.read_text()
    done = run(meter, "--csv", meter)
    assert "is one of the logs" in str(done.exception)
    assert meter.read_text() == before


def test_declared_columns(tmp_path):
    path = tmp_path / "bare.csv"
    path.write_text("t,a\n" + "".join(f"{t},4000\n" for t in range(11)))
    done = run(path, "--format", "csv", "--column", "time=t:s", "--column", "power=a:mW")
    assert done.exit_code == 0, done.output
    assert " 40" in done.stdout


@pytest.mark.parametrize("text", ["power", "power=P", "power=:mW", "power=P:", "colour=P:mW", ""])
def test_a_column_in_another_form(text):
    with pytest.raises(LogError, match="write ROLE=NAME:UNIT"):
        columns_of([text])


def test_a_name_may_hold_a_colon():
    assert columns_of(["power=P: total:mW"]) == {"power": ("P: total", "mW")}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--from", 1], "needs both --from and --to"),
        (["--from", 1, "--to", 2, "--events", "x.csv"], "leave --from and --to out"),
        (["--csv", "/proc/none/rows.csv"], "there is no folder /proc/none"),
    ],
)
def test_options_that_do_not_go_together(meter, options, reason):
    done = run(meter, *options)
    assert isinstance(done.exception, LogError)
    assert reason in str(done.exception)
