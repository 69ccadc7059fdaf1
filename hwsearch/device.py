"""What a measurement was made on: the device, and the setup of the runtime on it.

A latency means nothing without both, so every table, measurement and report carries a ``Setup``.
"""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Precision = Literal["f32", "f16", "bf16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
StatedPrecision = Literal["f32", "f16", "bf16", "int8", "unstated"]
"""What a table may say: measurements of others do not always tell."""


@dataclass(frozen=True, slots=True)
class Device:
    """A piece of hardware by its name."""

    name: str
    """As the system reports it, e.g. ``AMD EPYC``."""
    cores: int = 0
    """Processors that this process may use; 0 where it makes no sense."""
    system: str = ""
    """Operating system and machine type, e.g. ``Linux x86_64``."""


@dataclass(frozen=True, slots=True)
class Setup:
    """A runtime on a device, as a network meets it."""

    target: str
    """What was asked for on the command line, e.g. ``cpu``."""
    device: Device
    runtime: str
    runtime_version: str
    threads: int
    """0 where it means nothing, or is not stated."""
    batch: int
    """0 where it is not stated."""
    precision: StatedPrecision

    @property
    def identity(self) -> tuple[object, ...]:
        """What two tables must share to be merged or compared."""
        return (
            self.target,
            self.device.name,
            self.runtime,
            self.runtime_version,
            self.threads,
            self.batch,
            self.precision,
        )

    @property
    def label(self) -> str:
        """One line for people: device, runtime, precision, batch, threads."""
        threads = f", {self.threads} thread{'s' if self.threads > 1 else ''}" if self.threads else ""
        version = f" {self.runtime_version}" if self.runtime_version else ""
        batch = f"batch {self.batch}" if self.batch else "batch unstated"
        precision = "precision unstated" if self.precision == "unstated" else self.precision
        return f"{self.device.name}, {self.runtime}{version}, {precision}, {batch}{threads}"


def this_cpu() -> Device:
    """The processor this process runs on."""
    return Device(_cpu_name(), available_cores(), f"{platform.system()} {platform.machine()}")


def available_cores() -> int:
    """Processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory_bytes() -> int | None:
    """Memory that can still be taken without swapping; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    return int(fields["MemAvailable"].split()[0]) * 1024 if "MemAvailable" in fields else None


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith(("model name", "Model"))]
    return names[0] if names else platform.processor() or platform.machine()
