"""Whole populations judged at once: latency, MACs, params, peak bytes and the accuracy signal's metric of N networks.

All but the last are sums (bytes: the largest) over a network's ops, and a stage's ops depend on few genes.
So each stage is priced once for every combination of its genes, and a network's score is a few table
look-ups. Stem and head ride on the first and the last stage.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from hwsearch.budget import resolve_metric
from hwsearch.cost import op_cost
from hwsearch.errors import InputError, OutOfDomainError
from hwsearch.operation import Op
from hwsearch.search_space import GENE_FIELDS, Population, SearchSpace, Segment
from hwsearch.stage_arrays import StageArrays

if TYPE_CHECKING:
    from hwsearch.accuracy.signal import AccuracySignal

FloatArray = npt.NDArray[np.float64]

CHUNK = 2048
"""Networks scored at once, so that what they need stays in a core's caches."""
MAX_COMBINATIONS = 2_000_000
"""Combinations of genes that are priced at most; float32 counts them exactly."""
_MERGED = 4096
"""Neighbouring stages share one table up to this many combinations: fewer, still cached look-ups."""


class LatencyModel(Protocol):
    """What knows the latency of an op, e.g. a latency table with its estimator."""

    @property
    def name(self) -> str:
        """What tells this table from another, e.g. its device."""

    @property
    def constant_ms(self) -> float:
        """What a network takes beyond the sum of its ops, ms."""

    def op_ms(self, op: Op) -> float:
        """Latency of one op, ms; MissingOpError when it was never measured."""


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Prices of a run of stages. ``prices`` has shape (A, *genes): A metrics; axes as in ``columns``."""

    columns: tuple[int, ...]
    prices: FloatArray

    @property
    def entries(self) -> int:
        """Number of combinations of genes."""
        return int(np.prod(self.prices.shape[1:]))


class Scorer:
    """Scores populations of one space. ``metrics`` names the columns it gives.

    Raises MissingOpError if a latency model lacks an op of the space, OutOfDomainError (all faults) if the
    accuracy signal does not know the space.
    """

    def __init__(
        self, space: SearchSpace, signal: AccuracySignal | None = None, latency: Sequence[LatencyModel] = ()
    ) -> None:
        self.space = space
        self.signal = signal
        self.latency = tuple(latency)
        self.latency_metrics = _latency_names(self.latency)
        self.additive = (*self.latency_metrics, "macs", "params", "activation_bytes")
        """The metrics that are tabulated, in order of their columns; the last is a maximum, the others sums."""
        self.accuracy_metric = None if signal is None else signal.metric
        """What the accuracy signal's numbers are called: ``predicted_top1`` or ``proxy_score``."""
        self.metrics = self.additive if signal is None else (*self.additive, signal.metric)
        self._constants = np.array([model.constant_ms for model in self.latency] + [0.0] * 3)
        self._stages = _stage_tables(space, self._price())
        self._groups = _merge(self._stages)
        self._group_weights = _index_weights([(table.columns, table.prices.shape[1:]) for table in self._groups], space)
        if signal is not None:
            self._check_domain(signal)

    def score(self, population: Population) -> dict[str, FloatArray]:
        """Every metric of N networks, each of shape (N,)."""
        return dict(zip(self.metrics, self.matrix(population).T, strict=True))

    def matrix(self, population: Population) -> FloatArray:
        """The scores of N networks, shape (N, len(metrics)), columns in the order of ``metrics``."""
        columns = np.empty((len(self.metrics), len(population)))
        for start in range(0, len(population), CHUNK):
            rows = slice(start, start + CHUNK)
            self._score_chunk(population[rows], columns[:, rows])
        return columns.T

    def least(self, metric: str) -> tuple[float, npt.NDArray[np.int8]]:
        """The least that any network of the space has of an additive metric, exactly, and the row that has it."""
        column = self.additive.index(resolve_metric(metric, self.additive))
        join = np.maximum if column == len(self.additive) - 1 else np.add
        tables = self.prices(column)
        row = _least(tables, join)
        prices = np.empty((len(self.additive), 1))
        self._price_chunk(row[None], prices)  # an accuracy signal may be slow, and is not asked
        return float(prices[column, 0]), row

    def column(self, metric: str) -> int:
        """The column of a metric in ``matrix``; InputError with the nearest name."""
        return self.metrics.index(resolve_metric(metric, self.metrics))

    def prices(self, column: int) -> list[FloatArray]:
        """One additive metric, tabulated: for each stage an array over its genes; a network's score is their sum."""
        return [table.prices[column] for table in self._stages]

    def constant(self, column: int) -> float:
        """What every network has of an additive metric beyond its stages."""
        return float(self._constants[column])

    @cached_property
    def fingerprint(self) -> str:
        """A digest of everything tabulated: two scorers of one fingerprint price every network alike."""
        digest = hashlib.sha256(repr((self.space.name, self.metrics, self.space.gene_choices)).encode())
        digest.update(self._constants.tobytes())
        for table in self._stages:
            digest.update(np.ascontiguousarray(table.prices).tobytes())
        return digest.hexdigest()

    def warnings(self) -> list[str]:
        """What the accuracy signal wants said about networks of this space."""
        return [] if self.signal is None else self.signal.warnings(self._arrays(self._every_choice()))

    def _score_chunk(self, population: Population, columns: FloatArray) -> None:
        self._price_chunk(population, columns[: len(self.additive)])
        if self.signal is not None:
            columns[-1] = self.signal.predict(self._arrays(population)).mean

    def _price_chunk(self, population: Population, columns: FloatArray) -> None:
        index = (population.astype(np.float32) @ self._group_weights).astype(np.intp).T
        last = len(self.additive) - 1
        for number, flat in enumerate(index):
            prices = self._flat_prices[number]
            for metric in range(len(self.additive)):
                found = prices[metric].take(flat, mode="clip")
                if number == 0:
                    columns[metric] = found
                elif metric == last:
                    np.maximum(columns[metric], found, out=columns[metric])
                else:
                    columns[metric] += found
        columns += self._constants[:, None]

    @cached_property
    def _flat_prices(self) -> list[FloatArray]:
        return [np.ascontiguousarray(group.prices.reshape(len(self.additive), -1)) for group in self._groups]

    def _arrays(self, population: Population) -> StageArrays:
        # SearchSpace.stage_arrays, but by one look-up a field instead of one a gene
        index = (population.astype(np.float32) @ self._stage_weights).astype(np.intp)
        index += self._stage_offsets
        fields = [values.take(index, mode="clip") for values in self._field_values]
        expand_ratio, kernel_size, num_repeats, out_channels = fields
        return StageArrays(
            expand_ratio=expand_ratio,
            kernel_size=kernel_size,
            num_repeats=num_repeats,
            se_ratio=self._se_ratios.take(index, mode="clip"),
            out_channels=out_channels,
            stride=np.broadcast_to(self._strides, index.shape),
            resolution=np.asarray(self.space.resolution, dtype=np.int64)[population[:, 0]],
            stem_channels=self.space.stem_channels,
            head_channels=self.space.head_channels,
            activation=self.space.activation,
            num_classes=self.space.num_classes,
        )

    @cached_property
    def _strides(self) -> npt.NDArray[np.int64]:
        return np.array([stage.stride for stage in self.space.stages], dtype=np.int64)

    @cached_property
    def _stage_shapes(self) -> list[tuple[int, ...]]:
        return [tuple(len(choices) for choices in stage.choices) for stage in self.space.stages]

    @cached_property
    def _stage_weights(self) -> npt.NDArray[np.float32]:
        width = len(GENE_FIELDS)
        columns = [tuple(range(1 + width * s, 1 + width * (s + 1))) for s in range(len(self.space.stages))]
        return _index_weights(list(zip(columns, self._stage_shapes, strict=True)), self.space)

    @cached_property
    def _stage_offsets(self) -> npt.NDArray[np.intp]:
        sizes = [int(np.prod(shape)) for shape in self._stage_shapes]
        return np.cumsum([0, *sizes[:-1]]).astype(np.intp)

    @cached_property
    def _field_values(self) -> list[npt.NDArray[np.int64]]:
        names = [name for name in GENE_FIELDS if name != "se_ratio"]
        return [self._by_option(GENE_FIELDS.index(name)).astype(np.int64) for name in names]

    @cached_property
    def _se_ratios(self) -> FloatArray:
        return self._by_option(GENE_FIELDS.index("se_ratio"))

    def _by_option(self, field: int) -> FloatArray:
        """A field's value for every combination of a stage's genes, stage after stage."""
        grids = [np.meshgrid(*stage.choices, indexing="ij") for stage in self.space.stages]
        return np.concatenate([grid[field].reshape(-1) for grid in grids]).astype(np.float64)

    def _price(self) -> Callable[[Op], tuple[float, ...]]:
        known: dict[Op, tuple[float, ...]] = {}

        def price(op: Op) -> tuple[float, ...]:
            if op not in known:
                own = op_cost(op)
                latency = (float(model.op_ms(op)) for model in self.latency)
                known[op] = (*latency, float(own.macs), float(own.params), float(own.activation_bytes))
            return known[op]

        return price

    def _every_choice(self) -> Population:
        # as many rows as the largest gene has choices, so that each choice of each gene occurs in one of them
        most = np.arange(int(self.space.cardinalities.max()))[:, None]
        return np.minimum(most, self.space.cardinalities - 1).astype(np.int8)

    def _check_domain(self, signal: AccuracySignal) -> None:
        faults = signal.domain_faults(self._arrays(self._every_choice()))
        if faults:
            shown = " | ".join(faults[:6]) + (f" | and {len(faults) - 6} more" if len(faults) > 6 else "")
            raise OutOfDomainError(
                f"space {self.space.name} is outside what it was fitted on: {shown}",
                where=f"accuracy signal {signal.name!r}",
                next_command="hwsearch search --accuracy grad-norm, or another signal (docs/accuracy.md)",
            )


