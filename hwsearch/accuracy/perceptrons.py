"""An ensemble of small neural networks (PyTorch) for tables of some thousand rows: its mean is the prediction."""

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


@dataclass(frozen=True, slots=True)
class PerceptronSettings:
    """Size and training of one network, and how many there are; chosen by cross-validation."""

    members: int = 8
    hidden: int = 128
    epochs: int = 120
    batch: int = 128
    learning_rate: float = 3e-3
    weight_decay: float = 0.5


class Perceptrons:
    """A fitted ensemble: call it with inputs, shape (N, D), for means, shape (N,)."""

    def __init__(
        self, inputs: FloatArray, targets: FloatArray, settings: PerceptronSettings, seed: int, progress: Progress
    ) -> None:
        """Fit to ``inputs`` (N, D) and ``targets`` (N,), neither needing to be scaled beforehand."""
        import torch

        self._centre, self._spread = inputs.mean(axis=0), inputs.std(axis=0) + 1e-6
        self._offset, self._factor = float(targets.mean()), float(targets.std())
        rows = self._scaled(inputs)
        values = torch.from_numpy(((targets - self._offset) / self._factor).astype(np.float32))
        self._members = []
        for member in range(settings.members):
            torch.manual_seed(seed + member)
            self._members.append(_trained(rows, values, settings))
            progress("neural networks", (member + 1) / settings.members)

    def __call__(self, inputs: FloatArray) -> FloatArray:
        """Means over the ensemble of N rows, in the targets' unit."""
        import torch

        rows = self._scaled(inputs)
        with torch.no_grad():
            outputs = sum(member(rows)[:, 0].double().numpy() for member in self._members)
        return np.asarray(outputs / len(self._members) * self._factor + self._offset)

    def _scaled(self, inputs: FloatArray) -> torch.Tensor:
        import torch

        return torch.from_numpy(((inputs - self._centre) / self._spread).astype(np.float32))


def _trained(rows: torch.Tensor, values: torch.Tensor, settings: PerceptronSettings) -> torch.nn.Module:
    import torch
    from torch import nn

    width, count = settings.hidden, len(rows)
    network = nn.Sequential(
        nn.Linear(rows.shape[1], width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 1)
    )
    steps = settings.epochs * -(-count // settings.batch)
    optimiser = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, total_steps=steps)
    for _ in range(settings.epochs):
        for batch in torch.split(torch.randperm(count), settings.batch):
            optimiser.zero_grad()
            torch.autograd.backward(((network(rows[batch])[:, 0] - values[batch]) ** 2).mean())
            optimiser.step()
            schedule.step()
    return network
