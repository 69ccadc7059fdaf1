"""What must hold of any space and any network: encoding, files, scaling, round trips (hypothesis)."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from random_networks import networks, small_networks

from hwsearch.coefficients import STYLES, Coefficients
from hwsearch.cost import cost
from hwsearch.errors import InputError
from hwsearch.export import EXPORTERS, export
from hwsearch.importing import import_network
from hwsearch.notation import parse
from hwsearch.operation import ops
from hwsearch.preset import Preset, load_preset, save_preset
from hwsearch.scaling import scale
from hwsearch.search_space import SearchSpace, StageSpace
from hwsearch.space_file import read_space

FIELDS = ("expand_ratio", "kernel_size", "num_repeats", "se_ratio", "out_channels")
IN_A_FOLDER = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
factors = st.floats(0.3, 2.5)


def choices(values, most=3):
    return st.lists(values, min_size=1, max_size=most, unique=True).map(lambda found: tuple(sorted(found)))


@st.composite
def spaces(draw):
    stages = draw(
        st.lists(
            st.builds(
                StageSpace,
                stride=st.sampled_from((1, 2)),
                expand_ratio=choices(st.integers(1, 8)),
                kernel_size=choices(st.sampled_from((1, 3, 5, 7, 9))),
                num_repeats=choices(st.integers(1, 5)),
                se_ratio=choices(st.sampled_from((0.0, 0.1, 0.25, 0.5, 1.0))),
                out_channels=choices(st.integers(1, 96)),
            ),
            min_size=1,
            max_size=4,
        )
    )
    return SearchSpace(
        "drawn",
        draw(choices(st.integers(1, 160))),
        draw(st.integers(1, 64)),
        tuple(stages),
        draw(st.integers(1, 256)),
        draw(st.sampled_from(("swish", "relu6", "relu"))),
        draw(st.integers(1, 100)),
    )


@settings(max_examples=60, deadline=None)
@given(space=spaces(), seed=st.integers(0, 2**32 - 1))
def test_a_row_is_a_network_and_the_network_that_row(space, seed):
    population = space.sample(7, np.random.default_rng(seed))
    for row in population:
        network = space.decode(row)
        assert space.contains(network)
        assert np.array_equal(space.encode(network), row)
    arrays = space.stage_arrays(population)
    assert [tuple(column) for column in arrays.num_repeats] == [
        tuple(stage.num_repeats for stage in space.decode(row).stages) for row in population
    ]


@settings(max_examples=60, deadline=None)
@given(space=spaces(), seed=st.integers(0, 2**32 - 1))
def test_the_blocks_of_a_space_are_those_of_its_networks(space, seed):
    known = set(space.blocks())
    for row in space.sample(5, np.random.default_rng(seed)):
        assert set(ops(space.decode(row))) <= known


@given(space=spaces())
@settings(max_examples=60, deadline=None)
def test_the_size_is_the_product_of_the_choices(space):
    sizes = [len(space.resolution), *(len(getattr(stage, field)) for stage in space.stages for field in FIELDS)]
    assert space.size == math.prod(sizes)


@IN_A_FOLDER
@given(space=spaces())
def test_a_space_survives_its_file(space, tmp_path):
    document = {
        "format": "hwsearch-space",
        "version": 1,
        **{name: getattr(space, name) for name in ("name", "stem_channels", "head_channels", "activation")},
        "num_classes": space.num_classes,
        "resolution": list(space.resolution),
        "stages": [
            {"stride": stage.stride, **{field: list(getattr(stage, field)) for field in FIELDS}}
            for stage in space.stages
        ],
    }
    path = tmp_path / "drawn.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    assert read_space(path) == space


@settings(max_examples=150, deadline=None)
@given(network=networks(max_channels=512, max_repeats=12), style=st.sampled_from(STYLES), data=st.data())
def test_scaling_follows_its_rules_or_refuses(network, style, data):
    width, depth, resolution = data.draw(factors), data.draw(factors), data.draw(factors)
    try:
        scaled = scale(network, style, Coefficients(width, depth, resolution))
    except InputError:
        assume(False)
    assert len(scaled.stages) == len(network.stages)
    for index, (new, old) in enumerate(zip(scaled.stages, network.stages, strict=True)):
        fixed = style == "lite" and index in (0, len(network.stages) - 1)
        assert (new.stride, new.kernel_size, new.expand_ratio) == (old.stride, old.kernel_size, old.expand_ratio)
        assert new.num_repeats == old.num_repeats if fixed else new.num_repeats >= 1
        if width != 1:
            assert new.out_channels % 8 == 0
            assert new.out_channels >= 0.9 * old.out_channels * width - 1e-6
        if depth >= 1:
            assert new.num_repeats >= old.num_repeats
    assert scaled.resolution % 4 == 0 or resolution == 1
    if style == "lite":
        assert (scaled.stem_channels, scaled.head_channels) == (network.stem_channels, network.head_channels)
        assert scaled.activation == "relu6"
        assert not any(stage.se_ratio for stage in scaled.stages)


@settings(max_examples=60, deadline=None)
@given(network=networks(max_channels=256, max_repeats=6), grown=st.floats(1, 2.5), more=st.floats(1, 1.8))
def test_growing_further_never_costs_less(network, grown, more):
    try:
        first = scale(network, "b", Coefficients(grown, grown, grown))
        second = scale(network, "b", Coefficients(grown * more, grown * more, grown * more))
    except InputError:
        assume(False)
    assert cost(second).macs >= cost(first).macs
    assert cost(second).params >= cost(first).params


@IN_A_FOLDER
@given(network=networks())
def test_a_preset_survives_its_file(network, tmp_path):
    preset = Preset("drawn", network)
    save_preset(preset, tmp_path / "drawn.preset.json")
    assert load_preset(tmp_path / "drawn.preset.json").architecture == network
    assert parse(network.text) == network


@IN_A_FOLDER
@given(network=small_networks(), to=st.sampled_from(("timm", "keras-hub", "keras-cv", "huggingface", "torch")))
def test_what_a_format_can_say_comes_back(network, to, tmp_path):
    network = dataclasses.replace(network, resolution=max(2, network.resolution))
    preset = Preset("drawn", network)
    for padding in ("same", "symmetric"):
        folder = tmp_path / f"{to}-{padding}"
        if not EXPORTERS[to].limits(preset, padding):
            export(preset, to, folder, padding)
            assert import_network(folder) == network
