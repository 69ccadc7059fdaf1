"""The law behind the choice of alpha, beta, gamma: its evidence, its honesty, and the grid search on it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwsearch.cost import cost
from hwsearch.errors import InfeasibleError, InputError, OutOfDomainError
from hwsearch.preset import reference_preset, reference_presets
from hwsearch.scaling import PUBLISHED_B, Coefficients, Law, scale
from hwsearch.scaling.cost_growth import MACS, CostExponents, cost_exponents, growth_shares
from hwsearch.scaling.law_search import best_law, search_laws
from hwsearch.scaling.published_law import (
    effective_coefficients,
    law_errors,
    left_out_mae,
    published_results,
    residuals,
    top1_law,
)

B0 = reference_preset("efficientnet-b0").architecture


def power_law(depth, width, resolution, scale_ms=3.0):
    """A made-up device whose latency is an exact power law of what a network effectively is of B0."""

    def latency_ms(architecture):
        grown = effective_coefficients(B0, architecture)
        return scale_ms * grown.depth**depth * grown.width**width * grown.resolution**resolution

    return latency_ms


def test_the_evidence_names_its_sources_and_starts_each_series_with_its_base():
    results = published_results()
    first = {}
    for result in results:
        first.setdefault(result.series, result)
        assert result.source
        assert 0 < result.top1 < 100
    assert len(results) == 74
    assert all(result.is_base for result in first.values())


def test_the_evidence_agrees_with_the_reference_presets():
    by_series = {
        series: [result.top1 for result in published_results() if result.series == series]
        for series in ("efficientnet-b", "efficientnet-lite")
    }
    published = {
        series: [
            preset.published_top1.percent for name, preset in reference_presets().items() if name.startswith(series)
        ]
        for series in by_series
    }
    assert by_series == published


def test_effective_coefficients_count_the_rounded_network():
    b1 = effective_coefficients(B0, reference_preset("efficientnet-b1").architecture)
    assert b1.depth == 23 / 16
    assert b1.width == 1
    assert b1.resolution == pytest.approx(240 / 224)
    b7 = effective_coefficients(B0, reference_preset("efficientnet-b7").architecture)
    assert (b7.depth, b7.width) == pytest.approx((55 / 16, 2.0), rel=0.01)
    assert effective_coefficients(B0, B0) == Coefficients()


def test_effective_coefficients_need_the_same_stages():
    with pytest.raises(InputError, match="stages"):
        effective_coefficients(
            B0, reference_preset("mobilenet-v2").architecture.__class__(224, 32, B0.stages[:2], 1280)
        )


def test_the_law_predicts_unseen_results_better_than_naive_baselines():
    errors = law_errors().set_index("form")
    for how in ("left_out_mae", "series_left_out_mae"):
        assert errors.loc["law", how] < 0.6 * errors.loc["log MACs alone", how]
        assert errors.loc["law", how] < 0.5 * errors.loc["no gain", how]
    assert errors.loc["law", "left_out_mae"] < 0.45
    assert errors.loc["law", "series_left_out_mae"] < 0.6
    assert errors.loc["law", "kendall_tau"] > errors.loc["log MACs alone", "kendall_tau"]
    assert left_out_mae() == errors.loc["law", "series_left_out_mae"]


def test_residuals_have_one_row_a_growth_and_no_trend_within_a_series():
    frame = residuals()
    assert len(frame) == law_errors()["networks"].iloc[0]
    assert frame["left_out_error"].notna().all()
    assert frame["fitted_error"].abs().mean() < frame["left_out_error"].abs().mean()
    assert frame.loc[frame["is_base"], "series_left_out_error"].abs().max() < 1e-9
    error = 100 - frame["published_top1"]
    logs = np.log(error / (error + frame["fitted_error"]))
    assert logs.groupby(frame["series"]).mean().abs().max() < 1e-9


def test_the_law_in_closed_form():
    law = top1_law()
    expected = sum(b * (1 - 2.0**-k) / k for b, k in zip(law.slopes[1:2], law.rates[1:2], strict=True))
    assert law.error_ratio(Coefficients(width=2.0)) == pytest.approx(math.exp(-expected))
    assert law.error_ratio(Coefficients()) == 1
    assert law.predicted_top1_gain(Coefficients(), 77.1) == 0


def test_the_published_family_lies_near_the_law():
    law = top1_law()
    for name, top1 in (("b3", 81.6), ("b5", 83.6), ("b7", 84.3)):
        grown = effective_coefficients(B0, scale(B0, "b", PUBLISHED_B[name].coefficients))
        if name != "b7":  # its coefficients bound the evidence; here they only have to be inside it
            assert 77.1 + law.predicted_top1_gain(grown, 77.1) == pytest.approx(top1, abs=0.6)
        else:
            assert law.predicted_top1_gain(grown, 77.1) > 0


factors = st.tuples(st.floats(1, 4), st.floats(1, 2), st.floats(1, 2.6))


@given(factors, factors)
def test_more_is_never_predicted_worse(first, second):
    low, high = np.minimum(first, second), np.maximum(first, second)
    ratios = [top1_law().error_ratio(Coefficients(width=w, depth=d, resolution=r)) for d, w, r in (low, high)]
    assert 0 < ratios[1] <= ratios[0] <= 1


@pytest.mark.parametrize(
    "coefficients", [Coefficients(depth=0.9), Coefficients(width=2.1), Coefficients(depth=5.0), Coefficients(1, 1, 3)]
)
def test_the_law_refuses_what_it_has_no_evidence_for(coefficients):
    with pytest.raises(OutOfDomainError, match="outside the published results"):
        top1_law().predicted_top1_gain(coefficients, 77.1)


@pytest.mark.parametrize("top1", [0, 100, -3, math.nan])
def test_a_base_top1_is_a_percentage(top1):
    with pytest.raises(InputError):
        top1_law().predicted_top1_gain(Coefficients(), top1)


@pytest.mark.parametrize(
    ("width", "depth", "resolution", "share"), [(2.0, 3.1, 600, 0.44), (3.26, 3.44, 350, 0.20), (2.58, 5.46, 350, 0.20)]
)
def test_log_shares_of_the_published_b7s(width, depth, resolution, share):
    """EfficientNet-X (arXiv 2102.05610): the resolution's share of a growth of 89 for B7, TPU and GPU."""
    coefficients = Coefficients(width, depth, resolution / 224)
    shares = MACS.shares(coefficients)
    assert MACS.growth(coefficients) == pytest.approx(89, rel=0.02)
    assert shares["resolution"] == pytest.approx(share, abs=0.005)
    assert sum(shares.values()) == pytest.approx(1)


