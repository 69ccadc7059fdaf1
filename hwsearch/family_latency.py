"""What the members of a family take: predicted from a table, or measured whole; what neither knows stays open."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

from hwsearch.architecture import Architecture
from hwsearch.cost import cost
from hwsearch.device import Setup
from hwsearch.errors import MissingOpError
from hwsearch.estimate import TableEstimator
from hwsearch.family import DeviceLatency, Family
from hwsearch.preset import reference_presets
from hwsearch.profiling.measurement import Measurement, measure
from hwsearch.runtimes import Runtime


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


def published_beside(families: Sequence[Family]) -> list[Architecture]:
    """The published networks of up to the size of the families' largest member, and one beyond it, by their MACs."""
    largest = max(variant.macs for family in families for variant in family.variants)
    published = sorted((preset.architecture for preset in reference_presets().values()), key=_macs)
    return published[: 1 + sum(_macs(each) <= largest for each in published)]


def measure_families(
    families: Sequence[Family],
    runtime: Runtime,
    seconds: float,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Family], Measurement]:
    """Every member measured, in the same shuffled rounds as the published networks of about its size."""
    members = [variant.architecture for family in families for variant in family.variants]
    networks = list(dict.fromkeys([*members, *published_beside(families)]))
    measurement = measure(runtime, networks, seconds=seconds, on_progress=on_progress)
    return [with_measurements(family, measurement) for family in families], measurement


def _macs(architecture: Architecture) -> int:
    return cost(architecture).macs


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
