"""Measuring a latency table in context: covers are profiled for shares, everything is timed in rounds.

The plan follows from the space and the seed alone, every result goes into a journal at once, and a profile
that was interrupted continues where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from hwsearch.architecture import Architecture
from hwsearch.device import Setup
from hwsearch.errors import InputError
from hwsearch.journal import Journal
from hwsearch.latency import FloatArray, levels
from hwsearch.latency_table import LatencyTable, MeasuredNetwork, Role, Session
from hwsearch.preset import reference_preset
from hwsearch.profiling.covering import cover
from hwsearch.profiling.in_context import solve
from hwsearch.profiling.timing import DEFAULT_SECONDS, time_rounds
from hwsearch.runtimes import PartTimes, Runtime
from hwsearch.search_space import Population, SearchSpace

DEFAULT_COVERS = 3
DEFAULT_HELD_OUT = 24
PROFILED_RUNS = 8
MAX_PASSES = 4
"""A design network is profiled once, and up to three times more while its profile looks disturbed."""
DISTURBED = 1.12
"""Slowed down by the profiler this much more than the least slowed quarter is disturbed; nodes explain less."""
SMALL_NETWORKS = 2
"""Design networks at the small end of a space, beside the covers."""
REFERENCES = ("efficientnet-b0", "mobilenet-v2")
"""Networks that every session measures: they show drift, and tie sessions together."""
JOURNAL_SUFFIX = ".partial"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a measurement is."""

    step: str
    done: int
    total: int


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Planned:
    """A network that a profile measures."""

    architecture: Architecture
    role: Role


@dataclass(frozen=True, slots=True)
class ProfileSettings:
    """How much is measured. ``seconds`` is for the timing rounds; profiling shares takes about 10 more."""

    seed: int = 0
    covers: int = DEFAULT_COVERS
    held_out: int = DEFAULT_HELD_OUT
    seconds: float = DEFAULT_SECONDS
    command: str = ""
    """The command line, for the record."""

    def __post_init__(self) -> None:
        limits = {"covers": (1, 100), "held_out": (2, 10_000), "seconds": (0.1, 1e6)}
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise InputError(f"{name} = {getattr(self, name)}", allowed=f"{low}..{high}")


def plan(space: SearchSpace, settings: ProfileSettings, *, has_profiler: bool = True) -> tuple[Planned, ...]:
    """What a profile of a space measures: covers, held-out random networks, references.

    A device without a profiler gets random design networks as well: sums need more of them than shares do.
    """
    rng = np.random.default_rng([settings.seed, 1])
    rows = np.concatenate([*(cover(space, rng) for _ in range(settings.covers)), smallest(space, SMALL_NETWORKS, rng)])
    if not has_profiler:
        rows = np.concatenate([rows, space.sample(len(rows), rng)])
    held_out = space.sample(settings.held_out, np.random.default_rng([settings.seed, 2]))
    return (
        *(Planned(space.decode(row), "design") for row in rows),
        *(Planned(space.decode(row), "held_out") for row in held_out),
        *references(),
    )


def references() -> tuple[Planned, ...]:
    """The networks of every session."""
    return tuple(Planned(reference_preset(name).architecture, "reference") for name in REFERENCES)


def profile(
    runtime: Runtime,
    planned: Sequence[Planned],
    settings: ProfileSettings,
    journal_path: Path,
    *,
    name: str,
    earlier: Sequence[Session] = (),
    on_progress: OnProgress | None = None,
) -> LatencyTable:
    """Measure the planned networks and solve the table, together with earlier sessions of the same setup.

    Results are appended to the journal as they come; it is removed by whoever has saved the table.
    """
    session = _Measurement(runtime, planned, settings, on_progress or (lambda progress: None)).run(journal_path)
    return solve(name, runtime.setup, (*earlier, session))


def journal_of(table: Path) -> Path:
    """Where the journal of a table lies while it is being measured."""
    return table.with_name(table.name + JOURNAL_SUFFIX)


def drop_finished(journal: Path, table: Path) -> None:
    """Remove a journal older than its table: a kill came between saving the one and removing the other."""
    if journal.exists() and table.exists() and journal.stat().st_mtime_ns <= table.stat().st_mtime_ns:
        journal.unlink()


