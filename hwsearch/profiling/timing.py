"""Whole networks timed in shuffled rounds: the only way latencies of a shared machine can be compared.

In every round each network takes one turn, in random order: one run to warm up, then a few timed ones of
which the fastest counts. Slow drift then falls on all networks alike, and a spike on one turn of one.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from hwsearch.architecture import Architecture
from hwsearch.cost import cost
from hwsearch.device import available_memory_bytes
from hwsearch.errors import InputError, UnavailableError
from hwsearch.latency import FloatArray
from hwsearch.runtimes import LoadedNetwork, Runtime

RUNS_A_TURN = 4
LONG_TURN_MS = 400.0
"""A turn stops early once it has taken this long: slow networks need fewer runs."""

MIN_ROUNDS, MAX_ROUNDS = 6, 30
DEFAULT_SECONDS = 34.0

Turn = tuple[int, int]
"""(round, network)."""
OnTurn = Callable[[int, int, float], None]
"""Called after every turn with round, network, ms."""


def check_seconds(seconds: float) -> None:
    """InputError unless it is a time that rounds can be given; for who wants to know before all else is done."""
    if not (math.isfinite(seconds) and seconds > 0):
        raise InputError(f"seconds = {seconds}", allowed="a number above 0")


def time_rounds(
    runtime: Runtime,
    architectures: Sequence[Architecture],
    *,
    seed: int,
    seconds: float = DEFAULT_SECONDS,
    taken: Mapping[Turn, float] | None = None,
    on_turn: OnTurn | None = None,
    on_plan: Callable[[int], None] | None = None,
) -> FloatArray:
    """Samples in ms, shape (rounds, networks). Turns in ``taken`` are not measured again.

    The first round decides how many fit into ``seconds`` (6 to 30); ``on_plan`` hears the number of turns.
    """
    check_seconds(seconds)
    samples: dict[Turn, float] = dict(taken or {})
    count = len(architectures)
    rounds = MIN_ROUNDS
    if on_plan:
        on_plan(rounds * count)
    with _Bench(runtime, architectures) as bench, _no_garbage_collection():
        number = 0
        while number < rounds:
            for network in order_of(seed, number, count):
                if (number, network) not in samples:
                    samples[number, network] = bench.turn_ms(network)
                    if on_turn:
                        on_turn(number, network, samples[number, network])
            if number == 0:
                rounds = rounds_within(seconds, [samples[0, network] for network in range(count)])
                if on_plan:
                    on_plan(rounds * count)
            number += 1
    return np.array([[samples[number, network] for network in range(count)] for number in range(rounds)])


def order_of(seed: int, number: int, count: int) -> list[int]:
    """The networks of a round, shuffled."""
    # the order of a round depends on its number alone, so that a resumed measurement goes on as planned
    return [int(index) for index in np.random.default_rng([seed, number]).permutation(count)]


def rounds_within(seconds: float, first_round_ms: Sequence[float]) -> int:
    """How many rounds fit into ``seconds``, by what the networks took in the first: 6 to 30."""
    round_seconds = sum(first_round_ms) * (RUNS_A_TURN + 1) / 1000
    return int(np.clip(round(seconds / max(round_seconds, 1e-6)), MIN_ROUNDS, MAX_ROUNDS))


class _Bench:
    """Loaded networks. Those that do not fit into memory together are loaded for each turn."""

    def __init__(self, runtime: Runtime, architectures: Sequence[Architecture]) -> None:
        self._runtime = runtime
        self._architectures = architectures
        self._resident: dict[int, LoadedNetwork] = {}
        self._room = (available_memory_bytes() or 4 << 30) / 2

    def __enter__(self) -> _Bench:
        return self

    def __exit__(self, *_: object) -> None:
        for network in self._resident.values():
            network.close()
        self._resident.clear()

    def turn_ms(self, index: int) -> float:
        """The fastest of a few runs, after one to warm up."""
        network = self._resident.get(index)
        if network is not None:
            return self._turn(network)
        network = self._runtime.load(self._architectures[index])
        try:
            network_ms = self._turn(network)
        except BaseException:
            network.close()
            raise
        if self._fits(self._architectures[index]):
            self._resident[index] = network
        else:
            network.close()
        return network_ms

    def _turn(self, network: LoadedNetwork) -> float:
        # a command is a whole process: it warms up and repeats by itself, and starting it may take seconds
        return fastest_ms(network) if self._runtime.has_profiler else _checked(network.run_ms())

    def _fits(self, architecture: Architecture) -> bool:
        price = cost(architecture)
        batch = self._runtime.setup.batch
        # weights are held twice (as read, and packed for the kernels); activations get an arena of several maps
        self._room -= 2 * 4 * price.params + 4 * price.activation_bytes * batch
        return self._room > 0


def fastest_ms(network: LoadedNetwork) -> float:
    """One turn of a network, ms: the fastest of a few runs, after one to warm up."""
    spent = _checked(network.run_ms())
    fastest = np.inf
    for _ in range(RUNS_A_TURN):
        ms = _checked(network.run_ms())
        fastest, spent = min(fastest, ms), spent + ms
        if spent > LONG_TURN_MS:
            break
    return float(fastest)


def _checked(ms: float) -> float:
    if not (np.isfinite(ms) and ms > 0):
        raise UnavailableError(f"the runtime reported a latency of {ms!r} ms")
    return ms


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
