"""The Pareto front as a chart: spread, winners, references, measurements, budgets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hwsearch.budget import Budget, parse_budget
from hwsearch.errors import InputError
from hwsearch.record import NetworkRecord
from hwsearch.report.charts import COLOURS, SYMBOLS, Figure, Trace, axis, layout, safe, short
from hwsearch.report.data import ReportData
from hwsearch.report.quality import Quality
from hwsearch.report.wording import METRIC_LABELS, ROLE_LABELS, count, megabytes, ms, network_name

MAX_LABEL = 24
CHARACTER = 0.0125
"""Width of a label's character, as a fraction of the chart's."""
SHOWN_POINTS = 6.0
"""How far below the best predicted top-1 the chart opens; zooming out shows the rest."""
CLOSE = 0.3
"""Labels nearer than this, as a fraction of the width, get out of each other's way."""


def hover(record: NetworkRecord, quality: Quality) -> str:
    """What a point says when it is pointed at."""
    lines = [f"<b>{safe(network_name(record.name), 60)}</b>", ROLE_LABELS[record.role]]
    if quality.value(record) is not None:
        lines.append(safe(f"{quality.name} {quality.said(record)}"))
    if record.latency_ms is not None:
        lines.append(f"{ms(record.latency_ms)} predicted")
    if record.measured_latency_ms is not None:
        lines.append(f"{ms(record.measured_latency_ms)} measured")
    lines.append(f"{count(record.macs)} MACs · {count(record.params)} params")
    return "<br>".join([*lines, f"{megabytes(record.activation_bytes)} peak activations"])


def front_axes(data: ReportData) -> tuple[str, str]:
    """What the front is drawn over: latency and the accuracy's figure, or what stands in where one is not known."""
    return "latency_ms" if data.has_latency else "params", data.quality.metric or "macs"


def front_figure(data: ReportData) -> Figure | None:
    """The front with its spread, winners, references and budgets."""
    x, y = front_axes(data)
    quality = data.quality
    drawn = [
        (index, view.record)
        for index, view in enumerate(data.every)
        if getattr(view.record, x) is not None and getattr(view.record, y) is not None
    ]
    if not drawn:
        return None
    fronts = {view.record.architecture for view in data.front}
    front = sorted((each for each in drawn if each[1].architecture in fronts), key=lambda each: getattr(each[1], x))
    traces = [*_spread(front, x, y, quality), *_front_line(front, x, y, quality)]
    traces += _measured_markers(drawn, x, y, quality)
    traces += _role_markers(drawn, x, y, fronts, quality)
    conditions = " a batch" if x == "latency_ms" else ""
    across, up = _view(drawn, x, y)
    shapes, notes = _budget_lines(data.summary.budgets, x, y)
    return {
        "data": traces,
        "layout": layout(
            axis(METRIC_LABELS[x].replace(" (ms)", f", ms{conditions}"), range=across),
            axis(safe(quality.axis) if quality.metric else METRIC_LABELS[y], range=up),
            shapes=shapes,
            annotations=[*notes, *_labels(drawn, x, y, across)],
        ),
    }


Drawn = Sequence[tuple[int, NetworkRecord]]


def _view(drawn: Drawn, x: str, y: str) -> tuple[list[float], list[float]]:
    """The ranges that the chart opens on: the best networks and all those with a role, with room for their labels."""
    best = max(getattr(record, y) for _, record in drawn)
    shown = [
        record
        for _, record in drawn
        if y != "predicted_top1" or record.role in SYMBOLS or getattr(record, y) >= best - SHOWN_POINTS
    ]
    xs = [getattr(record, x) for record in shown]
    xs += [record.measured_latency_ms for record in shown if x == "latency_ms" and record.measured_latency_ms]
    ys = [getattr(record, y) for record in shown]
    named = {record.architecture for record in shown if record.role in SYMBOLS}
    reference = [getattr(record, y) for record in shown if record.role == "reference"]
    low = any(value < min(ys) + 0.15 * (max(ys) - min(ys)) for value in reference)  # its label stands below it
    across = roomy(xs, 0.06, 0.08)
    winners = [record for record in shown if record.role in SYMBOLS and record.role != "reference"]
    across[0] = min([across[0], *(_left_edge(record, x, across[1]) for record in winners)])
    return across, roomy(ys, 0.2 if low else 0.08, 0.1 + 0.07 * len(named))


def _left_edge(record: NetworkRecord, x: str, right: float) -> float:
    """Where the chart must begin so that a label fits to the left of its mark; no metric is below 0."""
    share = _label_share(record)
    return max(0.0, (float(getattr(record, x)) - share * right) / (1 - share))


def _label_share(record: NetworkRecord) -> float:
    """The width of a network's label with its line, as a fraction of the chart's."""
    return CHARACTER * min(len(record.name), MAX_LABEL) + 0.03


def roomy(values: list[float], below: float, above: float) -> list[float]:
    """A range around values, with room on either side as fractions of their extent."""
    extent = (max(values) - min(values)) or abs(max(values)) or 1.0
    return [min(values) - below * extent, max(values) + above * extent]


def _spread(front: Drawn, x: str, y: str, quality: Quality) -> list[Trace]:
    known = [record for _, record in front if record.predicted_top1_std is not None]
    if y != "predicted_top1" or len(known) < 2:
        return []
    xs = [getattr(record, x) for record in known]
    upper = [(r.predicted_top1 or 0.0) + (r.predicted_top1_std or 0.0) for r in known]
    lower = [(r.predicted_top1 or 0.0) - (r.predicted_top1_std or 0.0) for r in known]
    return [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "±1 std of the predictor" if quality.verb else "±1 std",
            "x": [*xs, *reversed(xs)],
            "y": [*upper, *reversed(lower)],
            "fill": "toself",
            "fillcolor": "@band",
            "line": {"width": 0},
            "hoverinfo": "skip",
        }
    ]


