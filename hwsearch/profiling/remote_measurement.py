"""Whole networks timed by a command on several boards at once: the turns of shuffled rounds, wherever one is free.

Only for targets that run elsewhere (``command:FILE``): every worker stands for a board of the same kind. What
differs between the boards counts as noise, and shows in the noise floor.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from hwsearch.architecture import Architecture
from hwsearch.device import Precision, Setup
from hwsearch.errors import InputError
from hwsearch.executor import Executor, Item
from hwsearch.journal import Journal
from hwsearch.latency import FloatArray
from hwsearch.notation import parse
from hwsearch.profiling.measurement import DEFAULT_SECONDS, Measurement
from hwsearch.profiling.timing import MIN_ROUNDS, fastest_ms, order_of, rounds_within
from hwsearch.runtimes import RuntimeOptions, open_runtime

Turn = tuple[int, int]
"""(round, network)."""


@dataclass(frozen=True, slots=True)
class RemoteTarget:
    """A target as workers are told of it."""

    target: str
    """``command:`` and the executable's path, which is the same on every worker."""
    setup: Setup


def remote_measure(text: str, target: str, threads: int, batch: int, precision: str, turn: int) -> float:
    """On a worker: one turn of one network, ms. ``turn`` says the how-manieth, and tells one task from another."""
    runtime = open_runtime(target, RuntimeOptions(threads, batch, cast(Precision, precision)))
    network = runtime.load(parse(text))
    try:
        return fastest_ms(network)
    finally:
        network.close()


def measure_remotely(
    remote: RemoteTarget,
    architectures: Sequence[Architecture],
    executor: Executor,
    *,
    seconds: float = DEFAULT_SECONDS,
    seed: int = 0,
    journal_path: Path | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Measurement:
    """Time whole networks on an executor; turns that the journal holds are not taken again.

    The journal (in the working folder if none is named) is removed when every turn is there.
    """
    header = _header(remote, architectures, seconds, seed)
    with Journal(journal_path or default_journal(header), header) as journal:
        turns = _Turns(remote, architectures, executor, journal, on_progress)
        turns.take([(0, network) for network in order_of(seed, 0, len(architectures))], MIN_ROUNDS)
        rounds = rounds_within(seconds, [turns.taken[0, network] for network in range(len(architectures))])
        turns.take(list(_later_turns(rounds, len(architectures), seed)), rounds)
        journal.remove()
    return Measurement(remote.setup, tuple(architectures), turns.samples(rounds))


def default_journal(header: dict[str, Any]) -> Path:
    """A file of the working folder, another one for every question."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()
    return Path(f".hwsearch-measure-{digest[:12]}.partial")


class _Turns:
    """The turns of one measurement."""

    def __init__(
        self,
        remote: RemoteTarget,
        architectures: Sequence[Architecture],
        executor: Executor,
        journal: Journal,
        on_progress: Callable[[int, int], None] | None,
    ) -> None:
        self._remote, self._architectures, self._executor = remote, architectures, executor
        self._journal, self._on_progress = journal, on_progress
        self.taken: dict[Turn, float] = dict(_read_event(event, journal.path) for event in journal.events)

    def take(self, turns: Sequence[Turn], rounds: int) -> None:
        """Those of the turns that are not taken yet, each into the journal as it comes."""
        total, count = rounds * len(self._architectures), len(self._architectures)
        items = [
            self._item(number * count + network) for number, network in turns if (number, network) not in self.taken
        ]
        turn_of = {_turn_name(item): int(item[5]) for item in items}
        for name, ms in self._executor.map_unordered(remote_measure, items, key=_turn_name):
            number, network = divmod(turn_of[name], count)
            self._journal.append({"round": number, "network": network, "ms": round(ms, 5)})
            self.taken[number, network] = ms
            if self._on_progress:
                self._on_progress(len(self.taken), total)

    def samples(self, rounds: int) -> FloatArray:
        """Shape (rounds, networks), ms."""
        networks = range(len(self._architectures))
        return np.array([[self.taken[number, network] for network in networks] for number in range(rounds)])

    def _item(self, turn: int) -> Item:
        setup, text = self._remote.setup, self._architectures[turn % len(self._architectures)].text
        return (text, self._remote.target, setup.threads, setup.batch, setup.precision, turn)


def _turn_name(item: Item) -> str:
    return f"turn {item[5]}: {item[0]}"


def _later_turns(rounds: int, count: int, seed: int) -> Iterator[Turn]:
    for number in range(1, rounds):
        for network in order_of(seed, number, count):
            yield number, network


def _header(remote: RemoteTarget, architectures: Sequence[Architecture], seconds: float, seed: int) -> dict[str, Any]:
    return {
        "format": "hwsearch-measurement-journal",
        "version": 1,
        "target": remote.target,
        "setup": [str(part) for part in remote.setup.identity],
        "seconds": seconds,
        "seed": seed,
        "networks": [each.text for each in architectures],
    }


def _read_event(event: dict[str, Any], where: Path) -> tuple[Turn, float]:
    try:
        return (int(event["round"]), int(event["network"])), float(event["ms"])
    except (KeyError, TypeError, ValueError):
        raise InputError(f"not a turn of a measurement: {str(event)[:60]}", where=str(where)) from None
