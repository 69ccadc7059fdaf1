"""Latency tables: what was measured on one device, and the latency of every op that follows from it.

The file keeps the evidence (profiles and samples of whole networks, by session) beside the solved ops, so
that anybody can solve it again; tables of one setup merge by joining their sessions, of two never.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from hwsearch.device import Device, Setup, StatedPrecision
from hwsearch.errors import FaultsError, InputError, nearest_name
from hwsearch.json_file import Document, read_json, rounded, validate, write_json
from hwsearch.latency import Fidelity, NoiseFloor
from hwsearch.notation import parse
from hwsearch.operation import PARTS, Op, Part, parse_op
from hwsearch.shipped import shipped_folder, shipped_names

if TYPE_CHECKING:
    import pandas

FORMAT = "hwsearch-latency-table"
VERSION = 1
SUFFIX = ".json"

Role = Literal["design", "held_out", "reference"]
Method = Literal["in_context", "least_squares"]


@dataclass(frozen=True, slots=True)
class OpLatency:
    """What one op takes inside a network, ms, and where."""

    latency_ms: float
    parts_ms: Mapping[Part, float]
    """Sums to ``latency_ms``; empty where the device has no profiler."""
    occurrences: int
    """In how many measured blocks it was seen."""


@dataclass(frozen=True, slots=True)
class MeasuredNetwork:
    """The evidence of one network in one session."""

    text: str
    role: Role
    samples_ms: tuple[float, ...]
    """One a round, in order; every network of a session has as many."""
    profile: Mapping[str, tuple[float, int]] = field(default_factory=dict)
    """Under the profiler: ms and number of nodes by ``<op index>/<part>``; empty where not profiled."""


@dataclass(frozen=True, slots=True)
class Session:
    """Networks measured together, in shuffled rounds."""

    created: str
    """UTC, ISO 8601."""
    command: str
    seconds: float
    """How long profiling and timing took."""
    networks: tuple[MeasuredNetwork, ...]


@dataclass(frozen=True, slots=True)
class LatencyTable:
    """The latencies of one setup. Every figure is ms a batch."""

    name: str
    setup: Setup
    method: Method
    constant_ms: float
    """What a network takes beyond its ops; may be negative where ops overlap."""
    ops: Mapping[Op, OpLatency]
    fidelity: Fidelity | None
    sessions: tuple[Session, ...] = ()
    warnings: tuple[str, ...] = ()
    source: str = ""
    """Where the figures come from, when they were not measured by hwsearch."""

    def to_frame(self) -> pandas.DataFrame:
        """One row an op: its key, latency, parts and occurrences."""
        import pandas

        rows = [
            {"op": op.key, "latency_ms": found.latency_ms, "occurrences": found.occurrences, **found.parts_ms}
            for op, found in self.ops.items()
        ]
        return pandas.DataFrame(rows)


_MAX_MS = 999_999_999.0
"""Of any latency: far more than any, and no more when it is rounded for the file."""

_Positive = Annotated[float, Field(gt=0, le=_MAX_MS)]
_Share = Annotated[float, Field(ge=0)]
_ProfileKey = Annotated[str, Field(pattern=rf"^[0-9]{{1,5}}/({'|'.join(PARTS)})$")]


class _DeviceModel(Document):
    name: str
    cores: int = Field(default=0, ge=0)
    system: str = ""


class SetupModel(Document):
    """The file form of a setup."""

    target: str
    device: _DeviceModel
    runtime: str
    runtime_version: str
    threads: int = Field(ge=0)
    batch: int = Field(ge=0)
    precision: StatedPrecision

    def to_setup(self) -> Setup:
        """The setup as a value."""
        device = Device(self.device.name, self.device.cores, self.device.system)
        return Setup(self.target, device, self.runtime, self.runtime_version, self.threads, self.batch, self.precision)


class _OpModel(Document):
    latency_ms: float = Field(ge=0, le=_MAX_MS)
    parts_ms: dict[Part, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    occurrences: int = Field(ge=0)


class _FloorModel(Document):
    mape: _Share
    within_5: float = Field(ge=0, le=1)


class FidelityModel(Document):
    """The file form of a validation's figures."""

    mape: _Share
    within_5: float = Field(ge=0, le=1)
    within_10: float = Field(ge=0, le=1)
    kendall_tau: float = Field(ge=-1, le=1)
    noise_floor: _FloorModel | None
    networks: int = Field(ge=1)

    def to_fidelity(self) -> Fidelity:
        """The figures as a value."""
        floor = NoiseFloor(self.noise_floor.mape, self.noise_floor.within_5) if self.noise_floor else None
        return Fidelity(self.mape, self.within_5, self.within_10, self.kendall_tau, floor, self.networks)


class _NetworkModel(Document):
    text: str
    role: Role
    samples_ms: list[_Positive] = Field(min_length=1)
    profile: dict[_ProfileKey, tuple[Annotated[float, Field(ge=0)], Annotated[int, Field(ge=1)]]] = Field(
        default_factory=dict
    )


class _SessionModel(Document):
    created: str
    command: str
    seconds: float = Field(ge=0)
    networks: list[_NetworkModel] = Field(min_length=1)


