"""The end of a search or a run on a terminal: its networks, side by side."""

from __future__ import annotations

from hwsearch import console
from hwsearch.run_directory import Summary

ROLE_WORDS = {
    "reference": "reference",
    "same_top1": "as good, fastest",
    "same_latency": "as fast, best",
    "best": "best in budget",
    "front": "front",
    "": "",
}


def print_summary(summary: Summary) -> None:
    """The end of a search or run: a table of its networks."""
    if summary.setup is not None:
        console.result(f"latency on {summary.setup.label}; {summary.evaluated:,} networks scored")
    if summary.signal_note:
        console.say(summary.signal_note)
    rows = [record for record in summary.networks if record.role not in ("front", "")]
    by_proxy = any(record.proxy_score is not None for record in rows)
    console.print_table(
        ["network", "role", "pred. ms", "meas. ms", "proxy score" if by_proxy else "pred. top-1 %", "MACs M"],
        [
            [
                record.name,
                ROLE_WORDS[record.role],
                console.milliseconds(record.latency_ms),
                console.milliseconds(record.measured_latency_ms),
                console.figure(record.proxy_score if by_proxy else record.predicted_top1),
                console.figure(record.macs / 1e6, 0),
            ]
            for record in rows
        ],
        (0, 1),
    )
    for record in rows:
        if record.role != "reference":
            console.result(f"{record.name}:\n  {record.architecture.text}")
