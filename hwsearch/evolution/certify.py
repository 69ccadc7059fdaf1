"""How good a search's answer is, proven: an upper bound on ``predicted_top1`` within the budgets.

Branch and bound over cells of the space (a set of options for each stage). First each sum of the predictor's
second layer is bounded over the whole space, by a branch and bound of its own; then the cells with the largest
bounds are halved, and what is left of a small cell is scored. A cell is left behind once its bound, with all
that single precision can add, is not above the best network known. It may be stopped at any time.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsearch.accuracy.domain import stage_code
from hwsearch.accuracy.imagenet import ImagenetSignal
from hwsearch.accuracy.signal import AccuracySignal
from hwsearch.architecture import Architecture
from hwsearch.budget import Budget, is_maximised
from hwsearch.errors import InputError
from hwsearch.evolution.option_tree import FloatArray, IntArray
from hwsearch.evolution.problem import Problem
from hwsearch.evolution.relaxation import Cells, Relaxation
from hwsearch.evolution.result import Found, found_networks
from hwsearch.evolution.searching import search
from hwsearch.scoring import Scorer
from hwsearch.search_space import Population, SearchSpace


@dataclass(frozen=True, slots=True)
class CertifySettings:
    """Sizes of a proof; they change how soon it comes, never whether it is right."""

    batch: int = 128
    """Cells halved at once."""
    leaf: int = 16_384
    """Networks a cell may hold to be gone through one by one."""
    unit_cells: int = 500
    """Cells for each bound of the second layer over the whole space."""
    unit_share: float = 0.35
    """Share of the time limit those may take together."""


@dataclass(frozen=True, slots=True)
class Bounded:
    """What a progress callback is told, and how the bound fell: at a time, after so many cells."""

    seconds: float
    nodes: int
    best: float
    bound: float
    """Percent of top-1; infinite until the first cell is bounded."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is proven about the best network of a space within budgets, by ``predicted_top1`` (percent)."""

    best: Found
    """The best network known, perhaps better than the one that was given."""
    bound: float
    """No network of the space within the budgets is predicted above this."""
    gap: float
    """``bound`` less what ``best`` is predicted, in points."""
    proven: bool
    """Whether nothing was left open: no network within the budgets is predicted better than ``best``."""
    nodes: int
    """Cells bounded."""
    networks: int
    """Networks of the space."""
    networks_excluded: int
    """Of those, how many are proven to break a budget or to be no better than ``best`` (which counts too)."""
    scored: int
    """Networks that were scored one by one."""
    seconds: float = field(compare=False)
    statement: str = field(compare=False)
    """In words: what is proven, and what is not."""

    def to_document(self) -> dict[str, Any]:
        """What ``search --json`` prints under ``certificate``."""
        return {
            "bound": self.bound,
            "gap": self.gap,
            "proven": self.proven,
            "seconds": round(self.seconds, 3),
            "statement": self.statement,
        }


def certify(
    scorer: Scorer,
    budgets: Sequence[Budget] = (),
    best: Architecture | None = None,
    *,
    seconds: float = math.inf,
    nodes: int | None = None,
    settings: CertifySettings | None = None,
    progress: Callable[[Bounded], None] | None = None,
) -> Certificate:
    """Bound ``predicted_top1`` within ``budgets`` until all is proven, or ``seconds`` or ``nodes`` (cells) are spent.

    ``best`` is usually a search's answer, the network to beat; without it one is searched for. With a limit by
    ``nodes`` alone the same question gives the same certificate.

    Raises InputError for an accuracy signal that is not the ``imagenet`` network, for limits that are not
    positive and for a ``best`` outside the budgets, InfeasibleError when no network meets the budgets.
    """
    refuse_uncertifiable(scorer.signal, seconds, nodes)
    problem = Problem(scorer, ("predicted_top1",), tuple(budgets))
    problem.refuse_impossible()
    best = best or search(scorer.space, scorer, ["predicted_top1"], budgets).best.architecture
    row = scorer.space.encode(best)
    if problem.violation(scorer.matrix(row[None]))[0] > 0:
        raise InputError(f"the network does not meet the budgets: {best.text}", where="certificate")
    proof = _Proof(problem, row, settings or CertifySettings(), progress)
    proof.follow(seconds, math.inf if nodes is None else nodes)
    return proof.certificate()


