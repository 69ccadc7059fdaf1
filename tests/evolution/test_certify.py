from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from fake_judges import FakeLatency, FakeSignal, every_row, small_space

from hwsearch.accuracy import load_signal
from hwsearch.budget import Budget
from hwsearch.cli import run
from hwsearch.errors import InfeasibleError, InputError
from hwsearch.evolution.certify import CertifySettings, certify, relaxation_of
from hwsearch.evolution.option_tree import option_tree
from hwsearch.evolution.problem import Problem
from hwsearch.evolution.relaxation import Cells, relax
from hwsearch.scoring import Scorer
from hwsearch.space_file import load_space

SIGNAL = load_signal()
SMALL_STEPS = CertifySettings(batch=8, leaf=24, unit_cells=60)
METRICS = ("latency_ms", "macs", "params", "activation_bytes")


def sub_space(rng, most=4000):
    """A random part of efficientnet-b0 of at most so many networks."""
    space = load_space("efficientnet-b0")
    stages = list(space.stages)
    while True:
        reduced = dataclasses.replace(space, stages=tuple(stages))
        if reduced.size <= most:
            return reduced
        number = int(rng.integers(len(stages)))
        field = str(rng.choice(["expand_ratio", "kernel_size", "num_repeats", "se_ratio"]))
        choices = getattr(stages[number], field)
        if len(choices) > 1:
            kept = sorted(rng.choice(len(choices), size=len(choices) - 1, replace=False).tolist())
            stages[number] = dataclasses.replace(stages[number], **{field: tuple(choices[k] for k in kept)})


def judged(seed, most=4000):
    rng = np.random.default_rng(seed)
    scorer = Scorer(sub_space(rng, most), SIGNAL, [FakeLatency()])
    return rng, scorer, scorer.matrix(every_row(scorer.space))


def random_budgets(rng, scores, count):
    metrics = rng.choice(len(METRICS), size=count, replace=False)
    return [Budget(METRICS[m], float(np.quantile(scores[:, m], rng.uniform(0.3, 0.9)))) for m in metrics]


def true_best(scorer, scores, budgets):
    fits = Problem(scorer, ("predicted_top1",), tuple(budgets)).violation(scores) == 0
    return scores[fits, -1].max() if fits.any() else None


def least_network(scorer, scores, budgets):
    """Any feasible network, so that the proof begins far from the best."""
    violation = Problem(scorer, ("predicted_top1",), tuple(budgets)).violation(scores)
    return scorer.space.decode(every_row(scorer.space)[np.flatnonzero(violation == 0)[0]])


@pytest.mark.parametrize("seed", range(24))
def test_a_whole_proof_finds_the_true_best(seed):
    rng, scorer, scores = judged(seed)
    budgets = random_budgets(rng, scores, seed % 4)
    best = true_best(scorer, scores, budgets)
    if best is None:
        with pytest.raises(InfeasibleError):
            certify(scorer, budgets, settings=SMALL_STEPS)
        return
    found = certify(scorer, budgets, least_network(scorer, scores, budgets), settings=SMALL_STEPS)
    assert found.proven
    assert found.gap == 0
    assert found.networks_excluded == found.networks == scorer.space.size
    # in batches of other sizes predictions differ in the last bits (docs/accuracy.md)
    assert found.bound == pytest.approx(best, abs=1e-4)
    assert found.best.scores["predicted_top1"] == pytest.approx(best, abs=1e-4)
    assert all(found.best.scores[budget.metric] <= budget.limit for budget in budgets)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("nodes", [1, 20, 200])
def test_the_bound_is_never_below_the_true_best(seed, nodes):
    rng, scorer, scores = judged(100 + seed)
    budgets = random_budgets(rng, scores, 1 + seed % 2)
    best = true_best(scorer, scores, budgets)
    if best is None:
        return
    found = certify(scorer, budgets, least_network(scorer, scores, budgets), nodes=nodes, settings=SMALL_STEPS)
    assert found.bound >= best - 1e-4
    assert found.gap == found.bound - found.best.scores["predicted_top1"] or found.gap == pytest.approx(
        found.bound - found.best.scores["predicted_top1"], abs=1e-4
    )
    better = (scores[:, -1] > found.bound + 1e-4) & (
        Problem(scorer, ("predicted_top1",), tuple(budgets)).violation(scores) == 0
    )
    assert not better.any()


def random_cells(rng, relaxation, count):
    """Cells reached by random halvings, with the members of each as option numbers."""
    sets = np.zeros((count, len(relaxation.trees)), dtype=np.int64)
    for row in sets:
        for stage, tree in enumerate(relaxation.trees):
            for _ in range(int(rng.integers(0, 7))):
                half = tree.children[row[stage], int(rng.integers(2))]
                row[stage] = half if half >= 0 else row[stage]
    return sets


