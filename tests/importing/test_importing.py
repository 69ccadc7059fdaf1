"""What other libraries wrote reads as the network that they would build, or is refused with the field that says why."""

from __future__ import annotations

import contextlib
import json
import random
import sys
from pathlib import Path

import pytest

from hwsearch.cost import cost
from hwsearch.errors import FaultsError, InputError
from hwsearch.importing import import_network, read_foreign
from hwsearch.preset import reference_preset
from hwsearch.rounding import round_channels

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "efficientnet_counts.json").read_text(encoding="utf-8"))
NETWORKS = GOLDEN["networks"]


def keras_cv_document(name):
    golden = NETWORKS[name]["keras_cv"]
    return {
        "module": "keras_cv.src.models",
        "class_name": golden["class_name"],
        "config": golden["config"],
        "registered_name": f"keras_cv>{golden['class_name']}",
    }


def hub_document(name):
    return {"class_name": "EfficientNetBackbone", "config": NETWORKS[name]["keras_hub"]["config"]}


def write(folder, document):
    path = folder / "config.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", NETWORKS)
def test_kerascv_presets_are_the_published_networks(name, tmp_path):
    golden, published = NETWORKS[name]["keras_cv"], reference_preset(name).architecture
    path = write(tmp_path, keras_cv_document(name))
    architecture = import_network(path, resolution=golden["resolution"])
    assert architecture == published.with_resolution(golden["resolution"])
    assert cost(architecture).macs == golden["macs_with_classifier"]
    assert read_foreign(path, resolution=224).format == "keras-cv"


@pytest.mark.parametrize("name", [name for name in NETWORKS if "keras_hub" in NETWORKS[name]])
def test_kerashub_counts(name):
    golden, params = NETWORKS[name]["keras_hub"], cost(reference_preset(name).architecture).params
    head = reference_preset(name).architecture.head_channels
    assert golden["trainable"] == params - 1000 * (head + 1)
    assert golden["total"] == golden["trainable"] + NETWORKS[name]["timm"]["bn_running_stats"]


@pytest.mark.parametrize("name", [name for name in NETWORKS if "lite" in name])
def test_kerashub_configurations_are_the_published_networks(name, tmp_path):
    published = reference_preset(name).architecture
    assert import_network(write(tmp_path, hub_document(name)), resolution=published.resolution) == published


@pytest.mark.parametrize("name", [name for name in NETWORKS if "huggingface" in NETWORKS[name]])
def test_transformers_configurations_are_the_published_networks(name, tmp_path):
    golden, published = NETWORKS[name]["huggingface"], reference_preset(name).architecture
    architecture = import_network(write(tmp_path, {**golden["config"], "num_labels": 1000}))
    assert architecture == published
    assert (cost(architecture).params, cost(architecture).macs) == (golden["params"], golden["macs"])


@pytest.mark.parametrize("name", NETWORKS)
def test_timm_counts(name):
    golden, price = NETWORKS[name]["timm"], cost(reference_preset(name).architecture)
    assert (price.params, price.macs) == (golden["params"], golden["macs"])


@pytest.mark.parametrize("name", ["efficientnet-b0", "efficientnet-lite0"])
def test_a_timm_definition_reads_as_json_and_as_python(name, tmp_path):
    definition, published = NETWORKS[name]["timm"]["arch_def"], reference_preset(name).architecture
    as_json, as_python = tmp_path / "definition.txt", tmp_path / "mine.py"
    as_json.write_text(json.dumps(definition), encoding="utf-8")
    as_python.write_text(
        f"ACTIVATION = {published.activation!r}\ndef _gen(variant, **kwargs):\n    arch_def = {definition!r}\n"
        "    return make(variant, arch_def, channel_multiplier=1.0)\n",
        encoding="utf-8",
    )
    assert import_network(as_json).stages == published.stages
    assert import_network(as_python) == published
    assert import_network(as_json, resolution=192, num_classes=10).num_classes == 10


@pytest.mark.parametrize("name", NETWORKS)
def test_why_kerascv_documents_more_parameters_than_it_builds(name):
    """KerasCV documents 3.41M for Lite B0 and 4.05M for V1 B0; its code builds 1,152 fewer, and so on.

    Keras counts a backbone with the running statistics of its batch norms and without classifier: that is the
    count its code builds. The documented numbers were taken before blocks with expand_ratio 1 lost
    their expansion: they count, in every such block, a 1x1 convolution with batch norm whose width is
    the width-scaled input channels, and what follows from that width where it differs from the real input.
    """
    golden, published = NETWORKS[name]["keras_cv"], reference_preset(name).architecture
    backbone = cost(published).params - 1000 * (published.head_channels + 1)
    built = backbone + NETWORKS[name]["timm"]["bn_running_stats"]
    assert (golden["trainable"], golden["built"]) == (backbone, built)

    first = published.stages[0]
    scaled = round_channels(golden["config"]["stackwise_input_filters"][0], golden["config"]["width_coefficient"])
    extra = _expansion_before_it_was_left_out(published.stem_channels, scaled, first.out_channels, "lite" not in name)
    extra += (first.num_repeats - 1) * _expansion_before_it_was_left_out(
        first.out_channels, first.out_channels, first.out_channels, "lite" not in name
    )
    assert golden["documented"] == built + extra


