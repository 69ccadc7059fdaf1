"""What a run ranked its networks by, in words: a score is never called a top-1, nor a looked-up top-1 predicted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hwsearch.record import NetworkRecord
from hwsearch.report.wording import UNKNOWN, percent, plain, predicted_top1, signed
from hwsearch.run_directory import Summary

Metric = Literal["predicted_top1", "proxy_score", ""]

SCORE_NAMES = {
    "naswot": "NASWOT score",
    "synflow": "SynFlow score",
    "zen": "Zen score",
    "grad-norm": "gradient-norm score",
}
AS_GOOD = 0.05
"""Points of top-1 that nobody would call a difference."""


@dataclass(frozen=True, slots=True)
class Quality:
    """The figure that stands for a network's accuracy in one run."""

    metric: Metric
    """The field of a record; empty where the run had no accuracy signal."""
    name: str
    """As it stands in a sentence: "predicted top-1", "Zen score"."""
    source: str
    """What the page says of it beside the conditions."""
    verb: str = ""
    """What is done to a network to know it: "predicted ", or nothing."""

    @property
    def is_top1(self) -> bool:
        """Whether it is in percent, so that differences are points."""
        return self.metric == "predicted_top1"

    @property
    def axis(self) -> str:
        """The title of an axis."""
        return f"{self.name}, %" if self.is_top1 else f"{self.name} (no unit)"

    @property
    def column(self) -> str:
        """The head of a table's column."""
        return f"{self.name}, %" if self.is_top1 else self.name

    def value(self, record: NetworkRecord) -> float | None:
        """The figure of a network, if it has one."""
        found: float | None = getattr(record, self.metric) if self.metric else None
        return found

    def said(self, record: NetworkRecord) -> str:
        """The figure with its standard deviation, where there is one, and its unit."""
        if self.is_top1:
            return predicted_top1(record)
        value = self.value(record)
        return UNKNOWN if value is None else plain(value, 4)

    def difference(self, record: NetworkRecord, reference: NetworkRecord | None) -> float | None:
        """The figure over that of the reference; None where either is not known."""
        own, other = self.value(record), None if reference is None else self.value(reference)
        return None if own is None or other is None else own - other

    def claim(self, record: NetworkRecord, reference: NetworkRecord | None, *, at_least: bool = False) -> str:
        """How good a network is beside the reference, in words; empty where that is not known.

        ``at_least`` is for a network that was asked to be as good: then its surplus is a detail.
        """
        difference = self.difference(record, reference)
        if difference is None or reference is None:
            return ""
        if not self.is_top1:
            return f"of {self.name} {self.said(record)} against {self.said(reference)}"
        if at_least and difference > -AS_GOOD:
            return f"{self.verb}as good ({signed(difference)} points)"
        if abs(difference) < AS_GOOD:
            return f"{self.verb}as good"
        return f"{self.verb}{abs(difference):.1f} points {'better' if difference > 0 else 'worse'}"

    def limit(self, value: float) -> str:
        """A limit on it, with its unit."""
        return percent(value) if self.is_top1 else plain(value, 4)


def quality_of(summary: Summary) -> Quality:
    """What the networks of a run were ranked by."""
    signal, records = summary.signal, (*summary.networks, *summary.front)
    if any(record.proxy_score is not None for record in records):
        name = SCORE_NAMES.get(signal, f"score of “{signal}”")
        return Quality("proxy_score", name, f"ranked by the zero-cost proxy “{signal}”, which predicts no top-1")
    if all(record.predicted_top1 is None for record in records):
        return Quality("", "", "no accuracy signal")
    kind, colon, _ = signal.partition(":")
    if colon and kind == "table":
        return Quality("predicted_top1", "tabulated top-1", f"top-1 looked up in “{signal}”, under its own training")
    if colon:
        return Quality("predicted_top1", "the command’s top-1", f"top-1 told by “{signal}”, under its own training")
    source = f"predicted top-1 by the signal “{signal}”, not a trained accuracy" if signal else "predicted top-1"
    return Quality("predicted_top1", "predicted top-1", source, "predicted ")