@pytest.mark.parametrize("seed", range(6))
def test_bounds_of_a_cell_hold_for_every_member(seed):
    rng = np.random.default_rng(seed)
    scorer = Scorer(load_space("efficientnet-b0"), SIGNAL, [FakeLatency()])
    sample = scorer.matrix(scorer.space.sample(2000, rng))
    problem = Problem(scorer, ("predicted_top1",), tuple(random_budgets(rng, sample, seed % 3)))
    relaxation, rows = relaxation_of(problem)
    root = relaxation.root()
    sets = random_cells(rng, relaxation, 40)
    cells = Cells(sets, *(np.repeat(part, 40, axis=0) for part in (root.low, root.high, root.multipliers)))
    bounds, possible = relaxation.bounds(cells), relaxation.possible(sets)
    for n, own in enumerate(sets):
        chosen = [rng.choice(tree.members[number], 300) for tree, number in zip(relaxation.trees, own, strict=True)]
        population = np.concatenate(
            [np.zeros((300, 1), dtype=np.int8), *(rows[s][options] for s, options in enumerate(chosen))], axis=1
        )
        scores = scorer.matrix(population)
        top1, fits = scores[:, -1], problem.violation(scores) == 0
        additive = bounds.constants[n] + sum(
            bounds.values[n, relaxation.ends[s] + options] for s, options in enumerate(chosen)
        )
        assert np.all(top1 <= additive + relaxation.rounding)
        assert np.all(top1[fits] <= bounds.upper[n] + relaxation.rounding)
        assert possible[n] or not fits.any()


def second_layer(network, codes):
    inputs = np.concatenate([network.embedding[s].astype(float)[codes[:, s]] for s in range(7)], axis=1)
    hidden = np.maximum(inputs @ network.weight_1.astype(float) + network.bias_1, 0)
    return hidden @ network.weight_2.astype(float) + network.bias_2


def test_bounds_of_the_second_layer_hold_for_every_member():
    rng = np.random.default_rng(5)
    network = SIGNAL._network
    scorer = Scorer(load_space("efficientnet-b0"), SIGNAL)
    relaxation, _ = relaxation_of(Problem(scorer, ("predicted_top1",)))
    root = relaxation.root()
    sets = random_cells(rng, relaxation, 30)
    cells = Cells(sets, *(np.repeat(part, 30, axis=0) for part in (root.low, root.high, root.multipliers)))
    bounds = relaxation.bounds(cells)
    for n, own in enumerate(sets):
        members = [rng.choice(tree.members[k], 200) for tree, k in zip(relaxation.trees, own, strict=True)]
        codes = np.stack([relaxation.codes[s][options] for s, options in enumerate(members)], axis=1)
        sums = second_layer(network, codes)
        assert np.all(sums <= bounds.high[n])
        assert np.all(sums >= bounds.low[n])
    for unit in range(0, 64, 9):
        for sign in (1.0, -1.0):
            upper, _ = relaxation.unit_bounds(own[None], unit, sign)
            assert np.all(sign * sums[:, unit] <= upper[0])


def test_single_precision_strays_less_than_what_is_allowed_for():
    scorer = Scorer(load_space("efficientnet-b0"), SIGNAL)
    relaxation, rows = relaxation_of(Problem(scorer, ("predicted_top1",)))
    population = scorer.space.sample(2000, np.random.default_rng(1))
    numbers = [
        [rows[s].tolist().index(genes[1 + 5 * s : 6 + 5 * s].tolist()) for s in range(7)] for genes in population
    ]
    codes = np.stack([relaxation.codes[s][np.array(numbers)[:, s]] for s in range(7)], axis=1)
    network = SIGNAL._network
    output = np.maximum(second_layer(network, codes), 0) @ network.weight_3.astype(float)
    exact = network.mean_scale[0] + network.mean_scale[1] * output
    strayed = np.abs(scorer.matrix(population)[:, -1] - exact).max()
    assert 0 < strayed < relaxation.rounding < 0.1


def test_bounds_fall_and_a_limit_by_cells_is_deterministic():
    scorer = Scorer(load_space("efficientnet-b0"), SIGNAL, [FakeLatency()])
    budgets = [Budget("latency_ms", 12.0)]
    start = scorer.space.decode(scorer.least("latency_ms")[1])
    settings = CertifySettings(batch=32, leaf=64, unit_cells=16)
    runs = []
    for nodes in (1, 300, 900, 900):
        told = []
        runs.append(certify(scorer, budgets, start, nodes=nodes, settings=settings, progress=told.append))
        falling = [each.bound for each in told]
        assert falling == sorted(falling, reverse=True)
        assert falling[-1] == runs[-1].bound
    assert runs[0].bound > runs[1].bound > runs[2].bound
    assert runs[2] == runs[3]
    assert not runs[2].proven
    assert runs[0].networks_excluded <= runs[1].networks_excluded <= runs[2].networks_excluded
    assert "not proven" in runs[2].statement
    assert runs[2].to_document().keys() == {"bound", "gap", "proven", "seconds", "statement"}


