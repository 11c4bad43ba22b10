"""Backbones, and what is found in them: stem, branches and units."""

from dance_lib.models.find import find_structure
from dance_lib.models.structure import Branch, Structure, StructureError, Unit
from dance_lib.models.zoo import ModelError, create_model, list_models

__all__ = [
    "Branch",
    "ModelError",
    "Structure",
    "StructureError",
    "Unit",
    "create_model",
    "find_structure",
    "list_models",
]
