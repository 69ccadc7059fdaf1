"""One network becomes a family: the compound scaling, and the search for a law of one's own.

``compound`` scales. ``published_law`` says from published results what a growth gains, ``cost_growth`` what it costs,
``law_search`` looks for the step of phi that gains most at a cost, ``law_judging`` lets an accuracy signal decide;
``law_choice`` does all of it for one base.
"""

from hwsearch.coefficients import (
    PUBLISHED_B,
    PUBLISHED_LITE,
    SOURCES,
    STYLES,
    Coefficients,
    Law,
    PublishedCoefficients,
    Source,
    Style,
    published,
)
from hwsearch.scaling.compound import round_filters, round_repeats, round_resolution, scale, scale_family, scale_phi

__all__ = [
    "PUBLISHED_B",
    "PUBLISHED_LITE",
    "SOURCES",
    "STYLES",
    "Coefficients",
    "Law",
    "PublishedCoefficients",
    "Source",
    "Style",
    "published",
    "round_filters",
    "round_repeats",
    "round_resolution",
    "scale",
    "scale_family",
    "scale_phi",
]
