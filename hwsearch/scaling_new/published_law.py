"""What growth in depth, width and resolution has been worth: a law fitted on published ImageNet results.

No accuracy of a user's own network is known here, and none is claimed. The law answers one question: by how much the
top-1 *error* shrank, on average over published families, when a network grew by the factors d, w and r:

    log(error of the grown network / error of its base) = - sum over the three of  b * (1 - factor^-k) / k

``b`` is the first gain of a dimension, ``k`` how soon it saturates; b is linear and fitted by least squares with one
intercept a series, k is chosen on a grid. It never says that more is worse. The evidence, with its sources, is in
``scaling_results.json``; ``law_errors`` and ``residuals`` say how well the law fits results that it has not seen.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from hwsearch.architecture import Architecture
from hwsearch.coefficients import BASE_RESOLUTION, Coefficients, Style
from hwsearch.errors import InputError, OutOfDomainError
from hwsearch.json_file import Document, read_json, validate
from hwsearch.preset import reference_preset
from hwsearch.ranking import kendall_tau
from hwsearch.scaling import round_repeats, scale

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

DIMENSIONS = ("depth", "width", "resolution")
"""The order of every triple and of every array's columns here."""

_RESULTS = Path(__file__).resolve().parent / "scaling_results.json"
_SLACK = 1.001


@dataclass(frozen=True, slots=True)
class PublishedResult:
    """One trained network of a series, next to the base it was scaled from."""

    series: str
    coefficients: Coefficients
    """What it was effectively grown by: depth and width counted on the rounded network where its blocks are known."""
    top1: float
    """ImageNet top-1 as published, percent."""
    source: str

    @property
    def is_base(self) -> bool:
        """Whether this is the network that its series scales."""
        return self.coefficients == Coefficients()

    @property
    def is_growth(self) -> bool:
        """Whether no dimension was made smaller."""
        return min(self.coefficients.depth, self.coefficients.width, self.coefficients.resolution) >= 1


@dataclass(frozen=True, slots=True)
class Top1Law:
    """The fitted law. Triples are (depth, width, resolution)."""

    slopes: tuple[float, ...]
    """b: fall of log(error) for each unit of log(factor), where growth begins."""
    rates: tuple[float, ...]
    """k: how soon that saturates; at most b / k is ever gained."""
    limits: tuple[float, ...]
    """The largest factors in the evidence; beyond them the law refuses."""

    def error_ratio(self, coefficients: Coefficients) -> float:
        """Error of the grown network over the error of its base (1 or less).

        OutOfDomainError for a factor below 1 (no published family shrinks its depth) or beyond the evidence.
        """
        factors = _factors(coefficients)
        for name, factor, limit in zip(DIMENSIONS, factors, self.limits, strict=True):
            if not 1 / _SLACK <= factor <= limit * _SLACK:
                raise OutOfDomainError(
                    f"the {name} factor {factor:.3g} is outside the published results behind the scaling law",
                    allowed=f"1 to {limit:.3g}",
                )
        return float(np.exp(self.log_error_ratios(np.log([factors]))[0]))

    def log_error_ratios(self, log_factors: FloatArray) -> FloatArray:
        """For log factors (N, 3), the logarithm of the error ratio (N,); no domain is checked."""
        gains: FloatArray = -_saturating(log_factors, self.rates) @ np.asarray(self.slopes)
        return gains

    def predicted_top1_gain(self, coefficients: Coefficients, base_top1: float) -> float:
        """Top-1 points that the law gives such a growth of a base with ``base_top1`` percent. Not an accuracy."""
        return (100 - check_top1(base_top1)) * (1 - self.error_ratio(coefficients))


@dataclass(frozen=True, slots=True)
class _Form:
    """A way to explain log(error): features of the log factors (N, 3), and the rates among which a fit chooses."""

    name: str
    features: Callable[[FloatArray, Sequence[float]], FloatArray]
    rates: tuple[tuple[float, ...], ...]


def _saturating(log_factors: FloatArray, rates: Sequence[float]) -> FloatArray:
    k = np.asarray(rates, dtype=np.float64)
    values: FloatArray = (1 - np.exp(-k * log_factors)) / k
    return values


def _log_macs(log_factors: FloatArray, rates: Sequence[float]) -> FloatArray:
    values: FloatArray = (log_factors @ np.array([1.0, 2.0, 2.0]))[:, None]
    return values


def _nothing(log_factors: FloatArray, rates: Sequence[float]) -> FloatArray:
    return np.zeros((len(log_factors), 0))


LAW = _Form("law", _saturating, tuple(itertools.product((0.05, 0.5, 1.0, 2.0, 4.0), repeat=3)))
MACS_ALONE = _Form("log MACs alone", _log_macs, ((),))
NO_GAIN = _Form("no gain", _nothing, ((),))
_FORMS = (LAW, MACS_ALONE, NO_GAIN)


