"""A transformers ``EfficientNetConfig`` (config.json) -> Architecture, by the rules of its modelling code (5.23).

The rules that decide what can be said: the stem is round(32 * w) and the head round(1280 * w), whatever the lists
say; every block has squeeze-excite of one ratio; only repeats have a skip; TF-same padding is baked for one
resolution in ``depthwise_padding``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from hwsearch.architecture import Architecture, Stage
from hwsearch.errors import InputError
from hwsearch.importing.foreign import (
    Coefficient,
    Count,
    Counts,
    ForeignConfig,
    Ratio,
    Side,
    activation_of,
    chain_faults,
    network,
    refuse,
    same_lengths,
)
from hwsearch.json_file import validate
from hwsearch.operation import Op, ops
from hwsearch.rounding import round_channels, round_repeats

MODEL_TYPE = "efficientnet"
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
_DEFAULT_LABELS = 2


class _Config(ForeignConfig):
    model_type: Literal["efficientnet"]
    num_channels: Literal[3] = 3
    image_size: Side | list[Side] = 600
    width_coefficient: Coefficient = 2.0
    depth_coefficient: Coefficient = 3.1
    depth_divisor: int = Field(default=8, ge=1, le=1024)
    kernel_sizes: Counts = Field(default=[3, 3, 5, 3, 5, 5, 3])
    in_channels: Counts = Field(default=[32, 16, 24, 40, 80, 112, 192])
    out_channels: Counts = Field(default=[16, 24, 40, 80, 112, 192, 320])
    depthwise_padding: list[Count] = Field(default_factory=list, max_length=16384)
    strides: Counts = Field(default=[1, 2, 2, 2, 1, 2, 1])
    num_block_repeats: Counts = Field(default=[1, 2, 2, 3, 3, 4, 1])
    expand_ratios: Counts = Field(default=[1, 6, 6, 6, 6, 6, 6])
    squeeze_expansion_ratio: Ratio = 0.25
    hidden_act: str = "swish"
    hidden_dim: Count = 2560
    pooling_type: Literal["mean"] = "mean"
    num_labels: Count | None = None
    id2label: dict[str, Any] | None = None


def read(data: Mapping[str, Any], where: str, resolution: int | None, num_classes: int | None) -> Architecture:
    """The network of a configuration; InputError with every reason why none is."""
    config = validate(_Config, data, where)
    refuse(same_lengths(_lists(config)), where)
    architecture = network(
        where,
        resolution=resolution or _side(config, where),
        stem_channels=_rounded(config, STEM_CHANNELS),
        stages=_stages(config),
        head_channels=_rounded(config, HEAD_CHANNELS),
        activation=activation_of(config.hidden_act, where),
        num_classes=num_classes or _labels(config),
    )
    inputs = [_rounded(config, channels) for channels in config.in_channels]
    faults = chain_faults("in_channels", inputs, architecture.stem_channels, architecture.stages)
    faults += _structure_faults(config, architecture)
    refuse(faults, where)
    return architecture


def symmetric_padding_blocks(architecture: Architecture) -> list[int]:
    """Indices of the blocks that TF-same pads evenly: stride 2 on an odd resolution (``depthwise_padding``)."""
    return [index for index, op in enumerate(_blocks(architecture)) if op.stride == 2 and op.resolution % 2 == 1]


def lost_skips(architecture: Architecture) -> list[str]:
    """A reason for every stage whose first block has a skip, which transformers leaves out."""
    blocks, index, found = _blocks(architecture), 0, []
    for number, stage in enumerate(architecture.stages):
        if blocks[index].has_skip:
            found.append(
                f"stages[{number}].out_channels: {stage.out_channels} in and out at stride 1, and transformers "
                "gives the first block of a stage no skip"
            )
        index += stage.num_repeats
    return found


def _structure_faults(config: _Config, architecture: Architecture) -> list[str]:
    faults = lost_skips(architecture)
    if config.squeeze_expansion_ratio == 0:
        faults.append("squeeze_expansion_ratio: transformers still builds a one-channel squeeze-excite for 0")
    if config.hidden_dim != architecture.head_channels:
        faults.append(f"hidden_dim: {config.hidden_dim}, but the head has {architecture.head_channels} channels")
    needed = symmetric_padding_blocks(architecture)
    if sorted(set(config.depthwise_padding)) != needed:
        faults.append(
            f"depthwise_padding: {config.depthwise_padding} is not what TF-same padding needs at resolution "
            f"{architecture.resolution}: {needed}"
        )
    return faults


def _blocks(architecture: Architecture) -> list[Op]:
    return [op for op in ops(architecture) if op.kind == "mbconv"]


def _stages(config: _Config) -> list[Stage]:
    rows = zip(
        config.kernel_sizes,
        config.strides,
        config.expand_ratios,
        config.out_channels,
        config.num_block_repeats,
        strict=True,
    )
    return [
        Stage(
            kernel,
            stride,
            expand,
            _rounded(config, channels),
            round_repeats(repeats, config.depth_coefficient),
            config.squeeze_expansion_ratio,
        )
        for kernel, stride, expand, channels, repeats in rows
    ]


def _lists(config: _Config) -> dict[str, list[int]]:
    names = ("in_channels", "kernel_sizes", "out_channels", "strides", "num_block_repeats", "expand_ratios")
    return {name: getattr(config, name) for name in names}


def _rounded(config: _Config, channels: int) -> int:
    return round_channels(channels, config.width_coefficient, config.depth_divisor)


def _side(config: _Config, where: str) -> int:
    sides = config.image_size if isinstance(config.image_size, list) else [config.image_size]
    if len(set(sides)) != 1:
        raise InputError(f"image_size: {sides} is not square", where=where)
    return sides[0]


def _labels(config: _Config) -> int:
    if config.id2label is not None:
        return len(config.id2label)
    return _DEFAULT_LABELS if config.num_labels is None else config.num_labels