def _latency_names(models: Sequence[LatencyModel]) -> tuple[str, ...]:
    if len(models) == 1:
        return ("latency_ms",)
    names = tuple(f"latency_ms:{model.name}" for model in models)
    if len(set(names)) != len(names):
        raise InputError("two latency tables have the same name", where=", ".join(names))
    return names


def _stage_tables(space: SearchSpace, price: Callable[[Op], tuple[float, ...]]) -> list[_Table]:
    """One table a stage with axes (metric, resolution, width before, *the stage's genes); stem and head included."""
    stem, *stages, head = space.segments
    entries = sum(int(np.prod(segment.shape)) for segment in space.segments)
    if entries > MAX_COMBINATIONS:
        raise InputError(
            f"space {space.name} has {entries:,} combinations of genes inside its stages",
            allowed=f"at most {MAX_COMBINATIONS:,}",
        )
    tables = [_segment_prices(space, segment, price) for segment in stages]
    tables[0] = np.expand_dims(tables[0], 2)  # before the first stage stands the stem, of one width
    tables[0] = _joined(tables[0], _expand(_segment_prices(space, stem, price), 1, 6))
    tables[-1] = _joined(tables[-1], _expand(_segment_prices(space, head, price), 1, 5))
    columns = [segment.columns for segment in stages]
    columns[0] = (0, 0, *columns[0][1:])  # the axis of length 1 reads no gene of its own
    return [_Table(own, prices) for own, prices in zip(columns, tables, strict=True)]


