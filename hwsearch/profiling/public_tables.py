"""Latency tables of devices that others measured: solved from the public results of Accel-NASBench.

Source: github.com/afzalxo/Accel-NASBench (Apache-2.0; DAC 2024), thousands of networks of the EfficientNet-B0
space on six accelerators. Throughput becomes milliseconds an image; batch and precision are not stated there.
A tenth of the networks is held out for the figures; the shipped ops are solved from all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hwsearch.accuracy.table import Choices, read_table
from hwsearch.architecture import Architecture, Stage
from hwsearch.device import Device, Setup
from hwsearch.errors import InputError
from hwsearch.latency import Fidelity, FloatArray, fidelity
from hwsearch.latency_table import LatencyTable, OpLatency
from hwsearch.least_squares import AdditiveFit, fit_additive
from hwsearch.preset import reference_preset

SOURCE = "fitted on Accel-NASBench (github.com/afzalxo/Accel-NASBench, Apache-2.0; DAC 2024)"
HELD_OUT_SHARE = 0.1
SEED = 0


@dataclass(frozen=True, slots=True)
class PublicDevice:
    """A device of the source: its name, and the column that holds its results."""

    name: str
    column: str
    """``latency_...`` is ms; ``throughput_...`` is images a second, turned into ms an image."""

    @property
    def quantity(self) -> str:
        """What a millisecond of this table is."""
        return "latency" if self.column.startswith("latency") else "ms an image (1000 / throughput)"


DEVICES: Mapping[str, PublicDevice] = {
    "a100": PublicDevice("NVIDIA A100", "throughput_a100"),
    "rtx3090": PublicDevice("NVIDIA RTX 3090", "throughput_3090"),
    "tpuv2": PublicDevice("Google TPUv2", "throughput_tpuv2"),
    "tpuv3": PublicDevice("Google TPUv3", "throughput_tpuv3"),
    "zcu102": PublicDevice("AMD ZCU102", "latency_zcu102"),
    "vck190": PublicDevice("AMD VCK190", "latency_vck190"),
}


def fit_tables(data: Path, on_table: Callable[[str], None] | None = None) -> dict[str, LatencyTable]:
    """The tables of all six devices from the CSV; FaultsError for a bad file."""
    networks = _architectures(read_table(data).choices)
    measured = _measured(data)
    tables = {}
    for name, device in DEVICES.items():
        if on_table:
            on_table(name)
        tables[name] = _fit_table(name, device, networks, measured[device.column])
    return tables


def _measured(data: Path) -> dict[str, FloatArray]:
    """The device columns, NaN where a cell is empty."""
    import pandas

    frame = pandas.read_csv(data)
    missing = [device.column for device in DEVICES.values() if device.column not in frame.columns]
    if missing:
        raise InputError(f"the columns {', '.join(missing)} are missing", where=str(data))
    return {
        device.column: pandas.to_numeric(frame[device.column], errors="coerce").to_numpy(dtype=np.float64)
        for device in DEVICES.values()
    }


def _fit_table(name: str, device: PublicDevice, networks: list[Architecture], values: FloatArray) -> LatencyTable:
    known = np.flatnonzero(np.isfinite(values))
    if len(known) < 100:
        raise InputError(f"column {device.column} holds only {len(known)} measurements", allowed="at least 100")
    latencies = values if device.column.startswith("latency") else 1000 / values
    order = np.random.default_rng(SEED).permutation(known)
    held_out, rest = np.split(order, [int(len(order) * HELD_OUT_SHARE)])
    judged = fit_additive([networks[i] for i in rest], latencies[rest])
    figures = _figures(judged, [networks[i] for i in held_out], latencies[held_out])
    found = fit_additive([networks[i] for i in known], latencies[known])
    setup = Setup(name, Device(device.name), f"Accel-NASBench, {device.quantity}", "", 0, 0, "unstated")
    ops = {op: OpLatency(ms, {}, found.occurrences[op]) for op, ms in found.op_ms.items()}
    return LatencyTable(name, setup, "least_squares", found.constant_ms, ops, figures, source=SOURCE)


def _figures(fit: AdditiveFit, networks: list[Architecture], latencies: FloatArray) -> Fidelity:
    return fidelity(np.array([fit.latency_ms(network) for network in networks]), latencies, None)


def _architectures(choices: Choices) -> list[Architecture]:
    """The networks of the rows: EfficientNet-B0's skeleton with each row's choices."""
    b0 = reference_preset("efficientnet-b0").architecture
    found = []
    for row in range(len(choices)):
        stages = tuple(
            Stage(
                int(choices.kernel_size[row, index]),
                stage.stride,
                int(choices.expand_ratio[row, index]),
                stage.out_channels,
                int(choices.num_repeats[row, index]),
                0.25 if choices.se[row, index] else 0.0,
            )
            for index, stage in enumerate(b0.stages)
        )
        found.append(Architecture(b0.resolution, b0.stem_channels, stages, b0.head_channels, b0.activation))
    return found
