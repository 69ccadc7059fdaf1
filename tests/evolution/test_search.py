from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from fake_judges import FakeLatency, FakeSignal, every_row, small_space

from hwsearch.budget import Budget, parse_budgets
from hwsearch.errors import FaultsError, InfeasibleError, InputError
from hwsearch.evolution import SearchSettings, best_at_most, best_under, fastest_at_least, search, settings_for
from hwsearch.evolution.problem import Problem
from hwsearch.evolution.result import Generation
from hwsearch.pareto import non_dominated
from hwsearch.preset import reference_preset
from hwsearch.scoring import Scorer
from hwsearch.space_file import load_space

QUICK = SearchSettings(population=16, generations=8, restarts=2, polish_evaluations=20_000, climb_starts=4)
"""Fewer evaluations by populations than the small spaces hold, so that they are searched, not enumerated."""
B0 = reference_preset("efficientnet-b0").architecture


def judged(space, **latency):
    return Scorer(space, FakeSignal(), [FakeLatency(**latency)])


def brute_force(scorer, objectives, budgets):
    """Objectives (minimised) of the true front, and the best network's scores."""
    scores = scorer.matrix(every_row(scorer.space))
    problem = Problem(scorer, objectives, budgets)
    scores = scores[problem.violation(scores) == 0]
    values = problem.values(scores)
    front = np.unique(values[non_dominated(values)], axis=0)
    return front, scores[problem.order(scores)[0]]


def front_values(scorer, result):
    scores = np.array([list(found.scores.values()) for found in result.front])
    return np.unique(Problem(scorer, result.objectives).values(scores), axis=0)


CASES = [
    (0, ("predicted_top1", "latency_ms"), []),
    (1, ("predicted_top1", "latency_ms"), ["macs<=3M"]),
    (2, ("predicted_top1", "latency_ms"), ["latency_ms<=1", "params<=90k"]),
    (1, ("latency_ms",), ["predicted_top1>=54"]),
    (2, ("predicted_top1",), ["latency_ms<=0.9"]),
    (0, ("predicted_top1", "latency_ms", "params"), ["activation_bytes<=100kB"]),
    (2, ("macs", "params"), []),
]


@pytest.mark.parametrize(("number", "objectives", "budgets"), CASES)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_search_finds_what_brute_force_finds(number, objectives, budgets, seed):
    space = small_space(number)
    scorer = judged(space)
    limits = parse_budgets(budgets)
    front, best = brute_force(scorer, objectives, limits)
    result = search(space, scorer, objectives, limits, settings=QUICK, seed=seed)
    assert not result.exhaustive
    assert np.array_equal(front_values(scorer, result), front)
    first = scorer.column(objectives[0])
    assert result.best.scores[objectives[0]] == best[first]
    assert result.best.text == result.front[0].text


@pytest.mark.parametrize(("number", "objectives", "budgets"), CASES)
def test_a_small_space_is_scored_whole(number, objectives, budgets):
    scorer = judged(small_space(number))
    limits = parse_budgets(budgets)
    result = search(scorer.space, scorer, objectives, limits)
    assert result.exhaustive
    assert result.evaluated == scorer.space.size
    assert np.array_equal(front_values(scorer, result), brute_force(scorer, objectives, limits)[0])


def test_a_result_holds_its_promises():
    space = load_space("efficientnet-b0")
    scorer = Scorer(space, FakeSignal(), [FakeLatency("a"), FakeLatency("b", slow_kernel=0.5)])
    budgets = parse_budgets(["latency_ms:a<=8", "macs<=300M"], scorer.metrics)
    told = []
    result = search(space, scorer, budgets=budgets, settings=QUICK, seed=3, progress=told.append, reference=B0)
    assert result.objectives == ("predicted_top1", "latency_ms:a", "latency_ms:b")
    assert len({found.text for found in result.front}) == len(result.front) > 1
    for found in result.front:
        assert found.scores["latency_ms:a"] <= 8
        assert found.scores["macs"] <= 3e8
        row = np.array([found.genes], dtype=np.int8)
        assert space.decode(row[0]) == found.architecture
        rescored = {name: float(column[0]) for name, column in scorer.score(row).items()}
        assert found.scores == pytest.approx(rescored, rel=1e-9)
    values = front_values(scorer, result)
    assert non_dominated(values).all()
    assert result.best.scores["predicted_top1"] == max(found.scores["predicted_top1"] for found in result.front)
    assert result.reference is not None
    assert result.reference.architecture == B0
    assert [p.done for p in told] == sorted(p.done for p in told)
    assert told[-1].done == 1
    assert told[-1].evaluated == result.evaluated == result.history[-1].evaluated
    assert scorer.signal.asked >= result.evaluated


