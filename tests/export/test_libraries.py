"""Every export, rebuilt by the library it is for, is the network it was made from; or it was refused with a reason."""

from __future__ import annotations

import math
import os
import shlex
import subprocess
import sys
from pathlib import Path

import ported
import pytest
from sample_networks import SPECIAL, WINNERS, preset

from hwsearch.cost import cost
from hwsearch.errors import InexpressibleError
from hwsearch.export import EXPORTERS, export
from hwsearch.weights import random_weights

pytestmark = [pytest.mark.library, pytest.mark.usefixtures("torchvision_operators")]
pytest.importorskip("torch", reason="torch is not installed: pip install 'hwsearch[torch]'")

TOLERANCE = 1e-4
NETWORKS = {**WINNERS, **SPECIAL}
REBUILD = {
    "timm": ported.rebuild_timm,
    "huggingface": ported.rebuild_huggingface,
    "keras-hub": ported.rebuild_keras_hub,
    "torch": ported.rebuild_torch,
}


@pytest.mark.parametrize("to", REBUILD)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_rebuilt_network_is_ours(name, to, tmp_path):
    architecture = NETWORKS[name]
    if EXPORTERS[to].limits(preset(name, architecture)):
        with pytest.raises(InexpressibleError):
            export(preset(name, architecture), to, tmp_path)
        return
    written = export(preset(name, architecture), to, tmp_path)
    weights, image = random_weights(architecture, 1), ported.image_of(architecture)
    rebuilt = REBUILD[to](architecture, weights, image, written.files)
    assert rebuilt.params == cost(architecture).params == written.params
    assert ported.difference(ported.our_logits(architecture, weights, image), rebuilt.logits) < TOLERANCE


@pytest.mark.parametrize("to", ["timm", "keras-hub", "torch"])
@pytest.mark.parametrize("name", ["winner-0", "winner-3", "lite-k7-e3-odd", "deep-strides"])
def test_the_symmetric_variant_is_ours_too(name, to, tmp_path):
    architecture = NETWORKS[name]
    written = export(preset(name, architecture), to, tmp_path, padding="symmetric")
    weights, image = random_weights(architecture, 2), ported.image_of(architecture)
    rebuilt = REBUILD[to](architecture, weights, image, written.files)
    ours = ported.our_logits(architecture, weights, image, "symmetric")
    assert rebuilt.params == cost(architecture).params
    assert ported.difference(ours, rebuilt.logits) < TOLERANCE


@pytest.mark.parametrize("name", ["winner-1", "winner-5", "lite-k7-e3-odd", "nine-stages", "odd-channels"])
def test_onnx_and_openvino_answer_as_the_module_does(name, tmp_path):
    architecture = NETWORKS[name]
    onnx_file = export(preset(name, architecture), "onnx", tmp_path).files[0]
    weights, image = random_weights(architecture, 0), ported.image_of(architecture)
    ours = ported.our_logits(architecture, weights, image)
    assert ported.difference(ours, ported.onnx_logits(onnx_file.read_bytes(), image)) < TOLERANCE

    openvino = pytest.importorskip("openvino", reason="openvino is not installed: pip install 'hwsearch[openvino]'")
    xml = export(preset(name, architecture), "openvino", tmp_path).files[-1]
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    compiled = openvino.Core().compile_model(xml, "CPU", settings)
    assert ported.difference(ours, compiled(image)[0]) < TOLERANCE


def test_timm_features_and_train_defaults(tmp_path):
    timm = pytest.importorskip("timm", reason="timm is not installed", exc_type=ImportError)
    architecture = WINNERS["winner-2"]
    written = export(preset("winner-2", architecture), "timm", tmp_path)
    generated = ported._import_file(written.files[0])
    net = timm.create_model(generated.__name__)
    assert net.drop_rate == 0.25
    side = architecture.resolution
    assert timm.data.resolve_data_config({}, model=net)["input_size"] == (3, side, side)
    assert timm.create_model(generated.__name__, num_classes=7).classifier.out_features == 7
    features = timm.create_model(generated.__name__, features_only=True)
    assert features.feature_info.channels()[-1] == architecture.stages[-1].out_channels


