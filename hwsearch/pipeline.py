"""The whole story of ``hwsearch run``: profile, search, measure, scale, export, report.

Every step leaves its file in the run's folder and is skipped when that file is there, so an interrupted run
goes on where it stopped. Nothing here prints: whoever calls it hears of steps and progress.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import hwsearch
from hwsearch.accuracy import AccuracySignal, load_signal
from hwsearch.budget import Budget
from hwsearch.coefficients import Style
from hwsearch.errors import InexpressibleError, UnavailableError
from hwsearch.estimate import TableEstimator
from hwsearch.export import able, export
from hwsearch.family import Family, load_family, save_family
from hwsearch.family_latency import measured_ms, with_measurements, with_predictions
from hwsearch.judge import judge
from hwsearch.latency_table import LatencyTable, load_table, save_table
from hwsearch.preset import SUFFIX, Preset, reference_preset, save_preset
from hwsearch.profiling.in_context import reference_walls
from hwsearch.profiling.measurement import Measurement, load_measurement, measure, save_measurement
from hwsearch.profiling.profiler import ProfileSettings, Progress, journal_of, plan, profile, references
from hwsearch.record import NetworkRecord
from hwsearch.report import write_report
from hwsearch.run_directory import RunDirectory, Summary, load_summary, save_summary
from hwsearch.runtimes import Runtime
from hwsearch.scaling import scale_family
from hwsearch.search_space import SearchSpace
from hwsearch.winners import Question, answer, make_scorer

Outcome = TypeVar("Outcome")

WINNERS = ("same_top1", "same_latency", "best")
EXPORT_FORMATS = ("timm", "keras-hub", "huggingface", "onnx")
FAMILY_PHIS = (0.0, 1.0, 2.0, 3.0)
"""Members of both families; all are measured too, so that ``scale`` knows what they take."""
PUBLISHED_MEMBERS = ("efficientnet-b1", "efficientnet-b2", "efficientnet-lite1", "efficientnet-lite2")
"""Members of the published families that are measured beside them: of about the same size."""
FRONT_MEASURED = 5
OTHER_REFERENCES = ("efficientnet-lite0", "mobilenet-v2", "mnasnet-a1")
DISAGREEMENT = 0.10
"""Predicted and measured further apart than this is worth a warning."""

STEPS = ("profile", "search", "scale", "measure", "export", "report")


@dataclass(frozen=True, slots=True)
class Listener:
    """Who hears what a run is doing."""

    on_step: Callable[[str, str], None] = lambda step, what: None
    """A step begins: its name and a sentence."""
    on_progress: Callable[[Progress], None] = lambda progress: None


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What a run is asked for. Without a runtime it works from a table alone, and measures nothing."""

    space: SearchSpace
    profile: ProfileSettings
    budgets: tuple[Budget, ...] = ()
    seed: int = 0
    measure_seconds: float = 20.0
    command: str = ""


def run(
    directory: RunDirectory,
    settings: RunSettings,
    runtime: Runtime | None,
    table: LatencyTable | None = None,
    listener: Listener | None = None,
) -> Summary:
    """Do every step that the folder does not hold yet; the summary, which is also in the folder."""
    return _Story(directory, settings, runtime, listener or Listener()).tell(table)


