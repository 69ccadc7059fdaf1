"""What every export has in common: it says the network exactly, or says why it cannot, and writes all or nothing."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest
from sample_networks import SPECIAL, WINNERS, preset

from hwsearch import export as export_package
from hwsearch import json_file
from hwsearch.architecture import Architecture, Stage
from hwsearch.cost import cost
from hwsearch.errors import HwsearchError, InexpressibleError, InputError, UnavailableError
from hwsearch.export import EXPORTERS, able, export, exporter_named
from hwsearch.importing import import_network, read_foreign
from hwsearch.notation import parse
from hwsearch.preset import Preset, reference_presets

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "efficientnet_counts.json").read_text(encoding="utf-8"))
NETWORKS = {**WINNERS, **SPECIAL, **{name: each.architecture for name, each in reference_presets().items()}}
WITHOUT_LIBRARIES = ("timm", "keras-hub", "keras-cv", "huggingface", "torch")
CONFIG_FORMATS = ("keras-hub", "keras-cv", "huggingface")


def check_exporter(to, folder):
    """What holds for any format of ``EXPORTERS``, of hwsearch or not: the contract, and every sample network."""
    check_contract(to, folder)
    for name, architecture in NETWORKS.items():
        said = preset(name, architecture)
        if EXPORTERS[to].limits(said):
            with pytest.raises(InexpressibleError, match=": "):
                export(said, to, folder / name)
            assert not (folder / name).exists()
        else:
            check_round_trip(said, to, folder / name)


def check_contract(to, folder):
    """What a format says of itself."""
    each, said = EXPORTERS[to], preset("lite", SPECIAL["lite"])
    assert each.name == to
    assert "\n" not in each.summary
    for padding in ("same", "symmetric"):
        assert all(isinstance(limit, str) and "\n" not in limit for limit in each.limits(said, padding))
    assert str(folder) in each.usage(said, folder)
    if not any(line.startswith("#") for line in each.usage(said, folder).splitlines()):
        ast.parse(each.usage(said, folder))


def check_round_trip(said, to, folder):
    """Written, read back as the same network with the same counts, and written again to the same bytes."""
    written = export(said, to, folder)
    assert (written.macs, written.params) == (cost(said.architecture).macs, cost(said.architecture).params)
    assert EXPORTERS[to].read_back(written.files) == said.architecture
    first = [path.read_bytes() for path in written.files]
    assert [path.read_bytes() for path in export(said, to, folder).files] == first


@pytest.mark.parametrize("name", EXPORTERS)
def test_every_exporter_keeps_the_contract(name, tmp_path):
    check_contract(name, tmp_path)


@pytest.mark.parametrize(
    ("name", "to"),
    [
        (name, to)
        for name, each in NETWORKS.items()
        for to in WITHOUT_LIBRARIES
        if not EXPORTERS[to].limits(preset(name, each))
    ],
)
def test_import_undoes_export(name, to, tmp_path):
    architecture = NETWORKS[name]
    check_round_trip(preset(name, architecture), to, tmp_path)
    assert import_network(tmp_path) == architecture
    assert read_foreign(tmp_path).format == to


@pytest.mark.parametrize("padding", ["same", "symmetric"])
@pytest.mark.parametrize("name", ["winner-0", "winner-6", "nine-stages"])
def test_onnx_and_openvino_read_back(name, padding, tmp_path):
    pytest.importorskip("openvino", reason="openvino is not installed: pip install 'hwsearch[openvino]'")
    for to in ("onnx", "openvino"):
        assert export(preset(name, NETWORKS[name]), to, tmp_path, padding).params == cost(NETWORKS[name]).params


ALL = set(EXPORTERS)
CAN_SAY = {
    "all-se": ALL - {"keras-cv"},
    "all-se-odd-inside": ALL - {"keras-cv"},
    "no-e1": ALL - {"keras-cv", "huggingface"},
    "lite": ALL - {"huggingface", "keras-hub"},
    "lite-k7-e3-odd": ALL - {"huggingface"},
    "wide": ALL - {"keras-cv"},
    "nine-stages": ALL - {"keras-cv", "huggingface"},
    "odd-channels": ALL - {"keras-cv", "huggingface", "timm"},
    "same-width-at-stride-1": ALL - {"keras-cv", "huggingface"},
    "deep-strides": ALL - {"keras-hub", "huggingface"},
    "efficientnet-b0": ALL - {"keras-cv"},
    "efficientnet-b7": ALL - {"keras-cv"},
    "efficientnet-lite4": ALL - {"huggingface"},
    "mobilenet-v2": ALL - {"huggingface"},
    "mnasnet-a1": ALL - {"keras-cv", "huggingface"},
}


@pytest.mark.parametrize("name", CAN_SAY)
def test_what_each_format_can_say(name):
    assert set(able(preset(name, NETWORKS[name]))) == CAN_SAY[name]


@pytest.mark.parametrize("name", WINNERS)
def test_every_winner_has_six_ways_out(name):
    assert set(able(preset(name, WINNERS[name]), "symmetric")) >= {"keras-hub", "timm", "onnx", "openvino", "torch"}


@pytest.mark.parametrize(
    ("name", "to", "says"),
    [
        ("deep-strides", "keras-hub", r"stages\[0\]\.expand_ratio: 1 at stride 2"),
        ("efficientnet-b3", "keras-cv", r"stem_channels: 40.*head_channels: 1536.*se_ratio: 0\.25"),
        ("lite", "huggingface", r"stages\[0, 1, 2, 3, 4, 5, 6\]\.se_ratio: 0,"),
        ("winner-1", "huggingface", r"se_ratio: 0,"),
        ("same-width-at-stride-1", "huggingface", r"stages\[0\]\.out_channels: 32 in and out at stride 1"),
        ("no-e1", "huggingface", "resolution: 65 is odd"),
        ("odd-channels", "huggingface", "stem_channels, head_channels: 20 and 100"),
        ("odd-channels", "timm", r"stages\[1\]\.expand_ratio: 3 of 12 channels is 36, and timm rounds that to 40"),
    ],
)
def test_a_refusal_names_field_value_limit_and_who_can(name, to, says, tmp_path):
    with pytest.raises(InexpressibleError, match=says) as caught:
        export(preset(name, NETWORKS[name]), to, tmp_path)
    assert caught.value.exit_code == 2
    assert "--to" in str(caught.value)
    assert "torch" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def network(*stages, resolution=64, head=640):
    return Architecture(resolution, 32, tuple(stages), head)


def test_widths_that_timm_rounds_are_refused_and_those_that_it_does_not_are_not():
    fits = network(Stage(3, 1, 1, 24, 1, 0.0625))  # 32 / 16 = 2 exactly
    rounds = network(Stage(3, 1, 1, 24, 1, 0.08))  # 2.56: 2 here, 3 in timm
    assert EXPORTERS["timm"].limits(preset("fits", fits)) == []
    assert "3 in timm" in EXPORTERS["timm"].limits(preset("rounds", rounds))[0]


@pytest.mark.parametrize("to", ["keras-hub", "keras-cv"])
def test_more_repeats_than_keras_has_letters_for_are_refused(to, tmp_path):
    text = "r32 relu6 ir_r26_k3_s1_e2_c16 ir_r{}_k3_s1_e2_c16"
    assert export(preset("z", parse(text.format(26))), to, tmp_path / "z").files
    with pytest.raises(InexpressibleError, match=r"stages\[1\]\.num_repeats: 27, and Keras\w+ has names for 26"):
        export(preset("beyond", parse(text.format(27))), to, tmp_path / "beyond")


def test_one_by_one_depthwise_at_stride_2_is_refused_where_padding_would_be_negative():
    even = network(Stage(1, 2, 6, 24, 1, 0.25), head=1280)
    assert any("by -1" in limit for limit in EXPORTERS["huggingface"].limits(preset("even", even)))
    assert able(preset("odd", even.with_resolution(66)))[-1] == "torch"
    assert EXPORTERS["huggingface"].limits(preset("odd", even.with_resolution(66))) == []


def test_every_digit_of_a_squeeze_ratio_survives(tmp_path):
    endless = preset("endless", network(Stage(3, 1, 1, 24, 1, 0.3 - 1e-17), Stage(3, 2, 6, 24, 1, 0.1 + 0.2)))
    for to in able(endless):
        export(endless, to, tmp_path / to)


@pytest.mark.parametrize("name", [name for name in GOLDEN["networks"] if "huggingface" in GOLDEN["networks"][name]])
def test_the_published_networks_export_as_their_transformers_configurations(name, tmp_path):
    golden = GOLDEN["networks"][name]["huggingface"]["config"]
    export(reference_presets()[name], "huggingface", tmp_path)
    ours = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    same = set(golden) - {"depth_coefficient", "num_block_repeats", "num_hidden_layers", "batch_norm_momentum"}
    same -= {"initializer_range", "transformers_version"}
    assert {key: ours[key] for key in same} == {key: golden[key] for key in same}


@pytest.mark.parametrize("name", [name for name in GOLDEN["networks"] if "lite" in name])
def test_the_lite_networks_export_as_the_kerashub_configurations_that_were_verified(name, tmp_path):
    golden = GOLDEN["networks"][name]["keras_hub"]["config"]
    export(reference_presets()[name], "keras-hub", tmp_path)
    ours = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["config"]
    same = set(golden) - {"dropout"}
    assert {key: ours[key] for key in same} == {key: golden[key] for key in same}
    counted = json.loads((tmp_path / "metadata.json").read_text(encoding="utf-8"))["parameter_count"]
    assert counted == GOLDEN["networks"][name]["keras_hub"]["total"]


HOSTILE_NAMES = [
    "../evil", "a/b", "/etc/passwd", "a\\b", "a'b", 'a"b', "a\nb", "a;import os", "", ".", "..", "-x", "A", "a b",
    "a" * 81, "a\0b", "{x}", "é", "a__b", "con:", "a-", "1a", "$(x)", "a\n",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_never_reach_a_file(name):
    with pytest.raises(InputError) as caught:
        Preset(name, SPECIAL["lite"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["torch", "class", "import", "timm", "numpy", "a.b-c_d", "x" * 80])
def test_names_that_python_or_libraries_have_hide_nothing(name, tmp_path):
    for to in ("timm", "torch"):
        path = export(preset(name, SPECIAL["lite"]), to, tmp_path / to).files[0]
        assert path.stem.isidentifier()
        assert path.stem.startswith("hwsearch_")
        ast.parse(path.read_text(encoding="utf-8"))


def test_provenance_and_sources_never_reach_generated_code(tmp_path):
    from hwsearch.preset import PublishedTop1

    evil = '"""\nimport os  # '
    said = Preset("x", SPECIAL["lite"], PublishedTop1(70.0, evil), provenance={"note": evil})
    for to in ("timm", "torch"):
        assert "import os" not in export(said, to, tmp_path / to).files[0].read_text(encoding="utf-8")


