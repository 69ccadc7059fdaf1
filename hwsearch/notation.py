"""The text form: timm's block notation, one word a stage, options around it.

``r224 swish stem_c32 ds_r1_k3_s1_e1_c16_se0.25 ir_r2_k3_s2_e6_c24_se0.25 ... head_c1280``

Every option has a default and may be left out; ``ds`` is a block without expansion. ``Architecture.text``
prints the canonical form, ``parse`` reads any form back and points at what it does not understand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from hwsearch.architecture import ACTIVATIONS, Activation, Architecture, Stage
from hwsearch.errors import FaultsError, InputError, nearest_name

DEFAULTS = {"r": 224, "stem_c": 32, "head_c": 1280, "classes": 1000}
"""What an option means when it is left out; the activation's default is swish."""

MAX_TEXT = 16_384

_OPTION = re.compile(r"(r|stem_c|head_c|classes)(\d+)")
_FIELD = re.compile(r"(se|[rksec])(\d{1,12}(?:\.\d{1,20})?(?:e-?\d{1,3})?)")
_ALIASES: dict[str, Activation] = {"silu": "swish", "sw": "swish", "re6": "relu6", "re": "relu"}
_REQUIRED = "r k s c"


@dataclass(frozen=True, slots=True)
class _Word:
    text: str
    position: int
    """1-based column in the text."""


def parse(text: str) -> Architecture:
    """The network that a text form says; InputError with the position of the first word that is wrong."""
    if len(text) > MAX_TEXT:
        raise InputError(f"a text form of {len(text)} characters is too long", allowed=f"at most {MAX_TEXT}")
    options: dict[str, int] = {}
    activation: Activation | None = None
    stages: list[Stage] = []
    for word in _words(text):
        option = _OPTION.fullmatch(word.text)
        named = _ALIASES.get(word.text, word.text)
        if option:
            _set_option(options, option[1], int(option[2][:12]), word)
        elif named in ACTIVATIONS:
            if activation is not None:
                raise _error("a second activation", word)
            activation = named
        elif word.text.startswith(("ds_", "ir_")):
            stages.append(_parse_stage(word))
        else:
            raise _unknown(word)
    if not stages:
        raise InputError("a network needs at least one stage", where="text form", allowed=_EXAMPLE)
    values = {**DEFAULTS, **options}
    try:
        return Architecture(
            values["r"], values["stem_c"], tuple(stages), values["head_c"], activation or "swish", values["classes"]
        )
    except FaultsError as error:
        raise FaultsError("text form", error.faults) from None


_EXAMPLE = "r224 swish stem_c32 ir_r2_k3_s2_e6_c24_se0.25 ... head_c1280"


def _words(text: str) -> Iterator[_Word]:
    for match in re.finditer(r"[^\s|,]+", text):
        yield _Word(match[0], match.start() + 1)


def _set_option(options: dict[str, int], name: str, value: int, word: _Word) -> None:
    if name in options:
        raise _error(f"a second {name!r} option", word)
    options[name] = value


def _parse_stage(word: _Word) -> Stage:
    fields = _stage_fields(word)
    missing = [name for name in _REQUIRED.split() if name not in fields]
    if missing:
        raise _error(f"a stage without {', '.join(missing)}", word, allowed="ir_r2_k3_s2_e6_c24_se0.25")
    expand_ratio = fields.get("e", 1)
    if word.text.startswith("ds_") and expand_ratio != 1:
        raise _error("a ds block has no expansion", word, allowed="_e1, or ir_ in place of ds_")
    if word.text.startswith("ir_") and "e" not in fields:
        raise _error("a stage without e", word, allowed="ir_r2_k3_s2_e6_c24_se0.25")
    stage = Stage(
        _whole(fields["k"]),
        _whole(fields["s"]),
        _whole(expand_ratio),
        _whole(fields["c"]),
        _whole(fields["r"]),
        fields.get("se", 0.0),
    )
    faults = stage.faults()
    if faults:
        raise _error(faults[0], word)
    return stage


def _stage_fields(word: _Word) -> dict[str, float]:
    fields: dict[str, float] = {}
    offset = 3
    for part in word.text[3:].split("_"):
        match = _FIELD.fullmatch(part)
        inner = _Word(part, word.position + offset)
        if match is None:
            raise _error("an unknown stage field", inner, allowed="r k s e c se, each with a number")
        if match[1] in fields:
            raise _error(f"a second {match[1]!r}", inner)
        fields[match[1]] = float(match[2])
        offset += len(part) + 1
    return fields


def _whole(value: float) -> int:
    # a fraction stays one, so that Stage.faults names it; only whole numbers become ints
    return int(value) if float(value).is_integer() else cast(int, value)


def _error(what: str, word: _Word, allowed: str = "") -> InputError:
    shown = word.text if len(word.text) <= 40 else word.text[:37] + "..."
    return InputError(f"{what}: {shown!r}", where=f"text form, column {word.position}", allowed=allowed)


def _unknown(word: _Word) -> InputError:
    error = _error("not understood", word, allowed="r<pixels>, an activation, stem_c, head_c, classes, ds_..., ir_...")
    nearest = nearest_name(word.text, [*ACTIVATIONS, *_ALIASES])
    return InputError(error.what, where=error.where, allowed=error.allowed, nearest=nearest)
