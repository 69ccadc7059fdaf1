"""Single answers by a local search of their own, from a front that is already there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hwsearch.budget import Budget
from hwsearch.evolution.neighbourhood import climb
from hwsearch.evolution.problem import Problem
from hwsearch.evolution.result import Found, found_networks, rows_of
from hwsearch.scoring import Scorer


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
        raise problem.infeasible(row, found, spent)
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
