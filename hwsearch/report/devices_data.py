"""Several runs side by side, one a device: what each found, and how it fares on the devices of the others.

Devices differ by orders of magnitude, so every latency is compared with that of the reference network on the same
device. What one run found is priced on another device by that run's own table; nothing is taken from elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hwsearch.errors import InputError
from hwsearch.estimate import TableEstimator
from hwsearch.family_latency import predicted_ms
from hwsearch.record import NetworkRecord, RecordRole
from hwsearch.report.data import NetworkView, Notice, ReportData, report_data
from hwsearch.report.devices_naming import labels_of
from hwsearch.report.headline import Piece, time_ratio
from hwsearch.report.quality import Quality
from hwsearch.report.wording import factor, network_name
from hwsearch.run_directory import Summary

MAX_RUNS = 6
"""As many as there are colours that everyone can tell apart."""
ROLES: tuple[RecordRole, ...] = ("same_top1", "same_latency", "best")
SLOWER = 0.005
"""A difference in latency, as a fraction, below which nobody should speak of one."""


@dataclass(frozen=True, slots=True)
class DeviceRun:
    """One run of the page."""

    number: int
    """From 0: the colour of its device."""
    label: str
    """Its device, and as much of the setup as tells it from the others."""
    folder: str
    data: ReportData
    reference: NetworkRecord
    reference_ms: float
    """Predicted latency of the reference: what 1.00 x stands for."""

    @property
    def summary(self) -> Summary:
        """The run's outcome."""
        return self.data.summary

    @property
    def winners(self) -> tuple[NetworkView, ...]:
        """What the run found, by role; a network in two roles twice."""
        return tuple(view for role in ROLES for view in self.data.networks if view.record.role == role)

    def winner(self, role: str) -> NetworkRecord | None:
        """What the run found in a role."""
        return next((view.record for view in self.winners if view.record.role == role), None)

    def relative(self, record: NetworkRecord) -> float | None:
        """The predicted latency of one of the run's networks over the reference's."""
        return None if record.latency_ms is None else record.latency_ms / self.reference_ms

    def ratio(self, record: NetworkRecord) -> float | None:
        """Measured over measured, else predicted over predicted."""
        return time_ratio(record, self.reference)


@dataclass(frozen=True, slots=True)
class Cell:
    """One network on one device, by that device's table."""

    tuned_for: DeviceRun
    on: DeviceRun
    record: NetworkRecord
    latency_ms: float | None
    """None where the table lacks one of its ops, or the run kept no table."""
    ratio: float | None
    """Over the reference on the same device."""
    penalty: float | None
    """By how much it is slower than the device's own network, as a fraction of that one; of ``same_top1`` alone,
    since networks of the other roles differ in how good they are as well."""
    surplus: float | None
    """By how much it is better than the device's own network, in the accuracy's figure; of ``same_latency`` alone."""

    @property
    def is_too_slow(self) -> bool:
        """Whether it takes longer than the reference there, though it was to be as fast."""
        return self.record.role == "same_latency" and self.ratio is not None and self.ratio > 1 + SLOWER

    @property
    def is_home(self) -> bool:
        """Whether the network was searched for this very device."""
        return self.tuned_for.number == self.on.number