def test_generated_code_is_formatted_like_ours(tmp_path):
    for to in ("timm", "torch"):
        written = export(preset("lite", SPECIAL["lite"]), to, tmp_path / to).files[0]
        source = written.read_text(encoding="utf-8")
        assert "TODO" not in source
        assert "pickle" not in source
        assert max(len(line) for line in source.splitlines()[2:] if not line.startswith("TEXT")) <= 120


@pytest.mark.parametrize("to", ["timm", "keras-hub", "huggingface", "torch", "onnx"])
def test_a_folder_that_cannot_be_written_is_one_line(to, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder", encoding="utf-8")
    with pytest.raises(InputError, match=r"cannot be written|config\.json") as caught:
        export(preset("all-se", SPECIAL["all-se"]), to, blocked / "inside")
    assert "\n" not in str(caught.value)
    assert blocked.read_text(encoding="utf-8") == "not a folder"


@pytest.mark.parametrize("to", ["timm", "keras-hub", "huggingface", "torch", "onnx"])
def test_a_full_disk_leaves_the_old_files_whole(to, tmp_path, monkeypatch):
    first = export(preset("x", SPECIAL["all-se"]), to, tmp_path)
    before = {path: path.read_bytes() for path in first.files}

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json_file.os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        export(preset("x", SPECIAL["wide"]), to, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_disk_that_fills_up_between_two_files_leaves_no_mixture(tmp_path, monkeypatch):
    first = export(preset("x", SPECIAL["all-se"]), "keras-hub", tmp_path)
    before = {path: path.read_bytes() for path in first.files}
    real, calls = json_file.os.fsync, []

    def full_at_the_third(descriptor):
        calls.append(descriptor)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(json_file.os, "fsync", full_at_the_third)
    with pytest.raises(InputError, match="No space left") as caught:
        export(preset("x", SPECIAL["wide"]), "keras-hub", tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert ".export." not in str(caught.value)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_failed_export_leaves_no_new_folder(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UnavailableError):
        export(preset("x", SPECIAL["lite"]), "openvino", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_one_folder_holds_one_kind_of_config(tmp_path):
    export(preset("x", SPECIAL["all-se"]), "keras-hub", tmp_path)
    with pytest.raises(InputError, match="keras-hub"):
        export(preset("x", SPECIAL["all-se"]), "huggingface", tmp_path)
    export(preset("x", SPECIAL["wide"]), "keras-hub", tmp_path)
    export(preset("x", SPECIAL["wide"]), "timm", tmp_path)
    (tmp_path / "config.json").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="unknown"):
        export(preset("x", SPECIAL["wide"]), "keras-hub", tmp_path)
    assert (tmp_path / "config.json").read_text(encoding="utf-8") == "mine"


def test_an_unknown_format_names_the_nearest():
    with pytest.raises(InputError, match="keras-hub"):
        exporter_named("kerashub")


def test_files_that_read_back_as_another_network_do_not_stay(tmp_path, monkeypatch):
    class Wrong(type(EXPORTERS["timm"])):
        def read_back(self, files):
            return SPECIAL["wide"]

    monkeypatch.setattr(export_package, "EXPORTERS", {**EXPORTERS, "timm": Wrong()})
    with pytest.raises(HwsearchError, match="none of them stays") as caught:
        export(preset("x", SPECIAL["lite"]), "timm", tmp_path)
    assert caught.value.exit_code == 5
    assert list(tmp_path.iterdir()) == []


def test_openvino_missing_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UnavailableError, match=r"hwsearch\[openvino\]"):
        export(preset("x", SPECIAL["lite"]), "openvino", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_core_formats_need_none_of_their_libraries(tmp_path):
    code = (
        "import sys\n"
        "for name in ('torch', 'keras', 'keras_hub', 'timm', 'transformers', 'openvino', 'onnxruntime', 'pandas'):\n"
        "    sys.modules[name] = None\n"
        "from pathlib import Path\n"
        "from hwsearch.export import export\n"
        "from hwsearch.preset import reference_preset\n"
        "for to in ('timm', 'keras-hub', 'huggingface', 'onnx', 'torch'):\n"
        "    export(reference_preset('efficientnet-b0'), to, Path(sys.argv[1]) / to)\n"
        "export(reference_preset('efficientnet-lite0'), 'keras-cv', Path(sys.argv[1]) / 'keras-cv')\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert len(list(tmp_path.iterdir())) == 6


def test_the_torch_file_needs_torch_alone(tmp_path):
    pytest.importorskip("torch", reason="torch is not installed: pip install 'hwsearch[torch]'")
    path = export(preset("wide", SPECIAL["wide"]), "torch", tmp_path).files[0]
    code = (
        "import sys, torch\nsys.modules['hwsearch'] = None\n"
        f"import {path.stem} as generated\n"
        "net = generated.build()\n"
        "assert net(torch.zeros(2, 3, 66, 66)).shape == (2, 1000)\n"
        "print(sum(each.numel() for each in net.parameters()))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert int(done.stdout) == cost(SPECIAL["wide"]).params


def test_a_tampered_torch_file_or_graph_is_refused(tmp_path):
    files = {to: export(preset("x", SPECIAL["wide"]), to, tmp_path).files for to in ("torch", "onnx")}
    source = files["torch"][0].read_text(encoding="utf-8")
    files["torch"][0].write_text(source.replace("STEM_CHANNELS = 40", "STEM_CHANNELS = 48"), encoding="utf-8")
    with pytest.raises(InputError, match="STEM_CHANNELS"):
        import_network(files["torch"][0])
    import onnx

    model = onnx.load(files["onnx"][0])
    model.metadata_props[0].value = SPECIAL["all-se"].text
    onnx.save(model, files["onnx"][0])
    with pytest.raises(InputError, match="not those of its text"):
        EXPORTERS["onnx"].read_back(files["onnx"])


def test_no_dynamic_code_in_the_package():
    for path in [
        *Path(export_package.__file__).parent.glob("*.py"),
        *Path(export_package.__file__).parent.parent.glob("importing/*.py"),
    ]:
        names = {
            node.id for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Name)
        }
        assert not names & {"eval", "exec", "pickle", "compile", "__import__"}, path.name
