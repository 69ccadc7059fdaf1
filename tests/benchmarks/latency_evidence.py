"""What ``latency_methods.py`` measures, and its file: networks and isolated models in the same shuffled rounds."""

from __future__ import annotations

import dataclasses
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from isolated_models import Isolated, model_makers

from hwsearch.architecture import Architecture
from hwsearch.device import Device, Setup
from hwsearch.json_file import write_json
from hwsearch.latency import FloatArray
from hwsearch.latency_table import setup_document
from hwsearch.notation import parse
from hwsearch.profiling.covering import cover
from hwsearch.profiling.profiler import PROFILED_RUNS, references, typical_run
from hwsearch.profiling.timing import time_rounds
from hwsearch.runtimes import Runtime, RuntimeOptions, open_runtime
from hwsearch.search_space import SearchSpace
from hwsearch.space_file import load_space

FORMAT, VERSION = "hwsearch-latency-methods", 1
EXTRA, HELD_OUT, REFERENCE = "extra", "held_out", "reference"


@dataclass(frozen=True)
class Settings:
    """How much is measured."""

    target: str
    space: str
    threads: int
    held_out: int
    covers: int
    rounds_seconds: float
    seed: int


@dataclass(frozen=True)
class Timed:
    """A network or an isolated model: one sample a round, and what each round's turn took, loading included."""

    name: str
    """Text form of a network, key of an isolated model."""
    group: str
    """``cover 1`` ..., ``extra`` (random, for fits on whole networks), ``held_out``, ``reference``; ``alone``."""
    samples_ms: tuple[float, ...]
    seconds: tuple[float, ...]
    profile: dict[str, tuple[float, int]] = dataclasses.field(default_factory=dict)
    profile_seconds: float = 0.0


@dataclass(frozen=True)
class Evidence:
    """One run of the benchmark."""

    setup: Setup
    settings: Settings
    created: str
    seconds: float
    networks: tuple[Timed, ...]
    alone: tuple[Timed, ...]


def planned_networks(space: SearchSpace, settings: Settings) -> list[tuple[Architecture, str]]:
    """Covers, as many random networks again, held-out ones, references; drawn as ``profiler.plan`` does."""
    rng = np.random.default_rng([settings.seed, 1])
    rows = [(row, f"cover {number + 1}") for number in range(settings.covers) for row in cover(space, rng)]
    rows += [(row, EXTRA) for row in space.sample(len(rows), rng)]
    held_out = space.sample(settings.held_out, np.random.default_rng([settings.seed, 2]))
    rows += [(row, HELD_OUT) for row in held_out]
    return [(space.decode(row), group) for row, group in rows] + [(r.architecture, REFERENCE) for r in references()]


def collect(settings: Settings) -> Evidence:
    """Measure everything once."""
    started = time.monotonic()
    runtime = open_runtime(settings.target, RuntimeOptions(settings.threads, 1, "f32"))
    space = load_space(settings.space)
    planned = planned_networks(space, settings)
    isolated = Isolated(settings.target, settings.threads, model_makers(space.blocks()))
    say(f"{runtime.setup.label}: {len(planned)} networks, {len(isolated.keys)} models alone")
    profiles = profile_shares(runtime, planned)
    rounds = _Rounds(isolated, len(planned), settings.seed)
    samples = time_rounds(
        runtime,
        [network for network, _ in planned],
        seed=settings.seed,
        seconds=settings.rounds_seconds,
        on_turn=rounds.on_turn,
        on_plan=rounds.on_plan,
    )
    networks = tuple(
        Timed(
            network.text,
            group,
            tuple(map(float, samples[:, index])),
            tuple(rounds.network_seconds[number, index] for number in range(len(samples))),
            *profiles.get(index, ({}, 0.0)),
        )
        for index, (network, group) in enumerate(planned)
    )
    created = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    seconds = time.monotonic() - started
    return Evidence(runtime.setup, settings, created, seconds, networks, rounds.alone(len(samples)))


