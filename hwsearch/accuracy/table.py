"""A table of trained networks: one row a network, its stages' choices and the top-1 it reached (CSV).

Columns ``sI_expand``, ``sI_kernel``, ``sI_repeats``, ``sI_se`` for stage I of 0..6, and ``top1`` in percent;
others are ignored. It is the layout of Accel-NASBench's measurements, and that of a user's own table. A folder of that
source's raw result files (``result_*.json``, one a network) is read to the same table.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hwsearch.accuracy import domain
from hwsearch.errors import FaultsError, InputError
from hwsearch.json_file import parse_json, read_text

if TYPE_CHECKING:
    import pandas

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

MIN_ROWS = 200
"""Fewer trained networks than this say too little about a hundred thousand million possible ones."""

MAX_ROWS = 12_000
"""An exact Gaussian process holds matrices of rows times rows: more would not fit in memory."""

MAX_BYTES = 32 * 1024 * 1024
"""Of a table's file: 12,000 networks with 2 KiB about each."""

_FIELDS = ("expand", "kernel", "repeats", "se")
_MAX_LINES_NAMED = 5


@dataclass(frozen=True, slots=True, eq=False)
class Choices:
    """The choices of N networks; every array has shape (N, 7)."""

    expand_ratio: IntArray
    kernel_size: IntArray
    num_repeats: IntArray
    se: IntArray
    """Squeeze-excite: 0 without, 1 with."""

    def __len__(self) -> int:
        return len(self.expand_ratio)

    def rows(self, index: npt.NDArray[np.intp] | slice) -> Choices:
        """The networks of those rows."""
        return Choices(self.expand_ratio[index], self.kernel_size[index], self.num_repeats[index], self.se[index])

    def codes(self) -> npt.NDArray[np.intp]:
        """Stage codes (``domain.stage_code``), shape (N, 7)."""
        return domain.stage_code(self.expand_ratio, self.kernel_size, self.num_repeats, self.se)


@dataclass(frozen=True, slots=True, eq=False)
class TrainedNetworks:
    """N networks and the top-1 each reached."""

    choices: Choices
    top1: FloatArray
    """Shape (N,), percent."""

    def __len__(self) -> int:
        return len(self.top1)

    def rows(self, index: npt.NDArray[np.intp] | slice) -> TrainedNetworks:
        """The networks of those rows."""
        return TrainedNetworks(self.choices.rows(index), self.top1[index])


def random_choices(count: int, rng: np.random.Generator) -> Choices:
    """Networks drawn uniformly, each choice on its own, from the whole domain."""
    shape = (count, domain.NUM_STAGES)
    return Choices(
        expand_ratio=rng.choice(np.array(domain.EXPAND_RATIOS, dtype=np.int64), shape),
        kernel_size=rng.choice(np.array(domain.KERNEL_SIZES, dtype=np.int64), shape),
        num_repeats=rng.integers(1, np.array(domain.MAX_REPEATS) + 1, shape),
        se=rng.integers(0, 2, shape),
    )


def read_table(path: Path, *, min_rows: int = MIN_ROWS) -> TrainedNetworks:
    """Read a table; raises InputError or FaultsError (all faults at once), each naming column, line and value."""
    frame = _read_results(path) if path.is_dir() else _read_csv(path)
    columns = [f"s{stage}_{field}" for stage in range(domain.NUM_STAGES) for field in _FIELDS]
    found = [f"column {name}: is missing" for name in (*columns, "top1") if name not in frame.columns]
    if len(frame) < min_rows:
        found.append(f"{len(frame)} networks are too few to fit on; allowed: {min_rows} or more")
    if len(frame) > MAX_ROWS:
        found.append(f"{len(frame)} networks are too many to fit on; allowed: {MAX_ROWS} or fewer")
    values: dict[str, FloatArray] = {}
    for name in (*columns, "top1"):
        if name in frame.columns:
            values[name], faults = _numbers(frame, name)
            found += faults
    if not found and np.ptp(values["top1"]) == 0:
        found.append("column top1: all values are equal, so there is no order to learn")
    if found:
        raise FaultsError(str(path), found)
    arrays = [np.stack([values[f"s{s}_{field}"] for s in range(domain.NUM_STAGES)], axis=1) for field in _FIELDS]
    return TrainedNetworks(Choices(*(array.astype(np.int64) for array in arrays)), values["top1"])