@dataclass(frozen=True, slots=True)
class Crossing:
    """The networks of one role, each on every device."""

    role: RecordRole
    rows: tuple[tuple[Cell, ...], ...]
    """One row a network, in the order of the runs; one cell a device."""

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All of them."""
        return tuple(cell for row in self.rows for cell in row)

    @property
    def worst(self) -> Cell | None:
        """The network that loses most on a device it was not searched for."""
        away = [cell for cell in self.cells if not cell.is_home and cell.penalty is not None]
        return max(away, key=lambda cell: cell.penalty or 0.0, default=None)


@dataclass(frozen=True, slots=True)
class DevicesData:
    """The whole page."""

    runs: tuple[DeviceRun, ...]
    quality: Quality
    reference: str
    """The network that everything is compared with, as people write it."""
    crossings: tuple[Crossing, ...]
    headline: tuple[Piece, ...]
    warnings: tuple[Notice, ...]

    @property
    def views(self) -> tuple[NetworkView, ...]:
        """The reference once, then what each run found: the columns of the drawing."""
        return (self.runs[0].data.winners[0], *(view for run in self.runs for view in run.winners))


def devices_data(folders: Sequence[Path]) -> DevicesData:
    """The data of a page on several runs; InputError where they cannot be compared."""
    _check_folders(folders)
    found = [report_data(folder) for folder in folders]
    for folder, data in zip(folders[1:], found[1:], strict=True):
        _check_alike(folders[0], found[0], folder, data)
    labels = labels_of([(folder, data.summary.setup) for folder, data in zip(folders, found, strict=True)])
    runs = tuple(
        _run(number, label, folder, data)
        for number, (label, folder, data) in enumerate(zip(labels, folders, found, strict=True))
    )
    crossings = tuple(filter(None, (_crossing(role, runs) for role in ROLES)))
    reference = network_name(runs[0].reference.name)
    return DevicesData(
        runs,
        runs[0].data.quality,
        reference,
        crossings,
        tuple(_headline(runs, reference, crossings)),
        tuple(Notice(f"{run.label}, {notice.about}", notice.text) for run in runs for notice in run.data.warnings),
    )


def _check_folders(folders: Sequence[Path]) -> None:
    if not 2 <= len(folders) <= MAX_RUNS:
        raise InputError(f"{len(folders)} runs", where="report", allowed=f"2 to {MAX_RUNS} side by side, or one alone")
    places = [folder.resolve() for folder in folders]
    for folder, place in zip(folders, places, strict=True):
        if places.count(place) > 1:
            raise InputError("the same run twice", where=str(folder), allowed="every run once")


def _check_alike(first: Path, one: ReportData, second: Path, other: ReportData) -> None:
    """Refuse runs whose networks or figures mean different things."""
    between = f"{first} and {second}"
    if one.summary.space != other.summary.space:
        raise InputError(
            f"runs of different spaces, {one.summary.space} and {other.summary.space}",
            where=between,
            allowed="runs of one space",
        )
    if (one.summary.signal, one.quality.metric) != (other.summary.signal, other.quality.metric):
        said = " and ".join(repr(each.summary.signal or "none")[:60] for each in (one, other))
        raise InputError(
            f"runs under different accuracy signals, {said}", where=between, allowed="runs under one signal"
        )
    references = [data.summary.by_role("reference") for data in (one, other)]
    if references[0] and references[1] and references[0].architecture != references[1].architecture:
        raise InputError("runs with different reference networks", where=between, allowed="runs with one reference")


def _run(number: int, label: str, folder: Path, data: ReportData) -> DeviceRun:
    reference = data.summary.by_role("reference")
    if reference is None:
        raise InputError(
            "holds no reference network, so that its latencies can be compared with no other device's",
            where=str(folder),
            allowed="a run of a space in which a published network lies",
        )
    if reference.latency_ms is None:
        raise InputError(
            "was searched without a latency table",
            where=str(folder),
            next_command="hwsearch search --table TABLE -o RUN",
        )
    return DeviceRun(number, label, folder.name or str(folder), data, reference, reference.latency_ms)


def _crossing(role: RecordRole, runs: Sequence[DeviceRun]) -> Crossing | None:
    found = [(run, record) for run in runs if (record := run.winner(role))]
    if not found:
        return None
    return Crossing(role, tuple(tuple(_cell(home, on, record) for on in runs) for home, record in found))


def _cell(home: DeviceRun, on: DeviceRun, record: NetworkRecord) -> Cell:
    quality, own = on.data.quality, on.winner(record.role)
    estimator = TableEstimator(on.data.table) if on.data.table else None
    ms, base = predicted(estimator, record), predicted(estimator, on.reference)
    best = predicted(estimator, own) if own and record.role == "same_top1" else None
    return Cell(
        home,
        on,
        record,
        ms,
        ms / base if ms and base else None,
        ms / best - 1 if ms and best else None,
        quality.difference(record, own) if record.role == "same_latency" else None,
    )


def predicted(estimator: TableEstimator | None, record: NetworkRecord) -> float | None:
    """A network's latency by a table, ms a batch; None without one, or where it lacks an op."""
    return predicted_ms(estimator, record.architecture) if estimator else None


def _headline(runs: Sequence[DeviceRun], reference: str, crossings: Sequence[Crossing]) -> list[Piece]:
    if not crossings:
        return [Piece(f"{len(runs)} devices", strong=True), Piece(", one space.")]
    first = crossings[0]
    found = [(run, record) for run in runs if (record := run.winner(first.role))]
    ratios = [(run, ratio) for run, record in found if (ratio := run.ratio(record)) is not None]
    pieces = [Piece(_opening(first.role, reference, runs[0].data.quality))]
    for index, (run, ratio) in enumerate(ratios):
        pieces += [Piece(", " if index else ""), Piece(factor(ratio), strong=True), Piece(f" on {run.label}")]
    measured = [bool(record.measured_latency_ms and run.reference.measured_latency_ms) for run, record in found]
    pieces.append(
        Piece(" (measured)" if all(measured) else " (measured or predicted)" if any(measured) else " (predicted)")
    )
    return [*pieces, *_penalty(first.worst), Piece(".")]


def _opening(role: str, reference: str, quality: Quality) -> str:
    if role == "same_top1":
        return f"A network as good as {reference} by {quality.name} takes, of its time, "
    return f"The best network found takes, of {reference}’s time, "


def _penalty(worst: Cell | None) -> list[Piece]:
    if worst is None or worst.penalty is None or worst.penalty <= SLOWER:
        return []
    return [
        Piece(f". The one found for {worst.tuned_for.label} is "),
        Piece(f"{100 * worst.penalty:.0f} % slower", strong=True),
        Piece(f" on {worst.on.label} than the one found there"),
    ]