class _Story:
    """One run under way."""

    def __init__(
        self, directory: RunDirectory, settings: RunSettings, runtime: Runtime | None, listener: Listener
    ) -> None:
        self._directory = directory
        self._settings = settings
        self._runtime = runtime
        self._listener = listener
        self._signal: AccuracySignal = load_signal()
        self._seconds: dict[str, float] = {}

    def tell(self, table: LatencyTable | None) -> Summary:
        """The steps, in order."""
        make_scorer(Question(self._settings.space, None, self._signal))  # refuses before anything is measured
        table = self._timed("profile", lambda: self._table(table))
        estimator = TableEstimator(table, str(self._directory.table))
        summary = self._timed("search", lambda: self._search(table, estimator))
        families = self._timed("scale", lambda: self._scale(summary, estimator))
        measurement = self._timed("measure", lambda: self._measure(summary, families))
        if measurement is not None:
            for family, path in zip(families, self._family_files, strict=True):
                save_family(with_measurements(family, measurement), path)
        exports = self._timed("export", lambda: self._export(summary))
        summary = self._complete(summary, estimator, measurement, exports)
        save_summary(summary, self._directory.summary)
        self._timed("report", lambda: write_report(self._directory, self._directory.report))
        return summary

    def _timed(self, step: str, work: Callable[[], Outcome]) -> Outcome:
        started = time.monotonic()
        found = work()
        self._seconds[step] = self._seconds.get(step, 0.0) + time.monotonic() - started
        return found

    def _table(self, given: LatencyTable | None) -> LatencyTable:
        path = self._directory.table
        if path.exists():
            return load_table(path)
        if given is None:
            assert self._runtime is not None, "a run has a runtime or a table"
            self._listener.on_step("profile", f"measuring {self._runtime.setup.label}")
            planned = plan(self._settings.space, self._settings.profile, has_profiler=self._runtime.has_profiler)
            given = profile(
                self._runtime,
                planned,
                self._settings.profile,
                journal_of(path),
                name=self._runtime.setup.target.replace(":", "-"),
                on_progress=self._listener.on_progress,
            )
        save_table(given, path)
        journal_of(path).unlink(missing_ok=True)
        return load_table(path)  # what a step hands on is its file, so that a resumed run ends the same

    def _search(self, table: LatencyTable, estimator: TableEstimator) -> Summary:
        if self._directory.search.exists():
            return load_summary(self._directory.search)
        space, budgets, seed = self._settings.space, self._settings.budgets, self._settings.seed
        self._listener.on_step("search", f"{space.size:.3g} networks of {space.name}")
        question = Question(space, estimator, self._signal, budgets, seed=seed, checkpoint=self._directory.checkpoint)
        summary = search_summary(question, table, self._settings.command, self._listener)
        save_summary(summary, self._directory.search)
        return load_summary(self._directory.search)

    @property
    def _family_files(self) -> tuple[Path, ...]:
        return (self._directory.lite_family, self._directory.family)

    def _scale(self, summary: Summary, estimator: TableEstimator) -> tuple[Family, ...]:
        """The Lite family, then the B family."""
        if all(path.exists() for path in self._family_files):
            return tuple(load_family(path) for path in self._family_files)
        base = _winner(summary)
        self._listener.on_step("scale", f"a family from {base.name}")
        styles: tuple[Style, ...] = ("lite", "b")
        families = [scale_family(base.architecture, FAMILY_PHIS, style, base_name=base.name) for style in styles]
        for family, path in zip(families, self._family_files, strict=True):
            save_family(with_predictions(family, estimator), path)
        return tuple(load_family(path) for path in self._family_files)

    def _measure(self, summary: Summary, families: Sequence[Family]) -> Measurement | None:
        if self._runtime is None:
            return None
        if self._directory.measured.exists():
            return load_measurement(self._directory.measured)
        chosen = [record.architecture for record in (*summary.networks, *_spread(summary.front, FRONT_MEASURED))]
        chosen += [reference_preset(name).architecture for name in OTHER_REFERENCES]
        chosen += [each.architecture for each in references()]
        chosen += [variant.architecture for family in families for variant in family.variants]
        chosen += [reference_preset(name).architecture for name in PUBLISHED_MEMBERS]
        distinct = list(dict.fromkeys(chosen))
        self._listener.on_step("measure", f"{len(distinct)} whole networks in shuffled rounds")
        measurement = measure(
            self._runtime,
            distinct,
            seconds=self._settings.measure_seconds,
            seed=self._settings.seed,
            on_progress=lambda done, total: self._listener.on_progress(Progress("timing networks", done, total)),
        )
        measurement = measurement.at_level_of(reference_walls(load_table(self._directory.table)))
        save_measurement(measurement, self._directory.measured)
        return load_measurement(self._directory.measured)

    def _export(self, summary: Summary) -> list[dict[str, str]]:
        self._listener.on_step("export", "presets, and the winners for " + ", ".join(EXPORT_FORMATS))
        found = []
        for record in summary.networks:
            if record.role in WINNERS:
                preset = self._preset(summary, record)
                save_preset(preset, self._directory.presets / f"{record.name}{SUFFIX}")
                found += [self._export_one(preset, to) for to in EXPORT_FORMATS]
        return found

    def _export_one(self, preset: Preset, to: str) -> dict[str, str]:
        folder = self._directory.exports / preset.name / to
        entry = {"network": preset.name, "format": to}
        where = str(folder.relative_to(self._directory.path))
        try:
            export(preset, to, folder)
        except InexpressibleError as error:
            if to in able(preset, "symmetric"):
                export(preset, to, folder, "symmetric")
                return {**entry, "folder": where, "padding": "symmetric"}
            return {**entry, "refused": str(error)}
        except UnavailableError as error:
            return {**entry, "refused": str(error)}
        return {**entry, "folder": where}

    def _preset(self, summary: Summary, record: NetworkRecord) -> Preset:
        found = {
            "by": f"hwsearch {hwsearch.__version__}",
            "command": summary.command,
            "space": summary.space,
            "seed": summary.seed,
            "role": record.role,
            "table": summary.table,
            "setup": summary.setup.label if summary.setup else "",
            "predicted_latency_ms": record.latency_ms,
            "predicted_top1": record.predicted_top1,
        }
        return Preset(record.name, record.architecture, provenance={"found": found})

    def _complete(
        self,
        summary: Summary,
        estimator: TableEstimator,
        measurement: Measurement | None,
        exports: Sequence[dict[str, str]],
    ) -> Summary:
        seconds = {**summary.seconds, **self._seconds}
        summary = dataclasses.replace(summary, exports=tuple(exports), seconds=seconds)
        if measurement is None:
            return summary
        others = [
            judge(
                name,
                reference_preset(name).architecture,
                estimator,
                self._signal,
                published_top1=_published(name),
            )
            for name in OTHER_REFERENCES
        ]
        networks = [*summary.networks, *_spread(summary.front, FRONT_MEASURED), *others]
        measured = [_with_measured(record, measurement) for record in _distinct(networks)]
        return dataclasses.replace(
            summary,
            networks=tuple(measured),
            front=tuple(_with_measured(record, measurement) for record in summary.front),
            noise_floor_mape=measurement.noise_floor_mape,
            warnings=(*summary.warnings, *measurement.warnings, *_disagreements(measured)),
        )


