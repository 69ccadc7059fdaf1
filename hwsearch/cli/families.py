"""What ``hwsearch scale`` needs beyond the library: a base, a list of phis, files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, cast

from hwsearch.coefficients import STYLES
from hwsearch.errors import HwsearchError, InputError, nearest_name
from hwsearch.family import SUFFIX, Family, save_family
from hwsearch.networks import find_network
from hwsearch.preset import SUFFIX as PRESET_SUFFIX
from hwsearch.preset import Preset, reference_preset, save_preset
from hwsearch.scaling import Law, scale_family

if TYPE_CHECKING:
    from hwsearch.coefficients import Source, Style

RUNS = Path("runs")
"""Where ``hwsearch run`` puts a run that was given no place."""
MAX_PHIS = 64


def base_network(net: str | None) -> tuple[Preset, str]:
    """The base to scale, and how it was come by: NET, else the newest run's winner, else EfficientNet-B0."""
    if net is not None:
        return find_network(net), ""
    summaries = sorted(RUNS.glob("*/summary.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in summaries:
        try:
            return find_network(str(path.parent)), f" (the winner of {path.parent})"
        except HwsearchError:
            continue
    return reference_preset("efficientnet-b0"), " (no finished run here)"


def parse_phis(text: str) -> list[float]:
    """``3``, ``0,1,2`` or ``0:7`` (both ends included, steps of 1) as numbers."""
    found: list[float] = []
    for part in text.split(","):
        first, colon, last = part.partition(":")
        low = _number(first, text)
        high = _number(last, text) if colon else low
        if high < low or high - low > MAX_PHIS:
            raise InputError(f"--phi {text[:40]}: a range from {low:g} to {high:g}", allowed="e.g. 0:7")
        found += [low + step for step in range(math.floor(high - low + 1e-9) + 1)]
    if len(found) > MAX_PHIS:
        raise InputError(f"--phi {text[:40]}: {len(found)} values", allowed=f"at most {MAX_PHIS}")
    return list(dict.fromkeys(found))


def _number(text: str, whole: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise InputError(f"--phi {whole[:40]!r} is no number", allowed="3, 0.5, 0,1,2 or 0:7") from None
    if not math.isfinite(value):
        raise InputError(f"--phi {whole[:40]!r} is not finite")
    return value


def scaled_families(
    base: Preset, phis: list[float], style: str, coefficients: str, law: tuple[float, float, float]
) -> list[Family]:
    """One family a style."""
    wanted = STYLES if style == "both" else (style,)
    for each in wanted:
        if each not in STYLES:
            known = (*STYLES, "both")
            raise InputError(f"--style {style[:40]}", allowed=", ".join(known), nearest=nearest_name(style, known))
    return [
        scale_family(
            base.architecture,
            phis,
            cast("Style", each),
            Law(*law),
            coefficients=cast("Source", coefficients),
            base_name=base.name,
        )
        for each in wanted
    ]


def write_families(families: list[Family], folder: Path) -> list[Path]:
    """The family files, and a preset file for every variant."""
    files = []
    for family in families:
        path = folder / f"{family.name}{SUFFIX}"
        save_family(family, path)
        files.append(path)
        for variant in family.variants:
            path = folder / f"{variant.name}{PRESET_SUFFIX}"
            save_preset(variant.preset(), path)
            files.append(path)
    return files
