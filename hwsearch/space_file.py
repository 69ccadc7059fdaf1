"""Search spaces as YAML files: read whole, checked whole, every fault at once with its path.

A choice may be one value or a list. YAML is read without tags, anchors or repeated keys, so a file can
neither run code nor grow beyond what it shows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import AfterValidator, BeforeValidator, Field

from hwsearch.architecture import (
    MAX_CHANNELS,
    MAX_EXPAND_RATIO,
    MAX_KERNEL_SIZE,
    MAX_REPEATS,
    MAX_RESOLUTION,
    MAX_STAGES,
    Activation,
)
from hwsearch.errors import InputError, nearest_name
from hwsearch.json_file import Document, read_text, validate
from hwsearch.preset import NAME_PATTERN
from hwsearch.search_space import SearchSpace, StageSpace
from hwsearch.shipped import shipped_folder, shipped_names

FORMAT = "hwsearch-space"
VERSION = 1
SUFFIX = ".yaml"
DEFAULT_SPACE = "efficientnet-b0"
MAX_BYTES = 256 * 1024
MAX_CHOICES = 32

Value = TypeVar("Value")


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _ascending(values: list[Value]) -> list[Value]:
    if sorted(set(values)) != values:  # type: ignore[type-var]
        raise ValueError("choices must be distinct and ascending")
    return values


def _odd(values: list[int]) -> list[int]:
    if any(value % 2 == 0 for value in values):
        raise ValueError("a kernel size must be odd")
    return values


_List = Field(min_length=1, max_length=MAX_CHOICES)


def _whole(low: int, high: int) -> Any:  # noqa: ANN401 - an annotated type
    item = Annotated[int, Field(ge=low, le=high)]
    return Annotated[list[item], _List, BeforeValidator(_as_list), AfterValidator(_ascending)]


_Ratio = Annotated[float, Field(ge=0, le=1)]


class _StageModel(Document):
    stride: int = Field(ge=1, le=2)
    out_channels: _whole(1, MAX_CHANNELS)  # type: ignore[valid-type]
    kernel_size: Annotated[_whole(1, MAX_KERNEL_SIZE), AfterValidator(_odd)]  # type: ignore[valid-type]
    expand_ratio: _whole(1, MAX_EXPAND_RATIO)  # type: ignore[valid-type]
    num_repeats: _whole(1, MAX_REPEATS)  # type: ignore[valid-type]
    se_ratio: Annotated[list[_Ratio], _List, BeforeValidator(_as_list), AfterValidator(_ascending)] = Field(
        default=[0.0]
    )


class _SpaceModel(Document):
    format: Literal["hwsearch-space"]
    version: Literal[1]
    name: str = Field(pattern=rf"^{NAME_PATTERN}$", max_length=80)
    description: str = Field(default="", max_length=2000)
    resolution: _whole(1, MAX_RESOLUTION)  # type: ignore[valid-type]
    stem_channels: int = Field(ge=1, le=MAX_CHANNELS)
    head_channels: int = Field(ge=1, le=MAX_CHANNELS)
    activation: Activation
    num_classes: int = Field(default=1000, ge=1, le=MAX_CHANNELS)
    stages: list[_StageModel] = Field(min_length=1, max_length=MAX_STAGES)


def load_space(name: str) -> SearchSpace:
    """A space by shipped name (``efficientnet-b0``) or from a YAML file."""
    known = shipped_names("search_spaces", SUFFIX)
    if name in known:
        return read_space(shipped_folder("search_spaces") / f"{name}{SUFFIX}")
    if name.endswith((SUFFIX, ".yml")) or "/" in name:
        return read_space(Path(name))
    raise InputError(
        f"no search space is called {name!r}",
        allowed=f"{', '.join(known)}, or a YAML file",
        nearest=nearest_name(name, known),
    )


def read_space(path: Path) -> SearchSpace:
    """A space from a YAML file; FaultsError with every fault and its path."""
    data = parse_yaml(read_text(path, MAX_BYTES), str(path))
    if not isinstance(data, dict):
        raise InputError("not a search space: the document is not a mapping", where=str(path))
    model = validate(_SpaceModel, data, str(path))
    stages = tuple(
        StageSpace(
            stage.stride,
            tuple(stage.expand_ratio),
            tuple(stage.kernel_size),
            tuple(stage.num_repeats),
            tuple(stage.se_ratio),
            tuple(stage.out_channels),
        )
        for stage in model.stages
    )
    return SearchSpace(
        model.name,
        tuple(model.resolution),
        model.stem_channels,
        stages,
        model.head_channels,
        model.activation,
        model.num_classes,
        model.description,
    )


class _PlainLoader(yaml.SafeLoader):
    """Safe YAML without anchors (no growth, no recursion), tags, dates and repeated keys."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            raise yaml.MarkedYAMLError(problem="aliases are not allowed", problem_mark=mark)
        if event.tag is not None:
            raise yaml.MarkedYAMLError(problem="tags are not allowed", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.value in keys:
                raise yaml.MarkedYAMLError(problem="a repeated or composite key", problem_mark=key.start_mark)
            keys.add(key.value)
        return super().construct_mapping(node, deep)


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse_yaml(text: str, where: str) -> Any:  # noqa: ANN401 - YAML is any type until a model has checked it
    """Plain YAML as Python values; InputError with line and column otherwise."""
    try:
        return yaml.load(text, Loader=_PlainLoader)  # noqa: S506 - a SafeLoader, made stricter
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        position = f" at line {mark.line + 1} column {mark.column + 1}" if mark else ""
        raise InputError(f"not plain YAML: {error.problem}{position}", where=where) from None
    except RecursionError:
        raise InputError("not plain YAML: nested too deep", where=where) from None
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"not plain YAML: {str(error).splitlines()[0]}", where=where) from None
