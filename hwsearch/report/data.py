"""What a report shows, as plain data: every figure comes from the run's files, and none is made here.

``summary.json`` must be there; ``table.json`` adds where the milliseconds go and the held-out networks, the family
files the scaled networks, ``measured.json`` the published networks beside them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hwsearch.errors import InputError, MissingOpError
from hwsearch.estimate import Row, TableEstimator
from hwsearch.family import Family, load_family
from hwsearch.latency import Fidelity
from hwsearch.latency_table import LatencyTable, load_table
from hwsearch.operation import ops, stage_labels
from hwsearch.profiling.measurement import load_measurement
from hwsearch.record import NetworkRecord
from hwsearch.report.evidence import Point, held_out_points
from hwsearch.report.family_data import FamilyData, family_data
from hwsearch.report.headline import Piece, Tile, headline, tiles
from hwsearch.report.quality import Quality, quality_of
from hwsearch.report.surprises import surprises
from hwsearch.run_directory import RunDirectory, Summary, load_summary

WINNER_ROLES = ("reference", "same_top1", "same_latency", "best")
"""The networks that are drawn and broken down, in this order."""

MAX_PLACES = 2
"""How many places of one warning are named."""


@dataclass(frozen=True, slots=True)
class StageView:
    """One row of a network as it is drawn: stem, a stage, or head."""

    label: str
    kind: str
    """``stem``, ``mbconv`` or ``head``."""
    resolution: int
    """Side of its input, pixels."""
    out_channels: int
    kernel_size: int
    stride: int
    expand_ratio: int
    num_repeats: int
    se_ratio: float
    latency_ms: float | None
    """Predicted, a batch; None without a table that holds its ops."""

    def is_like(self, other: StageView) -> bool:
        """Whether both have the same blocks."""
        return dataclasses.replace(self, latency_ms=None) == dataclasses.replace(other, latency_ms=None)


@dataclass(frozen=True, slots=True)
class NetworkView:
    """A network with everything that the page says of it."""

    record: NetworkRecord
    stages: tuple[StageView, ...]
    breakdown: tuple[Row, ...]
    """Predicted ms by stage and part; empty where ``no_breakdown`` says why."""
    no_breakdown: str = ""

    def stage(self, label: str) -> StageView | None:
        """The stage of that label, if the network has one."""
        return next((stage for stage in self.stages if stage.label == label), None)

    @property
    def export_command(self) -> str:
        """What hands this network over to timm."""
        return f"hwsearch export '{self.record.architecture.text}' --to timm"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a person must know, and what it is about."""

    about: str
    text: str


@dataclass(frozen=True, slots=True)
class ReportData:
    """A whole report."""

    summary: Summary
    quality: Quality
    headline: tuple[Piece, ...]
    tiles: tuple[Tile, ...]
    networks: tuple[NetworkView, ...]
    """Reference and winners by role, then every other network that was measured."""
    front: tuple[NetworkView, ...]
    """By latency where it is known, else by MACs."""
    held_out: tuple[Point, ...]
    """The table's held-out networks, predicted and measured."""
    fidelity: Fidelity | None
    table: LatencyTable | None
    family: FamilyData
    """B style, then Lite style, where the run scaled them; with the published networks beside them."""
    warnings: tuple[Notice, ...]

    @property
    def winners(self) -> tuple[NetworkView, ...]:
        """The reference and the winners, in the order of ``WINNER_ROLES``; a network in two roles once."""
        found = [view for role in WINNER_ROLES for view in self.networks if view.record.role == role]
        return tuple({view.record.architecture: view for view in reversed(found)}.values())[::-1]

    @property
    def every(self) -> tuple[NetworkView, ...]:
        """Each network once: those with roles first, then the rest of the front."""
        known = {view.record.architecture for view in self.networks}
        return (*self.networks, *(view for view in self.front if view.record.architecture not in known))

    @property
    def unplaced(self) -> tuple[NetworkView, ...]:
        """Networks without the accuracy's figure, in a run that has one for others: they are listed, not drawn."""
        if not self.quality.metric:
            return ()
        return tuple(view for view in self.networks if self.quality.value(view.record) is None)

    @property
    def has_parts(self) -> bool:
        """Whether the table says what the parts of a block take."""
        return any(set(row.parts_ms) - {"other"} for view in self.winners for row in view.breakdown)

    @property
    def restarts(self) -> int:
        """How many restarts the search's history tells apart; 0 for an older one, which does not."""
        return len({entry["restart"] for entry in self.summary.history if "restart" in entry})

    @property
    def has_latency(self) -> bool:
        """Whether any network has a predicted latency."""
        return any(view.record.latency_ms for view in self.every)

    @property
    def widest_ms(self) -> float:
        """The longest row of the winners' breakdowns, ms: the scale of their bars."""
        return max((row.latency_ms for view in self.winners for row in view.breakdown), default=0.0) or 1.0

    @property
    def export_columns(self) -> tuple[str, ...]:
        """The facts that the run keeps of its exports, in the order of their first appearance."""
        return tuple(dict.fromkeys(name for entry in self.summary.exports for name in entry))

    @property
    def headline_text(self) -> str:
        """The headline without its emphasis."""
        return "".join(piece.text for piece in self.headline)


