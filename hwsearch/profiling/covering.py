"""The covering design: few networks in which every op of a space occurs, in context.

Each network is built stage by stage, always taking the choice that shows most ops not seen so far; every
stage repeats its block where it can, so that the first block and the repeated one are both met.
"""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np

from hwsearch.operation import Op
from hwsearch.search_space import GENE_FIELDS, Population, SearchSpace, Segment

REPEATS = 2
"""Blocks a stage gets in a cover, where the space allows it: the first, and one that repeats it."""


def cover(space: SearchSpace, rng: np.random.Generator) -> Population:
    """Rows of networks that together hold every op of the space at least once."""
    design = _Design(space, rng)
    rows = []
    while design.unseen:
        rows.append(design.next_row())
    return np.array(rows, dtype=np.int8)


class _Design:
    """A cover under construction."""

    def __init__(self, space: SearchSpace, rng: np.random.Generator) -> None:
        self._space = space
        self._rng = rng
        self._stages = space.segments[1:-1]
        self._repeats = [_repeats_index(stage.num_repeats) for stage in space.stages]
        self.unseen = set(itertools.chain.from_iterable(self._reachable_ops()))

    def _reachable_ops(self) -> list[tuple[Op, ...]]:
        found = []
        for segment in self._space.segments:
            for indices in np.ndindex(*segment.shape):
                found.append(self._space.segment_ops(segment, indices))
        return found

    def next_row(self) -> list[int]:
        """The row of the next network; what it shows counts as seen."""
        row = [0] * self._space.num_genes
        row[0] = self._pick_resolution()
        for number, segment in enumerate(self._stages):
            choice = self._best_choice(number, segment, row)
            for column, value in zip(segment.columns[-len(GENE_FIELDS) :], choice, strict=True):
                row[column] = value
        seen = [self._space.segment_ops(s, [row[c] for c in s.columns]) for s in self._space.segments]
        before = len(self.unseen)
        self.unseen.difference_update(itertools.chain.from_iterable(seen))
        if len(self.unseen) == before:  # greedy steps led nowhere new: aim at one missing op
            return self._aimed_row()
        return row

    def _pick_resolution(self) -> int:
        missing = Counter(op.resolution for op in self.unseen)
        stems = [self._space.resolution.index(r) for r in self._space.resolution if missing[r]]
        return int(self._rng.choice(stems or range(len(self._space.resolution))))

    def _best_choice(self, number: int, segment: Segment, row: list[int]) -> tuple[int, ...]:
        before = [row[column] for column in segment.columns[: -len(GENE_FIELDS)]]
        ranges = [range(count) for count in segment.shape[-len(GENE_FIELDS) :]]
        ranges[2] = range(self._repeats[number], self._repeats[number] + 1)
        choices = list(itertools.product(*ranges))
        gains = [len(self.unseen.intersection(self._space.segment_ops(segment, [*before, *c]))) for c in choices]
        best = max(gains)
        return choices[int(self._rng.choice([i for i, gain in enumerate(gains) if gain == best]))]

    def _aimed_row(self) -> list[int]:
        target = min(self.unseen)
        for segment in self._space.segments:
            for indices in np.ndindex(*segment.shape):
                found = self._space.segment_ops(segment, indices)
                if target in found:
                    row = [int(value) for value in self._space.sample(1, self._rng)[0]]
                    for column, value in zip(segment.columns, indices, strict=True):
                        row[column] = value
                    seen = [self._space.segment_ops(s, [row[c] for c in s.columns]) for s in self._space.segments]
                    self.unseen.difference_update(itertools.chain.from_iterable(seen))
                    return row
        raise AssertionError(f"op {target} is in no segment")


def _repeats_index(choices: tuple[int, ...]) -> int:
    return next((index for index, count in enumerate(choices) if count >= REPEATS), len(choices) - 1)
