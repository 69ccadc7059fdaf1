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
SHOWN_HISTORY = ("predicted_top1", "latency_ms", "front_size", "macs", "params", "activation_bytes")
"""What of a search's history is drawn, in this order; at most three, one above the other."""
MAX_PANELS = 3


def family_figure(data: ReportData) -> Figure | None:
    """Latency over MACs of the scaled networks, both logarithmic; parameters where no latency is known."""
    timed = any(each.predicted_latency or each.measured_latency for each in data.variants)
    predicted = any(each.predicted_latency for each in data.variants)
    traces: list[Trace] = []
    for style in STYLE_COLOURS:
        members = [each for each in data.variants if each.style == style]
        if not timed:
            traces.append(_style_trace(style, [(each, each.params / 1e6) for each in members]))
            continue
        measured = [(each, each.measured_latency.latency_ms) for each in members if each.measured_latency]
        foreseen = [(each, each.predicted_latency.latency_ms) for each in members if each.predicted_latency]
        traces += [_style_trace(style, foreseen, "predicted"), _style_trace(style, measured, "measured", predicted)]
    traces = [trace for trace in traces if trace["x"]]
    if not traces:
        return None
    y = "latency, ms a batch" if timed else "parameters, millions"
    return {
        "data": traces,
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


def _style_trace(style: str, known: list[tuple[Variant, float]], word: str = "", beside: bool = False) -> Trace:
    """One style's members; ``beside`` others of the same style they are bare open marks."""
    label = "B style" if style == "b" else "Lite style"
    symbol, size = (f"{STYLE_SYMBOLS[style]}-open", 13) if beside else (STYLE_SYMBOLS[style], 9)
    return {
        "type": "scatter",
        "mode": "markers" if beside else "lines+markers+text",
        "name": f"{label}, {word}" if word else label,
        "x": [variant.macs / 1e6 for variant, _ in known],
        "y": [value for _, value in known],
        "text": [f"φ {variant.phi:g}" for variant, _ in known],
        "textposition": "top left" if style == "b" else "bottom right",
        "textfont": {"color": "@ink", "size": 12},
        "hovertext": [_family_hover(variant) for variant, _ in known],
        "hoverinfo": "text",
        "cliponaxis": False,
        "line": {"color": STYLE_COLOURS[style], "width": 1.5},
        "marker": {"color": STYLE_COLOURS[style], "symbol": symbol, "size": size},
    }


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
