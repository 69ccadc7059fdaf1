"""The charts of several devices: their fronts on one scale, and every winner on every device."""

from __future__ import annotations

from hwsearch.record import NetworkRecord
from hwsearch.report.charts import COLOURS, SYMBOLS, Figure, Trace, axis, layout, safe
from hwsearch.report.devices_data import Cell, Crossing, DeviceRun, DevicesData
from hwsearch.report.front_figure import roomy
from hwsearch.report.wording import ROLE_LABELS, count, factor, ms, network_name, percent

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
DEVICE_SYMBOLS = ("circle", "square", "triangle-up", "diamond", "star", "x")
"""Beside its colour each device has a dash and a symbol of its own."""
BELOW = 2.5
"""How many points of top-1 below the reference the fronts are shown from; zooming out shows the rest."""


def device_figures(data: DevicesData) -> dict[str, Figure]:
    """Every chart of the page, by the name of its place."""
    found = {"fronts": fronts_figure(data)} if data.quality.metric else {}
    return found | {f"cross-{crossing.role}": cross_figure(crossing, data) for crossing in data.crossings}


def colour(run: DeviceRun) -> str:
    """The name of a device's colour."""
    return f"@device{run.number}"


def key(run: DeviceRun, record: NetworkRecord) -> str:
    """The place of one of a run's winners on the page."""
    return f"winner-{run.number}-{record.role}"


def fronts_figure(data: DevicesData) -> Figure:
    """The fronts over latency relative to the reference on the same device, winners on top."""
    traces = [_front(run, data) for run in data.runs]
    traces += [_winners(run, data) for run in data.runs]
    xs, ys = _shown(data)
    reference = data.runs[0].reference
    good = data.quality.value(reference)
    guides = [_guide("x", 1.0)] + ([_guide("y", good)] if good is not None else [])
    if good is not None:
        traces.append(_reference(data, reference, good))
    return {
        "data": traces,
        "layout": layout(
            axis(
                safe(f"predicted latency, relative to {data.reference} on the same device"), range=roomy(xs, 0.04, 0.06)
            ),
            axis(safe(data.quality.axis), range=roomy(ys, 0.06, 0.08)),
            shapes=guides,
        ),
    }


def _shown(data: DevicesData) -> tuple[list[float], list[float]]:
    """What the chart opens on: the reference, the winners, and the fronts from a little below the reference up."""
    good = data.quality.value(data.runs[0].reference)
    least = good - BELOW if good is not None and data.quality.is_top1 else None
    xs, ys = [1.0], [good] if good is not None else []
    for run in data.runs:
        for view in (*run.winners, *run.data.front):
            x, y = run.relative(view.record), data.quality.value(view.record)
            if x is not None and y is not None and (least is None or view.record.role != "front" or y >= least):
                xs.append(x)
                ys.append(y)
    return xs, ys


def _front(run: DeviceRun, data: DevicesData) -> Trace:
    known = [
        (x, y, view.record)
        for view in run.data.front
        if (x := run.relative(view.record)) is not None and (y := data.quality.value(view.record)) is not None
    ]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": safe(run.label, 60),
        "x": [round(x, 4) for x, _, _ in known],
        "y": [y for _, y, _ in known],
        "hovertext": [_hover(run, record, data) for _, _, record in known],
        "hoverinfo": "text",
        "line": {"color": colour(run), "width": 1.5, "dash": DASHES[run.number]},
        "marker": {"color": colour(run), "size": 4, "symbol": DEVICE_SYMBOLS[run.number]},
        "meta": {"key": DEVICE_SYMBOLS[run.number]},
    }


def _winners(run: DeviceRun, data: DevicesData) -> Trace:
    known = [view.record for view in run.winners if data.quality.value(view.record) is not None]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": safe(f"{run.label}: what was found", 80),
        "showlegend": False,
        "x": [run.relative(record) for record in known],
        "y": [data.quality.value(record) for record in known],
        "customdata": [key(run, record) for record in known],
        "hovertext": [_hover(run, record, data) for record in known],
        "hoverinfo": "text",
        "marker": {
            "color": colour(run),
            "size": 14,
            "symbol": DEVICE_SYMBOLS[run.number],
            "line": {"color": "@card", "width": 1.5},
        },
    }


def _reference(data: DevicesData, reference: NetworkRecord, good: float) -> Trace:
    said = [f"<b>{safe(data.reference)}</b>", safe(f"{data.quality.name} {data.quality.said(reference)}")]
    said += [safe(f"{ms(run.reference_ms)} on {run.label}", 90) for run in data.runs]
    symbol, outline = SYMBOLS["reference"], {"color": "@card", "width": 1.5}
    return {
        "type": "scatter",
        "mode": "markers",
        "name": safe(f"{data.reference}, on every device"),
        "x": [1.0],
        "y": [good],
        "hovertext": ["<br>".join(said)],
        "hoverinfo": "text",
        "marker": {"color": COLOURS["reference"], "size": 14, "symbol": symbol, "line": outline},
        "meta": {"key": symbol},
    }


