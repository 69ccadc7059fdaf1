"""What a network costs by arithmetic alone: multiply-adds, parameters, peak activation bytes.

A MAC is one multiply-add of a convolution (squeeze-excite included) or of the classifier; the papers call
the same count "FLOPs". Parameters count batch-norm scale and shift, not its running statistics.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from hwsearch.architecture import Architecture
from hwsearch.operation import Layer, Op, layers, ops

BYTES_PER_ELEMENT = 4
"""Activations are counted as f32, batch 1."""


@dataclass(frozen=True, slots=True)
class Cost:
    """The price of an op or of a network at batch 1."""

    macs: int
    params: int
    activation_bytes: int
    """Peak over the layers of the feature maps that are alive at once: input, output, and a held skip."""


@lru_cache(maxsize=4096)
def cost(architecture: Architecture) -> Cost:
    """The cost of a whole network."""
    return total(tuple(op_cost(op) for op in ops(architecture)))


def total(costs: tuple[Cost, ...]) -> Cost:
    """Costs in sequence: MACs and params add up, peak bytes are the largest."""
    return Cost(
        macs=sum(each.macs for each in costs),
        params=sum(each.params for each in costs),
        activation_bytes=max((each.activation_bytes for each in costs), default=0),
    )


@lru_cache(maxsize=65536)
def op_cost(op: Op) -> Cost:
    """The cost of one op."""
    found = layers(op)
    return Cost(
        macs=sum(layer_macs(layer) for layer in found),
        params=sum(layer_params(layer) for layer in found),
        activation_bytes=BYTES_PER_ELEMENT * max(_live_elements(op, layer) for layer in found),
    )


def layer_macs(layer: Layer) -> int:
    """Multiply-adds of one layer; only layers with weights have any."""
    return layer.out_resolution**2 * _weights(layer) if layer.has_weights else 0


def layer_params(layer: Layer) -> int:
    """Weights, with either batch norm's scale and shift or a bias."""
    if not layer.has_weights:
        return 0
    return _weights(layer) + layer.out_channels * (2 if layer.batch_norm else 1)


def _weights(layer: Layer) -> int:
    in_channels = 1 if layer.kind == "depthwise" else layer.in_channels
    return layer.kernel_size**2 * in_channels * layer.out_channels


def _live_elements(op: Op, layer: Layer) -> int:
    in_elements = layer.resolution**2 * layer.in_channels
    out_elements = layer.out_resolution**2 * layer.out_channels
    if layer.kind in ("scale", "add"):
        out_elements = 0  # runtimes write these over their input
    reads_block_input = layer is layers(op)[0]
    held = op.resolution**2 * op.in_channels if op.has_skip and not reads_block_input else 0
    # while the squeeze-excite vectors are computed, the map they will scale stays alive
    mapped = op.out_resolution**2 * op.hidden_channels if layer.name in ("se_reduce", "se_expand") else 0
    return in_elements + out_elements + held + mapped
