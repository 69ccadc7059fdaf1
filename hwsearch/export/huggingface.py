"""A transformers folder: config.json and preprocessor_config.json of an EfficientNet.

transformers derives the stem and the head from one width coefficient and gives every block squeeze-excite of one
ratio; what its code cannot build as it is said here is refused (``limits``), never approximated.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwsearch.architecture import Architecture
from hwsearch.export.exporter import (
    BATCH_NORM_EPSILON,
    IMAGE_MEAN,
    IMAGE_STD,
    Padding,
    feature_resolution,
    no_symmetric,
    stages_text,
)
from hwsearch.export.keras_cv import stride_limits
from hwsearch.importing import import_network
from hwsearch.importing.huggingface_config import (
    HEAD_CHANNELS,
    MODEL_TYPE,
    STEM_CHANNELS,
    lost_skips,
    symmetric_padding_blocks,
)
from hwsearch.json_file import write_json
from hwsearch.preset import Preset
from hwsearch.rounding import round_channels

_WIDTHS = (1.0, 1.1, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2)
_DIVISORS = (8, 4, 2, 1)
_BICUBIC = 3


@dataclass(frozen=True, slots=True)
class Scaling:
    """A width coefficient and base channels that transformers rounds to the network's own."""

    width_coefficient: float
    divisor: int
    bases: tuple[int, ...]
    """One a stage."""


@dataclass(frozen=True, slots=True)
class HuggingFaceExporter:
    """``config.json`` and ``preprocessor_config.json``."""

    name: str = "huggingface"
    summary: str = "a transformers folder for EfficientNetForImageClassification"

    def limits(self, preset: Preset, padding: Padding = "same") -> list[str]:
        """Mixed or no squeeze-excite, skips in first blocks, stem and head that no width gives, odd resolutions."""
        architecture = preset.architecture
        found = no_symmetric(padding, "transformers") + _se_limits(architecture)
        found += lost_skips(architecture) + stride_limits(architecture, "transformers")
        if architecture.resolution % 2:
            found.append(f"resolution: {architecture.resolution} is odd, and transformers pads its stem for even ones")
        if feature_resolution(architecture) > architecture.head_channels:
            found.append(
                f"head_channels: {architecture.head_channels}, and transformers pools windows of that many pixels, "
                f"fewer than the {feature_resolution(architecture)} of the feature map"
            )
        if scaling(architecture) is None:
            found.append(
                f"stem_channels, head_channels: {architecture.stem_channels} and {architecture.head_channels}, and "
                f"transformers rounds {STEM_CHANNELS} and {HEAD_CHANNELS} times one width coefficient"
            )
        return found

    def write(self, preset: Preset, folder: Path, padding: Padding = "same") -> tuple[Path, ...]:
        """The preprocessor, then config.json."""
        files = {"preprocessor_config.json": _preprocessor(preset.architecture), "config.json": _config(preset)}
        for name, document in files.items():
            write_json(folder / name, document)
        return tuple(folder / name for name in files)

    def read_back(self, files: tuple[Path, ...]) -> Architecture:
        """From config.json, by the rules of transformers' code."""
        return import_network(files[-1])

    def usage(self, preset: Preset, folder: Path) -> str:
        """Config, model without weights, image processor."""
        return (
            "from transformers import AutoConfig, AutoImageProcessor, AutoModelForImageClassification\n"
            f"model = AutoModelForImageClassification.from_config(AutoConfig.from_pretrained({str(folder)!r}))\n"
            f"processor = AutoImageProcessor.from_pretrained({str(folder)!r})\n"
        )


def scaling(architecture: Architecture) -> Scaling | None:
    """The first scaling that gives this stem, this head and these channels; None when there is none."""
    stem, head = architecture.stem_channels, architecture.head_channels
    for divisor in _DIVISORS:
        for width in (*_WIDTHS, head / HEAD_CHANNELS, stem / STEM_CHANNELS):
            if (
                round_channels(STEM_CHANNELS, width, divisor) != stem
                or round_channels(HEAD_CHANNELS, width, divisor) != head
            ):
                continue
            bases = [_base(stage.out_channels, width, divisor) for stage in architecture.stages]
            found = tuple(base for base in bases if base is not None)
            if len(found) == len(bases):
                return Scaling(width, divisor, found)
    return None


def _base(channels: int, width: float, divisor: int) -> int | None:
    """Base channels that round to these: a multiple of 8 if one does, near channels / width."""
    middle, reach = round(channels / width), round(divisor / width) + divisor
    candidates = range(max(1, middle - reach), middle + reach + 1)
    for base in sorted(candidates, key=lambda base: (base % 8 != 0, abs(base * width - channels))):
        if round_channels(base, width, divisor) == channels:
            return base
    return None


def _se_limits(architecture: Architecture) -> list[str]:
    stages = architecture.stages
    without, found = [index for index, stage in enumerate(stages) if not stage.se_ratio], []
    if without:
        found.append(f"{stages_text(without)}.se_ratio: 0, and transformers gives every block squeeze-excite")
    ratios = {float(stage.se_ratio) for stage in stages if stage.se_ratio}
    if len(ratios) > 1:
        found.append(f"stages.se_ratio: {', '.join(map(str, sorted(ratios)))}, and transformers has one for all stages")
    return found


def _config(preset: Preset) -> dict[str, Any]:
    architecture, stages = preset.architecture, preset.architecture.stages
    scaled = scaling(architecture)
    assert scaled is not None, "limits refused such a network before"
    return {
        "architectures": ["EfficientNetForImageClassification"],
        "model_type": MODEL_TYPE,
        "image_size": architecture.resolution,
        "num_channels": 3,
        "num_labels": architecture.num_classes,
        "width_coefficient": float(scaled.width_coefficient),
        "depth_coefficient": 1.0,
        "depth_divisor": scaled.divisor,
        "kernel_sizes": [stage.kernel_size for stage in stages],
        "in_channels": [STEM_CHANNELS, *scaled.bases[:-1]],
        "out_channels": list(scaled.bases),
        "depthwise_padding": symmetric_padding_blocks(architecture),
        "strides": [stage.stride for stage in stages],
        "num_block_repeats": [stage.num_repeats for stage in stages],
        "expand_ratios": [stage.expand_ratio for stage in stages],
        "squeeze_expansion_ratio": float(stages[0].se_ratio),
        "hidden_act": architecture.activation,
        "hidden_dim": architecture.head_channels,
        "pooling_type": "mean",
        "batch_norm_eps": BATCH_NORM_EPSILON,
        # handed to torch, which counts the other way round: Keras' 0.99 is 0.01 here
        "batch_norm_momentum": 0.01,
        "dropout_rate": float(preset.dropout_rate),
        "drop_connect_rate": float(preset.drop_connect_rate),
    }


def _preprocessor(architecture: Architecture) -> dict[str, Any]:
    side = {"height": architecture.resolution, "width": architecture.resolution}
    # every field: their defaults changed between versions of transformers
    return {
        "image_processor_type": "EfficientNetImageProcessor",
        "do_resize": True,
        "size": side,
        "resample": _BICUBIC,
        "do_center_crop": False,
        "crop_size": side,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "rescale_offset": False,
        "do_normalize": True,
        "image_mean": list(IMAGE_MEAN),
        "image_std": list(IMAGE_STD),
        # true would divide by the deviations a second time
        "include_top": False,
    }
