"""Choosing alpha, beta and gamma: the paper's grid search, for MACs or for a latency that is given as a function.

The paper trained every candidate at phi = 1 and kept the most accurate. Nobody trains a grid here: candidates are
ranked by a law fitted on published results (``scaling_law``), all at exactly twice the cost, and those whose distance
to the best is within that law's own error are marked as its equals. Twice the cost is twice the MACs
(alpha * beta² * gamma² = 2), or twice the latency where ``latency_ms`` is given: what depth, width and resolution
cost on a device is not 1, 2 and 2 (EfficientNet-X, arXiv 2102.05610).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hwsearch.architecture import Architecture
from hwsearch.coefficients import TARGET_GROWTH, Coefficients, Law, Style
from hwsearch.cost import cost
from hwsearch.errors import InfeasibleError, InputError
from hwsearch.ranking import mape
from hwsearch.scaling import scale, scale_phi
from hwsearch.scaling_law import DIMENSIONS, check_top1, effective_coefficients, left_out_mae, top1_law

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]
LatencyFunction = Callable[[Architecture], float]
"""Milliseconds of one batch of a network: measured, or read off a latency table."""

DEFAULT_STEP = 0.05
DEFAULT_TOLERANCE = 0.05
DEFAULT_BASE_TOP1 = 77.1
"""EfficientNet-B0's published top-1, percent: where a relative fall of the error is told in points."""
VERIFIED = 5

MIN_STEP = 0.01
_LARGEST = 2.0
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


def cost_exponents(base: Architecture, measure: Callable[[Architecture], float], style: Style = "b") -> CostExponents:
    """How a cost grows with each dimension around ``base``, fitted on ten networks that ``measure`` is asked for.

    Least squares of log(cost) on the logarithms of what the rounded probes really are of the base. InputError when a
    cost is not a positive number, or falls where a network grows: then it was measured on too noisy a machine.
    """
    origin = scale(base, style, Coefficients())
    probes = [origin, *(scale(base, style, coefficients) for coefficients in _PROBES)]
    costs = np.array([_measured(measure, probe) for probe in probes])
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


def _measured(measure: Callable[[Architecture], float], architecture: Architecture) -> float:
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

    found = {"macs": MACS, "macs, counted": cost_exponents(base, _macs, style)}
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


def _macs(architecture: Architecture) -> float:
    return float(cost(architecture).macs)


def search_laws(
    base: Architecture,
    style: Style = "b",
    *,
    latency_ms: LatencyFunction | None = None,
    step: float = DEFAULT_STEP,
    tolerance: float = DEFAULT_TOLERANCE,
    base_top1: float = DEFAULT_BASE_TOP1,
    phi: float = 1.0,
) -> pd.DataFrame:
    """Every (alpha, beta, gamma) of the grid whose step of phi costs about twice as much, best first.

    The grid is 1, 1 + step, ... 2 in each; a candidate is kept when its growth is 2 within ``tolerance`` (a fraction),
    and compared with the others at ``phi``: 1 as in the paper, more when the family is to reach further, because
    dimensions saturate differently. Candidates that leave the evidence of the law there are dropped.

    Columns: ``growth`` is what one step of phi costs by the exponents, ``growth_mape`` how far (a fraction) those are
    off the networks that they were fitted on, ``depth_share`` and so on each dimension's share of log(growth);
    ``predicted_top1_gain`` is in points for a base of ``base_top1`` percent, under the law of ``scaling_law`` and at a
    cost of exactly 2^phi, so that no candidate gains by costing more; ``within_error`` marks those that the law
    cannot tell from the best; ``counted_growth`` is what the rounded network at phi costs (MACs, or latency for the
    first five rows and NaN after them) over the base.

    InputError for a number out of range, InfeasibleError when no candidate is left.
    """
    exponents = MACS if latency_ms is None else cost_exponents(base, latency_ms, style)
    candidates, log_factors = _candidates(
        exponents, step, _checked("tolerance", tolerance, 0.5), _checked("phi", phi, 8)
    )
    frame = _frame(candidates, exponents)
    error = 100 - check_top1(base_top1)
    frame["predicted_top1_gain"] = error * (1 - np.exp(top1_law().log_error_ratios(log_factors)))
    frame = frame.sort_values("predicted_top1_gain", ascending=False, kind="stable", ignore_index=True)
    best = frame["predicted_top1_gain"].iloc[0]
    frame["within_error"] = frame["predicted_top1_gain"] >= best - left_out_mae()
    frame["counted_growth"] = _counted_growths(frame, base, style, latency_ms, phi)
    return frame


