"""The search: NSGA-II from several independent populations, then exhaustive neighbourhoods of what they found.

A search is a sequence of steps, each a function of the state before it; that is why a checkpoint between
any two steps goes on to the identical result. A space no larger than what the populations would score is
scored whole instead.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from hwsearch.architecture import Architecture
from hwsearch.budget import Budget, plain_number
from hwsearch.errors import InfeasibleError
from hwsearch.evolution.archive import empty_archive
from hwsearch.evolution.neighbourhood import Moves, batches, climb, far_moves, gene_moves, near_moves
from hwsearch.evolution.operators import (
    binary_tournament,
    distinct_rows,
    mutate,
    rank_and_crowding,
    select_survivors,
    uniform_crossover,
)
from hwsearch.evolution.problem import Problem, default_objectives
from hwsearch.evolution.result import Found, Generation, SearchResult, found_networks, rows_of
from hwsearch.evolution.settings import SearchSettings
from hwsearch.evolution.state import State, load_state, question, save_state
from hwsearch.pareto import FloatArray, IntArray
from hwsearch.scoring import Scorer
from hwsearch.search_space import Population, SearchSpace

POLISH_AT_ONCE = 64
"""Networks of the front whose neighbours are scored in one step."""
_NEAR, _FAR = 2, 3  # how far an archive's network is explored: 0 not at all, 1 one gene
SAVE_EVERY_S = 5.0
"""Seconds between two checkpoints."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a progress callback is told after every step."""

    phase: str
    done: float
    """Share of the work done, 0 to 1; an estimate once the populations have ended."""
    evaluated: int
    front_size: int
    best: dict[str, float]
    """Scores of the best network so far (which may not meet the budgets yet)."""


def search(
    space: SearchSpace,
    scorer: Scorer,
    objectives: Sequence[str] | None = None,
    budgets: Sequence[Budget] = (),
    *,
    settings: SearchSettings | None = None,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
    checkpoint: Path | None = None,
    reference: Architecture | None = None,
) -> SearchResult:
    """Search ``space`` for the best network and the front of ``objectives`` within ``budgets``.

    ``checkpoint`` is a file: gone on from if it is there, written every few seconds and on Ctrl-C (the
    KeyboardInterrupt is passed on), removed at the end. ``reference``, if it lies in the space, starts every
    population and is scored in the result.

    Raises InfeasibleError when no network meets the budgets (with the least reachable, or the closest network
    found), InputError for unknown metrics, for a missing accuracy signal without explicit ``objectives``, and
    for a checkpoint of another search.
    """
    if space != scorer.space:
        raise ValueError("the scorer is of another space")
    settings = settings or SearchSettings()
    problem = Problem(scorer, tuple(objectives or default_objectives(scorer)), tuple(budgets))
    problem.refuse_impossible()
    given = _reference_row(space, reference)
    start = np.concatenate((given, problem.least_rows()))
    run = _Run(problem, settings, start[distinct_rows(start)], progress)
    asked = question(problem, settings, seed, run.start)
    state = load_state(problem, asked, checkpoint) if checkpoint and checkpoint.exists() else run.first_state(seed)
    state = _follow(run, state, asked, checkpoint)
    result = _result(run, state, given, seed)
    if checkpoint:
        checkpoint.unlink(missing_ok=True)
    return result


def _follow(run: _Run, state: State, asked: str, checkpoint: Path | None) -> State:
    saved = time.monotonic()
    try:
        while state.phase != "done":
            began = time.perf_counter()
            following = run.step(state)
            state = dataclasses.replace(following, seconds=state.seconds + time.perf_counter() - began)
            if checkpoint and time.monotonic() - saved > SAVE_EVERY_S:
                save_state(state, asked, checkpoint)
                saved = time.monotonic()
            run.tell(state)
    except KeyboardInterrupt:
        if checkpoint:
            save_state(state, asked, checkpoint)
        raise
    return state