def refuse_uncertifiable(signal: AccuracySignal | None, seconds: float, nodes: int | None = None) -> None:
    """Raise InputError for a signal that cannot be bounded, or for limits that leave no time: before a long search."""
    if not isinstance(signal, ImagenetSignal):
        raise InputError(
            "only the predictor of accuracy signal 'imagenet' (or one fitted into an .npz) can be bounded",
            where="certificate",
            allowed="--accuracy imagenet or FILE.npz",
        )
    if not seconds > 0 or (nodes is not None and nodes < 1):
        raise InputError("a certificate needs time", where="certificate", allowed="more than 0 seconds or cells")


@dataclass(frozen=True, slots=True, eq=False)
class _Open:
    """A cell that is not done with."""

    sets: IntArray
    low: FloatArray
    high: FloatArray
    multipliers: FloatArray
    upper: float
    split: int


class _Proof:
    """A proof under way."""

    def __init__(
        self,
        problem: Problem,
        row: npt.NDArray[np.int8],
        settings: CertifySettings,
        progress: Callable[[Bounded], None] | None,
    ) -> None:
        self._problem, self._settings, self._progress = problem, settings, progress
        self._given = self._best_row = row
        self._best = float(problem.scorer.matrix(row[None])[0, problem.scorer.column("predicted_top1")])
        self._relaxation, self._rows = relaxation_of(problem)
        self._heap: list[tuple[float, int, _Open]] = []
        self._serial = self._nodes = self._scored = 0
        self._began = time.perf_counter()

    def follow(self, seconds: float, nodes: float) -> None:
        """Halve cells, those of the largest bound first, until none is open or a limit is reached."""
        end = self._began + seconds
        root = self._relaxation.root()
        if self._problem.scorer.space.size > self._settings.leaf:
            root = self._unit_bounds(root, self._began + seconds * self._settings.unit_share)
        self._judge(root, np.array([np.inf]))
        self._tell()
        while self._heap and time.perf_counter() < end and self._nodes < nodes:
            count = min(len(self._heap), self._settings.batch)
            chosen = [heapq.heappop(self._heap)[2] for _ in range(count)]
            self._halve(chosen)
            self._tell()

    def certificate(self) -> Certificate:
        """What is proven by now."""
        space, scorer = self._problem.scorer.space, self._problem.scorer
        best = found_networks(scorer, self._best_row[None], scorer.matrix(self._best_row[None]))[0]
        left = sum(math.prod(self._sizes(cell)) for _, _, cell in self._heap)
        bound, seconds = self._bound(), time.perf_counter() - self._began
        excluded = space.size - left
        return Certificate(
            best,
            bound,
            bound - self._best,
            not self._heap,
            self._nodes,
            space.size,
            excluded,
            self._scored,
            seconds,
            self._statement(bound, excluded),
        )

    def _statement(self, bound: float, excluded: int) -> str:
        space = self._problem.scorer.space
        within = " and ".join(budget.text for budget in self._problem.budgets) or "no budget"
        found = "the network found"
        if not np.array_equal(self._best_row, self._given):
            found = f"a better network met on the way ({space.decode(self._best_row).text})"
        if not self._heap:
            said = (
                f"proven: of the {space.size:,} networks of {space.name} within {within}, none is predicted above "
                f"the {self._best:.4f} % of {found}"
            )
        else:
            said = (
                f"proven: no network of {space.name} within {within} is predicted above {bound:.4f} %, "
                f"{bound - self._best:.4f} points above {found}; {excluded:,} of its {space.size:,} networks are "
                "excluded; not proven: whether one of the others is better"
            )
        return said + ". This is about the predictor and the latency table, not about trained or timed networks."

    def _sizes(self, cell: _Open) -> list[int]:
        return [int(tree.sizes[number]) for tree, number in zip(self._relaxation.trees, cell.sets, strict=True)]

    def _bound(self) -> float:
        return max(self._best, -self._heap[0][0] + self._relaxation.rounding) if self._heap else self._best

    def _tell(self) -> None:
        if self._progress is not None:
            self._progress(Bounded(time.perf_counter() - self._began, self._nodes, self._best, self._bound()))

    def _unit_bounds(self, root: Cells, end: float) -> Cells:
        """The root with each second-layer sum bounded by a branch and bound of its own, the weightiest first."""
        low, high = root.low.copy(), root.high.copy()
        for unit in self._relaxation.units_by_weight():
            for sign, bounds in ((1.0, high), (-1.0, low)):
                if time.perf_counter() > end:
                    return Cells(root.sets, low, high, root.multipliers)
                bounds[0, unit] = sign * self._unit_bound(unit, sign)
        return Cells(root.sets, low, high, root.multipliers)

    def _unit_bound(self, unit: int, sign: float) -> float:
        sets = np.zeros((1, len(self._relaxation.trees)), dtype=np.int64)
        upper, split = self._relaxation.unit_bounds(sets, unit, sign)
        heap = [(-float(upper[0]), 0, sets[0], int(split[0]))]
        serial = 0
        while heap and -heap[0][0] > 0 and serial < self._settings.unit_cells:
            chosen = [heapq.heappop(heap) for _ in range(min(len(heap), self._settings.batch))]
            if self._relaxation.sizes(chosen[0][2][None])[0] == 1:
                heapq.heappush(heap, chosen[0])  # exact: this is a network
                break
            sets, parents = self._children(np.array([each[2] for each in chosen]), np.array([c[3] for c in chosen]))
            keep = self._relaxation.possible(sets)
            sets, parents = sets[keep], parents[keep]
            if len(sets) == 0:
                continue
            upper, split = self._relaxation.unit_bounds(sets, unit, sign)
            upper = np.minimum(upper, -np.array([each[0] for each in chosen])[parents])
            for row, value, stage in zip(sets, upper.tolist(), split.tolist(), strict=True):
                serial += 1
                heapq.heappush(heap, (-value, serial, row, stage))
        return -heap[0][0] if heap else 0.0

    def _children(self, sets: IntArray, split: IntArray) -> tuple[IntArray, IntArray]:
        """Both halves of every cell that has some, else the cell itself; and the number of each one's parent."""
        children = np.repeat(sets, 2, axis=0)
        parents = np.repeat(np.arange(len(sets)), 2)
        for stage, tree in enumerate(self._relaxation.trees):
            own = np.flatnonzero(split == stage)
            halves = tree.children[sets[own, stage]]
            children[2 * own, stage], children[2 * own + 1, stage] = halves.T
        whole = children.min(axis=1) < 0
        children[whole] = sets[parents[whole]]
        keep = ~whole | (np.arange(len(children)) % 2 == 0)
        return children[keep], parents[keep]

    def _halve(self, chosen: list[_Open]) -> None:
        sets, parents = self._children(np.array([c.sets for c in chosen]), np.array([c.split for c in chosen]))
        keep = self._relaxation.possible(sets)
        sets, parents = sets[keep], parents[keep]
        if len(sets) == 0:
            return
        above = [chosen[number] for number in parents.tolist()]
        cells = Cells(
            sets,
            np.array([cell.low for cell in above]),
            np.array([cell.high for cell in above]),
            np.array([cell.multipliers for cell in above]),
        )
        self._judge(cells, np.array([cell.upper for cell in above]))

    def _judge(self, cells: Cells, above: FloatArray) -> None:
        """Bound cells; those that may hold a better network are gone through, if they are small, or kept open."""
        bounds = self._relaxation.bounds(cells)
        self._nodes += len(above)
        upper = np.minimum(bounds.upper, above)
        sizes = self._relaxation.sizes(cells.sets)
        alive = np.flatnonzero(upper + self._relaxation.rounding > self._best)
        small = sizes[alive] <= self._settings.leaf
        members = [self._members(cells.sets[n], bounds.values[n], float(bounds.constants[n])) for n in alive[small]]
        if members:
            self._score(np.concatenate(members))
        for n in alive[~small].tolist():
            multipliers = np.where(bounds.multipliers[n] > 0, bounds.multipliers[n], cells.multipliers[n])
            low, high = bounds.low[n].copy(), bounds.high[n].copy()  # a view would keep the whole batch
            cell = _Open(cells.sets[n], low, high, multipliers, float(upper[n]), int(bounds.split[n]))
            self._serial += 1
            heapq.heappush(self._heap, (-cell.upper, self._serial, cell))

    def _members(self, sets: IntArray, values: FloatArray, constant: float) -> Population:
        """The networks of a cell that its additive function does not exclude, as rows."""
        trees, ends = self._relaxation.trees, self._relaxation.ends
        chosen = [tree.members[number] for tree, number in zip(trees, sets, strict=True)]
        total = np.array([constant])
        paid = np.zeros((1, len(self._relaxation.limits)))
        for stage, options in enumerate(chosen):
            total = (total[:, None] + values[ends[stage] + options]).reshape(-1)
            paid = (paid[:, None] + self._relaxation.prices[stage][options]).reshape(len(total), -1)
        fits = (paid <= self._relaxation.limits).all(axis=1)
        kept = np.flatnonzero(fits & (total + self._relaxation.rounding > self._best))
        numbers = np.unravel_index(kept, [len(options) for options in chosen])
        parts = [self._rows[s][options[n]] for s, (options, n) in enumerate(zip(chosen, numbers, strict=True))]
        return np.concatenate([np.zeros((len(kept), 1), dtype=np.int8), *parts], axis=1)

    def _score(self, rows: Population) -> None:
        if len(rows) == 0:
            return
        scores = self._problem.scorer.matrix(rows)
        self._scored += len(rows)
        top1 = scores[:, self._problem.scorer.column("predicted_top1")]
        top1 = np.where(self._problem.violation(scores) > 0, -np.inf, top1)
        winner = int(top1.argmax())
        if top1[winner] > self._best:
            self._best, self._best_row = float(top1[winner]), rows[winner].copy()


