"""The INT8 form of a graph, as the static quantisation of its runtime leaves it.

Written as QuantizeLinear / DequantizeLinear pairs (QDQ), which ONNX Runtime and OpenVINO turn into their
integer kernels. The two put the pairs in different places, and with them go different kernels: see ``Placement``.
Scales are fixed rather than calibrated: latency does not depend on them, and the weights are random anyway.
To deploy, quantise the trained network with the runtime's own calibration.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

Placement = Literal["onnxruntime", "openvino"]
"""``onnxruntime``: every tensor between layers, unsigned, as ``quantize_static`` does. ``openvino``: as NNCF does,
signed where values may be negative; swish and gates stay fused with their convolutions, and those of a
squeeze-excite stay f32."""

ACTIVATION_SCALE = 0.05
ACTIVATION_ZERO = np.uint8(128)
SIGNED_ZERO = np.int8(0)
UNSIGNED_ZERO = np.uint8(0)
GATE_SCALE = 1 / 255
"""Sigmoids lie in 0..1."""
RECTIFIED_SCALE = 6 / 255
"""With zero point 0, saturation to 8 bits is the rectifier: ReLU6 needs no node, and ReLU's range is calibrated."""
_SQUEEZE_EXCITE = "/squeeze_excite/"
_QUANTISED_SQUEEZE_EXCITE = ("/se_expand/sigmoid/", "/se_scale/")
"""In OpenVINO's placement: the gate, and the map that it scales."""
_WEIGHTED = ("Conv", "Gemm")
_FUSED = ("Clip", "Relu")


def quantised(model: onnx.ModelProto, placement: Placement = "onnxruntime") -> onnx.ModelProto:
    """A graph of ours with 8-bit activations and per-channel 8-bit weights; input and output stay f32."""
    return _Quantiser(model, placement).run()


