"""Adaptive average pools as matrix products: ONNX has them for one cell alone."""

import numpy as np


def cell_weights(positions: int, cells: int) -> np.ndarray:
    """(positions, cells): cell i averages ⌊i·L/n⌋ to ⌈(i + 1)·L/n⌉, as PyTorch's adaptive pools."""
    weights = np.zeros((positions, cells), dtype=np.float32)
    for cell in range(cells):
        first, end = cell * positions // cells, -(-(cell + 1) * positions // cells)
        weights[first:end, cell] = 1 / (end - first)
    return weights
