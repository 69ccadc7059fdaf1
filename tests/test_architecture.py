"""A network is a value: what can be built can be, what cannot is refused with every fault at once."""

from __future__ import annotations

import dataclasses

import pytest

from hwsearch.architecture import Architecture, Stage, plain_number
from hwsearch.errors import FaultsError

STAGE = Stage(kernel_size=3, stride=2, expand_ratio=6, out_channels=24, num_repeats=2, se_ratio=0.25)
NETWORK = Architecture(224, 32, (STAGE, dataclasses.replace(STAGE, num_repeats=3)), 1280)


def test_equal_networks_are_one_key_and_changed_copies_another():
    twin = Architecture(224, 32, tuple(dataclasses.replace(stage) for stage in NETWORK.stages), 1280, "swish", 1000)
    assert {NETWORK: 1}[twin] == 1
    assert NETWORK.with_resolution(240) != NETWORK
    assert NETWORK.with_resolution(240).stages == NETWORK.stages


def test_values_cannot_be_changed_in_place():
    with pytest.raises(dataclasses.FrozenInstanceError):
        NETWORK.resolution = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        STAGE.stride = 1


def test_blocks_are_counted_over_stages():
    assert NETWORK.num_blocks == 5


def test_the_text_is_timms_notation_with_defaults_left_out():
    assert NETWORK.text == "r224 swish stem_c32 ir_r2_k3_s2_e6_c24_se0.25 ir_r3_k3_s2_e6_c24_se0.25 head_c1280"
    plain = Architecture(32, 8, (Stage(5, 1, 1, 16, 1),), 64, "relu6", 10)
    assert str(plain) == "r32 relu6 stem_c8 ds_r1_k5_s1_e1_c16 head_c64 classes10"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("kernel_size", bad) for bad in (0, 2, -3, 33, 3.0, "3", None, True, 10**400)),
        *(("stride", bad) for bad in (0, 3, 1.0, True)),
        *(("expand_ratio", bad) for bad in (0, 65, 1.5)),
        *(("out_channels", bad) for bad in (0, 65_537, 8.0)),
        *(("num_repeats", bad) for bad in (0, 257, None)),
        *(("se_ratio", bad) for bad in (-0.1, 1.01, float("nan"), float("inf"), True, "0.25", 10**400)),
    ],
)
def test_a_stage_field_out_of_range_is_named_with_its_path(field, value):
    with pytest.raises(FaultsError) as refused:
        Architecture(224, 32, (STAGE, dataclasses.replace(STAGE, **{field: value})), 1280)
    assert len(refused.value.faults) == 1
    assert refused.value.faults[0].startswith(f"stages[1].{field}: ")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("resolution", bad) for bad in (0, 4097, 224.0, True)),
        *(("stem_channels", bad) for bad in (0, -1, 65_537)),
        *(("head_channels", bad) for bad in (0, "1280")),
        *(("num_classes", bad) for bad in (0, None)),
        *(("activation", bad) for bad in ("silu", "", None)),
        *(("stages", bad) for bad in ((), (STAGE,) * 65)),
    ],
)
def test_a_network_field_out_of_range_is_named(field, value):
    with pytest.raises(FaultsError) as refused:
        dataclasses.replace(NETWORK, **{field: value})
    assert [fault.split(":")[0] for fault in refused.value.faults] == [field]


def test_all_faults_come_at_once():
    with pytest.raises(FaultsError) as refused:
        Architecture(0, 0, (Stage(2, 3, 0, 0, 0, 2.0),), 0, "gelu", 0)
    named = {fault.split(":")[0] for fault in refused.value.faults}
    fields = ("kernel_size", "stride", "expand_ratio", "out_channels", "num_repeats", "se_ratio")
    own = {"resolution", "stem_channels", "head_channels", "num_classes", "activation"}
    assert named == own | {f"stages[0].{field}" for field in fields}
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("value", "text"), [(1, "1"), (0.25, "0.25"), (1 / 3, "0.3333333333333333"), (0.0, "0"), (1e-7, "1e-07")]
)
def test_numbers_keep_every_digit_and_no_more(value, text):
    assert plain_number(value) == text
    assert float(text) == value
