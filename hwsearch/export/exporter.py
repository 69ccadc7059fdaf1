"""What an export format is: what it can say, what it writes, and the few lines that use it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from hwsearch.architecture import Architecture
from hwsearch.preset import Preset, check_name

IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)
"""ImageNet's, of pixels in 0..1: what every format says of the images it expects."""

BATCH_NORM_EPSILON = 1e-3
"""As EfficientNet was published, in every format."""


Padding = Literal["same", "symmetric"]
"""An Architecture leaves the padding open. ``same`` is TensorFlow's, as EfficientNet was published and as hwsearch
measures it; ``symmetric`` is k // 2 on all sides, as in timm's ``efficientnet_*`` and KerasHub's own presets."""


class Exporter(Protocol):
    """One export format. Writing needs none of the libraries it is for."""

    @property
    def name(self) -> str:
        """What ``--to`` calls it."""

    @property
    def summary(self) -> str:
        """One line: what is written, and what reads it."""

    def limits(self, preset: Preset, padding: Padding = "same") -> list[str]:
        """Every reason why this format cannot say this network exactly, as ``field: value, limit``."""

    def write(self, preset: Preset, folder: Path, padding: Padding = "same") -> tuple[Path, ...]:
        """Write each file atomically, the one that makes the export usable last; InputError when it cannot be."""

    def read_back(self, files: tuple[Path, ...]) -> Architecture:
        """The network that the written files say, read from their content alone."""

    def usage(self, preset: Preset, folder: Path) -> str:
        """A few lines of code that use what was written."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote, after it was read back and counted."""

    to: str
    folder: Path
    files: tuple[Path, ...]
    macs: int
    params: int
    usage: str


def no_symmetric(padding: Padding, library: str) -> list[str]:
    """The reason of a library whose code pads as TensorFlow does and cannot do otherwise."""
    return [] if padding == "same" else [f"padding: symmetric, and {library} pads as TensorFlow does"]


LETTERS = 26
"""Keras libraries name the repeats of a stage a to z; the next character is none that TensorFlow takes in a name."""


def repeat_limits(architecture: Architecture, library: str) -> list[str]:
    """A reason for every stage with more repeats than there are letters to name them."""
    return [
        f"stages[{index}].num_repeats: {stage.num_repeats}, and {library} has names for {LETTERS}, a to z"
        for index, stage in enumerate(architecture.stages)
        if stage.num_repeats > LETTERS
    ]


def stages_text(indices: Sequence[int]) -> str:
    """``stages[0, 2]``: the stages that share one reason."""
    return f"stages[{', '.join(map(str, indices))}]"


def identifier(name: str) -> str:
    """The Python name of a preset: prefixed, so that it is no keyword and hides no module or model of others."""
    check_name(name)
    return "hwsearch_" + re.sub(r"[-.]", "_", name)


def feature_resolution(architecture: Architecture) -> int:
    """Side of the last feature map, pixels."""
    side = -(-architecture.resolution // 2)
    for stage in architecture.stages:
        side = -(-side // stage.stride)
    return side
