"""What judges a predictor: a tenth of the networks kept away from it, and the figures on them."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsearch.accuracy.table import TrainedNetworks
from hwsearch.ranking import kendall_tau

FloatArray = npt.NDArray[np.float64]
IndexArray = npt.NDArray[np.intp]

NINE_IN_TEN = 1.645
"""Standard deviations on either side of the mean that hold 90 % of a normal distribution."""


@dataclass(frozen=True, slots=True)
class HeldOutFigures:
    """How a predictor did on networks it was not fitted on."""

    networks: int
    kendall_tau: float
    kendall_tau_top_tenth: float
    """Among the tenth of these networks with the highest measured top-1."""
    mae: float
    """Mean absolute error, percentage points."""
    rmse: float
    """Root mean square error, percentage points."""
    coverage_90: float
    """Share of measured top-1 inside mean ± 1.645 std."""
    teacher_kendall_tau: float
    """Of the slow teacher that the predictor was distilled from."""
    teacher_mae: float

    def to_dict(self) -> dict[str, float]:
        """Plain numbers, rounded to four places, for a file."""
        return {name: round(value, 4) for name, value in dataclasses.asdict(self).items()}


def split_held_out(trained: TrainedNetworks, seed: int) -> tuple[IndexArray, IndexArray]:
    """Rows to fit on and rows held out; a network that was trained twice stands on one side with both rows."""
    choices = trained.choices
    rows = np.concatenate([choices.expand_ratio, choices.kernel_size, choices.num_repeats, choices.se], axis=1)
    _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    # Number the distinct networks by their first row, whatever order `unique` sorts them in.
    number = np.empty(len(first), dtype=np.intp)
    number[np.argsort(first)] = np.arange(len(first))
    held = np.random.default_rng(seed).permutation(len(first))[: len(first) // 10]
    is_held = np.isin(number[inverse.reshape(-1)], held)
    return np.flatnonzero(~is_held), np.flatnonzero(is_held)


def held_out_figures(predicted: FloatArray, std: FloatArray, teacher: FloatArray, top1: FloatArray) -> HeldOutFigures:
    """Figures of predictions, their standard deviations and the teacher's against measured top-1; shapes (N,)."""
    best = np.argsort(top1, kind="stable")[-max(2, len(top1) // 10) :]
    error = np.abs(predicted - top1)
    return HeldOutFigures(
        networks=len(top1),
        kendall_tau=kendall_tau(predicted, top1),
        kendall_tau_top_tenth=kendall_tau(predicted[best], top1[best]),
        mae=float(error.mean()),
        rmse=math.sqrt(float(np.mean(error**2))),
        coverage_90=float(np.mean(error <= NINE_IN_TEN * std)),
        teacher_kendall_tau=kendall_tau(teacher, top1),
        teacher_mae=float(np.mean(np.abs(teacher - top1))),
    )


def std_line(predicted: FloatArray, top1: FloatArray) -> FloatArray:
    """Standard deviation as a line in the mean: offset, slope, least, most (percentage points), shape (4,).

    ``predicted`` are left-out predictions. The line follows the mean absolute error, and is then scaled so
    that nine in ten of the networks lie within ±1.645 standard deviations.
    """
    error = np.abs(predicted - top1)
    slope, offset = np.polyfit(predicted, error, 1)
    ends = offset + slope * np.quantile(predicted, [0.01, 0.99])
    least, most = max(float(ends.min()), 0.25 * float(error.mean())), float(ends.max())
    line = np.clip(offset + slope * predicted, least, most)
    factor = float(np.quantile(error / line, 0.9)) / NINE_IN_TEN
    return factor * np.array([offset, slope, least, most])
