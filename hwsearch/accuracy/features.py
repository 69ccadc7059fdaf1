"""Numbers that a teacher reads of a network: its choices stage by stage, and what they cost."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hwsearch.accuracy import domain
from hwsearch.accuracy.table import Choices

FloatArray = npt.NDArray[np.float64]

_IN_CHANNELS = np.array([domain.STEM_CHANNELS, *domain.OUT_CHANNELS[:-1]])
_OUT_CHANNELS = np.array(domain.OUT_CHANNELS)
_OUT_SIDES = np.array([112, 56, 28, 14, 14, 7, 7])


def ordinal_steps(choices: Choices) -> FloatArray:
    """Every choice as 0/1 steps up its ladder, shape (N, 43): no order or distance of values is presumed."""
    fourth = choices.num_repeats[:, np.array(domain.MAX_REPEATS) > 3] > 3
    steps = [
        choices.expand_ratio >= 4,
        choices.expand_ratio >= 6,
        choices.kernel_size >= 5,
        choices.num_repeats >= 2,
        choices.num_repeats >= 3,
        choices.se > 0,
        fourth,
    ]
    return np.concatenate(steps, axis=1).astype(np.float64)


def smooth_features(choices: Choices) -> FloatArray:
    """Choices and their products in pairs, shape (N, 84): what a Gaussian process measures distances in."""
    repeats, se = choices.num_repeats, choices.se
    # Expansions 1, 4 and 6 stand at 0, 1 and 1.3: the step from 1 to 4 matters most.
    expansion = np.select([choices.expand_ratio < 4, choices.expand_ratio < 6], [0.0, 1.0], 1.3)
    large_kernel = (choices.kernel_size >= 5).astype(np.float64)
    columns = [
        *(expansion, choices.expand_ratio >= 6, large_kernel, repeats, repeats >= 3, se),
        *(repeats * np.log(choices.expand_ratio), repeats * large_kernel, repeats * se),
        *(expansion * large_kernel, expansion * se, large_kernel * se),
    ]
    return np.concatenate(columns, axis=1).astype(np.float64)


def cost_features(choices: Choices) -> FloatArray:
    """Logarithms of MACs and parameters of the blocks, and sums over depth, shape (N, 7)."""
    expand, repeats, se = choices.expand_ratio, choices.num_repeats, choices.se
    params = _block_params(choices, _IN_CHANNELS) + (repeats - 1) * _block_params(choices, _OUT_CHANNELS)
    macs = params * _OUT_SIDES**2
    sums = [
        np.log(macs.sum(axis=1)),
        np.log(params.sum(axis=1)),
        repeats.sum(axis=1),
        (repeats * np.log(expand)).sum(axis=1),
        (repeats * (choices.kernel_size >= 5)).sum(axis=1),
        (repeats * se).sum(axis=1),
        np.log((expand * repeats).sum(axis=1)),
    ]
    return np.stack(sums, axis=1).astype(np.float64)


def _block_params(choices: Choices, in_channels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Weights of the convolutions of a block, without squeeze-excite: a measure of cost, not the cost itself."""
    wide = choices.expand_ratio * in_channels
    expansion = np.where(choices.expand_ratio > 1, in_channels * wide, 0)
    return np.asarray(expansion + wide * choices.kernel_size**2 + wide * _OUT_CHANNELS)
