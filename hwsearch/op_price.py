"""What an op does, as four numbers, and what a device charges for each: a price where nothing was measured.

Time in a network goes to arithmetic, to moving feature maps, to reading weights and to starting layers. Rates for the
four that are fitted on one device's measurements price an op that was not measured there.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt

from hwsearch.cost import op_cost
from hwsearch.operation import Op, layers

FloatArray = npt.NDArray[np.float64]


def op_features(op: Op) -> tuple[float, float, float, float]:
    """MACs (millions), elements written (millions), parameters (millions) and layers of an op, at batch 1."""
    maps = sum(layer.out_resolution**2 * layer.out_channels for layer in layers(op))
    price = op_cost(op)
    return (price.macs / 1e6, maps / 1e6, price.params / 1e6, float(len(layers(op))))


def nonnegative_rates(columns: FloatArray, target: FloatArray) -> FloatArray:
    """Rates (F,) >= 0 for which columns (N, F) @ rates is nearest to target (N,), by least squares.

    Tries every subset of the few columns, so it is exact.
    """
    best, best_error = np.zeros(columns.shape[1]), np.inf
    indices = range(columns.shape[1])
    for size in range(1, columns.shape[1] + 1):
        for chosen in combinations(indices, size):
            rates, *_ = np.linalg.lstsq(columns[:, chosen], target, rcond=None)
            error = float(np.sum((columns[:, chosen] @ rates - target) ** 2))
            if (rates >= 0).all() and error < best_error:
                best, best_error = np.zeros(columns.shape[1]), error
                best[list(chosen)] = rates
    return best