def relaxation_of(problem: Problem) -> tuple[Relaxation, list[Population]]:
    """The relaxation of a problem's predictor and budgets, and the genes of each stage's options, (K_s, 5) each.

    The problem's signal must be an ``ImagenetSignal``.
    """
    signal = problem.scorer.signal
    assert isinstance(signal, ImagenetSignal)
    rows = _option_rows(problem.scorer.space)
    prices, limits = _limited_prices(problem)
    return Relaxation(signal.network, _option_codes(problem.scorer.space, rows), prices, limits), rows


def _option_rows(space: SearchSpace) -> list[Population]:
    """The genes of every option of every stage, shapes (K_s, 5)."""
    shapes = [tuple(len(choices) for choices in stage.choices) for stage in space.stages]
    return [np.array(list(np.ndindex(*shape)), dtype=np.int8) for shape in shapes]


def _option_codes(space: SearchSpace, rows: Sequence[Population]) -> list[IntArray]:
    found = []
    for stage, genes in zip(space.stages, rows, strict=True):
        fields = [np.array(choices)[genes[:, g]] for g, choices in enumerate(stage.choices[:4])]
        expand_ratio, kernel_size, num_repeats = (values.astype(np.int64) for values in fields[:3])
        found.append(stage_code(expand_ratio, kernel_size, num_repeats, fields[3] > 0).astype(np.int64))
    return found


