"""The set of networks a search may choose from, and its integer encoding.

A space fixes stem, head and strides and offers choices for the rest. A network of the space is a row of
small integers, one a **gene**; gene ``g`` with value ``v`` means the ``v``-th choice of that field. A
population is an array of such rows (N networks x G genes), and everything inside a search works on it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from hwsearch.architecture import Activation, Architecture, Stage
from hwsearch.errors import InputError
from hwsearch.operation import Op, head_ops, stage_ops, stem_op
from hwsearch.stage_arrays import StageArrays

Population = npt.NDArray[np.int8]
"""Shape (N, G): choice indices, one row a network."""

GENE_FIELDS = ("expand_ratio", "kernel_size", "num_repeats", "se_ratio", "out_channels")
"""The fields of a stage that have a gene, in the order of their columns."""


@dataclass(frozen=True, slots=True)
class StageSpace:
    """The choices of one stage; every field is a tuple of at least one value, ascending."""

    stride: int
    expand_ratio: tuple[int, ...]
    kernel_size: tuple[int, ...]
    num_repeats: tuple[int, ...]
    se_ratio: tuple[float, ...]
    out_channels: tuple[int, ...]

    def stage(self, indices: Sequence[int]) -> Stage:
        """The stage that five gene values (in the order of ``GENE_FIELDS``) stand for."""
        expand_ratio, kernel_size, num_repeats, se_ratio, out_channels = (
            choices[index] for choices, index in zip(self.choices, indices, strict=True)
        )
        return Stage(
            int(kernel_size), self.stride, int(expand_ratio), int(out_channels), int(num_repeats), float(se_ratio)
        )

    @property
    def choices(self) -> tuple[tuple[float, ...], ...]:
        """The choices in the order of ``GENE_FIELDS``."""
        return (self.expand_ratio, self.kernel_size, self.num_repeats, self.se_ratio, self.out_channels)


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of ops that depends on few genes: stem, one stage, or head. Additive judges tabulate by segment."""

    label: str
    columns: tuple[int, ...]
    """The genes its ops depend on."""
    shape: tuple[int, ...]
    """Number of choices of each of those genes."""


