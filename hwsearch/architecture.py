"""A network of the EfficientNet family as a value: frozen, hashable, comparable, one line of text.

``Stage`` is one row of the paper's table (arXiv 1905.11946, table 1); ``Architecture`` is a stem, the
stages, and a head (1x1 convolution, global pooling, classifier). Neither knows its cost, its latency
or its score: what judges a network lives on a floor above.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal, get_args

from hwsearch.errors import FaultsError

Activation = Literal["swish", "relu6", "relu"]
"""The activations of the vocabulary; every conv-bn of a network but the projections is followed by it."""

ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)

MAX_RESOLUTION = 4096
MAX_CHANNELS = 65_536
MAX_REPEATS = 256
MAX_KERNEL_SIZE = 31
MAX_EXPAND_RATIO = 64
MAX_STAGES = 64


@dataclass(frozen=True, slots=True)
class Stage:
    """One row of the table: ``num_repeats`` MBConv blocks, of which the first has the stride."""

    kernel_size: int
    """Side of the square depthwise kernel, odd."""
    stride: int
    """Stride of the first block, 1 or 2; the repeats have stride 1."""
    expand_ratio: int
    """Channels inside a block over its input channels; 1 leaves the expansion out."""
    out_channels: int
    num_repeats: int
    se_ratio: float = 0.0
    """Squeeze channels over the block's **input** channels; 0 means no squeeze-excite."""

    @property
    def text(self) -> str:
        """The stage in timm's block notation; a block without expansion is ``ds``."""
        kind = "ds" if self.expand_ratio == 1 else "ir"
        text = (
            f"{kind}_r{self.num_repeats}_k{self.kernel_size}_s{self.stride}_e{self.expand_ratio}_c{self.out_channels}"
        )
        return f"{text}_se{plain_number(self.se_ratio)}" if self.se_ratio else text

    def faults(self) -> list[str]:
        """Every field that is out of range, as ``field: what is wrong``."""
        found = []
        if not _is_int(self.kernel_size, 1, MAX_KERNEL_SIZE) or self.kernel_size % 2 == 0:
            found.append(f"kernel_size: {self.kernel_size!r} is not an odd integer in 1..{MAX_KERNEL_SIZE}")
        if not _is_int(self.stride, 1, 2):
            found.append(f"stride: {self.stride!r} is neither 1 nor 2")
        if not _is_int(self.expand_ratio, 1, MAX_EXPAND_RATIO):
            found.append(f"expand_ratio: {self.expand_ratio!r} is not an integer in 1..{MAX_EXPAND_RATIO}")
        if not _is_int(self.out_channels, 1, MAX_CHANNELS):
            found.append(f"out_channels: {self.out_channels!r} is not an integer in 1..{MAX_CHANNELS}")
        if not _is_int(self.num_repeats, 1, MAX_REPEATS):
            found.append(f"num_repeats: {self.num_repeats!r} is not an integer in 1..{MAX_REPEATS}")
        if not _is_ratio(self.se_ratio):
            found.append(f"se_ratio: {self.se_ratio!r} is not a number in 0..1")
        return found


@dataclass(frozen=True, slots=True)
class Architecture:
    """A whole network. Construction refuses what cannot be built, all faults at once."""

    resolution: int
    """Side of the square RGB input, pixels."""
    stem_channels: int
    stages: tuple[Stage, ...]
    head_channels: int
    activation: Activation = "swish"
    num_classes: int = 1000

    def __post_init__(self) -> None:
        found = self._faults()
        if found:
            raise FaultsError("architecture", found)

    def _faults(self) -> list[str]:
        found = []
        limits = {
            "resolution": MAX_RESOLUTION,
            "stem_channels": MAX_CHANNELS,
            "head_channels": MAX_CHANNELS,
            "num_classes": MAX_CHANNELS,
        }
        for name, limit in limits.items():
            value = getattr(self, name)
            if not _is_int(value, 1, limit):
                found.append(f"{name}: {value!r} is not an integer in 1..{limit}")
        if self.activation not in ACTIVATIONS:
            found.append(f"activation: {self.activation!r} is not one of {', '.join(ACTIVATIONS)}")
        if not 1 <= len(self.stages) <= MAX_STAGES:
            found.append(f"stages: {len(self.stages)} stages, not 1..{MAX_STAGES}")
        for index, stage in enumerate(self.stages):
            found += [f"stages[{index}].{fault}" for fault in stage.faults()]
        return found

    @property
    def num_blocks(self) -> int:
        """MBConv blocks in the whole network."""
        return sum(stage.num_repeats for stage in self.stages)

    def with_resolution(self, resolution: int) -> Architecture:
        """The same network for another input side (pixels)."""
        return dataclasses.replace(self, resolution=resolution)

    @property
    def text(self) -> str:
        """The canonical text form (timm's block notation, options in front); ``notation`` parses it back."""
        options = [f"r{self.resolution}", self.activation, f"stem_c{self.stem_channels}"]
        tail = [f"head_c{self.head_channels}"]
        if self.num_classes != 1000:
            tail.append(f"classes{self.num_classes}")
        return " ".join([*options, *(stage.text for stage in self.stages), *tail])

    def __str__(self) -> str:
        return self.text


def plain_number(value: float) -> str:
    """A number with every digit it has and none more: ``0.25``, ``1``."""
    return repr(float(value)).removesuffix(".0")


def _is_int(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _is_ratio(value: object) -> bool:
    # NaN fails the comparison too
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1
