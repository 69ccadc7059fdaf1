"""A search's answer in the terms of a run: the reference, what is as good but faster, what is as fast but better."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from hwsearch.accuracy.signal import AccuracySignal
from hwsearch.architecture import Architecture
from hwsearch.budget import Budget
from hwsearch.errors import InfeasibleError
from hwsearch.estimate import TableEstimator
from hwsearch.evolution import Found, Progress, SearchResult, best_at_most, fastest_at_least, search
from hwsearch.evolution.settings import SearchSettings
from hwsearch.judge import judge
from hwsearch.preset import MAX_NAME, Preset, reference_presets
from hwsearch.record import NetworkRecord, RecordRole
from hwsearch.scoring import Scorer
from hwsearch.search_space import SearchSpace

PREDICTION_SLACK = 1e-4
"""A network's prediction in batches of different sizes agrees to this many points (single precision)."""
MAX_FRONT = 150
"""Networks of the front that a summary keeps, evenly spread; the ends always."""

OnSearch = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Question:
    """What is searched for, and by what it is judged."""

    space: SearchSpace
    estimator: TableEstimator | None
    """Of the first table: ``latency_ms`` and the winners' names are its."""
    signal: AccuracySignal | None
    budgets: tuple[Budget, ...] = ()
    objectives: tuple[str, ...] = ()
    """Empty for the default: predicted top-1 against latency (or MACs without a table)."""
    seed: int = 0
    settings: SearchSettings = field(default_factory=SearchSettings)
    others: tuple[TableEstimator, ...] = ()
    """Of further tables: then the front trades off the latency on every one of them."""
    checkpoint: Path | None = None
    """Where an interrupted search leaves its state."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Records of a search: winners by role (the reference first), and the front from fast to slow."""

    winners: tuple[NetworkRecord, ...]
    front: tuple[NetworkRecord, ...]
    result: SearchResult

    @property
    def best(self) -> NetworkRecord:
        """The best network under the budgets."""
        return next(record for record in self.winners if record.role == "best")


def reference_of(space: SearchSpace) -> Preset | None:
    """The published network that a space's results are compared with: the first that lies in it."""
    for preset in reference_presets().values():
        if space.contains(preset.architecture):
            return preset
    return None


def estimators(question: Question) -> tuple[TableEstimator, ...]:
    """Those of all tables, the first one's first."""
    return () if question.estimator is None else (question.estimator, *question.others)


def make_scorer(question: Question) -> Scorer:
    """The scorer of a question; refused where table or signal do not know the space."""
    return Scorer(question.space, question.signal, estimators(question))


def answer(question: Question, scorer: Scorer, on_search: OnSearch | None = None) -> Answer:
    """Search, and name the winners. InfeasibleError where no network meets the budgets."""
    reference = reference_of(question.space)
    result = search(
        question.space,
        scorer,
        question.objectives or None,
        question.budgets,
        question.settings,
        question.seed,
        progress=on_search,
        checkpoint=question.checkpoint,
        reference=reference.architecture if reference else None,
    )
    naming = _Naming(question)
    winners = _winners(question, scorer, result, reference, naming)
    front = tuple(naming.record(each, "front") for each in _spread(result.front))
    return Answer(winners, tuple(sorted(front, key=_latency_first)), result)


def _winners(
    question: Question, scorer: Scorer, result: SearchResult, reference: Preset | None, naming: _Naming
) -> tuple[NetworkRecord, ...]:
    found: list[NetworkRecord] = []
    if reference is not None:
        record = judge(reference.name, reference.architecture, question.estimator, question.signal)
        found.append(with_tables(question, record.with_role("reference")))
        if record.latency_ms is not None and record.predicted_top1 is not None and _is_quick(question.signal):
            found += _beside(scorer, result, record, naming)
    if question.budgets or not any(record.role == "same_latency" for record in found):
        found.append(naming.record(result.best, "best"))
    return tuple(found)


def _is_quick(signal: AccuracySignal | None) -> bool:
    # the searches beside the main one score thousands of networks: too many where each is trained
    return signal is not None and signal.search_evaluations is None


def _beside(scorer: Scorer, result: SearchResult, reference: NetworkRecord, naming: _Naming) -> list[NetworkRecord]:
    """The network as good as the reference but fastest, and the one as fast but best; budgets aside."""
    assert reference.latency_ms is not None
    assert reference.predicted_top1 is not None
    found = []
    starts = (*result.front, *([result.reference] if result.reference else []))
    metric = scorer.latency_metrics[0]
    with suppress(InfeasibleError):  # the reference may be the best there is
        better = reference.predicted_top1 + PREDICTION_SLACK
        found.append(naming.record(fastest_at_least(scorer, better, starts, metric), "same_top1"))
    as_slow = reference.latency_ms * (1 + 1e-9)
    found.append(naming.record(best_at_most(scorer, as_slow, starts, metric), "same_latency"))
    return found


def with_tables(question: Question, record: NetworkRecord) -> NetworkRecord:
    """The record with its latency on every table, where there are several."""
    if not question.others:
        return record
    latencies = tuple((each.name, each.latency_ms(record.architecture)) for each in estimators(question))
    return dataclasses.replace(record, latency_ms_by_table=latencies)


class _Naming:
    """Gives found networks names that presets, files and modules can have."""

    def __init__(self, question: Question) -> None:
        self._question = question
        table = question.estimator.table.name if question.estimator else "no-table"
        self._prefix = f"found-{plain_name(table)}"
        self._taken: dict[str, Architecture] = {}

    def record(self, found: Found, role: RecordRole) -> NetworkRecord:
        """The record of a found network, named by its device and latency."""
        record = judge("network", found.architecture, self._question.estimator, self._question.signal)
        return with_tables(self._question, record.with_role(role, self._name(record)))

    def _name(self, record: NetworkRecord) -> str:
        figure = _plain_ms(record.latency_ms) if record.latency_ms is not None else f"{record.macs / 1e6:.0f}m-macs"
        name = f"{self._prefix}-{figure}"
        number = 2
        while self._taken.setdefault(name, record.architecture) != record.architecture:
            name = f"{self._prefix}-{figure}-{number}"
            number += 1
        return name


def _plain_ms(latency_ms: float) -> str:
    return f"{latency_ms:.3g}ms" if latency_ms < 1000 else f"{latency_ms:.0f}ms"


def plain_name(text: str, fallback: str = "device") -> str:
    """Lower-case words joined by single dashes, as preset names want them."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    name = "-".join(words)[: MAX_NAME // 2].strip("-")
    return name if name[:1].isalpha() else fallback + (f"-{name}" if name else "")


def _spread(front: Sequence[Found]) -> list[Found]:
    if len(front) <= MAX_FRONT:
        return list(front)
    chosen = np.unique(np.linspace(0, len(front) - 1, MAX_FRONT).round().astype(int))
    return [front[index] for index in chosen]


def _latency_first(record: NetworkRecord) -> tuple[float, int]:
    return (record.latency_ms or 0.0, record.macs)
