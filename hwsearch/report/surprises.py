"""What the figures themselves say against trusting them: said on top of the page, in words."""

from __future__ import annotations

from collections.abc import Iterator

from hwsearch.budget import parse_budget
from hwsearch.errors import InputError
from hwsearch.latency import Fidelity
from hwsearch.record import NetworkRecord
from hwsearch.report.wording import ms, network_name, share
from hwsearch.run_directory import Summary

COARSE_TABLE = 0.05
"""A held-out MAPE above this is worth a warning."""


def surprises(summary: Summary, fidelity: Fidelity | None) -> Iterator[tuple[str, str]]:
    """What each warning is about, and the warning."""
    if fidelity is not None and fidelity.mape > COARSE_TABLE:
        yield "latency table", f"its predictions err by {share(fidelity.mape)} on average: believe what was measured"
    for network in summary.networks:
        yield from ((network_name(network.name), text) for text in _of_network(network, summary))


def _of_network(network: NetworkRecord, summary: Summary) -> Iterator[str]:
    measured, limit = network.measured_latency_ms, _latency_budget(summary)
    if network.role == "best" and measured is not None and limit is not None and measured > limit:
        yield f"measured {ms(measured)}, above the budget of {ms(limit)}"


def _latency_budget(summary: Summary) -> float | None:
    limits = []
    for text in summary.budgets:
        try:
            budget = parse_budget(text)
        except InputError:
            continue  # a budget on another table's latency, listed as it stands
        limits += [budget.limit] if budget.metric == "latency_ms" else []
    return min(limits, default=None)
