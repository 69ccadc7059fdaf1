"""How well a prediction ranks and how far it is off: Kendall tau-b, MAPE, share within a tolerance.

All three take the predicted values first and the measured values second, arrays of the same shape (N,).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from hwsearch.errors import InputError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def kendall_tau(predicted: npt.ArrayLike, measured: npt.ArrayLike) -> float:
    """Kendall's tau-b (ties corrected), in O(N log² N) time and O(N) memory.

    Returns NaN where tau-b is not defined: fewer than two values, or all values of one side equal.
    Knight's method (JASA 61, 1966): sort by one side, count the inversions of the other.
    """
    first, second = _pair(predicted, measured)
    x, y = _dense_ranks(first), _dense_ranks(second)
    order = np.lexsort((y, x))
    x, y = x[order], y[order]
    pairs = x.size * (x.size - 1) // 2
    tied_x, tied_y, tied_both = _tied_pairs(x), _tied_pairs(y), _tied_pairs(x * (y.size + 1) + y)
    if pairs in (tied_x, tied_y):
        return math.nan
    concordant_less_discordant = pairs - tied_x - tied_y + tied_both - 2 * _inversions(y)
    return concordant_less_discordant / (math.sqrt(pairs - tied_x) * math.sqrt(pairs - tied_y))


def mape(predicted: npt.ArrayLike, measured: npt.ArrayLike) -> float:
    """Mean absolute error as a fraction of the measured value (0.02 is 2 %); no measured value may be zero."""
    return float(np.mean(_relative_errors(predicted, measured)))


def share_within(predicted: npt.ArrayLike, measured: npt.ArrayLike, tolerance: float) -> float:
    """Share of predictions whose relative error is at most ``tolerance`` (both fractions: 0.1 is ±10 %)."""
    # A prediction off by exactly the tolerance counts as within it, whatever its last bit says.
    return float(np.mean(_relative_errors(predicted, measured) <= tolerance * (1 + 1e-12)))


def _relative_errors(predicted: npt.ArrayLike, measured: npt.ArrayLike) -> FloatArray:
    first, second = _pair(predicted, measured)
    if first.size == 0:
        raise InputError("a relative error of no values was asked for")
    if np.any(second == 0):
        raise InputError("a relative error to a measured value of zero was asked for", allowed="values other than 0")
    return np.abs(first - second) / np.abs(second)


def _pair(predicted: npt.ArrayLike, measured: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    first = np.asarray(predicted, dtype=np.float64)
    second = np.asarray(measured, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise InputError(f"predicted has shape {first.shape}, measured {second.shape}", allowed="one shape (N,)")
    if not (np.all(np.isfinite(first)) and np.all(np.isfinite(second))):
        raise InputError("a value to be ranked is not finite", allowed="finite numbers")
    return first, second


def _dense_ranks(values: FloatArray) -> IntArray:
    return np.unique(values, return_inverse=True)[1].astype(np.int64)


def _tied_pairs(ranks: IntArray) -> int:
    counts = np.unique(ranks, return_counts=True)[1].astype(np.int64)
    return int(np.sum(counts * (counts - 1) // 2))


def _inversions(values: IntArray) -> int:
    """Pairs i < j with values[i] > values[j]: a merge sort whose merges of one width all run at once."""
    size = values.size
    padded = 1 << max(size - 1, 0).bit_length()
    # Padding is larger than any rank and stands last, so it takes part in no inversion.
    runs = np.full(padded, size, dtype=np.int64)
    runs[:size] = values
    total, width = 0, 1
    while width < padded:
        pairs_of_runs = runs.reshape(-1, 2 * width)
        # A stable sort leaves equal values of the left half first: no strict inversion is counted for a tie.
        order = np.argsort(pairs_of_runs, axis=1, kind="stable")
        from_left = order < width
        left_passed = np.cumsum(from_left, axis=1)
        total += int(np.sum((width - left_passed)[~from_left]))
        runs = np.take_along_axis(pairs_of_runs, order, axis=1).reshape(-1)
        width *= 2
    return total
