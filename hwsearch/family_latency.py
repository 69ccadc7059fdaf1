"""What the members of a family take: predicted from a table, or measured whole; what neither knows stays open."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from hwsearch.architecture import Architecture
from hwsearch.device import Setup
from hwsearch.errors import MissingOpError
from hwsearch.estimate import TableEstimator
from hwsearch.family import DeviceLatency, Family
from hwsearch.profiling.measurement import Measurement


def measured_ms(measurement: Measurement) -> dict[Architecture, float]:
    """Latency of every network measured, ms a batch, with the level taken out."""
    return dict(zip(measurement.architectures, measurement.latency_ms.tolist(), strict=True))


def predicted_ms(estimator: TableEstimator, architecture: Architecture) -> float | None:
    """Latency from a table, ms a batch; None where the table lacks an op of the network."""
    try:
        return estimator.latency_ms(architecture)
    except MissingOpError:
        return None


def with_measurements(family: Family, measurement: Measurement) -> Family:
    """The family with the measured latency of every member that was measured."""
    known = _latencies(measured_ms(measurement), measurement.setup)
    variants = [
        dataclasses.replace(each, measured_latency=known.get(each.architecture, each.measured_latency))
        for each in family.variants
    ]
    return dataclasses.replace(family, variants=tuple(variants))


def with_predictions(family: Family, estimator: TableEstimator) -> Family:
    """The family with the predicted latency of every member whose ops the table holds."""
    setup = estimator.table.setup
    if setup.batch == 0:
        return family  # of a batch that nobody stated, milliseconds in a file of their own say nothing
    found = {each.architecture: predicted_ms(estimator, each.architecture) for each in family.variants}
    known = _latencies({each: ms for each, ms in found.items() if ms is not None}, setup)
    variants = [
        dataclasses.replace(each, predicted_latency=known.get(each.architecture, each.predicted_latency))
        for each in family.variants
    ]
    return dataclasses.replace(family, variants=tuple(variants))


def _latencies(known: Mapping[Architecture, float], setup: Setup) -> dict[Architecture, DeviceLatency]:
    device = f"{setup.device.name}, {setup.runtime} {setup.runtime_version}".strip()
    return {
        each: DeviceLatency(round(ms, 4), device, setup.batch, setup.threads or None, setup.precision)
        for each, ms in known.items()
    }
