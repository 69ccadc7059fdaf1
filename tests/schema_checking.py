"""As much of JSON Schema as ours use: the faults of a document by a schema, and a refusal of any other keyword."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

ANNOTATIONS = {"$schema", "$defs", "title", "description", "default"}
TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
}
NUMBERS: dict[str, Callable[[float, float], bool]] = {
    "minimum": lambda value, limit: value >= limit,
    "maximum": lambda value, limit: value <= limit,
    "exclusiveMinimum": lambda value, limit: value > limit,
    "exclusiveMaximum": lambda value, limit: value < limit,
    "multipleOf": lambda value, limit: value % limit == 0,
}
SIZES: dict[str, Callable[[int, int], bool]] = {
    "minItems": lambda size, limit: size >= limit,
    "maxItems": lambda size, limit: size <= limit,
    "maxLength": lambda size, limit: size <= limit,
    "minProperties": lambda size, limit: size >= limit,
}
OBJECTS = ("properties", "required", "additionalProperties", "propertyNames", "patternProperties")
ARRAYS = ("items", "prefixItems", "uniqueItems")
KEYWORDS = {
    *ANNOTATIONS,
    *NUMBERS,
    *SIZES,
    *OBJECTS,
    *ARRAYS,
    *("type", "const", "enum", "anyOf", "not", "$ref", "pattern"),
}


def faults(value: Any, schema: dict[str, Any], root: dict[str, Any] | None = None, path: str = "$") -> list[str]:
    """Every place where a document is not what its schema asks for."""
    return list(_faults(value, schema, schema if root is None else root, path))


def _faults(value: Any, schema: dict[str, Any], root: dict[str, Any], path: str) -> Iterator[str]:
    unknown = set(schema) - KEYWORDS
    assert not unknown, f"{path}: keywords that are not checked: {unknown}"
    if "$ref" in schema:
        yield from _faults(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, path)
    if "type" in schema and not TYPES[schema["type"]](value):
        yield f"{path}: not of type {schema['type']}"
        return
    if "const" in schema and value != schema["const"]:
        yield f"{path}: not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: not one of {schema['enum']}"
    if "anyOf" in schema and all(list(_faults(value, each, root, path)) for each in schema["anyOf"]):
        yield f"{path}: none of the alternatives"
    if "not" in schema and not list(_faults(value, schema["not"], root, path)):
        yield f"{path}: is what it must not be"
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield from (
            f"{path}: {name}" for name, holds in NUMBERS.items() if name in schema and not holds(value, schema[name])
        )
    if isinstance(value, str | list | dict):
        yield from (
            f"{path}: {name}" for name, holds in SIZES.items() if name in schema and not holds(len(value), schema[name])
        )
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{path}: not like {schema['pattern']}"
    if isinstance(value, list):
        yield from _of_array(value, schema, root, path)
    if isinstance(value, dict):
        yield from _of_object(value, schema, root, path)


def _of_array(value: list[Any], schema: dict[str, Any], root: dict[str, Any], path: str) -> Iterator[str]:
    if schema.get("uniqueItems") and len({repr(each) for each in value}) != len(value):
        yield f"{path}: an item twice"
    first = schema.get("prefixItems", [])
    for index, each in enumerate(value):
        item = first[index] if index < len(first) else schema.get("items", {})
        yield from _faults(each, item, root, f"{path}[{index}]")


def _of_object(value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any], path: str) -> Iterator[str]:
    yield from (f"{path}: {name} is missing" for name in schema.get("required", []) if name not in value)
    patterns = schema.get("patternProperties", {})
    for name, each in value.items():
        yield from _faults(name, schema.get("propertyNames", {}), root, f"{path}: the key {name!r}")
        known = [schema["properties"][name]] if name in schema.get("properties", {}) else []
        known += [found for pattern, found in patterns.items() if re.search(pattern, name)]
        more = schema.get("additionalProperties", {})
        if not known and more is False:
            yield f"{path}: {name} is not known"
        for found in known or ([more] if isinstance(more, dict) else []):
            yield from _faults(each, found, root, f"{path}.{name}")
