"""A space file is read whole or refused with every fault; YAML that could run code or grow is refused."""

from __future__ import annotations

import pytest

from hwsearch.errors import FaultsError, InputError
from hwsearch.space_file import load_space, parse_yaml, read_space

GOOD = """
format: hwsearch-space
version: 1
name: mine
resolution: [96, 128]
stem_channels: 16
head_channels: 256
activation: relu6
stages:
  - {stride: 1, out_channels: 8, kernel_size: 3, expand_ratio: 1, num_repeats: 1}
  - {stride: 2, out_channels: [16, 24], kernel_size: [3, 5, 7],
     expand_ratio: [3, 6], num_repeats: [1, 2], se_ratio: [0, 0.25]}
"""


def written(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def faults_of(tmp_path, text):
    with pytest.raises(FaultsError) as refused:
        read_space(written(tmp_path, text))
    assert str(tmp_path / "mine.yaml") in str(refused.value)
    return [fault.split(":")[0] for fault in refused.value.faults]


def test_a_file_becomes_a_space(tmp_path):
    space = read_space(written(tmp_path, GOOD))
    assert (space.name, space.resolution, space.activation, space.num_classes) == ("mine", (96, 128), "relu6", 1000)
    assert space.stages[0].se_ratio == (0.0,)
    assert space.stages[1].kernel_size == (3, 5, 7)
    assert space.size == 2 * (2 * 3 * 2 * 2 * 2)


def test_one_value_is_a_list_of_one(tmp_path):
    same = GOOD.replace("kernel_size: 3,", "kernel_size: [3],").replace("out_channels: 8,", "out_channels: [8],")
    assert read_space(written(tmp_path, same)) == read_space(written(tmp_path, GOOD))


def test_all_faults_come_at_once_with_their_paths(tmp_path):
    text = (
        GOOD.replace("resolution: [96, 128]", "resolution: [128, 96]")
        .replace("stem_channels: 16", "stem_channels: 0")
        .replace("activation: relu6", "activation: gelu")
        .replace("kernel_size: 3,", "kernel_size: 4,")
        .replace("expand_ratio: [3, 6]", "expand_ratio: [3, 3]")
        .replace("[0, 0.25]", "[0, 1.25]")
        .replace("head_channels: 256", "heads: 256")
    )
    assert set(faults_of(tmp_path, text)) == {
        "resolution",
        "stem_channels",
        "activation",
        "head_channels",
        "heads",
        "stages[0].kernel_size",
        "stages[1].expand_ratio",
        "stages[1].se_ratio[1]",
    }


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("version: 1", "version: 2", "version"),
        ("version: 1", "version: '1'", "version"),
        ("format: hwsearch-space", "format: other", "format"),
        ("name: mine", "name: My Space", "name"),
        ("name: mine", "name: 3", "name"),
        ("stride: 1", "stride: 3", "stages[0].stride"),
        ("stride: 1", "stride: true", "stages[0].stride"),
        ("num_repeats: 1}", "num_repeats: []}", "stages[0].num_repeats"),
        ("num_repeats: 1}", "num_repeats: 1.5}", "stages[0].num_repeats[0]"),
        ("num_repeats: 1}", "num_repeats: null}", "stages[0].num_repeats[0]"),
        ("num_repeats: 1}", "num_repeats: {a: 1}}", "stages[0].num_repeats[0]"),
        ("num_repeats: 1}", "num_repeats: [1, [2]]}", "stages[0].num_repeats[1]"),
        ("num_repeats: 1}", f"num_repeats: {list(range(1, 40))}}}", "stages[0].num_repeats"),
        ("num_repeats: 1}", "num_repeats: 1, extra: 2}", "stages[0].extra"),
        (", num_repeats: 1}", "}", "stages[0].num_repeats"),
        ("[0, 0.25]", ".nan", "stages[1].se_ratio[0]"),
        ("[0, 0.25]", ".inf", "stages[1].se_ratio[0]"),
        ("[0, 0.25]", "-.inf", "stages[1].se_ratio[0]"),
        ("[96, 128]", "1e3", "resolution[0]"),
        ("[96, 128]", "5000", "resolution[0]"),
        ("[96, 128]", "2020-01-01", "resolution[0]"),
        ("[96, 128]", "9" * 4000, "resolution[0]"),
    ],
)
def test_a_wrong_value_is_named_by_its_path(tmp_path, old, new, path):
    assert old in GOOD
    assert faults_of(tmp_path, GOOD.replace(old, new, 1)) == [path]


@pytest.mark.parametrize(
    "text",
    [
        "a: &x 1\nb: *x",
        "a: &x [*x]",
        "a: &a [z, z]\nb: &b [*a, *a]\nc: &c [*b, *b]",
        "base: &base {stride: 1}\nstages:\n - <<: *base",
        "!!python/object/apply:os.system ['true']",
        "a: !!python/name:os.system",
        "a: !!python/tuple [1]",
        "a: !mine 3",
        "a: !!set {b, c}",
        "a: !!binary aGVsbG8=",
        "a: !!timestamp 2020-01-01",
        "a: 1\nb: 2\na: 3",
        "a: {b: 1, b: 1}",
        "? [1, 2]\n: 3",
        "? {a: 1}\n: 3",
        "a: [1",
        "a: 'open",
        "a: \tb: c",
        "a: 1\n--- \nb: 2",
        "[" * 20_000,
        "a: \x00",
        "a: \x07",
        "9" * 5000,
        "a: 0x" + "f" * 9000,
    ],
)
def test_yaml_that_is_not_plain_is_refused_in_one_line(tmp_path, text):
    with pytest.raises(InputError) as refused:
        read_space(written(tmp_path, text))
    assert str(tmp_path) in str(refused.value)
    assert len(str(refused.value)) < 500 + len(str(tmp_path))


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3", "a: *x", "a: !!set {b}"])
def test_a_refusal_says_where(text):
    with pytest.raises(InputError, match=r"line \d column \d"):
        parse_yaml(text, "here")


@pytest.mark.parametrize("text", ["", "3", "[]", "hwsearch", "# nothing"])
def test_a_document_that_is_no_mapping_is_refused(tmp_path, text):
    with pytest.raises(InputError, match="not a mapping"):
        read_space(written(tmp_path, text))


def test_a_file_that_is_too_large_is_not_parsed(tmp_path):
    with pytest.raises(InputError, match="larger than"):
        read_space(written(tmp_path, GOOD + "#" * 300_000))


def test_a_misspelt_name_gets_the_nearest_one():
    with pytest.raises(InputError, match="did you mean 'efficientnet-lite'"):
        load_space("efficientnet-light")


def test_a_path_is_read_as_a_file(tmp_path):
    assert load_space(str(written(tmp_path, GOOD))).name == "mine"
    with pytest.raises(InputError, match="no such file"):
        load_space(str(tmp_path / "other.yaml"))


@pytest.mark.parametrize("name", ["efficientnet-b0", "efficientnet-lite", "mbconv"])
def test_a_shipped_space_is_called_like_its_file_and_described(name):
    space = load_space(name)
    assert space.name == name
    assert len(space.description) > 40
