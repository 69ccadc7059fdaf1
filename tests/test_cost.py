"""Published networks have their published counts, and a small one those worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from random_networks import networks

from hwsearch.cost import Cost, cost, op_cost, total
from hwsearch.notation import parse
from hwsearch.operation import ops
from hwsearch.preset import reference_preset
from hwsearch.weights import weight_shapes

PUBLISHED = json.loads((Path(__file__).parent / "golden" / "published_totals.json").read_text(encoding="utf-8"))

TINY = parse("r8 relu stem_c4 ir_r1_k3_s1_e2_c4_se0.5 head_c8 classes10")
"""A stem of 8x8 to 4x4, one block at 4x4 with 8 channels inside, squeezed to 2."""


@pytest.mark.parametrize("name", PUBLISHED["networks"])
def test_a_published_network_reproduces_exactly(name):
    golden, counted = PUBLISHED["networks"][name], cost(reference_preset(name).architecture)
    assert (counted.params, counted.macs) == (golden["params"], golden["macs"])
    assert golden["source"] in PUBLISHED["sources"]


def test_a_tiny_network_worked_by_hand():
    stem = 4 * 4 * (9 * 3 * 4)
    block = 16 * (4 * 8) + 16 * (9 * 8) + 8 * 2 + 2 * 8 + 16 * (8 * 4)
    head = 16 * (4 * 8) + 8 * 10
    params = (108 + 8) + (32 + 16) + (72 + 16) + (16 + 2 + 16 + 8) + (32 + 8) + (32 + 16) + (80 + 10)
    assert cost(TINY).macs == stem + block + head == 4528
    assert cost(TINY).params == params == 472


def test_peak_activations_worked_by_hand():
    """Elements alive at once: the depthwise convolution reads and writes 8 maps of 4x4 while the skip waits."""
    stem, block, head, classifier = (op_cost(op).activation_bytes for op in ops(TINY))
    assert stem == 4 * (8 * 8 * 3 + 4 * 4 * 4)
    assert block == 4 * (128 + 128 + 64)
    assert head == 4 * (64 + 128)
    assert classifier == 4 * (8 + 10)
    assert cost(TINY).activation_bytes == block == 1280


def test_peak_activations_without_a_skip_hold_no_input():
    widened = parse("r8 relu stem_c4 ir_r1_k3_s1_e2_c6 head_c8 classes10")
    assert op_cost(ops(widened)[1]).activation_bytes == 4 * (128 + 128)


def test_the_map_to_be_scaled_stays_alive_while_its_scale_is_computed():
    """At 1x1 with 8 channels inside, squeezed to 2: the last squeeze layer reads 2, writes 8; map and skip wait."""
    squeezed = parse("r2 relu stem_c4 ir_r1_k1_s1_e2_c4_se0.5 head_c1 classes1")
    assert op_cost(ops(squeezed)[1]).activation_bytes == 4 * (2 + 8 + 8 + 4)


@settings(max_examples=60, deadline=None)
@given(networks(max_repeats=4))
def test_params_are_the_tensors_that_are_trained(network):
    trained = 0
    for name, shape in weight_shapes(network).items():
        if not name.endswith((".mean", ".variance")):
            count = 1
            for side in shape:
                count *= side
            trained += count
    assert cost(network).params == trained


@settings(max_examples=60, deadline=None)
@given(networks(max_repeats=4))
def test_a_network_costs_its_ops_in_sequence(network):
    each = [op_cost(op) for op in ops(network)]
    assert cost(network).macs == sum(one.macs for one in each)
    assert cost(network).activation_bytes == max(one.activation_bytes for one in each)


def test_nothing_costs_nothing():
    assert total(()) == Cost(0, 0, 0)


def test_doubling_the_resolution_quadruples_convolutions_but_not_the_classifier():
    network = parse("r32 relu stem_c4 ir_r1_k3_s2_e2_c8 head_c8 classes10")
    classifier = 8 * 10
    assert cost(network.with_resolution(64)).macs - classifier == 4 * (cost(network).macs - classifier)
