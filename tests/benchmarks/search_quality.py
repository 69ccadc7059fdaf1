"""hwsearch's search beside today's alternatives: ``python tests/benchmarks/search_quality.py [--table TABLE]``.

All are judged by the same scorer on efficientnet-b0 (predicted top-1 against latency), at equal evaluations
and at equal seconds: random search, a loop as in once-for-all's evolution finder (one network at a time,
rejection until the budget is met), pymoo's NSGA-II and Optuna's NSGAIISampler (left out where not installed).
Printed: networks scored, seconds, hypervolume (reference: the least predicted and the slowest of a random
sample) and the best network within a latency budget, as medians over seeds. Set OMP_NUM_THREADS=1 first.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scoring_speed import table_model

from hwsearch.accuracy import load_signal
from hwsearch.budget import Budget
from hwsearch.evolution import SearchSettings, search, settings_for
from hwsearch.evolution.operators import mutate
from hwsearch.pareto import FloatArray, hypervolume, non_dominated
from hwsearch.scoring import Scorer
from hwsearch.search_space import Population
from hwsearch.space_file import load_space

OBJECTIVES = ("predicted_top1", "latency_ms")


class Spent(Exception):
    """The evaluations or the seconds are used up."""


@dataclass
class Judge:
    """Scores for one method, counts, keeps the front and the best, and says when to stop."""

    scorer: Scorer
    budget_ms: float
    evaluations: int
    seconds: float
    evaluated: int = 0
    best: float = 0.0
    front: FloatArray = field(default_factory=lambda: np.zeros((0, 2)))
    began: float = field(default_factory=time.perf_counter)

    def __call__(self, rows: Population) -> FloatArray:
        """Top-1 (negative) and latency, shape (N, 2)."""
        if self.evaluated + len(rows) > self.evaluations or self.spent > self.seconds:
            raise Spent
        scores = self.scorer.matrix(rows)
        values = np.stack([-scores[:, self.scorer.column("predicted_top1")], scores[:, 0]], axis=1)
        self.evaluated += len(rows)
        self.keep(values)
        return values

    def keep(self, values: FloatArray) -> None:
        """Take networks into the front and the best."""
        joined = np.concatenate((self.front, values))
        self.front = joined[non_dominated(joined)]
        within = values[values[:, 1] <= self.budget_ms, 0]
        self.best = max(self.best, -within.min(initial=0.0))

    @property
    def spent(self) -> float:
        """Seconds so far."""
        return time.perf_counter() - self.began


def random_search(judge: Judge, seed: int) -> None:
    """Uniform random networks."""
    rng = np.random.default_rng(seed)
    while True:
        judge(judge.scorer.space.sample(min(500, max(1, judge.evaluations - judge.evaluated)), rng))


def once_for_all(judge: Judge, seed: int) -> None:
    """Population 100, a quarter are parents, half of the children mutated at rate 0.1, half crossed."""
    space, rng = judge.scorer.space, np.random.default_rng(seed)

    def feasible(make: Callable[[], Population]) -> tuple[Population, float]:
        while True:
            row = make()
            top1, latency = judge(row[None])[0]
            if latency <= judge.budget_ms:
                return row, top1

    population = [feasible(lambda: space.sample(1, rng)[0]) for _ in range(100)]
    while True:
        parents = sorted(population, key=lambda pair: pair[1])[:25]

        def parent(parents: list[tuple[Population, float]] = parents) -> Population:
            return parents[rng.integers(len(parents))][0]

        def mutant(parent: Callable[[], Population] = parent) -> Population:
            return mutate(parent()[None], space.cardinalities, 0.1, rng)[0]

        def child(parent: Callable[[], Population] = parent) -> Population:
            return np.where(rng.random(space.num_genes) < 0.5, parent(), parent())

        population = parents + [feasible(mutant) for _ in range(50)] + [feasible(child) for _ in range(50)]


def pymoo_nsga2(judge: Judge, seed: int) -> None:
    """pymoo's NSGA-II on integers with its usual operators, population 100."""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import Problem
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair
    from pymoo.operators.sampling.rnd import IntegerRandomSampling
    from pymoo.optimize import minimize

    upper = judge.scorer.space.cardinalities - 1
    free = np.flatnonzero(upper)

    class Networks(Problem):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(n_var=len(free), n_obj=2, xl=0, xu=upper[free], vtype=int)

        def _evaluate(self, x: FloatArray, out: dict[str, FloatArray], *_: object, **__: object) -> None:
            rows = np.zeros((len(x), len(upper)), dtype=np.int8)
            rows[:, free] = x
            out["F"] = judge(rows)

    algorithm = NSGA2(
        pop_size=100,
        sampling=IntegerRandomSampling(),
        crossover=SBX(prob=0.9, eta=3.0, vtype=float, repair=RoundingRepair()),
        mutation=PM(prob=1.0, eta=3.0, vtype=float, repair=RoundingRepair()),
        eliminate_duplicates=True,
    )
    minimize(Networks(), algorithm, ("n_gen", 10**6), seed=seed, verbose=False)


