"""A cover shows every op of a space, in networks of it, and few of them."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import random_space, tiny_space

from hwsearch.operation import ops
from hwsearch.profiling.covering import cover
from hwsearch.space_file import load_space


def shown(space, rows):
    return {op for row in rows for op in ops(space.decode(row))}


def fewest(space):
    """No cover is smaller: a network shows one first block a stage, and at most one other kind of block."""
    first_blocks = []
    for segment in space.segments:
        found = {space.segment_ops(segment, indices)[0] for indices in np.ndindex(*segment.shape)}
        first_blocks.append(len(found))
    return max(first_blocks)


@pytest.mark.parametrize("name", ["efficientnet-b0", "efficientnet-lite", "mbconv"])
def test_a_shipped_space_is_covered_by_hardly_more_networks_than_it_takes(name):
    space = load_space(name)
    rows = cover(space, np.random.default_rng(7))
    assert shown(space, rows) == set(space.blocks())
    assert fewest(space) <= len(rows) <= 1.25 * fewest(space)


@pytest.mark.parametrize("seed", range(40))
def test_any_space_is_covered(seed):
    space = random_space(np.random.default_rng([1, seed]))
    rows = cover(space, np.random.default_rng(seed))
    assert shown(space, rows) == set(space.blocks())
    assert len(rows) <= 4 * fewest(space) + 4


def test_covers_are_shuffled_by_their_seed():
    space = tiny_space()
    first, again, other = (cover(space, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_stages_repeat_their_block_where_they_can():
    space = load_space("efficientnet-b0")
    rows = cover(space, np.random.default_rng(0))
    repeats = [stage.num_repeats for row in rows for stage in space.decode(row).stages]
    assert np.mean(np.array(repeats) == 2) > 0.9
