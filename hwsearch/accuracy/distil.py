"""From a slow teacher to a small network: the teacher labels random networks, the network learns the labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hwsearch.accuracy import domain
from hwsearch.accuracy.table import Choices

if TYPE_CHECKING:
    import torch

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class DistilSettings:
    """Sizes of the small network and of its training."""

    embedding: int = 8
    """Numbers a stage's choices become; the first seven begin as ordinal steps."""
    hidden_1: int = 128
    hidden_2: int = 64
    pool: int = 1_000_000
    """Random networks the teacher labels."""
    epochs: int = 24
    batch: int = 512
    learning_rate: float = 5e-3


@dataclass(frozen=True, slots=True, eq=False)
class SmallNetwork:
    """What distillation leaves: the arrays of ``network.Network``; output times ``factor`` plus ``offset`` is top-1."""

    embedding: Float32Array
    weight_1: Float32Array
    bias_1: Float32Array
    weight_2: Float32Array
    bias_2: Float32Array
    weight_3: Float32Array
    offset: float
    factor: float


def distil(
    choices: Choices,
    labels: FloatArray,
    weights: FloatArray,
    settings: DistilSettings,
    *,
    seed: int,
    progress: Progress,
) -> SmallNetwork:
    """Fit the small network to ``labels`` (percent top-1, shape (N,)) by weighted least squares."""
    import torch

    torch.manual_seed(seed)
    offset, factor = float(np.mean(labels)), float(np.std(labels))
    index = torch.from_numpy(choices.codes() + np.arange(domain.NUM_STAGES) * domain.CODES_PER_STAGE)
    target = torch.from_numpy(((labels - offset) / factor).astype(np.float32))
    scale = torch.from_numpy((weights / np.mean(weights)).astype(np.float32))
    parameters = _initial(settings)
    batches = _Batches(len(index), settings)
    optimiser = torch.optim.Adam(parameters, lr=settings.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, total_steps=batches.total)
    for step, rows in enumerate(batches):
        loss = (scale[rows] * (_forward(index[rows], parameters) - target[rows]) ** 2).mean()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        if step % 50 == 0:
            progress("distil", step / batches.total)
    progress("distil", 1.0)
    return _as_numpy(parameters, offset, factor)


class _Batches:
    """Shuffled batches of row numbers, for all epochs."""

    def __init__(self, count: int, settings: DistilSettings) -> None:
        self._count, self._epochs = count, settings.epochs
        self._size = min(settings.batch, count)
        self.total = self._epochs * (count // self._size)

    def __iter__(self) -> Iterator[torch.Tensor]:
        import torch

        for _ in range(self._epochs):
            order = torch.randperm(self._count)
            for start in range(0, self._count - self._size + 1, self._size):
                yield order[start : start + self._size]


def _initial(settings: DistilSettings) -> list[torch.Tensor]:
    import torch

    inputs = domain.NUM_STAGES * settings.embedding
    embedding = 0.1 * torch.randn(domain.NUM_STAGES, domain.CODES_PER_STAGE, settings.embedding)
    steps = torch.from_numpy(_ordinal_steps())[:, :, : settings.embedding]
    embedding[:, :, : steps.shape[2]] += steps
    shapes = [(inputs, settings.hidden_1), (settings.hidden_1, settings.hidden_2), (settings.hidden_2, 1)]
    layers = [torch.randn(shape) * (2.0 / shape[0]) ** 0.5 for shape in shapes]
    biases = [torch.zeros(settings.hidden_1), torch.zeros(settings.hidden_2)]
    table = embedding.reshape(-1, settings.embedding)
    parameters = [table, layers[0], biases[0], layers[1], biases[1], layers[2][:, 0]]
    return [parameter.clone().requires_grad_() for parameter in parameters]


def _ordinal_steps() -> Float32Array:
    """Each valid code of each stage as seven steps of ±1: how far every choice goes up its ladder."""
    steps = np.zeros((domain.NUM_STAGES, domain.CODES_PER_STAGE, 7), dtype=np.float32)
    for stage in range(domain.NUM_STAGES):
        for expand_ratio, kernel_size, num_repeats, se in domain.stage_options(stage):
            code = domain.stage_code(expand_ratio, kernel_size, num_repeats, se)
            ladder = (expand_ratio > 1, expand_ratio > 4, kernel_size > 3, num_repeats > 1, num_repeats > 2)
            steps[stage, code] = 2.0 * np.array([*ladder, num_repeats > 3, se > 0]) - 1.0
    return steps


def _forward(index: torch.Tensor, parameters: list[torch.Tensor]) -> torch.Tensor:
    import torch

    embedding, weight_1, bias_1, weight_2, bias_2, weight_3 = parameters
    inputs = torch.nn.functional.embedding(index, embedding).flatten(1)
    hidden = torch.relu(torch.addmm(bias_1, inputs, weight_1))
    hidden = torch.relu(torch.addmm(bias_2, hidden, weight_2))
    return hidden @ weight_3


def _as_numpy(parameters: list[torch.Tensor], offset: float, factor: float) -> SmallNetwork:
    arrays = [np.ascontiguousarray(parameter.detach().numpy()) for parameter in parameters]
    embedding = arrays[0].reshape(domain.NUM_STAGES, domain.CODES_PER_STAGE, -1)
    valid = np.any(_ordinal_steps() != 0, axis=2)
    return SmallNetwork(
        embedding=np.where(valid[:, :, None], embedding, np.float32(0)),
        weight_1=arrays[1],
        bias_1=arrays[2],
        weight_2=arrays[3],
        bias_2=arrays[4],
        weight_3=arrays[5],
        offset=offset,
        factor=factor,
    )
