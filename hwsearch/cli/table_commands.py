"""Commands about latency tables: ``targets``, ``profile``, ``validate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwsearch.cli.options import (
    Batch,
    Json,
    Output,
    Precision,
    Seconds,
    Seed,
    Space,
    Target,
    Threads,
    command_line,
    default_table_path,
    open_table,
    open_target,
)

if TYPE_CHECKING:
    from hwsearch.latency_table import LatencyTable, Session
    from hwsearch.profiling.profiler import Planned, ProfileSettings
    from hwsearch.runtimes import Runtime


def targets(as_json: Json = False) -> None:
    """Show what can be measured here, what is shipped, and what is missing to have the rest.

    \b
    Examples:
      hwsearch targets
      hwsearch targets --json
    """
    from hwsearch import console
    from hwsearch.cli.available import shipped_tables, target_states

    states, tables = target_states(), shipped_tables()
    if as_json:
        console.print_json({"targets": states, "tables": tables})
        return
    console.print_table(
        ["target", "here", "what"],
        [[each["target"], "yes" if each["available"] else "no", each["why"] or each["description"]] for each in states],
        (0, 1, 2),
    )
    if tables:
        console.print_table(
            ["shipped table", "ops", "MAPE", "setup"],
            [[t["name"], str(t["ops"]), console.share(t["mape"]), t["setup"]] for t in tables],
            (0, 3),
        )


def profile(
    target: Target = "cpu",
    space: Space = "efficientnet-b0",
    threads: Threads = 1,
    batch: Batch = 1,
    precision: Precision = "f32",
    seed: Seed = 0,
    covers: Annotated[int, typer.Option(metavar="N", help="how often every op is met")] = 3,
    held_out: Annotated[int, typer.Option(metavar="N", help="random networks kept for validation")] = 24,
    seconds: Seconds = 34.0,
    networks: Annotated[
        list[str] | None,
        typer.Option(
            "--networks",
            metavar="NET",
            help="extend the table -o to the ops of these networks, or families' files: with commas; repeatable",
        ),
    ] = None,
    output: Output = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite an existing table")] = False,
    as_json: Json = False,
) -> None:
    """Measure the latency table of a target: every op of a space, in context, in about a minute.

    With --networks, an existing table is extended to the ops of those networks instead. An interrupted
    profile goes on where it stopped when the command is repeated.

    \b
    Examples:
      hwsearch profile --target cpu -o cpu.json
      hwsearch profile --target openvino --precision int8 -o int8.json
      hwsearch profile --target cpu --networks families/b0/efficientnet-b0-b.family.json -o cpu.json
    """
    from hwsearch import console
    from hwsearch.latency_table import save_table
    from hwsearch.profiling.profiler import ProfileSettings, drop_finished, journal_of
    from hwsearch.profiling.profiler import profile as measure_table

    settings = ProfileSettings(seed, covers, held_out, seconds, command_line())
    runtime = open_target(target, threads, batch, precision)
    path = output or default_table_path(runtime.setup)
    planned, earlier = _plan(path, runtime, settings, space, networks or [], force)
    drop_finished(journal_of(path), path)
    console.say(f"profiling {len(planned)} networks on {runtime.setup.label}")
    with console.ProgressBars() as bars:
        table = measure_table(
            runtime, planned, settings, journal_of(path), name=path.stem, earlier=earlier, on_progress=bars
        )
    save_table(table, path)
    journal_of(path).unlink(missing_ok=True)
    if as_json:
        console.print_json(_table_summary(table, path))
    else:
        _print_table_summary(table, path)
    console.warn(table.warnings)


def _plan(
    path: Path, runtime: Runtime, settings: ProfileSettings, space: str, networks: list[str], force: bool
) -> tuple[tuple[Planned, ...], tuple[Session, ...]]:
    """What is to be measured, and the sessions of the table that it extends."""
    from hwsearch.errors import InputError
    from hwsearch.latency_table import load_table
    from hwsearch.networks import find_networks
    from hwsearch.profiling.profiler import plan, plan_networks, same_setup
    from hwsearch.space_file import load_space

    if not networks:
        if path.exists() and not force:
            raise InputError(
                "exists already", where=str(path), next_command="--force to measure it anew, or another -o"
            )
        return plan(load_space(space), settings, has_profiler=runtime.has_profiler), ()
    added = plan_networks(
        [preset.architecture for preset in find_networks([name for each in networks for name in each.split(",")])]
    )
    if not path.exists():
        whole = plan(load_space(space), settings, has_profiler=runtime.has_profiler)
        return tuple(dict.fromkeys((*whole, *added))), ()
    table = load_table(path)
    same_setup(table, runtime.setup, str(path))
    if not runtime.has_profiler or not table.sessions:
        raise InputError(
            "cannot be extended: it has no profiled evidence", where=str(path), next_command="hwsearch profile --force"
        )
    return added, table.sessions


def _table_summary(table: LatencyTable, path: Path) -> dict[str, Any]:
    from hwsearch.latency_table import fidelity_document, setup_document

    return {
        "table": str(path),
        "setup": setup_document(table.setup),
        "ops": len(table.ops),
        "seconds": round(sum(session.seconds for session in table.sessions), 1),
        "fidelity": fidelity_document(table.fidelity) if table.fidelity else None,
        "warnings": list(table.warnings),
    }


def _print_table_summary(table: LatencyTable, path: Path) -> None:
    from hwsearch import console

    seconds = sum(session.seconds for session in table.sessions)
    console.result(f"{len(table.ops)} ops of {table.setup.label}, measured in {seconds:.0f} s")
    if table.fidelity is not None:
        console.result(fidelity_line(table.fidelity))
    console.result(f"table: {path}")


def fidelity_line(found: Any) -> str:  # noqa: ANN401 - a Fidelity; the type is imported lazily
    """A validation in one line."""
    from hwsearch.console import share

    floor = found.noise_floor
    noise = f"; noise floor of the same rounds: MAPE {share(floor.mape)}, ±5 % {share(floor.within_5)}" if floor else ""
    return (
        f"{found.networks} held-out networks: MAPE {share(found.mape)}, ±5 % {share(found.within_5)},"
        f" ±10 % {share(found.within_10)}, Kendall tau {found.kendall_tau:.3f}{noise}"
    )


def validate(
    table: Annotated[str, typer.Argument(metavar="TABLE", help="a latency table: a file or a shipped name")],
    networks: Annotated[int, typer.Option("--networks", metavar="N", help="fresh random networks")] = 50,
    space: Space = "efficientnet-b0",
    seed: Seed = 1000,
    seconds: Seconds = 34.0,
    as_json: Json = False,
) -> None:
    """Compare predicted with measured latency on fresh random networks, beside the noise floor.

    \b
    Examples:
      hwsearch validate cpu.json
      hwsearch validate cpu.json --networks 100 --seed 7 --json
    """
    import numpy as np

    from hwsearch import console
    from hwsearch.errors import InputError, UnavailableError
    from hwsearch.estimate import TableEstimator
    from hwsearch.latency_table import fidelity_document
    from hwsearch.profiling.profiler import Progress, same_setup
    from hwsearch.profiling.validation import validate as put_to_test
    from hwsearch.space_file import load_space

    if not 2 <= networks <= 10_000:
        raise InputError(f"{networks} networks", allowed="2..10000")
    loaded, chosen = open_table(table), load_space(space)
    setup = loaded.setup
    if setup.precision == "unstated":
        raise UnavailableError(f"the table holds measurements of others, on {setup.device.name}", where=table)
    runtime = open_target(setup.target, max(1, setup.threads), max(1, setup.batch), setup.precision)
    same_setup(loaded, runtime.setup, table)
    drawn = [chosen.decode(row) for row in chosen.sample(networks, np.random.default_rng([seed, 3]))]
    with console.ProgressBars() as bars:
        found = put_to_test(
            runtime,
            TableEstimator(loaded, table),
            drawn,
            seconds=seconds,
            seed=seed,
            on_progress=lambda done, total: bars(Progress("timing networks", done, total)),
        )
    level = found.measurement.level
    if as_json:
        document = {**fidelity_document(found.fidelity), "level": round(level, 4), "setup": setup.label}
        console.print_json({**document, "warnings": list(found.measurement.warnings)})
    else:
        console.result(fidelity_line(found.fidelity).replace("held-out", "fresh random"))
        console.result(f"level: the machine is {level:.3f} x as slow as when the table was measured (taken out)")
    console.warn(found.measurement.warnings)


def merge(
    tables: Annotated[list[str], typer.Argument(metavar="TABLE", help="two or more tables of one setup")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="TABLE", help="where to write")],
    force: Annotated[bool, typer.Option("--force", help="overwrite an existing table")] = False,
) -> None:
    """Join tables that were measured on one setup, and solve them together from their evidence.

    \b
    Examples:
      hwsearch merge monday.json tuesday.json -o both.json
    """
    from hwsearch.errors import InputError
    from hwsearch.latency_table import save_table
    from hwsearch.profiling.in_context import merge as join

    if len(tables) < 2:
        raise InputError("one table is nothing to merge", allowed="two or more")
    if output.exists() and not force:
        raise InputError("exists already", where=str(output), next_command="--force to overwrite it, or another -o")
    table = join(output.stem, [open_table(name) for name in tables])
    save_table(table, output)
    _print_table_summary(table, output)


def fit_tables(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Accel-NASBench's results as a CSV")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR")] = Path("latency_tables"),
) -> None:
    """Solve the shipped tables of public devices from Accel-NASBench's measurements."""
    from hwsearch import console
    from hwsearch.latency_table import SUFFIX, save_table
    from hwsearch.profiling.public_tables import fit_tables as solve_tables

    for name, table in solve_tables(data, lambda name: console.say(f"solving {name}")).items():
        path = output / f"{name}{SUFFIX}"
        save_table(table, path)
        assert table.fidelity is not None, "fit_tables judges every table"
        console.result(f"{path}: {fidelity_line(table.fidelity)}")
