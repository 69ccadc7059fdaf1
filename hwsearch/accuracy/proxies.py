"""Zero-cost proxies as accuracy signals: a score of the untrained network, by which networks can be ranked.

A proxy predicts no top-1, so its metric is ``proxy_score``: a number without unit, larger is better, to be compared
only with scores of the same proxy. Each proxy is a module of ``zero_cost``; all need PyTorch (extra ``torch``).

The papers feed a batch of the task's images. None ship with hwsearch, so images are Gaussian noise (and labels
are random) of one seed, the same for all networks of one input side. That side is 2/7 of the network's own, 64
pixels in place of 224, to be quick on a processor.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hwsearch.accuracy.signal import PROXY_SCORE, Metric, Prediction
from hwsearch.architecture import Architecture
from hwsearch.module import build
from hwsearch.stage_arrays import StageArrays, to_architectures

if TYPE_CHECKING:
    from torch import Tensor

    from hwsearch.torch_network import Network

LEAST_SCORE = -1e9
"""Stands for a score that is infinite or no number, so that one odd network ends no search: it comes last."""

SEARCH_EVALUATIONS = 1000
"""Networks a search scores when it is not told how many: minutes on one core."""

_SHARE = 2 / 7
_LEAST_SIDE = 32


@dataclass(frozen=True, slots=True)
class Proxy:
    """What a proxy is called, where it comes from, and how it is sampled."""

    name: str
    description: str
    batch: int
    """Images it sees at once."""
    repeats: int = 1
    """Draws of weights and images that are averaged."""
    seed: int = 0


class ProxySignal:
    """A zero-cost proxy as an accuracy signal; remembers the scores it has given.

    The same seed, machine and number of threads give the same score.
    """

    metric: Metric = PROXY_SCORE
    search_evaluations: int | None = SEARCH_EVALUATIONS

    def __init__(self, proxy: Proxy, score: Callable[[Network, Tensor], float]) -> None:
        """``score`` judges a freshly built network, which it may change, by a batch of Gaussian images."""
        self.proxy = proxy
        self._score = score
        self._known: dict[Architecture, float] = {}

    @property
    def name(self) -> str:
        """``naswot``, ``synflow``, ``zen`` or ``grad-norm``."""
        return self.proxy.name

    @property
    def description(self) -> str:
        """The proxy, its paper, and what it was computed on."""
        return f"proxy_score, larger is better: {self.proxy.description}; untrained network, Gaussian images"

    def domain_faults(self, arrays: StageArrays) -> list[str]:
        """None: whatever can be built has a score."""
        return []

    def warnings(self, arrays: StageArrays) -> list[str]:
        """Says that the score is no top-1."""
        return [f"proxy_score is the {self.name} of the untrained network: it ranks networks, it is no top-1"]

    def predict(self, arrays: StageArrays) -> Prediction:
        """Scores of N networks, without a standard deviation (NaN). Each network is computed once."""
        scores = [self._remembered(network) for network in to_architectures(arrays)]
        return Prediction(np.array(scores, dtype=np.float64), np.full(len(scores), np.nan))

    def _remembered(self, network: Architecture) -> float:
        if network not in self._known:
            self._known[network] = self._computed(network)
        return self._known[network]

    def _computed(self, network: Architecture) -> float:
        import torch

        side = input_side(network.resolution)
        scores = []
        with torch.random.fork_rng(devices=[]):  # the caller's random numbers go on as if nothing had been drawn
            for repeat in range(self.proxy.repeats):
                # images before weights: then all networks see the same ones
                torch.manual_seed(self.proxy.seed + repeat)
                images = torch.randn(self.proxy.batch, 3, side, side)
                module = build(network, dropout_rate=0.0, drop_connect_rate=0.0)
                scores.append(self._score(module, images))
        mean = math.fsum(scores) / len(scores) if all(map(math.isfinite, scores)) else math.nan
        return mean if math.isfinite(mean) else LEAST_SCORE


def input_side(resolution: int) -> int:
    """Side, in pixels, of the images a proxy feeds to a network of that resolution."""
    return min(resolution, max(_LEAST_SIDE, round(resolution * _SHARE)))
