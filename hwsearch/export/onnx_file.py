"""An ONNX file: the graph that hwsearch times, with random weights, and the text form in its metadata."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hwsearch.architecture import Architecture
from hwsearch.errors import InputError
from hwsearch.export.exporter import Padding
from hwsearch.json_file import write_bytes
from hwsearch.notation import parse
from hwsearch.operation import layers, ops
from hwsearch.preset import Preset
from hwsearch.weights import weight_shapes

if TYPE_CHECKING:
    import onnx

TEXT_KEY = "hwsearch.text"
MAX_BYTES = 2**31 - 2**20
"""Protocol buffers end at 2 GiB; the graph around the weights gets 1 MiB."""


@dataclass(frozen=True, slots=True)
class OnnxExporter:
    """``NAME.onnx``."""

    name: str = "onnx"
    summary: str = "an ONNX file (opset 17, batch 1, batch norms folded), random weights"

    def limits(self, preset: Preset, padding: Padding = "same") -> list[str]:
        """Only what protocol buffers cannot hold."""
        return size_limits(preset.architecture)

    def write(self, preset: Preset, folder: Path, padding: Padding = "same") -> tuple[Path, ...]:
        """One file."""
        path = folder / f"{preset.name}.onnx"
        write_bytes(path, model_bytes(preset.architecture, padding))
        return (path,)

    def read_back(self, files: tuple[Path, ...]) -> Architecture:
        """The text of the metadata, after the convolutions of the graph were found to be its."""
        return network_of(files[0])

    def usage(self, preset: Preset, folder: Path) -> str:
        """A session and one run."""
        side = preset.architecture.resolution
        return (
            "import numpy, onnxruntime\n"
            f"session = onnxruntime.InferenceSession({str(folder / (preset.name + '.onnx'))!r})\n"
            f'logits = session.run(None, {{"image": numpy.zeros((1, 3, {side}, {side}), "float32")}})[0]\n'
        )


def size_limits(architecture: Architecture) -> list[str]:
    """A reason when the weights alone are too large for one ONNX file."""
    size = 4 * sum(math.prod(shape) for shape in weight_shapes(architecture).values())
    return [f"params: {size:,} bytes of weights, and an ONNX file ends at {MAX_BYTES:,}"] if size > MAX_BYTES else []


def model_bytes(architecture: Architecture, padding: Padding) -> bytes:
    """The serialized model, with the text form under ``hwsearch.text``."""
    from hwsearch.graph import to_onnx  # onnx is slow to import

    model = to_onnx(architecture, padding=padding)
    model.metadata_props.add(key=TEXT_KEY, value=architecture.text)
    return bytes(model.SerializeToString())


def network_of(path: Path) -> Architecture:
    """The network of an ONNX file of ours; InputError when its convolutions are not those of its text."""
    import onnx

    model = onnx.load_model_from_string(path.read_bytes())
    text = {entry.key: entry.value for entry in model.metadata_props}.get(TEXT_KEY)
    if text is None:
        raise InputError(f"no {TEXT_KEY} in its metadata: hwsearch did not write it", where=str(path))
    architecture = parse(text)
    if _graph_rows(model) != _network_rows(architecture):
        raise InputError("its convolutions are not those of its text form", where=str(path))
    return architecture


def _network_rows(architecture: Architecture) -> list[tuple[tuple[int, ...], int, int]]:
    shapes = weight_shapes(architecture)
    return [
        (
            shapes[f"{index}.{layer.name}.weight"],
            layer.stride,
            layer.in_channels if layer.kind == "depthwise" else 1,
        )
        for index, op in enumerate(ops(architecture))
        for layer in layers(op)
        if layer.has_weights
    ]


def _graph_rows(model: onnx.ModelProto) -> list[tuple[tuple[int, ...], int, int]]:
    shapes = {each.name: tuple(each.dims) for each in model.graph.initializer}
    rows = []
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            attributes = {each.name: each for each in node.attribute}
            stride = attributes["strides"].ints[0] if "strides" in attributes else 1
            group = attributes["group"].i if "group" in attributes else 1
            rows.append((shapes[node.input[1]], stride, group))
    return rows
