"""The network as a PyTorch module; it needs PyTorch and nothing else.

``hwsearch.module`` builds it from an Architecture; ``hwsearch export --to torch`` writes this very file, with the
rows of one network below it, as a module that stands alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

ACTIVATIONS: dict[str, type[nn.Module]] = {"swish": nn.SiLU, "relu6": nn.ReLU6, "relu": nn.ReLU}


class Block(NamedTuple):
    """One MBConv block; ``se_channels`` 0 means no squeeze-excite."""

    in_channels: int
    out_channels: int
    kernel_size: int
    stride: int
    expand_ratio: int
    se_channels: int


class Settings(NamedTuple):
    """What all layers of a network share."""

    activation: str = "swish"
    padding: str = "same"
    """``same``: TensorFlow's, the odd row after; ``symmetric``: k // 2 on all sides."""
    batch_norm_epsilon: float = 1e-3


class SamePadding(nn.Module):
    """Zeros around the input, so that the convolution after it gives ceil(side / stride) as TensorFlow does."""

    def __init__(self, kernel_size: int, stride: int) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride

    def forward(self, x: Tensor) -> Tensor:
        """Pad (N, C, H, W); the odd row or column comes last."""
        height, width = self._needed(x.shape[-2]), self._needed(x.shape[-1])
        pads = (width // 2, width - width // 2, height // 2, height - height // 2)
        return functional.pad(x, pads) if any(pads) else x

    def _needed(self, side: int) -> int:
        return max((-(-side // self.stride) - 1) * self.stride + self.kernel_size - side, 0)

    def extra_repr(self) -> str:
        """What ``print(module)`` shows."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}"


class ConvNorm(nn.Sequential):
    """Convolution without bias, batch norm, and an activation unless ``linear``."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        settings: Settings,
        *,
        kernel_size: int = 1,
        stride: int = 1,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        super().__init__()
        asymmetric = settings.padding == "same" and stride > 1
        if asymmetric:
            self.add_module("pad", SamePadding(kernel_size, stride))
        padding = 0 if asymmetric else kernel_size // 2
        convolution = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False)
        self.add_module("conv", convolution)
        self.add_module("norm", nn.BatchNorm2d(out_channels, eps=settings.batch_norm_epsilon))
        if not linear:
            self.add_module("act", ACTIVATIONS[settings.activation](inplace=True))


class SqueezeExcite(nn.Module):
    """Scales every channel by a gate computed from the means of all channels."""

    def __init__(self, channels: int, se_channels: int, activation: str) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, se_channels, 1)
        self.act = ACTIVATIONS[activation](inplace=True)
        self.expand = nn.Conv2d(se_channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        gate = self.expand(self.act(self.reduce(x.mean((2, 3), keepdim=True))))
        scaled: Tensor = x * gate.sigmoid()
        return scaled


class DropConnect(nn.Module):
    """Stochastic depth: while training, leaves out the branch of a random share of the images."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape, with the kept images scaled by 1 / (1 - rate)."""
        if not self.training or self.rate == 0.0:
            return x
        kept = torch.empty((x.shape[0], 1, 1, 1), dtype=x.dtype, device=x.device).bernoulli_(1.0 - self.rate)
        return x * kept / (1.0 - self.rate)

    def extra_repr(self) -> str:
        """What ``print(module)`` shows."""
        return f"rate={self.rate:g}"


class MBConv(nn.Sequential):
    """Expand, depthwise, squeeze-excite, project; the input is added where shapes allow it."""

    def __init__(self, block: Block, settings: Settings, drop_connect_rate: float = 0.0) -> None:
        super().__init__()
        hidden = block.in_channels * block.expand_ratio
        self.has_skip = block.stride == 1 and block.in_channels == block.out_channels
        if block.expand_ratio > 1:
            self.add_module("expand", ConvNorm(block.in_channels, hidden, settings))
        depthwise = ConvNorm(
            hidden, hidden, settings, kernel_size=block.kernel_size, stride=block.stride, groups=hidden
        )
        self.add_module("depthwise", depthwise)
        if block.se_channels:
            self.add_module("se", SqueezeExcite(hidden, block.se_channels, settings.activation))
        self.add_module("project", ConvNorm(hidden, block.out_channels, settings, linear=True))
        if self.has_skip:
            self.add_module("drop", DropConnect(drop_connect_rate))

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) to (N, out, ceil(H / stride), ceil(W / stride))."""
        branch = x
        for layer in self:
            branch = layer(branch)
        return branch + x if self.has_skip else branch


class Network(nn.Module):
    """Stem, MBConv blocks, head, global mean, dropout, classifier: (N, 3, H, W) to (N, num_classes) logits."""

    def __init__(
        self,
        blocks: Sequence[Block],
        *,
        stem_channels: int,
        head_channels: int,
        num_classes: int,
        settings: Settings,
        dropout_rate: float = 0.2,
        drop_connect_rate: float = 0.2,
    ) -> None:
        super().__init__()
        self.stem = ConvNorm(3, stem_channels, settings, kernel_size=3, stride=2)
        # the rate grows linearly from 0 at the first block, as in the reference implementation
        rates = [drop_connect_rate * index / len(blocks) for index in range(len(blocks))]
        self.blocks = nn.Sequential(
            *(MBConv(Block(*block), settings, rate) for block, rate in zip(blocks, rates, strict=True))
        )
        self.head = ConvNorm(blocks[-1][1], head_channels, settings)
        self.dropout = nn.Dropout(dropout_rate)
        self.classifier = nn.Linear(head_channels, num_classes)
        self.apply(_initialise)

    def features(self, x: Tensor) -> Tensor:
        """The head's feature map: (N, head_channels, h, w)."""
        features: Tensor = self.head(self.blocks(self.stem(x)))
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of images."""
        logits: Tensor = self.classifier(self.dropout(self.features(x).mean((2, 3))))
        return logits


def _initialise(module: nn.Module) -> None:
    # fan-out normal for convolutions, uniform for the classifier: as in the reference implementation
    if isinstance(module, nn.Conv2d):
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
        nn.init.normal_(module.weight, 0.0, math.sqrt(2.0 / fan_out))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Linear):
        bound = 1.0 / math.sqrt(module.out_features)
        nn.init.uniform_(module.weight, -bound, bound)
        nn.init.zeros_(module.bias)
