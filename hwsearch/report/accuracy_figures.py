"""Charts of how far the latency prediction can be trusted: predicted against measured, and the errors alone."""

from __future__ import annotations

from collections.abc import Callable

from hwsearch.record import NetworkRecord
from hwsearch.report.charts import COLOURS, SYMBOLS, Figure, Trace, axis, layout, safe, short
from hwsearch.report.data import ReportData
from hwsearch.report.evidence import Point
from hwsearch.report.wording import ms, network_name, signed

TOLERANCE = 0.05
"""The band around a perfect prediction, a fraction."""
MARGIN = 0.06
"""Room around the points, as a fraction of their range."""

Edge = Callable[[float], float]


def checked(data: ReportData) -> list[tuple[int, NetworkRecord, Point]]:
    """The run's own networks that have both latencies, with their numbers on the page."""
    return [
        (index, view.record, Point(view.record.architecture.text, predicted, measured))
        for index, view in enumerate(data.every)
        if (predicted := view.record.latency_ms) and (measured := view.record.measured_latency_ms)
    ]


def measured_figure(data: ReportData) -> Figure | None:
    """Predicted over measured, with the ±5 % band; None where nothing was measured."""
    points = [*data.held_out, *(point for _, _, point in checked(data))]
    if not points:
        return None
    low, high = _range(points)
    scatter = _points(data, lambda point: point.predicted_ms)
    return {
        "data": [
            _band((low, high), lambda x: x * (1 - TOLERANCE), lambda x: x * (1 + TOLERANCE), "±5 %", "@band"),
            _line([low, high], [low, high], "equal"),
            *scatter,
        ],
        "layout": layout(
            axis("measured, ms a batch", range=[low, high]), axis("predicted, ms a batch", range=[low, high])
        ),
    }


def errors_figure(data: ReportData) -> Figure | None:
    """The prediction's error in percent over the measured latency, with the ±5 % band and the noise floor."""
    points = [*data.held_out, *(point for _, _, point in checked(data))]
    if not points:
        return None
    ends = _range(points)
    floor = data.fidelity.noise_floor if data.fidelity else None
    bands = [_band(ends, lambda _: -100 * TOLERANCE, lambda _: 100 * TOLERANCE, "±5 %", "@band")]
    if floor is not None:
        height = 100 * floor.mape
        bands.append(_band(ends, lambda _: -height, lambda _: height, f"noise floor ±{height:.1f} %", "@floor"))
    limit = max([100 * abs(point.error) for point in points] + [100 * TOLERANCE]) * 1.15
    return {
        "data": [*bands, _line(list(ends), [0, 0], "no error"), *_points(data, lambda point: 100 * point.error)],
        "layout": layout(
            axis("measured, ms a batch", range=list(ends)),
            axis("prediction's error, %", range=[-limit, limit], ticksuffix=""),
        ),
    }


def _range(points: list[Point]) -> tuple[float, float]:
    values = [value for point in points for value in (point.predicted_ms, point.measured_ms)]
    room = MARGIN * ((max(values) - min(values)) or max(values))
    return max(0.0, min(values) - room), max(values) + room


def _points(data: ReportData, height: Callable[[Point], float]) -> list[Trace]:
    held_out: Trace = {
        "type": "scatter",
        "mode": "markers",
        "name": "held-out networks",
        "x": [point.measured_ms for point in data.held_out],
        "y": [height(point) for point in data.held_out],
        "hovertext": [_hover("held-out network", point) for point in data.held_out],
        "hoverinfo": "text",
        "marker": {"size": 7, "color": "@front", "opacity": 0.75},
    }
    found = [held_out] if data.held_out else []
    return found + [_own_point(index, record, point, height(point)) for index, record, point in checked(data)]


def _own_point(index: int, record: NetworkRecord, point: Point, height: float) -> Trace:
    winner = record.role in SYMBOLS
    outline = {"color": "@card", "width": 1.5}
    symbol = SYMBOLS.get(record.role, "circle")
    return {
        "type": "scatter",
        "mode": "markers",
        "name": short(network_name(record.name)),
        "x": [point.measured_ms],
        "y": [height],
        "customdata": [index],
        "hovertext": [_hover(network_name(record.name), point)],
        "hoverinfo": "text",
        "showlegend": winner,
        "marker": {"size": 13 if winner else 9, "color": COLOURS[record.role], "symbol": symbol, "line": outline},
    }


def _hover(name: str, point: Point) -> str:
    return (
        f"<b>{safe(name, 60)}</b><br>{ms(point.measured_ms)} measured<br>{ms(point.predicted_ms)} predicted"
        f"<br>{signed(100 * point.error, 1)} %"
    )


def _band(ends: tuple[float, float], lower: Edge, upper: Edge, name: str, colour: str) -> Trace:
    low, high = ends
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [low, high, high, low],
        "y": [upper(low), upper(high), lower(high), lower(low)],
        "fill": "toself",
        "fillcolor": colour,
        "line": {"width": 0},
        "hoverinfo": "skip",
    }


def _line(xs: list[float], ys: list[float], name: str) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": xs,
        "y": ys,
        "line": {"color": "@quiet", "width": 1},
        "hoverinfo": "skip",
        "showlegend": False,
    }
