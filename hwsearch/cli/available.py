"""What can be measured on this machine, and what is shipped."""

from __future__ import annotations

from typing import Any

from hwsearch.errors import HwsearchError
from hwsearch.latency_table import SUFFIX, load_table
from hwsearch.runtimes import TARGETS, RuntimeOptions, open_runtime
from hwsearch.shipped import shipped_folder, shipped_names


def target_states() -> list[dict[str, Any]]:
    """Every target: whether it runs here, with its setup or the reason why not."""
    return [_state(name) for name in TARGETS]


def _state(name: str) -> dict[str, Any]:
    state = {"target": name, "description": TARGETS[name].description, "available": False, "setup": None, "why": ""}
    if name == "command":
        return {**state, "available": True}
    try:
        runtime = open_runtime(name, RuntimeOptions())
    except HwsearchError as error:
        return {**state, "why": str(error)}
    return {**state, "available": True, "setup": runtime.setup.label}


def shipped_tables() -> list[dict[str, Any]]:
    """Every shipped latency table with its setup and its held-out error."""
    found = []
    for name in shipped_names("latency_tables", SUFFIX):
        table = load_table(shipped_folder("latency_tables") / f"{name}{SUFFIX}")
        found.append(
            {
                "name": name,
                "ops": len(table.ops),
                "setup": table.setup.label,
                "mape": table.fidelity.mape if table.fidelity else None,
                "source": table.source,
            }
        )
    return found
