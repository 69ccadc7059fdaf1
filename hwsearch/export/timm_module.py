"""A Python module that registers the network with timm: ``timm.create_model``, and timm's train script, know it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from hwsearch import __version__
from hwsearch.architecture import Architecture
from hwsearch.export.exporter import (
    BATCH_NORM_EPSILON,
    IMAGE_MEAN,
    IMAGE_STD,
    Padding,
    feature_resolution,
    identifier,
)
from hwsearch.importing import import_network
from hwsearch.importing.timm_definition import differences
from hwsearch.json_file import write_text
from hwsearch.preset import Preset

_TEMPLATE = '''"""{text}

A network found with hwsearch {version}, as a timm model. Importing this module registers it:

    import timm, {model}
    model = timm.create_model("{model}")
"""

from functools import partial

from timm.models import generate_default_cfgs, register_model
from timm.models._efficientnet_builder import decode_arch_def, round_channels
from timm.models.efficientnet import _create_effnet
from torch import nn

# Every channel and repeat is final: no multiplier applies.
ARCH_DEF = [
{arch_def}
]
STEM_CHANNELS = {stem_channels}
HEAD_CHANNELS = {head_channels}
ACTIVATION = "{activation}"
RESOLUTION = {resolution}
NUM_CLASSES = {num_classes}
OUTPUT_STRIDE = {output_stride}  # timm turns strides beyond this into dilation

default_cfgs = generate_default_cfgs(
    {{
        "{model}.untrained": {{
            "url": "",
            "num_classes": NUM_CLASSES,
            "input_size": (3, RESOLUTION, RESOLUTION),
            "pool_size": ({pool}, {pool}),
            "crop_pct": 0.875,
            "interpolation": "bicubic",
            "mean": {mean},
            "std": {std},
            "first_conv": "conv_stem",
            "classifier": "classifier",
        }}
    }}
)


@register_model
def {model}(pretrained=False, **kwargs):
    """The network above, with {padding} padding; rates of dropout and stochastic depth are defaults."""
    settings = {{
        "block_args": decode_arch_def(ARCH_DEF),
        "num_features": HEAD_CHANNELS,
        "stem_size": STEM_CHANNELS,
        "fix_stem": True,
        "round_chs_fn": partial(round_channels, multiplier=1.0, divisor=1),
        "output_stride": OUTPUT_STRIDE,
        "act_layer": ACTIVATION,
        "norm_layer": partial(nn.BatchNorm2d, eps={epsilon}),
        "pad_type": "{pad_type}",
        "drop_rate": {dropout_rate!r},
        "drop_path_rate": {drop_connect_rate!r},
    }}
    return _create_effnet("{model}", pretrained, **{{**settings, **kwargs}})
'''


@dataclass(frozen=True, slots=True)
class TimmExporter:
    """``hwsearch_NAME.py``."""

    name: str = "timm"
    summary: str = "a Python module that registers the network with timm"

    def limits(self, preset: Preset, padding: Padding = "same") -> list[str]:
        """Squeeze and expansion widths that timm rounds otherwise."""
        return differences(preset.architecture)

    def write(self, preset: Preset, folder: Path, padding: Padding = "same") -> tuple[Path, ...]:
        """One .py file."""
        path = folder / f"{identifier(preset.name)}.py"
        write_text(path, source(preset, padding))
        return (path,)

    def read_back(self, files: tuple[Path, ...]) -> Architecture:
        """Parsed, not executed."""
        return import_network(files[0])

    def usage(self, preset: Preset, folder: Path) -> str:
        """Three lines of Python, and how timm's train script finds the module."""
        model = identifier(preset.name)
        script = f'import runpy, sys, {model}; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name="__main__")'
        return (
            f"import sys; sys.path.insert(0, {str(folder)!r})\n"
            f"import timm, {model}\n"
            f"model = timm.create_model({model!r})  # untrained; expects {preset.architecture.resolution} pixels\n"
            "# timm's own train.py does not import your modules; this does, and runs it:\n"
            f"# PYTHONPATH={shlex.quote(str(folder))} python -c '{script}' train.py --model {model} ...\n"
        )


def source(preset: Preset, padding: Padding) -> str:
    """The text of the module: only checked names and numbers are filled in."""
    architecture = preset.architecture
    stride = 2
    for stage in architecture.stages:
        stride *= stage.stride
    return _TEMPLATE.format(
        text=architecture.text,
        version=__version__,
        model=identifier(preset.name),
        arch_def="\n".join(f'    ["{stage.text}"],' for stage in architecture.stages),
        stem_channels=architecture.stem_channels,
        head_channels=architecture.head_channels,
        activation=str(architecture.activation),
        resolution=architecture.resolution,
        num_classes=architecture.num_classes,
        output_stride=max(32, stride),
        pool=feature_resolution(architecture),
        mean=IMAGE_MEAN,
        std=IMAGE_STD,
        padding="TensorFlow's" if padding == "same" else "symmetric",
        pad_type="same" if padding == "same" else "",
        epsilon=BATCH_NORM_EPSILON,
        dropout_rate=float(preset.dropout_rate),
        drop_connect_rate=float(preset.drop_connect_rate),
    )
