"""``search --certify``: the proof about a search's answer, with its progress."""

from __future__ import annotations

from hwsearch import console
from hwsearch.budget import Budget
from hwsearch.evolution.certify import Bounded, Certificate, certify, refuse_uncertifiable
from hwsearch.profiling.profiler import Progress
from hwsearch.run_directory import Summary
from hwsearch.winners import Question, make_scorer

__all__ = ["certificate_of", "refuse_uncertifiable"]


def certificate_of(question: Question, summary: Summary, seconds: float) -> Certificate:
    """A proof about the best network within the budgets; without budgets, within the reference's latency."""
    budgets, best = question.budgets, summary.by_role("best")
    reference, as_fast = summary.by_role("reference"), summary.by_role("same_latency")
    if best is None and as_fast is not None and reference is not None and reference.latency_ms is not None:
        budgets, best = (Budget("latency_ms", reference.latency_ms * (1 + 1e-9)),), as_fast
    with console.ProgressBars() as bars:

        def tell(found: Bounded) -> None:
            done = min(found.seconds / seconds, 1.0)
            bars(Progress(f"certifying ({found.nodes:,} cells)", int(1000 * done), 1000))

        architecture = best.architecture if best else None
        return certify(make_scorer(question), budgets, architecture, seconds=seconds, progress=tell)
