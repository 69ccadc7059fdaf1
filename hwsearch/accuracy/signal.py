"""The words of every accuracy signal: what it is asked (``AccuracySignal``) and what it answers (``Prediction``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from hwsearch.stage_arrays import StageArrays

FloatArray = npt.NDArray[np.float64]

Metric = Literal["predicted_top1", "proxy_score"]
"""What a signal's numbers are: percent of top-1, or a score that only ranks. More of either is better."""

PREDICTED_TOP1: Metric = "predicted_top1"
PROXY_SCORE: Metric = "proxy_score"


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a signal says of N networks, in its own metric, with its uncertainty."""

    mean: FloatArray
    """Shape (N,): predicted top-1, percent; or the proxy's score, without unit."""
    std: FloatArray
    """Shape (N,): standard deviation, in the unit of ``mean``, of one trained run around ``mean``
    (``mean`` ± 1.645 ``std`` covers nine in ten runs); NaN where the signal does not know it."""


class AccuracySignal(Protocol):
    """A judge of many networks at once, by the accuracy they would be trained to."""

    @property
    def name(self) -> str:
        """The name a person chooses it by."""

    @property
    def description(self) -> str:
        """One sentence: what is predicted, and from what."""

    @property
    def metric(self) -> Metric:
        """The name under which its numbers are scored, budgeted, recorded and printed."""

    @property
    def search_evaluations(self) -> int | None:
        """About how many networks a search lets it judge if nobody says; None: it is quick, as many as it takes."""

    def domain_faults(self, arrays: StageArrays) -> list[str]:
        """Every way the networks lie outside the domain, as ``stages[i].field: value; allowed: ...``; [] if none."""

    def predict(self, arrays: StageArrays) -> Prediction:
        """Judge N networks; raises OutOfDomainError, with every fault, if one of them is outside the domain."""

    def warnings(self, arrays: StageArrays) -> list[str]:
        """What a person should know about a prediction that is made nevertheless, one sentence each."""
