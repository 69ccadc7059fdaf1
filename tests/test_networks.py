"""Whatever a person may write for a network is found, or refused with what would be."""

from __future__ import annotations

import dataclasses

import pytest
from fakes import SETUP

from hwsearch.errors import InputError
from hwsearch.family import save_family
from hwsearch.judge import judge
from hwsearch.networks import find_network, find_networks
from hwsearch.notation import parse
from hwsearch.preset import Preset, reference_preset, save_preset
from hwsearch.run_directory import RunDirectory, Summary, save_summary
from hwsearch.scaling import scale_family

TEXT = "r64 swish ir_r2_k3_s2_e6_c24_se0.25"
FOUND = parse("r64 relu6 stem_c16 ds_r1_k3_s1_c16 head_c64")


def finished_run(folder, *roles):
    """A run's folder with a network a role, each of another resolution."""
    directory = RunDirectory(folder)
    directory.begin({"space": "x"})
    records = [
        judge(f"found-{number}", FOUND.with_resolution(64 + number), None, None).with_role(role)
        for number, role in enumerate(roles)
    ]
    summary = Summary("", "", "0", "x", 0, (), SETUP, "t", None, tuple(records), (), 0)
    save_summary(summary, directory.summary)
    return directory


@pytest.mark.parametrize("text", ["efficientnet-b0", " mnasnet-a1 ", "efficientnet-lite4"])
def test_a_presets_name(text):
    assert find_network(text) == reference_preset(text.strip())


def test_the_text_form():
    assert find_network(TEXT).architecture == parse(TEXT)


def test_a_preset_file(tmp_path):
    preset = Preset("mine", FOUND)
    save_preset(preset, tmp_path / "any.json")
    assert find_network(str(tmp_path / "any.json")) == preset


@pytest.mark.parametrize(
    ("roles", "winner"),
    [
        (("reference", "same_top1", "same_latency", "best"), 3),
        (("reference", "same_latency", "same_top1"), 2),
        (("reference", "same_latency"), 1),
    ],
)
def test_a_run_stands_for_its_winner(tmp_path, roles, winner):
    finished_run(tmp_path / "run", *roles)
    assert find_network(str(tmp_path / "run")).name == f"found-{winner}"


def test_a_run_is_asked_for_another_role(tmp_path):
    finished_run(tmp_path / "run", "reference", "same_latency", "best")
    found = find_network(f"{tmp_path / 'run'}:same_latency")
    assert found.name == "found-1"
    assert found.provenance == {"run": "run", "role": "same_latency"}
    with pytest.raises(InputError, match=r"no same_top1; allowed: best, reference, same_latency"):
        find_network(f"{tmp_path / 'run'}:same_top1")


def test_a_run_without_a_winner_or_unfinished_is_refused(tmp_path):
    finished_run(tmp_path / "run", "reference", "")
    with pytest.raises(InputError, match=r"no winner; allowed: reference"):
        find_network(str(tmp_path / "run"))
    RunDirectory(tmp_path / "new").begin({})
    with pytest.raises(InputError, match=r"not finished; next: repeat its command"):
        find_network(str(tmp_path / "new"))


def test_an_exported_model_is_read_back(tmp_path):
    from hwsearch.export import export

    preset = Preset("mine", dataclasses.replace(reference_preset("efficientnet-b0").architecture, num_classes=10))
    (config,) = [file for file in export(preset, "timm", tmp_path).files if file.suffix == ".py"]
    assert find_network(str(config)).architecture == preset.architecture


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no network"),
        ("efficientnet-b9", "did you mean 'efficientnet-b"),
        ("nothing-like-it", "hwsearch presets"),
        ("r224 ir_r1", "column 6"),
        ("ir_", "unknown stage field"),
        ("no/such/file.json", "is no network"),
        ("a\0b", "is no network"),
        ("x" * 5000, "is no network"),
        ("x/" * 3000, "is no network"),
        (":best", "is no network"),
    ],
)
def test_what_is_no_network_is_refused_in_one_line(text, said):
    with pytest.raises(InputError, match=said) as refused:
        find_network(text)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": "x"}', "\0\1\2", "import os"])
@pytest.mark.parametrize("suffix", ["json", "txt", "onnx", "py", "xml"])
def test_a_file_that_is_no_network_is_refused(tmp_path, content, suffix):
    path = tmp_path / f"file.{suffix}"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError):
        find_network(str(path))


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError):
        find_network(str(tmp_path))
    with pytest.raises(InputError, match="is no run, so it has no 'best'"):
        find_network(f"{tmp_path}:best")


def test_a_file_of_networks_has_one_a_line_and_comments(tmp_path):
    file = tmp_path / "nets.txt"
    file.write_text(f"# mine\n\nefficientnet-b0  # the reference\n  {TEXT}\n", encoding="utf-8")
    names = [preset.architecture for preset in find_networks(["mnasnet-a1"], file)]
    expected = ["mnasnet-a1", "efficientnet-b0"]
    assert names == [*(reference_preset(name).architecture for name in expected), parse(TEXT)]


def test_a_wrong_line_is_named(tmp_path):
    file = tmp_path / "nets.txt"
    file.write_text("efficientnet-b0\n\nefficientnet-c0\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"nets\.txt, line 3: .*did you mean"):
        find_networks([], file)


def test_no_network_at_all_is_refused(tmp_path):
    (tmp_path / "nets.txt").write_text("# none\n", encoding="utf-8")
    for arguments in (([],), ([], tmp_path / "nets.txt")):
        with pytest.raises(InputError, match="no network was given"):
            find_networks(*arguments)
    with pytest.raises(InputError, match="no such file"):
        find_networks([], tmp_path / "other.txt")
    (tmp_path / "long.txt").write_text("\n" * 10_001, encoding="utf-8")
    with pytest.raises(InputError, match="10001 lines"):
        find_networks([], tmp_path / "long.txt")


def test_a_familys_file_stands_for_its_members(tmp_path):
    family = scale_family(reference_preset("efficientnet-b0").architecture, [0, 1], "lite", base_name="b0")
    save_family(family, tmp_path / "b0.family.json")
    nets = tmp_path / "nets.txt"
    nets.write_text(f"mobilenet-v2\n{tmp_path / 'b0.family.json'}  # and its members\n")
    expected = [variant.architecture for variant in family.variants]
    assert [preset.architecture for preset in find_networks([str(tmp_path / "b0.family.json")])] == expected
    assert [preset.architecture for preset in find_networks([], nets)][1:] == expected
    with pytest.raises(InputError, match="is no network"):
        find_networks(["missing.family.json"])