class _ResultModel(Document):
    depth: float = Field(gt=0)
    width: float = Field(gt=0)
    resolution: int = Field(ge=1)
    top1: float = Field(gt=0, lt=100)


class _SeriesModel(Document):
    name: str
    source: str
    base: str | None = None
    style: Style = "b"
    repeats: list[int] | None = None
    results: list[_ResultModel] = Field(min_length=2)


class _ResultsModel(Document):
    format: Literal["hwsearch-scaling-results"]
    version: Literal[1]
    series: list[_SeriesModel]


@cache
def published_results() -> tuple[PublishedResult, ...]:
    """The evidence: every published network with what it was grown by; the first of each series is its base."""
    data = read_json(_RESULTS, "hwsearch-scaling-results", 1)
    model = validate(_ResultsModel, data, _RESULTS.name)
    return tuple(
        PublishedResult(series.name, _effective(series, result), result.top1, series.source)
        for series in model.series
        for result in series.results
    )


def _effective(series: _SeriesModel, result: _ResultModel) -> Coefficients:
    resolution = result.resolution / BASE_RESOLUTION
    if series.base is not None:
        base = reference_preset(series.base).architecture
        counted = effective_coefficients(base, scale(base, series.style, Coefficients(result.width, result.depth)))
        return Coefficients(counted.width, counted.depth, resolution)
    repeats = series.repeats or [1]
    depth = sum(round_repeats(count, result.depth) for count in repeats) / sum(repeats)
    return Coefficients(result.width, depth, resolution)


def effective_coefficients(base: Architecture, scaled: Architecture) -> Coefficients:
    """What ``scaled`` really is of ``base`` after rounding: its number of blocks over the base's, the geometric mean
    over its blocks of their channels over the base's, and the ratio of the input sides. InputError for other stages."""
    if len(base.stages) != len(scaled.stages):
        raise InputError(f"{len(scaled.stages)} stages were not scaled from {len(base.stages)}", where="scaling")
    pairs = zip(base.stages, scaled.stages, strict=True)
    log_width = sum(new.num_repeats * math.log(new.out_channels / old.out_channels) for old, new in pairs)
    return Coefficients(
        width=math.exp(log_width / scaled.num_blocks),
        depth=scaled.num_blocks / base.num_blocks,
        resolution=scaled.resolution / base.resolution,
    )


def check_top1(percent: float) -> float:
    """A base's top-1 in percent; InputError unless it is between 0 and 100."""
    if not 0 < percent < 100:
        raise InputError(f"a top-1 of {percent!r} percent", allowed="more than 0, less than 100")
    return percent


@dataclass(frozen=True, slots=True)
class _Evidence:
    """Published results as arrays: log factors (N, 3), log errors (N,), and the number of each one's series (N,)."""

    log_factors: FloatArray
    log_errors: FloatArray
    series: IntArray

    def pick(self, rows: npt.NDArray[np.bool_]) -> _Evidence:
        return _Evidence(self.log_factors[rows], self.log_errors[rows], self.series[rows])


@dataclass(frozen=True, slots=True)
class _Fit:
    form: _Form
    rates: tuple[float, ...]
    slopes: FloatArray

    def log_errors(self, log_factors: FloatArray) -> FloatArray:
        """Logarithm of the error, up to the intercept of a series, (N,)."""
        values: FloatArray = self.form.features(log_factors, self.rates) @ self.slopes
        return values


@cache
def top1_law() -> Top1Law:
    """The law fitted on every published growth (no dimension made smaller)."""
    evidence = _evidence(_growths())
    fit = _fitted(LAW, evidence)
    limits = np.exp(evidence.log_factors.max(axis=0))
    return Top1Law(tuple((-fit.slopes).tolist()), fit.rates, tuple(limits.tolist()))


def _growths() -> tuple[PublishedResult, ...]:
    grown = [result for result in published_results() if result.is_growth]
    alone = {name for name in (each.series for each in grown) if sum(each.series == name for each in grown) == 1}
    return tuple(result for result in grown if result.series not in alone)


def _evidence(results: Sequence[PublishedResult]) -> _Evidence:
    names = list(dict.fromkeys(result.series for result in results))
    return _Evidence(
        np.log([_factors(result.coefficients) for result in results]),
        np.log([100 - result.top1 for result in results]),
        np.array([names.index(result.series) for result in results]),
    )


def _factors(coefficients: Coefficients) -> tuple[float, float, float]:
    return (coefficients.depth, coefficients.width, coefficients.resolution)


def _fitted(form: _Form, evidence: _Evidence) -> _Fit:
    """Least squares for each choice of rates; the rates with the least squared error win."""
    target = _within(evidence.log_errors[:, None], evidence.series)[:, 0]
    best, least = _Fit(form, form.rates[0], np.zeros(0)), math.inf
    for rates in form.rates:
        features = _within(form.features(evidence.log_factors, rates), evidence.series)
        slopes = np.asarray(np.linalg.lstsq(features, target, rcond=None)[0], dtype=np.float64)
        error = float(np.sum((target - features @ slopes) ** 2))
        if error < least:
            best, least = _Fit(form, rates, slopes), error
    return best


