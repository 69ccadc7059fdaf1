"""Rounds: every network one turn a round, in shuffled order; a runtime that fails leaves nothing open."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from fakes import FakeRuntime, network_ms, tiny_space

from hwsearch.errors import InputError, UnavailableError
from hwsearch.profiling import timing
from hwsearch.profiling.timing import MAX_ROUNDS, MIN_ROUNDS, RUNS_A_TURN, time_rounds

SPACE = tiny_space()
NETWORKS = [SPACE.decode(row) for row in SPACE.sample(7, np.random.default_rng(0))]
FEW_SECONDS = 1e-3


def test_a_quiet_runtime_is_measured_as_it_is():
    samples = time_rounds(FakeRuntime(), NETWORKS, seed=0, seconds=FEW_SECONDS)
    assert samples.shape == (MIN_ROUNDS, 7)
    assert samples == pytest.approx(np.tile([network_ms(each) for each in NETWORKS], (MIN_ROUNDS, 1)))


def test_a_turn_is_the_fastest_of_its_runs_after_one_to_warm_up():
    by_run = [0.1, 9.0, 7.0, 8.0, 9.5]  # the first is not counted, however fast
    runtime = FakeRuntime(before_run=lambda number: by_run[number % len(by_run)])
    samples = time_rounds(runtime, NETWORKS[:1], seed=0, seconds=FEW_SECONDS)
    assert samples == pytest.approx(np.full((MIN_ROUNDS, 1), 7.0))
    assert runtime.runs == MIN_ROUNDS * (1 + RUNS_A_TURN)


def test_a_slow_network_gets_fewer_runs():
    runtime = FakeRuntime(before_run=lambda number: 300.0)
    time_rounds(runtime, NETWORKS[:1], seed=0, seconds=FEW_SECONDS)
    assert runtime.runs == MIN_ROUNDS * 2


def test_every_round_has_every_network_once_in_another_order():
    turns = []
    time_rounds(FakeRuntime(), NETWORKS, seed=3, seconds=FEW_SECONDS, on_turn=lambda r, n, ms: turns.append((r, n)))
    orders = [tuple(n for r, n in turns if r == number) for number in range(MIN_ROUNDS)]
    assert all(sorted(order) == list(range(7)) for order in orders)
    assert len(set(orders)) > 1
    assert turns == sorted(turns, key=lambda turn: turn[0])


@pytest.mark.parametrize(("seconds", "rounds"), [(0.001, MIN_ROUNDS), (10, 10), (1e6, MAX_ROUNDS)])
def test_rounds_fill_the_seconds_within_limits(seconds, rounds):
    runtime = FakeRuntime(before_run=lambda number: 100.0)  # a round of two networks is planned at one second
    plans = []
    samples = time_rounds(runtime, NETWORKS[:2], seed=0, seconds=seconds, on_plan=plans.append)
    assert len(samples) == rounds
    assert plans == [2 * MIN_ROUNDS, 2 * rounds]


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), float("inf")])
def test_seconds_that_are_none_are_refused_before_anything_is_loaded(seconds):
    runtime = FakeRuntime()
    with pytest.raises(InputError, match="seconds"):
        time_rounds(runtime, NETWORKS, seed=0, seconds=seconds)
    assert runtime.loaded == []


def test_turns_that_were_taken_are_not_measured_again():
    taken = {(0, index): 1.0 + index for index in range(7)} | {(1, 2): 99.0}
    told = []
    samples = time_rounds(
        FakeRuntime(), NETWORKS, seed=0, seconds=FEW_SECONDS, taken=taken, on_turn=lambda r, n, ms: told.append((r, n))
    )
    assert samples[0].tolist() == [1.0 + index for index in range(7)]
    assert samples[1, 2] == 99.0
    assert len(told) == samples.size - len(taken)
    assert not set(told) & set(taken)


@pytest.mark.parametrize("ms", [float("nan"), float("inf"), 0.0, -1.0])
@pytest.mark.parametrize("run", [0, 3, 40, 111])
def test_a_latency_that_is_none_is_refused_never_counted(ms, run):
    runtime = FakeRuntime(before_run=lambda number: ms if number == run else None)
    with pytest.raises(UnavailableError, match="reported a latency of"):
        time_rounds(runtime, NETWORKS, seed=0, seconds=FEW_SECONDS)
    assert runtime.open_networks == 0


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("run", [0, 3, 40, 111])
def test_whatever_a_runtime_raises_leaves_no_network_open(error, run):
    def fail(number):
        if number == run:
            raise error

    runtime = FakeRuntime(before_run=fail)
    with pytest.raises(error):
        time_rounds(runtime, NETWORKS, seed=0, seconds=FEW_SECONDS)
    assert runtime.open_networks == 0
    assert gc.isenabled()


def test_networks_stay_loaded_while_there_is_room_and_are_closed_at_the_end():
    runtime = FakeRuntime()
    time_rounds(runtime, NETWORKS, seed=0, seconds=FEW_SECONDS)
    assert len(runtime.loaded) == len(NETWORKS)
    assert runtime.open_networks == 0


def test_without_room_a_network_is_loaded_for_each_turn(monkeypatch):
    monkeypatch.setattr(timing, "available_memory_bytes", lambda: 1)
    open_at_once = []
    runtime = FakeRuntime(before_run=lambda number: open_at_once.append(runtime.open_networks))
    samples = time_rounds(runtime, NETWORKS, seed=0, seconds=FEW_SECONDS)
    assert len(runtime.loaded) == samples.size
    assert max(open_at_once) == 1
    assert samples[0] == pytest.approx([network_ms(each) for each in NETWORKS])


def test_garbage_is_collected_between_measurements_only():
    states = []
    runtime = FakeRuntime(before_run=lambda number: states.append(gc.isenabled()))
    time_rounds(runtime, NETWORKS[:1], seed=0, seconds=FEW_SECONDS)
    assert not any(states)
    assert gc.isenabled()
