"""One network judged by everything at hand: what it costs, what a table says, what an accuracy signal says.

What cannot be known is None, and a warning says why.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from hwsearch.accuracy.signal import PROXY_SCORE, AccuracySignal
from hwsearch.architecture import Architecture
from hwsearch.cost import cost
from hwsearch.errors import MissingOpError, OutOfDomainError
from hwsearch.estimate import TableEstimator
from hwsearch.record import NetworkRecord
from hwsearch.stage_arrays import from_architectures


def judge(
    name: str,
    architecture: Architecture,
    estimator: TableEstimator | None,
    signal: AccuracySignal | None,
    *,
    published_top1: float | None = None,
) -> NetworkRecord:
    """The record of a network; latency is None without a table, or where the table lacks an op."""
    price = cost(architecture)
    latency_ms, said = _latency(architecture, estimator)
    mean, std, more = _accuracy(architecture, signal)
    is_proxy = signal is not None and signal.metric == PROXY_SCORE
    return NetworkRecord(
        name,
        architecture,
        price.macs,
        price.params,
        price.activation_bytes,
        latency_ms,
        None if is_proxy else mean,
        None if is_proxy else std,
        published_top1=published_top1,
        warnings=(*said, *more),
        proxy_score=mean if is_proxy else None,
    )


def _latency(architecture: Architecture, estimator: TableEstimator | None) -> tuple[float | None, Sequence[str]]:
    if estimator is None:
        return None, ["latency_ms: no latency table was given"]
    try:
        return estimator.latency_ms(architecture), []
    except MissingOpError as error:
        return None, [f"latency_ms: {error}"]


def _accuracy(
    architecture: Architecture, signal: AccuracySignal | None
) -> tuple[float | None, float | None, Sequence[str]]:
    if signal is None:
        return None, None, ["predicted_top1: no accuracy signal"]
    arrays = from_architectures([architecture])
    try:
        prediction = signal.predict(arrays)
    except OutOfDomainError as error:
        return None, None, [f"{signal.metric}: {error}"]
    std = float(prediction.std[0])
    return float(prediction.mean[0]), None if math.isnan(std) else std, signal.warnings(arrays)
