"""A run directory made by code: real networks and counts, invented latencies and top-1 (clearly synthetic)."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import numpy as np

from hwsearch.architecture import Architecture
from hwsearch.coefficients import Law
from hwsearch.cost import cost, layer_macs
from hwsearch.device import Device, Setup
from hwsearch.estimate import TableEstimator
from hwsearch.family import DeviceLatency, Family, Variant, save_family
from hwsearch.latency import NoiseFloor, fidelity
from hwsearch.latency_table import LatencyTable, MeasuredNetwork, OpLatency, Session, save_table
from hwsearch.operation import Op, layers, ops
from hwsearch.preset import reference_preset
from hwsearch.profiling.measurement import Measurement, save_measurement
from hwsearch.record import NetworkRecord, RecordRole
from hwsearch.report.evidence import held_out_points
from hwsearch.run_directory import RunDirectory, Summary, save_summary
from hwsearch.search_space import SearchSpace
from hwsearch.space_file import load_space

SETUP = Setup("cpu", Device("Synthetic CPU 9000", 2, "Linux x86_64"), "onnxruntime", "1.20.0", 1, 1, "f32")
B0 = reference_preset("efficientnet-b0").architecture
NOISE = 0.02


def space() -> SearchSpace:
    return load_space("efficientnet-b0")


def op_latency(op: Op) -> OpLatency:
    """About 60 MACs a ns, more for depthwise kernels and squeeze-excite: plausible, and invented."""
    parts: dict = {}
    for layer in layers(op):
        rate = {"depthwise": 18e6, "conv": 75e6, "linear": 20e6}.get(layer.kind, 1.0)
        area = layer.resolution**2 * layer.in_channels
        parts[layer.part] = (
            parts.get(layer.part, 0.0) + (layer_macs(layer) / rate if layer.has_weights else area / 6e6) + 0.003
        )
    return OpLatency(sum(parts.values()), parts, 4)


def latency_table(rng: np.random.Generator) -> LatencyTable:
    found = {op: op_latency(op) for op in (*space().blocks(), *ops(B0))}
    bare = LatencyTable("synthetic-cpu", SETUP, "in_context", 0.12, found, None)
    estimator, networks = TableEstimator(bare), []
    for row in space().sample(40, rng):
        network = space().decode(row)
        true = estimator.latency_ms(network) * float(np.exp(rng.normal(0, 0.024)))
        samples = tuple(float(true * np.exp(abs(rng.normal(0, NOISE)))) for _ in range(12))
        networks.append(MeasuredNetwork(network.text, "held_out", samples))
    session = Session("2026-01-01T00:00:00Z", "hwsearch profile --target cpu", 412.0, tuple(networks))
    table = dataclasses.replace(bare, sessions=(session,))
    points = held_out_points(table)
    figures = fidelity(
        np.array([p.predicted_ms for p in points]), np.array([p.measured_ms for p in points]), NoiseFloor(0.018, 0.95)
    )
    return dataclasses.replace(table, fidelity=figures)


def top1(network: Architecture) -> float:
    """Invented: grows with the logarithm of MACs, less so early, a little with squeeze-excite."""
    numbered = list(enumerate(network.stages, start=1))
    gain = sum((0.10 if s.se_ratio else 0.0) + 0.05 * s.num_repeats**0.5 * i / 7 for i, s in numbered)
    late = sum(s.expand_ratio * s.num_repeats * i for i, s in numbered) / 420
    return 52.0 + 4.6 * float(np.log10(cost(network).macs / 1e8)) + 2.4 * gain + 3.2 * late**0.6


def record(name: str, network: Architecture, table: LatencyTable, role: RecordRole = "", **more) -> NetworkRecord:
    price = cost(network)
    return NetworkRecord(
        name,
        network,
        price.macs,
        price.params,
        price.activation_bytes,
        round(TableEstimator(table).latency_ms(network), 4),
        round(top1(network), 4),
        0.42,
        role=role,
        **more,
    )


def front(table: LatencyTable, rng: np.random.Generator) -> list[NetworkRecord]:
    sampled = [
        dataclasses.replace(each, predicted_top1=round((each.predicted_top1 or 0.0) + 0.8, 4))  # a find over B0
        for each in (record("", space().decode(row), table) for row in space().sample(1500, rng))
    ]
    kept: list[NetworkRecord] = []
    sampled = [each for each in sampled if (each.latency_ms or 0) <= 11 and each.params <= 9_000_000]
    for each in sorted(sampled, key=lambda r: (r.latency_ms, -r.predicted_top1)):
        if not kept or each.predicted_top1 > kept[-1].predicted_top1:
            kept.append(each)
    return [dataclasses.replace(each, name=f"front-{i}", role="front") for i, each in enumerate(kept)]


def measured(each: NetworkRecord, factor: float) -> NetworkRecord:
    return dataclasses.replace(each, measured_latency_ms=round(each.latency_ms * factor, 4))


def family(base: Architecture, table: LatencyTable) -> Family:
    variants = []
    for style in ("b", "lite"):
        for phi in range(4):
            resolution = 224 + 32 * phi
            stages = tuple(
                dataclasses.replace(
                    s, num_repeats=s.num_repeats + (phi + 1) // 2, se_ratio=0.0 if style == "lite" else s.se_ratio
                )
                for s in base.stages
            )
            network = dataclasses.replace(
                base, resolution=resolution, stages=stages, activation="relu6" if style == "lite" else "swish"
            )
            ms = cost(network).macs / 52e6 * (0.82 if style == "lite" else 1.0)
            variants.append(
                Variant(
                    f"synthetic-{style}{phi}",
                    style,
                    float(phi),
                    1.0,
                    1.0 + 0.2 * phi,
                    1.0 + phi / 7,
                    network,
                    predicted_latency=DeviceLatency(round(ms, 3), SETUP.label),
                    measured_latency=DeviceLatency(round(ms * 1.03, 3), SETUP.label) if phi < 2 else None,
                )
            )
    return Family("synthetic", base, Law(1.2, 1.1, 1.15), tuple(variants))


def entry(best: NetworkRecord, size: int, evaluated: float, i: int, restart: int | None = None) -> dict[str, float]:
    """How far a search was after ``i`` steps of a restart, or of all."""
    told = {} if restart is None else {"restart": restart, "leads": int(restart == 0 or i > 12)}
    return {
        "evaluated": evaluated,
        "front_size": float(round(8 + (size - 8) * (1 - 0.9**i))),
        **told,
        "predicted_top1": round(best.predicted_top1 - (4.0 + 0.5 * (restart or 0)) * 0.85**i, 3),
        "latency_ms": round(best.latency_ms * (1 + 0.3 * 0.8**i), 3),
    }


def summary(table: LatencyTable, rng: np.random.Generator) -> Summary:
    found = front(table, rng)
    reference = measured(record("efficientnet-b0", B0, table, "reference", published_top1=77.1), 1.015)
    fast = next(each for each in found if each.predicted_top1 >= reference.predicted_top1)
    better = [each for each in found if each.latency_ms <= reference.latency_ms][-1]
    mobile = reference_preset("mobilenet-v2")
    networks = (
        reference,
        measured(fast, 1.021).with_role("same_top1", "synthetic-as-good"),
        measured(better, 0.987).with_role("same_latency", "synthetic-as-fast"),
        measured(found[len(found) // 3], 1.03).with_role(""),
        dataclasses.replace(
            record("mobilenet-v2", mobile.architecture, _wider(table, mobile.architecture)),
            predicted_top1=None,
            predicted_top1_std=None,
            latency_ms=None,
            measured_latency_ms=4.9,
            published_top1=mobile.published_top1.percent if mobile.published_top1 else 72.0,
            warnings=("outside the predictor's domain: no predicted top-1",),
        ),
    )
    best = found[-1]
    history = (
        *(entry(best, len(found), 200.0 * (15 * restart + i + 1), i, restart) for restart in (0, 1) for i in range(15)),
        entry(best, len(found), 6200.0, 40),
    )
    return Summary(
        command="hwsearch run --target cpu --budget 'latency_ms<=11' --budget 'params<=9M' --seed 0 -o runs/synthetic",
        created="2026-01-01T00:12:00Z",
        hwsearch_version="0.1.0",
        space="efficientnet-b0",
        seed=0,
        budgets=("latency_ms<=11", "params<=9000000"),
        setup=SETUP,
        table=table.name,
        fidelity=table.fidelity,
        networks=networks,
        front=tuple(found),
        evaluated=6000,
        seconds={"profile": 412.0, "search": 9.4, "measure": 48.2, "scale": 3.1, "export": 6.6},
        signal="imagenet",
        signal_note="ImageNet top-1 as 5,138 networks of this space reached it under one short training scheme.",
        history=history,
        exports=(
            {"network": "synthetic-as-good", "format": "timm", "folder": "exports/timm/synthetic-as-good"},
            {"network": "synthetic-as-good", "format": "onnx", "folder": "exports/onnx/synthetic-as-good"},
            {"network": "synthetic-as-fast", "format": "keras-cv", "refused": "stages[2].se_ratio: one for all there"},
        ),
        noise_floor_mape=0.017,
        warnings=("synthetic figures: made by a test, measured nowhere",),
    )


def _wider(table: LatencyTable, network: Architecture) -> LatencyTable:
    return dataclasses.replace(table, ops={**table.ops, **{op: op_latency(op) for op in ops(network)}})


@functools.cache
def _made() -> tuple[LatencyTable, Summary]:
    rng = np.random.default_rng(7)
    table = latency_table(rng)
    return table, summary(table, rng)


MEASURED = ("efficientnet-b0", "efficientnet-b1", "efficientnet-lite0", "mobilenet-v2", "mnasnet-a1")


def measurement() -> Measurement:
    """Published networks on the synthetic device: what they take grows with their MACs."""
    networks = tuple(reference_preset(name).architecture for name in MEASURED)
    ms = np.array([cost(each).macs / 55e6 for each in networks])
    return Measurement(SETUP, networks, np.stack([ms, ms * 1.01, ms * 1.02]))


DEVICES = {"Synthetic NPU": ("other", 0.02, 4.0), "Synthetic GPU": ("depthwise", 0.01, 0.2)}
"""Of each further device: which part is slower (or faster) there, how fast it is as a whole, and by how much."""


def device_table(name: str) -> LatencyTable:
    """The synthetic table as another device would have it: of another speed, and with other dear parts."""
    part, speed, factor = DEVICES[name]
    table = _made()[0]

    def on_device(op: OpLatency) -> OpLatency:
        parts = {each: ms * speed * (factor if each == part else 1.0) for each, ms in op.parts_ms.items()}
        return OpLatency(sum(parts.values()), parts, 4)

    found = {op: on_device(latency) for op, latency in table.ops.items()}
    setup = dataclasses.replace(SETUP, target="npu", device=Device(name, 0, ""), threads=0)
    label = name.lower().replace(" ", "-")
    return dataclasses.replace(table, name=label, setup=setup, constant_ms=0.0, ops=found, sessions=(), fidelity=None)


@functools.cache
def _found_on(name: str) -> tuple[LatencyTable, tuple[NetworkRecord, ...], tuple[NetworkRecord, ...]]:
    """A device's table, the winners there, and the front."""
    table, rng = device_table(name), np.random.default_rng(11)
    sampled = [record("", space().decode(row), table) for row in space().sample(800, rng)]
    reference = record("efficientnet-b0", B0, table, "reference", published_top1=77.1)
    found: list[NetworkRecord] = []
    for each in sorted(sampled, key=lambda r: (r.latency_ms, -r.predicted_top1)):
        if not found or each.predicted_top1 > found[-1].predicted_top1:
            found.append(dataclasses.replace(each, name=f"{table.name}-{len(found)}", role="front"))
    slack = 3.0  # networks drawn at random are worse than those that a search finds
    fast = next(each for each in found if each.predicted_top1 >= reference.predicted_top1 - slack)
    better = [each for each in found if each.latency_ms <= reference.latency_ms][-1]
    winners = (
        fast.with_role("same_top1", f"{table.name}-as-good"),
        better.with_role("same_latency", f"{table.name}-as-fast"),
    )
    return table, (reference, *winners), tuple(found)


def write_device_run(path: Path, name: str, **changes) -> RunDirectory:
    """A synthetic run on another device: the winners there are its own."""
    table, networks, front = _found_on(name)
    run = RunDirectory(path)
    own = {"setup": table.setup, "table": table.name, "fidelity": None, "networks": networks, "front": front}
    whole = {**own, "warnings": (), "noise_floor_mape": None, "exports": (), **changes}
    save_summary(dataclasses.replace(_made()[1], **whole), run.summary)
    save_table(table, run.table)
    return run


def write_run(path: Path, with_table: bool = True, with_family: bool = True, **changes) -> RunDirectory:
    """A whole synthetic run; ``changes`` replace fields of its summary."""
    table, found = _made()
    run = RunDirectory(path)
    save_summary(dataclasses.replace(found, **changes), run.summary)
    if with_table:
        save_table(table, run.table)
    if with_family:
        save_family(family(found.by_role("same_top1").architecture, table), run.family)
        save_measurement(measurement(), run.measured)
    return run
