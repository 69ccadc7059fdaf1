"""Judges of closed form for tests: a latency of an op, an accuracy of a network, small spaces to enumerate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hwsearch.accuracy.signal import Prediction
from hwsearch.cost import op_cost
from hwsearch.errors import MissingOpError
from hwsearch.operation import Op
from hwsearch.search_space import Population, SearchSpace, StageSpace
from hwsearch.stage_arrays import StageArrays


@dataclass(frozen=True)
class FakeLatency:
    """MACs at a speed that depends on the kernel, and an overhead for each op."""

    name: str = "fake"
    constant_ms: float = 0.25
    slow_kernel: float = 1.5
    missing: str = ""

    def op_ms(self, op: Op) -> float:
        if self.missing and self.missing in op.key:
            raise MissingOpError(f"{op.key} was never measured")
        return 0.03 + op_cost(op).macs * 2e-8 * (self.slow_kernel if op.kernel_size > 3 else 1.0)


class FakeSignal:
    """More of everything is better, less and less so, and neighbouring stages help one another."""

    name = "fake"
    description = "a closed form"
    metric = "predicted_top1"
    search_evaluations = None

    def __init__(self, kernels: tuple[int, ...] = ()) -> None:
        self.kernels = kernels
        self.asked = 0

    def domain_faults(self, arrays: StageArrays) -> list[str]:
        outside = sorted(set(np.unique(arrays.kernel_size)) - set(self.kernels)) if self.kernels else []
        return [f"kernel_size: {kernel}; allowed: {self.kernels}" for kernel in outside]

    def warnings(self, arrays: StageArrays) -> list[str]:
        return [] if arrays.activation == "swish" else ["ranked as swish"]

    def predict(self, arrays: StageArrays) -> Prediction:
        self.asked += arrays.num_networks
        weight = np.arange(1, arrays.num_stages + 1)
        strength = np.log1p(arrays.expand_ratio * arrays.num_repeats) + 0.3 * np.log(arrays.kernel_size)
        strength = strength + 0.2 * (arrays.se_ratio > 0) + 0.01 * arrays.out_channels
        pairs = np.sin(3 * strength[:, :-1] * strength[:, 1:]).sum(axis=1)
        mean = 50 + (strength / weight).sum(axis=1) + 0.4 * pairs + 0.01 * arrays.resolution
        return Prediction(mean=mean.astype(np.float64), std=np.full(arrays.num_networks, 0.3))


def stage_space(stride: int = 2, **choices: tuple[float, ...]) -> StageSpace:
    """A stage with little choice, and what is given instead."""
    given = {
        "expand_ratio": (1, 4),
        "kernel_size": (3, 5),
        "num_repeats": (1, 2),
        "se_ratio": (0.0, 0.25),
        "out_channels": (16,),
        **choices,
    }
    return StageSpace(stride, **given)  # type: ignore[arg-type]


def small_space(number: int = 0) -> SearchSpace:
    """One of several spaces of at most some thousand networks."""
    stages = [
        (stage_space(), stage_space(expand_ratio=(2, 3, 6), out_channels=(24,))),
        (
            stage_space(out_channels=(8, 16), se_ratio=(0.25,)),
            stage_space(out_channels=(16, 24, 32), num_repeats=(1, 2, 4)),
        ),
        (
            stage_space(1, se_ratio=(0.0,), num_repeats=(2,)),
            stage_space(out_channels=(24, 32), expand_ratio=(6,), num_repeats=(3,)),
            stage_space(1, out_channels=(32, 40), se_ratio=(0.0,), kernel_size=(3,)),
        ),
    ]
    resolutions = [(32,), (32, 48), (33, 40, 64)]
    return SearchSpace(f"small-{number}", resolutions[number], 8, stages[number], 64, "swish", 10)


def every_row(space: SearchSpace) -> Population:
    """All the networks of a space."""
    return np.array(list(np.ndindex(*space.cardinalities.tolist())), dtype=np.int8)
