"""The non-dominated networks found so far: each objective vector once, feasible before infeasible."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from hwsearch.evolution.problem import Problem
from hwsearch.pareto import FloatArray, IntArray, crowding_distance, non_dominated
from hwsearch.search_space import Population


@dataclass(frozen=True, eq=False)
class Archive:
    """Rows with their scores, in order of their objectives; a changed copy is a new one."""

    rows: Population
    """Shape (N, G)."""
    scores: FloatArray
    """Shape (N, metrics)."""
    explored: IntArray
    """Shape (N,): how many genes the part of a network's neighbourhood reaches that was looked at; 0 none."""

    def __len__(self) -> int:
        return len(self.rows)

    def joined(self, problem: Problem, rows: Population, scores: FloatArray, capacity: int) -> Archive:
        """The archive after these networks too, thinned to ``capacity`` by crowding if it must be."""
        return self.merged(problem, Archive(rows, scores, np.zeros(len(rows), dtype=np.int64)), capacity)

    def merged(self, problem: Problem, other: Archive, capacity: int) -> Archive:
        """The archive after all networks of another one, which stay as explored as they are."""
        rows, scores = other.rows, other.scores
        violation = problem.violation(scores)
        least = violation.min(initial=np.inf)
        own = problem.violation(self.scores).min(initial=np.inf)
        if not len(rows) or least > own:
            return self
        near = np.flatnonzero(violation == least)
        near = near[non_dominated(problem.values(scores[near]))]
        old = self if own == least else self.take(np.zeros(0, dtype=np.int64))
        merged = Archive(
            np.concatenate((old.rows, rows[near])),
            np.concatenate((old.scores, scores[near])),
            np.concatenate((old.explored, other.explored[near])),
        )
        return merged._reduced(problem, capacity)

    def take(self, numbers: IntArray) -> Archive:
        """Some of the rows."""
        return Archive(self.rows[numbers], self.scores[numbers], self.explored[numbers])

    def marked(self, numbers: IntArray, genes: int) -> Archive:
        """The archive with some rows explored to ``genes`` genes."""
        explored = self.explored.copy()
        explored[numbers] = genes
        return dataclasses.replace(self, explored=explored)

    def _reduced(self, problem: Problem, capacity: int) -> Archive:
        values = problem.values(self.scores)
        kept = np.flatnonzero(non_dominated(values))
        # equal objectives: the one that was here first stays, so that exploring it once is enough
        _, first = np.unique(values[kept], axis=0, return_index=True)
        kept = kept[first]
        while len(kept) > capacity:
            crowding = crowding_distance(values[kept])
            crowding[0] = np.inf  # the best by the first objective
            # what was explored stays before what is new: else networks would come, be explored, go and come again
            new = (self.explored[kept] == 0) & np.isfinite(crowding)
            fewer = max(capacity, len(kept) - max(1, len(kept) // 8))
            kept = kept[np.sort(np.lexsort((np.arange(len(kept)), -crowding, new))[:fewer])]
        return self.take(kept)


def empty_archive(problem: Problem) -> Archive:
    """An archive of nothing."""
    width = len(problem.scorer.metrics)
    genes = problem.scorer.space.num_genes
    return Archive(np.zeros((0, genes), dtype=np.int8), np.zeros((0, width)), np.zeros(0, dtype=np.int64))