def _markers(drawn: Drawn, x: str, y: str, name: str, quality: Quality, **marker: object) -> Trace:
    """A scatter of networks that can be clicked: ``customdata`` is their number on the page."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [getattr(record, x) for _, record in drawn],
        "y": [getattr(record, y) for _, record in drawn],
        "customdata": [index for index, _ in drawn],
        "hovertext": [hover(record, quality) for _, record in drawn],
        "hoverinfo": "text",
        "marker": marker,
    }


def _front_line(front: Drawn, x: str, y: str, quality: Quality) -> list[Trace]:
    if not front:
        return []
    trace = _markers(front, x, y, "front, predicted" if x == "latency_ms" else "front", quality, size=7, color="@front")
    return [{**trace, "mode": "lines+markers", "line": {"color": "@front", "width": 1.5}}]


def _role_markers(drawn: Drawn, x: str, y: str, fronts: Iterable[object], quality: Quality) -> list[Trace]:
    found = []
    on_front = set(fronts)
    for role in ("reference", "same_top1", "same_latency", "best", ""):
        members = [each for each in drawn if each[1].role == role and (role or each[1].architecture not in on_front)]
        if members:
            style = {"size": 14 if role else 9, "color": COLOURS[role], "symbol": SYMBOLS.get(role, "circle")}
            outline = {"line": {"color": "@card", "width": 1.5}}
            found.append(_markers(members, x, y, ROLE_LABELS[role], quality, **style, **outline))
    return found


def _measured_markers(drawn: Drawn, x: str, y: str, quality: Quality) -> list[Trace]:
    measured = [each for each in drawn if each[1].measured_latency_ms is not None]
    if x != "latency_ms" or not measured:
        return []
    trace = _markers(measured, "measured_latency_ms", y, "measured (open marks)", quality)
    trace["marker"] = {
        "size": 13,
        "symbol": [f"{SYMBOLS.get(record.role, 'circle')}-open" for _, record in measured],
        "color": [COLOURS[record.role] for _, record in measured],
        "line": {"width": 2},
    }
    ends: list[list[float | None]] = [[r.latency_ms, r.measured_latency_ms, None] for _, r in measured]
    link = {
        "type": "scatter",
        "mode": "lines",
        "showlegend": False,
        "hoverinfo": "skip",
        "line": {"color": "@quiet", "width": 1, "dash": "dot"},
        "x": [value for each in ends for value in each],
        "y": [value for _, record in measured for value in (getattr(record, y), getattr(record, y), None)],
    }
    return [link, trace]


def _labels(drawn: Drawn, x: str, y: str, across: list[float]) -> list[dict[str, Any]]:
    """Names beside the marks: winners above the front, the further right the higher; the reference below it."""
    records = {record.architecture: record for _, record in reversed(drawn) if record.role not in ("front", "")}
    above = sorted((r for r in records.values() if r.role != "reference"), key=lambda record: getattr(record, x))
    width = across[1] - across[0]
    found, step = [], 0
    for left, record in zip((None, *above), above, strict=False):
        step = step + 1 if left is not None and getattr(record, x) - getattr(left, x) < CLOSE * width else 0
        at_edge = getattr(record, x) < across[0] + 0.8 * _label_share(record) * width
        found.append(_label(record, x, y, (20 if at_edge else -20, -28 - 20 * step), "left" if at_edge else "right"))
    for record in records.values():
        if record.role == "reference":
            at_edge = getattr(record, x) > across[1] - CLOSE * width
            found.append(_label(record, x, y, (-16 if at_edge else 20, 34), "right" if at_edge else "left"))
    return found


def _label(record: NetworkRecord, x: str, y: str, offset: tuple[int, int], anchor: str) -> dict[str, Any]:
    return {
        "x": getattr(record, x),
        "y": getattr(record, y),
        "text": short(network_name(record.name), MAX_LABEL),
        "showarrow": True,
        "arrowhead": 0,
        "arrowwidth": 1,
        "arrowcolor": "@quiet",
        "ax": offset[0],
        "ay": offset[1],
        "xanchor": anchor,
        "font": {"color": COLOURS[record.role], "size": 13},
    }


def _budget_lines(texts: Sequence[str], x: str, y: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    shapes, notes = [], []
    for budget in filter(None, (_budget(text) for text in texts)):
        if budget.metric not in (x, y):
            continue
        upright = budget.metric == x
        along, across = ("x", "y") if upright else ("y", "x")
        shapes.append(
            {
                "type": "line",
                **{f"{along}0": budget.limit, f"{along}1": budget.limit, f"{across}0": 0, f"{across}1": 1},
                f"{across}ref": "paper",
                "line": {"color": "@budget", "width": 1.5, "dash": "dash"},
            }
        )
        notes.append(
            {
                along: budget.limit,
                across: 0.02,
                f"{across}ref": "paper",
                "text": f"budget {'≤' if budget.sense == '<=' else '≥'} {budget.limit:g}",
                "showarrow": False,
                "xanchor": "right" if upright else "left",
                "yanchor": "bottom",
                "textangle": -90 if upright else 0,
                "font": {"color": "@budget", "size": 12},
            }
        )
    return shapes, notes


def _budget(text: str) -> Budget | None:
    try:
        return parse_budget(text)
    except InputError:
        return None  # of a metric that is not drawn; the page lists it as it stands
