"""What ``hwsearch scale`` needs beyond the library: a base, a list of phis, files."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from hwsearch.coefficients import STYLES
from hwsearch.errors import HwsearchError, InputError, nearest_name
from hwsearch.family import SUFFIX, Family, save_family
from hwsearch.networks import find_network
from hwsearch.preset import SUFFIX as PRESET_SUFFIX
from hwsearch.preset import Preset, reference_preset, save_preset
from hwsearch.run_directory import RunDirectory
from hwsearch.scaling import Law, scale_family

if TYPE_CHECKING:
    from hwsearch.coefficients import Source, Style

RUNS = Path("runs")
"""Where ``hwsearch run`` puts a run that was given no place."""
MAX_PHIS = 64


@dataclass(frozen=True, slots=True)
class Base:
    """The network to scale."""

    preset: Preset
    said: str = ""
    """How it was come by, where the user did not name it."""
    run: RunDirectory | None = None
    """The run that found it: its table and its measurements say what members take."""

    def with_known(self, families: list[Family]) -> list[Family]:
        """The families with the latency of those members that the run has measured."""
        if self.run is None or not self.run.measured.exists():
            return families
        from hwsearch.family_latency import with_measurements
        from hwsearch.profiling.measurement import load_measurement

        measurement = load_measurement(self.run.measured)
        return [with_measurements(family, measurement) for family in families]


def base_network(net: str | None) -> Base:
    """The base to scale: NET, else the newest run's winner, else EfficientNet-B0."""
    if net is not None:
        preset = find_network(net)
        run = RunDirectory(Path(net.strip().partition(":")[0]))
        return Base(preset, run=run if run.config.exists() else None)
    summaries = sorted(RUNS.glob("*/summary.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in summaries:
        try:
            preset = find_network(str(path.parent))
        except HwsearchError:
            continue
        return Base(preset, f" (the winner of {path.parent})", RunDirectory(path.parent))
    return Base(reference_preset("efficientnet-b0"), " (no finished run here)")


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


def styles_of(style: str) -> tuple[Style, ...]:
    """``b``, ``lite`` or ``both``, as the styles that are meant."""
    known = (*STYLES, "both")
    if style not in known:
        raise InputError(f"--style {style[:40]}", allowed=", ".join(known), nearest=nearest_name(style, known))
    return STYLES if style == "both" else (cast("Style", style),)


def scaled_families(
    base: Preset, phis: list[float], laws: Mapping[Style, Law], source: Source, notes: Mapping[Style, str]
) -> list[Family]:
    """One family a style, each by its law, with a note of how that was come by."""
    families = []
    for style, law in laws.items():
        family = scale_family(base.architecture, phis, style, law, coefficients=source, base_name=base.name)
        families.append(dataclasses.replace(family, law_note=notes.get(style, "")))
    return families


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
