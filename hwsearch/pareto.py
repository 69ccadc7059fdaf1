"""Pareto dominance, fronts, crowding and hypervolume. Everything is minimised.

``values`` has shape (N, M): N networks, M objectives. ``violation`` has shape (N,): by how much a network
breaks its budgets, 0 when it keeps them. Equal rows do not dominate one another.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_BLOCK = 256
_FEW = 32


def non_dominated(values: FloatArray) -> Mask:
    """Which rows no other row dominates, shape (N,). O(N log N) for one or two objectives."""
    values = np.asarray(values, dtype=np.float64)
    if len(values) == 0:
        return np.zeros(0, dtype=bool)
    if values.shape[1] == 1:
        return np.asarray(values[:, 0] == values[:, 0].min())
    mask = _not_beaten_by_few(values)
    left = np.flatnonzero(mask)
    ordered = left[np.lexsort(values[left].T[::-1])]  # by the first objective, then the second ...
    sweep = {2: _sweep_two, 3: _sweep_three}.get(values.shape[1], _sweep_blocks)
    mask[ordered] = sweep(values[ordered])
    return mask


def _not_beaten_by_few(values: FloatArray) -> Mask:
    # of many rows most are beaten by a few good ones: those with the least sum of scaled objectives
    if values.shape[1] < 3 or len(values) < 8 * _FEW:
        return np.ones(len(values), dtype=bool)
    spans = np.ptp(values, axis=0)
    sums = ((values - values.min(axis=0)) / np.where(spans > 0, spans, 1.0)).sum(axis=1)
    alive = np.arange(len(values))
    columns = np.ascontiguousarray(values.T)
    for row in values[np.argpartition(sums, _FEW)[:_FEW]]:
        left = np.flatnonzero(~_beaten(row, columns))
        alive, columns = alive[left], columns[:, left]
    mask = np.zeros(len(values), dtype=bool)
    mask[alive] = True
    return mask


def _beaten(row: FloatArray, columns: FloatArray) -> Mask:
    # one objective after the other: several times faster than reductions over short rows
    within = np.ones(columns.shape[1], dtype=bool)
    equal = within.copy()
    for value, column in zip(row, columns, strict=True):
        within &= value <= column
        equal &= value == column
    return within & ~equal


def _sweep_three(ordered: FloatArray) -> Mask:
    # the staircase of the second and third objective: seconds ascend, thirds descend (Kung et al., 1975)
    kept = np.zeros(len(ordered), dtype=bool)
    seconds: list[float] = []
    thirds: list[float] = []
    last: list[float] = []
    for number, row in enumerate(ordered.tolist()):
        _, second, third = row
        place = bisect_right(seconds, second)
        if place and thirds[place - 1] <= third and row != last:
            continue
        kept[number] = True
        last = row
        end = first = bisect_left(seconds, second)
        while end < len(seconds) and thirds[end] >= third:
            end += 1
        seconds[first:end], thirds[first:end] = [second], [third]
    return kept


def _sweep_two(ordered: FloatArray) -> Mask:
    first, second = ordered[:, 0], ordered[:, 1]
    starts = np.concatenate(([True], first[1:] != first[:-1]))
    group = np.cumsum(starts) - 1
    least = second[starts]  # rows of one group ascend in the second objective
    before = np.concatenate(([np.inf], np.minimum.accumulate(least)[:-1]))
    return np.asarray((second == least[group]) & (second < before[group]))


def _sweep_blocks(ordered: FloatArray) -> Mask:
    kept = np.zeros(len(ordered), dtype=bool)
    front = ordered[:0]
    for start in range(0, len(ordered), _BLOCK):
        block = ordered[start : start + _BLOCK]
        alive = ~_dominated_by(front, block)
        alive[alive] = ~_dominated_by(block[alive], block[alive])
        kept[start : start + _BLOCK] = alive
        front = np.concatenate((front, block[alive]))
    return kept


def _dominated_by(others: FloatArray, values: FloatArray) -> Mask:
    found = np.zeros(len(values), dtype=bool)
    for start in range(0, len(others), _BLOCK):
        part = others[start : start + _BLOCK, None, :]
        found |= np.any(np.all(part <= values, axis=2) & np.any(part < values, axis=2), axis=0)
    return found


def front_ranks(values: FloatArray, violation: FloatArray | None = None) -> IntArray:
    """The front each row belongs to (0 is the best), shape (N,), under constraint domination.

    Feasible rows rank by dominance among themselves and before every infeasible row; infeasible rows rank by
    their violation alone (Deb et al., NSGA-II, 2002, definition 1).
    """
    ranks = np.zeros(len(values), dtype=np.int64)
    feasible = np.ones(len(values), dtype=bool) if violation is None else np.asarray(violation) <= 0
    ranks[feasible] = _ranks_two(values[feasible]) if values.shape[1] == 2 else _peel(values[feasible])
    if violation is not None and not feasible.all():
        behind = ranks[feasible].max() + 1 if feasible.any() else 0
        ranks[~feasible] = behind + np.unique(violation[~feasible], return_inverse=True)[1]
    return ranks


def _ranks_two(values: FloatArray) -> IntArray:
    # In order of the first objective a front dominates a row exactly if its latest member does; the latest
    # members ascend from front to front, so bisection finds the first front that leaves the row free.
    ranks = np.zeros(len(values), dtype=np.int64)
    latest: list[tuple[float, float]] = []
    for row in np.lexsort(values.T[::-1]).tolist():
        key = (float(values[row, 1]), float(values[row, 0]))
        rank = bisect_left(latest, key)
        latest[rank : rank + 1] = [key]
        ranks[row] = rank
    return ranks


def _peel(values: FloatArray) -> IntArray:
    ranks = np.zeros(len(values), dtype=np.int64)
    left, rank = np.arange(len(values)), 0
    while len(left):
        best = non_dominated(values[left])
        ranks[left[best]] = rank
        left, rank = left[~best], rank + 1
    return ranks


def crowding_distance(values: FloatArray) -> FloatArray:
    """NSGA-II's crowding distance of the rows of one front, shape (N,); the ends of each objective are infinite."""
    count = len(values)
    distance = np.zeros(count)
    if count == 0:
        return distance
    order = np.argsort(values, axis=0, kind="stable")
    for objective, rows in enumerate(order.T):
        sorted_values = values[rows, objective]
        span = sorted_values[-1] - sorted_values[0]
        distance[rows[[0, -1]]] = np.inf
        if count > 2 and span > 0:
            distance[rows[1:-1]] += (sorted_values[2:] - sorted_values[:-2]) / span
    return distance


