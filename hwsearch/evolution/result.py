"""What a search gives: the best network, the front, and how they were come by."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from hwsearch.architecture import Architecture
from hwsearch.budget import Budget
from hwsearch.pareto import FloatArray
from hwsearch.scoring import Scorer
from hwsearch.search_space import Population


@dataclass(frozen=True, slots=True)
class Found:
    """A network of the space with its scores by metric."""

    architecture: Architecture
    scores: dict[str, float]
    genes: tuple[int, ...]
    """Its row in the space."""

    @property
    def text(self) -> str:
        """The network's text form."""
        return self.architecture.text


@dataclass(frozen=True, slots=True)
class Generation:
    """How far a search was after one generation or one round of polishing."""

    phase: str
    """``evolve`` or ``polish`` of one restart; then ``unite`` and ``climb`` of all; or ``enumerate``."""
    restart: int
    """The restart under way, from 0; after the last one its number stays."""
    generation: int
    evaluated: int
    """Networks scored so far."""
    front_size: int
    best: dict[str, float]
    """Scores of the best network so far: of this restart, or of all once they are united."""
    leads: bool = True
    """Whether that network is also the best of all restarts so far."""

    @property
    def entry(self) -> dict[str, float]:
        """The figures as a summary keeps them; ``restart`` only where they are of one restart alone."""
        restart = {"restart": self.restart, "leads": int(self.leads)} if self.phase in ("evolve", "polish") else {}
        return {"evaluated": float(self.evaluated), "front_size": float(self.front_size), **restart, **self.best}


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The outcome of a search; equal for equal seeds (``seconds`` is left out of the comparison)."""

    best: Found
    """Best by the first objective among those that meet every budget."""
    front: tuple[Found, ...]
    """Networks that meet every budget and of which none is beaten in all objectives, best first objective first."""
    reference: Found | None
    """The reference network, if it was given and lies in the space; it need not meet the budgets."""
    evaluated: int
    """Networks scored; one that came up twice counts twice."""
    exhaustive: bool
    """Whether every network of the space was scored, so that best and front are proven."""
    objectives: tuple[str, ...]
    budgets: tuple[Budget, ...]
    seed: int
    history: tuple[Generation, ...]
    seconds: float = field(compare=False)
    """Time spent, summed over the runs of a resumed search."""


def found_networks(scorer: Scorer, rows: Population, scores: FloatArray) -> tuple[Found, ...]:
    """Rows and their score matrix as networks."""
    return tuple(
        Found(
            scorer.space.decode(row),
            dict(zip(scorer.metrics, values.tolist(), strict=True)),
            tuple(int(gene) for gene in row),
        )
        for row, values in zip(rows, scores, strict=True)
    )


def rows_of(networks: tuple[Found, ...]) -> Population:
    """The rows of found networks, shape (N, G)."""
    return np.array([network.genes for network in networks], dtype=np.int8)
