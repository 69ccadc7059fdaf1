"""The graph is the network: valid ONNX, named by op and part, equal to a plain NumPy reading of its layers."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from random_networks import small_networks

from hwsearch.cost import cost
from hwsearch.errors import InputError
from hwsearch.graph import INPUT_NAME, OUTPUT_NAME, pads, part_of_node, to_onnx
from hwsearch.notation import parse
from hwsearch.operation import PARTS, layers, ops
from hwsearch.preset import reference_preset, reference_presets
from hwsearch.weights import check_weights, random_weights, weight_shapes

SMALL = parse("r33 swish stem_c8 ds_r2_k3_s1_c8_se0.25 ir_r2_k5_s2_e4_c12_se0.25 ir_r1_k7_s2_e3_c20 head_c24 classes7")
RELU6 = parse("r40 relu6 stem_c8 ir_r2_k5_s2_e4_c12 ir_r2_k3_s1_e1_c12 head_c24 classes7")
RELU = parse("r17 relu stem_c8 ir_r2_k3_s2_e2_c8_se0.5 head_c24 classes3")


def run(model, image):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run([OUTPUT_NAME], {INPUT_NAME: image})[0]


def image_of(network, batch=1):
    shape = (batch, 3, network.resolution, network.resolution)
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


@settings(max_examples=30, deadline=None)
@given(small_networks())
def test_any_network_is_valid_onnx_with_the_shapes_it_promises(network):
    model = to_onnx(network, batch=2)
    onnx.checker.check_model(model, full_check=True)
    logits = run(model, image_of(network, 2))
    assert logits.shape == (2, network.num_classes)
    assert np.isfinite(logits).all()


@pytest.mark.parametrize("name", ["efficientnet-b0", "efficientnet-lite0", "mobilenet-v2"])
def test_a_published_network_is_valid_onnx(name):
    network = reference_presets()[name].architecture
    model = to_onnx(network)
    onnx.checker.check_model(model, full_check=True)
    weights = [each for each in model.graph.initializer if each.name.endswith(("/weight", "/bias"))]
    folded = sum(int(np.prod(each.dims)) for each in weights)
    # batch norms are folded: of scale and shift only a bias is left
    norms = sum(layer.out_channels for op in ops(network) for layer in layers(op) if layer.batch_norm)
    assert folded == cost(network).params - norms


@pytest.mark.parametrize("network", [SMALL, RELU6, RELU])
def test_every_node_says_its_op_and_part(network):
    names = [node.name for node in to_onnx(network).graph.node]
    assert len(set(names)) == len(names)
    found = [part_of_node(name) for name in names]
    assert None not in found
    wanted = {(index, layer.part) for index, op in enumerate(ops(network)) for layer in layers(op)}
    assert set(found) == wanted
    assert [index for index, _ in found] == sorted(index for index, _ in found)


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("op12/depthwise/depthwise/", (12, "depthwise")),
        ("op0/other/conv/sigmoid/_kernel_time", (0, "other")),
        ("Conv_nchwc_op3/squeeze_excite/se_pool/", (3, "squeeze_excite")),
        ("ReorderInput", None),
        ("op3/nonsense/x/", None),
        ("op/expand/x/", None),
        ("", None),
    ],
)
def test_names_are_read_as_runtimes_report_them(name, owner):
    assert part_of_node(name) == owner


def test_a_batch_is_computed_image_by_image():
    images = image_of(SMALL, 3)
    together = run(to_onnx(SMALL, batch=3), images)
    one_by_one = np.concatenate([run(to_onnx(SMALL), image[None]) for image in images])
    assert together == pytest.approx(one_by_one, rel=1e-3, abs=1e-5)


def activated(values, kind):
    if kind == "swish":
        return values / (1 + np.exp(-values))
    if kind == "sigmoid":
        return 1 / (1 + np.exp(-values))
    if kind == "relu6":
        return np.clip(values, 0, 6)
    return np.maximum(values, 0) if kind == "relu" else values


def convolved(image, layer, weights, before, after):
    """A convolution by its definition, one output pixel at a time."""
    padded = np.pad(image, ((0, 0), (before, after), (before, after)))
    side, k = layer.out_resolution, layer.kernel_size
    out = np.zeros((layer.out_channels, side, side))
    for row in range(side):
        for column in range(side):
            top, left = row * layer.stride, column * layer.stride
            window = padded[:, top : top + k, left : left + k]
            kind = "chw,chw->c" if layer.kind == "depthwise" else "chw,ochw->o"
            kernel = weights[:, 0] if layer.kind == "depthwise" else weights
            out[:, row, column] = np.einsum(kind, window, kernel)
    return out


def computed(network, weights, image, padding):
    """The network by the definition of each layer, in float64 and with its batch norms unfolded."""
    tensor = image.astype(np.float64)
    for index, op in enumerate(ops(network)):
        block_input, mapped = tensor, tensor
        for layer in layers(op):
            names = ("weight", "bias") if layer.has_weights and not layer.batch_norm else ()
            own = {name: weights[f"{index}.{layer.name}.{name}"] for name in names}
            if layer.kind == "add":
                tensor = tensor + block_input
            elif layer.kind == "scale":
                tensor = mapped * tensor
            elif layer.kind == "pool":
                mapped, tensor = tensor, tensor.mean(axis=(1, 2), keepdims=True)
            elif layer.kind == "linear":
                tensor = own["weight"] @ tensor.ravel() + own["bias"]
            else:
                tensor = convolved(tensor, layer, weights[f"{index}.{layer.name}.weight"], *pads(layer, padding))
                if layer.batch_norm:
                    scale, shift, mean, variance = (
                        weights[f"{index}.{layer.name}.{name}"][:, None, None]
                        for name in ("scale", "shift", "mean", "variance")
                    )
                    tensor = scale * (tensor - mean) / np.sqrt(variance + 1e-3) + shift
                else:
                    tensor = tensor + own["bias"][:, None, None]
                tensor = activated(tensor, layer.activation)
    return tensor


@pytest.mark.parametrize("padding", ["same", "symmetric"])
@pytest.mark.parametrize("network", [SMALL, RELU6, RELU], ids=["swish", "relu6", "relu"])
def test_logits_are_those_of_the_layers_by_definition(network, padding):
    weights, image = random_weights(network, seed=5), image_of(network)
    expected = computed(network, weights, image[0], padding)
    found = run(to_onnx(network, weights, padding=padding), image)[0]
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("network", [SMALL, RELU6, RELU, reference_preset("efficientnet-b0").architecture])
def test_logits_are_those_of_the_torch_module(network):
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'hwsearch[torch]'")
    from hwsearch.module import build, load_weights

    weights, image = random_weights(network, seed=1), image_of(network)
    module = build(network).eval()
    load_weights(module, network, weights)
    with torch.no_grad():
        expected = module(torch.from_numpy(image)).numpy()
    found = run(to_onnx(network, weights), image)
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize(
    ("resolution", "kernel", "stride", "same"),
    [
        (224, 3, 2, (0, 1)),
        (225, 3, 2, (1, 1)),
        (8, 5, 2, (1, 2)),
        (9, 5, 1, (2, 2)),
        (1, 7, 2, (3, 3)),
        (8, 1, 2, (0, 0)),
    ],
)
def test_same_padding_is_tensorflows(resolution, kernel, stride, same):
    op = ops(parse(f"r{2 * resolution} stem_c4 ds_r1_k{kernel}_s{stride}_c4"))[1]
    layer = layers(op)[0]
    assert layer.resolution == resolution
    assert pads(layer, "same") == same
    assert pads(layer, "symmetric") == (kernel // 2, kernel // 2)


def test_random_weights_are_the_same_for_a_seed_and_lively():
    first, again, other = random_weights(SMALL, 1), random_weights(SMALL, 1), random_weights(SMALL, 2)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert any(not np.array_equal(first[name], other[name]) for name in first)
    assert {name: values.shape for name, values in first.items()} == weight_shapes(SMALL)
    for name, values in first.items():
        assert values.dtype == np.float32
        if name.endswith(".variance"):
            assert values.min() > 0
        if name.endswith((".scale", ".variance")) and values.size > 1:
            assert values.std() > 0


@pytest.mark.parametrize("change", ["missing", "unknown", "shape"])
def test_weights_of_another_network_are_refused(change):
    weights = dict(random_weights(SMALL))
    if change == "missing":
        del weights["0.conv.weight"]
    elif change == "unknown":
        weights["99.conv.weight"] = weights["0.conv.weight"]
    else:
        weights["0.conv.weight"] = weights["0.conv.weight"][:, :2]
    with pytest.raises(InputError, match=r"do not fit.*(0|99)\.conv\.weight"):
        check_weights(SMALL, weights)
    with pytest.raises(InputError):
        to_onnx(SMALL, weights)


def test_parts_of_the_vocabulary_are_what_graphs_use():
    used = {part_of_node(node.name)[1] for node in to_onnx(SMALL).graph.node}
    assert used == set(PARTS)
