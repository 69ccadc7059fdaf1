"""A Python file that defines the network with PyTorch alone: no hwsearch, no pickle."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from hwsearch import __version__
from hwsearch.architecture import Architecture
from hwsearch.export.exporter import Padding, identifier
from hwsearch.importing import import_network
from hwsearch.importing.python_source import torch_blocks
from hwsearch.json_file import write_text
from hwsearch.preset import Preset

_HEADER = '''"""{text}

A network found with hwsearch {version}, as a PyTorch module; this file needs PyTorch and nothing else.

    from {module} import build
    model = build()
"""

'''
_FOOTER = '''

TEXT = "{text}"
RESOLUTION = {resolution}
STEM_CHANNELS = {stem_channels}
HEAD_CHANNELS = {head_channels}
NUM_CLASSES = {num_classes}
ACTIVATION = "{activation}"
# in_channels, out_channels, kernel_size, stride, expand_ratio, se_channels
BLOCKS = [
{blocks}
]


def build(
    dropout_rate: float = {dropout_rate!r},
    drop_connect_rate: float = {drop_connect_rate!r},
    padding: str = "{padding}",
) -> Network:
    """The network, freshly initialised: images (N, 3, {resolution}, {resolution}) in, logits (N, {num_classes}) out."""
    return Network(
        [Block(*row) for row in BLOCKS],
        stem_channels=STEM_CHANNELS,
        head_channels=HEAD_CHANNELS,
        num_classes=NUM_CLASSES,
        settings=Settings(ACTIVATION, padding),
        dropout_rate=dropout_rate,
        drop_connect_rate=drop_connect_rate,
    )
'''
_CODE_BEGINS = "from __future__ import annotations\n"


@dataclass(frozen=True, slots=True)
class TorchExporter:
    """``hwsearch_NAME_torch.py``."""

    name: str = "torch"
    summary: str = "a Python file that defines the network with PyTorch alone"

    def limits(self, preset: Preset, padding: Padding = "same") -> list[str]:
        """None: it is the module of hwsearch."""
        return []

    def write(self, preset: Preset, folder: Path, padding: Padding = "same") -> tuple[Path, ...]:
        """One .py file."""
        path = folder / f"{_module(preset)}.py"
        write_text(path, source(preset, padding))
        return (path,)

    def read_back(self, files: tuple[Path, ...]) -> Architecture:
        """Parsed, not executed."""
        return import_network(files[0])

    def usage(self, preset: Preset, folder: Path) -> str:
        """Two lines of Python."""
        return (
            f"import sys; sys.path.insert(0, {str(folder)!r})\n"
            f"import {_module(preset)}\n"
            f"model = {_module(preset)}.build()  # untrained; expects {preset.architecture.resolution} pixels\n"
        )


def source(preset: Preset, padding: Padding) -> str:
    """hwsearch's own ``torch_network`` with another docstring above it and the rows of one network below."""
    architecture = preset.architecture
    code = resources.files("hwsearch").joinpath("torch_network.py").read_text(encoding="utf-8")
    text = architecture.text
    header = _HEADER.format(text=text, version=__version__, module=_module(preset))
    footer = _FOOTER.format(
        text=text,
        resolution=architecture.resolution,
        stem_channels=architecture.stem_channels,
        head_channels=architecture.head_channels,
        num_classes=architecture.num_classes,
        activation=str(architecture.activation),
        blocks="\n".join(f"    {tuple(row)}," for row in torch_blocks(architecture)),
        padding=str(padding),
        dropout_rate=float(preset.dropout_rate),
        drop_connect_rate=float(preset.drop_connect_rate),
    )
    return header + code[code.index(_CODE_BEGINS) :] + footer


def _module(preset: Preset) -> str:
    return f"{identifier(preset.name)}_torch"
