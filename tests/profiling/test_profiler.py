"""A profile that is interrupted anywhere goes on, and ends in the same table as one that was not."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from fakes import SETUP, FakeRuntime, tiny_space

from hwsearch.errors import InputError, UnavailableError
from hwsearch.operation import ops
from hwsearch.preset import reference_preset
from hwsearch.profiling.profiler import (
    PROFILED_RUNS,
    ProfileSettings,
    journal_of,
    plan,
    plan_networks,
    profile,
    same_setup,
    typical_run,
)
from hwsearch.runtimes import PartTime, RuntimeOptions, open_runtime

SETTINGS = ProfileSettings(seed=2, covers=1, held_out=3, seconds=0.1)
PLANNED = plan(tiny_space(), SETTINGS)
DESIGN = sum(each.role == "design" for each in PLANNED)


def quiet(**changes):
    return FakeRuntime(node_cost_ms=0.002, slowdown=1.2, digits=4, **changes)


def measure(runtime, journal, settings=SETTINGS, **options):
    return profile(runtime, PLANNED, settings, journal, name="t", **options)


def essence(table):
    """Everything but when it was measured and how long it took."""
    sessions = [[dataclasses.astuple(network) for network in session.networks] for session in table.sessions]
    return (table.setup, table.ops, table.constant_ms, table.fidelity, table.warnings, sessions)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    runtime = quiet()
    table = measure(runtime, tmp_path_factory.mktemp("whole") / "journal")
    assert runtime.open_networks == 0
    return table, runtime.runs


def interrupt_at(runs=(), profiles=(), error=KeyboardInterrupt):
    def stop(number, at):
        if number in at:
            raise error

    return {"before_run": lambda n: stop(n, runs), "before_profile": lambda n: stop(n, profiles)}


@pytest.mark.parametrize("seed", range(5))
def test_interruptions_at_random_turns_change_nothing(tmp_path, uninterrupted, seed):
    table, runs = uninterrupted
    rng = np.random.default_rng(seed)
    stops = set(rng.integers(0, runs, 5).tolist())
    profiles = set(rng.integers(0, DESIGN, 2).tolist())
    runtime = quiet(**interrupt_at(stops, profiles))
    interrupted = 0
    while True:
        try:
            resumed = measure(runtime, tmp_path / "journal")
            break
        except KeyboardInterrupt:
            interrupted += 1
            assert runtime.open_networks == 0
    assert interrupted >= 2
    assert essence(resumed) == essence(table)


def test_the_time_taken_before_an_interruption_is_counted(tmp_path, monkeypatch):
    clock = iter(range(1_000_000))  # a second passes whenever somebody looks
    monkeypatch.setattr("hwsearch.profiling.profiler.time.monotonic", lambda: float(next(clock)))
    with pytest.raises(KeyboardInterrupt):
        measure(quiet(**interrupt_at(runs=[40])), tmp_path / "journal")
    events = [json.loads(line) for line in (tmp_path / "journal").read_text().splitlines()[1:]]
    before = [event["seconds"] for event in events]
    assert before == sorted(before)  # through profiling and timing
    assert measure(quiet(), tmp_path / "journal").sessions[-1].seconds > before[-1]


def test_what_was_measured_is_not_measured_again(tmp_path, uninterrupted):
    _, runs = uninterrupted
    first = quiet(**interrupt_at({runs - 1}))
    with pytest.raises(KeyboardInterrupt):
        measure(first, tmp_path / "journal")
    second = quiet()
    measure(second, tmp_path / "journal")
    assert second.runs == 5  # the turn under way, and nothing else
    assert second.profiles == 0


@pytest.mark.parametrize("part", [0.01, 0.1, 0.3, 0.5, 0.62, 0.77, 0.9, 0.999])
def test_a_journal_cut_short_by_a_crash_still_leads_to_the_same_table(tmp_path, uninterrupted, part):
    table, _ = uninterrupted
    measure(quiet(), tmp_path / "journal")  # a journal is removed by whoever has saved the table
    whole = (tmp_path / "journal").read_bytes()
    (tmp_path / "journal").write_bytes(whole[: int(part * len(whole))])
    assert essence(measure(quiet(), tmp_path / "journal")) == essence(table)


@pytest.mark.parametrize("wrong", [float("nan"), 0.0, -3.0, float("inf")])
def test_a_runtime_that_reports_nonsense_is_refused_and_the_journal_kept(tmp_path, uninterrupted, wrong):
    table, runs = uninterrupted
    runtime = quiet(before_run=lambda number: wrong if number == runs // 2 else None)
    with pytest.raises(UnavailableError, match="latency"):
        measure(runtime, tmp_path / "journal")
    kept = (tmp_path / "journal").stat().st_size
    assert kept > 1000
    assert essence(measure(quiet(), tmp_path / "journal")) == essence(table)


def test_an_error_of_a_runtime_comes_through_and_the_journal_is_kept(tmp_path, uninterrupted):
    table, runs = uninterrupted
    with pytest.raises(UnavailableError, match="device lost"):
        measure(quiet(**interrupt_at({runs // 3}, error=UnavailableError("device lost"))), tmp_path / "journal")
    with pytest.raises(UnavailableError, match="device lost"):
        measure(quiet(**interrupt_at((), {0}, UnavailableError("device lost"))), tmp_path / "other")
    assert essence(measure(quiet(), tmp_path / "journal")) == essence(table)


@pytest.mark.parametrize(
    "other",
    [
        {"settings": ProfileSettings(seed=2, covers=1, held_out=3, seconds=0.2)},
        {"runtime": quiet(setup=dataclasses.replace(SETUP, threads=2))},
        {"runtime": quiet(setup=dataclasses.replace(SETUP, precision="f16"))},
        {"runtime": quiet(setup=dataclasses.replace(SETUP, runtime_version="2.0"))},
    ],
)
def test_the_journal_of_another_measurement_is_in_the_way(tmp_path, other):
    with pytest.raises(KeyboardInterrupt):
        measure(quiet(**interrupt_at({20})), tmp_path / "journal")
    before = (tmp_path / "journal").read_bytes()
    with pytest.raises(InputError, match="something else is in the way"):
        measure(other.get("runtime", quiet()), tmp_path / "journal", other.get("settings", SETTINGS))
    assert (tmp_path / "journal").read_bytes() == before


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"profile": 0},
        {"profile": "x", "parts": {}, "seconds": 1},
        {"profile": 0, "parts": {"0/other": 1.0}, "seconds": 1},
        {"profile": 0, "parts": [], "seconds": 1},
        {"round": 0, "network": 0, "seconds": 1},
        {"round": 0, "network": None, "ms": 1, "seconds": 1},
        {"round": 0, "network": 0, "ms": "x", "seconds": 1},
        {"round": 0, "network": 0, "ms": -1.0, "seconds": 1},
        {"round": 0, "network": 0, "ms": 1.0},
    ],
)
def test_an_event_that_is_none_is_refused(tmp_path, event):
    with pytest.raises(KeyboardInterrupt):
        measure(quiet(**interrupt_at((), {0})), tmp_path / "journal")
    header = (tmp_path / "journal").read_text(encoding="utf-8")
    (tmp_path / "journal").write_text(header + json.dumps(event) + "\n", encoding="utf-8")
    with pytest.raises(InputError):
        measure(quiet(), tmp_path / "journal")


def test_progress_counts_up_to_its_total_also_after_an_interruption(tmp_path, uninterrupted):
    _, runs = uninterrupted
    heard = []
    with pytest.raises(KeyboardInterrupt):
        measure(quiet(**interrupt_at({runs // 2})), tmp_path / "journal", on_progress=heard.append)
    measure(quiet(), tmp_path / "journal", on_progress=heard.append)
    for step, total in (("profiling shares", DESIGN), ("timing networks", 6 * len(PLANNED))):
        own = [each for each in heard if each.step == step]
        assert own[-1].done == own[-1].total == total
        assert all(each.done <= each.total for each in own)


def test_a_plan_covers_the_space_and_holds_the_references():
    space = tiny_space()
    design = [each.architecture for each in PLANNED if each.role == "design"]
    assert {op for each in design for op in ops(each)} >= set(space.blocks())
    assert [each.role for each in PLANNED].count("held_out") == SETTINGS.held_out
    assert all(space.contains(each.architecture) for each in PLANNED if each.role != "reference")
    references = [each.architecture for each in PLANNED if each.role == "reference"]
    assert reference_preset("efficientnet-b0").architecture in references


def test_a_plan_follows_from_its_seed():
    assert plan(tiny_space(), SETTINGS) == PLANNED
    assert plan(tiny_space(), dataclasses.replace(SETTINGS, seed=3)) != PLANNED
    # more covers leave the held-out networks as they are
    more = plan(tiny_space(), dataclasses.replace(SETTINGS, covers=2))
    assert [each for each in more if each.role == "held_out"] == [each for each in PLANNED if each.role == "held_out"]


def test_a_table_is_extended_by_given_networks_once_each():
    network = reference_preset("mnasnet-a1").architecture
    planned = plan_networks([network, network])
    assert [each.role for each in planned] == ["design", "reference", "reference"]


def test_extending_a_table_joins_its_sessions(tmp_path, uninterrupted):
    table, _ = uninterrupted
    network = reference_preset("mnasnet-a1").architecture
    extended = profile(
        quiet(), plan_networks([network]), SETTINGS, tmp_path / "journal", name="t", earlier=table.sessions
    )
    assert set(extended.ops) == set(table.ops) | set(ops(network))
    for op, found in table.ops.items():
        assert extended.ops[op].latency_ms == pytest.approx(found.latency_ms, rel=0.02)


@pytest.mark.parametrize(
    "changes",
    [{"covers": 0}, {"covers": 101}, {"held_out": 1}, {"seconds": 0.0}, {"seconds": float("nan")}, {"seconds": 1e7}],
)
def test_settings_out_of_range_are_refused_with_what_is_allowed(changes):
    with pytest.raises(InputError, match=rf"{next(iter(changes))} = .*allowed: "):
        ProfileSettings(**changes)


def test_a_typical_run_is_the_median_of_the_faster_half_and_leaves_rare_parts_out():
    walls = (1.0, 80.0, 2.0, 90.0, 3.0, 70.0)
    runs = [{(0, "other"): PartTime(ms, 2), (1, "expand"): PartTime(5.0, 1)} for ms in walls]
    runs[0][2, "project"] = PartTime(0.5, 1)  # seen once in three runs
    del runs[2][1, "expand"]
    assert typical_run(runs) == {"0/other": (2.0, 2), "1/expand": (5.0, 1)}


def test_a_disturbed_profile_is_taken_again(tmp_path):
    """A machine that is disturbed while some networks are profiled leads to the same table as a quiet one."""

    class Disturbed(FakeRuntime):
        passes = 0

        def load_profiled(self, architecture):
            network = super().load_profiled(architecture)
            self.passes += 1
            if self.passes > DESIGN // 2:
                return network
            times = network.part_times
            network.part_times = lambda runs: [
                {key: PartTime(each.ms * (1 + key[0]), each.nodes) for key, each in run.items()} for run in times(runs)
            ]
            return network

    assert essence(measure(Disturbed(), tmp_path / "a")) == essence(measure(FakeRuntime(), tmp_path / "b"))


def test_shares_are_taken_over_several_profiled_runs(tmp_path):
    asked = []

    class Counting(FakeRuntime):
        def load_profiled(self, architecture):
            network = super().load_profiled(architecture)
            part_times = network.part_times
            network.part_times = lambda runs: asked.append(runs) or part_times(runs)
            return network

    measure(Counting(), tmp_path / "journal")
    assert asked == [PROFILED_RUNS] * DESIGN


def test_a_table_of_another_setup_is_not_added_to(uninterrupted):
    table, _ = uninterrupted
    same_setup(table, SETUP, "t.json")
    with pytest.raises(InputError, match=r"t\.json: the table is of another setup.*batch 1.*batch 8.*next:"):
        same_setup(table, dataclasses.replace(SETUP, batch=8), "t.json")


def test_a_journal_lies_beside_its_table(tmp_path):
    assert journal_of(tmp_path / "a" / "t.json") == tmp_path / "a" / "t.json.partial"


def test_a_profile_leaves_its_journal_to_whoever_saves_the_table(tmp_path):
    measure(quiet(), tmp_path / "journal")
    lines = (tmp_path / "journal").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + DESIGN + 6 * len(PLANNED)


def test_a_real_runtime_is_profiled_to_a_table_of_the_space(tmp_path):
    """ONNX Runtime on this machine, for as short as it goes: every op gets a latency, and the figures are there."""
    space = tiny_space()
    real = open_runtime("cpu", RuntimeOptions())
    table = profile(real, plan(space, SETTINGS), SETTINGS, tmp_path / "journal", name="cpu")
    assert set(table.ops) >= set(space.blocks())
    assert all(found.latency_ms > 0 for found in table.ops.values())
    assert table.setup == real.setup
    assert table.fidelity.networks == SETTINGS.held_out
