"""Kendall tau-b, MAPE and share-within against values worked by hand, and against SciPy where it is installed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hwsearch.errors import InputError
from hwsearch.ranking import kendall_tau, mape, share_within


@pytest.mark.parametrize(
    ("first", "second", "tau"),
    [
        ([1, 2, 3, 4], [10, 20, 30, 40], 1.0),
        ([1, 2, 3, 4], [4, 3, 2, 1], -1.0),
        ([1, 2, 3], [1, 3, 2], 1 / 3),  # two pairs agree, one does not
        ([1, 1, 2], [1, 2, 3], 2 / math.sqrt(2 * 3)),  # one pair tied on the left
        ([1, 1, 2, 2], [1, 1, 2, 2], 1.0),  # tied on both sides alike
        ([1, 2, 2, 3], [1, 3, 2, 2], 2 / math.sqrt(5 * 5)),  # three agree, one not, one tie a side
    ],
)
def test_kendall_tau_by_hand(first: list[float], second: list[float], tau: float) -> None:
    assert kendall_tau(first, second) == pytest.approx(tau, abs=1e-12)


@pytest.mark.parametrize("values", [[], [1.0], [2.0, 2.0, 2.0]])
def test_kendall_tau_is_nan_where_it_is_not_defined(values: list[float]) -> None:
    assert math.isnan(kendall_tau(values, list(range(len(values)))))


@pytest.mark.parametrize("size", [2, 3, 7, 64, 65, 1000])
@pytest.mark.parametrize("levels", [2, 5, 10_000])
def test_kendall_tau_agrees_with_scipy(size: int, levels: int) -> None:
    stats = pytest.importorskip("scipy.stats", reason="SciPy is not installed")
    rng = np.random.default_rng(size * levels)
    first, second = rng.integers(0, levels, size), rng.integers(0, levels, size)
    expected = float(stats.kendalltau(first, second).statistic)
    assert kendall_tau(first, second) == pytest.approx(expected, abs=1e-12, nan_ok=True)


def test_kendall_tau_ignores_order_of_the_networks_and_is_symmetric() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=300), rng.normal(size=300)
    order = rng.permutation(300)
    assert kendall_tau(first[order], second[order]) == kendall_tau(first, second) == kendall_tau(second, first)


def test_mape_is_a_fraction_of_the_measured_value() -> None:
    assert mape([11.0, 18.0], [10.0, 20.0]) == pytest.approx(0.1)


def test_share_within_counts_the_tolerance_itself() -> None:
    measured = [10.0, 10.0, 10.0, 10.0]
    assert share_within([10.0, 11.0, 9.0, 11.1], measured, 0.1) == 0.75


@pytest.mark.parametrize("function", [kendall_tau, mape])
def test_unequal_shapes_and_nan_are_refused(function: object) -> None:
    assert callable(function)
    with pytest.raises(InputError, match="shape"):
        function([1.0, 2.0], [1.0])
    with pytest.raises(InputError, match="finite"):
        function([1.0, math.nan], [1.0, 2.0])


def test_a_measured_zero_or_no_values_are_refused() -> None:
    with pytest.raises(InputError, match="zero"):
        mape([1.0], [0.0])
    with pytest.raises(InputError, match="no values"):
        share_within([], [], 0.1)
