"""Choosing alpha, beta and gamma: the paper's grid search, for MACs or for a latency that is given as a function.

The paper trained every candidate at phi = 1 and kept the most accurate. Nobody trains a grid here: candidates are
ranked by a law fitted on published results (``published_law``), all at exactly twice the cost, and those whose distance
to the best is within that law's own error are marked as its equals. Twice the cost is twice the MACs
(alpha * beta² * gamma² = 2), or twice the latency where ``latency_ms`` is given: what depth, width and resolution
cost on a device is not 1, 2 and 2 (EfficientNet-X, arXiv 2102.05610).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hwsearch.architecture import Architecture
from hwsearch.coefficients import TARGET_GROWTH, Coefficients, Law, Style
from hwsearch.errors import InfeasibleError, InputError
from hwsearch.scaling.compound import scale, scale_phi
from hwsearch.scaling.cost_growth import MACS, CostExponents, LatencyFunction, cost_exponents, count_macs, positive_cost
from hwsearch.scaling.published_law import DIMENSIONS, check_top1, left_out_mae, top1_law

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]

DEFAULT_STEP = 0.05
DEFAULT_TOLERANCE = 0.05
DEFAULT_BASE_TOP1 = 77.1
"""EfficientNet-B0's published top-1, percent: where a relative fall of the error is told in points."""
VERIFIED = 5

MIN_STEP = 0.01
_LARGEST = 2.0


def search_laws(
    base: Architecture,
    style: Style = "b",
    *,
    latency_ms: LatencyFunction | None = None,
    exponents: CostExponents | None = None,
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
    ``predicted_top1_gain`` is in points for a base of ``base_top1`` percent, under ``published_law`` and at a
    cost of exactly 2^phi, so that no candidate gains by costing more; ``within_error`` marks those that the law
    cannot tell from the best; ``counted_growth`` is what the rounded network at phi costs (MACs, or latency for the
    first five rows and NaN after them) over the base.

    ``exponents`` are those of ``latency_ms`` where a caller has fitted them already.
    InputError for a number out of range, InfeasibleError when no candidate is left.
    """
    if exponents is None:
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
    measure, rows = (count_macs, len(frame)) if latency_ms is None else (latency_ms, min(VERIFIED, len(frame)))
    origin = positive_cost(measure, scale(base, style, Coefficients()))
    grown = []
    for alpha, beta, gamma in frame[["alpha", "beta", "gamma"]].head(rows).to_numpy().tolist():
        variant = scale_phi(base, phi, style, Law(alpha, beta, gamma))
        grown.append(positive_cost(measure, variant.architecture) / origin)
    return grown + [math.nan] * (len(frame) - rows)
