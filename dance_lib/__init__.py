"""DANCE: dynamic 3D CNN pruning, an open reconstruction (arXiv 2603.17275).

A name is loaded when it is first asked for: `dance --help`, the batch and the notebooks that only
draw never wait for torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # also what the batch follows to know which modules a notebook reaches
    from dance_lib.aap.plan import PlanError, PruningPlan
    from dance_lib.checkpoint import CheckpointError, load, save
    from dance_lib.errors import DanceError
    from dance_lib.executors.sparse import sparse
    from dance_lib.meter.count import count
    from dance_lib.models.structure import StructureError
    from dance_lib.models.zoo import ModelError, create_model, list_models
    from dance_lib.network import Dance

__version__ = "0.1.0"
__all__ = [
    "CheckpointError",
    "Dance",
    "DanceError",
    "ModelError",
    "PlanError",
    "PruningPlan",
    "StructureError",
    "count",
    "create_model",
    "list_models",
    "load",
    "save",
    "sparse",
]
_HOMES = {
    "CheckpointError": "dance_lib.checkpoint",
    "Dance": "dance_lib.network",
    "DanceError": "dance_lib.errors",
    "ModelError": "dance_lib.models.zoo",
    "PlanError": "dance_lib.aap.plan",
    "PruningPlan": "dance_lib.aap.plan",
    "StructureError": "dance_lib.models.structure",
    "count": "dance_lib.meter.count",
    "create_model": "dance_lib.models.zoo",
    "list_models": "dance_lib.models.zoo",
    "load": "dance_lib.checkpoint",
    "save": "dance_lib.checkpoint",
    "sparse": "dance_lib.executors.sparse",
}


def __getattr__(name: str) -> Any:
    """Load a public name from the module it lives in."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    """The public names, also those not loaded yet."""
    return sorted({*globals(), *__all__})