def search_summary(
    question: Question, table: LatencyTable | None, command: str, listener: Listener | None = None
) -> Summary:
    """Search, and what came of it as a summary without measurements."""
    heard = (listener or Listener()).on_progress
    found = answer(
        question,
        make_scorer(question),
        lambda progress: heard(Progress(f"searching ({progress.phase})", int(1000 * progress.done), 1000)),
    )
    return Summary(
        command=command,
        created=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        hwsearch_version=hwsearch.__version__,
        space=question.space.name,
        seed=question.seed,
        budgets=tuple(budget.text for budget in question.budgets),
        setup=table.setup if table else None,
        table=table.name if table else "",
        fidelity=table.fidelity if table else None,
        networks=found.winners,
        front=found.front,
        evaluated=found.result.evaluated,
        seconds={"search": found.result.seconds},
        signal=question.signal.name if question.signal else "",
        signal_note=question.signal.description if question.signal else "",
        history=tuple(each.entry for each in found.result.history),
        warnings=table.warnings if table else (),
    )


def _winner(summary: Summary) -> NetworkRecord:
    for role in ("best", "same_top1", "same_latency", "reference"):
        record = summary.by_role(role)
        if record is not None:
            return record
    return summary.networks[0]


def _spread(records: Sequence[NetworkRecord], count: int) -> list[NetworkRecord]:
    if len(records) <= count:
        return list(records)
    return [records[round(index * (len(records) - 1) / (count - 1))] for index in range(count)]


def _distinct(records: Sequence[NetworkRecord]) -> list[NetworkRecord]:
    """The first record of each network, but every one that has a winner's role."""
    seen = set()
    found = []
    for record in records:
        if record.role in (*WINNERS, "reference") or record.architecture not in seen:
            found.append(record)
        seen.add(record.architecture)
    return found


def _published(name: str) -> float | None:
    top1 = reference_preset(name).published_top1
    return top1.percent if top1 else None


def _with_measured(record: NetworkRecord, measurement: Measurement) -> NetworkRecord:
    return dataclasses.replace(record, measured_latency_ms=measured_ms(measurement).get(record.architecture))


def _disagreements(records: Sequence[NetworkRecord]) -> list[str]:
    found = []
    for record in records:
        if record.latency_ms and record.measured_latency_ms:
            error = record.latency_ms / record.measured_latency_ms - 1
            if abs(error) > DISAGREEMENT:
                found.append(
                    f"{record.name}: predicted {record.latency_ms:.2f} ms, measured {record.measured_latency_ms:.2f} ms"
                    f" ({error:+.0%})"
                )
    return found
