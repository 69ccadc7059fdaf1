"""The small network that a fitted predictor is: its weights, its file, and its arithmetic in NumPy.

Each stage's choices are looked up in a table (an embedding of ``D`` numbers for each of 64 codes), the
seven embeddings go side by side through two hidden layers of rectified units, and the mean of top-1 comes
out. The standard deviation is a line in that mean: networks that do badly scatter more from run to run.
"""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hwsearch.accuracy.domain import CODES_PER_STAGE, NUM_STAGES
from hwsearch.errors import FaultsError, HwsearchError, InputError

Float32Array = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]

CHUNK = 512
"""Networks computed at once: their activations stay in a core's L2 cache."""

ARRAYS = ("embedding", "weight_1", "bias_1", "weight_2", "bias_2", "weight_3", "mean_scale", "std_line")
REQUIRED_METADATA = ("format", "source", "scheme", "seed", "rows", "held_out", "command")
FORMAT = "hwsearch accuracy predictor 1"
_MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """Weights (float32, finite) of one fitted predictor, and where they come from."""

    embedding: Float32Array
    """Shape (7, 64, D): a row for each code of each stage."""
    weight_1: Float32Array
    """Shape (7 D, H1)."""
    bias_1: Float32Array
    weight_2: Float32Array
    """Shape (H1, H2)."""
    bias_2: Float32Array
    weight_3: Float32Array
    """Shape (H2,)."""
    mean_scale: npt.NDArray[np.float64]
    """Offset and factor that turn the output into top-1 in percent, shape (2,)."""
    std_line: npt.NDArray[np.float64]
    """Standard deviation in percentage points: offset, slope per point of mean, least, most; shape (4,)."""
    metadata: dict[str, Any]
    """Source, training scheme, seed, rows, held-out figures, command."""

    def faults(self) -> list[str]:
        """Every array of a wrong shape or type, or with a value that is not finite."""
        found = []
        for name, shape in self._shapes().items():
            array = getattr(self, name)
            kind = np.dtype(np.float64 if name in ("mean_scale", "std_line") else np.float32)
            if array.shape != shape or array.dtype != kind:
                found.append(f"{name}: {array.dtype} of shape {array.shape}; allowed: {kind} of shape {shape}")
            elif not np.all(np.isfinite(array)):
                found.append(f"{name}: a value is not finite")
        if not found and not 0 < self.std_line[2] <= self.std_line[3]:
            found.append("std_line: its least is not positive, or is more than its most")
        missing = [key for key in REQUIRED_METADATA if key not in self.metadata]
        return found + [f"metadata: {key!r} is missing" for key in missing]

    def with_metadata(self, metadata: dict[str, Any]) -> Network:
        """The same weights with another account of where they come from."""
        return dataclasses.replace(self, metadata=metadata)

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        width = self.embedding.shape[-1] if self.embedding.ndim == 3 else 0
        first, second = self.bias_1.size, self.bias_2.size
        return {
            "embedding": (NUM_STAGES, CODES_PER_STAGE, width),
            "weight_1": (NUM_STAGES * width, first),
            "bias_1": (first,),
            "weight_2": (first, second),
            "bias_2": (second,),
            "weight_3": (second,),
            "mean_scale": (2,),
            "std_line": (4,),
        }

    def to_bytes(self) -> bytes:
        """The npz file of this network: no pickle in it, and the same bytes for the same weights."""
        arrays = {name: getattr(self, name) for name in ARRAYS}
        buffer = io.BytesIO()
        metadata = np.array(json.dumps(self.metadata, sort_keys=True))
        np.savez_compressed(buffer, allow_pickle=False, metadata=metadata, **arrays)
        return buffer.getvalue()


def load_network(path: Path) -> Network:
    """Read and check an npz; raises InputError or FaultsError when it is not a fitted predictor."""
    advice = "hwsearch accuracy fit DATA -o FILE.npz"
    if not path.is_file():
        raise InputError("there is no such file", where=str(path), next_command=advice)
    if path.stat().st_size > _MAX_BYTES:
        raise InputError("the file is too large for a fitted predictor", where=str(path), next_command=advice)
    try:
        arrays, metadata = _read(path, advice)
    except HwsearchError:
        raise
    except Exception as error:  # NumPy, zipfile and zlib raise whatever they come upon in a damaged file
        raise InputError(f"not a fitted predictor ({error})", where=str(path), next_command=advice) from error
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise InputError("metadata.format is another", where=str(path), allowed=FORMAT, next_command=advice)
    network = Network(**arrays, metadata=metadata)
    found = network.faults()
    if found:
        raise FaultsError(str(path), found, next_command=advice)
    return network


