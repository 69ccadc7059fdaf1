"""A network as the list of its ops: the one traversal that cost, tables, graphs, modules and exports share.

``ops(architecture)`` gives one ``Op`` a block, in order of execution; ``layers(op)`` opens an op into the
primitive layers that a runtime executes. An ``Op`` is a block *in its context* (input resolution and
channels included) and says nothing about where in a network it stands: it is the key of a latency table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast, get_args

from hwsearch.architecture import ACTIVATIONS, Activation, Architecture, Stage, plain_number
from hwsearch.errors import InputError

OpKind = Literal["stem", "mbconv", "head", "classifier"]
Part = Literal["expand", "depthwise", "squeeze_excite", "project", "other"]
"""Where inside a block the time goes; stem, head and classifier are ``other`` as a whole."""
PARTS: tuple[Part, ...] = get_args(Part)

LayerKind = Literal["conv", "depthwise", "pool", "linear", "scale", "add"]
LayerActivation = Literal["swish", "relu6", "relu", "sigmoid", "none"]

IMAGE_CHANNELS = 3
STEM_KERNEL_SIZE = 3
STEM_STRIDE = 2


@dataclass(frozen=True, slots=True, order=True)
class Op:
    """One block in its context. ``resolution`` is the side of its square input, pixels."""

    kind: OpKind
    resolution: int
    in_channels: int
    out_channels: int
    kernel_size: int
    stride: int
    expand_ratio: int
    se_ratio: float
    activation: Activation

    @property
    def hidden_channels(self) -> int:
        """Channels of the depthwise convolution."""
        return self.in_channels * self.expand_ratio

    @property
    def se_channels(self) -> int:
        """Channels of the squeeze, counted from the block's input; 0 without squeeze-excite."""
        return max(1, int(self.in_channels * self.se_ratio)) if self.se_ratio else 0

    @property
    def out_resolution(self) -> int:
        """Side of the output, pixels: both paddings in use give ceil(resolution / stride)."""
        return 1 if self.kind in ("head", "classifier") else -(-self.resolution // self.stride)

    @property
    def has_skip(self) -> bool:
        """Whether the block's input is added to its output."""
        return self.kind == "mbconv" and self.stride == 1 and self.in_channels == self.out_channels

    @property
    def key(self) -> str:
        """One word that names this op in files, e.g. ``mbconv_r112_i16_o24_k3_s2_e6_se0.25_swish``."""
        return (
            f"{self.kind}_r{self.resolution}_i{self.in_channels}_o{self.out_channels}_k{self.kernel_size}"
            f"_s{self.stride}_e{self.expand_ratio}_se{plain_number(self.se_ratio)}_{self.activation}"
        )

    def __str__(self) -> str:
        return self.key


@dataclass(frozen=True, slots=True)
class Layer:
    """One primitive layer. Convolutions with ``batch_norm`` have no bias; the others have one."""

    name: str
    """Unique inside its op."""
    part: Part
    kind: LayerKind
    resolution: int
    """Side of the input, pixels."""
    in_channels: int
    out_channels: int
    kernel_size: int = 1
    stride: int = 1
    batch_norm: bool = False
    activation: LayerActivation = "none"

    @property
    def out_resolution(self) -> int:
        """Side of the output, pixels."""
        return 1 if self.kind == "pool" else -(-self.resolution // self.stride)

    @property
    def has_weights(self) -> bool:
        """Whether the layer has parameters."""
        return self.kind in ("conv", "depthwise", "linear")


@lru_cache(maxsize=4096)
def ops(architecture: Architecture) -> tuple[Op, ...]:
    """Every op of the network in order of execution: stem, blocks, head, classifier."""
    stem = stem_op(architecture.resolution, architecture.stem_channels, architecture.activation)
    found = [stem]
    resolution, channels = stem.out_resolution, stem.out_channels
    for stage in architecture.stages:
        found += stage_ops(stage, resolution, channels, architecture.activation)
        resolution, channels = found[-1].out_resolution, stage.out_channels
    found += head_ops(
        resolution, channels, architecture.head_channels, architecture.num_classes, architecture.activation
    )
    return tuple(found)


def stage_labels(architecture: Architecture) -> tuple[str, ...]:
    """For each op of ``ops(architecture)``, the row it belongs to: ``stem``, ``stage 0`` ..., ``head``."""
    blocks = [f"stage {index}" for index, stage in enumerate(architecture.stages) for _ in range(stage.num_repeats)]
    return ("stem", *blocks, "head", "head")


def stem_op(resolution: int, stem_channels: int, activation: Activation) -> Op:
    """The 3x3 stride-2 convolution that reads the image."""
    return Op("stem", resolution, IMAGE_CHANNELS, stem_channels, STEM_KERNEL_SIZE, STEM_STRIDE, 1, 0.0, activation)


def stage_ops(stage: Stage, resolution: int, in_channels: int, activation: Activation) -> tuple[Op, ...]:
    """The blocks of one stage: the first takes the stride and the incoming channels, the others repeat."""

    def block(resolution: int, in_channels: int, stride: int) -> Op:
        return Op(
            "mbconv",
            resolution,
            in_channels,
            stage.out_channels,
            stage.kernel_size,
            stride,
            stage.expand_ratio,
            float(stage.se_ratio),
            activation,
        )

    first = block(resolution, in_channels, stage.stride)
    repeated = block(first.out_resolution, stage.out_channels, 1)
    return (first, *[repeated] * (stage.num_repeats - 1))


def head_ops(
    resolution: int, in_channels: int, head_channels: int, num_classes: int, activation: Activation
) -> tuple[Op, Op]:
    """The 1x1 convolution with global pooling, and the classifier."""
    return (
        Op("head", resolution, in_channels, head_channels, 1, 1, 1, 0.0, activation),
        Op("classifier", 1, head_channels, num_classes, 1, 1, 1, 0.0, activation),
    )


@lru_cache(maxsize=16384)
def layers(op: Op) -> tuple[Layer, ...]:
    """The primitive layers of an op, in order of execution."""
    if op.kind == "stem":
        return (_conv_bn("conv", "other", op.resolution, op.in_channels, op.out_channels, op, op.activation),)
    if op.kind == "head":
        return (
            _conv_bn("conv", "other", op.resolution, op.in_channels, op.out_channels, op, op.activation),
            Layer("pool", "other", "pool", op.resolution, op.out_channels, op.out_channels),
        )
    if op.kind == "classifier":
        return (Layer("linear", "other", "linear", 1, op.in_channels, op.out_channels),)
    return _mbconv_layers(op)


def _mbconv_layers(op: Op) -> tuple[Layer, ...]:
    hidden, found = op.hidden_channels, []
    if op.expand_ratio > 1:
        found.append(
            Layer("expand", "expand", "conv", op.resolution, op.in_channels, hidden, 1, 1, True, op.activation)
        )
    found.append(
        Layer(
            "depthwise",
            "depthwise",
            "depthwise",
            op.resolution,
            hidden,
            hidden,
            op.kernel_size,
            op.stride,
            True,
            op.activation,
        )
    )
    if op.se_ratio:
        found += _squeeze_excite_layers(op)
    found.append(Layer("project", "project", "conv", op.out_resolution, hidden, op.out_channels, 1, 1, True))
    if op.has_skip:
        found.append(Layer("add", "other", "add", op.out_resolution, op.out_channels, op.out_channels))
    return tuple(found)


def _squeeze_excite_layers(op: Op) -> list[Layer]:
    hidden, part = op.hidden_channels, PARTS[2]
    return [
        Layer("se_pool", part, "pool", op.out_resolution, hidden, hidden),
        Layer("se_reduce", part, "conv", 1, hidden, op.se_channels, activation=op.activation),
        Layer("se_expand", part, "conv", 1, op.se_channels, hidden, activation="sigmoid"),
        Layer("se_scale", part, "scale", op.out_resolution, hidden, hidden),
    ]


def _conv_bn(
    name: str, part: Part, resolution: int, in_channels: int, out_channels: int, op: Op, activation: Activation
) -> Layer:
    return Layer(name, part, "conv", resolution, in_channels, out_channels, op.kernel_size, op.stride, True, activation)


_KEY = re.compile(
    r"(stem|mbconv|head|classifier)_r(\d{1,5})_i(\d{1,6})_o(\d{1,6})_k(\d{1,3})_s([12])_e(\d{1,3})"
    r"_se([0-9.e-]{1,24})_([a-z0-9]+)"
)


def parse_op(key: str) -> Op:
    """The op that a key names; InputError when the word is no key, or not the canonical one of its op."""
    match = _KEY.fullmatch(key)
    if match is None or match[9] not in ACTIVATIONS:
        raise _no_key(key)
    resolution, in_channels, out_channels, kernel_size, stride, expand_ratio = (int(match[i]) for i in range(2, 8))
    try:
        se_ratio = float(match[8])
    except ValueError:
        raise _no_key(key) from None
    op = Op(
        cast(OpKind, match[1]),
        resolution,
        in_channels,
        out_channels,
        kernel_size,
        stride,
        expand_ratio,
        se_ratio,
        cast(Activation, match[9]),
    )
    sizes = (resolution, in_channels, out_channels, kernel_size, expand_ratio)
    if min(sizes) < 1 or not 0 <= se_ratio <= 1 or op.key != key:
        raise _no_key(key)
    return op


def _no_key(key: str) -> InputError:
    return InputError(f"{key[:80]!r} is not an op key", allowed="e.g. mbconv_r112_i16_o24_k3_s2_e6_se0.25_swish")
