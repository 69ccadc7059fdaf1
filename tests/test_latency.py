"""Latencies are read through drift and spikes, and say how noisy the machine was."""

from __future__ import annotations

import numpy as np
import pytest

from hwsearch.errors import InputError
from hwsearch.latency import fidelity, levels, noise_floor, noise_warnings

RNG = np.random.default_rng(0)
TRUE = RNG.uniform(2, 40, 30)


def rounds(count, drift=0.0, noise=0.0, spikes=0.0, seed=0):
    """Samples of ``TRUE`` in rounds: a slow swing, noise that only adds time, and some turns three times as slow."""
    rng = np.random.default_rng(seed)
    level = 1 + drift * (1 + np.sin(np.arange(count))) / 2
    added = 1 + np.abs(rng.normal(0, noise, (count, len(TRUE)))) if noise else np.ones((count, len(TRUE)))
    slow = np.where(rng.random((count, len(TRUE))) < spikes, 3.0, 1.0)
    return TRUE * level[:, None] * added * slow, level


def relative_error(found, true):
    """Worst error after the common factor is taken out."""
    ratio = found / true
    return float(np.abs(ratio / np.median(ratio) - 1).max())


def test_without_noise_networks_and_rounds_separate_exactly():
    samples, level = rounds(12, drift=0.4)
    networks, found = levels(samples)
    assert relative_error(networks, TRUE) < 1e-9
    assert relative_error(found, level) < 1e-9


def test_a_quiet_machine_is_read_as_it_is():
    samples, _ = rounds(8)
    networks, found = levels(samples)
    assert networks == pytest.approx(TRUE, rel=1e-12)
    assert found == pytest.approx(np.ones(8), rel=1e-12)


def test_a_network_is_as_fast_as_in_a_quiet_round():
    samples, level = rounds(9, drift=0.5)
    networks, _ = levels(samples)
    assert networks == pytest.approx(TRUE * np.quantile(level, 0.25), rel=1e-9)


def test_spikes_on_every_tenth_turn_are_seen_through():
    samples, _ = rounds(15, drift=0.3, spikes=0.1)
    plain_mean = samples.mean(axis=0)
    assert relative_error(levels(samples)[0], TRUE) < 0.005 < relative_error(plain_mean, TRUE)


def test_noise_drift_and_spikes_together_leave_an_error_well_below_the_noise():
    samples, _ = rounds(20, drift=0.3, noise=0.03, spikes=0.1)
    assert relative_error(levels(samples)[0], TRUE) < 0.03


@pytest.mark.parametrize(
    "samples",
    [np.ones(3), np.ones((0, 3)), np.ones((3, 0)), np.array([[1.0, 0.0]]), np.array([[1.0, -1.0]])]
    + [np.array([[1.0, bad]]) for bad in (np.nan, np.inf)],
)
def test_what_is_no_latency_is_refused(samples):
    with pytest.raises(InputError, match="positive"):
        levels(samples)


def test_the_floor_of_a_quiet_machine_is_zero_even_when_it_drifts():
    samples, _ = rounds(10)
    assert noise_floor(samples).mape == pytest.approx(0, abs=1e-12)
    assert noise_floor(samples).within_5 == 1
    assert noise_warnings(samples) == ()


def test_the_floor_grows_with_the_noise():
    floors = [noise_floor(rounds(12, noise=noise)[0]).mape for noise in (0.005, 0.03, 0.15)]
    assert floors[0] < floors[1] < floors[2]


def test_the_floor_of_chosen_networks_is_theirs():
    samples, _ = rounds(10)
    samples[1::2, 3] *= 1.2  # one network differs between the halves, in a third of its level
    chosen = np.arange(len(TRUE)) == 3
    assert noise_floor(samples, chosen).mape == pytest.approx(1 / 6, rel=0.05)
    assert noise_floor(samples, ~chosen).mape < 0.01


def test_one_round_has_no_floor():
    with pytest.raises(InputError, match="two rounds"):
        noise_floor(rounds(1)[0])


def test_a_noisy_machine_is_said():
    (warning,) = noise_warnings(rounds(10, noise=0.2)[0])
    assert warning.startswith("noisy machine")


def test_a_drifting_machine_is_said_with_its_amount():
    samples = TRUE * np.repeat([1.0, 1.0, 1.5, 1.5], 5)[:, None]
    assert noise_warnings(samples) == ("the machine drifted: its speed moved by 50% between rounds",)


def test_figures_of_a_prediction_worked_by_hand():
    measured = np.array([10.0, 20.0, 40.0, 80.0])
    predicted = np.array([10.4, 21.4, 34.0, 80.0])  # off by 4 %, 7 %, 15 %, 0
    found = fidelity(predicted, measured, None)
    assert found.mape == pytest.approx((0.04 + 0.07 + 0.15 + 0) / 4)
    assert (found.within_5, found.within_10, found.networks) == (0.5, 0.75, 4)
    assert found.kendall_tau == pytest.approx(1)
    assert fidelity(predicted[::-1], measured, None).kendall_tau == pytest.approx(-1)
