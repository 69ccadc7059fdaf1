"""A named network in a file: the text form, what it costs, and where it and its figures come from.

Presets are what a search hands over and what exports read. Published networks ship with hwsearch in
``reference_presets.json``; their top-1 is the published one and names its source.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from hwsearch.architecture import Architecture
from hwsearch.cost import cost
from hwsearch.errors import InputError, nearest_name
from hwsearch.json_file import Document, read_json, validate, write_json
from hwsearch.notation import parse

FORMAT = "hwsearch-preset"
VERSION = 1
SUFFIX = ".preset.json"

NAME_PATTERN = r"[a-z][a-z0-9]*(?:[-_.][a-z0-9]+)*"
"""What a preset may be called: it becomes file and module names, so it is plain."""
MAX_NAME = 80

_REFERENCES = Path(__file__).resolve().parent / "reference_presets.json"


@dataclass(frozen=True, slots=True)
class PublishedTop1:
    """ImageNet top-1 as published, percent, and by whom."""

    percent: float
    source: str


@dataclass(frozen=True, slots=True)
class Preset:
    """A network with a name. ``provenance`` says how it was found: free facts, written into the file."""

    name: str
    architecture: Architecture
    published_top1: PublishedTop1 | None = None
    dropout_rate: float = 0.2
    """Dropout before the classifier, for training."""
    drop_connect_rate: float = 0.2
    """Stochastic depth at the last block, for training."""
    provenance: dict[str, Any] = field(default_factory=dict, hash=False, compare=False)

    def __post_init__(self) -> None:
        check_name(self.name)


class _Top1Model(Document):
    percent: float = Field(gt=0, lt=100)
    source: str


class _PresetModel(Document):
    format: Literal["hwsearch-preset"]
    version: Literal[1]
    name: str = Field(max_length=MAX_NAME)
    text: str
    macs: int | None = None
    params: int | None = None
    dropout_rate: float = Field(default=0.2, ge=0, lt=1)
    drop_connect_rate: float = Field(default=0.2, ge=0, lt=1)
    published_top1: _Top1Model | None = None
    provenance: dict[str, Any] = Field(default_factory=dict)


def check_name(name: str) -> None:
    """Refuse a name that could not be a file, a module or a registered model."""
    if len(name) > MAX_NAME or re.fullmatch(NAME_PATTERN, name) is None:
        raise InputError(
            f"{name[:60]!r} is not a preset name",
            allowed=f"lower-case letters and digits with single - _ . between, at most {MAX_NAME}",
        )


def load_preset(path: Path) -> Preset:
    """Read a preset file; InputError with every fault, also where its counts contradict its network."""
    return _from_document(read_json(path, FORMAT, VERSION), str(path))


def save_preset(preset: Preset, path: Path) -> None:
    """Write a preset file atomically."""
    write_json(path, to_document(preset))


def to_document(preset: Preset) -> dict[str, Any]:
    """The preset as the JSON object of its file, with MACs (batch 1) and params counted."""
    price = cost(preset.architecture)
    document: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "name": preset.name,
        "text": preset.architecture.text,
        "macs": price.macs,
        "params": price.params,
        "dropout_rate": preset.dropout_rate,
        "drop_connect_rate": preset.drop_connect_rate,
    }
    if preset.published_top1 is not None:
        document["published_top1"] = {
            "percent": preset.published_top1.percent,
            "source": preset.published_top1.source,
        }
    if preset.provenance:
        document["provenance"] = preset.provenance
    return document


def _from_document(data: dict[str, Any], where: str) -> Preset:
    model = validate(_PresetModel, data, where)
    try:
        architecture = parse(model.text)
        check_name(model.name)
    except InputError as error:
        raise InputError(error.what, where=f"{where}: {error.where or 'name'}", allowed=error.allowed) from None
    price = cost(architecture)
    for name, said, counted in (("macs", model.macs, price.macs), ("params", model.params, price.params)):
        if said is not None and said != counted:
            raise InputError(f"{name} says {said:,}, but the network of its text form has {counted:,}", where=where)
    top1 = model.published_top1
    return Preset(
        model.name,
        architecture,
        PublishedTop1(top1.percent, top1.source) if top1 else None,
        model.dropout_rate,
        model.drop_connect_rate,
        dict(model.provenance),
    )


@cache
def reference_presets() -> dict[str, Preset]:
    """The published networks by name, in the order of their file."""
    data = read_json(_REFERENCES, "hwsearch-reference-presets", 1)
    presets = [
        _from_document({"format": FORMAT, "version": VERSION, **entry}, f"{_REFERENCES.name}[{index}]")
        for index, entry in enumerate(data["presets"])
    ]
    return {preset.name: preset for preset in presets}


def reference_preset(name: str) -> Preset:
    """A published network by name; InputError with the nearest name when there is none."""
    presets = reference_presets()
    if name not in presets:
        raise InputError(
            f"no preset is called {name!r}", nearest=nearest_name(name, presets), next_command="hwsearch presets"
        )
    return presets[name]
