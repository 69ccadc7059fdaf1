"""Gradient norm: how long the gradients of an untrained network are after one batch.

Abdelfattah, Mehrotra, Dudziak, Lane: Zero-Cost Proxies for Lightweight NAS, 2021 (arXiv 2101.08134), section 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from hwsearch.accuracy.proxies import Proxy, ProxySignal
from hwsearch.accuracy.zero_cost.surgery import layer_weights
from hwsearch.torch_network import Network

PROXY = Proxy(
    "grad-norm",
    "gradient norm (arXiv 2101.08134): summed lengths of the layers' gradients after one batch",
    batch=16,
)


def load() -> ProxySignal:
    """The ``grad-norm`` accuracy signal."""
    return ProxySignal(PROXY, _score)


def grad_norm(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Sum over convolutions and linear layers of the Euclidean norm of the cross-entropy's gradient."""
    torch.autograd.backward(functional.cross_entropy(network(images), labels))
    return sum(float(weight.grad.norm()) for weight in layer_weights(network) if weight.grad is not None)


def _score(network: Network, images: Tensor) -> float:
    return grad_norm(network, images, torch.randint(network.classifier.out_features, (len(images),)))