def profile_shares(
    runtime: Runtime, planned: list[tuple[Architecture, str]]
) -> dict[int, tuple[dict[str, tuple[float, int]], float]]:
    """The typical profile of each network of a cover, and the seconds it took."""
    found = {}
    for index, (network, group) in enumerate(planned):
        if not group.startswith("cover"):
            continue
        started = time.monotonic()
        loaded = runtime.load_profiled(network)
        found[index] = typical_run(loaded.part_times(PROFILED_RUNS))
        loaded.close()
        found[index] = (found[index], time.monotonic() - started)
        say(f"profiled {len(found)}", end="\r")
    say("")
    return found


class _Rounds:
    """Takes the turns of the isolated models between those of the networks, so that drift falls on both."""

    def __init__(self, isolated: Isolated, networks: int, seed: int) -> None:
        self._isolated, self._networks, self._seed = isolated, networks, seed
        self._turns = 0
        self._total = 0
        self._last = time.monotonic()
        self.network_seconds: dict[tuple[int, int], float] = {}
        self._samples: dict[tuple[int, str], tuple[float, float]] = {}

    def on_plan(self, turns: int) -> None:
        self._total = turns

    def on_turn(self, number: int, network: int, ms: float) -> None:
        self.network_seconds[number, network] = time.monotonic() - self._last
        turn, keys = self._turns % self._networks, self._isolated.keys
        order = np.random.default_rng([self._seed, 7, number]).permutation(len(keys))
        for index in order[turn * len(keys) // self._networks : (turn + 1) * len(keys) // self._networks]:
            started = time.monotonic()
            self._samples[number, keys[index]] = (self._isolated.turn_ms(keys[index]), time.monotonic() - started)
        self._turns += 1
        if self._turns % 20 == 0:
            say(f"turn {self._turns} of {self._total}", end="\r")
        self._last = time.monotonic()

    def alone(self, rounds: int) -> tuple[Timed, ...]:
        say("")
        return tuple(
            Timed(key, "alone", *zip(*(self._samples[number, key] for number in range(rounds)), strict=True))
            for key in self._isolated.keys
        )


def say(text: str, end: str = "\n") -> None:
    """Progress."""
    print(text, end=end, file=sys.stderr, flush=True)


def samples_of(timed: tuple[Timed, ...]) -> FloatArray:
    """Samples in ms, shape (rounds, items)."""
    return np.array([each.samples_ms for each in timed], dtype=np.float64).T


def save(evidence: Evidence, results: dict[str, Any], path: Path) -> None:
    """Everything measured, and the figures that follow."""

    def rows(timed: tuple[Timed, ...]) -> list[dict[str, Any]]:
        return [_row(each) for each in timed]

    document = {
        "format": FORMAT,
        "version": VERSION,
        "created": evidence.created,
        "seconds": round(evidence.seconds, 1),
        "setup": setup_document(evidence.setup),
        "settings": dataclasses.asdict(evidence.settings),
        **results,
        "networks": rows(evidence.networks),
        "alone": rows(evidence.alone),
    }
    write_json(path, document)


def _row(timed: Timed) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": timed.name,
        "group": timed.group,
        "samples_ms": [round(ms, 5) for ms in timed.samples_ms],
        "seconds": [round(seconds, 4) for seconds in timed.seconds],
    }
    if timed.profile:
        row["profile"] = {key: [round(ms, 5), nodes] for key, (ms, nodes) in timed.profile.items()}
        row["profile_seconds"] = round(timed.profile_seconds, 3)
    return row


def from_document(document: dict[str, Any]) -> Evidence:
    """The evidence of an earlier run, to be judged again."""
    setup = dict(document["setup"])
    setup["device"] = Device(**setup["device"])

    def timed(rows: list[dict[str, Any]]) -> tuple[Timed, ...]:
        return tuple(
            Timed(
                row["name"],
                row["group"],
                tuple(row["samples_ms"]),
                tuple(row["seconds"]),
                {key: tuple(value) for key, value in row.get("profile", {}).items()},
                row.get("profile_seconds", 0.0),
            )
            for row in rows
        )

    networks, alone = timed(document["networks"]), timed(document["alone"])
    settings = Settings(**document["settings"])
    return Evidence(Setup(**setup), settings, document["created"], document["seconds"], networks, alone)


def architectures(timed: tuple[Timed, ...]) -> list[Architecture]:
    """The networks themselves."""
    return [parse(each.name) for each in timed]
