from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsearch.budget import METRICS, Budget, parse_budget, parse_budgets, resolve_metric
from hwsearch.errors import FaultsError, InputError


@pytest.mark.parametrize(
    ("text", "metric", "limit"),
    [
        ("latency_ms<=8", "latency_ms", 8),
        ("latency_ms <= 8ms", "latency_ms", 8),
        ("latency_ms<=850us", "latency_ms", 0.85),
        ("flops<=400M", "macs", 4e8),
        ("FLOPs<=0.4G", "macs", 4e8),
        ("macs<=4e8", "macs", 4e8),
        ("macs<=400_000_000", "macs", 4e8),
        ("params<=5.3M", "params", 5.3e6),
        ("activation_bytes<=6MB", "activation_bytes", 6e6),
        ("activation_bytes<=6 MiB", "activation_bytes", 6 * 2**20),
        ("predicted_top1>=63.5", "predicted_top1", 63.5),
        (" predicted_top1 >= 63.5% ", "predicted_top1", 63.5),
        ("latency_ms≤8", "latency_ms", 8),
    ],
)
def test_budgets_as_people_write_them(text, metric, limit):
    budget = parse_budget(text)
    assert (budget.metric, budget.limit) == (metric, pytest.approx(limit, rel=1e-12))


def test_flops_echo_as_macs():
    assert parse_budget("flops<=400M").text == "macs<=400000000"
    assert str(parse_budget("predicted_top1>=63.5")) == "predicted_top1>=63.5"


@given(st.sampled_from(METRICS), st.integers(1, 10**12))
def test_what_is_echoed_parses_back(metric, limit):
    budget = Budget(metric, float(limit))
    assert parse_budget(budget.text) == budget


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("latency<8", ["latency_ms is limited by <=", "not by <"]),
        ("latency_ms>=8", ["less is better", "not by >="]),
        ("predicted_top1<=60", ["limited by >="]),
        ("latncy_ms<=8", ["'latncy_ms' is not a metric", "did you mean 'latency_ms'?"]),
        ("macs<=400X", ["'X' is not a unit of macs", "m, g"]),
        ("latency_ms<=fast", ["'fast' is not a number"]),
        ("macs<=-1", ["out of range"]),
        ("macs<=0", ["out of range"]),
        ("macs<=1e999", ["out of range"]),
        ("macs", ["is not a budget", "flops<=400M"]),
        ("", ["is not a budget"]),
        ("x" * 5000, ["is not a budget"]),
        ("latency_ms:pixel<=8", ["is not a metric here"]),
    ],
)
def test_faults_are_explained_in_one_line(text, words):
    with pytest.raises(InputError) as caught:
        parse_budget(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
    for word in words:
        assert word in str(caught.value)


def test_several_tables_have_a_metric_each():
    metrics = ("latency_ms:a100", "latency_ms:zcu102", "macs")
    assert parse_budget("latency_ms:a100<=2ms", metrics) == Budget("latency_ms:a100", 2.0)
    with pytest.raises(InputError, match="did you mean 'latency_ms:a100'"):
        parse_budget("latency_ms:a10<=2", metrics)
    with pytest.raises(InputError, match="allowed: latency_ms:a100, latency_ms:zcu102, macs"):
        resolve_metric("latency_ms", metrics)


def test_all_faults_at_once():
    with pytest.raises(FaultsError) as caught:
        parse_budgets(["macs<=1M", "param<=1M", "macs<=1Q"])
    assert len(caught.value.faults) == 2
    assert parse_budgets(["macs<=1M", "params<=2k"]) == (Budget("macs", 1e6), Budget("params", 2e3))


@given(st.text(max_size=60))
def test_any_text_is_a_budget_or_an_input_error(text):
    with contextlib.suppress(InputError):
        assert parse_budget(text).limit > 0