def _within(values: FloatArray, series: IntArray) -> FloatArray:
    # taking each series' mean away is the same as fitting an intercept a series
    centred = values.copy()
    for number in np.unique(series):
        rows = series == number
        centred[rows] -= values[rows].mean(axis=0)
    return centred


def _left_out(form: _Form, evidence: _Evidence) -> FloatArray:
    """Predicted log error of each result (N,) by a fit that saw all others; NaN without another of its series."""
    predicted = np.full(len(evidence.series), np.nan)
    for row in range(len(predicted)):
        others = evidence.pick(np.arange(len(predicted)) != row)
        fit = _fitted(form, others)
        same = others.series == evidence.series[row]
        if same.any():
            intercept = np.mean(others.log_errors[same] - fit.log_errors(others.log_factors[same]))
            predicted[row] = intercept + fit.log_errors(evidence.log_factors[[row]])[0]
    return predicted


def _series_left_out(form: _Form, evidence: _Evidence) -> FloatArray:
    """Predicted log error of each result (N,) from its base alone, by a fit that saw nothing of its series.

    This is the position of a user with a network of their own.
    """
    predicted = np.empty(len(evidence.series))
    for number in np.unique(evidence.series):
        rows = evidence.series == number
        fit = _fitted(form, evidence.pick(~rows))
        values = fit.log_errors(evidence.log_factors[rows])
        predicted[rows] = evidence.log_errors[rows][0] + values - values[0]
    return predicted


@cache
def _predictions() -> dict[tuple[str, str], FloatArray]:
    evidence = _evidence(_growths())
    found: dict[tuple[str, str], FloatArray] = {}
    for form in _FORMS:
        found[form.name, "left out"] = 100 - np.exp(_left_out(form, evidence))
        found[form.name, "series left out"] = 100 - np.exp(_series_left_out(form, evidence))
    return found


def residuals() -> pd.DataFrame:
    """One row a published growth: its factors, its top-1, and what the law says of it without having seen it.

    ``left_out_error`` and ``series_left_out_error`` are published minus predicted, in top-1 points: the first with all
    other results known, the second with its whole series but the base unknown.
    """
    import pandas as pd

    grown = _growths()
    evidence, top1 = _evidence(grown), np.array([result.top1 for result in grown])
    fitted = _fitted(LAW, evidence).log_errors(evidence.log_factors)
    log_residuals = _within((evidence.log_errors - fitted)[:, None], evidence.series)[:, 0]
    return pd.DataFrame(
        {
            "series": [result.series for result in grown],
            **{name: [getattr(result.coefficients, name) for result in grown] for name in DIMENSIONS},
            "is_base": [result.is_base for result in grown],
            "published_top1": top1,
            "fitted_error": (100 - top1) * (np.exp(-log_residuals) - 1),
            "left_out_error": top1 - _predictions()["law", "left out"],
            "series_left_out_error": top1 - _predictions()["law", "series left out"],
            "source": [result.source for result in grown],
        }
    )


@cache
def left_out_mae() -> float:
    """Mean absolute error of the law on a network of a series it has not seen, top-1 points."""
    return _mean_error("law", "series left out")


def _mean_error(form: str, how: str) -> float:
    grown = _growths()
    rows = [not result.is_base for result in grown]
    errors = np.array([result.top1 for result in grown]) - _predictions()[form, how]
    return float(np.mean(np.abs(errors[rows])))


def law_errors() -> pd.DataFrame:
    """The law beside its naive baselines: mean absolute errors in top-1 points, and how it ranks within a series.

    Rates and slopes are fitted anew for everything that is left out. ``kendall_tau`` is the mean over the series, each
    predicted by a fit that did not see it (NaN where a form predicts the same for all).
    """
    import pandas as pd

    evidence, top1 = _evidence(_growths()), np.array([result.top1 for result in _growths()])
    rows = []
    for form in _FORMS:
        unseen = _predictions()[form.name, "series left out"]
        taus = [kendall_tau(unseen[rows_of], top1[rows_of]) for rows_of in _rows_by_series(evidence)]
        rows.append(
            {
                "form": form.name,
                "left_out_mae": _mean_error(form.name, "left out"),
                "series_left_out_mae": _mean_error(form.name, "series left out"),
                "kendall_tau": float(np.mean(taus)),
                "networks": len(top1),
            }
        )
    return pd.DataFrame(rows)


def _rows_by_series(evidence: _Evidence) -> list[npt.NDArray[np.bool_]]:
    return [evidence.series == number for number in np.unique(evidence.series)]
