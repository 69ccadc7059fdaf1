"""Steps of phi judged by an accuracy signal: a zero-cost proxy, or a user's command that trains.

The law on published results (``scaling_law``) needs no network. A signal judges networks, and a rounded network costs
more or less than its coefficients say; so each candidate's growth is stretched until its rounded network costs 2^phi,
and candidates that rounding keeps from it are left out. No candidate wins by costing more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from hwsearch.accuracy import AccuracySignal
from hwsearch.architecture import Architecture
from hwsearch.coefficients import TARGET_GROWTH, Coefficients, Law, Style
from hwsearch.cost_growth import MACS, CostExponents
from hwsearch.errors import InfeasibleError
from hwsearch.scaling import scale
from hwsearch.scaling_law import effective_coefficients
from hwsearch.stage_arrays import from_architectures

if TYPE_CHECKING:
    import pandas as pd

EQUAL_COST = 0.05
"""A rounded network this near to 2^phi times the cost, as a fraction, is compared with the others."""
EVALUATIONS = 40
"""Networks that are judged when nobody says how many: minutes with a proxy."""

_STRETCHES = np.linspace(0.5, 1.3, 41)


def judge_laws(
    candidates: pd.DataFrame,
    base: Architecture,
    style: Style,
    signal: AccuracySignal,
    *,
    exponents: CostExponents = MACS,
    phi: float = 1.0,
    evaluations: int = EVALUATIONS,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:
    """The rows of ``search_laws``, ranked by what a signal says of their networks at ``phi``, best first.

    Candidates are met in the order in which the scaling law ranks them, until ``evaluations`` different networks of
    equal cost are found; the others leave the frame. New columns: the signal's metric (``proxy_score`` or
    ``predicted_top1``), ``text`` (the network that was judged) and ``network_growth`` (its cost over the base's, by
    the exponents of what it is after rounding). ``within_error`` marks those within a standard deviation of the best
    where the signal knows one, else those that rounded to the best network.

    InfeasibleError where no candidate rounds to a network of that cost; whatever the signal raises.
    """
    origin = scale(base, style, Coefficients())
    wanted = TARGET_GROWTH**phi
    rows: list[int] = []
    networks: list[Architecture] = []
    growths: list[float] = []
    for index, step in enumerate(candidates[["alpha", "beta", "gamma"]].to_numpy().tolist()):
        network, growth = _at_growth(origin, style, Law(*step), exponents, wanted)
        if abs(growth / wanted - 1) > EQUAL_COST:
            continue
        if network not in networks and len(set(networks)) >= evaluations:
            break
        rows.append(index)
        networks.append(network)
        growths.append(growth)
    if not rows:
        raise InfeasibleError(
            f"no candidate rounds to a network of {wanted:.3g} times the cost (within {EQUAL_COST:.0%})",
            where="scaling",
            next_command="a larger phi, where rounding matters less",
        )
    judged = candidates.iloc[rows].reset_index(drop=True)
    score, std = _judged(networks, signal, on_progress)
    judged[signal.metric] = score
    judged["text"] = [network.text for network in networks]
    judged["network_growth"] = growths
    best = int(np.argmax(score))
    judged["within_error"] = score >= score[best] - (std[best] if math.isfinite(std[best]) else 0.0)
    return judged.sort_values(signal.metric, ascending=False, kind="stable", ignore_index=True)


def _judged(
    networks: list[Architecture], signal: AccuracySignal, on_progress: Callable[[int, int], None]
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Mean and standard deviation of each network (N,), each different one judged once."""
    distinct = list(dict.fromkeys(networks))
    known = {}
    for done, network in enumerate(distinct):
        on_progress(done, len(distinct))
        prediction = signal.predict(from_architectures([network]))
        known[network] = (float(prediction.mean[0]), float(prediction.std[0]))
    on_progress(len(distinct), len(distinct))
    values = np.array([known[network] for network in networks])
    return values[:, 0], values[:, 1]


def _at_growth(
    origin: Architecture, style: Style, law: Law, exponents: CostExponents, wanted: float
) -> tuple[Architecture, float]:
    """The rounded network along a law whose cost is nearest to ``wanted`` times the origin's, and its growth."""
    phi = math.log(wanted) / math.log(exponents.growth(law.coefficients(1)))
    found = []
    for stretch in _STRETCHES.tolist():
        network = scale(origin, style, law.coefficients(phi * stretch))
        growth = exponents.growth(effective_coefficients(origin, network))
        found.append((abs(math.log(growth / wanted)), network, growth))
    _, network, growth = min(found, key=lambda each: each[0])
    return network, growth
