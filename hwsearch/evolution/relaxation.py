"""Bounds on the predictor over cells of a space: linear relaxations of its rectified units, run backwards.

A unit relu(z) with l <= z <= u lies under its chord and above a line through the origin. Put in from the
output backwards (CROWN: Zhang et al., NeurIPS 2018) they leave a function that is linear in the first layer's
sums, and those are additive over the stages: its largest value over a cell is a maximum a stage, and limits on
additive prices enter by Lagrange multipliers (any multiplier >= 0 gives a valid bound).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from hwsearch.accuracy.network import Network
from hwsearch.evolution.option_tree import FloatArray, IntArray, OptionTree, option_tree

Float32Array = npt.NDArray[np.float32]

_UNIT_32 = 2.0**-24
"""Unit roundoff of single precision."""
EXACT_SLACK = 1e-8
"""More than all rounding of our own sums in double precision, in points."""
_UNIT_64 = 1e-12
"""More than the rounding of a sum of some hundred numbers in double precision, relative to the largest."""
_FACTORS = (0.4, 0.7, 1.0, 1.4, 2.5)
"""Multipliers tried, as factors of the parent's; 0 always is one."""


@dataclass(frozen=True, slots=True, eq=False)
class Relaxed:
    """Lines around relu over [low, high]: ``lower * z <= relu(z) <= upper * z + intercept``."""

    upper: FloatArray
    intercept: FloatArray
    """How far the chord lies above relu at most."""
    lower: FloatArray


def relax(low: FloatArray, high: FloatArray) -> Relaxed:
    """The chord above, and below the line (0 or z) that leaves the smaller area."""
    unstable = (low < 0) & (high > 0)
    upper = np.where(unstable, high / np.where(unstable, high - low, 1.0), low >= 0)
    intercept = np.where(unstable, -low * upper, 0.0)
    lower = np.where(unstable, high > -low, low >= 0).astype(np.float64)
    return Relaxed(upper, intercept, lower)


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """B cells of the space, with what is known of the second layer over each."""

    sets: IntArray
    """Shape (B, stages): numbers of option sets."""
    low: FloatArray
    """Shape (B, H2): lower bounds of the second layer's sums."""
    high: FloatArray
    multipliers: FloatArray
    """Shape (B, M): where the search for good multipliers begins."""


@dataclass(frozen=True, slots=True, eq=False)
class Bounds:
    """What was found about B cells."""

    upper: FloatArray
    """Shape (B,): no feasible member's output, in exact arithmetic, is larger (percent of top-1)."""
    low: FloatArray
    high: FloatArray
    multipliers: FloatArray
    values: FloatArray
    """Shape (B, K): what each option adds to the additive function above the output."""
    constants: FloatArray
    """Shape (B,): its constant."""
    split: IntArray
    """Shape (B,): the stage to split next; of no use where every set has one option."""


