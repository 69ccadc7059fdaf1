from __future__ import annotations

import numpy as np
from fake_judges import small_space
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsearch.evolution.neighbourhood import (
    batches,
    count_stage_pairs,
    far_moves,
    gene_moves,
    near_moves,
    neighbours,
    stage_moves,
)
from hwsearch.evolution.operators import (
    binary_tournament,
    distinct_rows,
    mutate,
    select_survivors,
    uniform_crossover,
)
from hwsearch.space_file import load_space


def rng(seed=0):
    return np.random.default_rng(seed)


def test_crossover_takes_each_gene_from_a_parent():
    first, second = np.zeros((2000, 6), dtype=np.int8), np.ones((2000, 6), dtype=np.int8)
    children = uniform_crossover(first, second, rng())
    assert children.dtype == np.int8
    assert set(np.unique(children)) == {0, 1}
    assert np.allclose(children.mean(axis=0), 0.5, atol=0.05)


def test_mutation_changes_genes_to_another_choice_at_its_rate():
    cardinalities = np.array([1, 2, 3, 5])
    population = (np.zeros((20_000, 4)) + cardinalities - 1).astype(np.int8)
    changed = mutate(population, cardinalities, 0.2, rng())
    assert changed.dtype == np.int8
    assert np.all((changed >= 0) & (changed < cardinalities))
    assert np.allclose((changed != population).mean(axis=0), [0, 0.2, 0.2, 0.2], atol=0.02)
    others = changed[changed[:, 3] != 4, 3]
    assert np.allclose(np.bincount(others, minlength=4) / len(others), 0.25, atol=0.03)
    assert np.array_equal(mutate(population, cardinalities, 0.0, rng()), population)


def test_tournament_prefers_rank_then_crowding():
    ranks, crowding = np.array([1, 0, 0]), np.array([9.0, 1.0, 2.0])
    winners = np.bincount(binary_tournament(ranks, crowding, 9000, rng()), minlength=3) / 9000
    assert np.allclose(winners, [1 / 9, 3 / 9, 5 / 9], atol=0.03)


def test_survivors_are_whole_fronts_then_the_lonely():
    values = np.array([[0.0, 4.0], [1.0, 3.0], [1.1, 2.9], [4.0, 0.0], [9.0, 9.0], [-1.0, -1.0]])
    violation = np.array([0, 0, 0, 0, 0, 1.0])
    assert select_survivors(values, violation, 4).tolist() == [0, 1, 2, 3]
    assert select_survivors(values, violation, 3).tolist() == [0, 2, 3]
    assert select_survivors(values, violation, 5).tolist() == [0, 1, 2, 3, 4]


def test_distinct_rows_against_themselves_and_the_known():
    rows = np.array([[1, 2], [1, 2], [0, 1], [3, 3]], dtype=np.int8)
    assert distinct_rows(rows).tolist() == [0, 2, 3]
    assert distinct_rows(rows, np.array([[0, 1]], dtype=np.int8)).tolist() == [0, 3]


@given(st.integers(0, 2), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_moves_reach_each_neighbour_once(number, seed):
    space = small_space(number)
    row = space.sample(1, rng(seed))
    for genes in (1, 2, 3):
        found = neighbours(row, gene_moves(space.cardinalities, genes), space.cardinalities)
        assert np.all((found >= 0) & (found < space.cardinalities))
        assert np.all((found != row).sum(axis=1) == genes)
        assert len(distinct_rows(found)) == len(found)


def test_the_number_of_moves():
    cardinalities = load_space("efficientnet-b0").cardinalities
    free = cardinalities[cardinalities > 1] - 1
    assert len(gene_moves(cardinalities, 1)) == free.sum() == 43
    assert len(gene_moves(cardinalities, 2)) == (free.sum() ** 2 - (free**2).sum()) // 2
    assert len(stage_moves(cardinalities, 1)) == 6 * 35 + 47
    assert len(stage_moves(cardinalities, 2)) == count_stage_pairs(cardinalities) == 15 * 35**2 + 6 * 35 * 47
    assert len(distinct_rows(near_moves(cardinalities))) == len(near_moves(cardinalities))
    wide = load_space("mbconv").cardinalities
    assert count_stage_pairs(wide) > 100_000
    assert np.all((far_moves(wide) != 0).sum(axis=1) == 3)


def test_batches_are_the_neighbours_in_order(monkeypatch):
    monkeypatch.setattr("hwsearch.evolution.neighbourhood.BATCH", 50)
    space = small_space(1)
    rows, steps = space.sample(7, rng()), near_moves(space.cardinalities)
    together = np.concatenate(list(batches(rows, steps[:20], space.cardinalities)))
    assert np.array_equal(together, neighbours(rows, steps[:20], space.cardinalities))
    found = np.concatenate(list(batches(rows, steps, space.cardinalities)))
    assert sorted(map(bytes, found)) == sorted(map(bytes, neighbours(rows, steps, space.cardinalities)))
    assert list(batches(rows, steps[:0], space.cardinalities)) == []
