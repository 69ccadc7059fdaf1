"""The temporary file that becomes another by one rename, and what killed processes left of such files.

Its name says whose it is: ``.NAME.PID-PLACE.TOKEN.part``. A process that is killed leaves its own; the next one to
write the same file removes it, but only where its writer cannot be at work any more: a dead process of this machine.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SUFFIX = ".part"
MAX_NAME = 40
"""Characters of the target's name in that of its part: file systems bound a name's bytes."""

_OWNER = re.compile(r"\.(\d{1,10})-([0-9a-f]{8})\.[0-9a-f]{32}\.part")

_own: set[str] = set()
"""The parts of this process, by name: one with our number that is not among them was left by an earlier process."""


@contextmanager
def part_file(path: Path) -> Iterator[Path]:
    """A new name beside ``path``, to be written and renamed to it; if it is still there at the end, it is removed."""
    _sweep(path)
    part = _part(path)
    _own.add(part.name)
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)
        _own.discard(part.name)


@contextmanager
def part_folder(parent: Path, name: str) -> Iterator[Path]:
    """A new hidden folder in ``parent``, for files that are renamed out of it; at the end it is removed."""
    _sweep(parent / name)
    part = _part(parent / name)
    part.mkdir()
    _own.add(part.name)
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)
        _own.discard(part.name)


def lives(pid: int) -> bool:
    """Whether a process of this machine is there, ours or another's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _part(path: Path) -> Path:
    return path.with_name(f"{_beginning(path)}.{os.getpid()}-{_place()}.{uuid.uuid4().hex}{SUFFIX}")


def _beginning(path: Path) -> str:
    return f".{path.name[:MAX_NAME]}"


def _sweep(path: Path) -> None:
    """Remove what dead processes left beside ``path``; what cannot be removed is left to lie."""
    if os.name != "posix":
        return  # whether a process lives cannot be asked without harm
    beginning = _beginning(path)
    with suppress(OSError):
        for each in path.parent.iterdir():
            if each.name.startswith(beginning) and _is_left(each.name, each.name[len(beginning) :]):
                _remove(each)


def _remove(part: Path) -> None:
    if part.is_dir() and not part.is_symlink():
        shutil.rmtree(part, ignore_errors=True)
    else:
        part.unlink(missing_ok=True)


def _is_left(name: str, ending: str) -> bool:
    owner = _OWNER.fullmatch(ending)
    if owner is None or owner[2] != _place():
        return False
    pid = int(owner[1])
    return name not in _own if pid == os.getpid() else not lives(pid)


@functools.cache
def _place() -> str:
    """Where a process number means this process: the machine's name, and on Linux the PID namespace (a container's)."""
    namespace = ""
    with suppress(OSError):
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return hashlib.sha256(f"{platform.node()} {namespace}".encode()).hexdigest()[:8]
