"""Charts of the family and of how the search converged."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from hwsearch.family import Variant
from hwsearch.report.charts import Figure, Trace, axis, layout, safe
from hwsearch.report.data import ReportData
from hwsearch.report.wording import METRIC_LABELS, count, ms

STYLE_COLOURS = {"b": "@faster", "lite": "@better"}
STYLE_SYMBOLS = {"b": "circle", "lite": "square"}
SHOWN_HISTORY = ("predicted_top1", "latency_ms", "macs", "params", "activation_bytes", "front_size")
"""What of a search's history is drawn, in this order; at most three, one above the other."""
MAX_PANELS = 3


def family_figure(data: ReportData) -> Figure | None:
    """Latency over MACs of the scaled networks, both logarithmic; parameters where no latency is known."""
    if data.family is None or not data.family.variants:
        return None
    variants = data.family.variants
    timed = any(_latency(variant) for variant in variants)
    traces = [_style_trace(style, [v for v in variants if v.style == style], timed) for style in STYLE_COLOURS]
    y = "latency, ms a batch" if timed else "parameters, millions"
    return {
        "data": [trace for trace in traces if trace["x"]],
        "layout": layout(
            _log_axis("MACs, millions (logarithmic)", [x for trace in traces for x in trace["x"]]),
            _log_axis(f"{y} (logarithmic)", [value for trace in traces for value in trace["y"]]),
        ),
    }


def _log_axis(title: str, values: list[float]) -> dict[str, Any]:
    """An axis with marks at 1, 2, 3 and 5 times the powers of ten, and room for the labels of the points."""
    low, high = math.log10(min(values)) - 0.08, math.log10(max(values)) + 0.08
    powers = range(math.floor(low), math.ceil(high) + 1)
    ticks = [factor * 10**power for power in powers for factor in (1, 1.5, 2, 3, 5, 7)]
    texts = [f"{tick:g}" for tick in ticks]
    return axis(title, type="log", range=[low, high], tickmode="array", tickvals=ticks, ticktext=texts)


def _style_trace(style: str, variants: list[Variant], timed: bool) -> Trace:
    known = [variant for variant in variants if not timed or _latency(variant)]
    return {
        "type": "scatter",
        "mode": "lines+markers+text",
        "name": "B style" if style == "b" else "Lite style",
        "x": [variant.macs / 1e6 for variant in known],
        "y": [_latency(variant) if timed else variant.params / 1e6 for variant in known],
        "text": [f"φ {variant.phi:g}" for variant in known],
        "textposition": "top left" if style == "b" else "bottom right",
        "textfont": {"color": "@ink", "size": 12},
        "hovertext": [_family_hover(variant) for variant in known],
        "hoverinfo": "text",
        "cliponaxis": False,
        "line": {"color": STYLE_COLOURS[style], "width": 1.5},
        "marker": {"color": STYLE_COLOURS[style], "symbol": STYLE_SYMBOLS[style], "size": 9},
    }


def _latency(variant: Variant) -> float | None:
    found = variant.measured_latency or variant.predicted_latency
    return found.latency_ms if found else None


def _family_hover(variant: Variant) -> str:
    lines = [f"<b>{safe(variant.name, 60)}</b>", f"{variant.resolution} px, {count(variant.macs)} MACs"]
    for latency, word in ((variant.measured_latency, "measured"), (variant.predicted_latency, "predicted")):
        if latency is not None:
            lines.append(f"{ms(latency.latency_ms)} {word}")
    return "<br>".join(lines)


def history_figure(data: ReportData) -> Figure | None:
    """The best network's figures and the front's size over the networks scored; None without a history."""
    history = [entry for entry in data.summary.history if "evaluated" in entry]
    names = [name for name in SHOWN_HISTORY if any(_value(entry, name) is not None for entry in history)][:MAX_PANELS]
    if len(history) < 2 or not names:
        return None
    figure: Figure = {"data": [], "layout": layout(axis("networks scored"), axis(""), annotations=[])}
    for number, name in enumerate(names):
        suffix = str(number + 1) if number else ""
        figure["data"].append(_history_trace(history, name, suffix))
        domain = _domain(number, len(names))
        figure["layout"][f"yaxis{suffix}"] = axis("", domain=domain, nticks=4)
        figure["layout"]["annotations"].append(_panel_title(METRIC_LABELS[name], domain[1]))
    figure["layout"]["xaxis"]["anchor"] = f"y{len(names)}" if len(names) > 1 else "y"
    return figure


def _value(entry: Mapping[str, float], name: str) -> float | None:
    return entry.get(name, entry.get(f"best_{name}"))


def _domain(number: int, panels: int) -> list[float]:
    height, gap = 1 / panels, 0.12 if panels > 1 else 0.0
    return [1 - (number + 1) * height, 1 - number * height - gap * (number > 0)]


def _panel_title(text: str, top: float) -> dict[str, Any]:
    font = {"color": "@ink", "size": 13}
    place = {"xref": "paper", "x": 0, "xanchor": "left", "yref": "paper", "y": top, "yanchor": "bottom"}
    return {**place, "text": text, "showarrow": False, "font": font}


def _history_trace(history: list[Mapping[str, float]], name: str, suffix: str) -> Trace:
    shown: list[tuple[Any, float]] = [
        (entry["evaluated"], value) for entry in history if (value := _value(entry, name)) is not None
    ]
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [x for x, _ in shown],
        "y": [y for _, y in shown],
        "yaxis": f"y{suffix}",
        "line": {"color": "@front" if name == "front_size" else "@faster", "width": 2, "shape": "hv"},
        "hovertemplate": f"{METRIC_LABELS[name]}: %{{y:,.6~g}}<br>%{{x:,}} networks scored<extra></extra>",
    }
