"""JSON documents in and out: bounded, validated, never half-written.

Every document of hwsearch carries ``format`` and ``version``. Reading runs no code; writing goes through a
temporary file in the same folder and one atomic rename, so that a reader sees the old file or the new one.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from hwsearch.errors import FaultsError, InputError
from hwsearch.part_file import part_file

MAX_BYTES = 16 * 1024 * 1024
"""Of a file: a hundred times what any of ours has, and still read, or refused, in seconds."""
MAX_SHOWN_FAULTS = 20
MAX_NAMED_FAULTS = 10_000
"""Of a document with more than these none is named: collecting a million takes gigabytes."""

Model = TypeVar("Model", bound=BaseModel)


class Document(BaseModel):
    """Base of every file model: strict types, no unknown fields, no NaN."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)


def read_json(path: Path, file_format: str, version: int) -> dict[str, Any]:
    """The object in a JSON file, after checking its ``format`` and ``version``; InputError otherwise."""
    data = parse_json(read_text(path), str(path))
    if not isinstance(data, dict) or data.get("format") != file_format:
        found = data.get("format") if isinstance(data, dict) else type(data).__name__
        raise InputError(f"not a {file_format} file (format: {_shown(found)})", where=str(path))
    if data.get("version") != version:
        raise InputError(
            f"version {_shown(data.get('version'))} of {file_format} is not known here",
            where=str(path),
            allowed=str(version),
        )
    return data


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """A UTF-8 text file of bounded size; InputError when it cannot be read."""
    try:
        if not path.is_file():
            raise InputError("no such file" if not path.exists() else "not a regular file", where=str(path))
        if path.stat().st_size > max_bytes:
            raise InputError(f"larger than {max_bytes // 1024} KiB", where=str(path))
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError("not UTF-8 text", where=str(path)) from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot be read ({error})", where=str(path)[:200]) from None


def parse_json(text: str, where: str) -> Any:  # noqa: ANN401 - JSON is any type until a model has checked it
    """Strict JSON: no NaN or Infinity, no repeated keys, bounded depth and numbers."""
    try:
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite, object_pairs_hook=_no_repeats)
    except json.JSONDecodeError as error:
        message = error.msg.removesuffix(" at")
        ends_early = error.pos >= len(text.rstrip()) or message.startswith("Unterminated string")
        cut = " (the file seems cut off)" if ends_early else ""
        raise InputError(f"not JSON: {message} at line {error.lineno} column {error.colno}{cut}", where=where) from None
    except RecursionError:
        raise InputError("not JSON: nested too deep", where=where) from None
    except ValueError as error:
        raise InputError(f"not JSON: {error}", where=where) from None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is out of range")
    return value


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise ValueError(f"the key {counts.most_common(1)[0][0][:60]!r} is repeated")
    return found


def validate(model: type[Model], data: Mapping[str, Any], where: str, *, next_command: str = "") -> Model:
    """The checked model of a document, or a FaultsError with the path of every fault."""
    try:
        text = json.dumps(data)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"not plain data: {error}", where=where) from None
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        if error.error_count() > MAX_NAMED_FAULTS:
            raise InputError(f"{error.error_count():,} faults", where=where, next_command=next_command) from None
        faults = [f"{_path(fault['loc'])}: {_message(fault)}" for fault in error.errors()]
    if len(faults) > MAX_SHOWN_FAULTS:
        faults = [*faults[:MAX_SHOWN_FAULTS], f"and {len(faults) - MAX_SHOWN_FAULTS} more"]
    raise FaultsError(where, faults, next_command=next_command)


def _message(fault: Mapping[str, Any]) -> str:
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{message[:1].lower()}{message[1:]}" + (
        "" if fault["type"] == "missing" else f", not {_shown(fault.get('input'))}"
    )


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # nested very deep, or a number of very many digits
        return f"this {type(value).__name__}"
    return text if len(text) <= 60 else text[:57] + "..."


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for step in location:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
    return path or "document"


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write one JSON document atomically, laid out for reading and diffing. NaN is refused."""
    write_text(path, format_json(data) + "\n")


def rounded(value: float, digits: int) -> float:
    """A number for a file, rounded; one that would vanish stays as it is, so that what is above 0 is read as that."""
    return round(value, digits) or value


def format_json(value: Any, indent: int = 0) -> str:  # noqa: ANN401 - JSON is any type
    """JSON text with one entry a line, but an object or list that holds no object stays on one line."""
    nested = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    flat = not any(isinstance(each, dict) or (isinstance(each, list) and _holds_objects(each)) for each in nested)
    if flat and (indent > 0 or not isinstance(value, dict)):
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    pad, closing = " " * (indent + 1), " " * indent
    if isinstance(value, dict):
        lines = [f"{pad}{json.dumps(key, ensure_ascii=False)}: {format_json(value[key], indent + 1)}" for key in value]
        return "{\n" + ",\n".join(lines) + f"\n{closing}}}"
    return "[\n" + ",\n".join(f"{pad}{format_json(each, indent + 1)}" for each in value) + f"\n{closing}]"


def _holds_objects(values: list[Any]) -> bool:
    return any(isinstance(each, dict) for each in values)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically; the old file stays whole until the new one is complete on disk."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically; InputError when the folder cannot be written or the disk is full."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part_file(path) as part:
            with part.open("xb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            part.chmod(0o644)
            part.replace(path)
    except OSError as error:
        raise InputError(f"cannot be written ({error.strerror})", where=str(path)) from None
