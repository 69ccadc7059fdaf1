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
from hwsearch.part_file import lives, part_file

SUFFIX = ".lock"
SETTLE_S = 0.1
"""Two processes that take over the same dead lock replace it within less than this; the last one has it."""
YOUNG_S = 1.0
"""A lock that says nothing for this long is not being written; its writer was killed."""

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
            while not self._create():
                if self._take_over():
                    break
            _held.add(self._lock)
        except OSError as error:
            raise InputError(f"cannot be written ({error.strerror})", where=str(path)) from None
        except KeyboardInterrupt:
            if self._is_own():
                self._lock.unlink(missing_ok=True)
            raise

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
        except BaseException:  # a full disk, Ctrl-C: no empty lock stays behind
            self._lock.unlink(missing_ok=True)
            raise
        return True

    def _take_over(self) -> bool:
        """Whether a dead process had it and this one has it now; False if it was given back meanwhile."""
        owner = self._owner()
        if owner is None:
            return False
        if _is_at_work(owner, self._lock in _held):
            raise InputError(
                f"process {owner.get('pid', '?')} is at work on it",
                where=str(self._file),
                next_command=f"wait for it to end; if it is no hwsearch, rm {self._lock}",
            )
        with part_file(self._lock) as own:
            own.write_text(self._text, encoding="utf-8")
            own.replace(self._lock)
        time.sleep(SETTLE_S)
        if not self._is_own():
            raise InputError("another process has just gone on with it", where=str(self._file))
        return True

    def _is_own(self) -> bool:
        return self._lock.exists() and self._lock.read_text(encoding="utf-8") == self._text

    def _owner(self) -> dict[str, Any] | None:
        """What the lock says: {} if it says nothing, None if it has gone."""
        deadline = time.monotonic() + YOUNG_S
        while True:
            try:
                found = json.loads(self._lock.read_text(encoding="utf-8"))
            except FileNotFoundError:
                return None
            except ValueError:
                found = {}
            if found or time.monotonic() > deadline:
                return found if isinstance(found, dict) else {}
            time.sleep(SETTLE_S / 4)


def _is_at_work(owner: dict[str, Any], is_held: bool) -> bool:
    pid = owner.get("pid")
    if not isinstance(pid, int) or pid <= 0:
        return False
    if owner.get("host") != platform.node() or os.name != "posix":
        return True  # whether it lives cannot be known from here
    return is_held if pid == os.getpid() else lives(pid)
