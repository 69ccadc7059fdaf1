"""Words on a terminal: results to stdout, progress and talk to stderr, JSON as one document."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from hwsearch.json_file import format_json

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID
    from rich.table import Table

    from hwsearch.profiling.profiler import Progress

NARROW = 80
"""Columns of the terminal that every table should fit."""

_quiet = False


def set_quiet(quiet: bool) -> None:
    """Say nothing on stderr but errors."""
    global _quiet  # noqa: PLW0603 - one switch for the process, set once by the command line
    _quiet = quiet


def say(text: str) -> None:
    """A line of talk, on stderr."""
    if not _quiet:
        print(text, file=sys.stderr)


def warn(texts: Iterable[str]) -> None:
    """Warnings, on stderr, each on its line."""
    for text in texts:
        print(f"warning: {text}", file=sys.stderr)


def result(text: str) -> None:
    """A line of a result, on stdout."""
    print(text)


def print_json(document: Mapping[str, Any] | Sequence[Any]) -> None:
    """One JSON document on stdout."""
    print(format_json(document) if isinstance(document, dict) else json.dumps(document, indent=1, allow_nan=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], text_columns: Sequence[int] = (0,)) -> None:
    """A table on stdout. The first column is text (and those named), the others are figures.

    What would leave a narrow terminal is made narrower: first the headings of figures, then cells of text, are broken.
    """
    from rich import box
    from rich.table import Table

    cells = [list(row) for row in rows]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False, padding=(0, 1, 0, 0))
    for number, column in enumerate(_headings(columns, cells, text_columns)):
        text = number in text_columns
        table.add_column(column, justify="left" if text else "right", no_wrap=not text, overflow="fold")
    for row in cells:
        table.add_row(*row)
    _print_stripped(table)


def _headings(columns: Sequence[str], rows: Sequence[Sequence[str]], text_columns: Sequence[int]) -> list[str]:
    widest = [max([len(row[number]) for row in rows], default=0) for number in range(len(columns))]
    width = sum(max(len(column), cell) + 2 for column, cell in zip(columns, widest, strict=True))
    if width < NARROW:
        return list(columns)
    return [
        column if number in text_columns else _broken(column, widest[number]) for number, column in enumerate(columns)
    ]


def _broken(heading: str, width: int) -> str:
    longest = max(len(word) for word in heading.split())
    return "\n".join(textwrap.wrap(heading, max(width, longest) + 2))


def _print_stripped(table: Table) -> None:
    """Without the blanks that fill the lines: what is piped or copied should not carry them."""
    from rich.console import Console

    # a pipe or a file gets the width of its content, not of a terminal it is not
    width = None if sys.stdout.isatty() else 160
    console = Console(file=sys.stdout, highlight=False, markup=False, width=width)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        print(line.rstrip())


class ProgressBars:
    """Bars on stderr for the steps of something long; plain lines where stderr is no terminal."""

    def __init__(self) -> None:
        self._rich: RichProgress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._told: set[str] = set()

    def __enter__(self) -> Self:
        if not _quiet and sys.stderr.isatty():
            self._rich = _rich_progress()
            self._rich.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._rich is not None:
            self._rich.stop()

    def step(self, name: str, what: str) -> None:
        """A step begins."""
        line = f"{name}: {what}"
        if self._rich is not None:
            self._rich.console.print(line, markup=False, highlight=False)
        else:
            say(line)

    def __call__(self, progress: Progress) -> None:
        """Show how far a step is."""
        label = progress.step.partition(" (")[0]
        if self._rich is None:
            if label not in self._told and label != "searching":
                self._told.add(label)
                say(f"  {label} ...")
            return
        if label not in self._tasks:
            self._tasks[label] = self._rich.add_task(f"  {label}", total=progress.total)
        self._rich.update(self._tasks[label], completed=progress.done, total=progress.total)


def _rich_progress() -> RichProgress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=28),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        transient=False,
    )


def figure(value: float | None, digits: int = 2, unit: str = "") -> str:
    """A number for a table cell; a dash for what is not known."""
    return "-" if value is None else f"{value:,.{digits}f}{unit}"


def milliseconds(value: float | None) -> str:
    """A latency with three significant digits or more."""
    if value is None:
        return "-"
    return f"{value:,.1f}" if value >= 100 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def share(value: float | None) -> str:
    """A fraction as percent."""
    return "-" if value is None else f"{value:.1%}"