class _Measurement:
    """One session under way."""

    def __init__(
        self, runtime: Runtime, planned: Sequence[Planned], settings: ProfileSettings, on_progress: OnProgress
    ) -> None:
        self._runtime = runtime
        self._planned = planned
        self._settings = settings
        self._on_progress = on_progress
        self._profiles: dict[tuple[int, int], dict[str, tuple[float, int]]] = {}
        self._turns: dict[tuple[int, int], float] = {}
        self._spent = 0.0
        self._started = time.monotonic()

    def run(self, journal_path: Path) -> Session:
        """Measure what the journal does not hold yet."""
        with Journal(journal_path, self._header()) as journal:
            for event in journal.events:
                self._replay(event, str(journal_path))
            self._started = time.monotonic()
            self._take_profiles(journal, 0, self._design())
            samples = self._take_turns(journal)
            for number in range(1, MAX_PASSES):
                self._take_profiles(journal, number, self._disturbed(samples))
            seconds = self._seconds
        networks = tuple(
            MeasuredNetwork(
                each.architecture.text,
                each.role,
                tuple(float(ms) for ms in samples[:, index]),
                self._profile_of(index),
            )
            for index, each in enumerate(self._planned)
        )
        created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Session(created, self._settings.command, seconds, networks)

    @property
    def _seconds(self) -> float:
        """How long this session has taken so far, with what an interrupted one had taken before."""
        return round(self._spent + time.monotonic() - self._started, 2)

    def _header(self) -> dict[str, Any]:
        return {
            "format": "hwsearch-profile-journal",
            "version": 1,
            "setup": [str(part) for part in self._runtime.setup.identity],
            "seconds": self._settings.seconds,
            "networks": [[each.architecture.text, each.role] for each in self._planned],
        }

    def _replay(self, event: Mapping[str, Any], where: str) -> None:
        try:
            if "profile" in event:
                parts = {str(key): (float(ms), int(nodes)) for key, (ms, nodes) in event["parts"].items()}
                self._profiles[int(event["profile"]), int(event["pass"])] = parts
            else:
                self._turns[int(event["round"]), int(event["network"])] = float(event["ms"])
            self._spent = float(event["seconds"])
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            raise InputError(f"not an event of a profile: {str(event)[:60]}", where=where) from None

    def _take_profiles(self, journal: Journal, number: int, wanted: Sequence[int]) -> None:
        """One pass over design networks, less what the journal holds of it."""
        step = "profiling shares" if number == 0 else f"profiling shares anew, pass {number + 1}"
        for done, index in enumerate(wanted):
            self._on_progress(Progress(step, done, len(wanted)))
            if (index, number) in self._profiles:
                continue
            network = self._runtime.load_profiled(self._planned[index].architecture)
            try:
                parts = typical_run(network.part_times(PROFILED_RUNS))
            finally:
                network.close()
            self._profiles[index, number] = parts
            journal.append({"profile": index, "pass": number, "parts": parts, "seconds": self._seconds})
        if wanted:
            self._on_progress(Progress(step, len(wanted), len(wanted)))

    def _design(self) -> list[int]:
        """The networks that are profiled."""
        if not self._runtime.has_profiler:
            return []
        return [index for index, each in enumerate(self._planned) if each.role == "design"]

    def _profile_of(self, index: int) -> dict[str, tuple[float, int]]:
        """The quieter of a network's passes: what disturbs a machine for seconds disturbs one of them."""
        passes = [parts for (network, _), parts in self._profiles.items() if network == index]
        return min(passes, key=_total_ms, default={})

    def _disturbed(self, samples: FloatArray) -> list[int]:
        """Networks that ran much slower under the profiler than others did: something else ran beside them."""
        design, walls = self._design(), levels(samples)[0]
        slowed = np.array([_total_ms(self._profile_of(index)) / walls[index] for index in design])
        limit = DISTURBED * np.quantile(slowed, 0.25) if design else 0.0
        return [index for index, ratio in zip(design, slowed, strict=True) if ratio > limit]

    def _take_turns(self, journal: Journal) -> FloatArray:
        total = 0
        done = len(self._turns)

        def on_plan(turns: int) -> None:
            nonlocal total
            total = turns

        def on_turn(number: int, network: int, ms: float) -> None:
            nonlocal done
            done += 1
            journal.append({"round": number, "network": network, "ms": round(ms, 5), "seconds": self._seconds})
            self._on_progress(Progress("timing networks", done, total))

        return time_rounds(
            self._runtime,
            [each.architecture for each in self._planned],
            seed=self._settings.seed,
            seconds=self._settings.seconds,
            taken=self._turns,
            on_turn=on_turn,
            on_plan=on_plan,
        )


def _total_ms(parts: Mapping[str, tuple[float, int]]) -> float:
    return sum(ms for ms, _ in parts.values())


def typical_run(runs: Sequence[PartTimes]) -> dict[str, tuple[float, int]]:
    """The median over the faster half of profiled runs of each part's ms and nodes, keyed ``<op index>/<part>``."""
    quiet = sorted(runs, key=lambda run: sum(each.ms for each in run.values()))[: (len(runs) + 1) // 2]
    found = {}
    for index, part in sorted({key for run in quiet for key in run}):
        times = [run[index, part] for run in quiet if (index, part) in run]
        if 2 * len(times) > len(quiet):
            ms = float(np.median([each.ms for each in times]))
            found[f"{index}/{part}"] = (round(ms, 6), int(np.median([each.nodes for each in times])))
    return found


def smallest(space: SearchSpace, count: int, rng: np.random.Generator) -> Population:
    """Networks at the small end of a space: least expansion and width in every stage, the rest random.

    Their feature maps and weights stay in a cache from which larger networks evict them, so their ops take less
    than in a cover; they tell the fit what a sum of ops leaves out.
    """
    rows = space.sample(count, rng)
    for column, name in enumerate(space.gene_names):
        if name == "resolution" or name.endswith(("expand_ratio", "out_channels")):
            rows[:, column] = 0
    return rows


def plan_networks(architectures: Sequence[Architecture]) -> tuple[Planned, ...]:
    """What extends a table to given networks: each of them as a design network, and the references."""
    distinct = dict.fromkeys(architectures)
    return (*(Planned(each, "design") for each in distinct), *references())


def same_setup(table: LatencyTable, setup: Setup, where: str) -> None:
    """Refuse to add to a table what was measured on another setup."""
    if table.setup.identity != setup.identity:
        raise InputError(
            f"the table is of another setup: {table.setup.label}; this is {setup.label}",
            where=where,
            next_command="hwsearch profile with another -o",
        )
