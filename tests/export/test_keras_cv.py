"""KerasCV builds from an export the network it was made from, and what is said of KerasCV's code holds.

KerasCV 0.9.0 cannot be imported without TensorFlow; with it, it computes on whatever ``KERAS_BACKEND`` names (torch
here, see conftest.py). So it usually has an environment of its own: pip install tensorflow-cpu keras-cv torch.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import ported
import pytest
from sample_networks import SPECIAL, preset, random_network

from hwsearch.cost import cost
from hwsearch.errors import InexpressibleError, InputError
from hwsearch.export import export
from hwsearch.importing import import_network
from hwsearch.notation import parse
from hwsearch.preset import reference_preset
from hwsearch.space_file import load_space
from hwsearch.weights import random_weights

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "efficientnet_counts.json").read_text(encoding="utf-8"))
COUNTS = {name: each["keras_cv"] for name, each in GOLDEN["networks"].items()}
TOLERANCE = 1e-4


def of_lite_space(seed):
    """A random network of the shipped space, at 75 pixels and more."""
    space = load_space("efficientnet-lite")
    (genes,) = space.sample(1, np.random.default_rng(seed))
    return space.decode(genes).with_resolution(75 + seed)


NETWORKS = {
    "efficientnet-lite0": reference_preset("efficientnet-lite0").architecture.with_resolution(112),
    "efficientnet-lite2": reference_preset("efficientnet-lite2").architecture.with_resolution(112),
    "random-0": of_lite_space(0),
    "random-1": of_lite_space(1),
    "random-2": of_lite_space(2),
    "lite-k7-e3-odd": SPECIAL["lite-k7-e3-odd"],
    "deep-strides": SPECIAL["deep-strides"],
    "swish": random_network(31, 75, squeezes=(0.0,)),
    "ten-stages": parse(
        "r64 relu ds_r1_k3_s1_e1_c16 ir_r1_k3_s2_e4_c24 ir_r1_k5_s1_e4_c24 ir_r1_k3_s2_e6_c40 ir_r1_k3_s1_e6_c40 "
        "ir_r1_k5_s1_e6_c40 ir_r1_k7_s2_e6_c80 ir_r1_k5_s1_e6_c96 ir_r1_k5_s2_e6_c160 ir_r1_k3_s1_e6_c200 classes10"
    ),
}


@pytest.fixture
def keras_cv():
    return ported.importorskip_keras_cv()


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="torch is not installed: pip install 'hwsearch[torch]'")


@pytest.mark.library
@pytest.mark.usefixtures("keras_cv", "torch")
@pytest.mark.parametrize("name", NETWORKS)
def test_kerascv_builds_our_network(name, tmp_path):
    architecture = NETWORKS[name]
    written = export(preset(name, architecture), "keras-cv", tmp_path)
    weights, image = random_weights(architecture, 1), ported.image_of(architecture)
    rebuilt = ported.rebuild_keras_cv(architecture, weights, image, written.files)
    assert rebuilt.params == cost(architecture).params == written.params
    assert ported.difference(ported.our_logits(architecture, weights, image), rebuilt.logits) < TOLERANCE


@pytest.mark.library
@pytest.mark.usefixtures("torch")
def test_a_dynamic_input_would_be_another_network(keras_cv, tmp_path):
    """Why the exported shape is static: KerasCV pads an input of unknown size as if it were even."""
    architecture = NETWORKS["lite-k7-e3-odd"]
    export(preset("odd", architecture), "keras-cv", tmp_path)
    weights, image = random_weights(architecture, 1), ported.image_of(architecture)
    dynamic = keras_cv.models.EfficientNetLiteBackbone.from_preset(str(tmp_path), input_shape=(None, None, 3))
    rebuilt = ported.run_keras_cv(dynamic, architecture, weights, image, ported.LITE_NAMES)
    assert rebuilt.params == cost(architecture).params
    assert ported.difference(ported.our_logits(architecture, weights, image), rebuilt.logits) > 100 * TOLERANCE


@pytest.mark.library
def test_the_usage_lines_run_and_kerascv_counts_what_the_metadata_says(keras_cv, tmp_path):
    architecture = NETWORKS["ten-stages"]
    written = export(preset("used", architecture), "keras-cv", tmp_path)
    names = {}
    exec(written.usage, names)
    assert _trainable(names["model"]) == cost(architecture).params
    assert names["model"].output_shape == (None, 10)
    assert not any(type(layer).__name__ == "Dropout" for layer in names["model"].layers)
    metadata = json.loads((tmp_path / "metadata.json").read_text(encoding="utf-8"))
    assert names["backbone"].count_params() == metadata["parameter_count"]
    assert keras_cv.__version__ == metadata["keras_cv_version"]


@pytest.mark.library
@pytest.mark.usefixtures("keras_cv")
@pytest.mark.parametrize("name", ["random-0", "swish"])
def test_what_kerascv_saves_reads_as_our_network(name, tmp_path):
    from keras_cv.src.utils.preset_utils import save_to_preset

    written = export(preset(name, NETWORKS[name]), "keras-cv", tmp_path)
    names = {}
    exec(written.usage, names)
    save_to_preset(names["backbone"], str(tmp_path / "saved"), save_weights=False)
    assert import_network(tmp_path / "saved") == NETWORKS[name]


@pytest.mark.library
@pytest.mark.parametrize("name", COUNTS)
def test_kerascv_documents_and_builds_the_golden_counts(name, keras_cv):
    """test_importing.py explains how the documented count arises; here KerasCV itself says both numbers."""
    golden = COUNTS[name]
    backbone_class = getattr(keras_cv.models, golden["class_name"])
    backbone = backbone_class(**golden["config"])
    assert backbone_class.presets[golden["preset"]]["metadata"]["params"] == golden["documented"]
    assert (backbone.count_params(), _trainable(backbone)) == (golden["built"], golden["trainable"])


@pytest.mark.library
@pytest.mark.usefixtures("torch")
def test_v1_is_our_network_but_for_the_activation_after_projections(keras_cv):
    """Why squeeze-excite is refused, and why V1 configurations are read all the same."""
    import keras

    architecture = reference_preset("efficientnet-b0").architecture.with_resolution(112)
    weights, image = random_weights(architecture, 1), ported.image_of(architecture)
    ours = ported.our_logits(architecture, weights, image)
    config = {**COUNTS["efficientnet-b0"]["config"], "input_shape": (112, 112, 3)}
    backbone = keras_cv.models.EfficientNetV1Backbone(**config)
    as_it_is = ported.run_keras_cv(backbone, architecture, weights, image, ported.V1_NAMES)
    assert as_it_is.params == cost(architecture).params
    assert ported.difference(ours, as_it_is.logits) > 0.1

    backbone = keras_cv.models.EfficientNetV1Backbone(**config)
    for layer in backbone.layers:
        if layer.name.endswith("project_activation"):
            layer.activation = keras.activations.linear
    linear = ported.run_keras_cv(backbone, architecture, weights, image, ported.V1_NAMES)
    assert ported.difference(ours, linear.logits) < TOLERANCE


LITE = {**COUNTS["efficientnet-lite0"]["config"], "input_shape": [76, 76, 3]}
MISREADABLE = {
    # 32 channels arrive and leave, but KerasCV compares the 32 that leave with 32 * 1.4 = 48: no skip
    "skip-lost": (
        {"width_coefficient": 1.4, "stackwise_output_filters": [24, *LITE["stackwise_output_filters"][1:]]},
        1,
    ),
    "skip-misplaced": ({"stackwise_input_filters": [16, *LITE["stackwise_input_filters"][1:]]}, 0),
    "pads-by-minus-1": ({"stackwise_kernel_sizes": [3, 1, *LITE["stackwise_kernel_sizes"][2:]]}, 0),
}


def lite_document(folder, **changes):
    config = {**LITE, **changes}
    if "stackwise_output_filters" in changes:
        config["stackwise_input_filters"] = [32, *changes["stackwise_output_filters"][:-1]]
    document = {"class_name": "EfficientNetLiteBackbone", "config": config}
    path = folder / "config.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path, config


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("skip-lost", r"stackwise_input_filters\[0\]: 48 channels .* 32 arrive and 32 leave"),
        ("skip-misplaced", r"stackwise_input_filters\[0\]: 16 channels .* 32 arrive and 16 leave"),
        ("pads-by-minus-1", r"stackwise_kernel_sizes\[1\]: 1 at stride 2"),
    ],
)
def test_a_configuration_that_kerascv_builds_otherwise_or_not_at_all_is_refused(name, says, tmp_path):
    path, _ = lite_document(tmp_path, **MISREADABLE[name][0])
    with pytest.raises(InputError, match=says):
        import_network(path)


@pytest.mark.library
@pytest.mark.parametrize("name", MISREADABLE)
def test_why_it_is_refused(name, keras_cv, tmp_path):
    changes, builds = MISREADABLE[name]
    _, config = lite_document(tmp_path, **changes)
    if not builds:
        with pytest.raises(ValueError, match=r"incompatible shapes|padding"):
            keras_cv.models.EfficientNetLiteBackbone(**config)
        return
    first = [layer for layer in keras_cv.models.EfficientNetLiteBackbone(**config).layers if "block1a" in layer.name]
    assert first[0].input.shape[-1] == first[-1].output.shape[-1] == 32
    assert not any(layer.name.endswith("add") for layer in first)


@pytest.mark.library
@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize(("width", "depth"), [(1.1, 1.2), (1.4, 1.8), (0.5, 0.6)])
def test_coefficients_are_read_as_kerascv_applies_them(width, depth, keras_cv, tmp_path):
    path, config = lite_document(tmp_path, width_coefficient=width, depth_coefficient=depth)
    architecture = import_network(path)
    weights, image = random_weights(architecture, 1), ported.image_of(architecture)
    backbone = keras_cv.models.EfficientNetLiteBackbone(**config)
    rebuilt = ported.run_keras_cv(backbone, architecture, weights, image, ported.LITE_NAMES)
    assert rebuilt.params == cost(architecture).params
    assert ported.difference(ported.our_logits(architecture, weights, image), rebuilt.logits) < TOLERANCE


def repeated(*counts):
    """A network of small stages with these repeats."""
    return parse("r32 relu6 " + " ".join(f"ir_r{count}_k3_s1_e2_c16" for count in counts))


def test_more_repeats_than_letters_are_refused(tmp_path):
    export(preset("z", repeated(26)), "keras-cv", tmp_path / "z")
    with pytest.raises(InexpressibleError, match=r"stages\[1\]\.num_repeats: 27, and KerasCV has names for 26"):
        export(preset("beyond-z", repeated(26, 27)), "keras-cv", tmp_path / "beyond")


@pytest.mark.library
@pytest.mark.usefixtures("keras_cv")
def test_repeats_up_to_z_are_names_that_tensorflow_takes(tmp_path):
    tensorflow = pytest.importorskip("tensorflow", reason="tensorflow is not installed")
    written = export(preset("z", repeated(26)), "keras-cv", tmp_path)
    names = {}
    exec(written.usage, names)
    in_blocks = [layer.name for layer in names["backbone"].layers if layer.name.startswith("block")]
    assert "block1z_expand_conv" in in_blocks
    with tensorflow.Graph().as_default(), tensorflow.name_scope("network"):
        for name in in_blocks:
            with tensorflow.name_scope(name):
                pass
        with pytest.raises(ValueError, match="not a valid scope name"), tensorflow.name_scope("block1{_expand_conv"):
            pass


def test_a_deep_network_comes_with_the_line_that_lets_keras_walk_it(tmp_path):
    line = "setrecursionlimit"
    shallow, deep = repeated(*[20] * 4), repeated(*[20] * 5)
    assert line not in export(preset("shallow", shallow), "keras-cv", tmp_path / "shallow").usage
    assert line in export(preset("deep", deep), "keras-cv", tmp_path / "deep").usage


@pytest.mark.library
@pytest.mark.usefixtures("keras_cv")
def test_the_deep_network_is_built(tmp_path):
    limit = sys.getrecursionlimit()
    architecture = repeated(*[20] * 5)
    written = export(preset("deep", architecture), "keras-cv", tmp_path)
    names = {}
    try:
        exec(written.usage, names)
    finally:
        sys.setrecursionlimit(limit)
    assert _trainable(names["model"]) == cost(architecture).params


def _trainable(net):
    return sum(int(np.prod(each.shape)) for each in net.trainable_weights)
