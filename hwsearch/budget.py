"""Metrics by name and budgets over them: ``latency_ms<=8``, ``flops<=400M``, ``predicted_top1>=63.5``."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from hwsearch.errors import FaultsError, InputError, nearest_name

METRICS = ("latency_ms", "macs", "params", "activation_bytes", "predicted_top1", "proxy_score")
"""What a network is judged by (the last two: by an accuracy signal, of either kind); with several latency tables
``latency_ms:NAME`` stands for each of them."""

MAXIMISED = frozenset({"predicted_top1", "proxy_score"})
"""The metrics of which more is better; of every other one less is better."""

SYNONYMS = {"flops": "macs", "latency": "latency_ms", "top1": "predicted_top1", "parameters": "params"}
"""Other names that the command line accepts. The papers' "FLOPs" are multiply-adds, so they echo as MACs."""

UNITS: dict[str, dict[str, float]] = {
    "latency_ms": {"ms": 1.0, "us": 1e-3, "s": 1e3},
    "macs": {"k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9, "t": 1e12},
    "params": {"k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9},
    "activation_bytes": {
        **{"b": 1.0, "k": 1e3, "kb": 1e3, "m": 1e6, "mb": 1e6, "g": 1e9, "gb": 1e9},
        **{"kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30},
    },
    "predicted_top1": {"%": 1.0},
    "proxy_score": {},
}
"""The suffixes a value may carry, in lower case, and their factors."""

EXAMPLES = "latency_ms<=8, flops<=400M, params<=5.3M, activation_bytes<=6MB, predicted_top1>=63.5"

_BUDGET = re.compile(r"\s*([A-Za-z_][\w:.-]*)\s*(<=|>=|=<|=>|==|<|>|=|≤|≥)\s*(\S.*?)\s*")
_VALUE = re.compile(r"([+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*([A-Za-z%]*)")
_MAX_TEXT = 200


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit on one metric: at most ``limit``, or at least ``limit`` for a metric of which more is better."""

    metric: str
    limit: float
    """In the metric's own unit: ms, MACs, params, bytes, percent; a proxy's score has none and may be negative."""

    @property
    def sense(self) -> Literal["<=", ">="]:
        """The direction that the metric implies."""
        return ">=" if is_maximised(self.metric) else "<="

    @property
    def text(self) -> str:
        """The budget as it is echoed, without unit suffixes."""
        return f"{self.metric}{self.sense}{short_number(self.limit)}"

    def __str__(self) -> str:
        return self.text


def is_maximised(metric: str) -> bool:
    """Whether more of a metric is better."""
    return metric in MAXIMISED


def short_number(value: float) -> str:
    """A number for people: whole ones in full, others with six significant digits."""
    return str(int(value)) if float(value).is_integer() else f"{value:.6g}"


def resolve_metric(name: str, metrics: Sequence[str] = METRICS) -> str:
    """The metric that a name or synonym stands for; InputError with the nearest one otherwise."""
    head, colon, table = name.strip().partition(":")
    lower = head.lower()
    found = SYNONYMS.get(lower, lower) + colon + table
    if found in metrics:
        return found
    what = f"{name.strip()[:60]!r} is not a metric here"
    raise InputError(what, allowed=", ".join(metrics), nearest=nearest_name(found, metrics))


def parse_budget(text: str, metrics: Sequence[str] = METRICS) -> Budget:
    """The budget that ``text`` says; InputError, in one line, about what is wrong with it.

    ``metrics`` are the names that exist (``Scorer.metrics``). ``K M G`` scale counts, ``MB`` and ``MiB`` bytes,
    ``us ms s`` times.
    """
    match = _BUDGET.fullmatch(text[: _MAX_TEXT + 1]) if len(text) <= _MAX_TEXT else None
    if match is None:
        raise InputError(f"{text[:60]!r} is not a budget", allowed=f"METRIC<=VALUE, e.g. {EXAMPLES}")
    try:
        metric = resolve_metric(match[1], metrics)
        _check_sense(metric, match[2])
        return Budget(metric, _parse_value(metric, match[3]))
    except InputError as error:
        where = f"budget {text.strip()[:60]!r}"
        raise InputError(error.what, where=where, allowed=error.allowed, nearest=error.nearest) from None


def parse_budgets(texts: Iterable[str], metrics: Sequence[str] = METRICS) -> tuple[Budget, ...]:
    """All the budgets; the faults of all of them at once."""
    budgets, found = [], []
    for text in texts:
        try:
            budgets.append(parse_budget(text, metrics))
        except InputError as error:
            found.append(error)
    if len(found) == 1:
        raise found[0]
    if found:
        raise FaultsError("budgets", [str(error) for error in found])
    return tuple(budgets)


def _check_sense(metric: str, sense: str) -> None:
    allowed = ">=" if is_maximised(metric) else "<="
    if sense.replace("=<", "<=").replace("=>", ">=").replace("≤", "<=").replace("≥", ">=") != allowed:
        more = "more" if is_maximised(metric) else "less"
        raise InputError(f"{metric} is limited by {allowed} (of it {more} is better), not by {sense}")


def _parse_value(metric: str, text: str) -> float:
    units = UNITS[metric.partition(":")[0]]
    match = _VALUE.fullmatch(text)
    if match is None or (match[2] and match[2].lower() not in units):
        shown = "a number" if match is None else f"a unit of {metric}"
        what = text if match is None else match[2]
        allowed = "a number, or one with " + ", ".join(units) if units else "a number without unit"
        raise InputError(f"{what[:40]!r} is not {shown}", allowed=allowed)
    value = float(match[1].replace("_", "")) * (units[match[2].lower()] if match[2] else 1.0)
    if not math.isfinite(value) or (value <= 0 and metric != "proxy_score"):
        raise InputError(f"{text[:40]!r} is out of range", allowed="finite numbers above 0")
    return value