def _expansion_before_it_was_left_out(arriving, hidden, out_channels, squeeze_excite):
    batch_norm = 4 * hidden  # scale, shift, mean, variance
    expansion = arriving * hidden + batch_norm
    widened = hidden - arriving  # only Lite: its stem stays at 32 where this count was scaled
    assert not (widened and squeeze_excite)
    return expansion + widened * (9 + 4 + out_channels)


def test_the_parity_networks_of_other_libraries():
    """A network that none of them publishes, counted by timm and transformers at three scales."""
    from hwsearch.architecture import Architecture, Stage

    base = GOLDEN["parity"]["arch"]
    for result in GOLDEN["parity"]["results"].values():
        rows = zip(
            base["k"], base["s"], base["e"], result["stage_channels"], result["repeats"], base["se"], strict=True
        )
        stages = tuple(Stage(k, s, e, c, r, se) for k, s, e, c, r, se in rows)
        head, stem = round_channels(1280, result["w"]), round_channels(32, result["w"])
        architecture = Architecture(result["res"], stem, stages, head)
        assert cost(architecture).params == result["timm_params"] == result["hf_params"]


HUB, LITE, HF = hub_document("efficientnet-lite0"), keras_cv_document("efficientnet-lite0"), {}
HF = {**NETWORKS["efficientnet-b2"]["huggingface"]["config"], "num_labels": 1000}


def changed(document, **fields):
    inner = document.get("config")
    if isinstance(inner, dict):
        return {**document, "config": {**inner, **fields}}
    return {**document, **fields}


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (changed(HUB, stackwise_block_types=["fused"] + ["unfused"] * 6), "not an MBConv"),
        (changed(HUB, stackwise_block_types=["unfused"] * 7), "k x k"),
        (changed(HUB, projection_activation="swish"), "projection_activation"),
        (changed(HUB, include_stem_padding=True), "stem_conv_padding"),
        (changed(HUB, stackwise_nores_option=[False] + [True] * 6), r"stackwise_nores_option\[1\]"),
        (changed(HUB, stackwise_force_input_filters=[8] + [0] * 6), "stackwise_force_input_filters"),
        (changed(HUB, stackwise_input_filters=[32, 24, 24, 40, 80, 112, 192]), r"stackwise_input_filters\[1\]"),
        (changed(HUB, stackwise_strides=[1, 2, 2]), "3 values"),
        (changed(HUB, stackwise_kernel_sizes=[4, 3, 5, 3, 5, 5, 3]), "odd"),
        (changed(HUB, activation="gelu"), "gelu"),
        (changed(LITE, stackwise_expansion_ratios=[3, 6, 6, 6, 6, 6, 6], width_coefficient=1.4), "arrive"),
        (changed(LITE, stackwise_strides=[1, 4, 2, 2, 1, 2, 1]), "neither 1 nor 2"),
        (changed(HF, depthwise_padding=[]), "depthwise_padding"),
        (changed(HF, squeeze_expansion_ratio=0.0), "one-channel"),
        (changed(HF, hidden_dim=1280), "hidden_dim"),
        (changed(HF, image_size=[260, 240]), "square"),
        (changed(HF, pooling_type="max"), "pooling_type"),
        (changed(HF, in_channels=[16] * 7, out_channels=[16] * 7, strides=[1] * 7), "no skip"),
        (changed(HF, num_block_repeats=[200] * 7, depth_coefficient=60.0), "num_repeats"),
        (changed(HF, out_channels=[10**9] * 7), "out_channels"),
        ({"class_name": "EfficientNetBackbone"}, "without a 'config'"),
        ({"class_name": "ResNet", "config": {}}, "not a network configuration"),
        ({"model_type": "bert"}, "not a network configuration"),
        ([["cn_r1_k3_s1_c16"]], "not an MBConv"),
        ([["ir_r1_k3_s1_e1_c16"]], "1x1 expansion"),
        ([["ir_r1_k3_s1_e2.5_c16"]], "expand_ratio"),
        ([["ir_r1_k3_s1_e6_c16_cc4"]], "cc"),
        ([["ir_r1_k3_s1_e6_c16_a3"]], "a cannot"),
        ([["ir_r2_k3_s1_e6_c16_noskip"]], "noskip"),
        ([["ir_r1_k3_s1_e6_c16_nre", "ir_r1_k3_s1_e6_c16"]], "more than one activation"),
        ([["ir_r1_k3_s1_e6_c16_nhs"]], "not understood"),
        ([["ir_r1_k3_s1_e6"]], "without c"),
        ([["ds_r1_k3_s1_c12"], ["ir_r1_k3_s1_e3_c16"]], "rounds"),
        ([["ds_r1_k3_s1_c24"], ["ir_r1_k3_s1_e4_c16_se0.0625"]], "nearest"),
        ([], "list of 1 to 64"),
        ([["ds_r1_k3_s1_c16"], "ds_r1_k3_s1_c16"], r"arch_def\[1\]"),
    ],
)
def test_what_an_architecture_cannot_say_is_refused(document, says, tmp_path):
    with pytest.raises(InputError, match=says) as caught:
        import_network(write(tmp_path, document), resolution=None if "model_type" in document else 224)
    assert "\n" not in str(caught.value)


