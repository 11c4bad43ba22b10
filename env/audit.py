"""Known holes of the locked versions, by pip-audit: `make audit`.

A line for each. Ends with 1 where there are any, with 2 where the question could not be put. The
auditor has an environment of its own, `.venv/audit`: its packages are none of the study's.
"""

import json
import subprocess
import sys
import venv
from pathlib import Path

LOCK = Path(__file__).with_name("constraints.txt")
TOOL = LOCK.parents[1] / ".venv" / "audit"
ASK = (
    "--requirement", LOCK, "--no-deps", "--disable-pip", "--progress-spinner", "off",
    "--format", "json",
)  # fmt: skip


def main(python: Path = TOOL / "bin" / "python") -> int:
    """Install the auditor where it is missing, ask it, and say what it found.

    Args:
        python: of an environment that has the auditor.
    """
    if not python.exists():
        venv.create(TOOL, with_pip=True)
    there = _run(python, "pip_audit", "--version").returncode == 0
    if not there and _run(python, "pip", "install", "pip-audit>=2.9").returncode:
        return _unanswered("pip-audit can't be installed here")
    try:
        rows = json.loads(_run(python, "pip_audit", *ASK).stdout)["dependencies"]
    except ValueError:  # it ended before it wrote its answer
        return _unanswered("the database of known holes can't be asked here")
    skipped = [row["name"] for row in rows if "skip_reason" in row]
    if len(skipped) == len(rows):  # to pip-audit itself, nothing found out is nothing found
        return _unanswered("the database of known holes knows no package here")
    holes = [(row, hole) for row in rows for hole in row.get("vulns", ())]
    for row, hole in holes:
        mended = ", ".join(hole["fix_versions"]) or "no release yet"
        print(f"{row['name']} {row['version']}: {hole['id']}, mended in {mended}")
    unknown = f"; not known there: {', '.join(skipped)}" if skipped else ""
    print(f"{len(rows) - len(skipped)} packages asked for, {len(holes)} known holes{unknown}")
    return 1 if holes else 0


def _run(python: Path, *module: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([python, "-m", *map(str, module)], capture_output=True, text=True)


def _unanswered(why: str) -> int:
    print(f"error: {why}; run it where a network allows it", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
