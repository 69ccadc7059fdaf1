"""One network judged by everything at hand: what it costs, what a table says, what an accuracy signal says.

What cannot be known is None, and a warning says why.
"""

from __future__ import annotations

from collections.abc import Sequence

from hwsearch.accuracy.signal import AccuracySignal
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
    top1, std, more = _top1(architecture, signal)
    return NetworkRecord(
        name,
        architecture,
        price.macs,
        price.params,
        price.activation_bytes,
        latency_ms,
        top1,
        std,
        published_top1=published_top1,
        warnings=(*said, *more),
    )


def _latency(architecture: Architecture, estimator: TableEstimator | None) -> tuple[float | None, Sequence[str]]:
    if estimator is None:
        return None, ["latency_ms: no latency table was given"]
    try:
        return estimator.latency_ms(architecture), []
    except MissingOpError as error:
        return None, [f"latency_ms: {error}"]


def _top1(
    architecture: Architecture, signal: AccuracySignal | None
) -> tuple[float | None, float | None, Sequence[str]]:
    if signal is None:
        return None, None, ["predicted_top1: no accuracy signal"]
    arrays = from_architectures([architecture])
    try:
        prediction = signal.predict(arrays)
    except OutOfDomainError as error:
        return None, None, [f"predicted_top1: {error}"]
    return float(prediction.mean[0]), float(prediction.std[0]), signal.warnings(arrays)
