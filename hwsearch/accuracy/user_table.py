"""A table of networks that a user has trained: exact look-up, no guessing (``table:FILE.csv``).

Columns ``text`` (the text form; quote it if it holds commas) and ``top1`` (percent); others are ignored. A network
with several rows was trained several times: its top-1 is their mean, with their standard deviation.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping

import numpy as np

from hwsearch.accuracy.signal import PREDICTED_TOP1, Metric, Prediction
from hwsearch.architecture import Architecture
from hwsearch.errors import OutOfDomainError
from hwsearch.stage_arrays import StageArrays, to_architectures

MAX_ROWS = 1_000_000
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
        found = [self._fault(network) for network in absent[:_MAX_NAMED]]
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

    def _fault(self, network: Architecture) -> str:
        nearest = min(self._top1, key=lambda known: len(_differences(known, network)))
        differences = _differences(network, nearest)
        shown = ", ".join(differences[:3]) + (f" and {len(differences) - 3} more" if len(differences) > 3 else "")
        return f"network {network.text}: not in the table; the nearest one there differs by {shown}: {nearest.text}"


def _differences(network: Architecture, known: Architecture) -> list[str]:
    """Where ``network`` is not ``known``, as ``stages[i].field value``."""
    if len(network.stages) != len(known.stages):
        # a network of another depth is farther than any of the same one
        return [f"stages[{i}]" for i in range(10 * max(len(network.stages), len(known.stages)))]
    return [f"{name} {value}" for (name, value), (_, other) in zip(_fields(network), _fields(known)) if value != other]


def _fields(network: Architecture) -> Iterator[tuple[str, object]]:
    for name in ("resolution", "stem_channels", "head_channels", "activation", "num_classes"):
        yield name, getattr(network, name)
    for index, stage in enumerate(network.stages):
        for name in ("kernel_size", "stride", "expand_ratio", "out_channels", "num_repeats", "se_ratio"):
            yield f"stages[{index}].{name}", getattr(stage, name)
