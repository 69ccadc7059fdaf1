"""What is known of one network: costs, latency, predicted top-1, measured latency; the unit of all JSON output.

What cannot be known is None, with a warning that says why. Latencies are ms a batch; the setup stands
beside the records, in the document that holds them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from hwsearch.architecture import Architecture
from hwsearch.json_file import Document, rounded
from hwsearch.notation import parse

if TYPE_CHECKING:
    import pandas

RecordRole = Literal["reference", "same_top1", "same_latency", "best", "front", ""]
"""``reference``: EfficientNet-B0; ``same_top1``: the fastest predicted at least as good; ``same_latency``: the
best predicted at most as slow; ``best``: the best under the user's budgets; ``front``: not beaten by any other."""


@dataclass(frozen=True, slots=True)
class NetworkRecord:
    """One network with its figures."""

    name: str
    architecture: Architecture
    macs: int
    params: int
    activation_bytes: int
    latency_ms: float | None = None
    """Predicted from the table."""
    predicted_top1: float | None = None
    """Percent, under the training scheme of the predictor's data; never a trained accuracy."""
    predicted_top1_std: float | None = None
    measured_latency_ms: float | None = None
    published_top1: float | None = None
    """Percent, as published for reference networks."""
    role: RecordRole = ""
    warnings: tuple[str, ...] = ()
    proxy_score: float | None = None
    """Of a zero-cost proxy, in place of a predicted top-1: it ranks networks, and has no unit."""
    latency_ms_by_table: tuple[tuple[str, float], ...] = ()
    """Predicted from each of several tables, where a search has more than one: (table's name, ms)."""

    def with_role(self, role: RecordRole, name: str | None = None) -> NetworkRecord:
        """The same figures under another role, and name."""
        return dataclasses.replace(self, role=role, name=self.name if name is None else name)

    def to_document(self) -> dict[str, Any]:
        """The JSON object of this network; ``proxy_score`` and ``latency_ms_by_table`` only where there is one."""
        proxy: dict[str, Any] = {} if self.proxy_score is None else {"proxy_score": self.proxy_score}
        tables = {name: rounded(ms, 4) for name, ms in self.latency_ms_by_table}
        return {
            "name": self.name,
            "role": self.role,
            "text": self.architecture.text,
            "macs": self.macs,
            "params": self.params,
            "activation_bytes": self.activation_bytes,
            "latency_ms": _rounded(self.latency_ms),
            **({"latency_ms_by_table": tables} if tables else {}),
            "measured_latency_ms": _rounded(self.measured_latency_ms),
            "predicted_top1": _rounded(self.predicted_top1),
            "predicted_top1_std": _rounded(self.predicted_top1_std),
            **proxy,
            "published_top1": self.published_top1,
            "warnings": list(self.warnings),
        }


class RecordModel(Document):
    """The file form of a record."""

    name: str
    role: RecordRole = ""
    text: str
    macs: int = Field(ge=0)
    params: int = Field(ge=0)
    activation_bytes: int = Field(ge=0)
    latency_ms: float | None = Field(default=None, gt=0)
    latency_ms_by_table: dict[str, float] = Field(default_factory=dict)
    measured_latency_ms: float | None = Field(default=None, gt=0)
    predicted_top1: float | None = None
    predicted_top1_std: float | None = Field(default=None, ge=0)
    proxy_score: float | None = None
    published_top1: float | None = None
    warnings: list[str] = Field(default_factory=list)

    def to_record(self) -> NetworkRecord:
        """The record; InputError where its text form is none."""
        return NetworkRecord(
            self.name,
            parse(self.text),
            self.macs,
            self.params,
            self.activation_bytes,
            self.latency_ms,
            self.predicted_top1,
            self.predicted_top1_std,
            self.measured_latency_ms,
            self.published_top1,
            self.role,
            tuple(self.warnings),
            self.proxy_score,
            tuple(self.latency_ms_by_table.items()),
        )


def to_frame(records: Iterable[NetworkRecord]) -> pandas.DataFrame:
    """One row a network, for CSV and notebooks."""
    import pandas

    return pandas.DataFrame([record.to_document() for record in records])


def _rounded(value: float | None) -> float | None:
    return None if value is None else rounded(value, 4)
