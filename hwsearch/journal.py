"""A measurement's journal: one JSON line an event, so that killing it loses at most the event under way.

The first line says what is being measured; a journal of anything else is refused, not continued. One process
writes to a journal at a time: a lock file beside it names the process, and is taken over once that has ended.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from hwsearch.errors import InputError
from hwsearch.json_file import parse_json, read_text
from hwsearch.lock_file import LockFile


class Journal:
    """Append-only events of one measurement. Use as a context manager."""

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        self.path = path
        self._header = json.loads(json.dumps(header))
        self._lock = LockFile(path)
        try:
            self.events = self._read() if path.exists() else []
            self._stream = self._open()
            if self._stream.tell() == 0:
                self._append(self._header)
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._lock.release()

    def append(self, event: Mapping[str, Any]) -> None:
        """Add one event; it is on its way to the disk when this returns."""
        self._append(event)

    def remove(self) -> None:
        """Delete the journal: its measurement is complete."""
        self._stream.close()
        self.path.unlink(missing_ok=True)
        self._lock.release()

    def _open(self) -> Any:  # noqa: ANN401 - a raw file
        try:
            # unbuffered: what a full disk refused must not be tried again when the file is closed
            return self.path.open("ab", buffering=0)
        except OSError as error:
            raise InputError(f"cannot be written ({error.strerror})", where=str(self.path)) from None

    def _append(self, event: Mapping[str, Any]) -> None:
        rest = (json.dumps(event, allow_nan=False) + "\n").encode("utf-8")
        try:
            while rest:  # a disk that is nearly full takes a part; the next start cuts a part of a line off
                rest = rest[self._stream.write(rest) :]
        except OSError as error:
            raise InputError(f"cannot be written ({error.strerror})", where=str(self.path)) from None

    def _read(self) -> list[dict[str, Any]]:
        lines = self._whole_lines()
        if not lines:
            return []
        if parse_json(lines[0], f"{self.path}, line 1") != self._header:
            raise InputError(
                "an unfinished measurement of something else is in the way",
                where=str(self.path),
                next_command=f"finish it with its own options, or delete it: rm {self.path}",
            )
        events = []
        for number, line in enumerate(lines[1:], start=2):
            event = parse_json(line, f"{self.path}, line {number}")
            if not isinstance(event, dict):
                raise InputError("not an event", where=f"{self.path}, line {number}")
            events.append(event)
        return events

    def _whole_lines(self) -> list[str]:
        """The complete lines; a last line that a kill cut short is taken off the file."""
        read_text(self.path)  # refuses what is no text of bounded size
        data = self.path.read_bytes()  # as it lies there: read as text, "\r\n" would be one character
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) != len(data):
            os.truncate(self.path, len(whole))
        return whole.decode("utf-8").split("\n")[:-1]
