"""Commands about a search: ``search``, ``report``, ``accuracy fit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwsearch.cli import completion
from hwsearch.cli.options import (
    Batch,
    Budgets,
    Dask,
    DaskResource,
    Json,
    Output,
    Precision,
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
    from hwsearch.accuracy import AccuracySignal
    from hwsearch.estimate import TableEstimator
    from hwsearch.evolution import SearchSettings
    from hwsearch.evolution.certify import Certificate
    from hwsearch.executor import Executor
    from hwsearch.latency_table import LatencyTable
    from hwsearch.run_directory import RunDirectory, Summary
    from hwsearch.search_space import SearchSpace
    from hwsearch.winners import Question

TABLES_HELP = "a latency table: a file or a shipped name; several with commas"
Tables = Annotated[
    str | None, typer.Option("--table", metavar="TABLE", help=TABLES_HELP, autocompletion=completion.tables)
]
OBJECTIVE_HELP = "what the front trades off; repeatable"
Objectives = Annotated[list[str] | None, typer.Option("--objective", metavar="METRIC", help=OBJECTIVE_HELP)]
ACCURACY_HELP = "imagenet; naswot, synflow, zen or grad-norm; a fitted FILE.npz; table:FILE.csv; command:FILE; or none"
Accuracy = Annotated[str, typer.Option("--accuracy", metavar="SIGNAL", help=ACCURACY_HELP)]
CERTIFY_HELP = "prove how much better than the best any network of the space could be predicted"
Certify = Annotated[bool, typer.Option("--certify", help=CERTIFY_HELP)]
CertifySeconds = Annotated[
    float, typer.Option("--certify-seconds", metavar="S", help="time for the proof, which may end sooner")
]
Evaluations = Annotated[
    int | None, typer.Option("--evaluations", metavar="N", min=4, help="networks to score, for a slow signal")
]


def search(
    context: typer.Context,
    space: Space = "efficientnet-b0",
    table: Tables = None,
    target: Target = None,
    budget: Budgets = None,
    objective: Objectives = None,
    accuracy: Accuracy = "imagenet",
    evaluations: Evaluations = None,
    threads: Threads = 1,
    batch: Batch = 1,
    precision: Precision = "f32",
    seed: Seed = 0,
    certify: Certify = False,
    certify_seconds: CertifySeconds = 60.0,
    dask: Dask = None,
    dask_resource: DaskResource = None,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Search a space for the best network under budgets, and the front of what it trades off.

    \b
    Examples:
      hwsearch search --table a100
      hwsearch search --table cpu.json --budget "latency_ms<=5" --budget "params<=6M" -o runs/five
      hwsearch search --table a100 --budget "flops<=400M" --certify
      hwsearch search --table cpu.json --accuracy zen --evaluations 300
    """
    import dataclasses

    from hwsearch import console
    from hwsearch.budget import parse_budgets
    from hwsearch.cli.certificate import certificate_of, refuse_uncertifiable
    from hwsearch.cli.executors import executor_for_signal
    from hwsearch.estimate import TableEstimator
    from hwsearch.pipeline import Listener, search_summary
    from hwsearch.space_file import load_space
    from hwsearch.winners import Question

    chosen = load_space(space)
    first, *more = table.split(",") if table else [None]
    others = tuple(TableEstimator(open_table(name), name) for name in more if name)
    if not others:
        parse_budgets(budget or [])  # refused before anything is measured
    signal = _signal_for(chosen, accuracy, output, executor_for_signal(context, accuracy, dask, dask_resource or []))
    if certify:
        refuse_uncertifiable(signal, certify_seconds)
        _refuse_several(others)
    loaded = _table_for(first, target, chosen, threads, batch, precision)
    estimator = TableEstimator(loaded, first or "") if loaded else None
    question = Question(chosen, estimator, signal, objectives=tuple(objective or ()), seed=seed, others=others)
    question = _with_budgets(question, budget or [], _settings_for(evaluations, signal))
    directory = _search_directory(output, question, table) if output else None
    if directory is not None:
        question = dataclasses.replace(question, checkpoint=directory.checkpoint)
    with console.ProgressBars() as bars:
        summary = search_summary(question, loaded, command_line(), Listener(on_progress=bars))
    if directory is not None:
        _save_search(directory, summary, loaded)
    certificate = certificate_of(question, summary, certify_seconds) if certify else None
    _tell_search(summary, certificate, directory, as_json)


def _with_budgets(question: Question, budgets: list[str], settings: SearchSettings) -> Question:
    """With several tables, a latency budget names one of them."""
    import dataclasses

    from hwsearch.budget import METRICS, parse_budgets
    from hwsearch.winners import make_scorer

    metrics = make_scorer(question).metrics if question.others else METRICS
    return dataclasses.replace(question, budgets=parse_budgets(budgets, metrics), settings=settings)


def _refuse_several(others: tuple[TableEstimator, ...]) -> None:
    from hwsearch.errors import InputError

    if others:
        raise InputError("--certify proves the answer under one latency table", allowed="one --table")


def _tell_search(
    summary: Summary, certificate: Certificate | None, directory: RunDirectory | None, as_json: bool
) -> None:
    from hwsearch import console

    if as_json:
        proof = {"certificate": certificate.to_document()} if certificate else {}
        console.print_json(_search_document(summary) | proof)
    else:
        from hwsearch.cli.summary_table import print_summary

        print_summary(summary)
        if certificate is not None:
            console.result(f"certificate ({certificate.seconds:.0f} s): {certificate.statement}")
        if directory is not None:
            console.result(f"run: {directory.path}  (hwsearch report {directory.path})")
    console.warn(summary.warnings)


