"""Every chart of a report, by the name of its place on the page."""

from __future__ import annotations

from collections.abc import Callable

from hwsearch.report.accuracy_figures import errors_figure, measured_figure
from hwsearch.report.charts import Figure
from hwsearch.report.data import ReportData
from hwsearch.report.family_figure import family_figure
from hwsearch.report.front_figure import front_figure
from hwsearch.report.history_figure import history_figure

MAKERS: dict[str, Callable[[ReportData], Figure | None]] = {
    "front": front_figure,
    "measured": measured_figure,
    "errors": errors_figure,
    "family": lambda data: family_figure(data.family),
    "history": history_figure,
}


def figures(data: ReportData) -> dict[str, Figure]:
    """The charts that the data allows; what it does not allow is left out."""
    made = {name: make(data) for name, make in MAKERS.items()}
    return {name: figure for name, figure in made.items() if figure is not None}
