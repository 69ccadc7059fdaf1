"""A table of networks that a user has trained: exact look-up, no guessing (``table:FILE.csv``).

Columns ``text`` (the text form; quote it if it holds commas) and ``top1`` (percent); others are ignored. A network
with several rows was trained several times: its top-1 is their mean, with their standard deviation.
"""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from hwsearch.accuracy.signal import PREDICTED_TOP1, Metric, Prediction
from hwsearch.architecture import Architecture
from hwsearch.errors import FaultsError, InputError, OutOfDomainError
from hwsearch.json_file import read_text
from hwsearch.notation import parse
from hwsearch.stage_arrays import StageArrays, to_architectures

MAX_ROWS = 100_000
MAX_BYTES = 64 * 1024 * 1024
"""Of a table's file: so many rows, and 600 characters about each."""
_MAX_FAULTS = 20
_MAX_NAMED = 5


class TableSignal:
    """The top-1 that a table says. ``predicted_top1`` is then the user's own, under the user's own training."""

    metric: Metric = PREDICTED_TOP1
    search_evaluations: int | None = None

    def __init__(self, top1: Mapping[Architecture, tuple[float, ...]], name: str) -> None:
        """``top1``: of each network, the percent of every training of it."""
        self._top1 = dict(top1)
        self._name = name

    @property
    def name(self) -> str:
        """``table:`` and the file's name."""
        return self._name

    @property
    def description(self) -> str:
        """Which file is looked up, and how many networks it holds."""
        return f"top-1 (%) looked up in {self.name.partition(':')[2]}: {len(self._top1)} trained networks"

    def domain_faults(self, arrays: StageArrays) -> list[str]:
        """Every network that the table does not hold, with the nearest that it does; [] if none."""
        absent = [network for network in to_architectures(arrays) if network not in self._top1]
        found = [f"network {network.text}: not in the table" for network in absent[:_MAX_NAMED]]
        if absent:
            found[0] += self._hint(absent[0])
        return [*found, f"and {len(absent) - _MAX_NAMED} more networks"] if len(absent) > _MAX_NAMED else found

    def warnings(self, arrays: StageArrays) -> list[str]:
        """Says that the figures are trained ones, of the user's own scheme."""
        return [f"predicted_top1 is the trained top-1 of {self.name}, under the training of that table"]

    def predict(self, arrays: StageArrays) -> Prediction:
        """The top-1 (percent) of N networks; std is NaN for one trained once. OutOfDomainError for any not there."""
        faults = self.domain_faults(arrays)
        if faults:
            raise OutOfDomainError(" | ".join(faults), where=f"accuracy signal {self.name!r}")
        runs = [self._top1[network] for network in to_architectures(arrays)]
        mean = np.array([statistics.fmean(each) for each in runs], dtype=np.float64)
        std = np.array([statistics.stdev(each) if len(each) > 1 else math.nan for each in runs], dtype=np.float64)
        return Prediction(mean, std)

    def _hint(self, network: Architecture) -> str:
        differences, nearest = min(((_differences(network, known), known) for known in self._top1), key=_distance)
        shown = ", ".join(differences[:_MAX_NAMED])
        if len(differences) > _MAX_NAMED:
            shown += f" and {len(differences) - _MAX_NAMED} more"
        return f"; nearest: {nearest.text} (not {shown})"


def load(path: Path) -> TableSignal:
    """The signal of a CSV file; FaultsError with every fault and its line, InputError if it is no such table."""
    rows = csv.DictReader(io.StringIO(read_text(path, MAX_BYTES)), skipinitialspace=True)
    try:
        missing = [name for name in ("text", "top1") if name not in (rows.fieldnames or ())]
        if missing:
            raise FaultsError(str(path), [f"column {name}: is missing" for name in missing])
        top1, faults = _read_rows(rows)
    except csv.Error as error:
        raise InputError(f"not a CSV table ({error})", where=str(path)) from None
    values = [value for each in top1.values() for value in each]
    if not faults and not values:
        faults = ["no networks"]
    if not faults and max(values) <= 1:
        faults = [f"column top1: no value is above 1 (largest {max(values):g}); allowed: percent, not fractions"]
    if faults:
        raise FaultsError(str(path), faults)
    return TableSignal({network: tuple(each) for network, each in top1.items()}, f"table:{path.name}")


def _read_rows(rows: csv.DictReader[str]) -> tuple[dict[Architecture, list[float]], list[str]]:
    top1: dict[Architecture, list[float]] = {}
    faults: list[str] = []
    for number, row in enumerate(rows, start=1):
        if number > MAX_ROWS:
            return top1, [f"more than {MAX_ROWS:,} rows"]
        try:
            network, value = parse(row["text"] or ""), percent(row["top1"] or "")
        except InputError as error:
            faults.append(f"line {rows.line_num}: {error}")
        else:
            top1.setdefault(network, []).append(value)
    more = [f"and {len(faults) - _MAX_FAULTS} more lines"] if len(faults) > _MAX_FAULTS else []
    return top1, [*faults[:_MAX_FAULTS], *more]


def percent(text: str) -> float:
    """A top-1 as a number from 0 to 100; InputError for anything else."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 100:
        raise InputError(f"top-1 {text.strip()[:40]!r}", allowed="percent, a number from 0 to 100")
    return value


def _distance(candidate: tuple[list[str], Architecture]) -> tuple[bool, int]:
    differences = candidate[0]
    return differences[0].startswith("stages ") if differences else False, len(differences)


def _differences(network: Architecture, known: Architecture) -> list[str]:
    """Where ``network`` is not ``known``, as ``field value``; a network of another depth is far from any."""
    if len(network.stages) != len(known.stages):
        return [f"stages {len(network.stages)}"]
    pairs = zip(_fields(network), _fields(known), strict=True)
    return [f"{name} {value}" for (name, value), (_, other) in pairs if value != other]


def _fields(network: Architecture) -> Iterator[tuple[str, object]]:
    for name in ("resolution", "stem_channels", "head_channels", "activation", "num_classes"):
        yield name, getattr(network, name)
    for index, stage in enumerate(network.stages):
        for name in ("kernel_size", "stride", "expand_ratio", "out_channels", "num_repeats", "se_ratio"):
            yield f"stages[{index}].{name}", getattr(stage, name)
