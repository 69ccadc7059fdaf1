"""How scaled channels and repeats are rounded, as in the authors' code (timm, transformers and KerasCV agree)."""

from __future__ import annotations

import math


def round_channels(
    channels: float, width_coefficient: float = 1.0, divisor: int = 8, *, at_least: int | None = None, cap: bool = True
) -> int:
    """Scaled channels, rounded to the divisor; with ``cap`` never more than 10 % below the scaled value."""
    scaled = channels * width_coefficient
    least = divisor if at_least is None else at_least
    rounded = max(least, int(scaled + divisor / 2) // divisor * divisor)
    if cap and rounded < 0.9 * scaled:
        rounded += divisor
    return int(rounded)


def round_repeats(repeats: int, depth_coefficient: float) -> int:
    """Scaled repeats, rounded up."""
    return math.ceil(depth_coefficient * repeats)