def optuna_nsga2(judge: Judge, seed: int) -> None:
    """Optuna's NSGAIISampler with categorical genes, population 100."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    cardinalities = judge.scorer.space.cardinalities.tolist()
    study = optuna.create_study(
        directions=["minimize"] * 2, sampler=optuna.samplers.NSGAIISampler(population_size=100, seed=seed)
    )
    while True:
        trial = study.ask()
        row = [trial.suggest_categorical(str(g), range(n)) if n > 1 else 0 for g, n in enumerate(cardinalities)]
        study.tell(trial, judge(np.array([row], dtype=np.int8))[0].tolist())


def ours(judge: Judge, seed: int) -> None:
    """``search`` with settings for as many evaluations; with its defaults at equal seconds."""
    settings = settings_for(judge.evaluations) if judge.evaluations < 10**6 else SearchSettings()
    result = search(judge.scorer.space, judge.scorer, OBJECTIVES, settings=settings, seed=seed)
    judge.evaluated = result.evaluated
    judge.keep(np.array([[-f.scores["predicted_top1"], f.scores["latency_ms"]] for f in result.front]))


def ours_within_budget(judge: Judge, seed: int) -> None:
    """``search`` told the latency budget, as once-for-all's loop is."""
    settings = settings_for(judge.evaluations) if judge.evaluations < 10**6 else SearchSettings()
    budgets = [Budget("latency_ms", judge.budget_ms)]
    result = search(judge.scorer.space, judge.scorer, OBJECTIVES, budgets, settings, seed)
    judge.evaluated = result.evaluated
    judge.keep(np.array([[-f.scores["predicted_top1"], f.scores["latency_ms"]] for f in result.front]))


METHODS = {
    "hwsearch": ours,
    "hwsearch, under the budget": ours_within_budget,
    "pymoo NSGA-II": pymoo_nsga2,
    "Optuna NSGAIISampler": optuna_nsga2,
    "once-for-all-style loop": once_for_all,
    "random search": random_search,
}


def measure(method: Callable[[Judge, int], None], judge: Judge, seed: int) -> Judge | None:
    """Run one method until it is stopped; None where its package is not installed."""
    try:
        method(judge, seed)
    except Spent:
        pass
    except ModuleNotFoundError:
        return None
    return judge


def main() -> None:
    """Print both comparisons."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--table")
    parser.add_argument("--evaluations", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    space = load_space("efficientnet-b0")
    scorer = Scorer(space, load_signal(), [table_model(options.table)])
    sample = scorer.score(space.sample(20_000, np.random.default_rng(0)))
    corner = [-float(sample["predicted_top1"].min()), float(sample["latency_ms"].max())]
    budget = float(np.percentile(sample["latency_ms"], 30))
    for title, evaluations, seconds in (
        (f"{options.evaluations} evaluations", options.evaluations, 600.0),
        (f"{options.seconds:g} seconds", 10**9, options.seconds),
    ):
        print(f"equal budget: {title}; best within {budget:.2f} ms")
        for name, method in METHODS.items():
            runs = []
            for seed in range(options.seeds):
                judge = measure(method, Judge(scorer, budget, evaluations, seconds), seed)
                if judge is not None:
                    runs.append((judge.evaluated, judge.spent, hypervolume(judge.front, corner), judge.best))
            if runs:
                count, spent, volume, best = (statistics.median(column) for column in zip(*runs, strict=True))
                print(f"  {name:28} {count:>9,.0f} scored {spent:6.2f} s  hypervolume {volume:9.3f}  best {best:.3f}")


if __name__ == "__main__":
    main()
