"""Tables without a profiler: op latencies from whole-network latencies alone.

Whole-network time is close to additive over ops, so the counts of ops in many networks are a linear system.
A handful of networks does not determine every op, so each is held near a price by its MACs, its feature maps
and its weights; the more networks, the more the measurements decide. No op may become negative.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsearch.architecture import Architecture
from hwsearch.errors import InputError
from hwsearch.op_price import nonnegative_rates, op_features
from hwsearch.operation import Op, ops

FloatArray = npt.NDArray[np.float64]

OP_SPREAD = 0.5
"""How far an op is expected to lie from its price, as a fraction of it."""
NETWORK_NOISE = 0.01
"""How far a measured network is expected to lie from the sum of its ops, as a fraction."""
LEAST_SHARE = 0.02
"""An op never falls below this share of its price: nothing that runs is free."""
MAX_ROUNDS = 50


@dataclass(frozen=True, slots=True)
class AdditiveFit:
    """Op latencies that explain whole networks, ms."""

    constant_ms: float
    op_ms: dict[Op, float]
    occurrences: dict[Op, int]

    def latency_ms(self, architecture: Architecture) -> float:
        """The prediction for a network all of whose ops were met."""
        return self.constant_ms + sum(self.op_ms[op] for op in ops(architecture))


def fit_additive(architectures: Sequence[Architecture], latencies_ms: FloatArray) -> AdditiveFit:
    """Non-negative regularised least squares of relative errors; ``latencies_ms`` has shape (N,)."""
    if len(architectures) != len(latencies_ms) or len(architectures) < 2:
        raise InputError("a fit needs one latency for each of at least two networks")
    if not (np.isfinite(latencies_ms).all() and latencies_ms.min() > 0):
        raise InputError("latencies must be positive")
    counts = [Counter(ops(each)) for each in architectures]
    found = sorted(set().union(*counts))
    column = {op: index for index, op in enumerate(found)}
    design = np.zeros((len(architectures), len(found)))
    for row, count in enumerate(counts):
        for op, times in count.items():
            design[row, column[op]] = times
    prices = _prices(design, found, latencies_ms)
    factors = _held_least_squares(design * prices / latencies_ms[:, None])
    op_ms = dict(zip(found, (float(ms) for ms in factors * prices), strict=True))
    return AdditiveFit(0.0, op_ms, {op: int(design[:, column[op]].sum()) for op in found})


def _prices(design: FloatArray, found: Sequence[Op], latencies_ms: FloatArray) -> FloatArray:
    """A price for every op from its MACs, maps, weights and layers: the best fit with no negative rate."""
    features = np.array([op_features(op) for op in found])
    totals = design @ features / latencies_ms[:, None]
    rates = nonnegative_rates(totals, np.ones(len(totals)))
    return np.maximum(features @ rates, 1e-9)


def _held_least_squares(matrix: FloatArray) -> FloatArray:
    """Factors near 1 whose weighted sums are 1: ridge, with those that fall too low held at the bound in turn."""
    weight = (NETWORK_NOISE / OP_SPREAD) ** 2
    free = np.ones(matrix.shape[1], dtype=bool)
    factors = np.ones(matrix.shape[1])
    for _ in range(MAX_ROUNDS):
        fixed = np.where(free, 0.0, LEAST_SHARE)
        part = matrix[:, free]
        normal = part.T @ part + weight * np.eye(part.shape[1])
        wanted = part.T @ (1 - matrix @ fixed) + weight
        factors = fixed.copy()
        factors[free] = np.linalg.solve(normal, wanted)
        low = free & (factors < LEAST_SHARE)
        if not low.any():
            return factors
        free &= ~low
    return np.maximum(factors, LEAST_SHARE)
