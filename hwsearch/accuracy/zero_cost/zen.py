"""Zen-score: how strongly the features of a network with random weights react to a small change of the image.

Lin, Wang, Sun, Chen, Sun, Qian, Li, Jin: Zen-NAS, 2021 (arXiv 2102.01063), algorithm 1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hwsearch.accuracy.proxies import Proxy, ProxySignal
from hwsearch.accuracy.zero_cost.surgery import ACTIVATIONS, layer_weights, swap
from hwsearch.torch_network import MBConv, Network, SqueezeExcite

STEP = 0.01
"""The paper's alpha: length of the step from one image towards another."""
EPSILON = 1e-5

PROXY = Proxy(
    "zen",
    "Zen-score (arXiv 2102.01063): log of the features' response to a step of the image, batch norms undone",
    batch=16,
)


def load() -> ProxySignal:
    """The ``zen`` accuracy signal."""
    return ProxySignal(PROXY, _score)


class FrozenNorm(nn.Module):
    """Batch norm with the statistics of the first batch it sees, of which it remembers the scale."""

    def __init__(self) -> None:
        super().__init__()
        self.mean: Tensor | None = None
        self.variance: Tensor | None = None

    @property
    def log_scale(self) -> float:
        """log of the root of the variance, averaged over channels: what the norm divided the map by."""
        assert self.variance is not None
        return 0.5 * float(torch.log(self.variance.mean() + EPSILON))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        if self.mean is None or self.variance is None:
            self.variance, self.mean = torch.var_mean(x, dim=(0, 2, 3), keepdim=True, correction=0)
        return (x - self.mean) / torch.sqrt(self.variance + EPSILON)


def zen(features: nn.Module, images: Tensor, direction: Tensor) -> float:
    """log of the mean norm of f(x) - f(x + 0.01 direction), plus the log of what each batch norm divided by.

    ``features`` maps images to the last feature map; its batch norms are replaced, its weights taken as they are.
    """
    swap(features, (nn.BatchNorm2d,), FrozenNorm)
    with torch.no_grad():
        difference = features(images) - features(images + STEP * direction)
    norms = [layer.log_scale for layer in features.modules() if isinstance(layer, FrozenNorm)]
    return float(torch.log(difference.flatten(1).norm(dim=1).mean())) + sum(norms)


def vanilla(network: Network) -> nn.Module:
    """The feature maps of the paper's plain network: N(0, 1) weights, ReLU, neither skips nor squeeze-excite.

    Changes the network.
    """
    swap(network, (SqueezeExcite,), nn.Identity)
    swap(network, ACTIVATIONS, nn.ReLU)
    for block in network.modules():
        if isinstance(block, MBConv):
            block.has_skip = False
    for weight in layer_weights(network):
        nn.init.normal_(weight)
    return nn.Sequential(network.stem, network.blocks, network.head)


def _score(network: Network, images: Tensor) -> float:
    return zen(vanilla(network), images, torch.randn_like(images))
