"""What timm, KerasCV, KerasHub, transformers and hwsearch's own generated modules wrote -> an Architecture.

The format is found from the content of the file, never from its name. Nothing is executed: JSON is validated,
Python is parsed and only its literals are read. Whatever an ``Architecture`` cannot say (an extra activation,
a missing skip, two different expansions in one stage...) is refused with the field that says it.
Padding is not part of an ``Architecture``: symmetric and TF-same configurations read alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwsearch.architecture import Architecture
from hwsearch.errors import InputError
from hwsearch.importing import huggingface_config, keras_config, python_source, timm_definition
from hwsearch.json_file import parse_json, read_text

MAX_BYTES = 4 * 1024 * 1024
MAX_SOURCE = 512 * 1024
"""Characters of a Python file: four times the longest of timm's; a syntax tree takes hundreds of times its text."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A network that was read, and the format it was written in."""

    format: str
    """``timm``, ``torch``, ``keras-hub``, ``keras-cv`` or ``huggingface``."""
    architecture: Architecture


def import_network(path: Path, *, resolution: int | None = None, num_classes: int | None = None) -> Architecture:
    """The network that a file or an export folder describes; InputError when it says more or less than one.

    ``resolution`` (pixels) and ``num_classes`` fill in what a configuration leaves open, and override it.
    """
    return read_foreign(path, resolution=resolution, num_classes=num_classes).architecture


def read_foreign(path: Path, *, resolution: int | None = None, num_classes: int | None = None) -> Imported:
    """As ``import_network``, with the format that was found."""
    path = _file_of(path)
    text = read_text(path, MAX_BYTES)
    if text.lstrip()[:1] in ("{", "["):
        return _from_json(parse_json(text, str(path)), path, resolution, num_classes)
    if len(text) > MAX_SOURCE:
        raise InputError(
            f"a Python file of {len(text):,} characters", where=str(path), allowed=f"at most {MAX_SOURCE:,}"
        )
    kind, architecture = python_source.read(text, str(path), resolution, num_classes)
    return Imported(kind, architecture)


def detect(path: Path) -> str:
    """The format of a JSON configuration: ``keras-hub``, ``keras-cv`` or ``huggingface``; InputError otherwise."""
    return _json_format(parse_json(read_text(path, MAX_BYTES), str(path)), str(path))


def _file_of(path: Path) -> Path:
    if not path.is_dir():
        return path
    if (path / "config.json").is_file():
        return path / "config.json"
    modules = sorted(path.glob("*.py"))
    if len(modules) == 1:
        return modules[0]
    raise InputError(f"a folder with neither a config.json nor exactly one .py file ({len(modules)})", where=str(path))


def _from_json(data: Any, path: Path, resolution: int | None, num_classes: int | None) -> Imported:  # noqa: ANN401
    kind = _json_format(data, str(path))
    if kind == "timm":
        settings = timm_definition.Settings(resolution=resolution or 224, num_classes=num_classes or 1000)
        return Imported(kind, timm_definition.read(data, settings, str(path)))
    if kind == "huggingface":
        return Imported(kind, huggingface_config.read(data, str(path), resolution, num_classes))
    return Imported(kind, keras_config.read(data, path, resolution, num_classes))


def _json_format(data: Any, where: str) -> str:  # noqa: ANN401 - any JSON until it is recognised
    if isinstance(data, list):
        return "timm"
    if isinstance(data, dict):
        if data.get("model_type") == huggingface_config.MODEL_TYPE:
            return "huggingface"
        kind = keras_config.FORMATS.get(str(data.get("class_name")))
        if kind is not None:
            return kind
    raise InputError(
        "not a network configuration that hwsearch knows",
        where=where,
        allowed="a timm arch_def or module, a KerasHub, KerasCV or transformers EfficientNet config.json",
    )
