"""A table put to the test: predicted against measured on networks that it has never met."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hwsearch.architecture import Architecture
from hwsearch.estimate import TableEstimator
from hwsearch.latency import Fidelity, fidelity, noise_floor
from hwsearch.profiling.in_context import reference_walls
from hwsearch.profiling.measurement import Measurement, measure
from hwsearch.profiling.profiler import references
from hwsearch.runtimes import Runtime


@dataclass(frozen=True, slots=True)
class Validation:
    """The figures of one test, and what they rest on."""

    fidelity: Fidelity
    measurement: Measurement
    predicted_ms: tuple[float, ...]
    """One a tested network; the measurement has the reference networks after them."""


def validate(
    runtime: Runtime,
    estimator: TableEstimator,
    architectures: Sequence[Architecture],
    *,
    seconds: float,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Validation:
    """Measure networks together with the references, at the table's level, and judge the predictions.

    A machine that is faster or slower today is no fault of the table: the reference networks, measured with
    the table and again now, tell by how much, and it is taken out (``measurement.level``).
    """
    predicted = [estimator.latency_ms(each) for each in architectures]
    together = [*architectures, *(each.architecture for each in references())]
    measured = measure(runtime, together, seconds=seconds, seed=seed, on_progress=on_progress)
    measured = measured.at_level_of(reference_walls(estimator.table))
    tested = np.arange(len(together)) < len(architectures)
    floor = noise_floor(measured.samples_ms, tested)
    found = fidelity(np.array(predicted), measured.latency_ms[tested], floor)
    return Validation(found, measured, tuple(predicted))
