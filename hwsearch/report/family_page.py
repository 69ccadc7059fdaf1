"""A small page of the families in a folder, as ``hwsearch scale -o`` leaves them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hwsearch.errors import InputError
from hwsearch.family import SUFFIX, Family, load_family
from hwsearch.json_file import write_text
from hwsearch.profiling.measurement import load_measurement
from hwsearch.report.data import Notice
from hwsearch.report.family_data import FamilyData, family_data
from hwsearch.report.family_figure import family_figure
from hwsearch.report.headline import Piece
from hwsearch.report.page import render_page

PAGE = "family_page.html.jinja"
MEASURED = "measured.json"


def write_family_report(folder: Path, destination: Path) -> None:
    """Write one HTML file on the ``*.family.json`` of a folder, and its ``measured.json`` if there is one.

    InputError where the folder holds no family, or a file is not sound.
    """
    families = load_families(folder)
    measured = folder / MEASURED
    data = family_data(families, measurement=load_measurement(measured) if measured.exists() else None)
    write_text(destination, render_family(data))


def load_families(folder: Path) -> tuple[Family, ...]:
    """The families of a folder by name, B style before Lite style; InputError where there is none."""
    files = sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []
    if not files:
        what = f"holds no *{SUFFIX}" if folder.is_dir() else "is not a folder"
        raise InputError(what, where=str(folder), next_command=f"hwsearch scale NET -o {folder}")
    return tuple(load_family(path) for path in files)


def render_family(data: FamilyData) -> str:
    """The page of the data."""
    figure = family_figure(data)
    notices = [Notice(family.name, text) for family in data.families for text in family.warnings]
    charts = {"family": figure} if figure else {}
    return render_page(
        PAGE,
        charts,
        [],
        family=data,
        headline=headline(data.families),
        warnings=notices,
        sections=[],
    )


def headline(families: Sequence[Family]) -> tuple[Piece, ...]:
    """What was scaled, and how far."""
    members = [variant for family in families for variant in family.variants]
    least, most = min(each.macs for each in members), max(each.macs for each in members)
    return (
        Piece(f"{len(members)} networks", strong=True),
        Piece(f" scaled from {_bases(families)}, "),
        Piece(f"from {least / 1e6:,.0f} to {most / 1e6:,.0f} million MACs", strong=True),
        Piece("."),
    )


def _bases(families: Sequence[Family]) -> str:
    bases = dict.fromkeys(family.base for family in families)
    names = {family.name.removesuffix("-b").removesuffix("-lite") for family in families}
    if len(bases) > 1:
        return f"{len(bases)} bases"
    return names.pop() if len(names) == 1 else "one base"
