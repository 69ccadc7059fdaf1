"""The whole story on a device in closed form: its files, its promises, and that it resumes from anywhere."""

from __future__ import annotations

import dataclasses
import json

import pytest
from fakes import FakeRuntime, fake_table

from hwsearch import pipeline, winners
from hwsearch.accuracy import load_signal
from hwsearch.budget import parse_budgets
from hwsearch.errors import InfeasibleError
from hwsearch.estimate import TableEstimator
from hwsearch.evolution.settings import SearchSettings
from hwsearch.family import load_family
from hwsearch.family_latency import with_predictions
from hwsearch.latency_table import load_table
from hwsearch.pipeline import Listener, RunSettings, run
from hwsearch.preset import load_preset, reference_preset
from hwsearch.profiling.measurement import load_measurement
from hwsearch.profiling.profiler import ProfileSettings
from hwsearch.run_directory import RunDirectory, load_summary, save_summary, summary_document
from hwsearch.space_file import load_space

SPACE = load_space("efficientnet-b0")
SMALL_SEARCH = SearchSettings(population=16, generations=4, restarts=1, polish_evaluations=0, climb_starts=0)
SETTINGS = RunSettings(
    SPACE, ProfileSettings(covers=1, held_out=4, seconds=0.1), seed=1, measure_seconds=0.1, command="hwsearch run"
)


def short_question(question):
    """Questions as they are asked, but with a search of a moment."""
    return lambda *args, **options: dataclasses.replace(question(*args, **options), settings=SMALL_SEARCH)


