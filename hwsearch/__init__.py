"""hwsearch: measure your hardware, search an EfficientNet for it, scale it into a family, ship it as presets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hwsearch.architecture import Architecture
    from hwsearch.preset import Preset
    from hwsearch.torch_network import Network

__version__ = "0.1.0"


def build(network: Architecture | Preset | str, **options: Any) -> Network:  # noqa: ANN401 - as in hwsearch.module
    """A trainable torch module of a network: an Architecture, a Preset, a preset's name or the text form.

    Options are those of ``hwsearch.module.build``; UnavailableError names the extra to install without torch.
    """
    from hwsearch.module import build as build_module  # here, so that importing hwsearch stays instant

    return build_module(network, **options)
