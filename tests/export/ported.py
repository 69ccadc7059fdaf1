"""Builds an export in the library it is for, gives it our weights, and runs it."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from hwsearch import graph, module
from hwsearch.architecture import Architecture
from hwsearch.operation import layers, ops

BATCH_NORM = ("scale", "shift", "mean", "variance")
TORCH_NAMES = {"scale": "weight", "shift": "bias", "mean": "running_mean", "variance": "running_var"}


@dataclass(frozen=True)
class Rebuilt:
    """What the library built and answered."""

    params: int
    """Trainable; a backbone's with the classifier of our weights."""
    logits: np.ndarray


def image_of(architecture: Architecture, seed: int = 0) -> np.ndarray:
    side = architecture.resolution
    return np.random.default_rng(seed).standard_normal((1, 3, side, side)).astype("float32")


def our_logits(architecture: Architecture, weights, image, padding="same") -> np.ndarray:
    """Our torch module's."""
    import torch

    net = module.build(architecture, padding=padding).eval()
    module.load_weights(net, architecture, weights)
    with torch.no_grad():
        return net(torch.from_numpy(image)).numpy()


def onnx_logits(model_bytes: bytes, image) -> np.ndarray:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model_bytes, options).run(None, {graph.INPUT_NAME: image})[0]


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest difference, relative to the largest logit."""
    return float(np.abs(ours - theirs).max() / np.abs(ours).max())


def rebuild_timm(architecture, weights, image, files: tuple[Path, ...]) -> Rebuilt:
    timm = pytest.importorskip("timm", reason="timm is not installed", exc_type=ImportError)
    generated = _import_file(files[0])
    net = timm.create_model(generated.__name__).eval()
    return _run_torch(net, _timm_state(architecture, weights), image)


def rebuild_torch(architecture, weights, image, files: tuple[Path, ...]) -> Rebuilt:
    net = _import_file(files[0]).build().eval()
    names = module.state_names(architecture)
    return _run_torch(net, {names[name]: array for name, array in weights.items()}, image)


def rebuild_huggingface(architecture, weights, image, files: tuple[Path, ...]) -> Rebuilt:
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    config = transformers.AutoConfig.from_pretrained(files[0].parent)
    net = transformers.AutoModelForImageClassification.from_config(config).eval()
    return _run_torch(net, _huggingface_state(architecture, weights), image)


def rebuild_keras_hub(architecture, weights, image, files: tuple[Path, ...]) -> Rebuilt:
    keras_hub = pytest.importorskip("keras_hub", reason="keras-hub is not installed", exc_type=ImportError)
    net = keras_hub.models.EfficientNetBackbone.from_preset(str(files[0].parent), load_weights=False)
    _fill_keras(net, architecture, weights, V1_NAMES)
    features = np.asarray(net.predict(image.transpose(0, 2, 3, 1), verbose=0)).mean((1, 2))
    last = len(ops(architecture)) - 1
    kernel, bias = weights[f"{last}.linear.weight"], weights[f"{last}.linear.bias"]
    trainable = sum(int(np.prod(each.shape)) for each in net.trainable_weights)
    return Rebuilt(trainable + kernel.size + bias.size, features @ kernel.T + bias)


def rebuild_keras_cv(architecture, weights, image, files: tuple[Path, ...]) -> Rebuilt:
    """KerasCV's own classifier on the backbone of the folder: every parameter is one that KerasCV built."""
    keras_cv = importorskip_keras_cv()
    backbone = keras_cv.models.EfficientNetLiteBackbone.from_preset(str(files[0].parent))
    return run_keras_cv(backbone, architecture, weights, image, LITE_NAMES)


def importorskip_keras_cv():
    reason = "keras-cv is not installed (it needs tensorflow): pip install tensorflow-cpu keras-cv"
    return pytest.importorskip("keras_cv", reason=reason, exc_type=ImportError)


def run_keras_cv(backbone, architecture, weights, image, names) -> Rebuilt:
    """A KerasCV backbone under KerasCV's classifier, with our weights in both."""
    keras_cv = importorskip_keras_cv()
    net = keras_cv.models.ImageClassifier(backbone, num_classes=architecture.num_classes, activation=None)
    _fill_keras(backbone, architecture, weights, names)
    last = len(ops(architecture)) - 1
    kernel, bias = weights[f"{last}.linear.weight"], weights[f"{last}.linear.bias"]
    net.get_layer("predictions").set_weights([kernel.T, bias])
    pixels = image.transpose(0, 2, 3, 1) * 255  # the backbone divides by 255
    trainable = sum(int(np.prod(each.shape)) for each in net.trainable_weights)
    return Rebuilt(trainable, np.asarray(net.predict(pixels, verbose=0)))


def _run_torch(net, state, image) -> Rebuilt:
    import torch

    tensors = {name: torch.from_numpy(np.array(array)) for name, array in state.items()}
    missing, unexpected = net.load_state_dict(tensors, strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing), missing
    with torch.no_grad():
        out = net(torch.from_numpy(image))
    logits = getattr(out, "logits", out)
    return Rebuilt(sum(each.numel() for each in net.parameters()), logits.numpy())


