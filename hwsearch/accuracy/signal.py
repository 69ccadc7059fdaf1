"""The words of every accuracy signal: what it is asked (``AccuracySignal``) and what it answers (``Prediction``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hwsearch.stage_arrays import StageArrays

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prediction:
    """``predicted_top1`` of N networks with its uncertainty: never a trained accuracy."""

    mean: FloatArray
    """Shape (N,): predicted top-1, percent."""
    std: FloatArray
    """Shape (N,): standard deviation, percentage points, of one trained run around ``mean``
    (``mean`` ± 1.645 ``std`` covers nine in ten runs)."""


class AccuracySignal(Protocol):
    """A judge of many networks at once, by the accuracy they would be trained to."""

    @property
    def name(self) -> str:
        """The name a person chooses it by."""

    @property
    def description(self) -> str:
        """One sentence: what is predicted, and from what."""

    def domain_faults(self, arrays: StageArrays) -> list[str]:
        """Every way the networks lie outside the domain, as ``stages[i].field: value; allowed: ...``; [] if none."""

    def predict(self, arrays: StageArrays) -> Prediction:
        """Judge N networks; raises OutOfDomainError, with every fault, if one of them is outside the domain."""

    def warnings(self, arrays: StageArrays) -> list[str]:
        """What a person should know about a prediction that is made nevertheless, one sentence each."""
