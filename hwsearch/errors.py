"""What can go wrong, said once: what, where, what is allowed, the nearest match, the next command.

Every error a person can cause is an ``HwsearchError``. The command line prints its one line and leaves
with its exit code; anything else that escapes is a bug of ours (exit code 5).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import ClassVar

MAX_LINE, MAX_WHAT, MAX_WHERE = 4900, 3600, 600
"""Characters of an error's line, and of parts of it: what a file holds may be quoted there, and is cut off."""


class HwsearchError(Exception):
    """An error with its remedy. ``str(error)`` is one line, ready for a terminal."""

    exit_code: ClassVar[int] = 5

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        allowed: str = "",
        nearest: str | None = None,
        next_command: str = "",
    ) -> None:
        self.what = what
        self.where = where
        self.allowed = allowed
        self.nearest = nearest
        self.next_command = next_command
        super().__init__(self._line())

    def _line(self) -> str:
        what = _shortened(self.what, MAX_WHAT)
        line = f"{_shortened(self.where, MAX_WHERE)}: {what}" if self.where else what
        if self.allowed:
            line += f"; allowed: {self.allowed}"
        if self.nearest:
            line += f"; did you mean {self.nearest!r}?"
        if self.next_command:
            line += f"; next: {self.next_command}"
        return _shortened(" ".join(line.split()), MAX_LINE)


class InputError(HwsearchError):
    """Bad input or usage: a file, a name, a number, a text form."""

    exit_code = 2


class FaultsError(InputError):
    """All the faults of one file at once, each as ``path: fault``."""

    def __init__(self, where: str, faults: Sequence[str], *, next_command: str = "") -> None:
        self.faults = tuple(faults)
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        each = max(100, (MAX_WHAT - 100) // max(1, len(faults)) - 3)
        shown = " | ".join(_shortened(fault, each) for fault in faults)
        super().__init__(f"{count}: {shown}", where=where, next_command=next_command)


class MissingOpError(InputError):
    """A latency table was asked for an op that it never measured (it is refused, never counted as zero)."""


class OutOfDomainError(InputError):
    """An accuracy signal was asked about a network outside what it was fitted on."""


class InexpressibleError(InputError):
    """An export format cannot say this network exactly; the message names the field, the value and the limit."""


class InfeasibleError(HwsearchError):
    """No network of the space meets the budgets; the message says the least the space can reach."""

    exit_code = 3


class UnavailableError(HwsearchError):
    """A runtime, a device or an optional package that is not here; the message says how to have it."""

    exit_code = 4


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 4] + " ..."


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """The known name most like ``name``, or None when none is close."""
    matches = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.5)
    return matches[0] if matches else None


def missing_package(package: str, extra: str) -> UnavailableError:
    """The error for an optional package that is not installed, naming the extra that brings it."""
    return UnavailableError(
        f"the package {package!r} is not installed", next_command=f"pip install 'hwsearch[{extra}]'"
    )
