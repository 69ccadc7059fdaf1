"""Steps of phi ranked by an accuracy signal, all at the same cost."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from fake_judges import FakeSignal

from hwsearch.accuracy.signal import Prediction
from hwsearch.coefficients import Coefficients
from hwsearch.errors import InfeasibleError
from hwsearch.notation import parse
from hwsearch.preset import reference_preset
from hwsearch.scaling import scale
from hwsearch.scaling.cost_growth import MACS, CostExponents
from hwsearch.scaling.law_judging import EQUAL_COST, judge_laws
from hwsearch.scaling.law_search import search_laws
from hwsearch.scaling.published_law import effective_coefficients

B0 = reference_preset("efficientnet-b0").architecture


class Counts(FakeSignal):
    """Sees one field of a network, and knows no deviation."""

    def __init__(self, score):
        super().__init__()
        self.score = score

    def predict(self, arrays):
        self.asked += arrays.num_networks
        return Prediction(self.score(arrays).astype(np.float64), np.full(arrays.num_networks, np.nan))


DEPTH = Counts(lambda arrays: arrays.num_repeats.sum(axis=1))
RESOLUTION = Counts(lambda arrays: arrays.resolution)


def test_the_signal_decides():
    candidates = search_laws(B0)
    deep, sharp = judge_laws(candidates, B0, "b", DEPTH), judge_laws(candidates, B0, "b", RESOLUTION)
    assert deep["alpha"].iloc[0] > sharp["alpha"].iloc[0]
    assert deep["gamma"].iloc[0] < sharp["gamma"].iloc[0]
    assert deep["predicted_top1"].is_monotonic_decreasing


@pytest.mark.parametrize("exponents", [MACS, CostExponents(0.95, 1.07, 2.0)])
def test_every_network_that_is_judged_costs_the_same(exponents):
    frame = judge_laws(search_laws(B0, exponents=exponents), B0, "b", DEPTH, exponents=exponents, phi=1)
    assert (frame["network_growth"] / 2 - 1).abs().max() <= EQUAL_COST
    base = scale(B0, "b", Coefficients())
    for text, growth in zip(frame["text"], frame["network_growth"], strict=True):
        assert exponents.growth(effective_coefficients(base, parse(text))) == pytest.approx(growth)


def test_a_bounded_number_of_networks_is_judged_each_once():
    signal, heard = Counts(DEPTH.score), []
    frame = judge_laws(search_laws(B0), B0, "b", signal, evaluations=5, on_progress=lambda *at: heard.append(at))
    assert signal.asked == frame["text"].nunique() == 5
    assert heard == [(done, 5) for done in range(6)]


def test_equals_are_those_of_one_network_or_within_a_deviation():
    candidates = search_laws(B0)
    frame = judge_laws(candidates, B0, "b", RESOLUTION)
    assert set(frame.loc[frame["within_error"], "predicted_top1"]) == {frame["predicted_top1"].iloc[0]}
    known = judge_laws(candidates, B0, "b", FakeSignal())
    assert list(known["within_error"]) == list(known["predicted_top1"] >= known["predicted_top1"].iloc[0] - 0.3)


def test_the_lite_style_is_judged_as_lite():
    frame = judge_laws(search_laws(B0, "lite"), B0, "lite", DEPTH, evaluations=3)
    assert all(parse(text).activation == "relu6" for text in frame["text"])


def test_a_base_that_no_rounding_brings_to_the_cost_is_infeasible():
    single = dataclasses.replace(B0, stages=B0.stages[:1], stem_channels=8)
    tiny = scale(single, "lite", Coefficients())  # one stage whose repeats stay, and widths in steps of 8
    tiny = dataclasses.replace(tiny, resolution=4, stages=(dataclasses.replace(tiny.stages[0], out_channels=8),))
    with pytest.raises(InfeasibleError, match="a larger phi"):
        judge_laws(search_laws(tiny, "lite").head(3), tiny, "lite", DEPTH)