def _signal_for(
    space: SearchSpace, accuracy: str, output: Path | None, executor: Executor | None
) -> AccuracySignal | None:
    """The signal asked for; a space outside its domain is refused here, before anything is profiled."""
    from hwsearch.accuracy import load_signal
    from hwsearch.run_directory import RunDirectory
    from hwsearch.winners import Question, make_scorer

    if accuracy == "none":
        return None
    signal = load_signal(accuracy, journal=RunDirectory(output).trained if output else None, executor=executor)
    make_scorer(Question(space, None, signal))
    return signal


def _settings_for(evaluations: int | None, signal: AccuracySignal | None) -> SearchSettings:
    """What a search tries: as much as it is told to, or as the signal can bear."""
    from hwsearch.evolution import SearchSettings, settings_for

    wanted = signal.search_evaluations if evaluations is None and signal is not None else evaluations
    return SearchSettings() if wanted is None else settings_for(wanted)


def _table_for(
    table: str | None,
    target: str | None,
    space: SearchSpace,
    threads: int,
    batch: int,
    precision: str,
) -> LatencyTable | None:
    """The table given; or the target's, measured now unless it lies here already; or none."""
    from hwsearch import console
    from hwsearch.latency_table import load_table, save_table
    from hwsearch.profiling.profiler import ProfileSettings, journal_of, plan, profile, same_setup

    if table is not None or target is None:
        return open_table(table) if table else None
    runtime = open_target(target, threads, batch, precision)
    path = default_table_path(runtime.setup)
    if path.exists():
        found = load_table(path)
        same_setup(found, runtime.setup, str(path))
        console.say(f"table: {path} (of {found.setup.label}; hwsearch profile --force measures it anew)")
        return found
    settings = ProfileSettings(command=command_line())
    console.say(f"no table was given: profiling {space.name} on {runtime.setup.label}")
    planned = plan(space, settings, has_profiler=runtime.has_profiler)
    with console.ProgressBars() as bars:
        found = profile(runtime, planned, settings, journal_of(path), name=path.stem, on_progress=bars)
    save_table(found, path)
    journal_of(path).unlink(missing_ok=True)
    console.say(f"table: {path}")
    return found


def _search_directory(output: Path, question: Question, table: str | None) -> RunDirectory:
    from hwsearch.run_directory import RunDirectory

    directory = RunDirectory(output)
    budgets = [budget.text for budget in question.budgets]
    directory.begin({"search": question.space.name, "table": table, "seed": question.seed, "budgets": budgets})
    return directory


def _save_search(directory: RunDirectory, summary: Summary, table: LatencyTable | None) -> None:
    from hwsearch.latency_table import save_table
    from hwsearch.run_directory import save_summary

    if table is not None:
        save_table(table, directory.table)
    save_summary(summary, directory.search)
    save_summary(summary, directory.summary)


def _search_document(summary: Summary) -> dict[str, Any]:
    def networks(records: Any) -> list[dict[str, Any]]:  # noqa: ANN401
        return [record.to_document() for record in records]

    best = summary.by_role("best") or summary.by_role("same_latency")
    reference = summary.by_role("reference")
    return {
        "best": best.to_document() if best else None,
        "front": networks(summary.front),
        "reference": reference.to_document() if reference else None,
        "winners": networks(summary.networks),
        "evaluated": summary.evaluated,
        "seconds": round(summary.seconds["search"], 3),
        "warnings": list(summary.warnings),
    }


def report(
    run_folders: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="the folder of a run; of several, one a device")
    ],
    output: Output = None,
) -> None:
    """Write the report of a run: one HTML file that opens offline. Several runs make one page, side by side.

    \b
    Examples:
      hwsearch report runs/demo
      hwsearch report runs/cpu runs/a100 runs/zcu102 -o devices.html
    """
    from hwsearch import console
    from hwsearch.report import write_devices_report, write_report

    if len(run_folders) == 1:
        path = write_report(run_folders[0], output or run_folders[0] / "report.html")
    else:
        path = write_devices_report(run_folders, output or Path("devices.html"))
    console.result(f"report: {path}")


def accuracy_fit(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="a CSV of trained networks, as Accel-NASBench's")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.npz")] = Path("top1.npz"),
    seed: Seed = 20240,
    quick: Annotated[bool, typer.Option("--quick", help="a small fit, in seconds")] = False,
    source: Annotated[str, typer.Option("--source", metavar="TEXT", help="where the table comes from")] = "",
    scheme: Annotated[str, typer.Option("--scheme", metavar="TEXT", help="how its networks were trained")] = "",
) -> None:
    """Fit the accuracy predictor to a table of trained networks, and say how well it ranks held-out ones.

    \b
    Examples:
      hwsearch accuracy fit trained.csv --source "our lab" -o ours.npz
      hwsearch search --table cpu.json --accuracy ours.npz
    """
    from hwsearch.errors import InputError

    if not data.exists():  # said before the fit's packages are asked for
        raise InputError("no such file", where=str(data))
    from hwsearch.cli.fit import fit_predictor

    fit_predictor(data, output, seed, quick, source, scheme)
