"""The page of several runs, one a device."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hwsearch.json_file import write_text
from hwsearch.report.devices_data import DevicesData, devices_data
from hwsearch.report.devices_figures import device_figures, key
from hwsearch.report.page import drawn_network, render_page

PAGE = "devices.html.jinja"


def write_devices_report(runs: Sequence[Path], destination: Path) -> Path:
    """Write one HTML file on several runs, atomically; InputError where they cannot be compared."""
    write_text(destination, render_devices(devices_data(runs)))
    return destination


def render_devices(data: DevicesData) -> str:
    """The page of the data."""
    charts = device_figures(data)
    sections = [("fronts", "Fronts")] * ("fronts" in charts) + [("winners", "Winners")]
    sections += [("crossing", "On each other’s devices")] * bool(data.crossings)
    sections += [("stages", "Stage by stage"), ("provenance", "Provenance")]
    networks = [drawn_network(view, data.quality) for view in data.views]
    return render_page(PAGE, charts, networks, data=data, quality=data.quality, sections=sections, key=key)
