"""How much a search tries. The defaults take two or three seconds on one core with a tabulated latency."""

from __future__ import annotations

from dataclasses import dataclass

from hwsearch.errors import FaultsError

MAX_EVALUATIONS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """Sizes and rates of a search; whatever they are, the same seed gives the same result."""

    population: int = 96
    """Networks of one population."""
    generations: int = 60
    """Generations of each population."""
    restarts: int = 5
    """Independent populations, one after another; they share the archive of what was found."""
    crossover_rate: float = 0.9
    """Share of children that have two parents."""
    mutated_genes: float = 1.0
    """Genes that mutation changes in a child, on average."""
    capacity: int = 1000
    """Networks of the front that are kept at most."""
    polish_evaluations: int = 2_000_000
    """Networks scored at most by the exhaustive search of the front's neighbourhood; 0 leaves it out."""
    climb_starts: int = 16
    """Networks from which the single best one is climbed to; 0 leaves it out."""

    def __post_init__(self) -> None:
        found = [
            f"{name}: {getattr(self, name)!r} is below {low}"
            for name, low in _LOWEST.items()
            if not getattr(self, name) >= low  # also true of NaN
        ]
        if self.evaluations > MAX_EVALUATIONS:
            found.append(f"population x generations x restarts: more than {MAX_EVALUATIONS:,} networks")
        if self.crossover_rate > 1:
            found.append(f"crossover_rate: {self.crossover_rate!r} is above 1")
        if found:
            raise FaultsError("search settings", found)

    @property
    def evaluations(self) -> int:
        """Networks that the populations score together; a space no larger is scored whole instead."""
        return self.population * (self.generations + 1) * self.restarts


_LOWEST = {
    "population": 4,
    "generations": 0,
    "restarts": 1,
    "crossover_rate": 0.0,
    "mutated_genes": 0.0,
    "capacity": 2,
    "polish_evaluations": 0,
    "climb_starts": 0,
}


def settings_for(evaluations: int) -> SearchSettings:
    """Settings of a search that scores about ``evaluations`` networks and no more: for slow accuracy signals.

    Exhaustive neighbourhoods pay off only once populations have found their way, so few evaluations all go to
    the one population. The shares are those that did best for efficientnet-b0 (tests/benchmarks).
    """
    share = 0.0 if evaluations < 2000 else 0.3 if evaluations < 10_000 else 0.6
    polish = int(evaluations * share)
    evolve = max(4, evaluations - polish)
    population = max(4, min(96, round(evaluations**0.45)))
    generations = evolve // population - 1
    return SearchSettings(population, generations, restarts=1, polish_evaluations=polish, climb_starts=0)
