"""What is asked: objectives and budgets over a scorer's metrics, turned into what is minimised inside."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwsearch.budget import Budget, is_maximised, resolve_metric, short_number
from hwsearch.errors import InfeasibleError, InputError
from hwsearch.pareto import FloatArray, IntArray
from hwsearch.scoring import Scorer
from hwsearch.search_space import Population


@dataclass(frozen=True, eq=False)
class Problem:
    """Objectives (the first decides which network is best) and budgets, by a scorer's metrics."""

    scorer: Scorer
    objectives: tuple[str, ...]
    budgets: tuple[Budget, ...] = ()

    def __post_init__(self) -> None:
        named = [resolve_metric(name, self.scorer.metrics) for name in self.objectives]
        if not named or len(set(named)) != len(named):
            raise InputError("the objectives must be one or more different metrics", where=", ".join(self.objectives))
        object.__setattr__(self, "objectives", tuple(named))
        for budget in self.budgets:
            resolve_metric(budget.metric, self.scorer.metrics)

    def values(self, scores: FloatArray) -> FloatArray:
        """The objectives, turned so that less is better; shape (N, M) from a scorer's matrix."""
        columns = [self.scorer.column(name) for name in self.objectives]
        signs = np.array([-1.0 if is_maximised(name) else 1.0 for name in self.objectives])
        return np.asarray(scores[:, columns] * signs)

    def violation(self, scores: FloatArray) -> FloatArray:
        """By how much the budgets are broken, as a sum of fractions of their limits; shape (N,), 0 if none is."""
        total = np.zeros(len(scores))
        for budget in self.budgets:
            sign = -1.0 if is_maximised(budget.metric) else 1.0
            # a proxy's score may be limited by zero or by a negative number
            scale = abs(budget.limit) or 1.0
            excess = sign * (scores[:, self.scorer.column(budget.metric)] - budget.limit) / scale
            total += np.maximum(excess, 0.0)
        return total

    def order(self, scores: FloatArray) -> IntArray:
        """Row numbers from the best on: less violation, then the objectives in turn, then as they stand."""
        values = self.values(scores)
        keys = (*(values[:, column] for column in reversed(range(values.shape[1]))), self.violation(scores))
        return np.lexsort(keys).astype(np.int64)

    def least_rows(self) -> Population:
        """The networks that have the least of each metric which is to be small; they start every population."""
        wanted = [*self.objectives, *(budget.metric for budget in self.budgets)]
        rows = [self.scorer.least(name)[1] for name in dict.fromkeys(wanted) if name in self.scorer.additive]
        return np.array(rows, dtype=np.int8).reshape(len(rows), self.scorer.space.num_genes)

    def refuse_impossible(self) -> None:
        """Raise InfeasibleError, with the least that is reachable, for a budget that no network can meet."""
        for budget in self.budgets:
            if budget.metric not in self.scorer.additive:
                continue
            least, row = self.scorer.least(budget.metric)
            if least > budget.limit:
                raise InfeasibleError(
                    f"no network of space {self.scorer.space.name} meets {budget.text}; the least it reaches is "
                    f"{budget.metric}={short_number(least)}, by {self.scorer.space.decode(row).text}"
                )

    def infeasible(
        self, rows: Population, scores: FloatArray, evaluated: int, exhaustive: bool = False
    ) -> InfeasibleError:
        """The error that names, of networks none of which meets the budgets, the closest and its figures."""
        closest = self.order(scores)[0]
        reached = ", ".join(
            f"{budget.metric}={short_number(scores[closest, self.scorer.column(budget.metric)])}"
            for budget in self.budgets
        )
        space = self.scorer.space
        none = f"no network of space {space.name} meets" if exhaustive else f"no network found in {space.name} meets"
        return InfeasibleError(
            f"{none} {' and '.join(budget.text for budget in self.budgets)} ({evaluated:,} scored); "
            f"the closest has {reached}: {space.decode(rows[closest]).text}"
        )


def default_objectives(scorer: Scorer) -> tuple[str, ...]:
    """The accuracy signal's metric against latency (of every table), or against MACs when no table is given.

    Raises InputError without an accuracy signal: what then stands for accuracy is the user's choice.
    """
    if scorer.accuracy_metric is None:
        raise InputError(
            f"space {scorer.space.name} has no accuracy signal, and nothing is guessed in its place",
            allowed="an accuracy signal, or explicit objectives among " + ", ".join(scorer.metrics),
        )
    return (scorer.accuracy_metric, *(scorer.latency_metrics or ("macs",)))