def _guide(along: str, at: float) -> dict[str, object]:
    across = "y" if along == "x" else "x"
    line = {"color": "@quiet", "width": 1, "dash": "dot"}
    ends = {f"{along}0": at, f"{along}1": at, f"{across}0": 0, f"{across}1": 1, f"{across}ref": "paper"}
    return {"type": "line", "layer": "below", "line": line, **ends}


def _hover(run: DeviceRun, record: NetworkRecord, data: DevicesData) -> str:
    lines = [f"<b>{safe(network_name(record.name), 60)}</b>", safe(f"{ROLE_LABELS[record.role]}, {run.label}", 90)]
    if data.quality.value(record) is not None:
        lines.append(safe(f"{data.quality.name} {data.quality.said(record)}"))
    relative = run.relative(record)
    if relative is not None:
        lines.append(f"{ms(record.latency_ms)} predicted, {factor(relative)} {safe(data.reference)}")
    if record.measured_latency_ms is not None:
        lines.append(f"{ms(record.measured_latency_ms)} measured")
    return "<br>".join([*lines, f"{count(record.macs)} MACs · {count(record.params)} params"])


def cross_figure(crossing: Crossing, data: DevicesData) -> Figure:
    """A row a device, a mark a network: relative latency there, the network found there with a ring around it."""
    traces = [_row_line(run, crossing, len(data.runs)) for run in data.runs]
    traces += [_networks(row, data) for row in crossing.rows]
    xs = [1.0, *(cell.ratio for cell in crossing.cells if cell.ratio is not None)]
    places = [_height(run, len(data.runs)) for run in data.runs]
    names = [safe(_broken(run.label), 80) for run in data.runs]
    return {
        "data": [trace for trace in traces if trace["x"]],
        "layout": layout(
            axis(safe(f"predicted latency, relative to {data.reference} on that device"), range=roomy(xs, 0.12, 0.12)),
            axis("", range=[-0.6, len(data.runs) - 0.4], tickmode="array", tickvals=places, ticktext=names, ticks=""),
            shapes=[_guide("x", 1.0)],
        ),
    }


def _broken(label: str) -> str:
    return label.replace(", ", ",<br>", 1) if len(label) > 18 else label


def _height(run: DeviceRun, runs: int) -> int:
    return runs - 1 - run.number


def _row_line(run: DeviceRun, crossing: Crossing, runs: int) -> Trace:
    ratios = [cell.ratio for cell in crossing.cells if cell.on is run and cell.ratio is not None]
    ends = [min(ratios), max(ratios)] if ratios else []
    height = _height(run, runs)
    return {
        "type": "scatter",
        "mode": "lines",
        "showlegend": False,
        "hoverinfo": "skip",
        "x": ends,
        "y": [height] * len(ends),
        "line": {"color": "@line", "width": 3},
    }


def _networks(row: tuple[Cell, ...], data: DevicesData) -> Trace:
    known = [cell for cell in row if cell.ratio is not None]
    home = row[0].tuned_for
    return {
        "type": "scatter",
        "mode": "markers",
        "name": safe(f"found for {home.label}", 80),
        "x": [round(cell.ratio or 0.0, 4) for cell in known],
        "y": [_height(cell.on, len(data.runs)) for cell in known],
        "customdata": [key(home, cell.record) for cell in known],
        "hovertext": [_cross_hover(cell, data) for cell in known],
        "hoverinfo": "text",
        "cliponaxis": False,
        "marker": {
            "color": colour(home),
            "symbol": DEVICE_SYMBOLS[home.number],
            "opacity": 1,
            "size": [17 if cell.is_home else 11 for cell in known],
            "line": {"color": "@ink", "width": [2 if cell.is_home else 0 for cell in known]},
        },
        "meta": {"key": DEVICE_SYMBOLS[home.number]},
    }


def _cross_hover(cell: Cell, data: DevicesData) -> str:
    lines = [
        f"<b>{safe(network_name(cell.record.name), 60)}</b>",
        safe(f"found for {cell.tuned_for.label}", 90),
        safe(f"on {cell.on.label}: {ms(cell.latency_ms)} predicted, {factor(cell.ratio or 0.0)} {data.reference}", 140),
    ]
    if not cell.is_home and cell.penalty is not None:
        lines.append(_slower(cell.penalty))
    return "<br>".join(lines)


def _slower(penalty: float) -> str:
    if abs(penalty) < 0.0005:
        return "as fast as the one found there"
    return f"{percent(100 * abs(penalty), 1)} {'slower' if penalty > 0 else 'faster'} than the one found there"