def _candidates(exponents: CostExponents, step: float, tolerance: float, phi: float) -> tuple[FloatArray, FloatArray]:
    """The grid's candidates (N, 3) that double the cost, and their log factors (N, 3) at a cost of exactly 2^phi."""
    grid = _grid(step)
    log_growth = np.log(grid) @ _powers(exponents)
    doubling = np.abs(np.exp(log_growth) / TARGET_GROWTH - 1) <= tolerance
    grid, log_growth = grid[doubling], log_growth[doubling]
    log_factors = np.log(grid) * (phi * math.log(TARGET_GROWTH) / log_growth)[:, None]
    known = np.all(log_factors <= np.log(top1_law().limits) + 1e-9, axis=1)
    if not known.any():
        why = f"all of them are beyond the scaling law's evidence at phi {phi:g}" if doubling.any() else "none"
        raise InfeasibleError(
            f"of the steps alpha, beta, gamma (1 to {_LARGEST:g} by {step:g}) that double the cost: {why}",
            where="scaling",
            next_command="a smaller grid step, a larger tolerance or a smaller phi",
        )
    return grid[known], log_factors[known]


def _frame(candidates: FloatArray, exponents: CostExponents) -> pd.DataFrame:
    import pandas as pd

    logs = np.log(candidates) * _powers(exponents)
    log_growth = logs.sum(axis=1)
    frame = pd.DataFrame(candidates, columns=["alpha", "beta", "gamma"])
    frame["growth"] = np.exp(log_growth)
    frame["growth_mape"] = exponents.mape
    for index, dimension in enumerate(DIMENSIONS):
        frame[f"{dimension}_share"] = logs[:, index] / log_growth
    return frame


def _powers(exponents: CostExponents) -> FloatArray:
    return np.array([exponents.depth, exponents.width, exponents.resolution])


def best_law(frame: pd.DataFrame) -> Law:
    """The law in the first row of ``search_laws``."""
    first = frame.iloc[0]
    return Law(float(first["alpha"]), float(first["beta"]), float(first["gamma"]))


def _grid(step: float) -> FloatArray:
    if not (math.isfinite(step) and MIN_STEP <= step <= 0.5):
        raise InputError(f"a grid step of {step!r}", where="scaling", allowed=f"{MIN_STEP:g} to 0.5")
    # rounded, so that 1.15 is 1.15 and not 1.1500000000000001
    axis = np.round(1 + step * np.arange(math.floor((_LARGEST - 1) / step + 1e-9) + 1), 6)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    return np.asarray(grid[1:], dtype=np.float64)  # without (1, 1, 1), which grows nothing


def _checked(name: str, value: float, largest: float) -> float:
    if not (math.isfinite(value) and 0 < value <= largest):
        raise InputError(f"{name} is {value!r}", where="scaling", allowed=f"more than 0, at most {largest:g}")
    return value


def _counted_growths(
    frame: pd.DataFrame, base: Architecture, style: Style, latency_ms: LatencyFunction | None, phi: float
) -> list[float]:
    """Growth of each row's rounded network at phi; NaN where no latency was asked for (it may have to be measured)."""
    measure, rows = (_macs, len(frame)) if latency_ms is None else (latency_ms, min(VERIFIED, len(frame)))
    origin = _measured(measure, scale(base, style, Coefficients()))
    grown = []
    for alpha, beta, gamma in frame[["alpha", "beta", "gamma"]].head(rows).to_numpy().tolist():
        variant = scale_phi(base, phi, style, Law(alpha, beta, gamma))
        grown.append(_measured(measure, variant.architecture) / origin)
    return grown + [math.nan] * (len(frame) - rows)
