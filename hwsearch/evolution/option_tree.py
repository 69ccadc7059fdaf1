"""Sets of a stage's options, halved again and again until each stands alone: what branch and bound splits along.

Options lie close together in a set when they act alike on the predictor's first layer, so that bounds over a
set are tight. A **cell** of the space is one set for each stage: seven numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_ROUNDS = 8
"""Rounds of 2-means a split takes at most."""
NOT_A_MEMBER = -1e15
"""Added to the value of an option outside a set, so that it never is the largest."""


@dataclass(frozen=True, slots=True, eq=False)
class OptionTree:
    """The sets of one stage with K options; set 0 holds all of them. T sets in all."""

    members: tuple[IntArray, ...]
    """Numbers of the options in each set, ascending."""
    inputs: tuple[npt.NDArray[np.float32], ...]
    """What each member of a set adds to the first layer, shapes (size, H), in single precision."""
    children: IntArray
    """Shape (T, 2): the two halves of a set; -1 where it has one option."""
    sizes: IntArray
    """Shape (T,)."""
    outside: FloatArray
    """Shape (T, K): 0 for a member, ``NOT_A_MEMBER`` otherwise."""
    low: FloatArray
    """Shape (T, H): the least of each first-layer contribution over a set."""
    high: FloatArray
    """Shape (T, H): the largest."""
    least_price: FloatArray
    """Shape (T, M): the least price over a set, in each limited metric."""


def option_tree(inputs: FloatArray, prices: FloatArray) -> OptionTree:
    """The tree over K options by what each adds to the first layer, shape (K, H); ``prices`` has shape (K, M)."""
    sets: list[IntArray] = [np.arange(len(inputs))]
    children: list[tuple[int, int]] = []
    for number in sets:  # grows while it is walked
        if len(number) == 1:
            children.append((-1, -1))
            continue
        near = _halved(inputs[number])
        children.append((len(sets), len(sets) + 1))
        sets += [number[near], number[~near]]
    outside = np.full((len(sets), len(inputs)), NOT_A_MEMBER)
    for row, number in zip(outside, sets, strict=True):
        row[number] = 0.0
    return OptionTree(
        tuple(sets),
        tuple(inputs[number].astype(np.float32) for number in sets),
        np.array(children, dtype=np.int64),
        np.array([len(number) for number in sets], dtype=np.int64),
        outside,
        np.array([inputs[number].min(axis=0) for number in sets]),
        np.array([inputs[number].max(axis=0) for number in sets]),
        np.array([prices[number].min(axis=0) for number in sets]).reshape(len(sets), prices.shape[1]),
    )


def _halved(points: FloatArray) -> npt.NDArray[np.bool_]:
    """Which points belong to the first of two clusters, neither of them empty (2-means from two far points)."""
    far = int(_squares(points, points.mean(axis=0)).argmax())
    other = int(_squares(points, points[far]).argmax())
    first, second = points[far], points[other]
    near = np.arange(len(points)) == far  # of equal points one goes alone
    for _ in range(_ROUNDS):
        closer = _squares(points, first) < _squares(points, second)
        if closer.all() or not closer.any():
            break
        near = closer
        first, second = points[near].mean(axis=0), points[~near].mean(axis=0)
    return np.asarray(near)


def _squares(points: FloatArray, centre: FloatArray) -> FloatArray:
    return np.asarray(((points - centre) ** 2).sum(axis=1))