def test_the_history_tells_restarts_apart_and_who_leads():
    space = load_space("efficientnet-b0")
    scorer = judged(space)
    settings = dataclasses.replace(QUICK, restarts=3)
    history = search(space, scorer, budgets=[Budget("latency_ms", 8.0)], settings=settings, seed=4).history
    of_one = [each for each in history if each.phase in ("evolve", "polish")]
    assert [each.restart for each in of_one] == sorted(each.restart for each in of_one)
    assert {each.restart for each in of_one} == {0, 1, 2}
    assert {each.phase for each in history[len(of_one) :]} == {"unite", "climb"}
    problem, so_far = Problem(scorer, ("predicted_top1", "latency_ms"), [Budget("latency_ms", 8.0)]), []
    for restart in range(3):
        own = [each for each in of_one if each.restart == restart]
        for each in own:
            scores = np.array([[one.best[name] for name in scorer.metrics] for one in (each, *so_far)])
            assert each.leads == (problem.order(scores)[0] == 0)
        so_far.append(own[-1])
    assert all(each.leads for each in history if each.restart == 0 or each.phase in ("unite", "climb"))
    assert not all(each.leads for each in of_one)


def test_what_an_entry_of_a_summary_says():
    found = {"predicted_top1": 60.0}
    assert Generation("polish", 1, 8, 90, 5, found, leads=False).entry == {
        "evaluated": 90.0,
        "front_size": 5.0,
        "restart": 1,
        "leads": 0,
        "predicted_top1": 60.0,
    }
    for phase in ("unite", "climb", "enumerate"):
        assert "restart" not in Generation(phase, 1, 8, 90, 5, found).entry


def test_equal_seeds_give_equal_results_and_other_seeds_others():
    space = load_space("efficientnet-b0")
    scorer = judged(space)
    results = [search(space, scorer, settings=QUICK, seed=seed) for seed in (5, 5, 6)]
    assert results[0] == results[1]
    assert repr(dataclasses.replace(results[0], seconds=0)) == repr(dataclasses.replace(results[1], seconds=0))
    assert results[0].history != results[2].history


def test_the_reference_is_never_beaten_by_the_answer_to_its_own_budget():
    space = load_space("efficientnet-b0")
    scorer = judged(space)
    settings = SearchSettings(population=4, generations=0, restarts=1, polish_evaluations=0, climb_starts=0)
    of_b0 = search(space, scorer, settings=settings, reference=B0).reference
    assert of_b0 is not None
    budgets = [Budget("latency_ms", of_b0.scores["latency_ms"])]
    result = search(space, scorer, budgets=budgets, settings=settings, reference=B0)
    assert result.best.scores["predicted_top1"] >= of_b0.scores["predicted_top1"]


def test_a_reference_outside_the_space_is_left_out():
    scorer = judged(small_space())
    assert search(scorer.space, scorer, settings=QUICK, reference=B0).reference is None


def test_without_accuracy_the_objectives_are_the_users_choice():
    space = small_space()
    scorer = Scorer(space, None, [FakeLatency()])
    with pytest.raises(InputError, match="no accuracy signal"):
        search(space, scorer)
    assert search(space, scorer, ["latency_ms"]).best.scores["latency_ms"] == scorer.least("latency_ms")[0]


def test_without_latency_macs_stand_in():
    scorer = Scorer(small_space(), FakeSignal())
    assert search(scorer.space, scorer).objectives == ("predicted_top1", "macs")


