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

from hwsearch.architecture import Architecture, Stage
from hwsearch.operation import IMAGE_CHANNELS, PARTS, STEM_STRIDE, Layer, Op, Part, layers, ops
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
    side = architecture.resolution
    return writer.model("network", [batch, IMAGE_CHANNELS, side, side], [batch, architecture.num_classes])


def block_to_onnx(
    op: Op,
    weights: Weights | None = None,
    *,
    batch: int = 1,
    padding: Padding = "same",
    epsilon: float = BATCH_NORM_EPSILON,
) -> onnx.ModelProto:
    """One op alone as an ONNX model, for those who time blocks outside networks; input and output as ``to_onnx``'s.

    The input has shape (batch, in_channels, R, R), the output (batch, out_channels, R', R') f32, a classifier's
    (batch, out_channels). ``weights`` are named as those of op 0 (``0.expand.weight``); without, random ones.
    """
    if weights is None:
        home, index = _smallest_network(op)
        weights = {
            name.replace(f"{index}.", "0.", 1): array
            for name, array in random_weights(home).items()
            if name.startswith(f"{index}.")
        }
    writer = _Writer(weights, padding, epsilon)
    writer.write_op(0, op, INPUT_NAME)
    output = [batch, op.out_channels] + ([] if op.kind == "classifier" else [op.out_resolution] * 2)
    return writer.model("block", [batch, op.in_channels, op.resolution, op.resolution], output)


def _smallest_network(op: Op) -> tuple[Architecture, int]:
    """A network that holds the op, and where."""
    plain = Stage(1, 1, 1, op.in_channels, 1, 0.0)
    side, channels, activation = STEM_STRIDE * op.resolution, op.in_channels, op.activation
    if op.kind == "stem":
        return Architecture(op.resolution, op.out_channels, (plain,), 1, activation, 1), 0
    if op.kind == "head":
        return Architecture(side, channels, (plain,), op.out_channels, activation, 1), 2
    if op.kind == "classifier":
        return Architecture(side, 1, (plain,), channels, activation, op.out_channels), 3
    stage = Stage(op.kernel_size, op.stride, op.expand_ratio, op.out_channels, 1, op.se_ratio)
    return Architecture(side, channels, (stage,), 1, activation, 1), 1


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

    def model(self, name: str, input_shape: list[int], output_shape: list[int]) -> onnx.ModelProto:
        """The model of what was written; its output is that of the last node."""
        self.nodes[-1].output[0] = OUTPUT_NAME
        graph = helper.make_graph(
            self.nodes,
            name,
            [_tensor_info(INPUT_NAME, input_shape)],
            [_tensor_info(OUTPUT_NAME, output_shape)],
            self.initializers,
        )
        model = helper.make_model(graph, producer_name="hwsearch", opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = IR_VERSION
        return model

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
