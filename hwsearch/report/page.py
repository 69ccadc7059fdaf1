"""The data as one HTML file that opens offline: its script, style, figures and plotly are inside it.

Every text goes through autoescaping; data for the script is JSON in which no tag can start; a content security
policy in the page forbids it to load anything. Plotly travels compressed and is unpacked by the browser.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hwsearch import __version__
from hwsearch.json_file import write_text
from hwsearch.report import wording
from hwsearch.report.data import NetworkView, ReportData, report_data
from hwsearch.report.figures import figures
from hwsearch.report.quality import Quality
from hwsearch.run_directory import RunDirectory

TEMPLATES = Path(__file__).resolve().parent / "templates"
PAGE = "page.html.jinja"
MAX_DRAWN = 400
"""Networks whose stages the page holds; of a longer front the rest stays in the run's own files."""

SECTIONS = {
    "front": "Front",
    "networks": "Networks",
    "milliseconds": "Milliseconds",
    "trust": "Trust",
    "family": "Family",
    "search": "Search",
    "exports": "Exports",
    "provenance": "Provenance",
}

STAGE_FIELDS = (
    "label",
    "kind",
    "resolution",
    "out_channels",
    "kernel_size",
    "stride",
    "expand_ratio",
    "num_repeats",
    "se_ratio",
)
"""What the script is told of a stage, in this order, before its latency."""

_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def write_report(run: Path | RunDirectory, output: Path) -> Path:
    """Write the report of a run as one HTML file, atomically; InputError where the run has no summary."""
    write_text(output, render(report_data(run)))
    return output


def render(data: ReportData) -> str:
    """The page of a report's data."""
    charts = figures(data)
    views = data.every[:MAX_DRAWN]
    return render_page(
        PAGE,
        charts,
        [drawn_network(view, data.quality) for view in views],
        data=data,
        summary=data.summary,
        quality=data.quality,
        family=data.family,
        views=views,
        sections=_sections(data, charts),
    )


def render_page(
    template: str, charts: Mapping[str, Any], networks: Sequence[Mapping[str, Any]], **shown: object
) -> str:
    """A page with its script, style, charts, and the networks that the script draws, all inside it."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    payload = {"figures": dict(charts), "networks": list(networks)}
    return environment.get_template(template).render(
        **shown,
        say=wording,
        version=__version__,
        charts=frozenset(charts),
        style=Markup(_package_text("style.css")),  # noqa: S704 - files of the package
        script=Markup(_package_text("script.js")),  # noqa: S704
        payload=Markup(embedded_json(payload)),  # noqa: S704 - no tag can start in it
        plotly=Markup(_plotly() if charts else ""),  # noqa: S704 - base64
    )


def _sections(data: ReportData, charts: Mapping[str, Any]) -> list[tuple[str, str]]:
    absent = {
        "networks": not data.winners,
        "milliseconds": not data.winners,
        "family": not data.family.members,
        "search": "history" not in charts,
        "exports": not data.summary.exports,
    }
    return [(anchor, title) for anchor, title in SECTIONS.items() if not absent.get(anchor)]


def embedded_json(value: Mapping[str, Any]) -> str:
    """JSON that can stand inside a script element: none of its characters can start or end a tag."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character, escape in _UNSAFE.items():
        text = text.replace(character, escape)
    return text


def drawn_network(view: NetworkView, quality: Quality) -> dict[str, Any]:
    """What the script is told of a network: what it draws, says and copies."""
    record = view.record
    return {
        "name": wording.network_name(record.name),
        "role": wording.ROLE_LABELS[record.role],
        "text": record.architecture.text,
        "command": view.export_command,
        "figures": _figures_in_words(view, quality),
        "stages": [
            [*(getattr(stage, name) for name in STAGE_FIELDS), wording.ms(stage.latency_ms) if view.breakdown else None]
            for stage in view.stages
        ],
    }


def _figures_in_words(view: NetworkView, quality: Quality) -> list[tuple[str, str]]:
    record = view.record
    return [
        *([(quality.name, quality.said(record))] if quality.metric else []),
        ("latency, predicted", wording.ms(record.latency_ms)),
        ("latency, measured", wording.ms(record.measured_latency_ms)),
        ("MACs", wording.count(record.macs)),
        ("parameters", wording.count(record.params)),
        ("peak activations", wording.megabytes(record.activation_bytes)),
    ]


def _package_text(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    return base64.b64encode(zlib.compress(get_plotlyjs().encode("utf-8"), 9)).decode("ascii")
