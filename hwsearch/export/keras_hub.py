"""A KerasHub preset folder: ``keras_hub.models.EfficientNetBackbone.from_preset(folder, load_weights=False)``.

KerasHub has two MBConvs: ``unfused`` pads as TensorFlow does but projects with a k x k kernel when there is no
expansion; ``v1`` pads symmetrically, which is the same at stride 1. So a block without expansion is ``v1``, all
others are ``unfused``, and a block without expansion at stride 2 exists with symmetric padding only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwsearch.architecture import Architecture, Stage
from hwsearch.export.exporter import BATCH_NORM_EPSILON, IMAGE_MEAN, IMAGE_STD, Padding, repeat_limits, stages_text
from hwsearch.importing import import_network
from hwsearch.json_file import write_json
from hwsearch.preset import Preset
from hwsearch.weights import weight_shapes

KERAS_HUB_VERSION = "0.32.0"
"""The version whose code these files were checked against."""
STACKS_RESAVED = 7
"""With more stacks, KerasHub loads this preset but cannot load its own copy of it."""

_CONVERTER = "keras_hub.src.models.efficientnet.efficientnet_image_converter"
_PREPROCESSOR = "keras_hub.src.models.efficientnet.efficientnet_image_classifier_preprocessor"


@dataclass(frozen=True, slots=True)
class KerasHubExporter:
    """``config.json`` and the files beside it."""

    name: str = "keras-hub"
    summary: str = "a KerasHub preset folder for EfficientNetBackbone.from_preset"

    def limits(self, preset: Preset, padding: Padding = "same") -> list[str]:
        """Blocks without expansion at stride 2, unless the padding is symmetric; more repeats than letters."""
        stages = enumerate(preset.architecture.stages)
        found = [index for index, stage in stages if stage.expand_ratio == 1 and stage.stride == 2]
        unnamed = repeat_limits(preset.architecture, "KerasHub")
        if not found or padding == "symmetric":
            return unnamed
        return [
            *unnamed,
            f"{stages_text(found)}.expand_ratio: 1 at stride 2, where KerasHub's block without expansion pads "
            "symmetrically; with symmetric padding throughout it can",
        ]

    def write(self, preset: Preset, folder: Path, padding: Padding = "same") -> tuple[Path, ...]:
        """Image converter, preprocessor, metadata, and the backbone's config.json last."""
        converter = _image_converter(preset.architecture)
        documents = {
            "image_converter.json": converter,
            "preprocessor.json": _serialized(
                _PREPROCESSOR,
                "EfficientNetImageClassifierPreprocessor",
                {"image_converter": converter, "config_file": "preprocessor.json"},
            ),
            "metadata.json": metadata(preset.architecture, "keras_hub_version", KERAS_HUB_VERSION),
            "config.json": _serialized(
                "keras_hub.src.models.efficientnet.efficientnet_backbone",
                "EfficientNetBackbone",
                _config(preset, padding),
            ),
        }
        for name, document in documents.items():
            write_json(folder / name, document)
        return tuple(folder / name for name in documents)

    def read_back(self, files: tuple[Path, ...]) -> Architecture:
        """From config.json and the files beside it."""
        return import_network(files[-1])

    def usage(self, preset: Preset, folder: Path) -> str:
        """Backbone and classifier, without weights."""
        place = str(folder)
        if not place.startswith(("/", "./", "../")):
            place = f"./{place}"  # else KerasHub takes it for the name of one of its presets
        lines = [
            "import keras_hub",
            f"backbone = keras_hub.models.EfficientNetBackbone.from_preset({place!r}, load_weights=False)",
            "model = keras_hub.models.EfficientNetImageClassifier.from_preset(",
            f"    {place!r}, load_weights=False, num_classes={preset.architecture.num_classes},"
            f" dropout={float(preset.dropout_rate)!r}",
            ")",
        ]
        if len(preset.architecture.stages) > STACKS_RESAVED or preset.architecture.head_channels != 1280:
            lines.append(
                "# keep this folder: KerasHub's own save_to_preset forgets num_features and stacks beyond seven"
            )
        return "\n".join(lines) + "\n"


def metadata(architecture: Architecture, library: str, version: str) -> dict[str, Any]:
    """What Keras presets tell about themselves, and the classes that a backbone has no place for."""
    elements = sum(math.prod(shape) for shape in weight_shapes(architecture).values())
    classifier = (architecture.head_channels + 1) * architecture.num_classes
    return {
        library: version,
        # as Keras counts a backbone: with the running statistics of its batch norms
        "parameter_count": elements - classifier,
        "num_classes": architecture.num_classes,
    }


def _config(preset: Preset, padding: Padding) -> dict[str, Any]:
    architecture, stages = preset.architecture, preset.architecture.stages
    count = len(stages)
    inputs = [architecture.stem_channels, *(stage.out_channels for stage in stages[:-1])]
    widths = [*inputs, stages[-1].out_channels, architecture.head_channels]
    return {
        "name": "backbone",
        "trainable": True,
        "stackwise_width_coefficients": [1.0] * count,
        "stackwise_depth_coefficients": [1.0] * count,
        "stackwise_kernel_sizes": [stage.kernel_size for stage in stages],
        "stackwise_num_repeats": [stage.num_repeats for stage in stages],
        "stackwise_input_filters": inputs,
        "stackwise_output_filters": [stage.out_channels for stage in stages],
        "stackwise_expansion_ratios": [stage.expand_ratio for stage in stages],
        "stackwise_squeeze_and_excite_ratios": [float(stage.se_ratio) for stage in stages],
        "stackwise_strides": [stage.stride for stage in stages],
        "stackwise_block_types": [_block_type(stage, padding) for stage in stages],
        # both default to seven values: more stacks need them spelled out
        "stackwise_force_input_filters": [0] * count,
        "stackwise_nores_option": [False] * count,
        "dropout": float(preset.drop_connect_rate),
        "depth_divisor": 8 if all(width % 8 == 0 for width in widths) else 1,
        "min_depth": None,
        "use_depth_divisor_as_min_depth": True,
        "cap_round_filter_decrease": True,
        "input_shape": [None, None, 3],
        "data_format": "channels_last",
        "activation": architecture.activation,
        "include_stem_padding": padding == "symmetric",
        "stem_conv_padding": "same" if padding == "same" else "valid",
        "batch_norm_momentum": 0.99,
        "batch_norm_epsilon": BATCH_NORM_EPSILON,
        "projection_activation": None,
        "num_features": architecture.head_channels,
    }


def _block_type(stage: Stage, padding: Padding) -> str:
    return "v1" if stage.expand_ratio == 1 or padding == "symmetric" else "unfused"


def _image_converter(architecture: Architecture) -> dict[str, Any]:
    return _serialized(
        _CONVERTER,
        "EfficientNetImageConverter",
        {
            "image_size": [architecture.resolution, architecture.resolution],
            "scale": [1 / (255 * std) for std in IMAGE_STD],
            "offset": [-mean / std for mean, std in zip(IMAGE_MEAN, IMAGE_STD, strict=True)],
            "interpolation": "bicubic",
            "antialias": True,
            "crop_to_aspect_ratio": True,
        },
    )


def _serialized(module: str, class_name: str, config: dict[str, Any]) -> dict[str, Any]:
    return {
        "module": module,
        "class_name": class_name,
        "config": config,
        "registered_name": f"keras_hub>{class_name}",
    }
