"""The options that commands share, each defined once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from hwsearch.cli import completion

if TYPE_CHECKING:
    from hwsearch.device import Setup
    from hwsearch.estimate import TableEstimator
    from hwsearch.latency_table import LatencyTable
    from hwsearch.runtimes import Runtime

Net = Annotated[
    str,
    typer.Argument(
        metavar="NET",
        help="a preset's name, a preset file, a run, or the text form",
        autocompletion=completion.networks,
    ),
]
Nets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NET",
        help="preset names, preset or family files, runs, or text forms",
        autocompletion=completion.networks,
    ),
]
NetFile = Annotated[Path | None, typer.Option("--file", metavar="NETS.txt", help="one network a line")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON document")]
Space = Annotated[
    str,
    typer.Option(
        "--space", metavar="S", help="a shipped search space, or a YAML file", autocompletion=completion.spaces
    ),
]
Target = Annotated[
    str | None,
    typer.Option(
        "--target", metavar="T", help="where networks run; see hwsearch targets", autocompletion=completion.targets
    ),
]
Table = Annotated[
    str | None,
    typer.Option(
        "--table",
        metavar="TABLE",
        help="a latency table: a file or a shipped name",
        autocompletion=completion.tables,
    ),
]
Threads = Annotated[int, typer.Option("--threads", metavar="N", help="threads of the runtime")]
Batch = Annotated[int, typer.Option("--batch", metavar="N", help="images in one inference")]
Precision = Annotated[str, typer.Option("--precision", metavar="P", help="f32, f16, bf16 or int8")]
Budgets = Annotated[
    list[str] | None,
    typer.Option("--budget", metavar="'METRIC<=VALUE'", help="e.g. 'latency_ms<=8', 'flops<=400M'; repeatable"),
]
Seed = Annotated[int, typer.Option("--seed", metavar="K", min=0, help="the same seed gives the same result")]
Seconds = Annotated[float, typer.Option("--seconds", metavar="S", help="time for the timing rounds")]
Dask = Annotated[
    str | None, typer.Option("--dask", metavar="ADDRESS", help="evaluate commands on the workers of a Dask scheduler")
]
DaskResource = Annotated[
    list[str] | None,
    typer.Option("--dask-resource", metavar="NAME=N", help="what an evaluation needs of a worker, e.g. board=1"),
]
Output = Annotated[Path | None, typer.Option("-o", "--output", metavar="PATH", help="where to write")]


def open_target(target: str | None, threads: int, batch: int, precision: str) -> Runtime:
    """The runtime that the options ask for; without a target, this CPU."""
    from hwsearch.device import Precision as PrecisionName
    from hwsearch.runtimes import RuntimeOptions, open_runtime

    options = RuntimeOptions(threads, batch, cast(PrecisionName, precision))
    return open_runtime("cpu" if target is None else target, options)


def default_table_path(setup: Setup) -> Path:
    """Where a table goes that was given no place: ``<target>-<precision>.json`` in this folder."""
    return Path(f"{setup.target.replace(':', '-')}-{setup.precision}.json")


def open_table(name: str) -> LatencyTable:
    """The table that the option asks for."""
    from hwsearch.latency_table import find_table, load_table

    return load_table(find_table(name))


def open_estimator(name: str | None) -> TableEstimator | None:
    """The estimator of a table; None without one."""
    if name is None:
        return None
    from hwsearch.estimate import TableEstimator
    from hwsearch.latency_table import find_table, load_table

    path = find_table(name)
    return TableEstimator(load_table(path), name)


def command_line() -> str:
    """The command as it was typed, for the record."""
    import shlex
    import sys

    return shlex.join(["hwsearch", *sys.argv[1:]])
