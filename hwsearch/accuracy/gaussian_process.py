"""Exact Gaussian process regression (Rasmussen & Williams 2006, algorithm 2.1) with automatic relevance.

The kernel is the sum of a squared exponential, a rational quadratic and a linear part, each input with
length scales of its own. Hyperparameters maximise the marginal likelihood of random subsets (Adam);
the prediction then uses every row. Double precision; one matrix of N x N is held.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

FloatArray = npt.NDArray[np.float64]
Progress = Callable[[str, float], None]

_PREDICT_ROWS = 2048


@dataclass(frozen=True, slots=True)
class GaussianProcessSettings:
    """How long the hyperparameters are sought."""

    subset: int = 1500
    """Rows of each random subset."""
    steps: int = 60
    learning_rate: float = 0.1


class GaussianProcess:
    """A fitted process: call it with inputs, shape (N, D), for means, shape (N,)."""

    def __init__(
        self, inputs: FloatArray, targets: FloatArray, settings: GaussianProcessSettings, seed: int, progress: Progress
    ) -> None:
        """Fit to ``inputs`` (N, D) and ``targets`` (N,), neither needing to be scaled beforehand."""
        import torch

        self._centre, self._spread = inputs.mean(axis=0), inputs.std(axis=0) + 1e-9
        self._offset, self._factor = float(targets.mean()), float(targets.std())
        rows = torch.from_numpy((inputs - self._centre) / self._spread)
        values = torch.from_numpy((targets - self._offset) / self._factor)
        self._kernel = _sought_kernel(rows, values, settings, seed, progress)
        covariance = _with_noise(self._kernel, rows)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(covariance))
        solution = inverse @ values
        # Leaving a row out has a closed form (the book's equation 5.12): no process is fitted again.
        left_out = values - solution / inverse.diagonal()
        self.left_out: FloatArray = left_out.numpy() * self._factor + self._offset
        """Each row's mean as predicted from all other rows, shape (N,), in the targets' unit."""
        # Predicting is a large product of small numbers: single precision is enough, and twice as fast.
        self._rows, self._solution = rows.float(), solution.float()
        self._single = {name: value.float() for name, value in self._kernel.items()}

    def __call__(self, inputs: FloatArray) -> FloatArray:
        """Posterior means of N rows, in the targets' unit."""
        import torch

        scaled = torch.from_numpy(((inputs - self._centre) / self._spread).astype(np.float32))
        parts = [
            _covariance(self._single, scaled[start : start + _PREDICT_ROWS], self._rows) @ self._solution
            for start in range(0, len(scaled), _PREDICT_ROWS)
        ]
        mean: FloatArray = torch.cat(parts).double().numpy() * self._factor + self._offset
        return mean


def _sought_kernel(
    rows: torch.Tensor, values: torch.Tensor, settings: GaussianProcessSettings, seed: int, progress: Progress
) -> dict[str, torch.Tensor]:
    import torch

    logarithms = _initial(rows.shape[1])
    optimiser = torch.optim.Adam(list(logarithms.values()), lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, settings.steps)
    rng = np.random.default_rng(seed)
    for step in range(settings.steps):
        subset = torch.from_numpy(rng.permutation(len(rows))[: settings.subset])
        kernel = {name: value.exp() for name, value in logarithms.items()}
        optimiser.zero_grad()
        torch.autograd.backward(_negative_log_likelihood(kernel, rows[subset], values[subset]))
        optimiser.step()
        schedule.step()
        progress("gaussian process", (step + 1) / settings.steps)
    return {name: value.detach().exp() for name, value in logarithms.items()}


def _initial(dimensions: int) -> dict[str, torch.Tensor]:
    """Logarithms of the hyperparameters, at values that suit inputs and targets of unit variance."""
    import torch

    inverse_length = -1.2 - 0.5 * np.log(dimensions / 20)
    start = {
        "inverse_length": torch.full((dimensions,), inverse_length, dtype=torch.float64),
        "linear": torch.full((dimensions,), -1.5, dtype=torch.float64),
        "squared_exponential": torch.tensor(-1.0, dtype=torch.float64),
        "rational_quadratic": torch.tensor(-1.0, dtype=torch.float64),
        "alpha": torch.tensor(0.0, dtype=torch.float64),
        "noise": torch.tensor(-2.2, dtype=torch.float64),
    }
    return {name: value.requires_grad_() for name, value in start.items()}


def _covariance(kernel: dict[str, torch.Tensor], left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    import torch

    first, second = left * kernel["inverse_length"], right * kernel["inverse_length"]
    squares = first.pow(2).sum(1)[:, None] + second.pow(2).sum(1)[None] - 2 * first @ second.T
    distance = squares.clamp_min(1e-12)
    alpha = kernel["alpha"]
    result = kernel["squared_exponential"] * torch.exp(-0.5 * distance)
    result = result + kernel["rational_quadratic"] * torch.exp(-alpha * torch.log1p(distance / (2 * alpha)))
    return result + (left * kernel["linear"]) @ (right * kernel["linear"]).T


def _with_noise(kernel: dict[str, torch.Tensor], rows: torch.Tensor) -> torch.Tensor:
    import torch

    return _covariance(kernel, rows, rows) + kernel["noise"] ** 2 * torch.eye(len(rows), dtype=rows.dtype)


def _negative_log_likelihood(kernel: dict[str, torch.Tensor], rows: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    import torch

    factor = torch.linalg.cholesky(_with_noise(kernel, rows))
    solution = torch.cholesky_solve(values[:, None], factor)[:, 0]
    likelihood: torch.Tensor = 0.5 * values @ solution + factor.diagonal().log().sum()
    return likelihood