@pytest.mark.parametrize(
    ("objectives", "words"),
    [(["predicted_top", "macs"], "did you mean 'predicted_top1'"), (["macs", "flops"], "different metrics")],
)
def test_wrong_objectives_are_refused(objectives, words):
    scorer = judged(small_space())
    with pytest.raises(InputError, match=words):
        search(scorer.space, scorer, objectives)


def test_a_budget_below_the_least_is_refused_before_anything_is_scored():
    scorer = judged(small_space())
    least, row = scorer.least("macs")
    asked = scorer.signal.asked
    with pytest.raises(InfeasibleError) as caught:
        search(scorer.space, scorer, budgets=[Budget("macs", least - 1)])
    assert caught.value.exit_code == 3
    assert f"macs={least:.0f}" in str(caught.value)
    assert scorer.space.decode(row).text in str(caught.value)
    assert scorer.signal.asked <= asked + 1  # the least row is shown with its scores
    assert search(scorer.space, scorer, budgets=[Budget("macs", least)]).best.scores["macs"] == least


@pytest.mark.parametrize("settings", [QUICK, SearchSettings()])
def test_budgets_that_exclude_one_another_name_the_closest_network(settings):
    space = small_space(1)
    scorer = judged(space)
    scores = scorer.matrix(every_row(space))
    most = scores[:, scorer.column("predicted_top1")].max()
    budgets = [Budget("latency_ms", scorer.least("latency_ms")[0] * 1.05), Budget("predicted_top1", most)]
    problem = Problem(scorer, ("predicted_top1",), budgets)
    closest = scores[problem.order(scores)[0]]
    assert problem.violation(closest[None])[0] > 0
    with pytest.raises(InfeasibleError) as caught:
        search(space, scorer, budgets=budgets, settings=settings)
    assert f"predicted_top1={closest[scorer.column('predicted_top1')]:.6g}" in str(caught.value)
    assert ("no network of space" in str(caught.value)) == (settings != QUICK)


def test_single_answers_are_the_brute_force_ones():
    space = small_space(2)
    scorer = judged(space)
    front = search(space, scorer, settings=QUICK).front
    for limit in (0.8, 1.0, 1.4):
        _, best = brute_force(scorer, ("predicted_top1",), [Budget("latency_ms", limit)])
        assert best_at_most(scorer, limit, front).scores["predicted_top1"] == best[scorer.column("predicted_top1")]
    for top1 in (53.0, 54.0, 55.0):
        _, best = brute_force(scorer, ("latency_ms",), [Budget("predicted_top1", top1)])
        assert fastest_at_least(scorer, top1, front).scores["latency_ms"] == best[scorer.column("latency_ms")]


def test_single_answers_that_do_not_exist():
    scorer = judged(small_space(2))
    front = search(scorer.space, scorer, settings=QUICK).front
    with pytest.raises(InfeasibleError, match="closest has predicted_top1="):
        fastest_at_least(scorer, 90.0, front)
    with pytest.raises(InfeasibleError, match="the least it reaches"):
        best_at_most(scorer, 0.01, front)
    assert best_under(scorer, "params", [], ()).scores["params"] == scorer.least("params")[0]


def test_settings_out_of_range_are_refused_all_at_once():
    with pytest.raises(FaultsError) as caught:
        SearchSettings(population=1, restarts=0, mutated_genes=float("nan"), crossover_rate=2.0)
    assert len(caught.value.faults) == 4


@pytest.mark.parametrize("evaluations", [20, 300, 5000])
def test_settings_for_a_slow_signal_keep_to_its_evaluations(evaluations):
    space = load_space("efficientnet-b0")
    scorer = Scorer(space, FakeSignal())
    result = search(space, scorer, settings=settings_for(evaluations))
    assert 0.6 * evaluations <= result.evaluated <= evaluations


class Interrupted:
    """A progress callback that presses Ctrl-C after some steps."""

    def __init__(self, after):
        self.left = after

    def __call__(self, progress):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("after", [0, 1, 4, 9, 12, 20, 24, 31])