def test_a_better_network_on_the_way_is_taken_and_said():
    _, scorer, scores = judged(7)
    start = scorer.space.decode(every_row(scorer.space)[scores[:, -1].argmin()])
    found = certify(scorer, [], start, settings=SMALL_STEPS)
    assert found.best.scores["predicted_top1"] == pytest.approx(scores[:, -1].max(), abs=1e-4)
    assert found.best.text in found.statement


def test_without_a_network_one_is_searched_for():
    _, scorer, scores = judged(8, most=500)
    assert certify(scorer).bound == pytest.approx(scores[:, -1].max(), abs=1e-4)


def test_what_cannot_be_certified_is_refused():
    fake = Scorer(small_space(0), FakeSignal(), [FakeLatency()])
    with pytest.raises(InputError, match="imagenet"):
        certify(fake)
    _, scorer, scores = judged(9)
    with pytest.raises(InfeasibleError, match="the least it reaches"):
        certify(scorer, [Budget("latency_ms", scores[:, 0].min() * 0.99)])
    slowest = scorer.space.decode(every_row(scorer.space)[scores[:, 0].argmax()])
    with pytest.raises(InputError, match="does not meet"):
        certify(scorer, [Budget("latency_ms", float(np.median(scores[:, 0])))], slowest)
    for limits in ({"seconds": 0.0}, {"seconds": float("nan")}, {"nodes": 0}):
        with pytest.raises(InputError, match="time"):
            certify(scorer, **limits)


def test_relaxed_units_enclose_relu():
    rng = np.random.default_rng(0)
    low = rng.normal(size=400)
    high = low + rng.exponential(size=400)
    lines = relax(low, high)
    for share in np.linspace(0, 1, 11):
        z = low + share * (high - low)
        assert np.all(lines.lower * z <= np.maximum(z, 0) + 1e-12)
        assert np.all(lines.upper * z + lines.intercept >= np.maximum(z, 0) - 1e-12)


@pytest.mark.parametrize("copies", [1, 3])
def test_a_tree_halves_until_every_option_is_alone(copies):
    rng = np.random.default_rng(copies)
    inputs = np.repeat(rng.normal(size=(9, 4)), copies, axis=0)  # equal options too
    tree = option_tree(inputs, rng.random((len(inputs), 2)))
    for number, (first, second) in enumerate(tree.children.tolist()):
        members = tree.members[number]
        assert np.array_equal(np.flatnonzero(tree.outside[number] == 0), members)
        assert np.array_equal(tree.low[number], inputs[members].min(axis=0))
        if len(members) > 1:
            assert sorted([*tree.members[first], *tree.members[second]]) == members.tolist()
        else:
            assert (first, second) == (-1, -1)
    assert sorted(int(own[0]) for own in tree.members if len(own) == 1) == list(range(len(inputs)))


SMALL_SPACE = """\
format: hwsearch-space
version: 1
name: small
resolution: 224
stem_channels: 32
head_channels: 1280
activation: swish
num_classes: 1000
stages:
"""


@pytest.fixture
def space_file(tmp_path):
    """A part of efficientnet-b0 of 1728 networks."""
    widths, strides = (16, 24, 40, 80, 112, 192, 320), (1, 2, 2, 2, 1, 2, 1)
    stage = "  - {{stride: {}, out_channels: {}, kernel_size: {}, expand_ratio: {}, num_repeats: {}, se_ratio: 0.25}}\n"
    free, fixed = ("[3, 5]", "[1, 4, 6]", "[1, 2]"), (3, 6, 1)
    lines = [stage.format(strides[s], widths[s], *(free if s < 3 else fixed)) for s in range(7)]
    path = tmp_path / "small.yaml"
    path.write_text(SMALL_SPACE + "".join(lines), encoding="utf-8")
    return str(path)


def test_the_command_prints_the_certificate(space_file, capsys):
    words = ["search", "--space", space_file, "--budget", "macs<=200M", "--certify", "--certify-seconds", "60"]
    assert run([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    proof = document["certificate"]
    assert proof.keys() == {"bound", "gap", "proven", "seconds", "statement"}
    assert proof["proven"] is True
    assert proof["bound"] == pytest.approx(document["best"]["predicted_top1"], abs=1e-4)
    assert run(words) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("certificate")]
    assert len(lines) == 1
    assert "of the 1,728 networks" in lines[0]


def test_the_command_refuses_what_it_cannot_certify(space_file, capsys):
    words = ["search", "--space", space_file, "--certify"]
    assert run([*words, "--accuracy", "none", "--objective", "macs"]) == 2
    assert "imagenet" in capsys.readouterr().err
    assert run([*words, "--certify-seconds", "0"]) == 2
    assert run(["search", "--space", space_file, "--json"]) == 0
    assert "certificate" not in json.loads(capsys.readouterr().out)