def test_shares_of_no_growth_are_refused():
    with pytest.raises(InputError, match="no shares"):
        MACS.shares(Coefficients())


@pytest.mark.parametrize("exponents", [(1.0, 2.0, 2.0), (0.9, 0.4, 0.7), (1.1, 1.5, 2.2)])
def test_exponents_of_an_exact_power_law_are_found(exponents):
    found = cost_exponents(B0, power_law(*exponents))
    assert (found.depth, found.width, found.resolution) == pytest.approx(exponents, abs=1e-6)
    assert found.mape < 1e-9


def test_counted_macs_grow_nearly_as_the_paper_says():
    found = cost_exponents(B0, lambda architecture: cost(architecture).macs)
    assert (found.depth, found.width, found.resolution) == pytest.approx((1, 2, 2), abs=0.15)
    assert found.mape < 0.03


@pytest.mark.parametrize("latency", [0.0, -1.0, math.nan, math.inf])
def test_a_latency_that_is_no_latency_is_refused(latency):
    with pytest.raises(InputError, match="positive"):
        cost_exponents(B0, lambda architecture: latency)


def test_a_cost_that_falls_where_networks_grow_is_noise_and_refused():
    with pytest.raises(InputError, match="falls as width grows"):
        cost_exponents(B0, power_law(1.0, -0.5, 1.0))
    assert cost_exponents(B0, power_law(1.0, -0.05, 1.0)).width == 0