@dataclass(frozen=True, eq=False)
class _Run:
    problem: Problem
    settings: SearchSettings
    start: Population
    progress: Callable[[Progress], None] | None

    @property
    def scorer(self) -> Scorer:
        return self.problem.scorer

    @cached_property
    def _moves(self) -> dict[int, Moves]:
        cardinalities = self.scorer.space.cardinalities
        return {1: gene_moves(cardinalities, 1), _NEAR: near_moves(cardinalities), _FAR: far_moves(cardinalities)}

    def first_state(self, seed: int) -> State:
        rng = np.random.Generator(np.random.PCG64(seed))
        nothing = empty_archive(self.problem)
        return State("evolve", 0, 0, nothing.rows, nothing.scores, nothing, nothing, dict(rng.bit_generator.state))

    def step(self, state: State) -> State:
        """One generation, one round of polishing, or the final climb."""
        if state.phase == "evolve":
            if self.scorer.space.size <= self.settings.evaluations:
                return self._enumerate(state)
            return self._populate(state) if state.generation == 0 else self._generation(state)
        if state.phase in ("polish", "unite"):
            return self._polish(state)
        return self._climb(state)

    def tell(self, state: State) -> None:
        if self.progress is not None:
            last = state.history[-1]
            self.progress(Progress(last.phase, self._done(state), state.evaluated, last.front_size, last.best))

    def _done(self, state: State) -> float:
        settings = self.settings
        each = 0.8 / settings.restarts
        if state.phase == "evolve":
            return each * (state.restart + 0.4 * state.generation / (settings.generations + 1))
        explored = float(np.mean(state.archive.explored / _FAR))
        if state.phase == "polish":
            return each * (state.restart + 0.4 + 0.6 * explored)
        return 1.0 if state.phase == "done" else 0.8 + 0.15 * explored

    def _enumerate(self, state: State) -> State:
        space, archive = self.scorer.space, state.archive
        shape = tuple(space.cardinalities.tolist())
        for first in range(0, space.size, 65_536):
            numbers = np.arange(first, min(first + 65_536, space.size))
            rows = np.stack(np.unravel_index(numbers, shape), axis=1).astype(np.int8)
            archive = archive.joined(self.problem, rows, self.scorer.matrix(rows), self.settings.capacity)
        state = dataclasses.replace(state, archive=archive, evaluated=space.size, exhaustive=True)
        return self._noted(state, "enumerate", "done")

    def _populate(self, state: State) -> State:
        rng = state.generator()
        rows = np.concatenate((self.start, self.scorer.space.sample(self.settings.population, rng)))
        rows = rows[distinct_rows(rows)][: self.settings.population]
        return self._born(state, rows, self.scorer.matrix(rows), rows, rng)

    def _generation(self, state: State) -> State:
        rng = state.generator()
        children = self._children(state, rng)
        scores = self.scorer.matrix(children)
        rows = np.concatenate((state.rows, children))
        all_scores = np.concatenate((state.scores, scores))
        values, violation = self.problem.values(all_scores), self.problem.violation(all_scores)
        kept = select_survivors(values, violation, self.settings.population)
        living = dataclasses.replace(state, rows=rows[kept], scores=all_scores[kept])
        return self._born(living, children, scores, living.rows, rng)

    def _born(
        self, state: State, rows: Population, scores: FloatArray, living: Population, rng: np.random.Generator
    ) -> State:
        if state.generation == 0:
            state = dataclasses.replace(state, rows=living, scores=scores)
        archive = state.archive.joined(self.problem, rows, scores, self.settings.capacity)
        state = dataclasses.replace(
            state, archive=archive, evaluated=state.evaluated + len(rows), rng=dict(rng.bit_generator.state)
        )
        state = self._noted(state, "evolve", "evolve")
        if state.generation < self.settings.generations:
            return dataclasses.replace(state, generation=state.generation + 1)
        return dataclasses.replace(state, phase="polish")

    def _children(self, state: State, rng: np.random.Generator) -> Population:
        """As many new networks as the population holds (fewer only when luck finds no more), none of them in it."""
        cardinalities = self.scorer.space.cardinalities
        values, violation = self.problem.values(state.scores), self.problem.violation(state.scores)
        ranks, crowding = rank_and_crowding(values, violation)
        rate = self.settings.mutated_genes / max(1, int((cardinalities > 1).sum()))
        wanted, found = self.settings.population, state.rows[:0]
        for _ in range(8):
            first, second = (state.rows[binary_tournament(ranks, crowding, wanted, rng)] for _ in range(2))
            crossed = rng.random((wanted, 1)) < self.settings.crossover_rate
            made = np.where(crossed, uniform_crossover(first, second, rng), first)
            made = mutate(made, cardinalities, rate, rng)
            fresh = made[distinct_rows(made, np.concatenate((state.rows, found)))]
            found = np.concatenate((found, fresh))[: self.settings.population]
            if len(found) == self.settings.population:
                break
        return found

    def _polish(self, state: State) -> State:
        """One round over the networks of the archive that are the least explored.

        Each restart looks one gene around, then near, until nothing new comes or its share of evaluations is
        spent; what all restarts found together then looks far.
        """
        last = state.phase == "unite"
        share = 1.0 if last else (state.restart + 1) / (self.settings.restarts + 1)
        left = int(self.settings.polish_evaluations * share) - state.polished
        reach = int(state.archive.explored.min()) + 1
        if left <= 0 or reach > (_FAR if last else _NEAR):
            return dataclasses.replace(state, phase="climb") if last else self._restarted(state)
        chosen = self._spread(np.flatnonzero(state.archive.explored < reach), reach, left)
        archive, spent = state.archive.marked(chosen, reach), 0
        for rows in batches(state.archive.rows[chosen], self._moves[reach], self.scorer.space.cardinalities):
            archive = archive.joined(self.problem, rows, self.scorer.matrix(rows), self.settings.capacity)
            spent += len(rows)
        state = dataclasses.replace(
            state, archive=archive, evaluated=state.evaluated + spent, polished=state.polished + spent
        )
        return self._noted(state, "polish", state.phase)

    def _spread(self, numbers: IntArray, reach: int, left: int) -> IntArray:
        """Some of the numbers, as many as one round takes, evenly: a last round leaves no part untouched."""
        fitting = max(1, left // max(1, len(self._moves[reach])))
        count = min(len(numbers), fitting, POLISH_AT_ONCE if reach < _FAR else POLISH_AT_ONCE // 4)
        return numbers[np.linspace(0, len(numbers) - 1, count).astype(np.int64)]

    def _restarted(self, state: State) -> State:
        """The next restart with an archive of its own, or all archives as one after the last."""
        union = state.union.merged(self.problem, state.archive, self.settings.capacity)
        nothing = empty_archive(self.problem)
        if state.restart + 1 == self.settings.restarts:
            return dataclasses.replace(state, phase="unite", archive=union, union=nothing)
        return dataclasses.replace(
            state, phase="evolve", restart=state.restart + 1, generation=0, archive=nothing, union=union
        )

    def _climb(self, state: State) -> State:
        archive, spent = state.archive, 0
        if self.settings.climb_starts:
            starts = archive.rows[self.problem.order(archive.scores)[: self.settings.climb_starts]]
            row, scores, spent = climb(self.problem, starts)
            archive = archive.joined(self.problem, row, scores, self.settings.capacity)
        state = dataclasses.replace(state, archive=archive, evaluated=state.evaluated + spent)
        return self._noted(state, "climb", "done")

    def _noted(self, state: State, phase: str, following: str) -> State:
        archive = state.archive
        best = archive.scores[self.problem.order(archive.scores)[0]]
        note = Generation(
            phase,
            state.restart,
            state.generation,
            state.evaluated,
            len(archive),
            dict(zip(self.scorer.metrics, best.tolist(), strict=True)),
        )
        return dataclasses.replace(state, history=(*state.history, note), phase=following)  # type: ignore[arg-type]


def _reference_row(space: SearchSpace, reference: Architecture | None) -> Population:
    if reference is None or not space.contains(reference):
        return np.zeros((0, space.num_genes), dtype=np.int8)
    return space.encode(reference)[None]


def _result(run: _Run, state: State, given: Population, seed: int) -> SearchResult:
    problem, archive = run.problem, state.archive
    if problem.violation(archive.scores).min() > 0:
        raise _infeasible(problem, archive.rows, archive.scores, state)
    order = np.array(problem.order(archive.scores))
    front = found_networks(run.scorer, archive.rows[order], archive.scores[order])
    reference = found_networks(run.scorer, given, run.scorer.matrix(given))
    return SearchResult(
        best=front[0],
        front=front,
        reference=reference[0] if reference else None,
        evaluated=state.evaluated,
        exhaustive=state.exhaustive,
        objectives=problem.objectives,
        budgets=problem.budgets,
        seed=seed,
        history=state.history,
        seconds=state.seconds,
    )


def _infeasible(problem: Problem, rows: Population, scores: FloatArray, state: State) -> InfeasibleError:
    closest = problem.order(scores)[0]
    reached = ", ".join(
        f"{budget.metric}={plain_number(scores[closest, problem.scorer.column(budget.metric)])}"
        for budget in problem.budgets
    )
    asked = " and ".join(budget.text for budget in problem.budgets)
    name = problem.scorer.space.name
    proven = f"no network of space {name} meets" if state.exhaustive else f"no network found in space {name} meets"
    return InfeasibleError(
        f"{proven} {asked} ({state.evaluated:,} scored); the closest has {reached}: "
        f"{problem.scorer.space.decode(rows[closest]).text}"
    )


def best_under(
    scorer: Scorer, objective: str, budgets: Sequence[Budget], starts: Sequence[Found], count: int = 16
) -> Found:
    """The best network by ``objective`` within ``budgets``, by local search from those of ``starts`` nearest to it.

    ``starts`` is usually the front of a search. Raises InfeasibleError like ``search``.
    """
    problem = Problem(scorer, (objective,), tuple(budgets))
    problem.refuse_impossible()
    rows = np.concatenate((rows_of(tuple(starts)).reshape(-1, scorer.space.num_genes), problem.least_rows()))
    scores = scorer.matrix(rows)
    row, found, spent = climb(problem, rows[problem.order(scores)[:count]])
    if problem.violation(found)[0] > 0:
        state = State("done", 0, 0, row, found, *[empty_archive(problem)] * 2, {}, evaluated=spent)
        raise _infeasible(problem, row, found, state)
    return found_networks(scorer, row, found)[0]


def fastest_at_least(
    scorer: Scorer, predicted_top1: float, starts: Sequence[Found], latency_metric: str = "latency_ms"
) -> Found:
    """The fastest network predicted at least ``predicted_top1`` (percent): role ``same_top1`` of ``run``."""
    return best_under(scorer, latency_metric, [Budget("predicted_top1", predicted_top1)], starts)


def best_at_most(
    scorer: Scorer, latency_ms: float, starts: Sequence[Found], latency_metric: str = "latency_ms"
) -> Found:
    """The best predicted network that takes at most ``latency_ms``: role ``same_latency`` of ``run``."""
    return best_under(scorer, "predicted_top1", [Budget(latency_metric, latency_ms)], starts)
