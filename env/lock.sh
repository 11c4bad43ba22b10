#!/usr/bin/env bash
# Compile env/constraints.txt: one version of every package, for Python 3.11 to 3.13.
#
# pip reads the file as constraints, without hashes: so it holds both for the ordinary torch wheel
# and for a CPU-only build of the same version (`2.13.0+cpu` satisfies `==2.13.0`).
# Versions already in the file are kept where they still fit; `env/lock.sh --upgrade` renews them.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/uv pip compile pyproject.toml --extra study --extra lab --extra site --extra devices --extra deploy --extra cluster --extra dev \
  --extra bench --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url --quiet \
  --output-file env/constraints.txt "$@"
