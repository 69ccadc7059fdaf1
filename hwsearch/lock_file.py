"""A lock beside a file, by plain means: whoever creates it has it; what a dead process left is taken over."""

from __future__ import annotations

import json
import os
import platform
import time
import uuid
from pathlib import Path
from typing import Any

from hwsearch.errors import InputError

SUFFIX = ".lock"
SETTLE_S = 0.1
"""Two processes that take over the same dead lock replace it within less than this; the last one has it."""
YOUNG_S = 2.0
"""A lock without a process in it is being written, unless it is older than this."""

_held: set[Path] = set()
"""The locks of this process: a lock with our number that is not among them was left by an earlier process."""


class LockFile:
    """The sole right to write ``path``, from construction to ``release``.

    InputError if another process has it, or if the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._file, self._lock = path, path.with_name(path.name + SUFFIX).absolute()
        self._text = json.dumps({"pid": os.getpid(), "host": platform.node(), "token": uuid.uuid4().hex})
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if not self._create():
                self._take_over()
        except OSError as error:
            raise InputError(f"cannot be written ({error.strerror})", where=str(path)) from None
        _held.add(self._lock)

    def release(self) -> None:
        """Give the right back; a second time does nothing."""
        if self._lock in _held:
            _held.discard(self._lock)
            self._lock.unlink(missing_ok=True)

    def _create(self) -> bool:
        """Whether nobody had it."""
        try:
            stream = self._lock.open("x", encoding="utf-8")
        except FileExistsError:
            return False
        try:
            with stream:
                stream.write(self._text)
        except OSError:  # a full disk: no empty lock stays behind
            self._lock.unlink(missing_ok=True)
            raise
        return True

    def _take_over(self) -> None:
        owner = self._owner()
        if self._is_at_work(owner):
            raise InputError(
                f"process {owner.get('pid', '?')} is at work on it",
                where=str(self._file),
                next_command=f"wait for it to end; if it is no hwsearch, rm {self._lock}",
            )
        self._write_own().replace(self._lock)
        time.sleep(SETTLE_S)
        if self._lock.read_text(encoding="utf-8") != self._text:
            raise InputError("another process has just gone on with it", where=str(self._file))

    def _write_own(self) -> Path:
        own = self._lock.with_name(f"{self._lock.name}.{os.getpid()}.part")
        try:
            own.write_text(self._text, encoding="utf-8")
        except OSError:
            own.unlink(missing_ok=True)
            raise
        return own

    def _owner(self) -> dict[str, Any]:
        try:
            found = json.loads(self._lock.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):  # given back just now, cut short, or never ours
            return {}
        return found if isinstance(found, dict) else {}

    def _is_at_work(self, owner: dict[str, Any]) -> bool:
        pid = owner.get("pid")
        if not isinstance(pid, int) or pid <= 0:
            return self._is_young()
        if owner.get("host") != platform.node() or os.name != "posix":
            return True  # whether it lives cannot be known from here
        return self._lock in _held if pid == os.getpid() else _lives(pid)

    def _is_young(self) -> bool:
        # between creating a lock and writing into it
        return self._lock.exists() and time.time() - self._lock.stat().st_mtime < YOUNG_S


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
