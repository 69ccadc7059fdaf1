"""Compound scaling: published networks exactly, rounding rules, the law, and refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsearch.architecture import Architecture, Stage
from hwsearch.cost import cost
from hwsearch.errors import InputError
from hwsearch.preset import reference_preset, reference_presets
from hwsearch.scaling import (
    PUBLISHED_B,
    PUBLISHED_LITE,
    Coefficients,
    Law,
    published,
    round_filters,
    round_repeats,
    round_resolution,
    scale,
    scale_family,
    scale_phi,
)

B0 = reference_preset("efficientnet-b0").architecture
PAPER = Law(1.2, 1.1, 1.15)
PUBLISHED = [("b", name) for name in PUBLISHED_B] + [("lite", name) for name in PUBLISHED_LITE]

widths = st.floats(0.05, 8, allow_nan=False)
channels = st.integers(1, 4000)


@st.composite
def architectures(draw):
    stages = draw(
        st.lists(
            st.builds(
                Stage,
                kernel_size=st.sampled_from([3, 5, 7]),
                stride=st.sampled_from([1, 2]),
                expand_ratio=st.sampled_from([1, 3, 4, 6]),
                out_channels=st.integers(1, 400),
                num_repeats=st.integers(1, 6),
                se_ratio=st.sampled_from([0.0, 0.25]),
            ),
            min_size=1,
            max_size=4,
        )
    )
    return Architecture(
        draw(st.integers(32, 512)), draw(st.integers(8, 64)), tuple(stages), draw(st.integers(8, 2000)), "swish"
    )


def test_thirteen_networks_are_published_here():
    assert len(PUBLISHED) == 13


@pytest.mark.parametrize(("style", "name"), PUBLISHED)
def test_published_coefficients_reproduce_the_published_networks_exactly(style, name):
    row = (PUBLISHED_B | PUBLISHED_LITE)[name]
    preset = reference_presets()[f"efficientnet-{name}"]
    assert scale(B0, style, row.coefficients) == preset.architecture
    variant = scale_phi(B0, int(name[-1]), style, coefficients="published", base_name="efficientnet-b0")
    assert variant.name == preset.name
    assert variant.architecture == preset.architecture
    assert variant.resolution == row.resolution
    assert variant.dropout_rate == preset.dropout_rate
    assert variant.published_top1 == preset.published_top1
    assert (variant.macs, variant.params) == (cost(preset.architecture).macs, cost(preset.architecture).params)


def test_golden_counts_of_the_published_families():
    b7 = scale_phi(B0, 7, "b", coefficients="published")
    lite4 = scale_phi(B0, 4, "lite", coefficients="published")
    assert (b7.macs, b7.params) == (37_745_884_192, 66_347_960)
    assert (lite4.macs, lite4.params) == (2_553_034_336, 13_006_568)


def test_ceil_makes_b1_dearer_than_its_coefficients_say():
    b1 = scale_phi(B0, 1, "b", coefficients="published")
    assert b1.macs / cost(B0).macs == pytest.approx(1.78, abs=0.005)
    assert PUBLISHED_B["b1"].coefficients.growth == pytest.approx(1.26, abs=0.005)


def test_the_law_is_not_the_published_table():
    by_law = scale_phi(B0, 7, "b", base_name="efficientnet-b0")
    assert by_law.name == "efficientnet-b0-b-phi7"
    assert by_law.depth_coefficient == pytest.approx(1.2**7)
    assert by_law.width_coefficient == pytest.approx(1.1**7)
    assert by_law.resolution_coefficient == pytest.approx(1.15**7)
    assert by_law.architecture != reference_preset("efficientnet-b7").architecture
    assert by_law.published_top1 is None


def test_lite_style_keeps_stem_head_and_the_repeats_of_both_ends():
    lite = scale(B0, "lite", Coefficients(1.4, 1.8, 300 / 224))
    assert (lite.stem_channels, lite.head_channels, lite.activation) == (32, 1280, "relu6")
    assert [stage.num_repeats for stage in lite.stages] == [1, 4, 4, 6, 6, 8, 1]
    assert not any(stage.se_ratio for stage in lite.stages)


@pytest.mark.parametrize(
    ("given_channels", "width", "expected"),
    [(32, 1.2, 40), (40, 1.1, 48), (24, 1.1, 24), (16, 1.2, 24), (1280, 1.1, 1408), (8, 0.1, 8), (20, 1.0, 20)],
)
def test_round_filters(given_channels, width, expected):
    assert round_filters(given_channels, width) == expected


@given(channels, widths)
def test_filters_are_multiples_of_eight_and_never_below_ninety_percent(count, width):
    rounded = round_filters(count, width)
    if width == 1:
        assert rounded == count
    else:
        assert rounded % 8 == 0
        assert rounded >= 0.9 * count * width
        assert rounded <= max(8, count * width + 8)


@given(channels, widths, widths)
def test_filters_grow_with_the_width(count, first, second):
    count *= 8  # other channels are left alone at exactly 1, which may lie below a rounded neighbour
    low, high = sorted((first, second))
    assert round_filters(count, low) <= round_filters(count, high)


@given(channels, channels, widths.filter(lambda width: width != 1))
def test_filters_grow_with_the_channels(first, second, width):
    low, high = sorted((first, second))
    assert round_filters(low, width) <= round_filters(high, width)


@given(st.integers(1, 60), st.floats(0.02, 4), st.floats(0.02, 4))
def test_repeats_grow_with_the_depth_and_stay_at_least_one(repeats, first, second):
    low, high = sorted((first, second))
    assert 1 <= round_repeats(repeats, low) <= round_repeats(repeats, high)
    if low >= 1:
        assert round_repeats(repeats, low) >= repeats
    else:
        assert round_repeats(repeats, low) <= repeats


def test_repeats_round_up_when_growing_and_to_the_nearest_when_shrinking():
    assert [round_repeats(count, 1.1) for count in (1, 2, 3, 10)] == [2, 3, 4, 11]
    assert [round_repeats(count, 0.75) for count in (1, 2, 3, 4)] == [1, 2, 2, 3]
    assert round_repeats(4, 0.02) == 1


@given(st.integers(32, 1024), st.floats(0.2, 4))
def test_resolutions_are_multiples_of_four_near_what_was_asked(resolution, factor):
    rounded = round_resolution(resolution, factor)
    if factor != 1:
        assert rounded % 4 == 0
        assert abs(rounded - resolution * factor) <= 2 + 1e-9
    assert round_resolution(resolution, 1.0) == resolution


@given(architectures())
def test_coefficients_of_one_are_the_identity(architecture):
    assert scale(architecture, "b", Coefficients()) == architecture
    assert scale_phi(architecture, 0, "b").architecture == architecture


@given(architectures())
def test_lite_is_idempotent(architecture):
    lite = scale(architecture, "lite", Coefficients())
    assert scale(lite, "lite", Coefficients()) == lite


@given(st.floats(0, 6), st.floats(0, 6), st.sampled_from(["b", "lite"]))
def test_a_larger_phi_never_costs_less(first, second, style):
    low, high = (scale_phi(B0, phi, style) for phi in sorted((first, second)))
    assert low.macs <= high.macs
    assert low.params <= high.params


@pytest.mark.parametrize("style", ["b", "lite"])
def test_fractional_and_negative_phi(style):
    smaller, base, between, larger = (scale_phi(B0, phi, style) for phi in (-1, 0, 0.5, 1))
    assert smaller.macs < base.macs < between.macs < larger.macs
    assert smaller.width_coefficient == pytest.approx(1 / 1.1)
    assert all(stage.num_repeats >= 1 for stage in smaller.architecture.stages)


def test_the_default_law_is_the_papers_and_passes_its_own_check():
    assert Law() == PAPER
    assert Law().growth == pytest.approx(1.92027)
    assert Law().warnings == ()
    (warning,) = Law(1.4, 1.2, 1.3).warnings
    assert "3.41" in warning


@pytest.mark.parametrize("bad", [0.9, math.nan, math.inf, -1.0, 1e9, True, "1.2", None])
def test_bad_laws_are_refused_in_one_line(bad):
    with pytest.raises(InputError) as error:
        Law(alpha=bad)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 33, -33, 32, -32, 25, 10**400, True, "3", None])
@pytest.mark.parametrize("coefficients", ["law", "published"])
def test_bad_phis_are_refused_in_one_line(bad, coefficients):
    with pytest.raises(InputError) as error:
        scale_phi(B0, bad, "b", coefficients=coefficients)
    assert "\n" not in str(error.value)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_any_phi_gives_a_network_or_an_input_error(phi):
    try:
        said = scale_phi(B0, phi, "b").name
    except InputError as error:
        said = str(error)
    assert "\n" not in said


def test_numpy_numbers_are_numbers():
    assert scale_phi(B0, np.int64(2), "b") == scale_phi(B0, 2.0, "b")
    assert scale_phi(B0, -0.0, "b").name == "network-b-phi0"


@pytest.mark.parametrize("phi", [0.5, -1, 8, 100])
def test_the_published_table_has_no_rows_between(phi):
    with pytest.raises(InputError, match=r"no row|phi is"):
        published("b", phi)
    with pytest.raises(InputError):
        published("lite", 5)


@pytest.mark.parametrize(
    "coefficients",
    [Coefficients(width=60.0), Coefficients(resolution=60.0), Coefficients(depth=64.0), Coefficients(resolution=0.1)],
)
def test_scaling_beyond_the_limits_is_refused_in_one_line(coefficients):
    deep = Architecture(224, 32, (Stage(3, 2, 6, 24, 10),), 1280)
    base = deep if coefficients.depth > 1 else B0
    with pytest.raises(InputError, match="scaled too far") as error:
        scale(base, "b", coefficients)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", [0.0, -1.0, 65.0, math.nan])
def test_bad_coefficients_are_refused(value):
    with pytest.raises(InputError, match="width coefficient"):
        Coefficients(width=value)


def test_unknown_style_and_source_name_the_nearest():
    with pytest.raises(InputError, match="did you mean 'lite'"):
        scale(B0, "light", Coefficients())
    with pytest.raises(InputError, match="did you mean 'published'"):
        scale_phi(B0, 1, "b", coefficients="publish")


def test_a_family_keeps_the_order_and_refuses_a_repeated_phi():
    family = scale_family(B0, [2, 0, 1.5], "lite", PAPER, base_name="efficientnet-b0")
    assert [variant.phi for variant in family.variants] == [2, 0, 1.5]
    assert family.law == PAPER
    assert scale_family(B0, [1], "b", coefficients="published").law is None
    with pytest.raises(InputError, match="two members"):
        scale_family(B0, [1, 1.0], "b")
    with pytest.raises(InputError, match="without a phi"):
        scale_family(B0, [], "b")


def test_dropout_grows_with_phi_as_it_was_published():
    assert [scale_phi(B0, phi, "b").dropout_rate for phi in (-1, 0, 0.5, 2, 3.5, 5, 6, 7)] == [
        0.2, 0.2, 0.2, 0.3, 0.4, 0.4, 0.5, 0.5,
    ]  # fmt: skip
    assert scale_phi(B0, 6, "lite").dropout_rate == 0.3
