"""A KerasCV preset folder for ``EfficientNetLiteBackbone``: networks without squeeze-excite.

KerasCV's ``EfficientNetV1Backbone`` puts an activation after every projection, which no EfficientNet has and no
option turns off, so a network with squeeze-excite is refused here and goes to KerasHub instead. With a
dynamic input KerasCV pads every stride-2 convolution as if its input were even: the shape is static.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwsearch.architecture import Architecture
from hwsearch.export.exporter import Padding, no_symmetric, repeat_limits, stages_text
from hwsearch.export.keras_hub import metadata
from hwsearch.importing import import_network
from hwsearch.importing.keras_config import HEAD_CHANNELS, LITE_STEM_CHANNELS, cropped
from hwsearch.json_file import write_json
from hwsearch.preset import Preset

KERAS_CV_VERSION = "0.9.0"
"""The version whose code these files were checked against."""
BLOCKS_WITHOUT_DEEP_RECURSION = 80
"""Keras walks a network layer by layer, by recursion: about 90 blocks are all that Python's default limit leaves it."""

_DIVISOR = 8
_MODULE = "keras_cv.src.models.backbones.efficientnet_lite.efficientnet_lite_backbone"


@dataclass(frozen=True, slots=True)
class KerasCvExporter:
    """``config.json`` and ``metadata.json``."""

    name: str = "keras-cv"
    summary: str = "a KerasCV preset folder for EfficientNetLiteBackbone.from_preset"

    def limits(self, preset: Preset, padding: Padding = "same") -> list[str]:
        """Squeeze-excite, another stem or head, channels that are no multiple of 8, more repeats than letters."""
        architecture = preset.architecture
        found = no_symmetric(padding, "KerasCV") + _width_limits(architecture) + _stage_limits(architecture)
        return found + stride_limits(architecture, "KerasCV") + repeat_limits(architecture, "KerasCV")

    def write(self, preset: Preset, folder: Path, padding: Padding = "same") -> tuple[Path, ...]:
        """The metadata, then config.json."""
        files = {
            "metadata.json": metadata(preset.architecture, "keras_cv_version", KERAS_CV_VERSION),
            "config.json": {
                "module": _MODULE,
                "class_name": "EfficientNetLiteBackbone",
                "config": _config(preset),
                "registered_name": "keras_cv>EfficientNetLiteBackbone",
                "weights": None,
            },
        }
        for name, document in files.items():
            write_json(folder / name, document)
        return tuple(folder / name for name in files)

    def read_back(self, files: tuple[Path, ...]) -> Architecture:
        """From config.json and the metadata beside it."""
        return import_network(files[-1])

    def usage(self, preset: Preset, folder: Path) -> str:
        """Backbone and classifier, without weights."""
        architecture = preset.architecture
        place = str(folder) if str(folder).startswith(("/", ".")) else f"./{folder}"
        lines = [
            "import keras_cv",
            f"backbone = keras_cv.models.EfficientNetLiteBackbone.from_preset({place!r})",
            f"model = keras_cv.models.ImageClassifier(backbone, num_classes={architecture.num_classes})",
            f"# images of {architecture.resolution} x {architecture.resolution} pixels, 0..255",
        ]
        if preset.dropout_rate:
            lines.append(f"# ImageClassifier has no dropout; the preset's is {float(preset.dropout_rate)!r}")
        if sum(stage.num_repeats for stage in architecture.stages) > BLOCKS_WITHOUT_DEEP_RECURSION:
            lines.insert(0, "import sys; sys.setrecursionlimit(100_000)  # Keras walks the layers by recursion")
        return "\n".join(lines) + "\n"


def stride_limits(architecture: Architecture, library: str) -> list[str]:
    """A reason for every stage whose 1x1 depthwise at stride 2 would get negative padding (KerasCV, transformers)."""
    return [
        f"stages[{number}].kernel_size: 1 at stride 2, which {library} pads by -1" for number in cropped(architecture)
    ]


def _width_limits(architecture: Architecture) -> list[str]:
    found = []
    for field, fixed in (("stem_channels", LITE_STEM_CHANNELS), ("head_channels", HEAD_CHANNELS)):
        value = getattr(architecture, field)
        if value != fixed:
            found.append(f"{field}: {value}, and KerasCV's Lite backbone has {fixed}")
    return found


def _stage_limits(architecture: Architecture) -> list[str]:
    found = [
        f"stages[{index}].out_channels: {stage.out_channels} is no multiple of {_DIVISOR}"
        for index, stage in enumerate(architecture.stages)
        if stage.out_channels % _DIVISOR
    ]
    squeezed = [index for index, stage in enumerate(architecture.stages) if stage.se_ratio]
    if squeezed:
        ratios = sorted({stage.se_ratio for stage in architecture.stages if stage.se_ratio})
        found.append(
            f"{stages_text(squeezed)}.se_ratio: {', '.join(map(str, ratios))}, and KerasCV's only backbone with "
            "squeeze-excite adds an activation after every projection"
        )
    return found


def _config(preset: Preset) -> dict[str, Any]:
    architecture, stages = preset.architecture, preset.architecture.stages
    return {
        "name": "backbone",
        "trainable": True,
        # pixels in 0..255, divided by 255 inside: KerasCV's presets have it so
        "include_rescaling": True,
        "width_coefficient": 1.0,
        "depth_coefficient": 1.0,
        "dropout_rate": float(preset.dropout_rate),
        "drop_connect_rate": float(preset.drop_connect_rate),
        "depth_divisor": _DIVISOR,
        "activation": architecture.activation,
        "input_tensor": None,
        "input_shape": [architecture.resolution, architecture.resolution, 3],
        "stackwise_kernel_sizes": [stage.kernel_size for stage in stages],
        "stackwise_num_repeats": [stage.num_repeats for stage in stages],
        "stackwise_input_filters": [architecture.stem_channels, *(stage.out_channels for stage in stages[:-1])],
        "stackwise_output_filters": [stage.out_channels for stage in stages],
        "stackwise_expansion_ratios": [stage.expand_ratio for stage in stages],
        "stackwise_strides": [stage.stride for stage in stages],
    }
