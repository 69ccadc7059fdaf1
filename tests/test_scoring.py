from __future__ import annotations

import numpy as np
import pytest
from fake_judges import FakeLatency, FakeSignal, every_row, small_space

from hwsearch import scoring
from hwsearch.cost import cost
from hwsearch.errors import InputError, MissingOpError, OutOfDomainError
from hwsearch.operation import ops
from hwsearch.scoring import Scorer
from hwsearch.search_space import SearchSpace, StageSpace
from hwsearch.space_file import load_space

SHIPPED = ("efficientnet-b0", "efficientnet-lite", "mbconv")


def sum_of_ops(model, network):
    return model.constant_ms + sum(model.op_ms(op) for op in ops(network))


@pytest.mark.parametrize("name", SHIPPED)
def test_tabulated_scores_are_the_costs_of_the_networks(name):
    space, model = load_space(name), FakeLatency()
    population = space.sample(150, np.random.default_rng(1))
    scores = Scorer(space, FakeSignal(), [model]).score(population)
    networks = [space.decode(row) for row in population]
    assert scores["macs"].tolist() == [cost(network).macs for network in networks]
    assert scores["params"].tolist() == [cost(network).params for network in networks]
    assert scores["activation_bytes"].tolist() == [cost(network).activation_bytes for network in networks]
    assert scores["latency_ms"] == pytest.approx([sum_of_ops(model, network) for network in networks], rel=1e-12)
    predicted = FakeSignal().predict(space.stage_arrays(population)).mean
    assert scores["predicted_top1"].tolist() == predicted.tolist()


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("merged", [0, 4096])
def test_whole_small_spaces_with_widths_and_resolutions(number, merged, monkeypatch):
    monkeypatch.setattr(scoring, "_MERGED", merged)
    space = small_space(number)
    rows = every_row(space)
    scores = Scorer(space).score(rows)
    for index in range(0, len(rows), 7):
        price = cost(space.decode(rows[index]))
        found = tuple(scores[name][index] for name in ("macs", "params", "activation_bytes"))
        assert found == (price.macs, price.params, price.activation_bytes)


@pytest.mark.parametrize("number", range(3))
def test_least_is_the_minimum_of_the_whole_space(number):
    space = small_space(number)
    scorer = Scorer(space, None, [FakeLatency("a"), FakeLatency("b", slow_kernel=0.1)])
    everything = scorer.score(every_row(space))
    assert scorer.metrics == ("latency_ms:a", "latency_ms:b", "macs", "params", "activation_bytes")
    for metric in scorer.metrics:
        value, row = scorer.least(metric)
        assert value == everything[metric].min()
        assert scorer.score(row[None])[metric][0] == value


def test_least_of_the_shipped_space_is_below_every_sample():
    space = load_space("mbconv")
    scorer = Scorer(space, None, [FakeLatency()])
    sample = scorer.score(space.sample(20_000, np.random.default_rng(2)))
    assert all(scorer.least(metric)[0] <= sample[metric].min() for metric in scorer.metrics)


def test_least_of_what_is_no_sum_is_refused():
    with pytest.raises(InputError, match="predicted_top1"):
        Scorer(small_space(), FakeSignal()).least("predicted_top1")


def test_stage_arrays_are_those_of_the_space():
    for space in (load_space("mbconv"), small_space(2)):
        population = space.sample(50, np.random.default_rng(3))
        found, expected = Scorer(space)._arrays(population), space.stage_arrays(population)
        for field in ("kernel_size", "stride", "expand_ratio", "out_channels", "num_repeats", "se_ratio", "resolution"):
            assert np.array_equal(getattr(found, field), getattr(expected, field))
            assert getattr(found, field).dtype == getattr(expected, field).dtype


def test_a_score_does_not_depend_on_the_others_beside_it():
    space = load_space("efficientnet-b0")
    scorer = Scorer(space, FakeSignal(), [FakeLatency()])
    population = space.sample(scoring.CHUNK + 3, np.random.default_rng(4))
    together = scorer.matrix(population)
    for index in (0, scoring.CHUNK - 1, scoring.CHUNK, scoring.CHUNK + 2):
        assert np.allclose(scorer.matrix(population[[index]]), together[[index]], rtol=1e-12, atol=0)
    assert scorer.matrix(population[:0]).shape == (0, 5)


def test_an_op_that_was_never_measured_is_refused():
    with pytest.raises(MissingOpError, match="mbconv_r112"):
        Scorer(load_space("efficientnet-b0"), None, [FakeLatency(missing="mbconv_r112_i16")])


def test_a_signal_that_does_not_know_the_space_refuses_it():
    with pytest.raises(OutOfDomainError, match=r"space mbconv .*kernel_size: 7"):
        Scorer(load_space("mbconv"), FakeSignal(kernels=(3, 5)))


def test_warnings_of_the_signal_come_through():
    assert Scorer(load_space("efficientnet-lite"), FakeSignal()).warnings() == ["ranked as swish"]
    assert Scorer(load_space("efficientnet-lite")).warnings() == []


def test_two_tables_of_one_name_are_refused():
    with pytest.raises(InputError, match="same name"):
        Scorer(small_space(), None, [FakeLatency(), FakeLatency()])


def test_a_space_too_wide_to_tabulate_is_refused_at_once():
    many = tuple(range(1, 33))
    odd = tuple(range(1, 32, 2))
    stage = StageSpace(1, many, odd, many, (0.0, 0.25), many)
    space = SearchSpace("wide", (32,), 8, (stage, stage), 64, "swish", 10)
    with pytest.raises(InputError, match="combinations"):
        Scorer(space)


def test_fingerprints_tell_prices_apart():
    prints = {
        Scorer(small_space(), None, models).fingerprint
        for models in ([], [FakeLatency()], [FakeLatency(slow_kernel=2.0)], [FakeLatency(constant_ms=1.0)])
    }
    assert len(prints) == 4
    assert Scorer(small_space()).fingerprint in prints
