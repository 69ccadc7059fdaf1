"""What every format can say comes back from it as the same network, and is estimated alike."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hwsearch.cli import run
from hwsearch.coefficients import STYLES
from hwsearch.export import EXPORTERS, export
from hwsearch.importing import import_network
from hwsearch.preset import Preset
from hwsearch.scaling import scale_phi
from hwsearch.shipped import shipped_names
from hwsearch.space_file import load_space

SPACES = shipped_names("search_spaces", ".yaml")
FORMATS = ("timm", "keras-hub", "keras-cv", "huggingface", "torch")
NETWORKS = 30


def networks_of(space_name):
    """Random networks of a space, and each of them scaled to phi 1 in both styles."""
    space = load_space(space_name)
    found = [space.decode(row) for row in space.sample(NETWORKS, np.random.default_rng(2024))]
    return found + [scale_phi(network, 1, style).architecture for network in found for style in STYLES]


@pytest.mark.parametrize("to", FORMATS)
@pytest.mark.parametrize("space_name", SPACES)
def test_import_undoes_export(space_name, to, tmp_path):
    said = 0
    for padding in ("same", "symmetric"):
        for index, architecture in enumerate(networks_of(space_name)):
            preset = Preset(f"network-{index}", architecture)
            if EXPORTERS[to].limits(preset, padding):
                continue
            folder = tmp_path / f"{padding}-{index}"
            export(preset, to, folder, padding)
            assert import_network(folder) == architecture
            said += 1
    # transformers says squeeze-excite of one ratio in every stage, KerasCV's Lite none at all
    never = {("huggingface", name) for name in SPACES} | {("keras-cv", "mbconv"), ("keras-cv", "efficientnet-b0")}
    if (to, space_name) not in never:
        assert said >= NETWORKS


@pytest.mark.parametrize("to", ["timm", "keras-hub", "torch"])
def test_an_export_is_estimated_as_what_it_was_made_from(to, tmp_path, capsys):
    network = load_space("efficientnet-b0").decode(load_space("efficientnet-b0").sample(1, np.random.default_rng(5))[0])
    padding = "symmetric" if to == "keras-hub" else "same"
    export(Preset("network", network), to, tmp_path / "out", padding)
    documents = []
    for net in (network.text, str(tmp_path / "out")):
        assert run(["estimate", net, "--table", "a100", "--json"]) == 0
        documents.append(json.loads(capsys.readouterr().out)[0])
    for document in documents:
        del document["name"]
    assert documents[0] == documents[1]
    assert documents[0]["latency_ms"] > 0
