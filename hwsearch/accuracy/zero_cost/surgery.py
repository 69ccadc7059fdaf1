"""Layers of a torch module replaced by others, for proxies that are defined on a plainer network than it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor, nn

ACTIVATIONS: tuple[type[nn.Module], ...] = (nn.ReLU, nn.ReLU6, nn.SiLU)


def swap(module: nn.Module, kinds: tuple[type[nn.Module], ...], make: Callable[[], nn.Module]) -> None:
    """Put a new module in the place of every one of ``kinds`` inside ``module``."""
    for name, child in list(module.named_children()):
        if isinstance(child, kinds):
            module.add_module(name, make())
        else:
            swap(child, kinds, make)


def layer_weights(module: nn.Module) -> Iterator[Tensor]:
    """The weights of the convolutions and linear layers: neither biases nor batch norms."""
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            yield layer.weight