def _import_file(path: Path):
    sys.path.insert(0, str(path.parent))
    try:
        sys.modules.pop(path.stem, None)
        importlib.invalidate_caches()
        return importlib.import_module(path.stem)
    finally:
        sys.path.remove(str(path.parent))


def _renamed(architecture, weights, name_of) -> dict[str, np.ndarray]:
    """Every tensor under the name that ``name_of(index, op, layer)`` gives its convolution and its norm."""
    state = {}
    for index, op in enumerate(ops(architecture)):
        for layer in layers(op):
            if not layer.has_weights:
                continue
            convolution, norm = name_of(index, op, layer)
            state[f"{convolution}.weight"] = weights[f"{index}.{layer.name}.weight"]
            if not layer.batch_norm:
                state[f"{convolution}.bias"] = weights[f"{index}.{layer.name}.bias"]
                continue
            for tensor in BATCH_NORM:
                state[f"{norm}.{TORCH_NAMES[tensor]}"] = weights[f"{index}.{layer.name}.{tensor}"]
    return state


def _timm_state(architecture, weights):
    places = [
        f"blocks.{number}.{repeat}"
        for number, stage in enumerate(architecture.stages)
        for repeat in range(stage.num_repeats)
    ]
    expanded = {
        "expand": ("conv_pw", "bn1"),
        "depthwise": ("conv_dw", "bn2"),
        "project": ("conv_pwl", "bn3"),
    }
    plain = {"depthwise": ("conv_dw", "bn1"), "project": ("conv_pw", "bn2")}
    squeeze = {"se_reduce": ("se.conv_reduce", ""), "se_expand": ("se.conv_expand", "")}

    def name_of(index, op, layer):
        if op.kind != "mbconv":
            return {"stem": ("conv_stem", "bn1"), "head": ("conv_head", "bn2"), "classifier": ("classifier", "")}[
                op.kind
            ]
        names = {**(expanded if op.expand_ratio > 1 else plain), **squeeze}[layer.name]
        return tuple(f"{places[index - 1]}.{name}" for name in names)

    return _renamed(architecture, weights, name_of)


def _huggingface_state(architecture, weights):
    names = {
        "expand": ("expansion.expand_conv", "expansion.expand_bn"),
        "depthwise": ("depthwise_conv.depthwise_conv", "depthwise_conv.depthwise_norm"),
        "se_reduce": ("squeeze_excite.reduce", ""),
        "se_expand": ("squeeze_excite.expand", ""),
        "project": ("projection.project_conv", "projection.project_bn"),
    }
    outside = {
        "stem": ("efficientnet.embeddings.convolution", "efficientnet.embeddings.batchnorm"),
        "head": ("efficientnet.encoder.top_conv", "efficientnet.encoder.top_bn"),
        "classifier": ("classifier", ""),
    }

    def name_of(index, op, layer):
        if op.kind != "mbconv":
            return outside[op.kind]
        return tuple(f"efficientnet.encoder.blocks.{index - 1}.{name}" for name in names[layer.name])

    return _renamed(architecture, weights, name_of)


V1_NAMES = {
    "expand": ("expand_conv", "expand_bn"),
    "depthwise": ("dwconv", "dwconv_bn"),
    "se_reduce": ("se_reduce", ""),
    "se_expand": ("se_expand", ""),
    "project": ("project", "project_bn"),
}
LITE_NAMES = {
    "expand": ("expand_conv", "expand_bn"),
    "depthwise": ("dwconv", "bn"),
    "project": ("project_conv", "project_bn"),
}
UNFUSED_NAMES = {
    "expand": ("conv1", "bn1"),
    "depthwise": ("depthwise", "bn2"),
    "se_reduce": ("se_conv1", ""),
    "se_expand": ("se_conv2", ""),
    "project": ("output_conv", "bn3"),
}


def _fill_keras(net, architecture, weights, names) -> None:
    places = [
        f"block{number + 1}{chr(97 + repeat)}_"
        for number, stage in enumerate(architecture.stages)
        for repeat in range(stage.num_repeats)
    ]
    known = {layer.name for layer in net.layers}
    for index, op in enumerate(ops(architecture)[:-1]):
        for layer in layers(op):
            if not layer.has_weights:
                continue
            if op.kind != "mbconv":
                prefix = {"stem": "stem", "head": "top"}[op.kind]
                pair = net.get_layer(f"{prefix}_conv"), net.get_layer(f"{prefix}_bn")
            elif places[index - 1] in known:
                block = net.get_layer(places[index - 1])
                pair = tuple(name and getattr(block, name) for name in UNFUSED_NAMES[layer.name])
            else:
                pair = tuple(name and net.get_layer(places[index - 1] + name) for name in names[layer.name])
            _fill_keras_pair(pair, f"{index}.{layer.name}", layer, weights)


def _fill_keras_pair(pair, name, layer, weights) -> None:
    convolution, norm = pair
    axes = (2, 3, 0, 1) if layer.kind == "depthwise" else (2, 3, 1, 0)
    kernel = weights[f"{name}.weight"].transpose(axes)
    if not layer.batch_norm:
        convolution.set_weights([kernel, weights[f"{name}.bias"]])
        return
    convolution.set_weights([kernel])
    norm.set_weights([weights[f"{name}.{tensor}"] for tensor in BATCH_NORM])
