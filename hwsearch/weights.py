"""The parameters of a network by name, as NumPy arrays: what graphs and modules exchange.

A name is ``<op index>.<layer name>.<tensor>``, e.g. ``3.depthwise.weight``. Tensors: ``weight`` in PyTorch's
layout (out, in/groups, k, k) or (out, in); then ``bias``, or for a batch-normed convolution ``scale``,
``shift``, ``mean``, ``variance``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from hwsearch.architecture import Architecture
from hwsearch.errors import InputError
from hwsearch.operation import IMAGE_CHANNELS, Layer, layers, ops

Weights = Mapping[str, npt.NDArray[np.float32]]

_POOL_SIZE = 1 << 18
"""Random numbers drawn once a network and reused: drawing millions would take longer than a measurement."""

_BRANCH_SCALE = np.float32(0.5)

BATCH_NORM_TENSORS = ("scale", "shift", "mean", "variance")


def weight_shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of the network, batch-norm statistics included, in order of execution."""
    shapes: dict[str, tuple[int, ...]] = {}
    for index, op in enumerate(ops(architecture)):
        for layer in layers(op):
            for tensor, shape in _layer_shapes(layer).items():
                shapes[f"{index}.{layer.name}.{tensor}"] = shape
    return shapes


def random_weights(architecture: Architecture, seed: int = 0) -> dict[str, npt.NDArray[np.float32]]:
    """He-scaled random weights with lively batch norms: activations keep a normal size, as trained ones do.

    Latency can depend on values (denormal numbers are slow), and parity tests need batch norms that do
    something; both want neither zeros nor ones.
    """
    rng = np.random.default_rng(seed)
    pool = rng.standard_normal(_POOL_SIZE, dtype=np.float32)
    weights = {name: _random_tensor(name, shape, pool, rng) for name, shape in weight_shapes(architecture).items()}
    for index, op in enumerate(ops(architecture)):
        if op.has_skip:
            # branches as large as their inputs would grow with every repeat: in B7 to logits of 1e5, all rounding
            weights[f"{index}.project.scale"] *= _BRANCH_SCALE
    return weights


def random_image(architecture: Architecture, batch: int) -> npt.NDArray[np.float32]:
    """A batch of normal noise that fits the network's input: (batch, 3, resolution, resolution)."""
    side = architecture.resolution
    return np.random.default_rng(0).standard_normal((batch, IMAGE_CHANNELS, side, side), dtype=np.float32)


def check_weights(architecture: Architecture, weights: Weights) -> None:
    """Refuse weights whose names or shapes are not those of the network."""
    shapes = weight_shapes(architecture)
    missing, unknown = shapes.keys() - weights.keys(), weights.keys() - shapes.keys()
    if missing or unknown:
        raise InputError(
            f"weights do not fit the network: {len(missing)} missing, {len(unknown)} unknown, "
            f"e.g. {min(missing | unknown)}"
        )
    for name, shape in shapes.items():
        if tuple(weights[name].shape) != shape:
            raise InputError(f"weights do not fit the network: {name} has shape {weights[name].shape}, not {shape}")


def _layer_shapes(layer: Layer) -> dict[str, tuple[int, ...]]:
    if not layer.has_weights:
        return {}
    in_channels = 1 if layer.kind == "depthwise" else layer.in_channels
    spatial = () if layer.kind == "linear" else (layer.kernel_size, layer.kernel_size)
    shapes: dict[str, tuple[int, ...]] = {"weight": (layer.out_channels, in_channels, *spatial)}
    rest = BATCH_NORM_TENSORS if layer.batch_norm else ("bias",)
    return shapes | dict.fromkeys(rest, (layer.out_channels,))


def _random_tensor(
    name: str, shape: tuple[int, ...], pool: npt.NDArray[np.float32], rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    tensor, size = name.rsplit(".", 1)[1], math.prod(shape)
    values = np.resize(pool[int(rng.integers(_POOL_SIZE // 2)) :], size).reshape(shape)
    if tensor == "weight":
        return values * np.float32(math.sqrt(2.0 / math.prod(shape[1:])))
    if tensor in ("scale", "variance"):
        return 1 + np.float32(0.2) * np.tanh(values)
    return values * np.float32(0.1)
