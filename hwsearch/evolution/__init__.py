"""The search for networks: evolution, then exhaustive neighbourhoods; budgets, checkpoints, seeds."""

from hwsearch.evolution.result import Found, Generation, SearchResult
from hwsearch.evolution.search import Progress, best_at_most, best_under, fastest_at_least, search
from hwsearch.evolution.settings import SearchSettings, settings_for

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
