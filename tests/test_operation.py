"""One traversal: every op of a network in its context, under a key that reads back."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import pytest
from hypothesis import given, settings
from random_networks import networks

from hwsearch.errors import InputError
from hwsearch.notation import parse
from hwsearch.operation import PARTS, layers, ops, parse_op, stage_labels
from hwsearch.preset import reference_preset

NETWORK = parse("r33 swish stem_c8 ds_r2_k3_s1_e1_c8 ir_r3_k5_s2_e6_c12_se0.25 head_c40 classes7")


def test_the_traversal_of_a_small_network_is_known_by_heart():
    assert [op.key for op in ops(NETWORK)] == [
        "stem_r33_i3_o8_k3_s2_e1_se0_swish",
        "mbconv_r17_i8_o8_k3_s1_e1_se0_swish",
        "mbconv_r17_i8_o8_k3_s1_e1_se0_swish",
        "mbconv_r17_i8_o12_k5_s2_e6_se0.25_swish",
        "mbconv_r9_i12_o12_k5_s1_e6_se0.25_swish",
        "mbconv_r9_i12_o12_k5_s1_e6_se0.25_swish",
        "head_r9_i12_o40_k1_s1_e1_se0_swish",
        "classifier_r1_i40_o7_k1_s1_e1_se0_swish",
    ]


def test_labels_say_the_row_of_every_op():
    assert stage_labels(NETWORK) == ("stem", *["stage 0"] * 2, *["stage 1"] * 3, "head", "head")


@settings(max_examples=60, deadline=None)
@given(networks(max_repeats=6))
def test_ops_hand_over_channels_and_resolution_without_a_gap(network):
    found = ops(network)
    assert (found[0].in_channels, found[0].resolution) == (3, network.resolution)
    for before, after in pairwise(found):
        assert (after.in_channels, after.resolution) == (before.out_channels, before.out_resolution)
    assert found[-1].out_channels == network.num_classes
    assert len(found) == network.num_blocks + 3 == len(stage_labels(network))


@settings(max_examples=60, deadline=None)
@given(networks(max_repeats=3))
def test_every_key_reads_back_to_its_op(network):
    for op in set(ops(network)):
        assert parse_op(op.key) == op


@settings(max_examples=60, deadline=None)
@given(networks(max_repeats=2))
def test_layers_of_an_op_lead_from_its_input_to_its_output(network):
    for op in set(ops(network)):
        found = layers(op)
        assert (found[0].in_channels, found[0].resolution) == (op.in_channels, op.resolution)
        assert (found[-1].out_channels, found[-1].out_resolution) == (op.out_channels, op.out_resolution)
        assert len({layer.name for layer in found}) == len(found)
        assert {layer.part for layer in found} <= set(PARTS)


def test_only_a_block_that_keeps_its_shape_has_a_skip():
    first, repeated = ops(NETWORK)[3], ops(NETWORK)[4]
    assert not first.has_skip
    assert repeated.has_skip
    assert not dataclasses.replace(repeated, stride=2).has_skip
    assert not dataclasses.replace(repeated, out_channels=16).has_skip
    assert [layer.name for layer in layers(repeated)][-1] == "add"
    assert "add" not in [layer.name for layer in layers(first)]
    assert not any(op.has_skip for op in ops(NETWORK) if op.kind != "mbconv")


def test_a_block_without_expansion_or_squeeze_excite_has_no_such_layers():
    assert [layer.name for layer in layers(ops(NETWORK)[1])] == ["depthwise", "project", "add"]
    squeeze = ["se_pool", "se_reduce", "se_expand", "se_scale"]
    assert [layer.name for layer in layers(ops(NETWORK)[3])] == ["expand", "depthwise", *squeeze, "project"]


def test_the_projection_is_linear_and_everything_else_is_activated():
    by_name = {layer.name: layer for layer in layers(ops(NETWORK)[3])}
    assert by_name["project"].activation == "none"
    assert by_name["expand"].activation == by_name["depthwise"].activation == by_name["se_reduce"].activation == "swish"
    assert by_name["se_expand"].activation == "sigmoid"


def test_squeeze_channels_count_from_the_blocks_input_and_are_at_least_one():
    assert ops(NETWORK)[3].se_channels == 2  # a quarter of 8, not of the 48 inside
    assert dataclasses.replace(ops(NETWORK)[3], se_ratio=0.01).se_channels == 1
    assert dataclasses.replace(ops(NETWORK)[3], se_ratio=0.0).se_channels == 0


@pytest.mark.parametrize(("resolution", "out"), [(224, 112), (225, 113), (1, 1), (2, 1)])
def test_a_stride_halves_and_rounds_up(resolution, out):
    assert ops(NETWORK.with_resolution(resolution))[0].out_resolution == out


def test_b0_has_as_many_ops_as_the_paper_has_layers():
    assert len(ops(reference_preset("efficientnet-b0").architecture)) == 1 + 16 + 2


@pytest.mark.parametrize(
    "key",
    [
        "",
        "mbconv",
        "conv_r112_i16_o24_k3_s2_e6_se0.25_swish",
        "mbconv_r112_i16_o24_k3_s3_e6_se0.25_swish",
        "mbconv_r112_i16_o24_k3_s2_e6_se0.25_gelu",
        "mbconv_r112_i16_o24_k3_s2_e6_se._swish",
        "mbconv_r112_i16_o24_k3_s2_e6_se1e999_swish",
        "mbconv_r112_i16_o24_k3_s2_e6_se-1_swish",
        "mbconv_r112_i16_o24_k3_s2_e6_se0.250_swish",
        "mbconv_r0112_i16_o24_k3_s2_e6_se0.25_swish",
        "mbconv_r112_i0_o24_k3_s2_e6_se0.25_swish",
        "mbconv_r112_i16_o24_k3_s2_e6_se0.25_swish ",
        "mbconv_r112_i16_o24_k3_s2_e6_se0.25_swish\n",
        "mbconv_r١١٢_i16_o24_k3_s2_e6_se0.25_swish",
        "mbconv_r112_i" + "9" * 5000 + "_o24_k3_s2_e6_se0.25_swish",
    ],
)
def test_a_word_that_is_no_key_is_refused(key):
    with pytest.raises(InputError) as refused:
        parse_op(key)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300