def report_data(run: Path | RunDirectory) -> ReportData:
    """The data of a run's report; InputError where the folder holds no summary, or a file is not sound."""
    folder = run if isinstance(run, RunDirectory) else RunDirectory(run)
    summary = load_summary(_summary_file(folder))
    table = load_table(folder.table) if folder.table.exists() else None
    families = tuple(load_family(path) for path in (folder.family, folder.lite_family) if path.exists())
    estimator = TableEstimator(table) if table else None
    measurement = load_measurement(folder.measured) if folder.measured.exists() else None
    fidelity = summary.fidelity or (table.fidelity if table else None)
    networks = tuple(_view(record, estimator) for record in summary.networks)
    return ReportData(
        summary=summary,
        quality=quality_of(summary),
        headline=headline(summary),
        tiles=tiles(summary),
        networks=networks,
        front=tuple(_view(record, estimator) for record in sorted(summary.front, key=_order)),
        held_out=held_out_points(table) if table else (),
        fidelity=fidelity,
        table=table,
        family=family_data(families, estimator, measurement),
        warnings=tuple(_warnings(summary, table, families, fidelity)),
    )


def _summary_file(folder: RunDirectory) -> Path:
    if folder.summary.is_file():
        return folder.summary
    what = "holds no summary.json" if folder.path.is_dir() else "is not the folder of a run"
    raise InputError(what, where=str(folder.path), next_command=f"hwsearch run -o {folder.path}")


def _order(record: NetworkRecord) -> tuple[float, int]:
    return (record.latency_ms or 0.0, record.macs)


def _view(record: NetworkRecord, estimator: TableEstimator | None) -> NetworkView:
    breakdown: tuple[Row, ...] = ()
    missing = "the run holds no latency table"
    if estimator is not None:
        try:
            breakdown, missing = estimator.by_stage(record.architecture), ""
        except MissingOpError as error:
            missing = error.what
    return NetworkView(record, _stages(record, breakdown), breakdown, missing)


def _stages(record: NetworkRecord, breakdown: tuple[Row, ...]) -> tuple[StageView, ...]:
    latency = {row.label: row.latency_ms for row in breakdown}
    labels = stage_labels(record.architecture)
    first = dict(reversed(list(zip(labels, ops(record.architecture), strict=True))))
    return tuple(
        StageView(
            label=label,
            kind=op.kind,
            resolution=op.resolution,
            out_channels=op.out_channels,
            kernel_size=op.kernel_size,
            stride=op.stride,
            expand_ratio=op.expand_ratio,
            num_repeats=labels.count(label) if op.kind == "mbconv" else 1,
            se_ratio=op.se_ratio,
            latency_ms=latency.get(label),
        )
        for label, op in reversed(first.items())
    )


def _warnings(
    summary: Summary, table: LatencyTable | None, families: tuple[Family, ...], fidelity: Fidelity | None
) -> Iterable[Notice]:
    seen: dict[str, list[str]] = {}
    for about, text in surprises(summary, fidelity):
        seen.setdefault(text, []).append(about)
    for about, texts in (
        ("run", summary.warnings),
        ("latency table", table.warnings if table else ()),
        *((family.name, family.warnings) for family in families),
        # what is not known of other published networks is said where they are listed
        *((record.name, record.warnings) for record in (*summary.networks, *summary.front) if record.role),
    ):
        for text in texts:
            seen.setdefault(text, []).append(about)
    for text, places in seen.items():
        names = list(dict.fromkeys(places))
        more = f" and {len(names) - MAX_PLACES} more" if len(names) > MAX_PLACES else ""
        yield Notice(", ".join(names[:MAX_PLACES]) + more, text)
