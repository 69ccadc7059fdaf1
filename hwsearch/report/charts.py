"""What all charts share: colours by name, axes, layout, safe text.

Charts are plain plotly figures; colours are names of the style sheet's, written ``@name``, and the page puts the
colours in, light or dark. Text that a person wrote is escaped, since plotly reads a little HTML in every text.
"""

from __future__ import annotations

import html
from typing import Any

Figure = dict[str, Any]
Trace = dict[str, Any]

COLOURS = {
    "reference": "@reference",
    "same_top1": "@faster",
    "same_latency": "@better",
    "best": "@better",
    "front": "@front",
    "": "@quiet",
}
SYMBOLS = {"reference": "diamond", "same_top1": "square", "same_latency": "triangle-up", "best": "star"}


def safe(text: str, limit: int = 200) -> str:
    """Text for plotly: bounded, and no HTML."""
    return html.escape(text if len(text) <= limit else text[: limit - 1] + "…", quote=False)


def short(text: str, limit: int = 24) -> str:
    """A name for plotly that is cut in its middle, since found networks differ at the end; no HTML."""
    if len(text) <= limit:
        return safe(text)
    tail = limit // 2 - 1
    return safe(f"{text[: limit - tail - 1]}…{text[-tail:]}")


def axis(title: str, **more: object) -> dict[str, Any]:
    """An axis in the page's style."""
    return {
        "title": {"text": title, "standoff": 10, "font": {"size": 13}},
        "gridcolor": "@grid",
        "linecolor": "@line",
        "zeroline": False,
        "ticks": "outside",
        "tickcolor": "@line",
        "automargin": True,
        **more,
    }


def layout(x: dict[str, Any], y: dict[str, Any], **more: object) -> dict[str, Any]:
    """A layout in the page's style."""
    return {
        "font": {"family": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", "size": 13, "color": "@soft"},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 56, "r": 16, "t": 30, "b": 48},
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": "@card", "bordercolor": "@line", "font": {"color": "@ink"}, "align": "left"},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "@quiet", "activecolor": "@ink"},
        "showlegend": False,  # the page writes its own, from the traces
        "xaxis": x,
        "yaxis": y,
        **more,
    }