@pytest.fixture(scope="module", autouse=True)
def small_search():
    """A search of a moment, and quick climbs to the winners: what is tested is the story, not the search."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "Question", short_question(winners.Question))
        yield


def runtime():
    return FakeRuntime(node_cost_ms=0.002, slowdown=1.1, digits=4)


def begin(path):
    directory = RunDirectory(path)
    directory.begin({"target": "cpu"})
    return directory


def essence(directory):
    """What a run found, without when, where and how long."""
    document = json.loads(directory.summary.read_text(encoding="utf-8").replace(str(directory.path), "RUN"))
    return {key: value for key, value in document.items() if key not in ("created", "seconds")}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    directory = begin(tmp_path_factory.mktemp("told") / "run")
    steps = []
    summary = run(directory, SETTINGS, runtime(), listener=Listener(lambda step, what: steps.append(step)))
    return directory, summary, steps


def test_the_steps_come_in_the_order_of_the_story(told):
    steps = told[2]
    assert steps == [step for step in pipeline.STEPS if step in steps]
    assert set(steps) >= {"profile", "search", "scale", "measure", "export"}


def test_every_step_leaves_its_file(told):
    directory = told[0]
    for name in ("config", "table", "search", "measured", "family", "lite_family", "summary", "report"):
        assert getattr(directory, name).is_file(), name
    assert not list(directory.path.glob("*.partial"))
    written = json.loads(directory.summary.read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(summary_document(told[1])))
    assert load_summary(directory.summary).by_role("same_top1").name == told[1].by_role("same_top1").name


def test_the_winners_keep_what_their_roles_promise(told):
    summary = told[1]
    reference, faster, better = (summary.by_role(role) for role in ("reference", "same_top1", "same_latency"))
    assert reference.architecture == reference_preset("efficientnet-b0").architecture
    assert faster.predicted_top1 >= reference.predicted_top1 - 1e-5
    assert faster.latency_ms <= reference.latency_ms
    assert better.latency_ms <= reference.latency_ms * (1 + 1e-6)
    assert better.predicted_top1 >= reference.predicted_top1
    for winner in (faster, better):
        assert SPACE.contains(winner.architecture)


def test_measured_stands_beside_predicted(told):
    directory, summary, _ = told
    samples = load_measurement(directory.measured)
    by_network = dict(zip(samples.architectures, samples.latency_ms, strict=True))
    for record in summary.networks:
        assert record.measured_latency_ms == pytest.approx(by_network[record.architecture])
        if record.latency_ms is not None:
            assert record.measured_latency_ms == pytest.approx(record.latency_ms, rel=0.01)
    assert summary.noise_floor_mape == pytest.approx(0, abs=1e-9)
    assert not [text for text in summary.warnings if "measured" in text]


def test_the_front_goes_from_fast_to_slow_and_never_gets_worse(told):
    front = told[1].front
    assert len(front) > 3
    assert [record.latency_ms for record in front] == sorted(record.latency_ms for record in front)
    assert [record.predicted_top1 for record in front] == sorted(record.predicted_top1 for record in front)


def test_winners_are_left_as_presets_and_exports(told):
    directory, summary, _ = told
    for role in ("same_top1", "same_latency"):
        record = summary.by_role(role)
        preset = load_preset(directory.presets / f"{record.name}.preset.json")
        assert preset.architecture == record.architecture
        assert preset.provenance["found"]["role"] == role
        exported = [each for each in summary.exports if each["network"] == record.name]
        assert len(exported) == len(pipeline.EXPORT_FORMATS)
        for each in exported:
            assert each.get("refused") or any((directory.path / each["folder"]).iterdir())


def test_the_family_starts_at_a_winner_and_carries_what_was_measured(told):
    directory, summary, _ = told
    family = load_family(directory.family)
    winners_found = [record.architecture for record in summary.networks if record.role in pipeline.WINNERS]
    assert family.variants[0].architecture in winners_found
    measured = [variant for variant in family.variants if variant.measured_latency is not None]
    assert {variant.phi for variant in measured} >= set(pipeline.FAMILY_PHIS)
    assert load_family(directory.lite_family).variants[0].architecture.activation == "relu6"


def test_both_families_are_measured_beside_the_published_ones(told):
    directory, _, _ = told
    samples = load_measurement(directory.measured)
    by_network = dict(zip(samples.architectures, samples.latency_ms, strict=True))
    for path in (directory.family, directory.lite_family):
        for variant in load_family(path).variants:
            assert (variant.measured_latency is not None) == (variant.phi in pipeline.FAMILY_PHIS)
            if variant.measured_latency is not None:
                assert variant.measured_latency.latency_ms == pytest.approx(by_network[variant.architecture], abs=1e-3)
    for name in (*pipeline.PUBLISHED_MEMBERS, *pipeline.OTHER_REFERENCES):
        assert reference_preset(name).architecture in by_network


def test_members_whose_ops_the_table_holds_are_predicted(told):
    directory, summary, _ = told
    first, *others = load_family(directory.family).variants
    record = next(each for each in summary.networks if each.architecture == first.architecture)
    assert first.predicted_latency.latency_ms == pytest.approx(record.latency_ms, abs=1e-3)
    assert (first.predicted_latency.batch, first.predicted_latency.precision) == (1, "f32")
    assert all(each.predicted_latency is None for each in others)  # at their resolution the table knows nothing


def test_of_an_unstated_batch_no_member_is_predicted(told):
    table = fake_table(SPACE)
    family = load_family(told[0].family)
    bare = dataclasses.replace(family, variants=(dataclasses.replace(family.variants[0], predicted_latency=None),))
    stated, unstated = (
        with_predictions(
            bare, TableEstimator(dataclasses.replace(table, setup=dataclasses.replace(table.setup, batch=n)))
        )
        for n in (4, 0)
    )
    assert stated.variants[0].predicted_latency.batch == 4
    assert unstated == bare


def test_the_history_says_which_restart_an_entry_is_of(tmp_path):
    question = winners.Question(SPACE, None, load_signal(), seed=1)
    short = dataclasses.replace(SMALL_SEARCH, restarts=2, polish_evaluations=3000)
    summary = pipeline.search_summary(dataclasses.replace(question, settings=short), None, "hwsearch search")
    restarts = [entry.get("restart") for entry in summary.history]
    assert restarts == sorted(restarts, key=lambda number: (number is None, number or 0))
    assert set(restarts) == {0, 1, None}
    leading = [entry for entry in summary.history if entry.get("leads", 1)]
    best = [entry["predicted_top1"] for entry in leading]
    assert best == sorted(best)
    save_summary(summary, tmp_path / "summary.json")
    assert load_summary(tmp_path / "summary.json").history == summary.history


def test_a_run_that_lacks_one_of_its_families_scales_again(tmp_path, told):
    directory = begin(tmp_path / "run")
    run(directory, SETTINGS, runtime())
    directory.lite_family.unlink()
    run(directory, SETTINGS, runtime())
    assert load_family(directory.lite_family) == load_family(told[0].lite_family)
    assert essence(directory) == essence(told[0])


def test_the_report_opens_offline_and_names_the_winners(told):
    directory, summary, _ = told
    text = directory.report.read_text(encoding="utf-8")
    for role in ("same_top1", "same_latency"):
        assert summary.by_role(role).name in text
    assert 'src="http' not in text


@pytest.mark.parametrize("step", ["profile", "search", "scale", "measure", "export"])
def test_a_run_interrupted_at_a_step_goes_on_to_the_same_end(tmp_path, told, step):
    directory = begin(tmp_path / "run")

    def interrupt(name, what):
        if name == step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(directory, SETTINGS, runtime(), listener=Listener(interrupt))
    assert not directory.summary.exists()
    done_before = {path.name for path in directory.path.iterdir()}
    steps = []
    run(directory, SETTINGS, runtime(), listener=Listener(lambda name, what: steps.append(name)))
    assert steps[0] == step
    assert {"table.json"} <= done_before or step == "profile"
    assert essence(directory) == essence(told[0])


def test_a_run_interrupted_after_each_file_goes_on_to_the_same_end(tmp_path, told, monkeypatch):
    directory = begin(tmp_path / "run")
    seen = set()

    def interrupting(save):
        def saved(value, path):
            save(value, path)
            if path not in seen:
                seen.add(path)
                raise KeyboardInterrupt

        return saved

    for name in ("save_table", "save_summary", "save_family", "save_measurement", "save_preset"):
        monkeypatch.setattr(pipeline, name, interrupting(getattr(pipeline, name)))
    interruptions = 0
    for _ in range(30):
        try:
            run(directory, SETTINGS, runtime())
            break
        except KeyboardInterrupt:
            interruptions += 1
    assert interruptions >= 7
    assert directory.lite_family.is_file()
    assert essence(directory) == essence(told[0])


def test_an_interrupted_measurement_of_the_table_is_not_begun_anew(tmp_path, told):
    def stop(number):
        if number == 300:
            raise KeyboardInterrupt

    directory = begin(tmp_path / "run")
    first = runtime()
    first.before_run = stop
    with pytest.raises(KeyboardInterrupt):
        run(directory, SETTINGS, first)
    second = runtime()
    run(directory, SETTINGS, second)
    assert second.profiles == 0
    assert essence(directory) == essence(told[0])


def test_a_finished_run_is_not_measured_again(tmp_path, told):
    directory = begin(tmp_path / "run")
    run(directory, SETTINGS, runtime())
    idle = runtime()
    run(directory, SETTINGS, idle)
    assert (idle.runs, idle.profiles) == (0, 0)
    assert essence(directory) == essence(told[0])


def test_from_a_table_alone_nothing_is_measured(tmp_path):
    directory = begin(tmp_path / "run")
    summary = run(directory, SETTINGS, None, fake_table(SPACE))
    assert not directory.measured.exists()
    assert {record.role for record in summary.networks} >= {"reference", "same_top1", "same_latency"}
    assert all(record.measured_latency_ms is None for record in summary.networks)
    assert directory.report.is_file()
    assert set(load_table(directory.table).ops) == set(SPACE.blocks())


def test_under_a_budget_there_is_a_best_network_within_it(tmp_path):
    directory = begin(tmp_path / "run")
    budgets = parse_budgets(["latency_ms<=6", "params<=5M"])
    summary = run(directory, dataclasses.replace(SETTINGS, budgets=budgets), None, fake_table(SPACE))
    best = summary.by_role("best")
    assert best.latency_ms <= 6
    assert best.params <= 5_000_000
    assert summary.budgets == ("latency_ms<=6", "params<=5000000")


def test_a_budget_that_nothing_meets_says_the_least_there_is_and_keeps_the_table(tmp_path):
    directory = begin(tmp_path / "run")
    with pytest.raises(InfeasibleError, match="latency_ms"):
        run(directory, dataclasses.replace(SETTINGS, budgets=parse_budgets(["latency_ms<=0.01"])), runtime())
    assert directory.table.is_file()
    assert not directory.search.exists()


def test_a_prediction_far_from_its_measurement_is_said(tmp_path):
    slow = fake_table(SPACE)
    halved = {op: dataclasses.replace(found, latency_ms=found.latency_ms / 2) for op, found in slow.ops.items()}
    directory = begin(tmp_path / "run")
    summary = run(directory, SETTINGS, runtime(), dataclasses.replace(slow, ops=halved))
    said = [text for text in summary.warnings if "predicted" in text and "measured" in text]
    assert any("(-50%)" in text for text in said)