def test_an_interrupted_search_goes_on_to_the_identical_result(after, tmp_path):
    space = load_space("efficientnet-b0")
    scorer = judged(space)
    budgets = [Budget("latency_ms", 8.0)]
    settings = dataclasses.replace(QUICK, polish_evaluations=60_000)
    expected = search(space, scorer, budgets=budgets, settings=settings, seed=9)
    path = tmp_path / "run" / "state.json"
    for stops in (after, 3):
        with pytest.raises(KeyboardInterrupt):
            search(
                space,
                scorer,
                budgets=budgets,
                settings=settings,
                seed=9,
                checkpoint=path,
                progress=Interrupted(stops),
            )
        assert path.exists()
    result = search(space, scorer, budgets=budgets, settings=settings, seed=9, checkpoint=path)
    assert result == expected
    assert result.history == expected.history
    assert not path.exists()


def test_an_interrupt_inside_a_step_leaves_the_state_before_it(tmp_path, monkeypatch):
    space = small_space(2)
    scorer = judged(space)
    expected = search(space, scorer, settings=QUICK)
    path = tmp_path / "state.json"
    calls = []

    def interrupted(population):
        calls.append(1)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return Scorer.matrix(scorer, population)

    monkeypatch.setattr(scorer, "matrix", interrupted)
    with pytest.raises(KeyboardInterrupt):
        search(space, scorer, settings=QUICK, checkpoint=path)
    monkeypatch.undo()
    assert search(space, scorer, settings=QUICK, checkpoint=path) == expected


def test_checkpoints_are_written_while_the_search_runs(tmp_path, monkeypatch):
    monkeypatch.setattr("hwsearch.evolution.searching.SAVE_EVERY_S", -1.0)
    scorer = judged(small_space(2))
    path = tmp_path / "state.json"
    seen = []
    search(scorer.space, scorer, settings=QUICK, checkpoint=path, progress=lambda _: seen.append(path.read_text()))
    assert all(json.loads(text)["format"] == "hwsearch-search-state" for text in seen)


def stopped(tmp_path, after=5, **changes):
    scorer = judged(small_space(2))
    path = tmp_path / "state.json"
    with pytest.raises(KeyboardInterrupt):
        search(scorer.space, scorer, settings=QUICK, checkpoint=path, progress=Interrupted(after))
    document = json.loads(path.read_text())
    document.update(changes)
    path.write_text(json.dumps(document))
    return scorer, path


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"seed": 1}, "seed differs"),
        ({"budgets": [Budget("macs", 1e7)]}, "budgets differs"),
        ({"settings": SearchSettings()}, "settings differs"),
    ],
)
def test_a_checkpoint_of_another_search_is_refused(tmp_path, asked, words):
    scorer, path = stopped(tmp_path)
    with pytest.raises(InputError, match=words):
        search(scorer.space, scorer, checkpoint=path, **{"settings": QUICK, **asked})


def test_a_checkpoint_of_other_prices_or_another_accuracy_is_refused(tmp_path):
    scorer, path = stopped(tmp_path)
    other = judged(scorer.space, slow_kernel=3.0)
    with pytest.raises(InputError, match="prices differs"):
        search(scorer.space, other, settings=QUICK, checkpoint=path)
    predict = FakeSignal.predict
    scorer.signal.predict = lambda arrays: dataclasses.replace(predict(scorer.signal, arrays), mean=arrays.resolution)
    with pytest.raises(InputError, match="score otherwise"):
        search(scorer.space, scorer, settings=QUICK, checkpoint=path)


@pytest.mark.parametrize(
    "changes",
    [
        {"phase": "lost"},
        {"rng": {}},
        {"rng": {"bit_generator": "PCG64", "state": {"state": -1, "inc": "x"}}},
        {"evaluated": -1},
        {"population": {"rows": ["zz"], "scores": [[1.0] * 5]}},
        {"population": {"rows": ["0" * 16], "scores": []}},
        {"archive": {"rows": [], "scores": [], "explored": [1]}},
        {"more": 1},
        {"version": 2},
    ],
)
def test_a_damaged_checkpoint_is_refused(tmp_path, changes):
    scorer, path = stopped(tmp_path, **changes)
    with pytest.raises(InputError, match=r"state\.json"):
        search(scorer.space, scorer, settings=QUICK, checkpoint=path)


def test_a_scorer_of_another_space_is_a_bug():
    with pytest.raises(ValueError, match="another space"):
        search(small_space(0), judged(small_space(1)))
