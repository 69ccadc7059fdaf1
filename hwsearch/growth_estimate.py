"""Latency of networks that a table was not made for, to learn how latency grows with depth, width and resolution.

A table holds the ops of one space; a scaled network has wider ones. Where the table has been extended to it, that is
read off. Otherwise every op is priced by what it does (MACs, feature maps, weights, layers) at rates fitted on the
table's own ops. Such a sum is no prediction of a network's latency, and is never shown as one: it says how latency
*grows*, and with what error on ops that it has not seen. A table whose ops do not follow such rates is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsearch.architecture import Architecture
from hwsearch.errors import InputError
from hwsearch.estimate import TableEstimator
from hwsearch.latency_table import LatencyTable
from hwsearch.op_price import nonnegative_rates, op_features
from hwsearch.operation import Op, ops

FloatArray = npt.NDArray[np.float64]

LARGEST_ERROR = 0.2
"""Rates that are further off the ops of a resolution they have not seen are refused, as a share of those ops' time."""
_LEAST_WEIGHT = 0.05


@dataclass(frozen=True, slots=True)
class GrowthEstimate:
    """How latency grows on a table's device: a function of networks, and what it rests on."""

    latency_ms: Callable[[Architecture], float]
    """For ratios of networks scaled from one base; ms a batch."""
    left_out_error: float | None
    """None where all was read off the table; else the error on ops left out, as a share of their time."""


def growth_estimate(table: LatencyTable, probes: Sequence[Architecture], where: str = "") -> GrowthEstimate:
    """Read off the table where it holds every op of the probes, else priced; InputError where prices do not fit."""
    estimator = TableEstimator(table, where)
    if not any(estimator.missing(probe) for probe in probes):
        return GrowthEstimate(estimator.latency_ms, None)
    found = _Ops(table)
    error = found.left_out_error()
    if error > LARGEST_ERROR:
        raise InputError(
            f"latency there does not follow MACs, maps, weights and layers (ops left out of a fit: {error:.0%} off),"
            " so the table does not say how it grows",
            where=where or table.name,
            allowed="a table that holds the scaled networks, or --target, which measures them",
            next_command=f"hwsearch profile --target {table.setup.target} --networks NET... -o {where or table.name}",
        )
    rates = found.rates(np.ones(len(found.ops), dtype=bool))
    return GrowthEstimate(lambda network: _priced(network, rates), error)


def _priced(network: Architecture, rates: FloatArray) -> float:
    features = np.array([op_features(op) for op in ops(network)])
    return float((features @ rates).sum())


class _Ops:
    """The table's ops as arrays: features (N, 4) and latencies (N,)."""

    def __init__(self, table: LatencyTable) -> None:
        self.ops: list[Op] = [op for op, found in table.ops.items() if found.latency_ms > 0]
        self.features = np.array([op_features(op) for op in self.ops])
        self.latency_ms = np.array([table.ops[op].latency_ms for op in self.ops])

    def rates(self, rows: npt.NDArray[np.bool_]) -> FloatArray:
        """Rates of the four features, fitted on some of the ops."""
        latency_ms = self.latency_ms[rows]
        # between absolute errors, which only the largest ops would decide, and relative ones, which the smallest would
        weight = 1 / np.sqrt(np.maximum(latency_ms, _LEAST_WEIGHT * np.median(self.latency_ms)))
        return nonnegative_rates(self.features[rows] * weight[:, None], latency_ms * weight)

    def left_out_error(self) -> float:
        """Each resolution's blocks priced by a fit without them: total absolute error over total latency."""
        blocks = np.array([op.kind == "mbconv" for op in self.ops])
        sides = np.array([op.resolution for op in self.ops])
        error = 0.0
        for side in np.unique(sides[blocks]):
            out = blocks & (sides == side)
            if out.all():
                return float("inf")
            error += float(np.abs(self.features[out] @ self.rates(~out) - self.latency_ms[out]).sum())
        return error / float(self.latency_ms[blocks].sum())
