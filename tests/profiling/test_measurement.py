"""Whole networks side by side: measured as they are, and kept in a file that reads back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from fakes import SETUP, FakeRuntime, network_ms, tiny_space

from hwsearch.errors import FaultsError, InputError
from hwsearch.profiling.measurement import load_measurement, measure, save_measurement

SPACE = tiny_space()
NETWORKS = [SPACE.decode(row) for row in SPACE.sample(4, np.random.default_rng(0))]


@pytest.fixture
def path(tmp_path):
    save_measurement(measure(FakeRuntime(digits=4), NETWORKS, seconds=0.01), tmp_path / "measured.json")
    return tmp_path / "measured.json"


def test_networks_take_what_they_take_through_drift():
    drifting = FakeRuntime(level=lambda number: 1 + number / 400)
    found = measure(drifting, NETWORKS, seconds=0.01)
    ratios = found.latency_ms / [network_ms(each) for each in NETWORKS]
    assert ratios == pytest.approx(np.full(4, ratios.mean()), rel=0.05)
    assert found.setup == SETUP


def test_a_quiet_measurement_has_no_noise_and_no_warnings():
    found = measure(FakeRuntime(), NETWORKS, seconds=0.01)
    assert found.latency_ms == pytest.approx([network_ms(each) for each in NETWORKS])
    assert found.noise_floor_mape == pytest.approx(0, abs=1e-9)
    assert found.warnings == ()


def test_progress_ends_at_its_total():
    heard = []
    measure(FakeRuntime(), NETWORKS, seconds=0.01, on_progress=lambda done, total: heard.append((done, total)))
    assert [done for done, _ in heard] == list(range(1, len(heard) + 1))
    assert heard[-1] == (24, 24)


def test_samples_and_setup_read_back(path):
    loaded = load_measurement(path)
    assert loaded.setup == SETUP
    assert list(loaded.architectures) == NETWORKS
    assert loaded.samples_ms.shape == (6, 4)
    assert loaded.latency_ms == pytest.approx([network_ms(each) for each in NETWORKS], abs=1e-4)


@pytest.mark.parametrize("samples", [[], [0.0], [-1.0], [None], ["1"], [1.0]])
def test_samples_that_are_none_or_too_few_are_refused(path, samples):
    document = json.loads(path.read_text(encoding="utf-8"))
    document["networks"][1]["samples_ms"] = samples
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(FaultsError, match="networks") as refused:
        load_measurement(path)
    assert refused.value.where == str(path)


def test_a_network_that_is_none_is_refused_with_the_file(path):
    document = json.loads(path.read_text(encoding="utf-8"))
    document["networks"][1]["text"] = "r32 bogus"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(InputError, match="column 5") as refused:
        load_measurement(path)
    assert refused.value.where == str(path)
