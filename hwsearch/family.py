"""A family of scaled networks in one JSON file: coefficients, counted costs, latencies, published top-1.

The file is for reading as much as for loading: every member carries its text form and its counts (MACs and activation
bytes at batch 1), and loading refuses a file whose counts contradict its networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hwsearch.architecture import Architecture
from hwsearch.coefficients import MAX_COEFFICIENT, MAX_PHI, Law, Source, Style
from hwsearch.cost import cost
from hwsearch.errors import FaultsError, InputError
from hwsearch.json_file import Document, read_json, validate, write_json
from hwsearch.notation import parse
from hwsearch.preset import MAX_NAME, Preset, PublishedTop1, check_name

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "hwsearch-family"
VERSION = 1
SUFFIX = ".family.json"
MAX_NOTE = 500


@dataclass(frozen=True, slots=True)
class DeviceLatency:
    """The latency of one batch, and what it was taken on; without the latter a number of milliseconds says nothing."""

    latency_ms: float
    device: str
    """The device and its runtime, as the latency table names them."""
    batch: int = 1
    threads: int | None = None
    """None where threads mean nothing (a GPU)."""
    precision: str = "f32"


@dataclass(frozen=True, slots=True)
class Variant:
    """One scaled network. The coefficients are those before rounding; every figure counts the rounded network."""

    name: str
    style: Style
    phi: float
    """The law's phi, or the number of the row of the published table, as ``source`` says."""
    width_coefficient: float
    depth_coefficient: float
    resolution_coefficient: float
    architecture: Architecture
    dropout_rate: float = 0.2
    source: Source = "law"
    published_top1: PublishedTop1 | None = None
    """Only where exactly this network was published with one."""
    predicted_latency: DeviceLatency | None = None
    measured_latency: DeviceLatency | None = None

    def __post_init__(self) -> None:
        check_name(self.name)

    @property
    def resolution(self) -> int:
        """Side of the input, pixels."""
        return self.architecture.resolution

    @property
    def macs(self) -> int:
        """Multiply-adds at batch 1."""
        return cost(self.architecture).macs

    @property
    def params(self) -> int:
        """Parameters, batch-norm scale and shift included."""
        return cost(self.architecture).params

    @property
    def activation_bytes(self) -> int:
        """Peak bytes of the live feature maps, f32, batch 1."""
        return cost(self.architecture).activation_bytes

    def preset(self) -> Preset:
        """The variant as a preset, ready for export."""
        return Preset(
            self.name,
            self.architecture,
            self.published_top1,
            dropout_rate=self.dropout_rate,
            provenance={
                "scaled": {
                    "style": self.style,
                    "coefficients": self.source,
                    "phi": self.phi,
                    "width_coefficient": self.width_coefficient,
                    "depth_coefficient": self.depth_coefficient,
                    "resolution_coefficient": self.resolution_coefficient,
                }
            },
        )


