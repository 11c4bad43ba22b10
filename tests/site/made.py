"""A study of three notebooks and what a batch left of it, written by hand; nothing is executed."""

import base64
import json
import struct
import zlib
from pathlib import Path

import nbformat
import pandas as pd
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

HOSTILE = (
    '<img src="https://example.org/x.png" onerror="alert(1)"></td></table><script>bad()</script>'
)
MANIFEST = """
report: 99_claims
notebooks:
  03_aap:
    title: Train
    fan_out: [seed, arm]
    products: [tables/03_aap/clips.csv]
    minutes: {small: 1}
  11_fig_tradeoff:
    title: Plans against small networks
    needs: [03_aap]
    minutes: {small: 1}
  99_claims:
    title: The claims
    needs: [03_aap]
    products: [tables/99_claims/verdicts.csv]
    minutes: {small: 1}
"""
MATRIX = """
arms:
  aap: {title: AAP, question: which}
  frames: {title: frames alone, question: which}
"""
PROFILE = """
description: a few seconds
parameters: {seed: [0, 1], arm: [aap]}
"""
CLAIMS = """
source: made
claims:
  - {id: macs, claim: It saves MACs}
  - {id: speed, claim: It is faster on a device}
"""
DRAWS = 'results = "results/small"\nsource = None\nseed = [0]\narm = ["aap"]'
TRAINS = 'results = "results/small"\nseed = 0\narm = "aap"\nrate = 0.5'


def png(width=40, height=20):
    """A grey picture, in base64."""

    def chunk(kind, data):
        whole = kind + data
        return struct.pack(">I", len(data)) + whole + struct.pack(">I", zlib.crc32(whole))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x80" * width) * height)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return base64.b64encode(b"\x89PNG\r\n\x1a\n" + content).decode()


def picture(alt=None, **size):
    """An output with a figure."""
    metadata = {"image/png": {"alt": alt}} if alt else {}
    return new_output("display_data", {"image/png": png(**size)}, metadata=metadata)


def executed(parameters, *cells):
    """An executed notebook: a heading, its parameters, then cells."""
    first = new_markdown_cell("# What it is about\n\nSome **words** on it.")
    tagged = new_code_cell(parameters, metadata={"tags": ["parameters"]})
    return new_notebook(cells=[first, tagged, *cells])


class MadeStudy:
    """The folder of a study with a run folder `results/small`."""

    def __init__(self, root: Path):
        self.root = root
        self.run_folder = root / "results" / "small"
        for file, text in {
            "notebooks/manifest.yml": MANIFEST,
            "notebooks/matrix.yml": MATRIX,
            "notebooks/profiles/small.yml": PROFILE,
            "results/paper/claims.yaml": CLAIMS,
            "results/paper/protocol.md": "# Protocol\n\nFixed before.\n",
        }.items():
            self.write(file, text)
        for name in ("11_fig_tradeoff", "99_claims"):
            self._source(name, DRAWS)
        self._source("03_aap", TRAINS)
        for name in ("notebooks", "runs", "tables/99_claims"):
            (self.run_folder / name).mkdir(parents=True)

    def write(self, file, text):
        """Write a file of the study."""
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run(self, job, notebook, *cells, **parameters):
        """Leave an executed notebook and the row of its run."""
        parameters = {"results": "results/small", **parameters}
        nbformat.write(executed("...", *cells), self.run_folder / "notebooks" / f"{job}.ipynb")
        row = {
            "run_id": f"small/{job}@2026-01-02T03:04:05Z", "notebook": notebook,
            "commit": "0123456789abcdef", "dirty": False, "seed": parameters.get("seed"),
            "device": "a processor", "threads": 1, "python": "3.11", "torch": "2.13",
            "parameters": json.dumps(parameters), "start": "2026-01-02T03:04:05+00:00",
            "duration_s": 61.5,
        }  # fmt: skip
        pd.DataFrame([row]).to_csv(self.run_folder / "runs" / f"{job}.csv", index=False)

    def settings(self, **overrides):
        """Leave what the batch was asked for."""
        settings = {"profile": "small", "overrides": overrides, "name": None, "parameters": {}}
        self.write("results/small/settings.json", json.dumps(settings))

    def judge(self):
        """Leave verdicts: one reproduced, and one not tested, whose claim tries to be HTML."""
        row = {"of": "abstract", "paper": "no figure", "bound": "≤ 0.5", "kind": "measured"}
        rows = [
            {**row, "claim": "It saves MACs", "ours": "0.450 [0.440, 0.460]",
             "verdict": "reproduced", "note": "36 clips, 2 seeds"},
            {**row, "claim": HOSTILE, "ours": "none", "verdict": "not tested", "note": "no logs",
             "paper": "1.37×"},
        ]  # fmt: skip
        pd.DataFrame(rows).to_csv(self.run_folder / "tables/99_claims/verdicts.csv", index=False)

    def _source(self, name, parameters):
        cells = [new_code_cell(parameters, metadata={"tags": ["parameters"]})]
        file = self.root / "notebooks" / f"{name}.ipynb"
        nbformat.write(new_notebook(cells=cells), file)


def finished(root: Path) -> MadeStudy:
    """A study of which one of two trainings has run, and both notebooks that draw."""
    study = MadeStudy(root)
    study.settings()
    study.judge()
    study.run("03_aap.seed=0.arm=aap", "03_aap", new_code_cell("train()"),
              seed=0, arm="aap", rate=0.5)  # fmt: skip
    table = new_output(
        "execute_result", {"text/html": f"<table><tr><td>{HOSTILE}</td></tr></table>"}
    )
    said = new_output("display_data", {"text/markdown": f"The answer: **42** {HOSTILE}"})
    noise = new_output("stream", name="stderr", text="a warning with a path")
    study.run(
        "11_fig_tradeoff", "11_fig_tradeoff",
        new_code_cell("import everything"),
        new_code_cell("draw()", outputs=[noise, picture("Bars of two networks.")]),
        new_code_cell("draw_wide()", outputs=[said, picture(width=1200)]),
        new_code_cell("show()", outputs=[table]),
        source=None, seed=[0], arm=["aap"],
    )  # fmt: skip
    study.run("99_claims", "99_claims", new_code_cell("judge()", outputs=[said]),
              source=None, seed=[0, 1], arm=["aap"])  # fmt: skip
    return study