def _read(path: Path, advice: str) -> tuple[dict[str, npt.NDArray[Any]], object]:
    """The arrays and the metadata of an npz; the faults of one whose members are not arrays, or too large."""
    with zipfile.ZipFile(path) as packed:
        if sum(member.file_size for member in packed.infolist()) > _MAX_BYTES:
            raise InputError("the file is too large for a fitted predictor", where=str(path), next_command=advice)
    with np.load(path, allow_pickle=False) as archive:
        found = {name: archive[name] for name in (*ARRAYS, "metadata") if name in archive.files}
    wrong = [f"{name}: is missing" for name in (*ARRAYS, "metadata") if name not in found]
    wrong += [f"{name}: is no array" for name in found if not isinstance(found[name], np.ndarray)]
    if wrong:
        raise FaultsError(str(path), wrong, next_command=advice)
    return found, json.loads(str(found.pop("metadata")))


class Evaluator:
    """A network ready to judge ``CHUNK`` networks at a time; its buffers are reused, so it serves one thread."""

    def __init__(self, network: Network) -> None:
        self._network = network
        width = network.embedding.shape[2]
        self._table = network.embedding.reshape(-1, width)
        self._offsets = np.tile(np.arange(NUM_STAGES, dtype=np.intp) * CODES_PER_STAGE, (CHUNK, 1))
        self._codes = self._offsets.copy()
        self._inputs = np.empty((CHUNK, NUM_STAGES * width), dtype=np.float32)
        self._hidden_1 = np.empty((CHUNK, network.bias_1.size), dtype=np.float32)
        self._hidden_2 = np.empty((CHUNK, network.bias_2.size), dtype=np.float32)
        # Against a whole array of zeros np.maximum runs several times faster than against a scalar.
        self._zeros_1, self._zeros_2 = np.zeros_like(self._hidden_1), np.zeros_like(self._hidden_2)

    def __call__(self, codes: npt.NDArray[np.intp]) -> Float32Array:
        """Raw outputs, shape (n,), of n <= ``CHUNK`` networks given as stage codes, shape (n, 7)."""
        network, n = self._network, len(codes)
        rows, inputs = self._codes[:n], self._inputs[:n]
        np.add(codes, self._offsets[:n], out=rows)
        # Codes are checked before they come here; with mode "clip" NumPy writes into `out` without a copy.
        flat = inputs.reshape(-1, network.embedding.shape[2])
        np.take(self._table, rows.reshape(-1), axis=0, out=flat, mode="clip")
        hidden_1, hidden_2 = self._hidden_1[:n], self._hidden_2[:n]
        np.matmul(inputs, network.weight_1, out=hidden_1)
        hidden_1 += network.bias_1
        np.maximum(hidden_1, self._zeros_1[:n], out=hidden_1)
        np.matmul(hidden_1, network.weight_2, out=hidden_2)
        hidden_2 += network.bias_2
        np.maximum(hidden_2, self._zeros_2[:n], out=hidden_2)
        return np.asarray(hidden_2 @ network.weight_3)


def mean_and_std(network: Network, codes: npt.NDArray[np.intp]) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation of top-1 (percent) of N networks given as stage codes, shape (N, 7)."""
    evaluate = Evaluator(network)
    outputs = np.empty(len(codes), dtype=np.float32)
    for start in range(0, len(codes), CHUNK):
        outputs[start : start + CHUNK] = evaluate(codes[start : start + CHUNK])
    return scaled(network, outputs)


def scaled(network: Network, outputs: Float32Array) -> tuple[FloatArray, FloatArray]:
    """Raw outputs, shape (N,), as mean and standard deviation in percent."""
    offset, factor = network.mean_scale.tolist()
    mean = outputs * np.float64(factor)
    mean += offset
    offset, slope, least, most = network.std_line.tolist()
    std = mean * slope
    std += offset
    return mean, np.clip(std, least, most, out=std)