def _limited_prices(problem: Problem) -> tuple[list[FloatArray], FloatArray]:
    """Prices (K_s, M) of each stage's options in the limited metrics, and limits (M) on their sums.

    The largest of something becomes a sum too: of the options that alone are too much, which must be 0.
    """
    scorer = problem.scorer
    limited = [budget for budget in problem.budgets if not is_maximised(budget.metric)]
    by_metric = [scorer.prices(column) for column in range(len(scorer.additive))]
    tables = [np.array([prices.reshape(-1) for prices in stage]) for stage in zip(*by_metric, strict=True)]
    prices, limits = [[np.zeros((0, table.shape[1]))] for table in tables], []
    for budget in limited:
        column = scorer.column(budget.metric)
        largest = column == len(scorer.additive) - 1
        own = [(table[column] > budget.limit).astype(np.float64) if largest else table[column] for table in tables]
        for stage, price in zip(prices, own, strict=True):
            stage.append(price[None])
        # a little more than the limit: the scorer adds the same prices in another order
        reach = abs(budget.limit) + sum(float(np.abs(price).max()) for price in own)
        limits.append(0.5 if largest else budget.limit - scorer.constant(column) + 1e-12 * reach)
    return [np.concatenate(stage).T.copy() for stage in prices], np.array(limits, dtype=np.float64)
