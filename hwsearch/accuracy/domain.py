"""The networks of Accel-NASBench: what is fixed in them, what varies, and the code of a stage's choices.

The domain is the EfficientNet-B0 skeleton (seven stages; widths, strides, stem, head and resolution fixed)
with four choices a stage: expansion, kernel, repeats and squeeze-excite.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from hwsearch.stage_arrays import StageArrays

CodeArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]

RESOLUTION = 224
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
ACTIVATION = "swish"
OUT_CHANNELS = (16, 24, 40, 80, 112, 192, 320)
STRIDES = (1, 2, 2, 2, 1, 2, 1)
NUM_STAGES = len(OUT_CHANNELS)
EXPAND_RATIOS = (1, 4, 6)
KERNEL_SIZES = (3, 5)
MAX_REPEATS = (3, 3, 3, 3, 3, 4, 3)
SE_RATIOS = (0.0, 0.25)

CODES_PER_STAGE = 64
"""A stage's choices take six bits: expand_ratio // 2 (two), kernel_size // 4, repeats - 1 (two), squeeze-excite."""


def stage_code(
    expand_ratio: npt.ArrayLike, kernel_size: npt.ArrayLike, num_repeats: npt.ArrayLike, se: npt.ArrayLike
) -> CodeArray:
    """Six bits for a stage's choices, all of them in the domain; arrays of one shape, which is kept."""
    code = np.right_shift(expand_ratio, 1)
    code = np.left_shift(code, 1)
    code += np.right_shift(kernel_size, 2)
    code = np.left_shift(code, 2)
    code += num_repeats
    code -= 1
    code = np.left_shift(code, 1)
    code += np.asarray(se, dtype=bool)
    return np.asarray(code, dtype=np.intp)


def stage_options(stage: int) -> Iterator[tuple[int, int, int, int]]:
    """Every (expand_ratio, kernel_size, num_repeats, squeeze-excite 0/1) of one stage."""
    for expand_ratio in EXPAND_RATIOS:
        for kernel_size in KERNEL_SIZES:
            for num_repeats in range(1, MAX_REPEATS[stage] + 1):
                for se in (0, 1):
                    yield expand_ratio, kernel_size, num_repeats, se


def is_inside(arrays: StageArrays, rows: slice) -> bool:
    """Whether every network of ``rows`` is in the domain (the quick answer; ``faults`` says why not)."""
    if arrays.num_stages != NUM_STAGES or arrays.stem_channels != STEM_CHANNELS:
        return False
    if arrays.head_channels != HEAD_CHANNELS or np.any(arrays.resolution[rows] != RESOLUTION):
        return False
    return all(bool(np.all(good)) for good in _stage_checks(arrays, rows))


def _stage_checks(arrays: StageArrays, rows: slice) -> Iterator[BoolArray]:
    kernel_size, expand_ratio = arrays.kernel_size[rows], arrays.expand_ratio[rows]
    num_repeats, se_ratio = arrays.num_repeats[rows], arrays.se_ratio[rows]
    yield (kernel_size == 3) | (kernel_size == 5)
    yield (expand_ratio == 1) | (expand_ratio == 4) | (expand_ratio == 6)
    yield (num_repeats >= 1) & (num_repeats <= _tiled(MAX_REPEATS, len(num_repeats)))
    yield (se_ratio == 0.0) | (se_ratio == 0.25)
    yield arrays.out_channels[rows] == _tiled(OUT_CHANNELS, len(num_repeats))
    yield arrays.stride[rows] == _tiled(STRIDES, len(num_repeats))


@lru_cache(maxsize=64)
def _tiled(values: tuple[int, ...], count: int) -> npt.NDArray[np.int64]:
    # Two whole arrays compare several times faster than an array and a broadcast row of seven.
    tiled = np.tile(np.array(values, dtype=np.int64), (count, 1))
    tiled.flags.writeable = False
    return tiled


def faults(arrays: StageArrays) -> list[str]:
    """Every fault as ``where: value; allowed: ...``, one line for each place and value."""
    found = []
    if arrays.stem_channels != STEM_CHANNELS:
        found.append(f"stem_channels: {arrays.stem_channels}; allowed: {STEM_CHANNELS}")
    if arrays.head_channels != HEAD_CHANNELS:
        found.append(f"head_channels: {arrays.head_channels}; allowed: {HEAD_CHANNELS}")
    found += _column_faults("resolution", np.asarray(arrays.resolution), (RESOLUTION,))
    if arrays.num_stages != NUM_STAGES:
        return [*found, f"stages: {arrays.num_stages} stages; allowed: {NUM_STAGES}"]
    for stage in range(NUM_STAGES):
        for field, allowed in stage_domain(stage).items():
            values = getattr(arrays, field)[:, stage]
            found += _column_faults(f"stages[{stage}].{field}", values, allowed)
    return found


def stage_domain(stage: int) -> dict[str, tuple[float, ...]]:
    """What each field of one stage may be."""
    return {
        "kernel_size": KERNEL_SIZES,
        "stride": (STRIDES[stage],),
        "expand_ratio": EXPAND_RATIOS,
        "out_channels": (OUT_CHANNELS[stage],),
        "num_repeats": tuple(range(1, MAX_REPEATS[stage] + 1)),
        "se_ratio": SE_RATIOS,
    }


def _column_faults(where: str, column: npt.NDArray[np.generic], allowed: tuple[float, ...]) -> list[str]:
    outside = column[~np.isin(column, allowed)]
    values, counts = np.unique(outside, return_counts=True)
    words = ", ".join(f"{value:g}" for value in allowed)
    several = column.size > 1
    return [
        f"{where}: {value:g}{f' in {count} of {column.size} networks' if several else ''}; allowed: {words}"
        for value, count in zip(values.tolist(), counts.tolist(), strict=True)
    ]
