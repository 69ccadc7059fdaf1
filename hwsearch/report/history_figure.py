"""The chart of how a search converged: every restart on its own, and the best of all so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hwsearch.report.charts import Figure, Trace, axis, layout, safe
from hwsearch.report.data import ReportData
from hwsearch.report.wording import METRIC_LABELS

SHOWN = ("predicted_top1", "proxy_score", "latency_ms", "front_size", "macs", "params", "activation_bytes")
"""What of a search's history is drawn, in this order; at most three, one above the other."""
MAX_PANELS = 3

Entry = Mapping[str, float]
Place = tuple[float, float]


def history_figure(data: ReportData) -> Figure | None:
    """The best network's figures and the front's size over the networks scored; None without a history."""
    history = [entry for entry in data.summary.history if "evaluated" in entry]
    names = [name for name in SHOWN if any(_value(entry, name) is not None for entry in history)][:MAX_PANELS]
    if len(history) < 2 or not names:
        return None
    told = data.restarts > 1
    across = axis("networks scored (logarithmic)", type="log", dtick=1) if told else axis("networks scored")
    figure: Figure = {"data": [], "layout": layout(across, axis(""), annotations=[])}
    for number, name in enumerate(names):
        suffix = str(number + 1) if number else ""
        label = safe(data.quality.axis) if name == data.quality.metric else METRIC_LABELS[name]
        traces = _by_restart(history, name, label) if told else [_whole(history, name, label)]
        figure["data"] += [{**trace, "yaxis": f"y{suffix}", "showlegend": number == 0 and told} for trace in traces]
        domain = _domain(number, len(names))
        figure["layout"][f"yaxis{suffix}"] = axis("", domain=domain, nticks=4)
        figure["layout"]["annotations"].append(_panel_title(label, domain[1]))
    figure["layout"]["xaxis"]["anchor"] = f"y{len(names)}" if len(names) > 1 else "y"
    return figure


def _value(entry: Entry, name: str) -> float | None:
    return entry.get(name, entry.get(f"best_{name}"))


def _by_restart(history: list[Entry], name: str, label: str) -> list[Trace]:
    """A thin line a restart, over the networks that it scored itself, and a bold one over those of all."""
    restarts = sorted({entry["restart"] for entry in history if "restart" in entry})
    traces = []
    for number in restarts:
        own = [entry for entry in history if entry.get("restart") == number]
        first = max((e["evaluated"] for e in history if e.get("restart", number) < number), default=0.0)
        places = _places(own, name, first)
        trace = _line(f"restart {number + 1:g}", places, label, {"color": "@front", "width": 1})
        traces.append({**trace, "name": "each restart, by what it scored itself", "legendgroup": "restarts"})
    # the front of one restart is no part of a front of all, so that its size has no best so far
    of_all = [entry for entry in history if "restart" not in entry or (entry.get("leads") and name != "front_size")]
    traces.append(_line("all restarts", _places(of_all, name), label, {"color": "@faster", "width": 3}))
    traces[-1]["name"] = "all restarts: the best so far, and their one front at the end"
    return traces


def _whole(history: list[Entry], name: str, label: str) -> Trace:
    colour = "@front" if name == "front_size" else "@faster"
    return _line("", _places(history, name), label, {"color": colour, "width": 2})


def _places(entries: Iterable[Entry], name: str, first: float = 0.0) -> list[Place]:
    """Where the line bends, and its end: in between it is flat."""
    every = [(each["evaluated"] - first, value) for each in entries if (value := _value(each, name)) is not None]
    bends = [place for before, place in zip([None, *every], every, strict=False) if not before or before[1] != place[1]]
    return bends if bends[-1:] == every[-1:] else [*bends, every[-1]]


def _line(what: str, places: list[Place], label: str, line: dict[str, Any]) -> Trace:
    said = f"{what}<br>" if what else ""
    return {
        "type": "scatter",
        "mode": "lines",
        "x": [x for x, _ in places],
        "y": [y for _, y in places],
        "line": {**line, "shape": "hv"},
        "hovertemplate": f"{said}{label}: %{{y:,.6~g}}<br>%{{x:,}} networks scored<extra></extra>",
    }


def _domain(number: int, panels: int) -> list[float]:
    height, gap = 1 / panels, 0.12 if panels > 1 else 0.0
    return [1 - (number + 1) * height, 1 - number * height - gap * (number > 0)]


def _panel_title(text: str, top: float) -> dict[str, Any]:
    font = {"color": "@ink", "size": 13}
    place = {"xref": "paper", "x": 0, "xanchor": "left", "yref": "paper", "y": top, "yanchor": "bottom"}
    return {**place, "text": text, "showarrow": False, "font": font}
