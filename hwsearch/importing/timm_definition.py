"""A timm architecture definition (lists of block strings) -> stages, and what timm would build otherwise.

The notation of timm 1.0's ``decode_arch_def``. Text and Architecture are close, but not one: in timm ``ir_e1`` has
a useless expansion, squeeze widths round where EfficientNet's truncate, and expanded widths round to multiples of 8.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from hwsearch.architecture import MAX_STAGES, Activation, Architecture, Stage
from hwsearch.errors import InputError
from hwsearch.importing.foreign import network, refuse
from hwsearch.operation import Op, ops
from hwsearch.rounding import round_channels

_NUMBER = re.compile(r"(se|cc|gs|fc|[rksecapd])(\d{1,12}(?:\.\d{1,20})?(?:e-?\d{1,3})?)")
_ACTIVATIONS: dict[str, Activation] = {"nsw": "swish", "nr6": "relu6", "nre": "relu"}
_MAX_STRINGS = 4 * MAX_STAGES


@dataclass(frozen=True, slots=True)
class Settings:
    """What stands around an arch_def; the defaults are those of timm's own EfficientNets."""

    resolution: int = 224
    stem_channels: int = 32
    head_channels: int = 1280
    activation: Activation = "swish"
    num_classes: int = 1000


@dataclass(frozen=True, slots=True)
class _Block:
    stage: Stage
    no_skip: bool
    activation: Activation | None


def read(arch_def: object, settings: Settings, where: str) -> Architecture:
    """The network of an arch_def; InputError naming the string that says something else."""
    blocks = [block for row in _rows(arch_def, where) for block in row]
    activations = {block.activation or settings.activation for block in blocks}
    if len(activations) > 1:
        raise InputError(f"more than one activation: {', '.join(sorted(activations))}", where=where)
    activation = settings.activation
    if blocks[0].activation not in (None, activation):
        raise InputError(f"blocks with {blocks[0].activation} in a network with {activation}", where=where)
    architecture = network(
        where,
        resolution=settings.resolution,
        stem_channels=settings.stem_channels,
        stages=[block.stage for block in blocks],
        head_channels=settings.head_channels,
        activation=activation,
        num_classes=settings.num_classes,
    )
    refuse(differences(architecture) + _skip_faults(architecture, blocks), where)
    return architecture


def differences(architecture: Architecture) -> list[str]:
    """A reason for every stage of which timm would build something else than this Architecture says."""
    found, index = [], 1
    for number, stage in enumerate(architecture.stages):
        block_ops = ops(architecture)[index : index + stage.num_repeats]
        found += [f"stages[{number}].{reason}" for op in dict.fromkeys(block_ops) for reason in _op_differences(op)]
        index += stage.num_repeats
    return found


def _op_differences(op: Op) -> list[str]:
    found, hidden = [], op.hidden_channels
    if op.expand_ratio > 1 and round_channels(hidden) != hidden:
        found.append(
            f"expand_ratio: {op.expand_ratio} of {op.in_channels} channels is {hidden}, and timm rounds that to "
            f"{round_channels(hidden)}"
        )
    if op.se_ratio:
        ratio = op.se_ratio / op.expand_ratio if op.expand_ratio > 1 else op.se_ratio
        squeezed = round(hidden * ratio)
        if squeezed != op.se_channels:
            found.append(
                f"se_ratio: {op.se_ratio} of {op.in_channels} channels is {op.se_channels} here and {squeezed} "
                "in timm, which rounds to the nearest"
            )
    return found


def _skip_faults(architecture: Architecture, blocks: list[_Block]) -> list[str]:
    found, index = [], 1
    for number, block in enumerate(blocks):
        repeated = ops(architecture)[index : index + block.stage.num_repeats]
        if block.no_skip and any(op.has_skip for op in repeated):
            found.append(f"stages[{number}]: noskip, but a block of ours with equal channels and stride 1 has a skip")
        index += block.stage.num_repeats
    return found


def _rows(arch_def: object, where: str) -> list[list[_Block]]:
    if not isinstance(arch_def, list) or not arch_def or len(arch_def) > MAX_STAGES:
        raise InputError("an arch_def is a list of 1 to 64 lists of block strings", where=where)
    rows: list[list[_Block]] = []
    for index, strings in enumerate(arch_def):
        if not isinstance(strings, list) or not strings or not all(isinstance(each, str) for each in strings):
            raise InputError(f"arch_def[{index}]: not a list of block strings", where=where)
        if len(strings) > _MAX_STRINGS:
            raise InputError(f"arch_def[{index}]: {len(strings)} strings", where=where)
        # timm gives the stride of a stage to its very first block only
        place = f"{where}: arch_def[{index}]"
        rows.append([_block(text, position == 0, place) for position, text in enumerate(strings)])
    return rows


def _block(text: str, first: bool, where: str) -> _Block:
    kind, *words = text[:200].split("_")
    if kind not in ("ir", "ds"):
        raise InputError(f"{text[:60]!r}: {kind[:20]!r} is not an MBConv", where=where, allowed="ir, ds")
    fields: dict[str, float] = {}
    skip_words: set[str] = set()
    activation: Activation | None = None
    for word in words:
        match = _NUMBER.fullmatch(word)
        if word in ("skip", "noskip"):
            skip_words.add(word)
        elif word in _ACTIVATIONS:
            activation = _ACTIVATIONS[word]
        elif match is None or match[1] in fields:
            raise InputError(f"{text[:60]!r}: {word[:20]!r} is not understood", where=where)
        else:
            fields[match[1]] = float(match[2])
    stage = _stage(kind, fields, first, f"{where}: {text[:60]!r}")
    return _Block(stage, "noskip" in skip_words, activation)


def _stage(kind: str, fields: dict[str, float], first: bool, where: str) -> Stage:
    missing = [name for name in "rksc" if name not in fields] + (["e"] if kind == "ir" and "e" not in fields else [])
    if missing:
        raise InputError(f"a block without {', '.join(missing)}", where=where)
    neutral = {"a": 1, "p": 1}
    others = [
        name for name in ("a", "p", "cc", "gs", "fc", "d") if name in fields and fields[name] != neutral.get(name)
    ]
    if others:
        raise InputError(f"{', '.join(others)} cannot be said by an Architecture", where=where)
    if kind == "ir" and fields["e"] == 1:
        raise InputError("ir with e1 has a 1x1 expansion that an Architecture has not", where=where, allowed="ds")
    stride = fields["s"] if first else 1
    expand = 1 if kind == "ds" else fields["e"]
    stage = Stage(
        _whole(fields["k"]),
        _whole(stride),
        _whole(expand),
        _whole(fields["c"]),
        _whole(fields["r"]),
        fields.get("se", 0.0),
    )
    refuse(stage.faults(), where)
    return stage


def _whole(value: float) -> Any:  # noqa: ANN401 - a fraction stays one, and Stage.faults names it
    return int(value) if float(value).is_integer() else value
