"""What a network costs and would take, from arithmetic and a table; a missing op is refused, never zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hwsearch.architecture import Architecture
from hwsearch.errors import MissingOpError
from hwsearch.latency_table import LatencyTable, OpLatency
from hwsearch.operation import Op, Part, ops, stage_labels

MAX_SHOWN_OPS = 3


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a breakdown: an op or a stage, with its parts, ms a batch."""

    label: str
    latency_ms: float
    parts_ms: Mapping[Part, float]


class TableEstimator:
    """Predicts latencies from a table: additive over ops, plus the table's constant."""

    def __init__(self, table: LatencyTable, where: str = "") -> None:
        self.table = table
        self.name = table.name
        self.constant_ms = table.constant_ms
        self.where = where or table.name
        """What the table is called in messages: the file that a person can pass on, where there is one."""

    def op_ms(self, op: Op) -> float:
        """Latency of one op, ms a batch; MissingOpError where the table lacks it."""
        return self._lookup((op,))[0].latency_ms

    def latency_ms(self, architecture: Architecture) -> float:
        """Latency of a whole network, ms a batch."""
        return self.constant_ms + sum(found.latency_ms for found in self._lookup(ops(architecture)))

    def missing(self, architecture: Architecture) -> tuple[Op, ...]:
        """The distinct ops of a network that the table lacks."""
        return tuple(dict.fromkeys(op for op in ops(architecture) if op not in self.table.ops))

    def by_op(self, architecture: Architecture) -> tuple[Row, ...]:
        """One row an op, in order, and one for the table's constant."""
        found = self._lookup(ops(architecture))
        rows = [Row(op.key, each.latency_ms, each.parts_ms) for op, each in zip(ops(architecture), found, strict=True)]
        return (*rows, Row("constant", self.constant_ms, {"other": self.constant_ms}))

    def by_stage(self, architecture: Architecture) -> tuple[Row, ...]:
        """One row a stage (stem and head included), and one for the table's constant."""
        rows = self.by_op(architecture)
        labels = (*stage_labels(architecture), "constant")
        stages = []
        for label in dict.fromkeys(labels):
            members = [row for row, its in zip(rows, labels, strict=True) if its == label]
            stages.append(Row(label, sum(row.latency_ms for row in members), _summed(members)))
        return tuple(stages)

    def _lookup(self, wanted: tuple[Op, ...]) -> tuple[OpLatency, ...]:
        missing = tuple(dict.fromkeys(op for op in wanted if op not in self.table.ops))
        if missing:
            raise self._missing_error(missing)
        return tuple(self.table.ops[op] for op in wanted)

    def _missing_error(self, missing: tuple[Op, ...]) -> MissingOpError:
        shown = ", ".join(op.key for op in missing[:MAX_SHOWN_OPS])
        more = f" and {len(missing) - MAX_SHOWN_OPS} more" if len(missing) > MAX_SHOWN_OPS else ""
        target = self.table.setup.target
        return MissingOpError(
            f"the table lacks {len(missing)} op{'s' if len(missing) > 1 else ''}: {shown}{more}",
            where=self.where,
            next_command=f"hwsearch profile --target {target} --networks NET... -o {self.where}",
        )


def _summed(rows: list[Row]) -> dict[Part, float]:
    parts: dict[Part, float] = {}
    for row in rows:
        for part, ms in row.parts_ms.items():
            parts[part] = parts.get(part, 0.0) + ms
    return parts
