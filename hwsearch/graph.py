"""Architecture -> ONNX, written directly from ``ops()``: milliseconds a network, no framework.

Batch norms are folded into their convolutions, as every deployed network has them. Nodes are named
``op<index>/<part>/<layer>/<what>``; a runtime's profiler reports those names, ``part_of_node`` reads them.
"""

from __future__ import annotations

import re
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from hwsearch.architecture import Architecture
from hwsearch.operation import IMAGE_CHANNELS, PARTS, Layer, Op, Part, layers, ops
from hwsearch.weights import Weights, check_weights, random_weights

Padding = Literal["same", "symmetric"]
"""``same``: TensorFlow's (extra row after), as EfficientNet was published; ``symmetric``: k // 2 on all sides."""

BATCH_NORM_EPSILON = 1e-3
OPSET = 17
IR_VERSION = 8
INPUT_NAME = "image"
OUTPUT_NAME = "logits"

_NODE = re.compile(r"op(\d+)/([a-z_]+)/")


def to_onnx(
    architecture: Architecture,
    weights: Weights | None = None,
    *,
    batch: int = 1,
    padding: Padding = "same",
    epsilon: float = BATCH_NORM_EPSILON,
) -> onnx.ModelProto:
    """The network as an ONNX model: input ``image`` (batch, 3, R, R) f32, output ``logits`` (batch, classes).

    Without ``weights`` it gets random ones (seed 0): right for timing, worthless for images.
    """
    if weights is None:
        weights = random_weights(architecture)
    else:
        check_weights(architecture, weights)
    writer = _Writer(weights, padding, epsilon)
    tensor = INPUT_NAME
    for index, op in enumerate(ops(architecture)):
        tensor = writer.write_op(index, op, tensor)
    writer.rename_output(OUTPUT_NAME)
    graph = helper.make_graph(
        writer.nodes,
        "network",
        [_tensor_info(INPUT_NAME, [batch, IMAGE_CHANNELS, architecture.resolution, architecture.resolution])],
        [_tensor_info(OUTPUT_NAME, [batch, architecture.num_classes])],
        writer.initializers,
    )
    model = helper.make_model(graph, producer_name="hwsearch", opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    return model


def part_of_node(name: str) -> tuple[int, Part] | None:
    """Op index and part that a node of ours belongs to; None for a name that a runtime made up."""
    match = _NODE.search(name)
    if match is None or match[2] not in PARTS:
        return None
    return int(match[1]), cast(Part, match[2])


def pads(layer: Layer, padding: Padding) -> tuple[int, int]:
    """Rows of zeros before and after the input of a convolution (the same for columns)."""
    if padding == "symmetric":
        return layer.kernel_size // 2, layer.kernel_size // 2
    needed = max((layer.out_resolution - 1) * layer.stride + layer.kernel_size - layer.resolution, 0)
    return needed // 2, needed - needed // 2


class _Writer:
    """Collects nodes and initializers while it walks the ops."""

    def __init__(self, weights: Weights, padding: Padding, epsilon: float) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._weights = weights
        self._padding = padding
        self._epsilon = epsilon
        self._constants: set[str] = set()

    def write_op(self, index: int, op: Op, tensor: str) -> str:
        """Write the layers of an op; the name of its output tensor."""
        block_input, mapped = tensor, tensor
        for layer in layers(op):
            prefix = f"op{index}/{layer.part}/{layer.name}"
            if layer.kind == "add":
                tensor = self._node("Add", prefix, [tensor, block_input])
            elif layer.kind == "scale":
                tensor = self._node("Mul", prefix, [mapped, tensor])
            elif layer.kind == "pool":
                mapped = tensor
                tensor = self._node("GlobalAveragePool", prefix, [tensor])
            elif layer.kind == "linear":
                tensor = self._linear(index, layer, prefix, tensor)
            else:
                tensor = self._convolution(index, layer, prefix, tensor)
        return tensor

    def rename_output(self, name: str) -> None:
        self.nodes[-1].output[0] = name

    def _convolution(self, index: int, layer: Layer, prefix: str, tensor: str) -> str:
        weight, bias = self._folded(index, layer)
        before, after = pads(layer, self._padding)
        tensor = self._node(
            "Conv",
            prefix,
            [tensor, self._initializer(f"{prefix}/weight", weight), self._initializer(f"{prefix}/bias", bias)],
            group=layer.in_channels if layer.kind == "depthwise" else 1,
            kernel_shape=[layer.kernel_size] * 2,
            strides=[layer.stride] * 2,
            pads=[before, before, after, after],
        )
        return self._activation(layer, prefix, tensor)

    def _linear(self, index: int, layer: Layer, prefix: str, tensor: str) -> str:
        flat = self._node("Flatten", f"{prefix}/flatten", [tensor], axis=1)
        weight, bias = (self._weights[f"{index}.{layer.name}.{tensor}"] for tensor in ("weight", "bias"))
        names = [self._initializer(f"{prefix}/weight", weight), self._initializer(f"{prefix}/bias", bias)]
        return self._node("Gemm", prefix, [flat, *names], transB=1)

    def _activation(self, layer: Layer, prefix: str, tensor: str) -> str:
        if layer.activation == "swish":
            gate = self._node("Sigmoid", f"{prefix}/sigmoid", [tensor])
            return self._node("Mul", f"{prefix}/swish", [tensor, gate])
        if layer.activation == "sigmoid":
            return self._node("Sigmoid", f"{prefix}/sigmoid", [tensor])
        if layer.activation == "relu":
            return self._node("Relu", f"{prefix}/relu", [tensor])
        if layer.activation == "relu6":
            bounds = [self._constant("zero", 0.0), self._constant("six", 6.0)]
            return self._node("Clip", f"{prefix}/relu6", [tensor, *bounds])
        return tensor

    def _folded(self, index: int, layer: Layer) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        tensors = {name: self._weights[f"{index}.{layer.name}.{name}"] for name in _tensor_names(layer)}
        if not layer.batch_norm:
            return tensors["weight"], tensors["bias"]
        factor = tensors["scale"] / np.sqrt(tensors["variance"] + np.float32(self._epsilon))
        weight = tensors["weight"] * factor[:, None, None, None]
        return weight, tensors["shift"] - tensors["mean"] * factor

    def _node(self, kind: str, name: str, inputs: list[str], **attributes: Any) -> str:  # noqa: ANN401 - ONNX attributes
        output = f"{name}:out"
        self.nodes.append(helper.make_node(kind, inputs, [output], name=f"{name}/", **attributes))
        return output

    def _initializer(self, name: str, values: npt.NDArray[np.float32]) -> str:
        array = np.ascontiguousarray(values, dtype="<f4")
        self.initializers.append(
            TensorProto(name=name, data_type=TensorProto.FLOAT, dims=array.shape, raw_data=array.tobytes())
        )
        return name

    def _constant(self, name: str, value: float) -> str:
        if name not in self._constants:
            self._constants.add(name)
            self._initializer(name, np.array(value, dtype=np.float32))
        return name


def _tensor_names(layer: Layer) -> tuple[str, ...]:
    return ("weight", "scale", "shift", "mean", "variance") if layer.batch_norm else ("weight", "bias")


def _tensor_info(name: str, shape: list[int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
