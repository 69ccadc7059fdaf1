"""Blocks and layers alone: their ONNX models, timed by the runtimes and settings that whole networks get.

This is the field's usual way to build a latency table; ``latency_methods.py`` sets it beside the others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from hwsearch.graph import IR_VERSION, OPSET, block_to_onnx
from hwsearch.operation import Layer, Op, layers
from hwsearch.profiling.timing import RUNS_A_TURN

NULL = "null"
"""The call that does nothing: what every other call costs beyond its work."""

ModelMaker = Callable[[], onnx.ModelProto]
RunMs = Callable[[], float]


def block_key(op: Op) -> str:
    """What a block alone is called."""
    return f"block:{op.key}"


def layer_key(layer: Layer) -> str:
    """What a layer alone is called: equal layers of different blocks are timed once."""
    return (
        f"layer:{layer.kind}_r{layer.resolution}_i{layer.in_channels}_o{layer.out_channels}"
        f"_k{layer.kernel_size}_s{layer.stride}_{layer.activation}"
    )


def model_makers(blocks: Iterable[Op]) -> dict[str, ModelMaker]:
    """Every model that the isolated methods need: the null call, each block, each distinct layer."""
    found: dict[str, ModelMaker] = {NULL: null_model}
    for op in blocks:
        found[block_key(op)] = lambda op=op: block_to_onnx(op)
        for layer in layers(op):
            found.setdefault(layer_key(layer), lambda op=op, layer=layer: layer_model(op, layer))
    return found


def null_model() -> onnx.ModelProto:
    """One Identity on one number."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1]) for name in ("image", "logits")]
    return _model([helper.make_node("Identity", ["image"], ["logits"])], ends[:1], ends[1:], [])


def layer_model(op: Op, layer: Layer) -> onnx.ModelProto:
    """The nodes of one layer (its activation among them), cut out of its block."""
    block = onnx.shape_inference.infer_shapes(block_to_onnx(op))
    nodes = [node for node in block.graph.node if node.name.startswith(f"op0/{layer.part}/{layer.name}/")]
    constants = {each.name: each for each in block.graph.initializer}
    shapes = {each.name: each for each in (*block.graph.input, *block.graph.value_info, *block.graph.output)}
    made = {name for node in nodes for name in node.output}
    read = dict.fromkeys(name for node in nodes for name in node.input if name not in made)
    inputs = [shapes[name] for name in read if name not in constants]
    kept = [constants[name] for name in read if name in constants]
    return _model(nodes, inputs, [shapes[nodes[-1].output[0]]], kept)


def _model(nodes: list, inputs: list, outputs: list, constants: list) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "alone", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    return model


def input_arrays(model: onnx.ModelProto) -> dict[str, np.ndarray[Any, Any]]:
    """Random numbers for every input."""
    rng = np.random.default_rng(0)
    return {
        each.name: rng.standard_normal([d.dim_value for d in each.type.tensor_type.shape.dim], dtype=np.float32)
        for each in model.graph.input
    }


def load_onnxruntime(model: onnx.ModelProto, threads: int) -> RunMs:
    """A session as ``hwsearch.runtimes.onnx_runtime`` makes them."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = input_arrays(model)

    def run_ms() -> float:
        start = time.perf_counter_ns()
        session.run(None, feed)
        return (time.perf_counter_ns() - start) / 1e6

    return run_ms


def load_openvino(model: onnx.ModelProto, threads: int, precision: str = "f32") -> RunMs:
    """A request as ``hwsearch.runtimes.openvino_runtime`` makes them."""
    import openvino

    core = openvino.Core()
    settings = {
        "INFERENCE_PRECISION_HINT": precision,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
    }
    compiled = core.compile_model(core.read_model(model.SerializeToString(), b""), "CPU", settings)
    request = compiled.create_infer_request()
    arrays = input_arrays(model)
    for name, array in arrays.items():
        request.set_tensor(name, openvino.Tensor(array, shared_memory=True))

    def run_ms(arrays: dict[str, Any] = arrays) -> float:  # holds what the request only points to
        start = time.perf_counter_ns()
        request.start_async()
        request.wait()
        return (time.perf_counter_ns() - start) / 1e6

    return run_ms


LOADERS: dict[str, Callable[[onnx.ModelProto, int], RunMs]] = {"cpu": load_onnxruntime, "openvino": load_openvino}


class Isolated:
    """Models alone, loaded when their first turn comes and kept."""

    def __init__(self, target: str, threads: int, makers: dict[str, ModelMaker]) -> None:
        self.keys = tuple(makers)
        self._makers = makers
        self._load, self._threads = LOADERS[target], threads
        self._loaded: dict[str, RunMs] = {}

    def turn_ms(self, key: str) -> float:
        """The fastest of a few runs, after one to warm up: exactly what a network's turn is."""
        if key not in self._loaded:
            self._loaded[key] = self._load(self._makers[key](), self._threads)
        run_ms = self._loaded[key]
        run_ms()
        return min(run_ms() for _ in range(RUNS_A_TURN))
