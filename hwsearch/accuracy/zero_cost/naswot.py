"""NASWOT: how differently the units of an untrained network answer to different images.

Mellor, Turner, Storkey, Crowley: Neural Architecture Search without Training, 2021 (arXiv 2006.04647).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hwsearch.accuracy.proxies import Proxy, ProxySignal
from hwsearch.accuracy.zero_cost.surgery import ACTIVATIONS
from hwsearch.torch_network import Network

PROXY = Proxy(
    "naswot",
    "NASWOT (arXiv 2006.04647): log-determinant of the agreement of binary activation codes",
    batch=64,
)


def load() -> ProxySignal:
    """The ``naswot`` accuracy signal."""
    return ProxySignal(PROXY, _score)


def agreement(codes: Tensor) -> Tensor:
    """Binary codes, shape (N, units), as the number of units on which each two of N images agree, shape (N, N).

    This is the paper's units less the Hamming distance of two codes.
    """
    signs = codes.to(torch.float32) * 2 - 1
    return (codes.shape[1] + (signs @ signs.T).double()) / 2


def log_determinant(kernel: Tensor) -> float:
    """log |det K|; minus infinity where two images have the same code."""
    return float(torch.linalg.slogdet(kernel.double()).logabsdet)


def naswot(network: nn.Module, images: Tensor) -> float:
    """log |det K| over all activations of the network, for a batch of images.

    A unit's bit says whether its input is positive. For ReLU that is whether it passes anything on; swish and
    ReLU6 are read in the same way.
    """
    kernel = torch.zeros((len(images), len(images)), dtype=torch.float64)

    def add(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        kernel.add_(agreement(inputs[0].flatten(1) > 0))

    # before the activation, which may overwrite its input
    hooks = [layer.register_forward_pre_hook(add) for layer in network.modules() if isinstance(layer, ACTIVATIONS)]
    try:
        with torch.no_grad():
            network(images)
    finally:
        for hook in hooks:
            hook.remove()
    return log_determinant(kernel)


def _score(network: Network, images: Tensor) -> float:
    return naswot(network, images)
