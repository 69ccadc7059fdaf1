"""The steps of a search, each a function of the state before it.

Every restart evolves a population of its own (NSGA-II), then looks exhaustively at the neighbourhoods of what
it found; what all restarts found together is looked at further, and the best network is climbed to at last.
A space no larger than what the populations would score is scored whole instead.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

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
from hwsearch.evolution.problem import Problem
from hwsearch.evolution.result import Generation
from hwsearch.evolution.settings import SearchSettings
from hwsearch.evolution.state import Phase, State
from hwsearch.pareto import FloatArray, IntArray
from hwsearch.scoring import Scorer
from hwsearch.search_space import Population

POLISH_AT_ONCE = 64
"""Networks of the front whose neighbours are scored in one step."""
_NEAR, _FAR = 2, 3  # how far an archive's network is explored: 0 not at all, 1 one gene


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


@dataclass(frozen=True, eq=False)
class Run:
    """The steps of one search: what is asked, how much is tried, where populations start."""

    problem: Problem
    settings: SearchSettings
    start: Population
    progress: Callable[[Progress], None] | None

    @property
    def scorer(self) -> Scorer:
        """What judges the networks."""
        return self.problem.scorer

    @cached_property
    def _moves(self) -> dict[int, Moves]:
        cardinalities = self.scorer.space.cardinalities
        return {1: gene_moves(cardinalities, 1), _NEAR: near_moves(cardinalities), _FAR: far_moves(cardinalities)}

    def first_state(self, seed: int) -> State:
        """Before the first step."""
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

    def tell(self, state: State, least: float) -> float:
        """Report to the progress callback; the share done, which never falls below ``least``, comes back."""
        done = max(least, self._done(state))
        if self.progress is not None:
            last = state.history[-1]
            self.progress(Progress(last.phase, done, state.evaluated, last.front_size, last.best))
        return done

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
        reach = self._reach(state.archive.explored, _FAR if last else _NEAR)
        if left <= 0 or reach > (_FAR if last else _NEAR) or left < len(self._moves[reach]):
            return dataclasses.replace(state, phase="climb") if last else self._restarted(state)
        chosen = self._spread(np.flatnonzero(state.archive.explored == reach - 1), reach, left)
        archive, spent = state.archive.marked(chosen, reach), 0
        for rows in batches(state.archive.rows[chosen], self._moves[reach], self.scorer.space.cardinalities):
            archive = archive.joined(self.problem, rows, self.scorer.matrix(rows), self.settings.capacity)
            spent += len(rows)
        state = dataclasses.replace(
            state, archive=archive, evaluated=state.evaluated + spent, polished=state.polished + spent
        )
        return self._noted(state, "unite" if last else "polish", state.phase)

    @staticmethod
    def _reach(explored: IntArray, most: int) -> int:
        """The least reach for which enough networks wait to fill half a round; else for which any waits."""
        waiting = np.bincount(explored, minlength=most)[:most]
        enough = np.flatnonzero(waiting >= POLISH_AT_ONCE // 2)
        return int((enough if len(enough) else np.flatnonzero([*waiting, 1]))[0]) + 1

    def _spread(self, numbers: IntArray, reach: int, left: int) -> IntArray:
        """Some of the numbers, as many as one round takes, evenly: a last round leaves no part untouched."""
        fitting = left // max(1, len(self._moves[reach]))
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

    def _noted(self, state: State, phase: str, following: Phase) -> State:
        archive = state.archive
        best = archive.scores[self.problem.order(archive.scores)[0]]
        note = Generation(
            phase,
            state.restart,
            state.generation,
            state.evaluated,
            len(archive),
            dict(zip(self.scorer.metrics, best.tolist(), strict=True)),
            bool(self.problem.order(np.concatenate((best[None], state.union.scores)))[0] == 0),
        )
        return dataclasses.replace(state, history=(*state.history, note), phase=following)