def test_a_backbone_without_a_resolution_asks_for_one(tmp_path):
    with pytest.raises(InputError, match="resolution="):
        import_network(write(tmp_path, HUB))


def test_all_faults_are_told_at_once(tmp_path):
    with pytest.raises(FaultsError) as caught:
        import_network(write(tmp_path, changed(HF, depthwise_padding=[], hidden_dim=7)))
    assert len(caught.value.faults) == 2


def test_one_stage_of_several_strings_is_several_stages(tmp_path):
    path = tmp_path / "definition.json"
    path.write_text('[["ds_r1_k3_s2_c16", "ir_r2_k5_s2_e6_c16"]]', encoding="utf-8")
    stages = import_network(path).stages
    assert [stage.stride for stage in stages] == [2, 1]  # in timm a stage has one stride


@pytest.mark.parametrize(
    "source",
    [
        "import os\nos._exit(99)\narch_def = [['ds_r1_k3_s1_c16']]\nraise SystemExit(99)",
        "ARCH_DEF = __import__('os')._exit(99)",
        "arch_def = [['ds_r1_k3_s1_c16'] for _ in iter(int, 1)]",
        "arch_def = [['ds_r1_k3_s1_c16']]\narch_def = [['ds_r1_k3_s1_c32']]",
        "arch_def = [['ds_r1_k3_s1_c16']]\nf(depth_multiplier=1.2); x = f(channel_multiplier=2.0)",
        "STEM_CHANNELS = 'x'\narch_def = [['ds_r1_k3_s1_c16']]",
        "TEXT = 3\nBLOCKS = []",
        "TEXT = 'ds_r1_k3_s1_e1_c16'\nBLOCKS = []",
        "x = 1",
        "((((",
        "a" * 10 + "\0",
        "(" * 10_000,
        "-" * 100_000 + "1",
        "\n".join(["x = [" * 90]),
    ],
)
def test_python_is_read_and_never_run(source, tmp_path):
    path = tmp_path / "hostile.py"
    path.write_text(source, encoding="utf-8")
    with contextlib.suppress(InputError):  # the first of them reads: only its definition matters
        import_network(path)
    assert "hostile" not in sys.modules


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"{",
        b"[" * 100_000,
        b'{"model_type": "efficientnet", "image_size": NaN}',
        b"[1e999]",
        b"{}",
    ],
)
def test_broken_files_are_one_line(content, tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        import_network(path)
    assert "\n" not in str(caught.value)


def test_folders_and_missing_files(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        import_network(tmp_path / "nothing")
    with pytest.raises(InputError, match="neither a config"):
        import_network(tmp_path)


VALUES = [
    None,
    True,
    -1,
    0,
    1,
    7,
    2**31,
    10**400,
    0.5,
    -0.0,
    1e308,
    "",
    "swish",
    "x" * 9999,
    [],
    [None],
    [[]],
    {},
    [3] * 999,
]


@pytest.mark.parametrize("base", [HUB, LITE, HF, keras_cv_document("efficientnet-b3")])
def test_mutated_configurations_read_or_are_refused(base, tmp_path):
    rng = random.Random(7)
    for _ in range(150):
        document = json.loads(json.dumps(base))
        target = document["config"] if isinstance(document.get("config"), dict) else document
        for key in rng.sample(sorted(target), 2):
            if isinstance(target[key], list) and target[key] and rng.random() < 0.6:
                target[key][rng.randrange(len(target[key]))] = rng.choice(VALUES)
            else:
                target[key] = rng.choice(VALUES)
        # anything else that escapes fails the test
        with contextlib.suppress(InputError):
            import_network(write(tmp_path, document), resolution=rng.choice([None, 224]))
