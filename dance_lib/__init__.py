"""DANCE: dynamic 3D CNN pruning, an open reconstruction (arXiv 2603.17275)."""

from dance_lib.aap.plan import PlanError, PruningPlan
from dance_lib.checkpoint import CheckpointError, load, save
from dance_lib.errors import DanceError
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
]