def hypervolume(values: FloatArray, reference: npt.ArrayLike) -> float:
    """The volume that the rows dominate inside the box that ends at ``reference`` (shape (M,)), exactly.

    Rows beyond the reference point in any objective count for nothing. Two objectives take O(N log N); more
    are sliced along the last one (Zitzler's hypervolume by slicing objectives), O(N^(M-1)).
    """
    corner = np.asarray(reference, dtype=np.float64)
    values = np.asarray(values, dtype=np.float64).reshape(-1, len(corner))
    return _volume(values[np.all(values < corner, axis=1)], corner)


def _volume(values: FloatArray, corner: FloatArray) -> float:
    if len(values) == 0:
        return 0.0
    if len(corner) == 1:
        return float(corner[0] - values.min())
    values = np.unique(values[non_dominated(values)], axis=0)
    if len(corner) == 2:
        # the rows ascend in the first and descend in the second objective: each adds one rectangle
        above = np.concatenate((corner[1:], values[:-1, 1]))
        return float(np.sum((corner[0] - values[:, 0]) * (above - values[:, 1])))
    values = values[np.argsort(values[:, -1], kind="stable")]
    depths = np.diff(np.concatenate((values[:, -1], corner[-1:])))
    slices = range(len(values))
    return sum(_volume(values[: i + 1, :-1], corner[:-1]) * float(depths[i]) for i in slices if depths[i] > 0)
