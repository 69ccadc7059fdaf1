"""The torch module is the network that ``cost`` counts and ``graph`` writes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import hwsearch
from hwsearch import module
from hwsearch.cost import cost
from hwsearch.errors import InputError, UnavailableError
from hwsearch.graph import to_onnx
from hwsearch.notation import parse
from hwsearch.preset import Preset, reference_preset
from hwsearch.weights import random_weights

B0 = reference_preset("efficientnet-b0").architecture
LITE0 = reference_preset("efficientnet-lite0").architecture
SMALL = parse("r64 swish stem_c16 ds_r1_k3_s1_e1_c16_se0.25 ir_r3_k5_s2_e4_c24_se0.25 head_c64 classes10")
NETWORKS = {
    "b0": B0,
    "lite0": LITE0,
    "b0-225": B0.with_resolution(225),
    "b0-260": B0.with_resolution(260),
    "lite0-97": LITE0.with_resolution(97),
    "k7": parse(
        "r90 relu stem_c24 ds_r2_k7_s2_e1_c24_se0.5 ir_r2_k7_s2_e3_c24 ir_r1_k1_s2_e2_c20 ir_r2_k5_s1_e4_c20_se0.1 "
        "head_c100 classes7"
    ),
    "tiny": parse("r5 swish stem_c8 ir_r1_k7_s2_e3_c8_se0.01 ir_r2_k5_s2_e1_c8 head_c8 classes2"),
}


@pytest.fixture(autouse=True)
def _torch():
    pytest.importorskip("torch", reason="torch is not installed: pip install 'hwsearch[torch]'")


@pytest.mark.parametrize("padding", ["same", "symmetric"])
@pytest.mark.parametrize("name", NETWORKS)
def test_logits_are_those_of_the_graph_and_counts_those_of_cost(name, padding):
    import onnxruntime
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    architecture = NETWORKS[name]
    weights, side = random_weights(architecture, 3), architecture.resolution
    image = np.random.default_rng(0).standard_normal((1, 3, side, side)).astype("float32")
    net = module.build(architecture, padding=padding).eval()
    module.load_weights(net, architecture, weights)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        ours = net(torch.from_numpy(image)).numpy()
    session = onnxruntime.InferenceSession(to_onnx(architecture, weights, padding=padding).SerializeToString())
    graphs = session.run(None, {"image": image})[0]
    assert np.abs(ours - graphs).max() < 1e-4 * np.abs(graphs).max()
    assert counter.get_total_flops() == 2 * cost(architecture).macs
    assert sum(each.numel() for each in net.parameters()) == cost(architecture).params


def test_fvcore_counts_the_same_macs():
    import torch

    fvcore = pytest.importorskip("fvcore.nn", reason="fvcore is not installed: pip install 'hwsearch[torch]'")
    net = module.build(SMALL).eval()
    counted = fvcore.FlopCountAnalysis(net, torch.zeros(1, 3, 64, 64)).unsupported_ops_warnings(False).by_operator()
    assert counted["conv"] + counted["linear"] == cost(SMALL).macs


def test_the_paddings_are_two_networks_at_even_sides_and_one_at_odd():
    import torch

    def logits(architecture, padding):
        torch.manual_seed(0)
        side = architecture.resolution
        return module.build(architecture, padding=padding).eval()(torch.ones(1, 3, side, side)).detach()

    even, odd = SMALL, SMALL.with_resolution(65)  # 65, 33, 17: odd all the way
    assert not torch.allclose(logits(even, "same"), logits(even, "symmetric"), rtol=1e-3)
    assert torch.equal(logits(odd, "same"), logits(odd, "symmetric"))


def test_weights_go_in_and_out_unchanged():
    weights = random_weights(SMALL, 1)
    net = module.build(SMALL)
    module.load_weights(net, SMALL, weights)
    back = module.module_weights(net, SMALL)
    assert back.keys() == weights.keys()
    assert all(np.array_equal(back[name], weights[name]) for name in weights)


def test_weights_of_another_network_are_refused():
    net, other = module.build(SMALL), parse(SMALL.text.replace("c24", "c32"))
    with pytest.raises(InputError, match="another architecture"):
        module.load_weights(net, other, random_weights(other))
    with pytest.raises(InputError, match="do not fit"):
        module.load_weights(net, SMALL, random_weights(other))
    with pytest.raises(InputError, match=r"do not fit|another architecture"):
        module.module_weights(net, other)
    with pytest.raises(InputError, match="another architecture"):
        module.module_weights(net, B0)


def test_drop_connect_grows_linearly_and_acts_in_training_only():
    import torch

    net = module.build(B0, drop_connect_rate=0.32, dropout_rate=0.0)
    rates = {name: each.rate for name, each in net.named_modules() if hasattr(each, "rate")}
    assert rates["blocks.2.drop"] == pytest.approx(0.32 * 2 / 16)
    assert rates["blocks.14.drop"] == pytest.approx(0.32 * 14 / 16)
    from hwsearch.torch_network import DropConnect

    torch.manual_seed(0)
    drop, ones = DropConnect(0.25), torch.ones(4000, 1, 1, 1)
    dropped = drop(ones)
    assert sorted(set(dropped.flatten().tolist())) == pytest.approx([0.0, 1 / 0.75])
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.03)
    assert torch.equal(drop.eval()(ones), ones)


def test_it_trains():
    import torch

    torch.manual_seed(0)
    net = module.build(SMALL)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    images, labels = torch.randn(8, 3, 64, 64), torch.arange(8)
    losses = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    assert all(each.grad is not None for each in net.parameters())


@pytest.mark.parametrize("network", ["efficientnet-lite0", LITE0.text, LITE0, reference_preset("efficientnet-lite0")])
def test_build_takes_a_name_a_text_a_preset_or_an_architecture(network):
    assert sum(each.numel() for each in hwsearch.build(network).parameters()) == 4_652_008


def test_build_takes_the_rates_of_a_preset():
    preset = Preset("mine", SMALL, dropout_rate=0.4, drop_connect_rate=0.5)
    assert hwsearch.build(preset).dropout.p == 0.4
    assert hwsearch.build(preset, dropout_rate=0.0).dropout.p == 0.0


def test_build_refuses_what_is_no_network_padding_or_rate():
    with pytest.raises(InputError, match="efficientnet-b0"):
        hwsearch.build("efficientnet-b00")
    with pytest.raises(InputError, match="padding"):
        hwsearch.build(SMALL, padding="valid")
    with pytest.raises(InputError, match="dropout_rate"):
        hwsearch.build(SMALL, dropout_rate=1.0)


def test_without_torch_the_error_names_the_extra(monkeypatch):
    monkeypatch.delitem(sys.modules, "hwsearch.torch_network", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(UnavailableError, match=r"hwsearch\[torch\]"):
        hwsearch.build(SMALL)


def test_importing_hwsearch_imports_no_framework():
    code = (
        "import sys, hwsearch, hwsearch.module, hwsearch.export; "
        "print([m for m in ('torch', 'onnx', 'onnxruntime', 'openvino', 'keras', 'timm', 'transformers', 'pandas') "
        "if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
