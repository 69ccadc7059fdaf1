"""Inputs made from sound ones: bytes, words and numbers changed anywhere, and documents changed by their structure."""

from __future__ import annotations

import copy
import io
import json
import random
import re
import zipfile
from collections.abc import Callable, Sequence
from typing import Any, Literal

import yaml

from hwsearch.errors import InputError
from hwsearch.space_file import parse_yaml

Kind = Literal["text", "json", "yaml", "npz"]
"""What an input is, beyond bytes: where its structure is known, it is changed too."""

MAX_BYTES = 65_536
DEEP = 3_000

NUMBERS = (
    *(0, -1, 1, 2, 3, 7, 255, 65_536, 65_537, 2**31, 2**63, -(2**63), 10**30, 10**400, 10**4400),
    *(0.5, -0.25, 1e-300, 5e-7, 1e308, 1.0, 100.0, 1e9),
)
STRINGS = (
    *("", "x", " ", "-", "None", "nan", "inf", "-inf", "1e999", "١", "²", "\0", "\ud800", "\n", "é", "x" * 5000),
    *("r32 ir_r1_k3_s1_e6_c8", "swish", "relu6", "silu", "in_context", "f32", "unstated", "0/expand", "../../x"),
)
WORDS = (
    *(
        b"",
        b"\0",
        b"\n",
        b"\r",
        b"\r\n",
        b"\t",
        b" ",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\xed\xa0\x80",
        b"\\ud800",
        b"\xc2\x85",
    ),
    *(
        b"nan",
        b"NaN",
        b"inf",
        b"-Infinity",
        b"1e999",
        b"1e-999",
        b"0x10",
        b"1_000",
        b"-0",
        b"9" * 5000,
        b"null",
        b"true",
    ),
    *(
        b"[",
        b"]",
        b"{",
        b"}",
        b'"',
        b"'",
        b",",
        b":",
        b"#",
        b"&a ",
        b"*a",
        b"!!int ",
        b"<<: ",
        b"- ",
        b"? ",
        b"|",
        b">",
    ),
    *(
        b"[" * DEEP,
        b'{"a":' * DEEP,
        b"(" * 200,
        b"-" * DEEP,
        b"2024-01-01",
        b"1:30:00",
        b"0o7",
        b".5",
        b"\xd9\xa1",
        b"%",
    ),
)


class Mutator:
    """A changed copy of an input, by a seeded generator; what it splices in comes from the seeds."""

    def __init__(self, seeds: Sequence[bytes], kind: Kind) -> None:
        self._seeds = list(seeds)
        self._structural = {"json": _in_json, "yaml": _in_yaml, "npz": _in_npz}.get(kind)
        words = {word for seed in seeds[:50] for word in re.findall(rb"[\w.+-]+|[^\w\s]", seed[:MAX_BYTES])}
        self._words = [*WORDS, *sorted(words)]

    def __call__(self, data: bytes, rng: random.Random) -> bytes:
        """Some changes to one input."""
        if self._structural is not None and rng.random() < 0.7:
            changed = self._structural(data, rng)
            if changed is not None:
                return changed[:MAX_BYTES]
        for _ in range(rng.choice((1, 1, 1, 2, 4))):
            data = self._changed(data, rng)
        return data[:MAX_BYTES]

    def _changed(self, data: bytes, rng: random.Random) -> bytes:
        start = rng.randint(0, len(data))
        end = min(len(data), start + int(rng.expovariate(0.1)))
        how = rng.randrange(7)
        if how == 0 and data:  # one bit
            place = rng.randrange(len(data))
            return data[:place] + bytes([data[place] ^ (1 << rng.randrange(8))]) + data[place + 1 :]
        if how == 1:  # a part less
            return data[:start] + data[end:]
        if how == 2:  # a part twice, or very often
            return data[:end] + data[start:end] * rng.choice((1, 1, 2, 1000)) + data[end:]
        if how == 3:  # a part of another one
            other = rng.choice(self._seeds)
            first = rng.randint(0, len(other))
            return data[:start] + other[first : first + rng.randint(0, 200)] + data[end:]
        if how == 4:  # a number
            return _other_number(data, rng)
        if how == 5:  # a word in place of a word
            words = list(re.finditer(rb"[\w.+-]+", data))
            if words:
                word = rng.choice(words)
                return data[: word.start()] + rng.choice(self._words) + data[word.end() :]
        return data[:start] + rng.choice(self._words) + data[start:]


def _other_number(data: bytes, rng: random.Random) -> bytes:
    numbers = list(re.finditer(rb"\d+(?:\.\d+)?", data))
    if not numbers:
        return data
    found, number = rng.choice(numbers), _number(rng)
    return data[: found.start()] + number + data[found.end() :]


def _number(rng: random.Random) -> bytes:
    value = rng.choice(NUMBERS)
    return b"1" + b"0" * 4400 if value == 10**4400 else str(value).encode()


