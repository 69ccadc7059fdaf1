"""The held-out networks of a table, predicted and measured: what its fidelity was counted from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hwsearch.errors import MissingOpError
from hwsearch.estimate import TableEstimator
from hwsearch.latency import FloatArray, levels
from hwsearch.latency_table import LatencyTable, Session
from hwsearch.notation import parse


@dataclass(frozen=True, slots=True)
class Point:
    """One network's latency as predicted and as measured, ms a batch."""

    text: str
    predicted_ms: float
    measured_ms: float

    @property
    def error(self) -> float:
        """The prediction's error as a fraction of the measurement."""
        return self.predicted_ms / self.measured_ms - 1


def held_out_points(table: LatencyTable) -> tuple[Point, ...]:
    """Every held-out network whose ops the table holds, on the level of the first session."""
    estimator = TableEstimator(table)
    known: dict[str, float] = {}
    found: list[Point] = []
    for session in table.sessions:
        walls = _walls(session, known)
        for network, wall in zip(session.networks, walls.tolist(), strict=True):
            known.setdefault(network.text, wall)
            if network.role == "held_out":
                found += _point(estimator, network.text, wall)
    return tuple(found)


def _point(estimator: TableEstimator, text: str, wall_ms: float) -> list[Point]:
    try:
        return [Point(text, estimator.latency_ms(parse(text)), wall_ms)]
    except MissingOpError:
        return []  # held out of another space than the table's: it has no prediction to judge


def _walls(session: Session, known: Mapping[str, float]) -> FloatArray:
    """The networks' latencies, brought to the level of what earlier sessions share with this one."""
    walls = levels(np.array([network.samples_ms for network in session.networks], dtype=np.float64).T)[0]
    ratios = [known[each.text] / wall for each, wall in zip(session.networks, walls, strict=True) if each.text in known]
    return walls * (float(np.median(ratios)) if ratios else 1.0)
