"""How much wider, deeper and finer a scaled network is: the compound law, and the tables that were published.

The law (EfficientNet, arXiv 1905.11946, section 3.3): depth grows as alpha^phi, width as beta^phi, resolution as
gamma^phi, and MACs as (alpha * beta² * gamma²)^phi, which is to be about 2^phi. The published B and Lite networks do
not obey it: their coefficients are tables rounded by hand. Both are here, as data, under their own names.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, get_args

from hwsearch.errors import InputError, nearest_name

Style = Literal["b", "lite"]
"""``b``: everything scales. ``lite``: no squeeze-excite, relu6; stem, head and the repeats of both ends stay."""
STYLES: tuple[Style, ...] = get_args(Style)

Source = Literal["law", "published"]
"""Where coefficients come from: the compound law at a phi, or row number phi of the published table."""
SOURCES: tuple[Source, ...] = get_args(Source)

MAX_COEFFICIENT = 64.0
MAX_PHI = 32.0
TARGET_GROWTH = 2.0
GROWTH_TOLERANCE = 0.1
"""The paper's own choice, 1.2 * 1.1² * 1.15² = 1.92, is 4 % below 2; beyond 10 % a law says so."""

BASE_RESOLUTION = 224
"""Input side of the network that the published tables scale, pixels."""


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Factors on a base network, before any rounding; 1.0 leaves that dimension exactly as it is."""

    width: float = 1.0
    depth: float = 1.0
    resolution: float = 1.0
    """Factor on the side of the input (not pixels)."""

    def __post_init__(self) -> None:
        for name in ("width", "depth", "resolution"):
            value = _number(f"{name} coefficient", getattr(self, name))
            if not 1 / MAX_COEFFICIENT <= value <= MAX_COEFFICIENT:
                raise InputError(
                    f"the {name} coefficient {value:g} is out of range",
                    allowed=f"{1 / MAX_COEFFICIENT:g} to {MAX_COEFFICIENT:g}",
                )

    @property
    def growth(self) -> float:
        """What the MACs grow by if nothing is rounded: depth * width² * resolution². The rounded network differs."""
        return self.depth * self.width**2 * self.resolution**2


@dataclass(frozen=True, slots=True)
class Law:
    """The compound law. ``alpha``, ``beta`` and ``gamma`` are the growth of depth, width and resolution at phi = 1."""

    alpha: float = 1.2
    beta: float = 1.1
    gamma: float = 1.15

    def __post_init__(self) -> None:
        for name in ("alpha", "beta", "gamma"):
            value = _number(name, getattr(self, name))
            if not 1.0 <= value <= MAX_COEFFICIENT:
                raise InputError(f"{name} is {value:g}", where="scaling law", allowed=f"1 to {MAX_COEFFICIENT:g}")

    @property
    def growth(self) -> float:
        """Growth of the MACs at each step of phi, before rounding."""
        return self.coefficients(1).growth

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know before using this law: empty when one step doubles the MACs within 10 %."""
        if abs(self.growth / TARGET_GROWTH - 1) <= GROWTH_TOLERANCE:
            return ()
        return (f"alpha * beta² * gamma² is {self.growth:.3g}, not about 2: one step of phi does not double the MACs",)

    def coefficients(self, phi: float) -> Coefficients:
        """The coefficients at ``phi``: any finite number within ±32, fractional and negative (smaller) ones too."""
        phi = check_phi(phi)
        return Coefficients(width=self.beta**phi, depth=self.alpha**phi, resolution=self.gamma**phi)


@dataclass(frozen=True, slots=True)
class PublishedCoefficients:
    """One row of a published table, for a base network of 224 pixels."""

    width: float
    depth: float
    resolution: int
    """Input side, pixels."""
    dropout_rate: float

    @property
    def coefficients(self) -> Coefficients:
        """The row as factors; on a base of 224 pixels they give the published resolution exactly."""
        return Coefficients(self.width, self.depth, self.resolution / BASE_RESOLUTION)


# The authors' code, efficientnet_builder.py and efficientnet_lite_builder.py, `efficientnet(_lite)_params`.
PUBLISHED_B: Final = MappingProxyType(
    {
        "b0": PublishedCoefficients(1.0, 1.0, 224, 0.2),
        "b1": PublishedCoefficients(1.0, 1.1, 240, 0.2),
        "b2": PublishedCoefficients(1.1, 1.2, 260, 0.3),
        "b3": PublishedCoefficients(1.2, 1.4, 300, 0.3),
        "b4": PublishedCoefficients(1.4, 1.8, 380, 0.4),
        "b5": PublishedCoefficients(1.6, 2.2, 456, 0.4),
        "b6": PublishedCoefficients(1.8, 2.6, 528, 0.5),
        "b7": PublishedCoefficients(2.0, 3.1, 600, 0.5),
    }
)
"""EfficientNet B0-B7 by name."""

PUBLISHED_LITE: Final = MappingProxyType(
    {
        "lite0": PublishedCoefficients(1.0, 1.0, 224, 0.2),
        "lite1": PublishedCoefficients(1.0, 1.1, 240, 0.2),
        "lite2": PublishedCoefficients(1.1, 1.2, 260, 0.3),
        "lite3": PublishedCoefficients(1.2, 1.4, 280, 0.3),
        "lite4": PublishedCoefficients(1.4, 1.8, 300, 0.3),
    }
)
"""EfficientNet-Lite 0-4 by name; to be scaled in the style ``lite``."""


def published(style: Style, phi: float) -> tuple[str, PublishedCoefficients]:
    """Name and row number ``phi`` of the style's published table: phi 3 is ``b3`` or ``lite3``.

    The number counts rows; it is not the law's phi (B3 lies near the law's phi 2, B7 near 7). InputError when there is
    no such row: the table has no rows between, and none below.
    """
    table = PUBLISHED_B if check_style(style) == "b" else PUBLISHED_LITE
    phi = check_phi(phi)
    name = f"{style}{phi:g}"
    if name not in table:
        raise InputError(
            f"the published table of style {style!r} has no row {phi:g}",
            where="phi",
            allowed=f"whole numbers 0 to {len(table) - 1}; the law takes any phi",
        )
    return name, table[name]


def check_style(style: str) -> Style:
    """The style, if it is one; InputError with the nearest otherwise."""
    for known in STYLES:
        if style == known:
            return known
    raise InputError(f"no scaling style is called {style!r}", allowed="b, lite", nearest=nearest_name(style, STYLES))


def check_phi(phi: float) -> float:
    """A usable phi as a float (minus zero becomes zero); InputError for NaN, infinities and beyond ±32."""
    value = _number("phi", phi)
    if abs(value) > MAX_PHI:
        raise InputError(f"phi is {value:g}", allowed=f"{-MAX_PHI:g} to {MAX_PHI:g}")
    return value + 0.0


def _number(name: str, value: object) -> float:
    # numpy scalars are numbers too, booleans and text are not
    try:
        number = math.nan if isinstance(value, (bool, str, bytes)) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        shown = repr(value)[:40]
        raise InputError(f"{name} is {shown}", allowed="a finite number")
    return number