def _in_json(data: bytes, rng: random.Random) -> bytes | None:
    """One to three values of a JSON document (or of each line) changed; None where it is none."""
    lines = data.splitlines() if data.count(b"\n") and not data.startswith((b"{\n", b"[\n")) else [data]
    if len(lines) > 1:
        place = rng.randrange(len(lines))
        changed = _in_json(lines[place], rng) if lines[place].strip() else None
        return None if changed is None else b"\n".join([*lines[:place], changed, *lines[place + 1 :]]) + b"\n"
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return _dumped(_document(document, rng))


def _dumped(document: Any) -> bytes | None:
    try:
        return json.dumps(document).encode()
    except (ValueError, RecursionError):  # an integer of more digits than Python prints
        return None


def _in_yaml(data: bytes, rng: random.Random) -> bytes | None:
    try:
        document = parse_yaml(data.decode(), "")  # without anchors, so that it does not grow
        return yaml.safe_dump(_document(document, rng), sort_keys=False).encode("utf-8", "replace")
    except (InputError, yaml.YAMLError, ValueError, RecursionError, TypeError):
        return None


def _document(document: Any, rng: random.Random) -> Any:
    changed = copy.deepcopy(document)
    for _ in range(rng.choice((1, 1, 2, 3))):
        places = list(_places(changed))
        if not places:
            return _value(rng, changed)
        inner, key = rng.choice(places)
        if rng.random() < 0.15:
            del inner[key]
        elif rng.random() < 0.15 and isinstance(inner, dict):
            inner[rng.choice((*STRINGS[:10], str(key) + "x"))] = inner.pop(key)
        elif rng.random() < 0.15 and isinstance(inner, list):
            inner.extend([inner[key]] * rng.choice((1, 2, 70)))
        else:
            inner[key] = _value(rng, inner[key])
    return changed


def _places(document: Any):
    """(container, key) of every value inside a document."""
    stack = [document]
    while stack:
        inner = stack.pop()
        keys = inner.keys() if isinstance(inner, dict) else range(len(inner)) if isinstance(inner, list) else ()
        for key in list(keys):
            yield inner, key
            if isinstance(inner[key], (dict, list)):
                stack.append(inner[key])


def _value(rng: random.Random, old: Any) -> Any:
    how = rng.randrange(8)
    if isinstance(old, (int, float)) and not isinstance(old, bool) and how < 5:
        return rng.choice(
            (old * 2, old + 1, old - 1, -old, float(old) / 3 if abs(old) < 1e300 else 0, rng.choice(NUMBERS))
        )
    if isinstance(old, str) and how < 5:
        return rng.choice((old + rng.choice(STRINGS), old[: len(old) // 2], old.upper(), old * 2, rng.choice(STRINGS)))
    wrapped: list[Callable[[], Any]] = [lambda: [old], lambda: {"a": old}, lambda: [old] * 3]
    made: list[Callable[[], Any]] = [lambda: rng.choice(NUMBERS), lambda: rng.choice(STRINGS)]
    plain: list[Callable[[], Any]] = [lambda: None, lambda: True, list, dict, lambda: [[]], lambda: {"": {}}]
    return rng.choice([*wrapped, *made, *plain])()


def _in_npz(data: bytes, rng: random.Random) -> bytes | None:
    """One array of an archive changed, with a check sum that is right again."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(info.file_size for info in archive.infolist()) > MAX_BYTES:
                return None
            members = {name: archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError, zipfile.zlib.error):
        return None
    if not members:
        return None
    name = rng.choice(sorted(members))
    if rng.random() < 0.1:
        del members[name]
    elif rng.random() < 0.7:  # its header: type, order, shape
        members[name] = _other_header(members[name], rng)
    else:
        members[name] = Mutator([members[name]], "text")(members[name], rng)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for each, content in members.items():
            archive.writestr(each, content)
    return buffer.getvalue()


def _other_header(array: bytes, rng: random.Random) -> bytes:
    head, body = array[:128], array[128:]
    words = [
        b"'<f4'",
        b"'<f8'",
        b"'|O'",
        b"'<U9'",
        b"'<i8'",
        b"'<c16'",
        b"True",
        b"False",
        b"(",
        b"(7,",
        b"()",
        b"(0,)",
    ]
    words += [
        b"(99999999999,)",
        b"(65536, 65536, 64)",
        b"(-1,)",
        b"(2,)",
        b"(1, 1)",
        b"[('a', '<f4')]",
        b"'V8'",
        b"'M8[s]'",
    ]
    old = list(re.finditer(rb"'[<|][^']+'|True|False|\([^)]*\)", head))
    if not old:
        return _other_number(array, rng)
    place = rng.choice(old)
    changed = head[: place.start()] + rng.choice(words) + head[place.end() :]
    rest = changed[10:].rstrip(b" \n")
    return head[:10] + rest.ljust(117)[:117] + b"\n" + body
