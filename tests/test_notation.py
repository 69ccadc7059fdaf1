"""The text form reads back what it printed, and points at what it does not understand."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_networks import networks

from hwsearch.architecture import Architecture, Stage
from hwsearch.errors import FaultsError, InputError
from hwsearch.notation import MAX_TEXT, parse

STAGE = "ir_r2_k3_s2_e6_c24_se0.25"


@settings(max_examples=200, deadline=None)
@given(networks())
def test_every_network_reads_back_from_its_text(network):
    assert parse(network.text) == network
    assert parse(network.text).text == network.text


def test_what_is_left_out_has_its_default():
    expected = Architecture(224, 32, (Stage(3, 2, 6, 24, 2, 0.25),), 1280, "swish", 1000)
    assert parse(STAGE) == expected


@pytest.mark.parametrize(
    "text",
    [
        "relu6 r64 ds_r1_k3_s1_c16",
        "r64 relu6 ds_r1_k3_s1_e1_c16",
        "r64 re6 ir_r1_k3_s1_e1_c16",
        "  r64,relu6 | ds_k3_r1_c16_s1  ",
        "ds_r1_k3_s1_e1_c16_se0 r64\trelu6\nhead_c1280 stem_c32 classes1000",
        "r0064 relu6 ds_r01_k3.0_s1_c16",
    ],
)
def test_spellings_of_one_network_print_one_canonical_text(text):
    assert parse(text).text == "r64 relu6 stem_c32 ds_r1_k3_s1_e1_c16 head_c1280"


@pytest.mark.parametrize(
    ("alias", "activation"), [("silu", "swish"), ("sw", "swish"), ("re6", "relu6"), ("re", "relu")]
)
def test_timms_names_of_activations_are_understood(alias, activation):
    assert parse(f"{alias} {STAGE}").activation == activation


@pytest.mark.parametrize(
    ("text", "wrong", "said"),
    [
        (f"r224 bogus {STAGE}", "bogus", "not understood"),
        (f"r224 Swish {STAGE}", "Swish", "did you mean 'swish'"),
        (f"{STAGE} stem_32", "stem_32", "not understood"),
        (f"r-5 {STAGE}", "r-5", "not understood"),
        (f"r2.5 {STAGE}", "r2.5", "not understood"),
        (f"swish {STAGE} relu", "relu", "second activation"),
        (f"r224 {STAGE} r240", "r240", "second 'r'"),
        (f"head_c8 {STAGE} head_c8", "head_c8", "second 'head_c'"),
        ("ir_r1_k3_s1_e6", "ir_r1_k3_s1_e6", "without c"),
        ("r32 ir_r1_k3_s1_c8", "ir_r1_k3_s1_c8", "without e"),
        ("r32  ds_c8", "ds_c8", "without r, k, s"),
        (f"{STAGE} ds_r1_k3_s1_e4_c8", "ds_r1_k3_s1_e4_c8", "no expansion"),
        (f"{STAGE} ir_r1_k3_s1_e6_c8_x3", "x3", "unknown stage field"),
        (f"{STAGE} ir_r1_k_s1_e6_c8", "k", "unknown stage field"),
        (f"{STAGE} ir__r1_k3_s1_e6_c8", "", "unknown stage field"),
        ("ir_r1_k3_k5_s1_e6_c8", "k5", "second 'k'"),
        ("ir_r1_k4_s1_e6_c8", "ir_r1_k4_s1_e6_c8", "kernel_size: 4"),
        ("ir_r1.5_k3_s1_e6_c8", "ir_r1.5_k3_s1_e6_c8", "num_repeats: 1.5"),
        ("ir_r1_k3_s3_e6_c8", "ir_r1_k3_s3_e6_c8", "stride: 3"),
        ("ir_r1_k3_s1_e6_c8_se1.5", "ir_r1_k3_s1_e6_c8_se1.5", "se_ratio: 1.5"),
        ("ir_r1_k3_s1_e6_c999999999999", "ir_r1_k3_s1_e6_c999999999999", "out_channels"),
        ("ir_r1_k3_s1_e6_c1e999", "ir_r1_k3_s1_e6_c1e999", "out_channels: inf"),
    ],
)
def test_an_error_says_the_column_of_what_is_wrong(text, wrong, said):
    with pytest.raises(InputError, match=re.escape(said)) as refused:
        parse(text)
    column = int(re.fullmatch(r"text form, column (\d+)", refused.value.where)[1])
    assert text[column - 1 :].startswith(wrong)
    assert column == 1 or text[column - 2] in " _"


@pytest.mark.parametrize("text", ["", "   ", "r224 swish stem_c32 head_c1280", ",|,"])
def test_a_network_without_a_stage_is_refused_with_an_example(text):
    with pytest.raises(InputError, match=r"at least one stage.*ir_r2_k3"):
        parse(text)


def test_numbers_that_no_network_has_are_refused_together():
    with pytest.raises(FaultsError) as refused:
        parse(f"r0 stem_c0 {STAGE} head_c{'9' * 4000} classes0")
    assert [fault.split(":")[0] for fault in refused.value.faults] == [
        "resolution",
        "stem_channels",
        "head_channels",
        "num_classes",
    ]
    assert len(str(refused.value)) < 500


def test_a_text_of_any_length_is_bounded():
    with pytest.raises(InputError, match="too long"):
        parse("x" * (MAX_TEXT + 1))
    with pytest.raises(FaultsError, match="stages"):
        parse(" ".join([STAGE] * 65))


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(max_size=60),
        st.text(alphabet="rkscedin_0123456789. |,\x00٣²", max_size=60),
        st.lists(st.sampled_from([STAGE, "r1", "swish", "ds_", "ir_e", "_", "stem_c", "se1e9", "e9"])).map(" ".join),
        st.builds(lambda a, b: STAGE[:a] + b + STAGE[a:], st.integers(0, len(STAGE)), st.text(max_size=3)),
    )
)
def test_no_string_is_more_than_refused(text):
    said, network = "", None
    try:
        network = parse(text)
    except InputError as error:
        said = str(error)
    assert "\n" not in said
    assert network is None or parse(network.text) == network
