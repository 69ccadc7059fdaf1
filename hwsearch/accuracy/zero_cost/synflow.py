"""SynFlow: how much every weight carries of what flows through a network of absolute weights.

Tanaka, Kunin, Yamins, Ganguli: Pruning neural networks without any data by iteratively conserving synaptic flow,
2020 (arXiv 2006.05467); as a proxy: Abdelfattah, Mehrotra, Dudziak, Lane, Zero-Cost Proxies for Lightweight NAS,
2021 (arXiv 2101.08134).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from hwsearch.accuracy.proxies import Proxy, ProxySignal
from hwsearch.accuracy.zero_cost.surgery import ACTIVATIONS, layer_weights, swap
from hwsearch.torch_network import Network

PROXY = Proxy(
    "synflow",
    "SynFlow (arXiv 2006.05467, as a proxy 2101.08134): log of the summed synaptic saliencies",
    batch=1,
)


def load() -> ProxySignal:
    """The ``synflow`` accuracy signal."""
    return ProxySignal(PROXY, _score)


def synflow(network: nn.Module, ones: Tensor) -> float:
    """log of the sum over weights of |weight x dR/dweight|, R being the sum of the outputs for an input of ones.

    Weights become their absolute values, batch norms are left out, and activations too: what is positive passes
    a ReLU as it is, and swish and ReLU6 count as one. The gate of a squeeze-excite stays and saturates at 1. Changes
    the network. Double precision, as R grows exponentially with depth; the logarithm leaves the order alone.
    """
    swap(network, (nn.BatchNorm2d, *ACTIVATIONS), nn.Identity)
    network.double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    torch.autograd.backward(network(ones.double()).sum())
    with torch.no_grad():
        flows = [(weight * weight.grad).abs().sum() for weight in layer_weights(network) if weight.grad is not None]
    total = math.fsum(float(flow) for flow in flows)
    return math.log(total) if total > 0 else -math.inf


def _score(network: Network, images: Tensor) -> float:
    return synflow(network, torch.ones_like(images[:1]))