class Relaxation:
    """The predictor over one space: ``options`` are the codes of each stage's K_s options, prices have shape (K_s, M).

    ``limits`` (M) bound the sums of prices. Everything is in double precision except the second layer's bounds,
    which are widened by what single precision can lose.
    """

    def __init__(
        self, network: Network, options: Sequence[IntArray], prices: Sequence[FloatArray], limits: FloatArray
    ) -> None:
        stages, _, width = network.embedding.shape
        first = network.weight_1.astype(np.float64).reshape(stages, width, -1)
        embedded = [network.embedding[stage].astype(np.float64)[codes] for stage, codes in enumerate(options)]
        parts = [rows @ first[stage] for stage, rows in enumerate(embedded)]
        self.trees = [option_tree(part, price) for part, price in zip(parts, prices, strict=True)]
        self.ends = np.cumsum([0, *(len(part) for part in parts)])
        self.codes, self.prices, self.limits = tuple(options), tuple(prices), limits
        self._inputs = np.concatenate(parts)
        self._prices = np.concatenate(prices)
        self._bias_1, self._bias_2 = network.bias_1.astype(np.float64), network.bias_2.astype(np.float64)
        self._weight_2 = network.weight_2.astype(np.float64)
        self._offset, factor = network.mean_scale.tolist()
        self._weight_3 = network.weight_3.astype(np.float64) * factor
        self._single_bias, self._single_weights = network.bias_1[None], network.weight_2
        self._positive = np.maximum(network.weight_2, 0)
        largest = np.abs(self._bias_1) + sum(np.abs(part).max(axis=0) for part in parts)
        # gamma_n of a sum of n products (Higham, 2002, section 3.1), twice over, on the largest values there are
        self._slack = 4 * 512 * _UNIT_32 * (np.abs(self._weight_2).T @ largest + np.abs(self._bias_2))
        self.rounding = _prediction_rounding(network, embedded, self.trees)

    def root(self) -> Cells:
        """The whole space as one cell."""
        sets = np.zeros((1, len(self.trees)), dtype=np.int64)
        unknown = np.full((1, len(self._bias_2)), np.inf)
        spans = np.array([np.ptp(prices) for prices in self._prices.T], dtype=np.float64)
        multipliers = np.where(spans > 0, 1.0 / np.where(spans > 0, spans, 1.0), 0.0)
        return Cells(sets, -unknown, unknown, multipliers[None])

    def units_by_weight(self) -> list[int]:
        """Units of the second layer, those that weigh most in the output first."""
        return [int(unit) for unit in np.argsort(-np.abs(self._weight_3), kind="stable")]

    def sizes(self, sets: IntArray) -> FloatArray:
        """How many networks each cell holds, shape (B,), as floats (exact below 2^53)."""
        each = [tree.sizes[sets[:, stage]] for stage, tree in enumerate(self.trees)]
        return np.asarray(np.prod(np.array(each, dtype=np.float64), axis=0))

    def possible(self, sets: IntArray) -> npt.NDArray[np.bool_]:
        """Which cells may hold a network within the limits."""
        least = np.add.reduce([tree.least_price[sets[:, stage]] for stage, tree in enumerate(self.trees)])
        return np.asarray((least <= self.limits).all(axis=1))

    def bounds(self, cells: Cells) -> Bounds:
        """Bounds of B cells."""
        low, high = self.first_layer(cells.sets)
        first = relax(low, high)
        below, above = self._second_layer(cells, first)
        second = relax(below, above)
        raises = self._weight_3 > 0
        slopes = self._weight_3 * np.where(raises, second.upper, second.lower)
        constants = self._offset + np.where(raises, self._weight_3, 0.0) @ second.intercept.T + slopes @ self._bias_2
        back = slopes @ self._weight_2.T
        constants = constants + (np.maximum(back, 0.0) * first.intercept).sum(axis=1)
        back_1 = back * np.where(back > 0, first.upper, first.lower)
        constants = constants + back_1 @ self._bias_1 + EXACT_SLACK
        values = back_1 @ self._inputs.T
        upper, multipliers = self._limited_maximum(cells, values)
        loose = np.abs(back) * first.intercept + np.abs(self._weight_3 * second.intercept) @ np.abs(self._weight_2).T
        split = self._widest(cells.sets, np.where(high > 0, loose, 0.0))
        return Bounds(upper + constants, below, above, multipliers, values, constants, split)

    def first_layer(self, sets: IntArray) -> tuple[FloatArray, FloatArray]:
        """Exact ranges of the first layer's sums over each cell, two arrays (B, H1)."""
        low = self._bias_1 + np.add.reduce([tree.low[sets[:, stage]] for stage, tree in enumerate(self.trees)])
        high = self._bias_1 + np.add.reduce([tree.high[sets[:, stage]] for stage, tree in enumerate(self.trees)])
        return low - EXACT_SLACK, high + EXACT_SLACK

    def unit_bounds(self, sets: IntArray, unit: int, sign: float) -> tuple[FloatArray, IntArray]:
        """An upper bound of ``sign`` times one second-layer sum over each cell, and the stage to split, (B,) each."""
        low, high = self.first_layer(sets)
        first = relax(low, high)
        weights = sign * self._weight_2[:, unit]
        back = weights * np.where(weights > 0, first.upper, first.lower)
        upper = first.intercept @ np.maximum(weights, 0.0) + back @ self._bias_1
        values = back @ self._inputs.T
        for stage, tree in enumerate(self.trees):
            own = values[:, self.ends[stage] : self.ends[stage + 1]] + tree.outside[sets[:, stage]]
            upper = upper + own.max(axis=1)
        split = self._widest(sets, np.where(first.intercept > 0, np.abs(weights), 0.0))
        return upper + sign * self._bias_2[unit] + EXACT_SLACK, split

    def _second_layer(self, cells: Cells, first: Relaxed) -> tuple[FloatArray, FloatArray]:
        above = first.intercept @ np.maximum(self._weight_2, 0.0) + self._bias_2 + self._slack
        below = first.intercept @ np.minimum(self._weight_2, 0.0) + self._bias_2 - self._slack
        upper, lower = first.upper.astype(np.float32)[:, :, None], first.lower.astype(np.float32)[:, :, None]
        units = len(self._bias_2)
        # one cell at a time: its matrices stay in a core's cache, and no cell waits for one of more options
        for n, (rows, starts) in enumerate(self._member_rows(cells.sets)):
            found = rows @ self._back_to_first(upper[n], lower[n])
            above[n] += np.maximum.reduceat(found[:, :units], starts, axis=0).sum(axis=0)
            below[n] += np.minimum.reduceat(found[:, units:], starts, axis=0).sum(axis=0)
        above = np.minimum(above, cells.high)
        return np.minimum(np.maximum(below, cells.low), above), above

    def _back_to_first(self, upper: Float32Array, lower: Float32Array) -> Float32Array:
        """Slopes in the first layer's sums, (H1, 2 H2), of the second layer's upper bounds and of its lower ones."""
        weights = self._single_weights
        between = self._positive * (upper - lower)
        return np.concatenate((weights * lower + between, weights * upper - between), axis=1)

    def _member_rows(self, sets: IntArray) -> Iterator[tuple[Float32Array, list[int]]]:
        """Of each cell: what its options add to the first layer, and where each stage's begin; the bias comes first."""
        for row in sets.tolist():
            members = [tree.inputs[number] for tree, number in zip(self.trees, row, strict=True)]
            starts = [0, *accumulate((len(each) for each in members[:-1]), initial=1)]
            yield np.concatenate((self._single_bias, *members)), starts

    def _limited_maximum(self, cells: Cells, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Upper bounds of the additive function within the limits, and the multipliers that gave them."""
        outside = np.concatenate([tree.outside[cells.sets[:, s]] for s, tree in enumerate(self.trees)], axis=1)
        values = values + outside
        multipliers = np.zeros_like(cells.multipliers)
        best = self._maximum(values)
        for metric, limit in enumerate(self.limits):
            priced = values - multipliers @ self._prices.T
            paid = multipliers @ self.limits
            for factor in _FACTORS:
                tried = cells.multipliers[:, metric] * factor
                charge = paid + tried * limit
                found = self._maximum(priced - tried[:, None] * self._prices[:, metric]) + charge
                found += _UNIT_64 * (np.abs(paid) + np.abs(tried * limit))
                better = found < best
                best = np.where(better, found, best)
                multipliers[:, metric] = np.where(better, tried, multipliers[:, metric])
        return best, multipliers

    def _maximum(self, values: FloatArray) -> FloatArray:
        return np.asarray(np.maximum.reduceat(values, self.ends[:-1], axis=1).sum(axis=1))

    def _widest(self, sets: IntArray, weights: FloatArray) -> IntArray:
        """The stage whose set spreads the first layer the most, of those that can be split."""
        spread = [
            np.where(
                tree.sizes[sets[:, s]] > 1,
                ((tree.high[sets[:, s]] - tree.low[sets[:, s]]) * weights).sum(axis=1),
                -1.0,
            )
            for s, tree in enumerate(self.trees)
        ]
        return np.asarray(np.argmax(np.array(spread), axis=0), dtype=np.int64)


def _gamma(terms: int) -> float:
    return terms * _UNIT_32 / (1 - terms * _UNIT_32)


def _prediction_rounding(network: Network, embedded: Sequence[FloatArray], trees: Sequence[OptionTree]) -> float:
    """How far a prediction in single precision, summed in any order, can lie from the exact one; percent of top-1.

    The forward error bound gamma_n |W| |x| of each product (Higham, 2002, section 3.5), passed on by absolute values.
    """
    width = network.embedding.shape[2]
    weight_1 = np.abs(network.weight_1.astype(np.float64)).reshape(len(trees), width, -1)
    bias_1, bias_2 = np.abs(network.bias_1.astype(np.float64)), np.abs(network.bias_2.astype(np.float64))
    weight_2, weight_3 = np.abs(network.weight_2.astype(np.float64)), np.abs(network.weight_3.astype(np.float64))
    sums = bias_1 + np.add.reduce([(np.abs(rows) @ weight_1[s]).max(axis=0) for s, rows in enumerate(embedded)])
    error_1 = _gamma(len(network.weight_1) + 2) * sums
    top = np.maximum(network.bias_1.astype(np.float64) + np.add.reduce([tree.high[0] for tree in trees]), 0.0)
    sums = bias_2 + (top + error_1) @ weight_2
    error_2 = error_1 @ weight_2 + _gamma(len(weight_2) + 2) * sums
    error_3 = error_2 @ weight_3 + _gamma(len(weight_3) + 2) * float((sums + error_2) @ weight_3)
    return float(error_3 * abs(network.mean_scale[1]) + EXACT_SLACK)
