"""Networks that differ in few genes, and the local searches over them.

A move shifts some genes by some steps, modulo their number of choices, so the same moves serve every network
and together reach each neighbour exactly once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from hwsearch.evolution.operators import Cardinalities, distinct_rows, row_keys
from hwsearch.evolution.problem import Problem
from hwsearch.pareto import FloatArray
from hwsearch.search_space import GENE_FIELDS, Population

Moves = npt.NDArray[np.int8]
"""Shape (K, G): steps by which each of K moves shifts every gene."""

BATCH = 65_536
"""Neighbours made at once, at most."""
MOST_MOVES = 100_000
"""Moves of two whole stages are left out where there are more."""


def gene_moves(cardinalities: Cardinalities, genes: int) -> Moves:
    """Every move that changes exactly ``genes`` genes."""
    return _moves_of([(column,) for column in range(len(cardinalities))], cardinalities, genes)


def stage_moves(cardinalities: Cardinalities, stages: int) -> Moves:
    """Every move that changes exactly ``stages`` stages, each in any of its genes."""
    width = len(GENE_FIELDS)
    groups = [tuple(range(first, first + width)) for first in range(1, len(cardinalities), width)]
    return _moves_of(groups, cardinalities, stages)


def count_stage_pairs(cardinalities: Cardinalities) -> int:
    """How many moves ``stage_moves(cardinalities, 2)`` has, without making them."""
    options = np.prod(cardinalities[1:].reshape(-1, len(GENE_FIELDS)), axis=1) - 1
    return int((options.sum() ** 2 - (options**2).sum()) // 2)


def near_moves(cardinalities: Cardinalities) -> Moves:
    """Two genes anywhere, or any number of genes of one stage."""
    stages = stage_moves(cardinalities, 1)
    return np.concatenate((gene_moves(cardinalities, 2), stages[(stages != 0).sum(axis=1) > 2]))


def far_moves(cardinalities: Cardinalities) -> Moves:
    """Any genes of two stages; where those are too many, three genes anywhere."""
    if count_stage_pairs(cardinalities) <= MOST_MOVES:
        return stage_moves(cardinalities, 2)
    return gene_moves(cardinalities, 3)


def _moves_of(groups: Sequence[tuple[int, ...]], cardinalities: Cardinalities, count: int) -> Moves:
    """Every way to change exactly ``count`` of the groups of columns."""
    found = [np.zeros((0, len(cardinalities)), dtype=np.int8)]
    for chosen in combinations(groups, count):
        grid = np.zeros((1, len(cardinalities)), dtype=np.int8)
        for group in chosen:
            changes = _changes(group, cardinalities)
            grid = (grid[:, None, :] + changes[None, :, :]).reshape(-1, len(cardinalities))
        found.append(grid)
    return np.concatenate(found)


def _changes(group: tuple[int, ...], cardinalities: Cardinalities) -> Moves:
    shape = tuple(int(cardinalities[column]) for column in group)
    steps = np.stack(np.unravel_index(np.arange(1, int(np.prod(shape))), shape), axis=1)
    changes = np.zeros((len(steps), len(cardinalities)), dtype=np.int8)
    changes[:, list(group)] = steps
    return changes


def neighbours(rows: Population, steps: Moves, cardinalities: Cardinalities) -> Population:
    """What every move makes of every row, shape (N K, G), in the order of the rows."""
    limits = cardinalities.astype(np.int8)
    shifted = rows[:, None, :] + steps[None, :, :]
    # a remainder of small sums by one subtraction: much faster than % on int8
    shifted -= (shifted >= limits).view(np.int8) * limits
    return shifted.reshape(-1, rows.shape[1])


def batches(rows: Population, steps: Moves, cardinalities: Cardinalities) -> Iterator[Population]:
    """The neighbours of all rows, ``BATCH`` or fewer at a time."""
    if not len(steps):
        return
    at_once = max(1, BATCH // len(steps))
    for start in range(0, len(rows), at_once):
        for first in range(0, len(steps), BATCH):
            yield neighbours(rows[start : start + at_once], steps[first : first + BATCH], cardinalities)


def climb(
    problem: Problem, starts: Population, *, tick: Callable[[], None] = lambda: None, most: int = 4_000_000
) -> tuple[Population, FloatArray, int]:
    """The best network that steepest descent reaches from any of ``starts``: row (1, G), scores, evaluations.

    Every start goes to its best two-gene neighbour until none is better; the best then looks at three genes
    too. Stops, as soon as a round ends, after ``most`` evaluations.
    """
    cardinalities = problem.scorer.space.cardinalities
    pairs = np.concatenate([gene_moves(cardinalities, 1), near_moves(cardinalities)])
    rows = starts[distinct_rows(starts)]
    scores = problem.scorer.matrix(rows)
    spent = len(rows)
    visited: set[bytes] = set()
    while True:
        fresh = [n for n, key in enumerate(row_keys(rows)) if key not in visited]
        if not fresh or spent >= most:
            break
        visited.update(row_keys(rows[fresh]))
        for number in fresh:
            rows[number], scores[number], more = _step(problem, rows[number], scores[number], pairs)
            spent += more
        tick()
    best = problem.order(scores)[0]
    row, score, more = _step(problem, rows[best], scores[best], far_moves(cardinalities))
    spent += more
    if np.array_equal(row, rows[best]) or spent >= most:
        return row[None], score[None], spent
    found, found_scores, more = climb(problem, row[None], tick=tick, most=most - spent)
    return found, found_scores, spent + more


def _step(
    problem: Problem, row: npt.NDArray[np.int8], score: FloatArray, steps: Moves
) -> tuple[npt.NDArray[np.int8], FloatArray, int]:
    """The best of a network and its neighbours; it stays where it is unless a neighbour is better."""
    best_row, best_score, spent = row, score, 0
    for found in batches(row[None], steps, problem.scorer.space.cardinalities):
        scores = problem.scorer.matrix(found)
        spent += len(found)
        better = _best_of(problem, scores)
        pair = np.stack([best_score, scores[better]])
        if problem.order(pair)[0] == 1:
            best_row, best_score = found[better].copy(), scores[better].copy()
    return best_row, best_score, spent


def _best_of(problem: Problem, scores: FloatArray) -> int:
    violation = problem.violation(scores)
    rows = np.flatnonzero(violation == violation.min())
    return int(rows[problem.order(scores[rows])[0]])
