"""The command ``run``: the whole story."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hwsearch.cli.options import (
    Batch,
    Budgets,
    Json,
    Output,
    Precision,
    Seconds,
    Seed,
    Space,
    Table,
    Target,
    Threads,
    command_line,
    open_table,
    open_target,
)

if TYPE_CHECKING:
    from hwsearch.latency_table import LatencyTable
    from hwsearch.run_directory import RunDirectory
    from hwsearch.runtimes import Runtime


def run(
    target: Target = None,
    table: Table = None,
    output: Output = None,
    space: Space = "efficientnet-b0",
    budget: Budgets = None,
    threads: Threads = 1,
    batch: Batch = 1,
    precision: Precision = "f32",
    seed: Seed = 0,
    seconds: Seconds = 34.0,
    as_json: Json = False,
) -> None:
    """Tell the whole story: profile, search, measure, scale, export, report.

    The target is cpu unless a table is given: with --table alone nothing is measured. An interrupted run
    goes on where it stopped when its command is repeated.

    \b
    Examples:
      hwsearch run
      hwsearch run --target openvino --budget "params<=6M" -o runs/small
      hwsearch run --table zcu102 -o runs/zcu102
    """
    from hwsearch import console
    from hwsearch.budget import parse_budgets
    from hwsearch.pipeline import Listener, RunSettings
    from hwsearch.pipeline import run as tell
    from hwsearch.profiling.profiler import ProfileSettings
    from hwsearch.run_directory import summary_document
    from hwsearch.space_file import load_space

    chosen = load_space(space)
    budgets = parse_budgets(budget or [])
    profile_settings = ProfileSettings(seed, seconds=seconds, command=command_line())
    runtime, loaded = _source(target, table, threads, batch, precision)
    config = {
        "target": runtime.setup.target if runtime else None,
        "setup": [str(part) for part in (runtime.setup if runtime else loaded.setup).identity],  # type: ignore[union-attr]
        "table": table,
        "space": chosen.name,
        "seed": seed,
        "seconds": seconds,
        "budgets": [each.text for each in budgets],
    }
    directory = _run_directory(output, config)
    settings = RunSettings(chosen, profile_settings, budgets, seed, command=command_line())
    console.say(f"run: {directory.path}")
    with console.ProgressBars() as bars:
        summary = tell(directory, settings, runtime, loaded, Listener(bars.step, bars))
    if as_json:
        console.print_json(summary_document(summary))
    else:
        from hwsearch.cli.summary_table import print_summary

        print_summary(summary)
        console.result(f"report: {directory.report}")
    console.warn(summary.warnings)


def _source(
    target: str | None, table: str | None, threads: int, batch: int, precision: str
) -> tuple[Runtime | None, LatencyTable | None]:
    """What a run measures with and starts from: a target, a table, or both."""
    from hwsearch.profiling.profiler import same_setup

    loaded = open_table(table) if table else None
    if loaded is not None and target is None:
        return None, loaded
    runtime = open_target(target, threads, batch, precision)
    if loaded is not None and table:
        same_setup(loaded, runtime.setup, table)
    return runtime, loaded


def _run_directory(output: Path | None, config: dict[str, Any]) -> RunDirectory:
    """The folder given, or the newest unfinished one of the same run, or a new one."""
    from datetime import UTC, datetime

    from hwsearch.cli.families import RUNS
    from hwsearch.errors import HwsearchError
    from hwsearch.run_directory import RunDirectory
    from hwsearch.winners import plain_name

    if output is not None:
        found = RunDirectory(output)
        found.begin(config)
        return found
    for path in sorted(RUNS.glob("*/run.json"), reverse=True):
        unfinished = RunDirectory(path.parent)
        try:
            if not unfinished.summary.exists() and unfinished.begin(config):
                return unfinished
        except HwsearchError:
            continue
    what = plain_name(str(config["target"] or config["table"]))
    found = RunDirectory(RUNS / f"{datetime.now(UTC).strftime('%Y%m%d-%H%M%S')}-{what}")
    found.begin(config)
    return found
