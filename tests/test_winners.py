"""Winners of a search: on one table, and on several at once."""

from __future__ import annotations

import json

import pytest

from hwsearch.accuracy import load_signal
from hwsearch.budget import Budget
from hwsearch.cli import run
from hwsearch.estimate import TableEstimator
from hwsearch.evolution import SearchSettings
from hwsearch.latency_table import find_table, load_table
from hwsearch.space_file import load_space
from hwsearch.winners import Question, answer, make_scorer

SMALL = SearchSettings(population=24, generations=6, restarts=1, polish_evaluations=2000, climb_starts=2)


def estimator(name):
    return TableEstimator(load_table(find_table(name)), name)


def question(*names, **changes):
    first, *others = (estimator(name) for name in names)
    space, signal = load_space("efficientnet-b0"), load_signal()
    return Question(space, first, signal, settings=SMALL, others=tuple(others), **changes)


@pytest.fixture(scope="module")
def on_two_devices():
    asked = question("zcu102", "a100", budgets=(Budget("latency_ms:a100", 0.1),))
    return asked, answer(asked, make_scorer(asked))


def test_winners_beside_the_reference_are_of_the_first_table(on_two_devices):
    asked, found = on_two_devices
    reference = next(record for record in found.winners if record.role == "reference")
    same_top1 = next(record for record in found.winners if record.role == "same_top1")
    same_latency = next(record for record in found.winners if record.role == "same_latency")
    assert reference.latency_ms == pytest.approx(asked.estimator.latency_ms(reference.architecture))
    assert same_top1.predicted_top1 >= reference.predicted_top1
    assert same_top1.latency_ms < reference.latency_ms
    assert same_latency.latency_ms <= reference.latency_ms * (1 + 1e-6)
    assert same_latency.predicted_top1 > reference.predicted_top1


def test_a_budget_on_the_second_table_holds_for_the_best_and_the_front(on_two_devices):
    asked, found = on_two_devices
    on_a100 = asked.others[0]
    for record in (found.best, *found.front):
        assert on_a100.latency_ms(record.architecture) <= 0.1
        assert dict(record.latency_ms_by_table)["a100"] == pytest.approx(on_a100.latency_ms(record.architecture))
        assert dict(record.latency_ms_by_table)["zcu102"] == pytest.approx(record.latency_ms)


def test_one_table_needs_no_names():
    asked = question("a100")
    found = answer(asked, make_scorer(asked))
    assert all(record.latency_ms_by_table == () for record in (*found.winners, *found.front))
    assert "latency_ms_by_table" not in found.winners[0].to_document()


def test_the_command_line_takes_several_tables(capsys):
    assert run(["search", "--table", "a100,rtx3090", "--json", "--evaluations", "500"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document["reference"]["latency_ms_by_table"]) == {"a100", "rtx3090"}


def test_a_plain_latency_budget_says_nothing_on_two_tables(capsys):
    assert run(["search", "--table", "a100,rtx3090", "--budget", "latency_ms<=0.1"]) == 2
    assert "latency_ms:a100, latency_ms:rtx3090" in capsys.readouterr().err


def test_a_certificate_is_for_one_table(capsys):
    assert run(["search", "--table", "a100,rtx3090", "--certify"]) == 2
    assert "one --table" in capsys.readouterr().err
