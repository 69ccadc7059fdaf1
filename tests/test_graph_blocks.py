"""A block written alone computes what the same block computes inside its network."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from hwsearch.graph import block_to_onnx, part_of_node, to_onnx
from hwsearch.operation import ops
from hwsearch.preset import reference_preset
from hwsearch.space_file import load_space
from hwsearch.weights import random_weights

NETWORKS = ("efficientnet-b0", "efficientnet-lite0", "mnasnet-a1")


def distinct_ops(name):
    return list(dict.fromkeys(ops(reference_preset(name).architecture)))


def run(model, image):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": image})[0]


def image_for(op, batch=1):
    shape = (batch, op.in_channels, op.resolution, op.resolution)
    return np.random.default_rng(1).standard_normal(shape, dtype=np.float32)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_block_of_a_network_stands_alone(name):
    for op in distinct_ops(name):
        model = block_to_onnx(op)
        onnx.checker.check_model(model, full_check=True)
        assert {part_of_node(node.name)[0] for node in model.graph.node} == {0}


def test_every_op_of_a_space_can_be_written():
    for op in list(load_space("efficientnet-lite").blocks())[::7]:
        assert len(block_to_onnx(op, batch=2).graph.output[0].type.tensor_type.shape.dim) in (2, 4)


@pytest.mark.parametrize("kind", ["stem", "head", "classifier", "mbconv"])
def test_the_output_has_the_declared_shape(kind):
    for op in [each for each in distinct_ops("efficientnet-b0") if each.kind == kind][-3:]:
        rest = () if kind == "classifier" else (op.out_resolution,) * 2
        out = run(block_to_onnx(op, batch=2), image_for(op, 2))
        assert out.shape == (2, op.out_channels, *rest)
        assert np.isfinite(out).all()


def test_blocks_in_sequence_are_the_network():
    network = reference_preset("efficientnet-b0").architecture
    weights = random_weights(network, seed=3)
    tensor = image = image_for(ops(network)[0])
    for index, op in enumerate(ops(network)):
        own = {f"0.{name.partition('.')[2]}": w for name, w in weights.items() if name.startswith(f"{index}.")}
        tensor = run(block_to_onnx(op, own), tensor)
    assert tensor == pytest.approx(run(to_onnx(network, weights), image), rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_block_computes_what_its_torch_module_computes(name):
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'hwsearch[torch]'")
    from hwsearch.module import build, load_weights

    network = reference_preset(name).architecture
    weights = random_weights(network, seed=5)
    module = build(network).eval()
    load_weights(module, network, weights)
    for index in (1, 2, 5, 7):
        op = ops(network)[index]
        own = {f"0.{name.partition('.')[2]}": w for name, w in weights.items() if name.startswith(f"{index}.")}
        image = image_for(op)
        with torch.inference_mode():
            expected = module.blocks[index - 1](torch.from_numpy(image)).numpy()
        assert run(block_to_onnx(op, own), image) == pytest.approx(expected, rel=1e-3, abs=1e-3)
