"""A Python file that defines a network -> Architecture, by reading its literals and running nothing.

Two kinds are known: a module with a timm ``arch_def`` (ours, or one that a person wrote), and the torch module
that hwsearch generates, whose ``TEXT`` is the network and whose ``BLOCKS`` are what it builds.
"""

from __future__ import annotations

import ast
import warnings
from typing import Any

from hwsearch.architecture import Architecture
from hwsearch.errors import InputError
from hwsearch.importing import timm_definition
from hwsearch.importing.foreign import activation_of
from hwsearch.notation import parse
from hwsearch.operation import ops

TorchBlock = tuple[int, int, int, int, int, int]
"""in_channels, out_channels, kernel_size, stride, expand_ratio, se_channels."""

_INTEGERS = ("RESOLUTION", "STEM_CHANNELS", "HEAD_CHANNELS", "NUM_CLASSES")
_SCALED = ("channel_multiplier", "depth_multiplier")


def read(source: str, where: str, resolution: int | None, num_classes: int | None) -> tuple[str, Architecture]:
    """The format (``timm`` or ``torch``) and the network of a module's source text."""
    tree = _parse(source, where)
    constants = _constants(tree)
    if "TEXT" in constants and "BLOCKS" in constants:
        return "torch", _read_torch(constants, where, resolution, num_classes)
    definition = _definition(tree, where)
    settings = _settings(constants, where, resolution, num_classes)
    return "timm", timm_definition.read(definition, settings, where)


def torch_blocks(architecture: Architecture) -> list[TorchBlock]:
    """The rows that the generated torch module builds, one a block."""
    return [
        (op.in_channels, op.out_channels, op.kernel_size, op.stride, op.expand_ratio, op.se_channels)
        for op in ops(architecture)
        if op.kind == "mbconv"
    ]


def _parse(source: str, where: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a stray escape in somebody's docstring is no concern here
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"neither JSON nor Python ({type(error).__name__})", where=where) from None


def _constants(tree: ast.Module) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            literal = _literal(node.value)
            if literal is not None:
                found[node.targets[0].id] = literal
    return found


def _literal(node: ast.expr) -> Any:  # noqa: ANN401 - any Python literal
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None


def _definition(tree: ast.Module, where: str) -> object:
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign):
            continue
        names = {target.id for target in node.targets if isinstance(target, ast.Name)}
        if names & {"arch_def", "ARCH_DEF"}:
            found.append(_literal(node.value))
        _refuse_scaling(node, where)
    if len(found) != 1:
        raise InputError(f"{len(found)} arch_def assignments", where=where, allowed="exactly one, a literal")
    return found[0]


def _refuse_scaling(node: ast.AST, where: str) -> None:
    for call in ast.walk(node):
        for keyword in call.keywords if isinstance(call, ast.Call) else ():
            if keyword.arg in _SCALED and _literal(keyword.value) not in (1, 1.0):
                raise InputError(f"{keyword.arg} other than 1.0: bake it into the definition first", where=where)


def _settings(
    constants: dict[str, Any], where: str, resolution: int | None, num_classes: int | None
) -> timm_definition.Settings:
    values = {name.lower(): constants[name] for name in _INTEGERS if name in constants}
    wrong = [name for name, value in values.items() if not isinstance(value, int) or isinstance(value, bool)]
    if wrong:
        raise InputError(f"{wrong[0].upper()} is not an integer", where=where)
    given = {"resolution": resolution, "num_classes": num_classes}
    values |= {name: value for name, value in given.items() if value is not None}
    if "ACTIVATION" in constants:
        values["activation"] = activation_of(str(constants["ACTIVATION"]), where)
    return timm_definition.Settings(**values)


def _read_torch(constants: dict[str, Any], where: str, resolution: int | None, classes: int | None) -> Architecture:
    text = constants["TEXT"]
    if not isinstance(text, str):
        raise InputError("TEXT is not a string", where=where)
    architecture = parse(text)
    said = {
        "BLOCKS": torch_blocks(architecture),
        "STEM_CHANNELS": architecture.stem_channels,
        "HEAD_CHANNELS": architecture.head_channels,
        "NUM_CLASSES": architecture.num_classes,
        "ACTIVATION": architecture.activation,
    }
    wrong = [name for name, value in said.items() if constants.get(name) != value]
    if wrong:
        raise InputError(f"{', '.join(wrong)} contradict the network in TEXT", where=where)
    return Architecture(
        resolution or architecture.resolution,
        architecture.stem_channels,
        architecture.stages,
        architecture.head_channels,
        architecture.activation,
        classes or architecture.num_classes,
    )
