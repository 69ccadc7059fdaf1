"""Compound scaling: one network becomes a family, in the B style or the Lite style.

Rounding decides what a scaled network costs: ceil() makes B1 of B0 1.78 times the MACs where depth * width² *
resolution² says 1.26. So nothing here multiplies a cost: every figure of a variant is counted on its rounded network.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

from hwsearch.architecture import Architecture, Stage
from hwsearch.coefficients import (
    SOURCES,
    Coefficients,
    Law,
    Source,
    Style,
    check_phi,
    check_style,
    published,
)
from hwsearch.errors import FaultsError, InputError, nearest_name
from hwsearch.family import Family, Variant
from hwsearch.operation import STEM_STRIDE
from hwsearch.preset import PublishedTop1, reference_presets
from hwsearch.rounding import round_channels

DEPTH_DIVISOR = 8
RESOLUTION_STEP = 4
DEFAULT_LAW = Law()

_ULP = 1e-9
"""Slack against products such as 10 * 1.1 = 11.000000000000002, which ceil() must not make 12."""


def round_filters(channels: int, width: float, divisor: int = DEPTH_DIVISOR) -> int:
    """Channels times ``width``, to the nearest multiple of ``divisor`` (half up), never below 90 % of the product.

    As in the authors' code. A width of exactly 1 leaves the channels alone, multiple or not.
    """
    return channels if width == 1 else round_channels(channels, width, divisor)


def round_repeats(repeats: int, depth: float) -> int:
    """Repeats times ``depth``: rounded up when growing; when shrinking to the nearest (half up), at least 1.

    ceil() would undo most of a shrink: TinyNets (arXiv 2010.14819) round instead.
    """
    wanted = repeats * depth
    return math.ceil(wanted - _ULP) if depth >= 1 else max(1, math.floor(wanted + 0.5))


def round_resolution(resolution: int, factor: float) -> int:
    """Pixels times ``factor``, to the nearest multiple of 4 (half up), at least 4; a factor of 1 changes nothing.

    Every published B and Lite resolution is a multiple of 4, and Dollar et al. (arXiv 2103.06877) round to 4 as well.
    """
    if factor == 1:
        return resolution
    return max(RESOLUTION_STEP, math.floor(resolution * factor / RESOLUTION_STEP + 0.5) * RESOLUTION_STEP)


def scale(base: Architecture, style: Style, coefficients: Coefficients) -> Architecture:
    """The network ``base`` scaled. InputError when the result leaves the limits of an architecture.

    ``b`` with coefficients of 1 is the identity. ``lite`` drops squeeze-excite, takes relu6, keeps stem, head and the
    repeats of the first and the last stage; all other channels and repeats, and the resolution, scale.
    """
    lite = check_style(style) == "lite"
    ends = (0, len(base.stages) - 1) if lite else ()
    resolution = round_resolution(base.resolution, coefficients.resolution)
    _check_resolution(base, resolution)
    try:
        return dataclasses.replace(
            base,
            resolution=resolution,
            stem_channels=base.stem_channels if lite else round_filters(base.stem_channels, coefficients.width),
            stages=tuple(_scaled(stage, lite, index in ends, coefficients) for index, stage in enumerate(base.stages)),
            head_channels=base.head_channels if lite else round_filters(base.head_channels, coefficients.width),
            activation="relu6" if lite else base.activation,
        )
    except FaultsError as error:
        raise InputError(f"scaled too far: {error.faults[0]}", where="scaling") from None


def _scaled(stage: Stage, lite: bool, fixed_repeats: bool, coefficients: Coefficients) -> Stage:
    return dataclasses.replace(
        stage,
        out_channels=round_filters(stage.out_channels, coefficients.width),
        num_repeats=stage.num_repeats if fixed_repeats else round_repeats(stage.num_repeats, coefficients.depth),
        se_ratio=0.0 if lite else stage.se_ratio,
    )


def _check_resolution(base: Architecture, resolution: int) -> None:
    reduction = STEM_STRIDE * math.prod(stage.stride for stage in base.stages)
    if resolution < min(reduction, base.resolution):
        raise InputError(
            f"scaled too far: an input of {resolution} pixels is smaller than the network's reduction",
            where="scaling",
            allowed=f"at least {reduction} pixels",
        )


def scale_phi(
    base: Architecture,
    phi: float,
    style: Style,
    law: Law = DEFAULT_LAW,
    *,
    coefficients: Source = "law",
    base_name: str = "network",
) -> Variant:
    """The variant of ``base`` at ``phi``.

    With ``coefficients='law'`` (the default) phi is the exponent of ``law``: any number, negative ones shrink. With
    ``'published'`` phi is the number of a row of the published table: 3 means B3, or Lite3 in the style ``lite``; only
    whole numbers that have a row are taken, and ``law`` is not used. InputError for any number that cannot be used.
    """
    style, phi = check_style(style), check_phi(phi)
    if coefficients == "published":
        row_name, row = published(style, phi)
        name, factors, dropout_rate = f"{base_name.removesuffix('-b0')}-{row_name}", row.coefficients, row.dropout_rate
    elif coefficients == "law":
        name, factors, dropout_rate = f"{base_name}-{style}-phi{phi:g}", law.coefficients(phi), _dropout(style, phi)
    else:
        nearest = nearest_name(str(coefficients), SOURCES)
        raise InputError(f"no coefficients are called {coefficients!r}", allowed="law, published", nearest=nearest)
    architecture = scale(base, style, factors)
    return Variant(
        name,
        style,
        phi,
        factors.width,
        factors.depth,
        factors.resolution,
        architecture,
        dropout_rate,
        coefficients,
        _published_top1(architecture),
    )


def scale_family(
    base: Architecture,
    phis: Iterable[float],
    style: Style,
    law: Law = DEFAULT_LAW,
    *,
    coefficients: Source = "law",
    base_name: str = "network",
) -> Family:
    """The variants of ``base`` at every phi, in the given order (see ``scale_phi``); no phi may occur twice."""
    variants = [scale_phi(base, phi, style, law, coefficients=coefficients, base_name=base_name) for phi in phis]
    if not variants:
        raise InputError("a family without a phi", where="scaling", allowed="one phi or more")
    return Family(f"{base_name}-{style}", base, law if coefficients == "law" else None, tuple(variants))


def _dropout(style: Style, phi: float) -> float:
    # The published rates against the law's phi of each row (0 0.5 1 2 3.5 5 6 7) lie on this line, to one decimal, but
    # for B2 (0.3, here 0.2); Lite stops at 0.3.
    tenths = math.floor(2 + 3 * min(max(phi, 0.0), 7.0) / 7 + 0.5)
    return min(tenths, 3 if style == "lite" else 5) / 10


def _published_top1(architecture: Architecture) -> PublishedTop1 | None:
    found = (preset.published_top1 for preset in reference_presets().values() if preset.architecture == architecture)
    return next(found, None)
