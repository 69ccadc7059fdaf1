"""Architecture -> a trainable torch module, and weights in and out of it in the naming of ``weights``.

torch is imported when a module is built, not before; without it the error names the extra to install.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from hwsearch.architecture import Architecture
from hwsearch.errors import InputError, missing_package
from hwsearch.notation import parse
from hwsearch.operation import Layer, Op, layers, ops
from hwsearch.preset import Preset, reference_preset, reference_presets
from hwsearch.weights import Weights, check_weights

if TYPE_CHECKING:
    import numpy.typing as npt
    from torch import nn

    from hwsearch.torch_network import Network

Padding = Literal["same", "symmetric"]
"""``same``: TensorFlow's (extra row after), as EfficientNet was published; ``symmetric``: k // 2 on all sides."""

BATCH_NORM_EPSILON = 1e-3
_BATCH_NORM = {
    "scale": "norm.weight",
    "shift": "norm.bias",
    "mean": "norm.running_mean",
    "variance": "norm.running_var",
}


def build(
    network: Architecture | Preset | str,
    *,
    padding: Padding = "same",
    dropout_rate: float | None = None,
    drop_connect_rate: float | None = None,
    batch_norm_epsilon: float = BATCH_NORM_EPSILON,
) -> Network:
    """A freshly initialised module: images (N, 3, H, W) in, logits (N, num_classes) out.

    ``network`` is an Architecture, a Preset, or as text a preset's name or the text form. Rates are the preset's,
    else 0.2; they act in training only. InputError for a network or rate that is none, UnavailableError
    without torch.
    """
    preset = _preset_of(network)
    rates = {
        "dropout_rate": preset.dropout_rate if dropout_rate is None else dropout_rate,
        "drop_connect_rate": preset.drop_connect_rate if drop_connect_rate is None else drop_connect_rate,
    }
    for name, rate in rates.items():
        if not 0 <= rate < 1:
            raise InputError(f"{name}: {rate!r} is not in 0..1 (1 excluded)")
    if padding not in ("same", "symmetric"):
        raise InputError(f"padding: {padding!r}", allowed="same, symmetric")
    return _build(preset.architecture, padding, batch_norm_epsilon, rates)


def _build(architecture: Architecture, padding: Padding, epsilon: float, rates: dict[str, float]) -> Network:
    try:
        from hwsearch.torch_network import Block, Network, Settings
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise missing_package("torch", "torch") from None
    rows = [
        Block(op.in_channels, op.out_channels, op.kernel_size, op.stride, op.expand_ratio, op.se_channels)
        for op in ops(architecture)
        if op.kind == "mbconv"
    ]
    return Network(
        rows,
        stem_channels=architecture.stem_channels,
        head_channels=architecture.head_channels,
        num_classes=architecture.num_classes,
        settings=Settings(architecture.activation, padding, epsilon),
        **rates,
    )


def load_weights(module: nn.Module, architecture: Architecture, weights: Weights) -> None:
    """Copy weights into a module built from the architecture; InputError when names or shapes do not fit."""
    import torch

    check_weights(architecture, weights)
    names = state_names(architecture)
    state = {names[name]: torch.from_numpy(np.array(array, dtype=np.float32)) for name, array in weights.items()}
    counters = {name for name in module.state_dict() if name.endswith("num_batches_tracked")}
    try:
        missing, _ = module.load_state_dict(state, strict=False)
    except RuntimeError:
        raise InputError("the module was built from another architecture than these weights") from None
    if set(missing) - counters:
        raise InputError("the module was built from another architecture than these weights")


def module_weights(module: nn.Module, architecture: Architecture) -> dict[str, npt.NDArray[np.float32]]:
    """The weights of a module built from the architecture, as f32 arrays in the naming of ``weights``."""
    state = module.state_dict()
    names = state_names(architecture)
    missing = [name for name in names.values() if name not in state]
    if missing:
        raise InputError(f"the module was built from another architecture: it has no {missing[0]}")
    weights = {name: state[theirs].detach().cpu().numpy().astype(np.float32) for name, theirs in names.items()}
    check_weights(architecture, weights)
    return weights


def state_names(architecture: Architecture) -> dict[str, str]:
    """For every tensor of ``weight_shapes``, its name in the module's ``state_dict``."""
    return {
        f"{index}.{layer.name}.{tensor}": f"{place}{_layer_name(op, layer)}{theirs}"
        for index, (op, place) in enumerate(zip(ops(architecture), _places(architecture), strict=True))
        for layer in layers(op)
        for tensor, theirs in _tensor_names(layer).items()
    }


def _places(architecture: Architecture) -> list[str]:
    return ["stem.", *(f"blocks.{index}." for index in range(architecture.num_blocks)), "head.", "classifier."]


def _layer_name(op: Op, layer: Layer) -> str:
    if op.kind != "mbconv":
        return ""
    return f"se.{layer.name.removeprefix('se_')}." if layer.part == "squeeze_excite" else f"{layer.name}."


def _tensor_names(layer: Layer) -> dict[str, str]:
    if not layer.has_weights:
        return {}
    return {"weight": "conv.weight", **_BATCH_NORM} if layer.batch_norm else {"weight": "weight", "bias": "bias"}


def _preset_of(network: Architecture | Preset | str) -> Preset:
    if isinstance(network, Preset):
        return network
    if isinstance(network, Architecture):
        return Preset("network", network)
    if network in reference_presets() or " " not in network.strip():
        return reference_preset(network)
    return Preset("network", parse(network))
