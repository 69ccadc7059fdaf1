"""A law for one base: the step of phi that is best where it doubles the MACs, a table's latency, or a measured one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hwsearch.architecture import Architecture
from hwsearch.coefficients import Law, Style
from hwsearch.scaling.cost_growth import MACS, CostExponents, cost_exponents, growth_probes
from hwsearch.scaling.law_search import best_law, search_laws
from hwsearch.scaling.published_law import DIMENSIONS

if TYPE_CHECKING:
    import pandas as pd

    from hwsearch.accuracy import AccuracySignal
    from hwsearch.latency_table import LatencyTable
    from hwsearch.runtimes import Runtime

PROBE_SECONDS = 2.0
"""Time for each network that a search for a law measures."""

Counter = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """What tells the latency of a scaled network."""

    label: str
    """What a step of phi doubles."""
    latency_ms: Callable[[Architecture], float]
    note: str = ""


@dataclass(frozen=True, slots=True)
class LawChoice:
    """A law that was searched, beside the one that is best by MACs."""

    style: Style
    law: Law
    cost: str
    """What one step doubles."""
    exponents: CostExponents
    candidates: int
    equals: int
    """How many of the candidates the signal cannot tell from the best (itself included)."""
    by_macs: Law
    signal: str
    reach: float
    note: str = ""

    @property
    def text(self) -> str:
        """In one line, for a family's file."""
        powers = ", ".join(f"{name} {getattr(self.exponents, name):.2f}" for name in DIMENSIONS)
        note = f"; {self.note}" if self.note else ""
        return (
            f"searched: one step of phi doubles the {self.cost} (exponents: {powers}); best of {self.candidates} at phi"
            f" {self.reach:g} by {self.signal}{note}"
        )

    def document(self) -> dict[str, Any]:
        """As an object of ``scale --json``."""
        return {
            "style": self.style,
            **_steps(self.law),
            "doubles": self.cost,
            "exponents": {name: round(getattr(self.exponents, name), 4) for name in (*DIMENSIONS, "mape")},
            "macs_growth": round(self.law.growth, 4),
            "shares_of_macs_growth": _shares(self.law),
            "by_macs": {**_steps(self.by_macs), "shares_of_macs_growth": _shares(self.by_macs)},
            "candidates": self.candidates,
            "as_good": self.equals,
            "ranked_by": self.signal,
            "compared_at_phi": self.reach,
            "note": self.note or None,
        }


def _steps(law: Law) -> dict[str, float]:
    return {"alpha": law.alpha, "beta": law.beta, "gamma": law.gamma}


def _shares(law: Law) -> dict[str, float]:
    return {name: round(share, 4) for name, share in MACS.shares(law.coefficients(1)).items()}


def read_off(table: LatencyTable, base: Architecture, style: Style, name: str) -> Stopwatch:
    """Latency as a table has it, or as its ops let it grow; InputError where they do not say."""
    from hwsearch.growth_estimate import growth_estimate

    found = growth_estimate(table, growth_probes(base, style), name)
    error = found.left_out_error
    note = "" if error is None else f"{name} lacks the scaled ops: growth by prices of its own ops, {error:.0%} off"
    return Stopwatch(f"latency of {name}", found.latency_ms, note)


def measured_on(runtime: Runtime) -> Stopwatch:
    """Latency measured on a target, each network beside the first one asked for, so that drift cancels."""
    from hwsearch.profiling.measurement import measure

    first: list[Architecture] = []
    level: list[float] = []

    def latency_ms(architecture: Architecture) -> float:
        if not first:
            first.append(architecture)
            level.append(float(measure(runtime, [architecture], seconds=PROBE_SECONDS).latency_ms[0]))
            return level[0]
        found = measure(runtime, [first[0], architecture], seconds=PROBE_SECONDS).latency_ms
        return float(found[1] / found[0]) * level[0]

    return Stopwatch(f"latency on {runtime.setup.label}", latency_ms)


def choose_law(
    base: Architecture,
    style: Style,
    stopwatch: Stopwatch | None,
    *,
    signal: AccuracySignal | None = None,
    evaluations: int | None = None,
    reach: float = 1.0,
    on_judged: Counter = lambda done, total: None,
) -> LawChoice:
    """The best step for MACs (without a stopwatch) or a latency, by the scaling law or by an accuracy signal."""
    exponents = MACS if stopwatch is None else cost_exponents(base, stopwatch.latency_ms, style)
    # nothing is measured for a second time to check the first rows: the members of the family are, where asked
    by_macs = search_laws(base, style, phi=reach)
    frame = by_macs if stopwatch is None else search_laws(base, style, exponents=exponents, phi=reach)
    if signal is not None:
        frame = _judged(frame, base, style, signal, exponents, evaluations, reach, on_judged)
    return LawChoice(
        style,
        best_law(frame),
        stopwatch.label if stopwatch else "MACs",
        exponents,
        len(frame),
        int(frame["within_error"].sum()),
        best_law(by_macs),
        signal.name if signal else "the law of published results",
        reach,
        stopwatch.note if stopwatch else "",
    )


def _judged(
    frame: pd.DataFrame,
    base: Architecture,
    style: Style,
    signal: AccuracySignal,
    exponents: CostExponents,
    evaluations: int | None,
    reach: float,
    on_judged: Counter,
) -> pd.DataFrame:
    from hwsearch.scaling.law_judging import EVALUATIONS, judge_laws

    count = evaluations or min(EVALUATIONS, signal.search_evaluations or EVALUATIONS)
    return judge_laws(
        frame, base, style, signal, exponents=exponents, phi=reach, evaluations=count, on_progress=on_judged
    )
