"""The folder of a run: every step leaves one file, so that a run can be read, resumed and reported on.

``run.json`` (what was asked), ``table.json``, ``search.json``, ``measured.json``, ``family.json``,
``summary.json``, ``presets/``, ``exports/``, ``report.html``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from hwsearch.device import Setup
from hwsearch.errors import InputError
from hwsearch.json_file import Document, read_json, validate, write_json
from hwsearch.latency import Fidelity
from hwsearch.latency_table import FidelityModel, SetupModel, fidelity_document, setup_document
from hwsearch.record import NetworkRecord, RecordModel

CONFIG_FORMAT, SUMMARY_FORMAT, SEARCH_FORMAT = "hwsearch-run", "hwsearch-summary", "hwsearch-search"
VERSION = 1


class RunDirectory:
    """Where the files of a run lie."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def config(self) -> Path:
        """What was asked for."""
        return self.path / "run.json"

    @property
    def table(self) -> Path:
        """The latency table, measured or copied."""
        return self.path / "table.json"

    @property
    def search(self) -> Path:
        """The front and the winners."""
        return self.path / "search.json"

    @property
    def checkpoint(self) -> Path:
        """State of a search under way."""
        return self.path / "search.checkpoint"

    @property
    def trained(self) -> Path:
        """Journal of the accuracies that a ``command:`` signal was told."""
        return self.path / "trained.jsonl"

    @property
    def measured(self) -> Path:
        """Samples of the networks measured whole."""
        return self.path / "measured.json"

    @property
    def family(self) -> Path:
        """The scaled family."""
        return self.path / "family.json"

    @property
    def lite_family(self) -> Path:
        """The same base scaled in the Lite style."""
        return self.path / "family-lite.json"

    @property
    def summary(self) -> Path:
        """Everything in one document."""
        return self.path / "summary.json"

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.path / "report.html"

    @property
    def presets(self) -> Path:
        """The winners as preset files."""
        return self.path / "presets"

    @property
    def exports(self) -> Path:
        """The winners in other libraries' formats."""
        return self.path / "exports"

    def begin(self, config: Mapping[str, Any]) -> bool:
        """Start a run here, or continue the same one (then True); refuse a folder that holds another."""
        document = {"format": CONFIG_FORMAT, "version": VERSION, **config}
        if not self.config.exists():
            if self.path.exists() and not self._is_empty():
                raise InputError("exists and is not a run", where=str(self.path), next_command="choose another -o")
            write_json(self.config, document)
            return False
        found = read_json(self.config, CONFIG_FORMAT, VERSION)
        differing = [key for key in document if found.get(key) != document[key]]
        if differing:
            raise InputError(
                f"holds a run with another {', '.join(differing)}",
                where=str(self.path),
                next_command="choose another -o, or repeat the run with its own options",
            )
        return True

    def _is_empty(self) -> bool:
        # a kill while the first file was written leaves a temporary one
        return self.path.is_dir() and all(each.name.endswith(".part") for each in self.path.iterdir())


@dataclass(frozen=True, slots=True)
class Summary:
    """The outcome of a search or of a whole run: what its report shows."""

    command: str
    created: str
    """UTC, ISO 8601."""
    hwsearch_version: str
    space: str
    seed: int
    budgets: tuple[str, ...]
    setup: Setup | None
    table: str
    """Name of the latency table."""
    fidelity: Fidelity | None
    networks: tuple[NetworkRecord, ...]
    """The reference and the winners, by role; then other measured networks."""
    front: tuple[NetworkRecord, ...]
    evaluated: int
    """Networks that the search scored."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """Wall time of each step."""
    signal: str = ""
    """The accuracy signal's name."""
    signal_note: str = ""
    history: tuple[Mapping[str, float], ...] = ()
    """How the search converged: networks evaluated, front size, best so far; by restart, and whether it leads them."""
    exports: tuple[Mapping[str, str], ...] = ()
    """Of each network and format: the folder, or why it was refused."""
    noise_floor_mape: float | None = None
    """Of the measurement of whole networks, half the rounds against the other."""
    warnings: tuple[str, ...] = ()

    def by_role(self, role: str) -> NetworkRecord | None:
        """The network with a role, if the run has one."""
        return next((network for network in self.networks if network.role == role), None)


class _SummaryModel(Document):
    format: Literal["hwsearch-summary"]
    version: Literal[1]
    command: str
    created: str
    hwsearch_version: str
    space: str
    seed: int
    budgets: list[str]
    setup: SetupModel | None
    table: str
    fidelity: FidelityModel | None
    signal: str
    signal_note: str
    noise_floor_mape: float | None
    evaluated: int
    seconds: dict[str, float]
    networks: list[RecordModel] = Field(min_length=1)
    front: list[RecordModel]
    history: list[dict[str, int | float]]
    exports: list[dict[str, str]]
    warnings: list[str]


def save_summary(summary: Summary, path: Path) -> None:
    """Write a summary atomically."""
    write_json(path, summary_document(summary))


def summary_document(summary: Summary) -> dict[str, Any]:
    """The summary as the JSON object of its file."""
    return {
        "format": SUMMARY_FORMAT,
        "version": VERSION,
        "command": summary.command,
        "created": summary.created,
        "hwsearch_version": summary.hwsearch_version,
        "space": summary.space,
        "seed": summary.seed,
        "budgets": list(summary.budgets),
        "setup": setup_document(summary.setup) if summary.setup else None,
        "table": summary.table,
        "fidelity": fidelity_document(summary.fidelity) if summary.fidelity else None,
        "signal": summary.signal,
        "signal_note": summary.signal_note,
        "noise_floor_mape": summary.noise_floor_mape,
        "evaluated": summary.evaluated,
        "seconds": {step: round(seconds, 2) for step, seconds in summary.seconds.items()},
        "networks": [record.to_document() for record in summary.networks],
        "front": [record.to_document() for record in summary.front],
        "history": [dict(entry) for entry in summary.history],
        "exports": [dict(entry) for entry in summary.exports],
        "warnings": list(summary.warnings),
    }


def load_summary(path: Path) -> Summary:
    """Read a summary; InputError or FaultsError where it is not whole and sound."""
    model = validate(_SummaryModel, read_json(path, SUMMARY_FORMAT, VERSION), str(path))
    try:
        networks = tuple(each.to_record() for each in model.networks)
        front = tuple(each.to_record() for each in model.front)
    except InputError as error:
        raise InputError(str(error), where=str(path)) from None
    return Summary(
        command=model.command,
        created=model.created,
        hwsearch_version=model.hwsearch_version,
        space=model.space,
        seed=model.seed,
        budgets=tuple(model.budgets),
        setup=model.setup.to_setup() if model.setup else None,
        table=model.table,
        fidelity=model.fidelity.to_fidelity() if model.fidelity else None,
        networks=networks,
        front=front,
        evaluated=model.evaluated,
        seconds=model.seconds,
        signal=model.signal,
        signal_note=model.signal_note,
        history=tuple(model.history),
        exports=tuple(model.exports),
        noise_floor_mape=model.noise_floor_mape,
        warnings=tuple(model.warnings),
    )
