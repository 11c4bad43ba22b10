"""What every row of the tables says of its origin."""

from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import dance_lib
from dance_lib.study.provenance import commit, machine, versions

RIVALS = ("onnxruntime", "openvino", "torch-pruning")


def provenance(seed: int) -> dict[str, Any]:
    """Commit, seed, device, library versions and date (UTC), as columns of a table."""
    found, dirty = commit(_root())
    about = machine()
    return {
        "commit": found,
        "dirty": dirty,
        "seed": seed,
        "device": about["device"],
        "instruction_set": about["instruction_set"],
        **{name: version for name, version in versions().items() if name in ("python", "torch")},
        **{name: version_of(name) for name in RIVALS},
        "date": datetime.now(UTC).date().isoformat(),
    }


def _root() -> Path:
    """The checkout this library runs from; where it is installed instead, no commit is known."""
    root = Path(dance_lib.__file__).parents[1]
    return root if (root / "pyproject.toml").is_file() else Path(root.anchor)


def version_of(distribution: str) -> str:
    """Of an installed distribution; `absent` where it is not."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "absent"
