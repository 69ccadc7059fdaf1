"""The search for networks: evolution, then exhaustive neighbourhoods; budgets, checkpoints, seeds."""

from hwsearch.evolution.result import Found, Generation, SearchResult
from hwsearch.evolution.searching import search
from hwsearch.evolution.selection import best_at_most, best_under, fastest_at_least
from hwsearch.evolution.settings import SearchSettings, settings_for
from hwsearch.evolution.steps import Progress

__all__ = [
    "Found",
    "Generation",
    "Progress",
    "SearchResult",
    "SearchSettings",
    "best_at_most",
    "best_under",
    "fastest_at_least",
    "search",
    "settings_for",
]