def test_keras_hub_makes_a_classifier_of_the_folder(tmp_path):
    keras_hub = pytest.importorskip("keras_hub", reason="keras-hub is not installed", exc_type=ImportError)
    architecture = SPECIAL["nine-stages"]
    export(preset("nine-stages", architecture), "keras-hub", tmp_path)
    net = keras_hub.models.EfficientNetImageClassifier.from_preset(str(tmp_path), load_weights=False, num_classes=10)
    assert net.preprocessor.image_converter.image_size == (architecture.resolution, architecture.resolution)
    assert sum(each.numpy().size for each in net.trainable_weights) == cost(architecture).params


def test_transformers_reads_the_image_processor(tmp_path):
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    pytest.importorskip("PIL", reason="pillow is not installed")
    architecture = SPECIAL["wide"]
    export(preset("wide", architecture), "huggingface", tmp_path)
    processor = transformers.AutoImageProcessor.from_pretrained(tmp_path)
    assert processor.size["height"] == architecture.resolution
    assert processor.include_top is False


@pytest.mark.parametrize(
    ("to", "needs"),
    [
        ("timm", "timm"),
        ("huggingface", "transformers"),
        ("keras-hub", "keras_hub"),
        ("torch", "torch"),
        ("onnx", "onnxruntime"),
        ("openvino", "openvino"),
    ],
)
def test_the_usage_lines_run_as_they_are(to, needs, tmp_path, monkeypatch):
    pytest.importorskip(needs, reason=f"{needs} is not installed", exc_type=ImportError)
    monkeypatch.setattr(sys, "path", list(sys.path))
    architecture = SPECIAL["wide"]
    written = export(preset("used", architecture), to, tmp_path)
    names = {"image": ported.image_of(architecture)}
    exec(written.usage, names)
    if "model" in names and to not in ("onnx", "openvino"):
        model = names["model"]
        trainable = model.trainable_weights if to == "keras-hub" else list(model.parameters())
        assert sum(math.prod(each.shape) for each in trainable) == cost(architecture).params
    else:
        assert names["logits"].shape == (1, 1000)


TRAIN_SCRIPT = """
import argparse, math
import timm, torch
from timm.loss import LabelSmoothingCrossEntropy
from timm.optim import create_optimizer_v2
from timm.scheduler import create_scheduler_v2
from timm.utils import ModelEmaV2

parser = argparse.ArgumentParser()
parser.add_argument("--model")
model = timm.create_model(parser.parse_args().model, num_classes=5, drop_rate=0.1, drop_path_rate=0.1)
side = timm.data.resolve_data_config({}, model=model)["input_size"][1]
optimizer = create_optimizer_v2(model, opt="rmsproptf", lr=2e-3, weight_decay=1e-5)
scheduler, _ = create_scheduler_v2(optimizer, sched="cosine", num_epochs=6, warmup_epochs=0)
average, loss_of = ModelEmaV2(model, decay=0.9), LabelSmoothingCrossEntropy(0.1)
torch.manual_seed(0)
images, labels = torch.randn(5, 3, side, side), torch.arange(5)
losses = []
for epoch in range(6):
    model.train()
    loss = loss_of(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    average.update(model)
    scheduler.step(epoch + 1)
    losses.append(float(loss))
print("losses", losses[0], min(losses), math.isfinite(sum(losses)))
"""


def test_the_train_line_finds_the_network_and_timm_trains_it(tmp_path):
    """The printed line runs a script that, like timm's own, knows nothing of our module."""
    pytest.importorskip("timm", reason="timm is not installed", exc_type=ImportError)
    written = export(preset("trained", WINNERS["winner-0"]), "timm", tmp_path / "out")
    (tmp_path / "train.py").write_text(TRAIN_SCRIPT)
    line = next(line for line in written.usage.splitlines() if "train.py --model" in line)
    words = shlex.split(line.removeprefix("#").replace("...", ""))
    (name, folder), python = words[0].split("="), words.index("python")
    declare = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
    declare += "from torchvision_operators import declare_torchvision_operators as d; d()\n"
    code = declare + words[python + 2]
    done = subprocess.run(
        [sys.executable, "-c", code, *words[python + 3 :]],
        cwd=tmp_path,
        env={**os.environ, name: folder},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    _, first, least, finite = done.stdout.split()[-4:]
    assert finite == "True"
    assert float(least) < 0.8 * float(first)
