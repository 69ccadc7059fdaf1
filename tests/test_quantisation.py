"""INT8 graphs run the same kernels as the runtimes' own quantisers give, and keep our names."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from hwsearch.architecture import Architecture, Stage
from hwsearch.graph import part_of_node, to_onnx
from hwsearch.operation import layers, ops
from hwsearch.quantisation import quantised

sys.path.insert(0, str(Path(__file__).resolve().parent / "benchmarks"))
from int8_graphs import (
    onnxruntime_ops,
    openvino_model,
    openvino_ops,
    quantise_statically,
    quantise_with_nncf,
)

STAGES = (Stage(3, 1, 1, 16, 1, 0.25), Stage(5, 2, 4, 24, 2, 0.25), Stage(3, 2, 6, 24, 2, 0.0))
ACTIVATIONS = ("swish", "relu6", "relu")
PLACEMENTS = ("onnxruntime", "openvino")


def network(activation):
    """Every kind of layer: with and without expansion, squeeze-excite, skip, stride."""
    return Architecture(64, 16, STAGES, 64, activation, 10)


def run(model):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).standard_normal((1, 3, 64, 64), dtype=np.float32)
    return session.run(None, {"image": image})[0]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_onnx_runtime_runs_the_ops_of_its_own_static_quantisation(activation):
    model = to_onnx(network(activation))
    assert onnxruntime_ops(quantised(model)) == onnxruntime_ops(quantise_statically(model, 64))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_openvino_runs_the_nodes_that_nncf_leaves(activation):
    pytest.importorskip("nncf", reason="nncf is not installed")
    model = to_onnx(network(activation))
    ours = openvino_ops(openvino_model(quantised(model, "openvino")), 1, 64)
    assert ours == openvino_ops(quantise_with_nncf(model, 64), 1, 64)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_convolution_and_the_classifier_are_integer_products(activation):
    model = quantised(to_onnx(network(activation)))
    found = onnxruntime_ops(model)
    weighted = [layer.kind for op in ops(network(activation)) for layer in layers(op) if layer.has_weights]
    assert found["QLinearConv"] == sum(kind != "linear" for kind in weighted)
    assert found["QGemm"] == 1
    assert not {"Conv", "Gemm", "Add", "GlobalAveragePool"} & set(found)


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_input_and_output_stay_f32_and_the_result_is_finite(activation, placement):
    original = to_onnx(network(activation))
    model = quantised(original, placement)
    onnx.checker.check_model(model, full_check=True)
    assert list(model.graph.input) == list(original.graph.input)
    assert list(model.graph.output) == list(original.graph.output)
    logits = run(model)
    assert logits.dtype == np.float32
    assert logits.shape == (1, 10)
    assert np.isfinite(logits).all()
    assert np.ptp(logits) > 0


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_node_is_attributed_to_the_part_it_came_from(activation, placement):
    original = to_onnx(network(activation))
    model = quantised(original, placement)
    parts = {part_of_node(node.name) for node in original.graph.node}
    assert {part_of_node(node.name) for node in model.graph.node} == parts
    assert len({node.name for node in model.graph.node}) == len(model.graph.node)
    for node in model.graph.node:
        # a tensor is quantised in the part that made it
        made_by = [other for other in original.graph.node if node.name.startswith(other.name)]
        assert not made_by or part_of_node(made_by[0].name) == part_of_node(node.name)


def test_the_original_is_left_as_it_was():
    model = to_onnx(network("swish"))
    before = model.SerializeToString()
    quantised(model)
    quantised(model, "openvino")
    assert model.SerializeToString() == before


def test_in_openvinos_placement_the_squeeze_excite_computes_in_f32():
    model = quantised(to_onnx(network("swish")), "openvino")
    weights = {name for node in model.graph.node if node.op_type == "Conv" for name in node.input[1:2]}
    plain = {name for name in weights if not name.endswith(":dq")}
    assert plain == {name for name in weights if "/squeeze_excite/" in name}
    assert plain
