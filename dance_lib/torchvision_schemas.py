"""Let torchvision import beside a CPU-only torch.

torchvision's C++ operators are compiled against a CUDA torch. Beside a CPU-only build its shared
library fails to load, and `import torchvision` then stops at the registration of fake kernels for
operators that do not exist (`operator torchvision::nms does not exist`). This study uses none of
those operators; it only needs the import to go through. Importing this module defines their
schemas where they are missing and does nothing where torchvision brought its own.

Schemas: torchvision 0.28, `torchvision/csrc/ops/nms.cpp` and `torchvision/csrc/ops/quantized`.
"""

import importlib.util
from pathlib import Path

import torch

SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_LIBRARY = torch.library.Library("torchvision", "FRAGMENT")  # kept: its end would undo the schemas


def define_missing_schemas() -> list[str]:
    """Define every schema of `SCHEMAS` that no compiled library brings; return their names."""
    _load_compiled_operators()
    missing = [name for name in SCHEMAS if not hasattr(torch.ops.torchvision, name)]
    for name in missing:
        _LIBRARY.define(SCHEMAS[name])
    return missing


def _load_compiled_operators() -> None:
    """Try torchvision's own library first: a schema defined twice would make *it* fail to load."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return
    for library in Path(spec.origin).parent.glob("_C*"):
        if library.suffix in (".so", ".pyd", ".dylib"):
            try:
                torch.ops.load_library(str(library))
            except OSError:
                return  # built for another torch: the case this module exists for


define_missing_schemas()
