"""Commands that find networks: ``run``, ``search``, ``report``, ``accuracy fit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwsearch.cli.options import (
    Batch,
    Budgets,
    Dask,
    DaskResource,
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
    from hwsearch.runtimes import Runtime
    from hwsearch.search_space import SearchSpace
    from hwsearch.winners import Question

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
    """
    from hwsearch import console
    from hwsearch.budget import parse_budgets
    from hwsearch.pipeline import Listener, RunSettings
    from hwsearch.pipeline import run as tell
    from hwsearch.profiler import ProfileSettings
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
        print_summary(summary)
        console.result(f"report: {directory.report}")
    console.warn(summary.warnings)


def _source(
    target: str | None, table: str | None, threads: int, batch: int, precision: str
) -> tuple[Runtime | None, LatencyTable | None]:
    """What a run measures with and starts from: a target, a table, or both."""
    from hwsearch.profiler import same_setup

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


def search(
    context: typer.Context,
    space: Space = "efficientnet-b0",
    table: Annotated[
        str | None,
        typer.Option("--table", metavar="TABLE", help="a latency table: a file or a shipped name; several with commas"),
    ] = None,
    target: Target = None,
    budget: Budgets = None,
    objective: Annotated[
        list[str] | None,
        typer.Option("--objective", metavar="METRIC", help="what the front trades off; repeatable"),
    ] = None,
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
    """Search a space for the best network under budgets, and the front of what it trades off."""
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
    from hwsearch.profiler import ProfileSettings, journal_of, plan, profile, same_setup

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


ROLE_WORDS = {
    "reference": "reference",
    "same_top1": "as good, fastest",
    "same_latency": "as fast, best",
    "best": "best in budget",
    "front": "front",
    "": "",
}


def print_summary(summary: Summary) -> None:
    """The end of a search or run: a table of its networks."""
    from hwsearch import console

    if summary.setup is not None:
        console.result(f"latency on {summary.setup.label}; {summary.evaluated:,} networks scored")
    if summary.signal_note:
        console.say(summary.signal_note)
    rows = [record for record in summary.networks if record.role not in ("front", "")]
    by_proxy = any(record.proxy_score is not None for record in rows)
    console.print_table(
        ["network", "role", "pred. ms", "meas. ms", "proxy score" if by_proxy else "pred. top-1 %", "MACs M"],
        [
            [
                record.name,
                ROLE_WORDS[record.role],
                console.milliseconds(record.latency_ms),
                console.milliseconds(record.measured_latency_ms),
                console.figure(record.proxy_score if by_proxy else record.predicted_top1),
                console.figure(record.macs / 1e6, 0),
            ]
            for record in rows
        ],
    )
    for record in rows:
        if record.role != "reference":
            console.result(f"{record.name}:\n  {record.architecture.text}")


def report(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="the folder of a run")],
    output: Output = None,
) -> None:
    """Write the report of a run: one HTML file that opens offline."""
    from hwsearch import console
    from hwsearch.report import write_report

    path = write_report(run_folder, output or run_folder / "report.html")
    console.result(f"report: {path}")


def accuracy_fit(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="a CSV of trained networks, as Accel-NASBench's")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE.npz")] = Path("top1.npz"),
    seed: Seed = 20240,
    quick: Annotated[bool, typer.Option("--quick", help="a small fit, in seconds")] = False,
    source: Annotated[str, typer.Option("--source", metavar="TEXT", help="where the table comes from")] = "",
    scheme: Annotated[str, typer.Option("--scheme", metavar="TEXT", help="how its networks were trained")] = "",
) -> None:
    """Fit the accuracy predictor to a table of trained networks, and say how well it ranks held-out ones."""
    from hwsearch.cli.fit import fit_predictor

    fit_predictor(data, output, seed, quick, source, scheme)
