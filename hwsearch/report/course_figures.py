"""Charts of the family and of how the search converged."""

from __future__ import annotations

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
            axis("MACs, millions (logarithmic)", type="log", dtick="D2"),
            axis(f"{y} (logarithmic)", type="log", dtick="D2"),
        ),
    }


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
    figure: Figure = {"data": [], "layout": layout(axis("networks scored"), axis(""))}
    for number, name in enumerate(names):
        suffix = str(number + 1) if number else ""
        figure["data"].append(_history_trace(history, name, suffix))
        figure["layout"][f"yaxis{suffix}"] = axis(METRIC_LABELS[name], domain=_domain(number, len(names)), nticks=4)
    figure["layout"]["xaxis"]["anchor"] = f"y{len(names)}" if len(names) > 1 else "y"
    figure["layout"]["showlegend"] = False
    return figure


def _value(entry: Mapping[str, float], name: str) -> float | None:
    return entry.get(name, entry.get(f"best_{name}"))


def _domain(number: int, panels: int) -> list[float]:
    height, gap = 1 / panels, 0.06 if panels > 1 else 0.0
    return [max(0.0, 1 - (number + 1) * height + gap / 2), min(1.0, 1 - number * height - gap / 2)]


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