@dataclass(frozen=True, slots=True)
class Family:
    """Networks scaled from one base, in the order they were asked for; their names differ."""

    name: str
    base: Architecture
    law: Law | None
    """None when the published table was used."""
    variants: tuple[Variant, ...]
    law_note: str = ""
    """How the law was come by, where it was searched: what a step doubles, and what ranked the candidates."""

    def __post_init__(self) -> None:
        check_name(self.name)
        names = [variant.name for variant in self.variants]
        repeated = next((name for i, name in enumerate(names) if name in names[:i]), None)
        if repeated is not None:
            raise InputError(f"two members are called {repeated!r}", where=f"family {self.name}")

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know about the law behind this family."""
        return self.law.warnings if self.law else ()

    def to_frame(self) -> pd.DataFrame:
        """One row a member: coefficients, counts, latencies (ms, NaN where not known) and what they were taken on."""
        import pandas as pd

        return pd.DataFrame([_row(variant) for variant in self.variants], columns=list(_COLUMNS))


_COEFFICIENTS = ("name", "style", "source", "phi", "width_coefficient", "depth_coefficient", "resolution_coefficient")
_COUNTS = ("macs", "params", "activation_bytes")
_LATENCIES = ("predicted_latency_ms", "predicted_on", "measured_latency_ms", "measured_on")
_COLUMNS = (*_COEFFICIENTS, "resolution", "text", *_COUNTS, "dropout_rate", *_LATENCIES, "published_top1")


def _row(variant: Variant) -> dict[str, object]:
    predicted, measured, top1 = variant.predicted_latency, variant.measured_latency, variant.published_top1
    return {
        **{name: getattr(variant, name) for name in (*_COEFFICIENTS, "resolution", *_COUNTS, "dropout_rate")},
        "text": variant.architecture.text,
        "predicted_latency_ms": predicted.latency_ms if predicted else None,
        "predicted_on": _conditions(predicted),
        "measured_latency_ms": measured.latency_ms if measured else None,
        "measured_on": _conditions(measured),
        "published_top1": top1.percent if top1 else None,
    }


def _conditions(latency: DeviceLatency | None) -> str | None:
    if latency is None:
        return None
    threads = "" if latency.threads is None else f", {latency.threads} thread{'s' * (latency.threads != 1)}"
    return f"{latency.device}, batch {latency.batch}{threads}, {latency.precision}"


class _LawModel(Document):
    alpha: float = Field(ge=1, le=MAX_COEFFICIENT)
    beta: float = Field(ge=1, le=MAX_COEFFICIENT)
    gamma: float = Field(ge=1, le=MAX_COEFFICIENT)


class _LatencyModel(Document):
    latency_ms: float = Field(gt=0)
    device: str
    batch: int = Field(ge=1)
    threads: int | None = Field(default=None, ge=1)
    precision: str


class _Top1Model(Document):
    percent: float = Field(gt=0, lt=100)
    source: str


class _MemberModel(Document):
    name: str = Field(max_length=MAX_NAME)
    style: Style
    source: Source
    phi: float = Field(ge=-MAX_PHI, le=MAX_PHI)
    width_coefficient: float = Field(gt=0, le=MAX_COEFFICIENT)
    depth_coefficient: float = Field(gt=0, le=MAX_COEFFICIENT)
    resolution_coefficient: float = Field(gt=0, le=MAX_COEFFICIENT)
    resolution: int
    text: str
    macs: int
    params: int
    activation_bytes: int
    dropout_rate: float = Field(ge=0, lt=1)
    predicted_latency: _LatencyModel | None
    measured_latency: _LatencyModel | None
    published_top1: _Top1Model | None = None


class _FamilyModel(Document):
    format: Literal["hwsearch-family"]
    version: Literal[1]
    name: str = Field(max_length=MAX_NAME)
    base: str
    law: _LawModel | None
    law_note: str = Field(default="", max_length=MAX_NOTE)
    members: list[_MemberModel] = Field(max_length=1000)


def save_family(family: Family, path: Path) -> None:
    """Write a family file atomically; InputError when it cannot be written."""
    write_json(path, family_document(family))


def family_document(family: Family) -> dict[str, Any]:
    """The family as the JSON object of its file, with the counts of every member."""
    law = family.law
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": family.name,
        "base": family.base.text,
        "law": {"alpha": law.alpha, "beta": law.beta, "gamma": law.gamma} if law else None,
        **({"law_note": family.law_note} if family.law_note else {}),
        "members": [_member_document(variant) for variant in family.variants],
    }


def _member_document(variant: Variant) -> dict[str, Any]:
    top1 = variant.published_top1
    document: dict[str, Any] = {
        **{name: getattr(variant, name) for name in (*_COEFFICIENTS, "resolution")},
        "text": variant.architecture.text,
        **{name: getattr(variant, name) for name in (*_COUNTS, "dropout_rate")},
        "predicted_latency": _latency_document(variant.predicted_latency),
        "measured_latency": _latency_document(variant.measured_latency),
    }
    if top1 is not None:
        document["published_top1"] = {"percent": top1.percent, "source": top1.source}
    return document


def _latency_document(latency: DeviceLatency | None) -> dict[str, Any] | None:
    if latency is None:
        return None
    return {name: getattr(latency, name) for name in ("latency_ms", "device", "batch", "threads", "precision")}


def load_family(path: Path) -> Family:
    """Read a family file; InputError with every fault, also where its counts contradict its networks."""
    where = str(path)
    model = validate(_FamilyModel, read_json(path, FORMAT, VERSION), where)
    faults: list[str] = []
    base = _parsed("base", model.base, faults)
    variants = [_variant(f"members[{index}]", member, faults) for index, member in enumerate(model.members)]
    if faults or base is None:
        raise FaultsError(where, faults)
    law = model.law
    try:
        return Family(
            model.name,
            base,
            Law(law.alpha, law.beta, law.gamma) if law else None,
            tuple(variant for variant in variants if variant is not None),
            model.law_note,
        )
    except InputError as error:
        raise InputError(str(error), where=where) from None


def _parsed(where: str, text: str, faults: list[str]) -> Architecture | None:
    try:
        return parse(text)
    except InputError as error:
        faults.append(f"{where}: {error}")
        return None


def _variant(where: str, member: _MemberModel, faults: list[str]) -> Variant | None:
    architecture = _parsed(f"{where}.text", member.text, faults)
    if architecture is None:
        return None
    faults += _contradictions(where, member, architecture)
    top1 = member.published_top1
    try:
        return Variant(
            member.name,
            member.style,
            member.phi,
            member.width_coefficient,
            member.depth_coefficient,
            member.resolution_coefficient,
            architecture,
            member.dropout_rate,
            member.source,
            PublishedTop1(top1.percent, top1.source) if top1 else None,
            _latency(member.predicted_latency),
            _latency(member.measured_latency),
        )
    except InputError as error:
        faults.append(f"{where}.name: {error}")
        return None


def _contradictions(where: str, member: _MemberModel, architecture: Architecture) -> list[str]:
    price = cost(architecture)
    counted = {
        "resolution": architecture.resolution,
        "macs": price.macs,
        "params": price.params,
        "activation_bytes": price.activation_bytes,
    }
    return [
        f"{where}.{name}: says {getattr(member, name):,}, but the network of its text form has {count:,}"
        for name, count in counted.items()
        if getattr(member, name) != count
    ]


def _latency(model: _LatencyModel | None) -> DeviceLatency | None:
    if model is None:
        return None
    return DeviceLatency(model.latency_ms, model.device, model.batch, model.threads, model.precision)
