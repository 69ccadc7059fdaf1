"""The operators of an evolution by their textbook names. Every one that draws takes its generator.

A population has shape (N, G): row ``n``, gene ``g`` is the index of a choice (see ``search_space``).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hwsearch.pareto import FloatArray, IntArray, crowding_distance, front_ranks
from hwsearch.search_space import Population

Cardinalities = npt.NDArray[np.int64]


def uniform_crossover(first: Population, second: Population, rng: np.random.Generator) -> Population:
    """Children whose every gene comes from either parent with equal chance (Syswerda, 1989)."""
    return np.where(rng.random(first.shape) < 0.5, first, second)


def mutate(population: Population, cardinalities: Cardinalities, rate: float, rng: np.random.Generator) -> Population:
    """Each gene with chance ``rate`` changes to another of its choices, all equally likely."""
    shift = rng.integers(1, np.maximum(cardinalities, 2), size=population.shape)
    hit = (rng.random(population.shape) < rate) & (cardinalities > 1)
    changed: Population = np.where(hit, (population + shift) % cardinalities, population).astype(np.int8)
    return changed


def binary_tournament(ranks: IntArray, crowding: FloatArray, count: int, rng: np.random.Generator) -> IntArray:
    """``count`` winners of two drawn at random: the better rank, then the lonelier, wins (NSGA-II)."""
    first, second = rng.integers(0, len(ranks), size=(2, count))
    wins = (ranks[first] < ranks[second]) | ((ranks[first] == ranks[second]) & (crowding[first] >= crowding[second]))
    winners: IntArray = np.where(wins, first, second).astype(np.int64)
    return winners


def rank_and_crowding(values: FloatArray, violation: FloatArray) -> tuple[IntArray, FloatArray]:
    """Front and crowding distance (inside the front) of every row, both of shape (N,)."""
    ranks = front_ranks(values, violation)
    crowding = np.zeros(len(values))
    for rank in range(int(ranks.max(initial=-1)) + 1):
        members = np.flatnonzero(ranks == rank)
        crowding[members] = crowding_distance(values[members])
    return ranks, crowding


def select_survivors(values: FloatArray, violation: FloatArray, count: int) -> IntArray:
    """NSGA-II's environmental selection: whole fronts, the last one by crowding; row numbers, ascending."""
    ranks, crowding = rank_and_crowding(values, violation)
    order = np.lexsort((np.arange(len(values)), -crowding, ranks))
    return np.sort(order[:count]).astype(np.int64)


def distinct_rows(population: Population, known: Population | None = None) -> IntArray:
    """Numbers of the rows that are in ``known`` not at all and occur before no earlier equal row."""
    seen = set() if known is None else set(row_keys(known))
    found = []
    for number, key in enumerate(row_keys(population)):
        if key not in seen:
            seen.add(key)
            found.append(number)
    return np.array(found, dtype=np.int64)


def row_keys(population: Population) -> list[bytes]:
    """A hashable key of every row."""
    packed = np.ascontiguousarray(population, dtype=np.int8)
    return [row.tobytes() for row in packed]
