"""Who does the work of evaluations that take minutes: this process, one after another, or machines elsewhere.

What is sent is a function of hwsearch by its name and plain arguments (text forms, paths, numbers), never an
object of ours, so that a worker needs nothing but hwsearch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from hwsearch.errors import HwsearchError, InfeasibleError, InputError, UnavailableError

Item = tuple[str | int | float, ...]
"""Plain arguments of one call."""
Outcome = TypeVar("Outcome")


class Executor(Protocol):
    """Calls a function with many items, and says each outcome once, as soon as it is there."""

    def map_unordered(
        self, function: Callable[..., Outcome], items: Sequence[Item], *, key: Callable[[Item], str]
    ) -> Iterator[tuple[str, Outcome]]:
        """(key, ``function(*item)``) of every item, in the order of completion; items of one key are one item.

        ``function`` is a top-level function of hwsearch that gives plain data. The HwsearchError that it raises
        is raised here, of the same exit code and with the item's key. UnavailableError where nobody can work.
        """
        ...


class SerialExecutor:
    """This process, one item after another."""

    def map_unordered(
        self, function: Callable[..., Outcome], items: Sequence[Item], *, key: Callable[[Item], str]
    ) -> Iterator[tuple[str, Outcome]]:
        """The outcomes in the order of the items."""
        for name, item in distinct(items, key).items():
            try:
                outcome = function(*item)
            except HwsearchError as error:
                raise named(error.exit_code, str(error), name) from None
            yield name, outcome


def distinct(items: Sequence[Item], key: Callable[[Item], str]) -> dict[str, Item]:
    """The first item of each key."""
    found: dict[str, Item] = {}
    for item in items:
        found.setdefault(key(item), item)
    return found


def named(exit_code: int, said: str, name: str) -> HwsearchError:
    """The error of an exit code that says whose evaluation failed."""
    kinds: Mapping[int, type[HwsearchError]] = {
        kind.exit_code: kind for kind in (InputError, InfeasibleError, UnavailableError)
    }
    return kinds.get(exit_code, HwsearchError)(f"{said} (for {name})")
