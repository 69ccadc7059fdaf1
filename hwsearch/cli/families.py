"""What ``hwsearch scale`` needs beyond the library: a base, a list of phis, files."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from hwsearch.architecture import Architecture
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
PROBE_SECONDS = 2.0
"""Time for each network that a search for a law measures."""


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
    base: Preset,
    phis: list[float],
    style: str,
    coefficients: str,
    law: tuple[float, float, float],
    target: str | None = None,
) -> list[Family]:
    """One family a style; with coefficients ``search``, each by the law that is best for it."""
    if target is not None and coefficients != "search":
        raise InputError("--target is for a law searched on a device", allowed="--coefficients search")
    wanted = STYLES if style == "both" else (style,)
    for each in wanted:
        if each not in STYLES:
            known = (*STYLES, "both")
            raise InputError(f"--style {style[:40]}", allowed=", ".join(known), nearest=nearest_name(style, known))
    laws = {
        each: searched_law(base, cast("Style", each), target) if coefficients == "search" else Law(*law)
        for each in wanted
    }
    source = "law" if coefficients == "search" else coefficients
    return [
        scale_family(
            base.architecture,
            phis,
            cast("Style", each),
            laws[each],
            coefficients=cast("Source", source),
            base_name=base.name,
        )
        for each in wanted
    ]


def searched_law(base: Preset, style: Style, target: str | None) -> Law:
    """The step of phi that is predicted to gain most where it doubles the MACs, or the latency on a target."""
    from hwsearch import console
    from hwsearch.scaling_search import best_law, search_laws

    latency_ms = _stopwatch(target) if target else None
    what = f"latency on {target}" if target else "MACs"
    frame = search_laws(base.architecture, style, latency_ms=latency_ms)
    law, first = best_law(frame), frame.iloc[0]
    console.say(
        f"{style}: alpha {law.alpha:g}, beta {law.beta:g}, gamma {law.gamma:g}, of {len(frame)} steps that double the"
        f" {what}; {int(frame['within_error'].sum())} are as good within the law's error. Shares of the growth:"
        f" depth {first['depth_share']:.2f}, width {first['width_share']:.2f},"
        f" resolution {first['resolution_share']:.2f}"
    )
    return law


def _stopwatch(target: str) -> Callable[[Architecture], float]:
    """Latency of a network on a target, ms, each beside the first one asked for, so that drift cancels."""
    from hwsearch.measurement import measure
    from hwsearch.runtimes import RuntimeOptions, open_runtime

    runtime = open_runtime(target, RuntimeOptions())
    first: list[Architecture] = []
    level: list[float] = []

    def latency_ms(architecture: Architecture) -> float:
        if not first:
            first.append(architecture)
            level.append(float(measure(runtime, [architecture], seconds=PROBE_SECONDS).latency_ms[0]))
            return level[0]
        found = measure(runtime, [first[0], architecture], seconds=PROBE_SECONDS).latency_ms
        return float(found[1] / found[0]) * level[0]

    return latency_ms


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