def test_growth_shares_tell_macs_from_latency():
    frame = growth_shares(B0, Law().coefficients(1), latency_ms=power_law(1.0, 0.5, 0.5)).set_index("cost")
    assert list(frame.index) == ["macs", "macs, counted", "latency"]
    shares = frame[["depth_share", "width_share", "resolution_share"]]
    assert np.allclose(shares.sum(axis=1), 1)
    assert frame.loc["macs", "growth"] == pytest.approx(Law().growth)
    assert frame.loc["latency", "depth_share"] > 2 * frame.loc["macs", "depth_share"]
    assert list(growth_shares(B0, Law().coefficients(2))["cost"]) == ["macs", "macs, counted"]


def test_search_keeps_what_doubles_the_macs_best_first():
    frame = search_laws(B0)
    assert (frame["growth"] / 2 - 1).abs().max() <= 0.05 + 1e-9
    assert np.allclose(frame["growth"], frame["alpha"] * frame["beta"] ** 2 * frame["gamma"] ** 2)
    assert frame["predicted_top1_gain"].is_monotonic_decreasing
    assert frame["within_error"].iloc[0]
    assert frame[["alpha", "beta", "gamma"]].min().min() >= 1
    law = best_law(frame)
    assert law.growth == pytest.approx(2, rel=0.05)
    counted = cost(scale(B0, "b", law.coefficients(1))).macs / cost(B0).macs
    assert frame["counted_growth"].iloc[0] == pytest.approx(counted)


def test_the_papers_own_choice_is_among_the_equals_of_the_best():
    frame = search_laws(B0)
    paper = frame[(frame["alpha"] == 1.2) & (frame["beta"] == 1.1) & (frame["gamma"] == 1.15)]
    assert len(paper) == 1
    assert paper["within_error"].iloc[0]
    alone = frame[(frame["alpha"] == 1) & (frame["beta"] == 1)]
    assert not alone["within_error"].any()


def test_every_candidate_is_compared_at_the_same_cost():
    frame = search_laws(B0, tolerance=0.2)
    first = frame.iloc[0]
    phi = math.log(2) / math.log(first["growth"])
    at_twice = Law(first["alpha"], first["beta"], first["gamma"]).coefficients(phi)
    assert at_twice.growth == pytest.approx(2)
    assert first["predicted_top1_gain"] == pytest.approx(top1_law().predicted_top1_gain(at_twice, 77.1))


def test_latency_changes_the_choice():
    cheap_width = search_laws(B0, latency_ms=power_law(1.0, 0.7, 2.0))
    dear_width = search_laws(B0, latency_ms=power_law(1.0, 4.0, 2.0))
    assert best_law(cheap_width).beta > best_law(dear_width).beta
    assert (cheap_width["growth"] / 2 - 1).abs().max() <= 0.05 + 1e-9
    assert cheap_width["counted_growth"].notna().sum() == 5


def test_latency_is_asked_for_a_bounded_number_of_networks():
    asked = []

    def latency_ms(architecture):
        asked.append(architecture)
        return cost(architecture).macs / 1e8

    search_laws(B0, latency_ms=latency_ms)
    assert len(asked) <= 16
    assert 0 < search_laws(B0, latency_ms=latency_ms)["growth_mape"].iloc[0] < 0.03


def test_candidates_are_compared_where_the_family_is_to_reach():
    near, far = search_laws(B0), search_laws(B0, phi=4.0)
    assert len(far) < len(near)
    assert best_law(far).gamma > best_law(near).gamma
    assert far["predicted_top1_gain"].iloc[0] > near["predicted_top1_gain"].iloc[0]


@pytest.mark.parametrize(
    "bad", [{"step": 0.0}, {"step": 0.9}, {"step": math.nan}, {"tolerance": 0}, {"phi": -1}, {"base_top1": 100}]
)
def test_bad_search_settings_are_refused(bad):
    with pytest.raises(InputError):
        search_laws(B0, **bad)


def test_a_grid_without_a_candidate_is_infeasible():
    with pytest.raises(InfeasibleError, match="double the cost"):
        search_laws(B0, latency_ms=power_law(0.1, 0.1, 0.1))
    with pytest.raises(InfeasibleError, match="evidence at phi 8"):
        search_laws(B0, phi=8)


def test_power_law_growth_is_the_product():
    assert CostExponents(1, 2, 2).growth(Coefficients(1.1, 1.2, 1.15)) == pytest.approx(1.2 * 1.1**2 * 1.15**2)
