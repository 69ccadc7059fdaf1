"""A runtime in closed form: every node takes a fixed time, so that what a measurement must find is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache

import numpy as np

from hwsearch.architecture import Architecture
from hwsearch.cost import layer_macs
from hwsearch.device import Device, Setup
from hwsearch.latency_table import LatencyTable, OpLatency
from hwsearch.operation import Layer, Op, layers, ops
from hwsearch.runtimes import PartTime, PartTimes
from hwsearch.search_space import SearchSpace, StageSpace

SETUP = Setup("cpu", Device("Fake CPU", 2, "Linux x86_64"), "fake", "1.0", 1, 1, "f32")
NODE_MS = 0.004
MS_A_MAC = 3e-8


def node_ms(layer: Layer) -> float:
    """What one node takes."""
    return NODE_MS + MS_A_MAC * layer_macs(layer)


@cache
def op_ms(op: Op) -> float:
    """What one op takes: the sum of its nodes."""
    return sum(node_ms(layer) for layer in layers(op))


@cache
def network_ms(network: Architecture) -> float:
    """What a whole network takes."""
    return sum(op_ms(op) for op in ops(network))


def fake_parts(op: Op) -> dict[str, float]:
    """What the parts of an op take."""
    parts: dict[str, float] = {}
    for layer in layers(op):
        parts[layer.part] = parts.get(layer.part, 0.0) + node_ms(layer)
    return parts


def fake_table(*spaces_or_networks: SearchSpace | Architecture, name: str = "fake", **changes: object) -> LatencyTable:
    """A table that holds the true latency of every op of spaces and networks."""
    found: dict[Op, OpLatency] = {}
    for each in spaces_or_networks:
        for op in each.blocks() if isinstance(each, SearchSpace) else ops(each):
            found[op] = OpLatency(op_ms(op), fake_parts(op), 2)
    return dataclasses.replace(LatencyTable(name, SETUP, "in_context", 0.0, found, None), **changes)


@dataclasses.dataclass
class FakeRuntime:
    """Runs nothing. ``before_run`` hears the number of every run (from 0) and may raise, or give another ms."""

    node_cost_ms: float = 0.0
    """What the profiler adds to every node."""
    slowdown: float = 1.0
    """What the profiler multiplies every node by."""
    constant_ms: float = 0.0
    """What a whole network takes beyond its nodes."""
    level: Callable[[int], float] = lambda number: 1.0
    """How much slower the machine is at that run."""
    digits: int | None = None
    """Decimals of a reported latency: few enough for a journal to keep them all."""
    has_profiler: bool = True
    setup: Setup = SETUP
    before_run: Callable[[int], float | None] = lambda number: None
    before_profile: Callable[[int], None] = lambda number: None
    runs: int = 0
    profiles: int = 0
    loaded: list[Architecture] = dataclasses.field(default_factory=list)
    open_networks: int = 0

    def load(self, architecture: Architecture) -> FakeNetwork:
        self.loaded.append(architecture)
        self.open_networks += 1
        return FakeNetwork(self, architecture)

    def load_profiled(self, architecture: Architecture) -> FakeNetwork:
        return self.load(architecture)


class FakeNetwork:
    def __init__(self, runtime: FakeRuntime, architecture: Architecture) -> None:
        self.runtime, self.architecture, self.closed = runtime, architecture, False

    def run_ms(self) -> float:
        assert not self.closed, "a closed network was run"
        number = self.runtime.runs
        self.runtime.runs += 1
        given = self.runtime.before_run(number)
        if given is not None:
            return given
        ms = (network_ms(self.architecture) + self.runtime.constant_ms) * self.runtime.level(number)
        return ms if self.runtime.digits is None else round(ms, self.runtime.digits)

    def part_times(self, runs: int) -> list[PartTimes]:
        assert not self.closed, "a closed network was profiled"
        number = self.runtime.profiles
        self.runtime.profiles += 1
        self.runtime.before_profile(number)
        found: dict[tuple[int, str], PartTime] = {}
        for index, op in enumerate(ops(self.architecture)):
            for layer in layers(op):
                ms = node_ms(layer) * self.runtime.slowdown + self.runtime.node_cost_ms
                found[index, layer.part] = found.get((index, layer.part), PartTime(0.0, 0)).plus(ms)
        return [dict(found) for _ in range(runs)]

    def close(self) -> None:
        assert not self.closed, "a network was closed twice"
        self.closed = True
        self.runtime.open_networks -= 1


def tiny_space(**changes: object) -> SearchSpace:
    """Two stages with 2 x 2 x 2 x 2 choices each: 256 networks."""
    stage = StageSpace(2, (1, 4), (3, 5), (1, 2), (0.0, 0.25), (16,))
    space = SearchSpace("tiny", (32,), 8, (stage, dataclasses.replace(stage, out_channels=(24,))), 64, "swish", 10)
    return dataclasses.replace(space, **changes)


def random_space(rng: np.random.Generator) -> SearchSpace:
    """A small space of random shape: up to three stages, any field with one to three choices."""

    def some(values: list[float], most: int = 2) -> tuple:
        return tuple(sorted(rng.choice(values, size=rng.integers(1, most + 1), replace=False).tolist()))

    stages = [
        StageSpace(
            int(rng.integers(1, 3)),
            some([1, 2, 4, 6]),
            some([1, 3, 5]),
            some([1, 2, 3, 4]),
            some([0.0, 0.1, 0.25]),
            some([8, 12, 16]),
        )
        for _ in range(rng.integers(1, 4))
    ]
    return SearchSpace("random", some([32, 33, 40, 64], 3), 8, tuple(stages), 16, "relu", 10)
