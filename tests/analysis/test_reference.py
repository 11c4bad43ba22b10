"""The committed tables: every row has its kind, and a run that says how it was made."""

import re
from pathlib import Path

import pandas as pd
import pytest

from dance_lib.analysis.claims import judge, load_claims
from dance_lib.bench import speed_targets
from dance_lib.study import KINDS

ROOT = Path(__file__).parents[2] / "results"
SETS = sorted({path.parents[1] for path in (ROOT / "reference").glob("*/runs/*.csv")})
TABLES = [(folder, table) for folder in SETS for table in sorted(folder.glob("tables/*/*.csv*"))]
JUDGED = [folder for folder in SETS if (folder / "tables" / "99_claims").is_dir()]
BENCH = sorted((ROOT / "reference" / "bench").glob("*.csv"))
LARGEST = 1_000_000  # bytes of one file: what is larger does not belong into git
VALUES = re.compile(r"\.(\w+)=([^=]+?)(?=\.\w+=|\.csv)")


def read(path):
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def runs_of(folder):
    return pd.concat([read(path) for path in sorted(folder.glob("runs/*.csv"))], ignore_index=True)


def gather(folder, notebook, table):
    """A table of all its runs, with the values in the files' names as columns."""
    parts = [
        read(path).assign(**dict(VALUES.findall(path.name)))
        for path in sorted((folder / "tables" / notebook).glob(f"{table}.*"))
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def computes(runs):
    """Which runs are of notebooks that compute, and do not only draw."""
    return runs["notebook"] < "10"


@pytest.mark.parametrize("folder", SETS, ids=lambda p: p.name)
def test_every_row_has_kind_and_run(folder):
    known = set(runs_of(folder)["run_id"])
    for path in (table for of, table in TABLES if of == folder):
        table = read(path)
        assert set(table["kind"]) <= set(KINDS), path
        assert set(table["run_id"]) <= known, path
        assert path.stat().st_size < LARGEST, path


@pytest.mark.parametrize("folder", SETS, ids=lambda p: p.name)
def test_runs_name_commit_device_and_versions(folder):
    runs = runs_of(folder)
    # Something untracked lay in the clone of these (README.md there): git took it for a change.
    untracked = (folder.name in ("medium", "avx2")) & computes(runs)
    untracked |= runs["notebook"] == "05_codebook"
    assert not runs.loc[~untracked, "dirty"].any()
    assert runs["commit"].str.fullmatch("[0-9a-f]{40}").all()
    assert runs[["device", "threads", "torch"]].notna().all(axis=None)
    # What draws need not load torch, which knows the registers.
    assert runs.loc[computes(runs), "instruction_set"].notna().all()


@pytest.mark.parametrize("folder", JUDGED, ids=lambda p: p.name)
def test_verdicts_follow_from_the_committed_tables(folder):
    tables = {
        "dense": gather(folder, "01_dense", "clips"),
        "variability": gather(folder, "02_ava", "variability"),
        "arms": gather(folder, "03_aap", "clips"),
        "branches": gather(folder, "03_aap", "branches"),
        "shares": gather(folder, "03_aap", "shares"),
        "rivals": gather(folder, "04_rivals", "clips"),
    }
    written = read(folder / "tables" / "99_claims" / "verdicts.csv").set_index("id")
    seeds = tables["dense"]["seed"].nunique()
    again = judge(load_claims(ROOT / "paper" / "claims.yaml"), tables, seeds).set_index("id")
    assert written["verdict"].to_dict() == again["verdict"].to_dict()
    for column in ("low", "estimate", "high", "p_holm"):
        pd.testing.assert_series_equal(written[column], again[column], rtol=1e-9)


@pytest.mark.parametrize("path", BENCH, ids=lambda p: p.stem)
def test_rows_of_the_bench_have_kind_and_origin(path):
    table = read(path)
    kinds = {"measured", "estimated" if path.stem == "energy" else "not tested"}
    assert set(table["kind"]) <= kinds
    measured = table[table["kind"] != "not tested"]
    assert measured["commit"].str.fullmatch("[0-9a-f]{40}").all()
    assert measured[["device", "date", "dirty"]].notna().all(axis=None)


@pytest.mark.skipif(not BENCH, reason="no tables of the bench are committed")
def test_verdicts_on_speed_follow_from_the_committed_times():
    folder = ROOT / "reference" / "bench"
    again = speed_targets.judge(read(folder / "latency.csv"))
    assert read(folder / "targets.csv")["verdict"].tolist() == again["verdict"].tolist()


def shown(row):
    """A line of the README's table of networks."""

    def points(*values):
        return "{:+.1f} [{:+.1f}, {:+.1f}]".format(*(100 * row[v] for v in values))

    of_clips = "{:.1f} [{:.1f}, {:.1f}]".format(
        *(100 * row[c] for c in ("accuracy", "low", "high"))
    )
    given = row.notna()
    cells = [
        row["name"] + (" (off budget)" if row["on_budget"] is False else ""),
        f"{row['seeds']:.0f}",
        of_clips,
        points("against_dense", "against_low", "against_high") if given["against_dense"] else "",
        f"{row['mac_ratio']:.3f}",
        f"{row['byte_ratio']:.3f}" if given["byte_ratio"] else "",
        f"{row['R_5']:.2f} to {row['R_95']:.2f}" if given["R_5"] else "",
        f"{100 * row['shuffled_loss']:.1f} points" if given["shuffled_loss"] else "",
    ]
    return f"| {' | '.join(cells)} |"


def test_the_readme_shows_the_reference_run():
    """All networks and claims of the abstract; a failure prints the lines that have to be there."""
    tables = ROOT / "reference" / "full" / "tables"
    networks = read(tables / "10_table_accuracy_macs" / "table.csv")
    networks = networks[networks["group"].isin(["reference", "arm", "rival"])]
    claims = read(tables / "99_claims" / "verdicts.csv")
    claims = claims[claims["of"] == "abstract"]
    over = claims["note"].where(claims["verdict"] != "not tested", "")
    claims = claims.assign(over=over)[["claim", "ours", "bound", "verdict", "over"]]
    readme = (ROOT.parent / "README.md").read_text(encoding="utf-8")
    for lines in (
        "\n".join(shown(row) for _, row in networks.iterrows()),
        "\n".join(f"| {' | '.join(row)} |" for row in claims.itertuples(index=False)),
    ):
        assert f" |\n{lines}\n\n" in readme, lines
