"""How a cost grows with depth, width and resolution: three exponents, fitted on a few networks around a base.

For MACs, unrounded, they are 1, 2 and 2 (EfficientNet, arXiv 1905.11946). On a device they are something else, and so
is the best way to spend twice the time (EfficientNet-X, arXiv 2102.05610).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hwsearch.architecture import Architecture
from hwsearch.coefficients import Coefficients, Style
from hwsearch.cost import cost
from hwsearch.errors import InputError
from hwsearch.ranking import mape
from hwsearch.scaling import scale
from hwsearch.scaling_law import DIMENSIONS, effective_coefficients

if TYPE_CHECKING:
    import pandas as pd

LatencyFunction = Callable[[Architecture], float]
"""Milliseconds of one batch of a network: measured, or read off a latency table."""

_INDIFFERENT = 0.1

# Away from the base in one dimension at a time, then in all: what a fit of three exponents needs, and little more.
_PROBES = (
    *(Coefficients(depth=factor) for factor in (2.0, 3.0)),
    *(Coefficients(width=factor) for factor in (1.25, 1.5, 2.0)),
    *(Coefficients(resolution=factor) for factor in (1.25, 1.5, 2.0)),
    Coefficients(1.25, 2.0, 1.25),
)


@dataclass(frozen=True, slots=True)
class CostExponents:
    """A cost as depth^a * width^b * resolution^c times the base's. MACs, unrounded, have 1, 2 and 2."""

    depth: float = 1.0
    width: float = 2.0
    resolution: float = 2.0
    mape: float = 0.0
    """How far this power law is off the probed networks, as a fraction."""

    def growth(self, coefficients: Coefficients) -> float:
        """What the cost grows by."""
        return math.exp(sum(self._logs(coefficients)))

    def shares(self, coefficients: Coefficients) -> dict[str, float]:
        """Each dimension's share of the logarithm of the growth; they add up to 1. InputError without growth."""
        logs = self._logs(coefficients)
        if abs(sum(logs)) < 1e-9:
            raise InputError("coefficients that change no cost have no shares", where="scaling")
        return dict(zip(DIMENSIONS, (log / sum(logs) for log in logs), strict=True))

    def _logs(self, coefficients: Coefficients) -> tuple[float, float, float]:
        return (
            self.depth * math.log(coefficients.depth),
            self.width * math.log(coefficients.width),
            self.resolution * math.log(coefficients.resolution),
        )


MACS = CostExponents()
"""The paper's constraint, alpha * beta² * gamma² = 2."""


def growth_probes(base: Architecture, style: Style = "b") -> tuple[Architecture, ...]:
    """The base in its style, and nine networks away from it: in one dimension at a time, then in all."""
    coefficients = (Coefficients(), *_PROBES)
    return tuple(dict.fromkeys(scale(base, style, each) for each in coefficients))


def cost_exponents(base: Architecture, measure: Callable[[Architecture], float], style: Style = "b") -> CostExponents:
    """How a cost grows with each dimension around ``base``, fitted on ten networks that ``measure`` is asked for.

    Least squares of log(cost) on the logarithms of what the rounded probes really are of the base. InputError when a
    cost is not a positive number, or falls where a network grows: then it was measured on too noisy a machine.
    """
    probes = growth_probes(base, style)
    origin = probes[0]
    costs = np.array([positive_cost(measure, probe) for probe in probes])
    effective = [effective_coefficients(origin, probe) for probe in probes]
    logs = np.log([[getattr(each, name) for name in DIMENSIONS] for each in effective])
    design = np.column_stack([np.ones(len(probes)), logs])
    fitted = np.linalg.lstsq(design, np.log(costs), rcond=None)[0]
    depth, width, resolution = (
        _not_falling(name, power) for name, power in zip(DIMENSIONS, fitted[1:].tolist(), strict=True)
    )
    return CostExponents(depth, width, resolution, mape(np.exp(design @ fitted), costs))


def _not_falling(dimension: str, power: float) -> float:
    # a device may well be indifferent to a dimension, and noise puts a true zero a little below it
    if power < -_INDIFFERENT:
        raise InputError(
            f"the cost falls as {dimension} grows (exponent {power:.2f})",
            where="scaling",
            next_command="measure again on a quiet machine, or use a latency table",
        )
    return max(power, 0.0)


def positive_cost(measure: Callable[[Architecture], float], architecture: Architecture) -> float:
    """What ``measure`` says of a network; InputError unless it is a positive number."""
    value = float(measure(architecture))
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"the cost of a scaled network is {value}", where="scaling", allowed="a positive number")
    return value


def growth_shares(
    base: Architecture,
    coefficients: Coefficients,
    style: Style = "b",
    latency_ms: LatencyFunction | None = None,
) -> pd.DataFrame:
    """Which dimension the growth goes to, for MACs and, where it is given, for latency: one row a cost.

    Columns: the growth, each dimension's exponent and its share of log(growth), the exponents' own error. The row
    ``macs`` is the paper's arithmetic (1, 2, 2); ``macs, counted`` is fitted on rounded networks, as latency is.
    """
    import pandas as pd

    found = {"macs": MACS, "macs, counted": cost_exponents(base, count_macs, style)}
    if latency_ms is not None:
        found["latency"] = cost_exponents(base, latency_ms, style)
    rows = []
    for name, exponents in found.items():
        shares = {f"{dimension}_share": share for dimension, share in exponents.shares(coefficients).items()}
        powers = {f"{dimension}_exponent": getattr(exponents, dimension) for dimension in DIMENSIONS}
        rows.append(
            {"cost": name, "growth": exponents.growth(coefficients), **shares, **powers, "mape": exponents.mape}
        )
    return pd.DataFrame(rows)


def count_macs(architecture: Architecture) -> float:
    """MACs of a network as a cost: what growth is measured in where there is no device."""
    return float(cost(architecture).macs)