def _segment_prices(space: SearchSpace, segment: Segment, price: Callable[[Op], tuple[float, ...]]) -> FloatArray:
    found = []
    for indices in np.ndindex(*segment.shape):
        rows = [price(op) for op in space.segment_ops(segment, indices)]
        columns = list(zip(*rows, strict=True))
        found.append([*(sum(column) for column in columns[:-1]), max(columns[-1])])
    return np.ascontiguousarray(np.array(found).T).reshape(-1, *segment.shape)


def _expand(prices: FloatArray, after: int, count: int) -> FloatArray:
    """``count`` axes of length 1 after the ``after``-th gene."""
    shape = prices.shape
    return prices.reshape(*shape[: after + 1], *[1] * count, *shape[after + 1 :])


def _joined(first: FloatArray, second: FloatArray) -> FloatArray:
    """Prices of two runs of ops together: the last metric is a maximum, the others are sums."""
    total = first + second
    total[-1] = np.maximum(first[-1], second[-1])
    return total


def _merge(stages: Sequence[_Table]) -> list[_Table]:
    merged = [stages[0]]
    for table in stages[1:]:
        own = int(np.prod(table.prices.shape[3:]))
        if merged[-1].entries * own > _MERGED:
            merged.append(table)
            continue
        first = merged.pop()
        axes = first.prices.ndim - 3  # between the resolution and the width that both tables share
        second = _expand(table.prices, 1, axes)
        prices = _joined(_expand(first.prices, first.prices.ndim - 1, len(GENE_FIELDS)), second)
        merged.append(_Table((*first.columns, *table.columns[2:]), prices))
    return merged


def _index_weights(
    tables: Sequence[tuple[tuple[int, ...], tuple[int, ...]]], space: SearchSpace
) -> npt.NDArray[np.float32]:
    """A matrix (G, tables) by which a population becomes flat indices: one product finds all of them."""
    weights = np.zeros((space.num_genes, len(tables)), dtype=np.float32)
    for number, (columns, shape) in enumerate(tables):
        step = 1
        for column, length in zip(reversed(columns), reversed(shape), strict=True):
            if length > 1:
                weights[column, number] += step
            step *= length
    return weights


def _least(tables: Sequence[FloatArray], join: np.ufunc) -> npt.NDArray[np.int8]:
    """Dynamic programming over the stages, with the width between two of them as state, for each resolution."""
    best_value, best_row = np.inf, np.zeros(0, dtype=np.int8)
    for resolution in range(tables[0].shape[0]):
        reached = np.zeros(tables[0].shape[1])
        choices = []
        for table in tables:
            own = table[resolution]
            joined = join(reached.reshape(-1, *[1] * len(GENE_FIELDS)), own)
            flat = np.moveaxis(joined, -1, 0).reshape(own.shape[-1], -1)
            choices.append((flat.argmin(axis=1), own.shape[:-1]))
            reached = flat.min(axis=1)
        if reached.min() < best_value:
            best_value, best_row = float(reached.min()), _walk_back(resolution, int(reached.argmin()), choices)
    return best_row


def _walk_back(
    resolution: int, width: int, choices: Sequence[tuple[npt.NDArray[np.intp], tuple[int, ...]]]
) -> npt.NDArray[np.int8]:
    genes: list[int] = []
    for picked, shape in reversed(choices):
        before, *own = (int(value) for value in np.unravel_index(picked[width], shape))
        genes = [*own, width, *genes]
        width = before
    return np.array([resolution, *genes], dtype=np.int8)
