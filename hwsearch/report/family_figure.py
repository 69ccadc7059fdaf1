"""The chart of a family beside the published ones: latency over MACs, or parameters where no latency is known."""

from __future__ import annotations

import math
from typing import Any

from hwsearch.report.charts import Figure, Trace, axis, layout, safe
from hwsearch.report.family_data import FamilyData, Line, Member
from hwsearch.report.label_places import label_places
from hwsearch.report.wording import count, ms, percent

LINES: dict[Line, tuple[str, str, str]] = {
    "published-b": ("EfficientNet-B, published", "@reference", "solid"),
    "published-lite": ("EfficientNet-Lite, published", "@reference", "dot"),
    "b": ("scaled, B style", "@faster", "solid"),
    "lite": ("scaled, Lite style", "@better", "solid"),
}
"""Of each line: what it is called, its colour, its dash."""
SYMBOLS = {"b": "circle", "lite": "square", "published-b": "diamond", "published-lite": "triangle-up", "": "star"}
LABELS: dict[Line, str] = {"b": "top left", "lite": "bottom right", "published-b": "top left", "": "bottom left"}
"""Where labels stand if nothing is in their way."""
REACH = 1.25
"""How far beyond what is drawn the chart opens, in either direction."""
SIZE = (1050.0, 320.0)
"""About what the chart measures inside its axes, pixels: what labels are placed by."""


def family_figure(data: FamilyData) -> Figure | None:
    """The members and the published networks, both axes logarithmic; None without members."""
    if not data.members:
        return None
    traces: list[Trace] = []
    for line in LINES:
        members = [each for each in data.drawn if each.line == line]
        if members:
            traces += _traces(line, members, data.timed)
    alone = [each for each in data.drawn if not each.line]
    if alone:
        traces.append(_marks("other published networks", alone, data.timed, _marker("", "@budget", alone, data.timed)))
    across = _log_axis("MACs, millions (logarithmic)", [each.macs / 1e6 for each in data.drawn])
    up = _log_axis(f"{_y_title(data.timed)} (logarithmic)", [_height(each, data.timed) for each in data.drawn])
    _place_labels(traces, data, across["range"], up["range"])
    return {"data": traces, "layout": layout(across, up)}


def _place_labels(traces: list[Trace], data: FamilyData, across: list[float], up: list[float]) -> None:
    """Own members first, so that they stand where they are looked for."""
    ordered = sorted(data.drawn, key=lambda each: each.line not in ("b", "lite"))

    def pixels(member: Member) -> tuple[float, float]:
        x = (math.log10(member.macs / 1e6) - across[0]) / (across[1] - across[0])
        y = (math.log10(_height(member, data.timed)) - up[0]) / (up[1] - up[0])
        return x * SIZE[0], (1 - y) * SIZE[1]

    marks = [(pixels(each), each.label) for each in ordered]
    places = label_places(marks, SIZE, [LABELS.get(each.line, "bottom right") for each in ordered])
    known = dict(zip((each.key for each in ordered), places, strict=True))
    for trace in traces:
        trace["textposition"] = [known[key] for key in trace["customdata"]]


def _y_title(timed: bool) -> str:
    return "latency, ms a batch" if timed else "parameters, millions"


def _height(member: Member, timed: bool) -> float:
    return (member.latency_ms or 0.0) if timed else member.params / 1e6


def _log_axis(title: str, values: list[float]) -> dict[str, Any]:
    """An axis with marks at 1, 2, 3 and 5 times the powers of ten, and room for the labels of the points."""
    room = math.log10(REACH)
    low, high = math.log10(min(values)) - room, math.log10(max(values)) + room
    powers = range(math.floor(low), math.ceil(high) + 2)
    ticks = [factor * 10**power for power in powers for factor in (1, 1.5, 2, 3, 5, 7)]
    texts = [f"{tick:,g}" if tick < 1e5 else f"{tick:,.0f}" for tick in ticks]
    return axis(title, type="log", range=[low, high], tickmode="array", tickvals=ticks, ticktext=texts)


def _traces(line: Line, members: list[Member], timed: bool) -> list[Trace]:
    """A line through what is known best of each member, and its marks."""
    name, colour, dash = LINES[line]
    own = line in ("b", "lite")
    marks = _marks(name, members, timed, _marker(line, colour, members, timed))
    marks |= {
        "mode": "lines+markers+text",
        "line": {"color": colour, "width": 2 if own else 1, "dash": dash},
        "meta": {"key": SYMBOLS[line]},
    }
    both = [each for each in members if timed and each.measured_ms is not None and each.predicted_ms is not None]
    if not both:
        return [marks]
    inner = _marks(name, both, timed, {"color": colour, "symbol": SYMBOLS[line], "size": 5})
    inner |= {"mode": "markers", "y": [each.predicted_ms for each in both], "showlegend": False}
    return [marks, inner]


def _marker(line: Line, colour: str, members: list[Member], timed: bool) -> dict[str, Any]:
    """Filled where predicted (or counted), open where measured, as in the page's other charts."""
    is_open = [timed and each.measured_ms is not None for each in members]
    symbols = [f"{SYMBOLS[line]}-open" if each else SYMBOLS[line] for each in is_open]
    own = line in ("b", "lite")
    size, width = (11, 2.0) if own else (9, 1.0)
    return {"color": colour, "symbol": symbols, "size": size, "line": {"color": "@card", "width": width}}


def _marks(name: str, members: list[Member], timed: bool, marker: dict[str, Any]) -> Trace:
    line = members[0].line
    return {
        "type": "scatter",
        "mode": "markers+text",
        "name": name,
        "x": [each.macs / 1e6 for each in members],
        "y": [_height(each, timed) for each in members],
        "text": [safe(each.label, 20) for each in members],
        "textfont": {"color": "@ink" if line in ("b", "lite") else "@soft", "size": 12},
        "customdata": [each.key for each in members],
        "hovertext": [hover(each) for each in members],
        "hoverinfo": "text",
        "cliponaxis": False,
        "marker": marker,
        "meta": {"key": SYMBOLS[line]},
    }


def hover(member: Member) -> str:
    """What a mark says when it is pointed at."""
    size = f"{count(member.macs)} MACs · {count(member.params)} params · {member.resolution} px"
    lines = [f"<b>{safe(member.name, 60)}</b>", size]
    for latency, word in ((member.measured_ms, "measured"), (member.predicted_ms, "predicted")):
        if latency is not None:
            lines.append(f"{ms(latency)} {word}")
    if member.published_top1 is not None:
        lines.append(f"published top-1 {percent(member.published_top1, 1)}")
    return "<br>".join(lines)
