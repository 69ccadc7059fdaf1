"""Names for devices that stand side by side: as short as tells them apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hwsearch.device import Setup
from hwsearch.errors import InputError
from hwsearch.report.wording import batch, precision, runtime_name


def labels_of(runs: Sequence[tuple[Path, Setup | None]]) -> list[str]:
    """One label a run, by its folder and setup; InputError where two runs are of one and the same setup."""
    setups: list[Setup] = []
    for folder, setup in runs:
        if setup is None:
            raise InputError(
                "names no device: it was searched without a latency table",
                where=str(folder),
                next_command="hwsearch search --table TABLE -o RUN",
            )
        known = [index for index, each in enumerate(setups) if each.identity == setup.identity]
        if known:
            what = f"of the same device and setup as {runs[known[0]][0]} ({setup.label})"
            raise InputError(what, where=str(folder), allowed="one run a setup")
        setups.append(setup)
    found = [_details(setup, 1) for setup in setups]
    for depth in range(2, 7):
        if len(set(found)) == len(found):
            break
        found = [_details(setup, depth) for setup in setups]
    return found


def _details(setup: Setup, depth: int) -> str:
    threads = f"{setup.threads} thread{'s' * (setup.threads != 1)}" if setup.threads else ""
    parts = (
        setup.device.name,
        runtime_name(setup),
        precision(setup.precision),
        threads,
        batch(setup.batch),
        setup.target,
    )
    return ", ".join(filter(None, parts[:depth]))
