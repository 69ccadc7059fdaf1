"""Many networks at once, as one array a stage field: what vectorised judges read.

Row ``n``, column ``s`` of each array is that field of stage ``s`` of network ``n``. All networks of one
``StageArrays`` have the same number of stages and share what is outside the stages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsearch.architecture import Activation, Architecture, Stage
from hwsearch.errors import InputError

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StageArrays:
    """N networks of S stages; every array has shape (N, S), the others (N,) or are shared scalars."""

    kernel_size: IntArray
    stride: IntArray
    expand_ratio: IntArray
    out_channels: IntArray
    num_repeats: IntArray
    se_ratio: FloatArray
    resolution: IntArray
    """Shape (N,): input side, pixels."""
    stem_channels: int
    head_channels: int
    activation: Activation
    num_classes: int = 1000

    @property
    def num_networks(self) -> int:
        """N, the number of rows."""
        return int(self.kernel_size.shape[0])

    @property
    def num_stages(self) -> int:
        """S, the number of columns."""
        return int(self.kernel_size.shape[1])


def from_architectures(architectures: Sequence[Architecture]) -> StageArrays:
    """Stack networks that share stem, head, activation and number of stages; refuse a mixed lot."""
    if not architectures:
        raise InputError("no networks were given")
    first = architectures[0]
    for other in architectures:
        if _shared_part(other) != _shared_part(first):
            raise InputError("networks that differ in stem, head, activation or number of stages cannot be stacked")

    def column(field: str) -> list[list[float]]:
        return [[getattr(stage, field) for stage in network.stages] for network in architectures]

    return StageArrays(
        kernel_size=np.array(column("kernel_size"), dtype=np.int64),
        stride=np.array(column("stride"), dtype=np.int64),
        expand_ratio=np.array(column("expand_ratio"), dtype=np.int64),
        out_channels=np.array(column("out_channels"), dtype=np.int64),
        num_repeats=np.array(column("num_repeats"), dtype=np.int64),
        se_ratio=np.array(column("se_ratio"), dtype=np.float64),
        resolution=np.array([network.resolution for network in architectures], dtype=np.int64),
        stem_channels=first.stem_channels,
        head_channels=first.head_channels,
        activation=first.activation,
        num_classes=first.num_classes,
    )


def to_architectures(arrays: StageArrays) -> Iterator[Architecture]:
    """The networks one by one, for judges that take a single one."""
    fields = ("kernel_size", "stride", "expand_ratio", "out_channels", "num_repeats", "se_ratio")
    columns = [getattr(arrays, field).tolist() for field in fields]
    for resolution, *rows in zip(arrays.resolution.tolist(), *columns, strict=True):
        stages = tuple(Stage(*values) for values in zip(*rows, strict=True))
        yield Architecture(
            resolution, arrays.stem_channels, stages, arrays.head_channels, arrays.activation, arrays.num_classes
        )


def _shared_part(network: Architecture) -> tuple[object, ...]:
    return (
        len(network.stages),
        network.stem_channels,
        network.head_channels,
        network.activation,
        network.num_classes,
    )