class _Quantiser:
    """Rewrites one graph, node by node."""

    def __init__(self, model: onnx.ModelProto, placement: Placement) -> None:
        self._model = model
        self._nncf = placement == "openvino"
        self._zero = SIGNED_ZERO if self._nncf else ACTIVATION_ZERO
        graph = model.graph
        # NNCF knows squeeze-excites with swish or ReLU; with ReLU6 it quantises them like anything else
        self._leaves_squeeze_excite = self._nncf and all(node.op_type != "Clip" for node in graph.node)
        self._values = {each.name: each for each in graph.initializer}
        self._readers = {name: node for node in graph.node for name in node.input}
        self._renamed: dict[str, str] = {}
        self._scales: dict[str, float] = {}
        self._unsigned: set[str] = set()
        self._kept: dict[str, onnx.TensorProto] = {}
        self._nodes: list[onnx.NodeProto] = []

    def run(self) -> onnx.ModelProto:
        graph = self._model.graph
        first = graph.node[0].name
        self._pair(graph.input[0].name, f"{first}input/", ACTIVATION_SCALE, self._zero)
        for node in graph.node:
            self._rewrite(node)
        if not self._nncf:
            self._quantise_output(graph.output[0].name)
        rewritten = helper.make_graph(
            self._nodes, graph.name, list(graph.input), list(graph.output), list(self._kept.values())
        )
        model = helper.make_model(rewritten, producer_name="hwsearch", opset_imports=list(self._model.opset_import))
        model.ir_version = self._model.ir_version
        return model

    def _rewrite(self, node: onnx.NodeProto) -> None:
        if node.op_type in _FUSED and not self._is_plain(node):
            self._pair(node.input[0], f"{node.name}output/", RECTIFIED_SCALE, UNSIGNED_ZERO)
            self._renamed[node.output[0]] = self._renamed[node.input[0]]
            self._scales[node.output[0]] = RECTIFIED_SCALE
            self._unsigned.add(node.output[0])
            return
        inputs = [self._input(node, position, name) for position, name in enumerate(node.input)]
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        del copy.input[:]
        copy.input.extend(inputs)
        self._nodes.append(copy)
        if self._is_output_quantised(node):
            scale = GATE_SCALE if node.op_type == "Sigmoid" else ACTIVATION_SCALE
            self._pair(node.output[0], f"{node.name}output/", scale, self._zero_of(node))

    def _zero_of(self, node: onnx.NodeProto) -> np.uint8 | np.int8:
        if node.op_type == "Sigmoid":
            return UNSIGNED_ZERO
        # means and products of what is not negative are not negative either
        passed = self._nncf and node.op_type in ("GlobalAveragePool", "Mul")
        return UNSIGNED_ZERO if passed and self._unsigned.issuperset(node.input) else self._zero

    def _is_plain(self, node: onnx.NodeProto) -> bool:
        """Whether the node computes in f32, as the convolutions of a squeeze-excite that NNCF recognises."""
        squeeze = self._leaves_squeeze_excite and _SQUEEZE_EXCITE in node.name
        return squeeze and not node.name.endswith(_QUANTISED_SQUEEZE_EXCITE)

    def _is_output_quantised(self, node: onnx.NodeProto) -> bool:
        reader = self._readers.get(node.output[0])
        if reader is None or (node.op_type == "Conv" and reader.op_type in _FUSED):
            return False
        if not self._nncf:
            # Flatten too: only a DequantizeLinear right before the Gemm makes that an integer product
            return True
        fused = reader.op_type == "Sigmoid" or reader.name.endswith("/swish/")
        return not (fused or node.op_type == "Flatten" or self._is_plain(node))

    def _quantise_output(self, name: str) -> None:
        # the classifier becomes an integer product only where its output is quantised as well
        last = self._nodes[-1]
        last.output[0] = f"{name}:f32"
        self._pair(last.output[0], f"{last.name}output/", ACTIVATION_SCALE, self._zero)
        self._nodes[-1].output[0] = name

    def _input(self, node: onnx.NodeProto, position: int, name: str) -> str:
        if name not in self._values:
            return self._renamed.get(name, name)
        # NNCF leaves biases in f32
        if node.op_type not in _WEIGHTED or self._is_plain(node) or (self._nncf and position == 2):
            self._kept[name] = self._values[name]
            return name
        if name not in self._renamed:
            self._renamed[name] = self._weight(node, name) if position == 1 else self._bias(node, name)
        return self._renamed[name]

    def _weight(self, node: onnx.NodeProto, name: str) -> str:
        array = numpy_helper.to_array(self._values[name])
        scale = _weight_scale(array)
        values = np.round(array / scale.reshape(-1, *[1] * (array.ndim - 1))).astype(np.int8)
        return self._dequantised(node, name, values, scale, np.zeros(len(scale), dtype=np.int8))

    def _bias(self, node: onnx.NodeProto, name: str) -> str:
        weight = numpy_helper.to_array(self._values[node.input[1]])
        # kernels take a bias only on the scale of their products: input scale x weight scale
        scale = (_weight_scale(weight) * np.float32(self._scales[node.input[0]])).astype(np.float32)
        values = np.round(numpy_helper.to_array(self._values[name]) / scale).astype(np.int32)
        return self._dequantised(node, name, values, scale, np.zeros(len(scale), dtype=np.int32))

    def _dequantised(
        self,
        node: onnx.NodeProto,
        name: str,
        values: npt.NDArray[np.signedinteger],
        scale: npt.NDArray[np.float32],
        zero: npt.NDArray[np.signedinteger],
    ) -> str:
        inputs = [self._keep(f"{name}:q", values), self._keep(f"{name}:scale", scale), self._keep(f"{name}:zero", zero)]
        output = f"{name}:dq"
        label = f"{node.name}{name.rpartition('/')[2]}/"
        self._nodes.append(helper.make_node("DequantizeLinear", inputs, [output], name=label, axis=0))
        return output

    def _pair(self, tensor: str, label: str, scale: float, zero: np.uint8 | np.int8) -> None:
        """Quantise a tensor and dequantise it again for whoever reads it."""
        constants = [
            self._keep(f"scale:{scale:g}", np.array(scale, dtype=np.float32)),
            self._keep(f"zero:{zero}:{zero.dtype}", np.array(zero)),
        ]
        middle, output = f"{tensor}:q", f"{tensor}:dq"
        self._nodes.append(helper.make_node("QuantizeLinear", [tensor, *constants], [middle], name=f"{label}quantise/"))
        self._nodes.append(
            helper.make_node("DequantizeLinear", [middle, *constants], [output], name=f"{label}dequantise/")
        )
        self._renamed[tensor], self._scales[tensor] = output, scale
        if zero == UNSIGNED_ZERO and zero.dtype == np.uint8:
            self._unsigned.add(tensor)

    def _keep(self, name: str, values: npt.NDArray[np.generic]) -> str:
        if name not in self._kept:
            kinds = {
                np.dtype(np.int8): TensorProto.INT8,
                np.dtype(np.uint8): TensorProto.UINT8,
                np.dtype(np.int32): TensorProto.INT32,
                np.dtype(np.float32): TensorProto.FLOAT,
            }
            self._kept[name] = TensorProto(
                name=name, data_type=kinds[values.dtype], dims=values.shape, raw_data=values.tobytes()
            )
        return name


def _weight_scale(array: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    largest = np.abs(array).reshape(len(array), -1).max(axis=1)
    scale: npt.NDArray[np.float32] = np.maximum(largest / 127, 1e-8).astype(np.float32)
    return scale
