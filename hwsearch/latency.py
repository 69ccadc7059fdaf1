"""From samples to a latency: robust against spikes and drift, with its own noise floor.

Samples come as a matrix: one row a round, one column a network; in every round all networks were timed
in shuffled order. Shared machines drift by several percent within minutes and spike by much more, so a
network's latency is read relative to its rounds, and low: noise only ever adds time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsearch.errors import InputError
from hwsearch.ranking import kendall_tau, mape, share_within

FloatArray = npt.NDArray[np.float64]

LOW_QUANTILE = 0.25
"""Of the samples of a network, and of the levels of the rounds."""
NOISY_FLOOR = 0.03
"""A half-against-half floor above this is worth a warning."""
DRIFT_LIMIT = 0.10
"""A spread of round levels above this is worth a warning."""


@dataclass(frozen=True, slots=True)
class NoiseFloor:
    """How well one half of the rounds predicts the other: no predictor can be judged finer."""

    mape: float
    """Mean absolute error, as a fraction."""
    within_5: float
    """Share of networks within 5 %."""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """Predicted against measured on held-out networks; all figures are fractions."""

    mape: float
    within_5: float
    within_10: float
    kendall_tau: float
    noise_floor: NoiseFloor | None
    """None where the measurements were made by others, once."""
    networks: int
    """How many networks were held out."""


def levels(samples: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Each network's latency (N,) in a quiet round, and each round's level (R,) beside one, from samples (R, N).

    Median polish of the logarithms separates networks from rounds (sample = network x round x noise); then a
    network's latency is the low quantile of its samples with the rounds' levels taken out. Samples are ms.
    """
    if samples.ndim != 2 or samples.size == 0 or not (np.isfinite(samples).all() and samples.min() > 0):
        raise InputError("latency samples must be positive")
    logs = np.log(samples)
    rounds = np.zeros(len(logs))
    networks = np.median(logs, axis=0)
    for _ in range(10):
        rounds = np.median(logs - networks, axis=1)
        networks = np.median(logs - rounds[:, None], axis=0)
    rounds -= np.quantile(rounds, LOW_QUANTILE)
    return np.exp(np.quantile(logs - rounds[:, None], LOW_QUANTILE, axis=0)), np.exp(rounds)


def noise_floor(samples: FloatArray, chosen: npt.NDArray[np.bool_] | None = None) -> NoiseFloor:
    """Latencies of the even rounds against those of the odd ones, over the chosen networks (N,)."""
    if len(samples) < 2:
        raise InputError("a noise floor needs at least two rounds")
    first, second = levels(samples[0::2])[0], levels(samples[1::2])[0]
    if chosen is not None:
        first, second = first[chosen], second[chosen]
    return NoiseFloor(float(mape(first, second)), float(share_within(first, second, 0.05)))


def fidelity(predicted: FloatArray, measured: FloatArray, floor: NoiseFloor | None) -> Fidelity:
    """The figures of a prediction, both (N,) in ms."""
    return Fidelity(
        mape=float(mape(predicted, measured)),
        within_5=float(share_within(predicted, measured, 0.05)),
        within_10=float(share_within(predicted, measured, 0.10)),
        # undefined where all are equal: then nothing was ranked
        kendall_tau=float(np.nan_to_num(kendall_tau(predicted, measured))),
        noise_floor=floor,
        networks=len(measured),
    )


def noise_warnings(samples: FloatArray) -> tuple[str, ...]:
    """What a person should know about the quiet of the machine."""
    found = []
    floor = noise_floor(samples)
    if floor.mape > NOISY_FLOOR:
        found.append(f"noisy machine: one half of the rounds differs from the other by {floor.mape:.1%} on average")
    _, rounds = levels(samples)
    spread = float(np.quantile(rounds, 0.9) / np.quantile(rounds, 0.1) - 1)
    if spread > DRIFT_LIMIT:
        found.append(f"the machine drifted: its speed moved by {spread:.0%} between rounds")
    return tuple(found)
