"""The slow and careful predictor: Gaussian processes and neural networks on warped top-1, averaged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hwsearch.accuracy.features import cost_features, ordinal_steps, smooth_features
from hwsearch.accuracy.gaussian_process import GaussianProcess, GaussianProcessSettings
from hwsearch.accuracy.perceptrons import Perceptrons, PerceptronSettings
from hwsearch.accuracy.table import Choices, TrainedNetworks

FloatArray = npt.NDArray[np.float64]
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Warp:
    """-log(ceiling - top1): run-to-run scatter, larger for networks that do badly, becomes alike for all."""

    ceiling: float
    """A top-1, in percent, that no network reaches."""

    def to(self, top1: FloatArray) -> FloatArray:
        """Warp percent top-1; values near the ceiling and above are held below it."""
        return np.asarray(-np.log(np.maximum(self.ceiling - top1, 1e-3)))

    def back(self, warped: FloatArray) -> FloatArray:
        """Percent top-1 of warped values."""
        return np.asarray(self.ceiling - np.exp(-warped))


def fitted_warp(top1: FloatArray) -> Warp:
    """The ceiling lies one and a half standard deviations above the best network."""
    return Warp(float(np.max(top1) + 1.5 * np.std(top1)))


@dataclass(frozen=True, slots=True)
class TeacherSettings:
    """What the teacher is made of."""

    process: GaussianProcessSettings = field(default_factory=GaussianProcessSettings)
    perceptrons: PerceptronSettings = field(default_factory=PerceptronSettings)
    process_share: float = 0.7
    """Weight of the Gaussian process in the mean; the neural networks have the rest."""


class Teacher:
    """A fitted teacher: call it with choices for percent top-1, shape (N,)."""

    def __init__(self, trained: TrainedNetworks, settings: TeacherSettings, seed: int, progress: Progress) -> None:
        self._warp, self._share = fitted_warp(trained.top1), settings.process_share
        targets, choices = self._warp.to(trained.top1), trained.choices
        self._process = GaussianProcess(_smooth_features(choices), targets, settings.process, seed, progress)
        self._perceptrons = Perceptrons(_plain_features(choices), targets, settings.perceptrons, seed, progress)
        self.left_out = self._warp.back(self._process.left_out)
        """Top-1 of the networks it was fitted on, each by the process without its own row: percent, shape (N,)."""

    def __call__(self, choices: Choices) -> FloatArray:
        """Predicted top-1 in percent."""
        process, perceptrons = self._process(_smooth_features(choices)), self._perceptrons(_plain_features(choices))
        return self._warp.back(self._share * process + (1 - self._share) * perceptrons)


def _plain_features(choices: Choices) -> FloatArray:
    return np.concatenate([ordinal_steps(choices), cost_features(choices)], axis=1)


def _smooth_features(choices: Choices) -> FloatArray:
    return np.concatenate([smooth_features(choices), cost_features(choices)], axis=1)