def _read_csv(path: Path) -> pandas.DataFrame:
    """The cells as they stand; a row that ends early goes on with empty ones."""
    import pandas

    lines = csv.reader(io.StringIO(read_text(path, MAX_BYTES).removeprefix("\ufeff")), skipinitialspace=True)
    try:
        header, *rows = [row for row in lines if row] or [[]]
    except csv.Error as error:
        raise InputError(f"not a CSV table ({error})", where=str(path)) from None
    # pandas would take the first cells of a longer row for an index, and very long for a very long one
    longer = [number for number, row in enumerate(rows, start=2) if len(row) > len(header)]
    if longer:
        named = ", ".join(f"line {number}" for number in longer[:_MAX_LINES_NAMED])
        more = f" and {len(longer) - _MAX_LINES_NAMED} more" if len(longer) > _MAX_LINES_NAMED else ""
        raise InputError(f"more cells than the {len(header)} columns of the header: {named}{more}", where=str(path))
    columns = {name: place for place, name in reversed(list(enumerate(header)))}
    return pandas.DataFrame(
        {name: [row[place] if place < len(row) else "" for row in rows] for name, place in columns.items()}, dtype=str
    )


def _read_results(folder: Path) -> pandas.DataFrame:
    """Raw result files: ``architecture`` has the choices (``block0_e``, ``_k``, ``_l``, ``_se``), ``metrics`` top-1."""
    import pandas

    files = sorted(folder.rglob("result*.json"))
    if not files:
        raise InputError("there is no result*.json in this folder", where=str(folder))
    rows, found = [], []
    for file in files:
        try:
            rows.append(_result(parse_json(read_text(file), str(file))))
        except InputError as error:
            found.append(str(error))
        except (KeyError, TypeError):
            found.append(f"{file}: not a result of Accel-NASBench")
    if found:
        more = [f"and {len(found) - _MAX_LINES_NAMED} more files"] if len(found) > _MAX_LINES_NAMED else []
        raise FaultsError(str(folder), [*found[:_MAX_LINES_NAMED], *more])
    return pandas.DataFrame(rows, dtype=str)


def _result(data: dict[str, Any]) -> dict[str, str]:
    architecture, row = data["architecture"], {}
    for stage in range(domain.NUM_STAGES):
        for field, letter in zip(_FIELDS, ("e", "k", "l", "se"), strict=True):
            value = architecture[f"block{stage}_{letter}"]
            row[f"s{stage}_{field}"] = {"True": "1", "False": "0"}.get(str(value), str(value))
    return {**row, "top1": str(data["metrics"]["val_top1"])}


def _numbers(frame: pandas.DataFrame, name: str) -> tuple[FloatArray, list[str]]:
    cells: list[str] = frame[name].tolist()
    values = np.array([_number(cell) for cell in cells], dtype=np.float64)
    if name == "top1":
        good, allowed = (values > 0) & (values < 100), "percent between 0 and 100"
    else:
        options = _options(name)
        good, allowed = np.isin(values, options), ", ".join(str(option) for option in options)
    bad = np.flatnonzero(~good)
    return values, [_column_fault(name, cells, bad.tolist(), allowed)] if bad.size else []


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def _options(name: str) -> tuple[int, ...]:
    stage, field = int(name[1]), name[3:]
    return {
        "expand": domain.EXPAND_RATIOS,
        "kernel": domain.KERNEL_SIZES,
        "repeats": tuple(range(1, domain.MAX_REPEATS[stage] + 1)),
        "se": (0, 1),
    }[field]


def _column_fault(name: str, cells: Sequence[str], bad: Sequence[int], allowed: str) -> str:
    # Line 1 of the file is the header.
    named = ", ".join(f"line {row + 2}: {cells[row][:40]!r}" for row in bad[:_MAX_LINES_NAMED])
    more = f" and {len(bad) - _MAX_LINES_NAMED} more lines" if len(bad) > _MAX_LINES_NAMED else ""
    return f"column {name}: {named}{more}; allowed: {allowed}"
