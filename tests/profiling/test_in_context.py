"""What a table is solved to is known here: every node of the fake device has its time, the profiler its cost."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
from fakes import SETUP, FakeRuntime, fake_parts, network_ms, op_ms, tiny_space

from hwsearch.errors import InputError
from hwsearch.estimate import TableEstimator
from hwsearch.latency_table import MeasuredNetwork, Session, load_table, save_table
from hwsearch.notation import parse
from hwsearch.operation import ops
from hwsearch.preset import reference_preset
from hwsearch.profiling import in_context
from hwsearch.profiling.in_context import MIN_FIT_NETWORKS, held_out_fidelity, merge, solve
from hwsearch.profiling.profiler import Planned, ProfileSettings, plan, plan_networks, profile, references, typical_run
from hwsearch.space_file import load_space

B0_SPACE = load_space("efficientnet-b0")
SETTINGS = ProfileSettings(covers=1, held_out=8, seconds=0.1)


def session(runtime, planned, seed=0, rounds=6):
    """Evidence as a measurement of the fake device would leave it."""
    networks = []
    rng = np.random.default_rng(seed)
    samples = np.zeros((rounds, len(planned)))
    for number in range(rounds):
        for index in rng.permutation(len(planned)):
            samples[number, index] = runtime.load(planned[index].architecture).run_ms()
    for index, each in enumerate(planned):
        profiled = each.role == "design" and runtime.has_profiler
        shares = typical_run(runtime.load_profiled(each.architecture).part_times(3)) if profiled else {}
        networks.append(MeasuredNetwork(each.architecture.text, each.role, tuple(samples[:, index].tolist()), shares))
    return Session("2026-01-01T00:00:00Z", "", 1.0, tuple(networks))


def worst_error(table):
    return max(abs(found.latency_ms / op_ms(op) - 1) for op, found in table.ops.items())


@pytest.mark.parametrize(
    ("node_cost_ms", "slowdown"), [(0.0, 1.0), (0.0, 1.3), (0.0005, 1.2), (0.002, 1.0), (0.006, 1.1)]
)
def test_ops_are_recovered_whatever_the_profiler_costs(node_cost_ms, slowdown):
    runtime = FakeRuntime(node_cost_ms=node_cost_ms, slowdown=slowdown)
    table = solve("t", SETUP, [session(runtime, plan(B0_SPACE, SETTINGS))])
    assert set(table.ops) == set(B0_SPACE.blocks())
    assert worst_error(table) < 1e-3
    assert table.constant_ms == pytest.approx(0, abs=1e-3)
    assert table.fidelity.mape < 1e-3
    assert (table.fidelity.within_5, table.fidelity.networks) == (1.0, 8)
    assert table.warnings == ()


def test_parts_are_recovered_and_sum_to_their_op():
    table = solve("t", SETUP, [session(FakeRuntime(node_cost_ms=0.003), plan(B0_SPACE, SETTINGS))])
    for op, found in table.ops.items():
        assert found.parts_ms == pytest.approx(fake_parts(op), rel=2e-3)
        assert sum(found.parts_ms.values()) == pytest.approx(found.latency_ms)


def test_occurrences_count_the_blocks_an_op_was_seen_in():
    planned = plan(B0_SPACE, SETTINGS)
    table = solve("t", SETUP, [session(FakeRuntime(), planned)])
    seen = [op for each in planned if each.role == "design" for op in ops(each.architecture)]
    assert {op: found.occurrences for op, found in table.ops.items()} == {op: seen.count(op) for op in set(seen)}


def test_what_a_network_takes_beyond_its_ops_ends_up_in_the_prediction():
    runtime = FakeRuntime(constant_ms=0.5)
    table = solve("t", SETUP, [session(runtime, plan(B0_SPACE, SETTINGS))])
    assert table.fidelity.mape < 0.01
    without = solve("t", SETUP, [session(FakeRuntime(), plan(B0_SPACE, SETTINGS))])
    network = reference_preset("efficientnet-b0").architecture
    grown = TableEstimator(table).latency_ms(network) - TableEstimator(without).latency_ms(network)
    assert 0.4 < grown < 0.7


def test_drift_and_spikes_leave_ops_within_a_few_percent():
    rng = np.random.default_rng(3)
    noise = {number: 1 + abs(rng.normal(0, 0.02)) + (2.0 if rng.random() < 0.05 else 0) for number in range(5000)}
    runtime = FakeRuntime(node_cost_ms=0.002, level=lambda number: noise[number] * (1 + 0.2 * np.sin(number / 90)))
    table = solve("t", SETUP, [session(runtime, plan(B0_SPACE, SETTINGS), rounds=16)])
    truth = np.median([found.latency_ms / op_ms(op) for op, found in table.ops.items()])
    errors = [abs(found.latency_ms / op_ms(op) / truth - 1) for op, found in table.ops.items()]
    assert np.mean(errors) < 0.02
    assert table.fidelity.mape < 0.04


def test_too_few_networks_for_an_affine_fit_leave_the_sums_as_they_are():
    planned = plan(tiny_space(), SETTINGS)
    design = [each for each in planned if each.role == "design"]
    assert len(design) < MIN_FIT_NETWORKS
    table = solve("t", SETUP, [session(FakeRuntime(), planned)])
    assert table.constant_ms == 0.0
    assert worst_error(table) < 1e-3


def test_a_later_session_on_a_slower_machine_is_brought_to_the_level_of_the_first():
    added = parse("r40 relu stem_c8 ds_r2_k3_s1_c8 ir_r2_k5_s2_e3_c20 head_c32 classes10")
    first = session(FakeRuntime(), plan(B0_SPACE, SETTINGS))
    second = session(FakeRuntime(level=lambda number: 1.35), plan_networks([added]), seed=1)
    table = solve("t", SETUP, [first, second])
    assert set(ops(added)) <= set(table.ops)
    assert worst_error(table) < 1e-3
    assert TableEstimator(table).latency_ms(added) == pytest.approx(network_ms(added), rel=1e-3)


def test_the_level_between_sessions_is_the_median_of_their_common_networks():
    planned = plan(tiny_space(), SETTINGS)
    first = session(FakeRuntime(), planned)
    second = session(FakeRuntime(level=lambda number: 2.0), planned, seed=1)
    spoilt = dataclasses.replace(
        second.networks[0],
        samples_ms=tuple(ms * 50 for ms in second.networks[0].samples_ms),
        profile={},
        role="held_out",
    )
    second = dataclasses.replace(second, networks=(spoilt, *second.networks[1:]))
    assert worst_error(solve("t", SETUP, [first, second])) < 1e-3


def test_sessions_without_a_common_network_cannot_be_joined():
    planned = plan(tiny_space(), SETTINGS)
    first = session(FakeRuntime(), [each for each in planned if each.role != "reference"])
    with pytest.raises(InputError, match="without a common network"):
        solve("t", SETUP, [first, session(FakeRuntime(), references())])


def test_a_design_network_does_not_judge_itself():
    """Of two measurements of one network, each is predicted from the other alone."""
    network = Planned(tiny_space().decode(tiny_space().sample(1, np.random.default_rng(0))[0]), "design")
    evidence = session(FakeRuntime(), (network, network))
    slow = dataclasses.replace(evidence.networks[1], samples_ms=tuple(3 * ms for ms in evidence.networks[1].samples_ms))
    design = in_context._networks([dataclasses.replace(evidence, networks=(evidence.networks[0], slow))])
    predicted = in_context._left_out_predictions(design, in_context._occurrences(design, 0.0))
    true = network_ms(network.architecture)
    assert predicted == pytest.approx([3 * true, true])


def test_networks_alone_with_their_blocks_say_nothing_of_the_fit():
    """A table that is extended to other networks predicts its own space as before."""
    runtime = FakeRuntime(node_cost_ms=0.002, slowdown=1.1, constant_ms=-0.1)
    first = session(runtime, plan(B0_SPACE, SETTINGS))
    table = solve("t", SETUP, [first])
    others = plan_networks([reference_preset(f"efficientnet-lite{index}").architecture for index in range(5)])
    extended = solve("t", SETUP, [first, session(runtime, others, seed=1)])
    assert len(extended.ops) > len(table.ops) + 40
    assert extended.constant_ms == pytest.approx(table.constant_ms, abs=1e-9)
    for op, found in table.ops.items():
        assert extended.ops[op].latency_ms == pytest.approx(found.latency_ms, rel=0.005)


def test_the_table_of_a_file_can_be_solved_again_from_its_evidence(tmp_path):
    table = solve("t", SETUP, [session(FakeRuntime(node_cost_ms=0.001), plan(B0_SPACE, SETTINGS))])
    save_table(table, tmp_path / "t.json")
    loaded = load_table(tmp_path / "t.json")
    again = solve(loaded.name, loaded.setup, loaded.sessions)
    assert set(again.ops) == set(loaded.ops)
    for op, found in loaded.ops.items():
        assert again.ops[op].latency_ms == pytest.approx(found.latency_ms, rel=1e-3)
        assert again.ops[op].occurrences == found.occurrences
    assert again.fidelity.within_5 == loaded.fidelity.within_5
    assert again.fidelity.kendall_tau == pytest.approx(loaded.fidelity.kendall_tau, abs=1e-3)


def test_held_out_networks_with_ops_that_were_never_measured_are_left_out_of_the_figures():
    planned = plan(tiny_space(), SETTINGS)
    foreign = Planned(parse("r96 relu stem_c8 ds_r1_k3_s1_c8 head_c8"), "held_out")
    table = solve("t", SETUP, [session(FakeRuntime(), (*planned, foreign))])
    assert table.fidelity.networks == 8
    only_foreign = [each for each in planned if each.role != "held_out"]
    assert solve("t", SETUP, [session(FakeRuntime(), (*only_foreign, foreign, foreign))]).fidelity is None


def test_figures_can_be_derived_again_from_a_table():
    table = solve("t", SETUP, [session(FakeRuntime(constant_ms=0.3), plan(B0_SPACE, SETTINGS))])
    assert held_out_fidelity(table) == table.fidelity


def test_a_device_without_a_profiler_gets_least_squares_over_whole_networks():
    runtime = FakeRuntime(has_profiler=False)
    planned = plan(B0_SPACE, ProfileSettings(covers=3, held_out=12, seconds=0.1), has_profiler=False)
    table = solve("t", SETUP, [session(runtime, planned)])
    assert table.method == "least_squares"
    assert set(table.ops) == set(B0_SPACE.blocks())
    assert min(found.latency_ms for found in table.ops.values()) > 0
    assert table.fidelity.mape < 0.02
    assert table.fidelity.kendall_tau > 0.95


def test_more_networks_without_a_profiler_predict_better():
    def error(covers):
        planned = plan(B0_SPACE, ProfileSettings(covers=covers, held_out=12, seconds=0.1), has_profiler=False)
        return solve("t", SETUP, [session(FakeRuntime(has_profiler=False, constant_ms=0.2), planned)]).fidelity.mape

    errors = [error(covers) for covers in (1, 6)]
    assert all(before > after for before, after in pairwise(errors))


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ({"0/other": (0.0, 1), "1/expand": (0.0, 1)}, "without any time"),
        ({"0": (1.0, 1)}, "not a profile key"),
        ({"x/other": (1.0, 1)}, "not a profile key"),
        ({"0/elsewhere": (1.0, 1)}, "not a profile key"),
    ],
)
def test_a_profile_that_says_nothing_is_refused(shares, said):
    good = session(FakeRuntime(), plan(tiny_space(), SETTINGS))
    bad = dataclasses.replace(good.networks[0], profile=shares)
    with pytest.raises(InputError, match=said):
        solve("t", SETUP, [dataclasses.replace(good, networks=(bad, *good.networks[1:]))])


def test_no_evidence_is_refused():
    with pytest.raises(InputError):
        solve("t", SETUP, [])
    with pytest.raises(InputError, match="design networks"):
        solve("t", SETUP, [session(FakeRuntime(), references())])


def test_profiling_end_to_end_gives_the_table_of_its_evidence(tmp_path):
    runtime = FakeRuntime(node_cost_ms=0.002, slowdown=1.1)
    table = profile(runtime, plan(B0_SPACE, SETTINGS), SETTINGS, tmp_path / "t.partial", name="t")
    assert worst_error(table) < 1e-3
    assert len(table.sessions) == 1


def test_tables_of_one_setup_merge_to_what_their_sessions_give_together():
    first = session(FakeRuntime(), plan(B0_SPACE, SETTINGS))
    second = session(
        FakeRuntime(level=lambda number: 1.2),
        plan_networks([parse("r40 relu stem_c8 ds_r2_k3_s1_c8 ir_r2_k5_s2_e3_c20 head_c32")]),
        seed=1,
    )
    whole = solve("t", SETUP, [first, second])
    merged = merge("t", [solve("a", SETUP, [first]), whole])
    assert merged == whole


def test_tables_of_two_setups_never_merge():
    table = solve("t", SETUP, [session(FakeRuntime(), plan(tiny_space(), SETTINGS))])
    other = dataclasses.replace(table, setup=dataclasses.replace(SETUP, threads=2))
    with pytest.raises(InputError, match="two setups never merge"):
        merge("t", [table, other])
    with pytest.raises(InputError, match="holds no evidence"):
        merge("t", [table, dataclasses.replace(table, sessions=())])
