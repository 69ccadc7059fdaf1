"""Rows and networks of a space are the same thing, and its segments are its networks cut in pieces."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from fakes import random_space, tiny_space

from hwsearch.errors import InputError
from hwsearch.operation import ops
from hwsearch.preset import reference_preset
from hwsearch.search_space import GENE_FIELDS
from hwsearch.space_file import load_space
from hwsearch.stage_arrays import from_architectures

SHIPPED = ("efficientnet-b0", "efficientnet-lite", "mbconv")
B0 = reference_preset("efficientnet-b0").architecture
SPACES = {
    **{name: load_space(name) for name in SHIPPED},
    "tiny": tiny_space(),
    **{f"random-{seed}": random_space(np.random.default_rng(seed)) for seed in range(12)},
}


@pytest.fixture(params=SPACES, ids=str)
def space(request):
    return SPACES[request.param]


@pytest.mark.parametrize(
    ("name", "size"),
    [
        # stages of 3 expansions x 2 kernels x 3 repeats x 2 squeeze-excites, one of them with 4 repeats: 1.04e11
        ("efficientnet-b0", (3 * 2 * 3 * 2) ** 6 * (3 * 2 * 4 * 2)),
        ("efficientnet-lite", (3 * 2 * 3) ** 6 * (3 * 2 * 4)),
        ("mbconv", (4 * 3 * 3 * 2 * 2) ** 4 * (4 * 3 * 4 * 2 * 2) ** 3),
    ],
)
def test_the_size_of_a_shipped_space_is_exact(name, size):
    assert SPACES[name].size == size
    assert {"efficientnet-b0": 104_485_552_128}.get(name, size) == size


def test_rows_decode_and_encode_round(space):
    rows = space.sample(60, np.random.default_rng(0))
    for row in rows:
        network = space.decode(row)
        assert space.contains(network)
        assert np.array_equal(space.encode(network), row)


def test_every_row_of_a_tiny_space_is_another_network():
    space = SPACES["tiny"]
    rows = itertools.product(*(range(count) for count in space.cardinalities))
    networks = {space.decode(np.array(row, dtype=np.int8)) for row in rows}
    assert len(networks) == space.size == 256


def test_samples_reach_every_choice_of_every_gene(space):
    rows = space.sample(400, np.random.default_rng(1))
    assert rows.dtype == np.int8
    for column, count in enumerate(space.cardinalities):
        assert set(rows[:, column].tolist()) == set(range(count))


def test_the_same_seed_samples_the_same_networks(space):
    first, second = (space.sample(20, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first, second)


def test_stage_arrays_hold_what_the_decoded_networks_say(space):
    rows = space.sample(40, np.random.default_rng(2))
    ours, theirs = space.stage_arrays(rows), from_architectures([space.decode(row) for row in rows])
    for field in dataclasses.fields(ours):
        assert np.array_equal(getattr(ours, field.name), getattr(theirs, field.name)), field.name
    assert (ours.num_networks, ours.num_stages) == (40, len(space.stages))


def test_segments_in_order_are_the_ops_of_the_network(space):
    for row in space.sample(40, np.random.default_rng(3)):
        pieces = [space.segment_ops(each, [row[column] for column in each.columns]) for each in space.segments]
        assert tuple(itertools.chain.from_iterable(pieces)) == ops(space.decode(row))


def test_blocks_are_the_ops_of_all_networks_each_once():
    space = SPACES["tiny"]
    rows = itertools.product(*(range(count) for count in space.cardinalities))
    met = {op for row in rows for op in ops(space.decode(np.array(row, dtype=np.int8)))}
    blocks = list(space.blocks())
    assert len(blocks) == len(set(blocks))
    assert set(blocks) == met


def test_segments_name_the_genes_that_change_them():
    space = random_space(np.random.default_rng(4))
    row = space.sample(1, np.random.default_rng(0))[0]
    for column, count in enumerate(space.cardinalities):
        changed = row.copy()
        changed[column] = (row[column] + 1) % count
        for segment in space.segments:
            before = space.segment_ops(segment, [row[c] for c in segment.columns])
            after = space.segment_ops(segment, [changed[c] for c in segment.columns])
            assert before == after or column in segment.columns


def test_b0_lies_in_its_space_and_b1_does_not():
    space = SPACES["efficientnet-b0"]
    assert space.decode(space.encode(B0)) == B0
    with pytest.raises(InputError, match=r"resolution = 240 is outside space efficientnet-b0; allowed: 224"):
        space.encode(reference_preset("efficientnet-b1").architecture)


@pytest.mark.parametrize(
    ("changes", "stage_changes", "said"),
    [
        ({"stem_channels": 40}, {}, "stem_channels = 40"),
        ({"head_channels": 1000}, {}, "head_channels = 1000"),
        ({"activation": "relu6"}, {}, "activation = relu6"),
        ({"num_classes": 10}, {}, "num_classes = 10"),
        ({"stages": B0.stages[:-1]}, {}, "number of stages = 6"),
        ({}, {"kernel_size": 7}, r"stages\[2\].kernel_size = 7 .*allowed: 3, 5"),
        ({}, {"expand_ratio": 3}, r"stages\[2\].expand_ratio = 3 .*allowed: 1, 4, 6"),
        ({}, {"stride": 1}, r"stages\[2\].stride = 1 .*allowed: 2"),
        ({}, {"out_channels": 48}, r"stages\[2\].out_channels = 48 .*allowed: 40"),
        ({}, {"num_repeats": 4}, r"stages\[2\].num_repeats = 4"),
        ({}, {"se_ratio": 0.5}, r"stages\[2\].se_ratio = 0.5"),
    ],
)
def test_what_puts_a_network_outside_is_named(changes, stage_changes, said):
    stages = list(B0.stages)
    stages[2] = dataclasses.replace(stages[2], **stage_changes)
    network = dataclasses.replace(B0, stages=tuple(stages))
    network = dataclasses.replace(network, **changes)
    assert not SPACES["efficientnet-b0"].contains(network)
    with pytest.raises(InputError, match=said):
        SPACES["efficientnet-b0"].encode(network)


def test_rows_that_are_none_of_the_space_are_refused():
    space = SPACES["tiny"]
    row = space.sample(1, np.random.default_rng(0))[0]
    with pytest.raises(InputError, match="a row of 10 genes"):
        space.decode(row[:-1])
    for wrong in (-1, 2):
        with pytest.raises(InputError, match=r"stages\[0\].kernel_size has no choice"):
            space.decode(np.concatenate([row[:2], [wrong], row[3:]]))


def test_genes_have_names_in_the_order_of_their_columns():
    space = SPACES["tiny"]
    assert space.gene_names[0] == "resolution"
    assert space.gene_names[1:6] == tuple(f"stages[0].{field}" for field in GENE_FIELDS)
    assert len(space.gene_names) == space.num_genes == len(space.cardinalities) == 11


def test_networks_of_different_shape_are_not_stacked():
    for other in (B0.with_resolution(240), B0):
        assert from_architectures([B0, other]).num_networks == 2
    for other in (dataclasses.replace(B0, stages=B0.stages[:3]), dataclasses.replace(B0, activation="relu")):
        with pytest.raises(InputError, match="cannot be stacked"):
            from_architectures([B0, other])
    with pytest.raises(InputError, match="no networks"):
        from_architectures([])
