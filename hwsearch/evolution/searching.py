"""The search: budgets checked, steps followed from a checkpoint or from the start, a result made.

A checkpoint between any two steps goes on to the identical result.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from hwsearch.architecture import Architecture
from hwsearch.budget import Budget
from hwsearch.evolution.operators import distinct_rows
from hwsearch.evolution.problem import Problem, default_objectives
from hwsearch.evolution.result import SearchResult, found_networks
from hwsearch.evolution.settings import SearchSettings
from hwsearch.evolution.state import State, load_state, question, save_state
from hwsearch.evolution.steps import Progress, Run
from hwsearch.scoring import Scorer
from hwsearch.search_space import Population, SearchSpace

SAVE_EVERY_S = 5.0
"""Seconds between two checkpoints."""


def search(
    space: SearchSpace,
    scorer: Scorer,
    objectives: Sequence[str] | None = None,
    budgets: Sequence[Budget] = (),
    settings: SearchSettings | None = None,
    seed: int = 0,
    *,
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
    run = Run(problem, settings, start[distinct_rows(start)], progress)
    asked = question(problem, settings, seed, run.start)
    state = load_state(problem, asked, checkpoint) if checkpoint and checkpoint.exists() else run.first_state(seed)
    state = _follow(run, state, asked, checkpoint)
    result = _result(run, state, given, seed)
    if checkpoint:
        checkpoint.unlink(missing_ok=True)
    return result


def _follow(run: Run, state: State, asked: str, checkpoint: Path | None) -> State:
    saved, done = time.monotonic(), 0.0
    try:
        while state.phase != "done":
            began = time.perf_counter()
            following = run.step(state)
            state = dataclasses.replace(following, seconds=state.seconds + time.perf_counter() - began)
            if checkpoint and time.monotonic() - saved > SAVE_EVERY_S:
                save_state(state, asked, checkpoint)
                saved = time.monotonic()
            done = run.tell(state, done)
    except KeyboardInterrupt:
        if checkpoint:
            save_state(state, asked, checkpoint)
        raise
    return state


def _reference_row(space: SearchSpace, reference: Architecture | None) -> Population:
    if reference is None or not space.contains(reference):
        return np.zeros((0, space.num_genes), dtype=np.int8)
    return space.encode(reference)[None]


def _result(run: Run, state: State, given: Population, seed: int) -> SearchResult:
    problem, archive = run.problem, state.archive
    if problem.violation(archive.scores).min() > 0:
        raise problem.infeasible(archive.rows, archive.scores, state.evaluated, state.exhaustive)
    order = problem.order(archive.scores)
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
