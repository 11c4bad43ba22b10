#!/usr/bin/env bash
# Make .venv with the locked versions. Does nothing where it is made from the same pyproject.toml
# and lock already. PYTHON chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
stamp=.venv/made-from.sha256

if sha256sum --check --status "$stamp" 2>/dev/null; then
  exit 0
fi
if [[ ! -x .venv/bin/python ]]; then
  "$python" - <<'CHECK'
import sys

if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    version = ".".join(map(str, sys.version_info[:2]))
    sys.exit(f"error: Python 3.11 to 3.13 is needed, {sys.executable} is {version}; set PYTHON=")
CHECK
  "$python" -m venv .venv
fi
.venv/bin/python -m pip install --constraint env/constraints.txt --editable '.[study,lab,site,devices,deploy,cluster,dev]'
sha256sum pyproject.toml env/constraints.txt >"$stamp"