@dataclass(frozen=True)
class SearchSpace:
    """A space of networks. Column 0 is the resolution's gene; stage ``s`` has columns 1 + 5s ... 5 + 5s."""

    name: str
    resolution: tuple[int, ...]
    stem_channels: int
    stages: tuple[StageSpace, ...]
    head_channels: int
    activation: Activation
    num_classes: int = 1000
    description: str = ""

    @cached_property
    def gene_choices(self) -> tuple[tuple[float, ...], ...]:
        """The choices of every gene, by column."""
        return (self.resolution, *(choices for stage in self.stages for choices in stage.choices))

    @cached_property
    def gene_names(self) -> tuple[str, ...]:
        """A name for every gene, as error messages and reports show it."""
        return ("resolution", *(f"stages[{s}].{field}" for s in range(len(self.stages)) for field in GENE_FIELDS))

    @cached_property
    def cardinalities(self) -> npt.NDArray[np.int64]:
        """Number of choices of every gene, shape (G,)."""
        return np.array([len(choices) for choices in self.gene_choices], dtype=np.int64)

    @property
    def num_genes(self) -> int:
        """G, the length of a row."""
        return len(self.gene_choices)

    @property
    def size(self) -> int:
        """How many networks the space holds."""
        return math.prod(len(choices) for choices in self.gene_choices)

    def sample(self, count: int, rng: np.random.Generator) -> Population:
        """``count`` uniformly random rows."""
        return rng.integers(0, self.cardinalities, size=(count, self.num_genes)).astype(np.int8)

    def decode(self, row: npt.NDArray[np.int8]) -> Architecture:
        """The network that one row stands for."""
        indices = [int(value) for value in row]
        self._check_row(indices)
        stages = (
            stage.stage(indices[first : first + len(GENE_FIELDS)])
            for stage, first in zip(self.stages, self._first_columns(), strict=True)
        )
        return Architecture(
            self.resolution[indices[0]],
            self.stem_channels,
            tuple(stages),
            self.head_channels,
            self.activation,
            self.num_classes,
        )

    def encode(self, architecture: Architecture) -> Population:
        """The row (shape (G,)) of a network; InputError that names what puts it outside the space."""
        self._check_fixed_parts(architecture)
        values: list[float] = [architecture.resolution]
        for stage in architecture.stages:
            values += [getattr(stage, field) for field in GENE_FIELDS]
        row = []
        for name, value, choices in zip(self.gene_names, values, self.gene_choices, strict=True):
            if value not in choices:
                raise self._outside(name, value, choices)
            row.append(choices.index(value))
        return np.array(row, dtype=np.int8)

    def contains(self, architecture: Architecture) -> bool:
        """Whether the network is one of the space."""
        try:
            self.encode(architecture)
        except InputError:
            return False
        return True

    def stage_arrays(self, population: Population) -> StageArrays:
        """The field values of a whole population, for vectorised judges."""
        columns = self._first_columns()

        def field(offset: int, kind: type) -> npt.NDArray[np.generic]:
            found: list[npt.NDArray[np.generic]] = [
                np.asarray(self.gene_choices[first + offset], dtype=kind)[population[:, first + offset]]
                for first in columns
            ]
            return np.stack(found, axis=1)

        strides = np.array([stage.stride for stage in self.stages], dtype=np.int64)
        return StageArrays(
            expand_ratio=field(0, np.int64),  # type: ignore[arg-type]
            kernel_size=field(1, np.int64),  # type: ignore[arg-type]
            num_repeats=field(2, np.int64),  # type: ignore[arg-type]
            se_ratio=field(3, np.float64),  # type: ignore[arg-type]
            out_channels=field(4, np.int64),  # type: ignore[arg-type]
            stride=np.broadcast_to(strides, (len(population), len(self.stages))),
            resolution=np.asarray(self.resolution, dtype=np.int64)[population[:, 0]],
            stem_channels=self.stem_channels,
            head_channels=self.head_channels,
            activation=self.activation,
            num_classes=self.num_classes,
        )

    @cached_property
    def segments(self) -> tuple[Segment, ...]:
        """Stem, stages and head: together they are every op of every network of the space."""
        found = [self._segment("stem", (0,))]
        for index, first in enumerate(self._first_columns()):
            own = tuple(range(first, first + len(GENE_FIELDS)))
            before = () if index == 0 else (first - 1,)  # the width of the stage before is the last of its columns
            found.append(self._segment(f"stage {index}", (0, *before, *own)))
        found.append(self._segment("head", (0, self.num_genes - 1)))
        return tuple(found)

    def segment_ops(self, segment: Segment, indices: Sequence[int]) -> tuple[Op, ...]:
        """The ops of a segment for given values of its genes (in the order of ``segment.columns``)."""
        resolution = -(-self.resolution[indices[0]] // 2)  # after the stem
        if segment.label == "stem":
            return (stem_op(self.resolution[indices[0]], self.stem_channels, self.activation),)
        if segment.label == "head":
            resolution = self._resolution_before(len(self.stages), resolution)
            channels = self.stages[-1].out_channels[indices[1]]
            return head_ops(resolution, channels, self.head_channels, self.num_classes, self.activation)
        index = int(segment.label.split()[1])
        channels = self.stem_channels if index == 0 else self.stages[index - 1].out_channels[indices[1]]
        stage = self.stages[index].stage(indices[-len(GENE_FIELDS) :])
        return stage_ops(stage, self._resolution_before(index, resolution), channels, self.activation)

    def blocks(self) -> Iterator[Op]:
        """Every distinct op of the space, in order of first appearance: what a latency table must hold."""
        seen: set[Op] = set()
        for segment in self.segments:
            for indices in np.ndindex(*segment.shape):
                for op in self.segment_ops(segment, indices):
                    if op not in seen:
                        seen.add(op)
                        yield op

    def _segment(self, label: str, columns: tuple[int, ...]) -> Segment:
        return Segment(label, columns, tuple(len(self.gene_choices[column]) for column in columns))

    def _first_columns(self) -> range:
        return range(1, 1 + len(GENE_FIELDS) * len(self.stages), len(GENE_FIELDS))

    def _resolution_before(self, index: int, resolution: int) -> int:
        for stage in self.stages[:index]:
            resolution = -(-resolution // stage.stride)
        return resolution

    def _check_row(self, indices: list[int]) -> None:
        if len(indices) != self.num_genes:
            raise InputError(
                f"a row of {len(indices)} genes is not one of space {self.name}", allowed=f"{self.num_genes} genes"
            )
        for name, index, choices in zip(self.gene_names, indices, self.gene_choices, strict=True):
            if not 0 <= index < len(choices):
                raise InputError(f"gene {name} has no choice {index}", allowed=f"0..{len(choices) - 1}")

    def _check_fixed_parts(self, architecture: Architecture) -> None:
        for field in ("stem_channels", "head_channels", "activation", "num_classes"):
            if getattr(architecture, field) != getattr(self, field):
                raise self._outside(field, getattr(architecture, field), (getattr(self, field),))
        if len(architecture.stages) != len(self.stages):
            raise self._outside("number of stages", len(architecture.stages), (len(self.stages),))
        for index, (stage, allowed) in enumerate(zip(architecture.stages, self.stages, strict=True)):
            if stage.stride != allowed.stride:
                raise self._outside(f"stages[{index}].stride", stage.stride, (allowed.stride,))

    def _outside(self, name: str, value: object, choices: Sequence[object]) -> InputError:
        return InputError(
            f"{name} = {value} is outside space {self.name}", allowed=", ".join(str(choice) for choice in choices)
        )
