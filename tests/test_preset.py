"""A preset file says a network, what it counts and where it comes from; one that contradicts itself is refused."""

from __future__ import annotations

import json

import pytest

from hwsearch.cost import cost
from hwsearch.errors import FaultsError, InputError
from hwsearch.notation import parse
from hwsearch.preset import (
    MAX_NAME,
    Preset,
    PublishedTop1,
    load_preset,
    reference_preset,
    reference_presets,
    save_preset,
    to_document,
)

NETWORK = parse("r64 relu6 stem_c16 ds_r1_k3_s1_c16 ir_r2_k5_s2_e4_c24 head_c64 classes10")
PRESET = Preset("found-one", NETWORK, PublishedTop1(71.5, "somebody 2020"), 0.1, 0.05, {"found": {"seed": 3}})


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "one.preset.json"
    save_preset(PRESET, path)
    return path


def change(path, **changes):
    document = json.loads(path.read_text(encoding="utf-8"))
    document.update(changes)
    path.write_text(json.dumps({key: value for key, value in document.items() if value != "remove"}), encoding="utf-8")


def test_a_preset_reads_back_whole(written):
    loaded = load_preset(written)
    assert loaded == PRESET
    assert loaded.provenance == PRESET.provenance  # which equality leaves out


def test_the_file_says_what_the_network_counts(written):
    document = json.loads(written.read_text(encoding="utf-8"))
    price = cost(NETWORK)
    assert (document["text"], document["macs"], document["params"]) == (NETWORK.text, price.macs, price.params)


def test_a_file_without_counts_is_a_preset_and_is_given_them_when_saved(written):
    change(written, macs="remove", params="remove", provenance="remove")
    assert to_document(load_preset(written))["params"] == cost(NETWORK).params


@pytest.mark.parametrize("field", ["macs", "params"])
def test_counts_that_contradict_the_network_are_refused_with_both_numbers(written, field):
    change(written, **{field: 12_345})
    counted = f"{getattr(cost(NETWORK), field):,}"
    with pytest.raises(InputError, match=rf"{field} says 12,345, but .* has {counted}") as refused:
        load_preset(written)
    assert str(written) in str(refused.value)


def test_all_faults_of_a_file_come_at_once_with_their_paths(written):
    change(written, dropout_rate=1.5, drop_connect_rate="0.2", published_top1={"percent": 0}, colour="red")
    with pytest.raises(FaultsError) as refused:
        load_preset(written)
    paths = {fault.split(":")[0] for fault in refused.value.faults}
    wrong = {"dropout_rate", "drop_connect_rate", "published_top1.percent", "published_top1.source", "colour"}
    assert paths == wrong


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"text": "r64 bogus ir_r1_k3_s1_e1_c8"}, "column 5.*bogus"),
        ({"text": ""}, "at least one stage"),
        ({"name": "Not A Name"}, "preset name"),
        ({"name": "../escape"}, "preset name"),
        ({"version": 2}, "version 2"),
        ({"version": "1"}, "version '1'"),
        ({"format": "hwsearch-space"}, "not a hwsearch-preset file"),
        ({"macs": 1.5}, "macs"),
        ({"dropout_rate": -0.1}, "dropout_rate"),
        ({"text": "\ud800"}, "invalid JSON"),
    ],
)
def test_a_wrong_field_is_refused_with_the_file(written, changes, said):
    change(written, **changes)
    with pytest.raises(InputError, match=said) as refused:
        load_preset(written)
    assert str(refused.value).startswith(str(written))


@pytest.mark.parametrize("name", ["a", "efficientnet-b0", "found-cpu-4.21ms", "x_1", "a" * MAX_NAME])
def test_plain_names_are_names(name):
    assert Preset(name, NETWORK).name == name


@pytest.mark.parametrize(
    "name", ["", "B0", "0b", "-a", "a-", "a--b", "a/b", "a b", "a..b", "é", "a\n", "a" * (MAX_NAME + 1), "con\x00"]
)
def test_a_name_that_could_be_no_file_or_module_is_refused(name):
    with pytest.raises(InputError, match="not a preset name"):
        Preset(name, NETWORK)


def test_every_published_network_names_the_source_of_its_top1():
    presets = reference_presets()
    assert {f"efficientnet-b{i}" for i in range(8)} | {f"efficientnet-lite{i}" for i in range(5)} <= set(presets)
    for preset in presets.values():
        assert 60 < preset.published_top1.percent < 90
        assert preset.published_top1.source


def test_lite_networks_are_without_squeeze_excite_and_with_relu6():
    for number in range(5):
        lite = reference_preset(f"efficientnet-lite{number}").architecture
        assert lite.activation == "relu6"
        assert (lite.stem_channels, lite.head_channels) == (32, 1280)
        assert not any(stage.se_ratio for stage in lite.stages)
        assert (lite.stages[0].num_repeats, lite.stages[-1].num_repeats) == (1, 1)


def test_a_misspelt_name_gets_the_nearest_one():
    with pytest.raises(InputError, match=r"did you mean 'efficientnet-lite3'.*hwsearch presets"):
        reference_preset("efficientnet_lite3")