class _TableModel(Document):
    format: Literal["hwsearch-latency-table"]
    version: Literal[1]
    name: str
    setup: SetupModel
    method: Method
    constant_ms: float
    fidelity: FidelityModel | None
    warnings: list[str] = Field(default_factory=list)
    source: str = ""
    ops: dict[str, _OpModel] = Field(min_length=1)
    sessions: list[_SessionModel] = Field(default_factory=list)


def find_table(name: str) -> Path:
    """The file of a table: a path, or the name of a shipped one; InputError with the nearest name."""
    known = shipped_names("latency_tables", SUFFIX)
    if name in known:
        return shipped_folder("latency_tables") / f"{name}{SUFFIX}"
    if name.endswith(SUFFIX) or "/" in name:
        return Path(name)
    raise InputError(
        f"no latency table is called {name!r}",
        allowed="a file.json" + (f", or {', '.join(known)}" if known else ""),
        nearest=nearest_name(name, known),
        next_command="hwsearch profile --target cpu -o TABLE.json",
    )


def load_table(path: Path) -> LatencyTable:
    """Read a table; InputError or FaultsError where it is not whole and sound."""
    data = read_json(path, FORMAT, VERSION)
    model = validate(_TableModel, data, str(path), next_command="hwsearch profile")
    faults, ops = [], {}
    for key, entry in model.ops.items():
        try:
            op = parse_op(key)
        except InputError as error:
            faults.append(f"ops: {error.what}")
            continue
        ops[op] = OpLatency(entry.latency_ms, dict(entry.parts_ms), entry.occurrences)
    for number, session in enumerate(model.sessions):
        faults += [f"sessions[{number}]{fault}" for fault in _session_faults(session)]
    if faults:
        raise FaultsError(str(path), faults)
    return LatencyTable(
        model.name,
        model.setup.to_setup(),
        model.method,
        model.constant_ms,
        ops,
        model.fidelity.to_fidelity() if model.fidelity else None,
        tuple(_session(session) for session in model.sessions),
        tuple(model.warnings),
        model.source,
    )


def _session_faults(session: _SessionModel) -> list[str]:
    found = []
    if len({len(network.samples_ms) for network in session.networks}) > 1:
        found.append(": networks with different numbers of samples")
    for index, network in enumerate(session.networks):
        try:
            parse(network.text)
        except InputError as error:
            found.append(f".networks[{index}].text: {error}")
        if network.profile and not any(ms for ms, _ in network.profile.values()):
            found.append(f".networks[{index}].profile: no time in it")
    return found


def _session(model: _SessionModel) -> Session:
    networks = tuple(
        MeasuredNetwork(each.text, each.role, tuple(each.samples_ms), dict(each.profile)) for each in model.networks
    )
    return Session(model.created, model.command, model.seconds, networks)


def save_table(table: LatencyTable, path: Path) -> None:
    """Write a table atomically."""
    write_json(path, to_document(table))


def to_document(table: LatencyTable) -> dict[str, Any]:
    """The table as the JSON object of its file."""
    fidelity = table.fidelity
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": table.name,
        "setup": setup_document(table.setup),
        "method": table.method,
        "constant_ms": round(table.constant_ms, 6),
        "fidelity": None if fidelity is None else fidelity_document(fidelity),
        "warnings": list(table.warnings),
        "source": table.source,
        "ops": {op.key: _op_document(table.ops[op]) for op in sorted(table.ops)},
        "sessions": [_session_document(session) for session in table.sessions],
    }


def setup_document(setup: Setup) -> dict[str, Any]:
    """A setup as JSON."""
    return {
        "target": setup.target,
        "device": {"name": setup.device.name, "cores": setup.device.cores, "system": setup.device.system},
        "runtime": setup.runtime,
        "runtime_version": setup.runtime_version,
        "threads": setup.threads,
        "batch": setup.batch,
        "precision": setup.precision,
    }


def fidelity_document(fidelity: Fidelity) -> dict[str, Any]:
    """The figures of a validation, as ``validate --json`` prints them; fractions."""
    floor = fidelity.noise_floor
    return {
        "mape": round(fidelity.mape, 5),
        "within_5": round(fidelity.within_5, 5),
        "within_10": round(fidelity.within_10, 5),
        "kendall_tau": round(fidelity.kendall_tau, 5),
        "noise_floor": {"mape": round(floor.mape, 5), "within_5": round(floor.within_5, 5)} if floor else None,
        "networks": fidelity.networks,
    }


def _op_document(found: OpLatency) -> dict[str, Any]:
    parts = {part: round(ms, 6) for part, ms in found.parts_ms.items()}
    return {"latency_ms": round(found.latency_ms, 6), "parts_ms": parts, "occurrences": found.occurrences}


def _session_document(session: Session) -> dict[str, Any]:
    networks = []
    for network in session.networks:
        entry: dict[str, Any] = {
            "text": network.text,
            "role": network.role,
            "samples_ms": [rounded(ms, 5) for ms in network.samples_ms],
        }
        if network.profile:
            entry["profile"] = {key: [round(ms, 5), nodes] for key, (ms, nodes) in network.profile.items()}
        networks.append(entry)
    return {
        "created": session.created,
        "command": session.command,
        "seconds": round(session.seconds, 1),
        "networks": networks,
    }
