from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsearch.pareto import crowding_distance, front_ranks, hypervolume, non_dominated


def dominates(first, second):
    return bool(np.all(first <= second) and np.any(first < second))


@st.composite
def point_sets(draw, most=40):
    objectives = draw(st.integers(1, 4))
    rows = draw(st.lists(st.lists(st.integers(0, 6), min_size=objectives, max_size=objectives), max_size=most))
    return np.array(rows, dtype=float).reshape(len(rows), objectives)


@given(point_sets())
@settings(max_examples=200, deadline=None)
def test_non_dominated_is_the_definition(values):
    expected = [not any(dominates(other, row) for other in values) for row in values]
    assert non_dominated(values).tolist() == expected


def test_non_dominated_across_blocks():
    values = np.random.default_rng(0).integers(0, 40, size=(900, 3)).astype(float)
    kept = values[non_dominated(values)]
    assert not any(dominates(a, b) for a in kept for b in kept)
    lost = values[~non_dominated(values)]
    assert all(any(dominates(a, b) for a in kept) for b in lost)


@given(point_sets(25))
@settings(max_examples=150, deadline=None)
def test_ranks_peel_front_after_front(values):
    ranks = front_ranks(values)
    left, rank = list(range(len(values))), 0
    while left:
        best = [i for i in left if not any(dominates(values[j], values[i]) for j in left)]
        assert {i for i in left if ranks[i] == rank} == set(best)
        left = [i for i in left if i not in best]
        rank += 1


def test_feasible_ranks_before_infeasible_and_less_violation_before_more():
    values = np.array([[5.0, 5.0], [4.0, 6.0], [6.0, 6.0], [0.0, 0.0], [1.0, 0.0], [9.0, 9.0]])
    violation = np.array([0.0, 0.0, 0.0, 0.2, 0.1, 0.1])
    assert front_ranks(values, violation).tolist() == [0, 0, 1, 3, 2, 2]


def test_ranks_when_nothing_is_feasible_or_there_is_nothing():
    assert front_ranks(np.zeros((3, 2)), np.array([3.0, 1.0, 2.0])).tolist() == [2, 0, 1]
    assert front_ranks(np.zeros((0, 2)), np.zeros(0)).tolist() == []


def test_crowding_distance_closed_form():
    values = np.array([[0.0, 10.0], [2.0, 6.0], [10.0, 0.0], [4.0, 4.0]])
    # neighbours of row 1: rows 0 and 3; of row 3: rows 1 and 2
    expected = [math.inf, 4 / 10 + 6 / 10, math.inf, 8 / 10 + 6 / 10]
    assert crowding_distance(values) == pytest.approx(expected)


def test_crowding_distance_of_few_and_of_equal_rows():
    assert crowding_distance(np.zeros((0, 2))).tolist() == []
    assert crowding_distance(np.ones((1, 2))).tolist() == [math.inf]
    assert np.isinf(crowding_distance(np.ones((4, 2)))).sum() == 2


def test_hypervolume_closed_forms():
    assert hypervolume(np.array([[1.0, 1.0]]), [3, 4]) == 6
    assert hypervolume(np.array([[1.0, 2.0], [2.0, 1.0]]), [3, 3]) == 3
    assert hypervolume(np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]), [2, 2, 2]) == 8
    assert hypervolume(np.array([[5.0]]), [7]) == 2
    assert hypervolume(np.zeros((0, 3)), [1, 1, 1]) == 0
    assert hypervolume(np.array([[3.0, 0.0], [0.0, 9.0]]), [3, 3]) == 0  # on or beyond the reference point


@given(point_sets(12))
@settings(max_examples=100, deadline=None)
def test_hypervolume_counts_unit_cells(values):
    reference = np.full(values.shape[1], 6.0)
    cells = itertools.product(range(6), repeat=values.shape[1])
    expected = sum(bool(np.any(np.all(values <= cell, axis=1))) for cell in cells) if len(values) else 0
    assert hypervolume(values, reference) == expected


@pytest.mark.parametrize("objectives", [3, 4])
def test_non_dominated_of_many_rows(objectives):
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.integers(0, 12, size=(2500, objectives)).astype(float)] * 2)
    unique, counts = np.unique(values, axis=0, return_counts=True)
    front = [row for row in unique if not np.any(np.all(unique <= row, axis=1) & np.any(unique < row, axis=1))]
    kept = values[non_dominated(values)]
    assert np.array_equal(np.unique(kept, axis=0), np.array(front))
    assert len(kept) == sum(counts[np.all(unique == row, axis=1)].sum() for row in front)
