"""Where networks really run. A runtime loads a network and times it; it knows nothing of tables or searches.

A target is a runtime on a device, as the command line names it: ``cpu``, ``openvino``, ``openvino:GPU``,
``torch``, ``gpu``, ``command:FILE``. ``TARGETS`` is the list of plug-ins; each module offers
``open_runtime(argument, options)`` and imports its package only there.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from hwsearch.architecture import Architecture
from hwsearch.device import PRECISIONS, Precision, Setup
from hwsearch.errors import InputError, UnavailableError, missing_package, nearest_name
from hwsearch.operation import Part


@dataclass(frozen=True, slots=True)
class PartTime:
    """What a profiler reports of one part of one op in one run."""

    ms: float
    nodes: int
    """How many nodes of the runtime it is the sum of; the profiler itself costs some time a node."""

    def plus(self, ms: float) -> PartTime:
        """With one more node."""
        return PartTime(self.ms + ms, self.nodes + 1)


PartTimes = Mapping[tuple[int, Part], PartTime]
"""One profiled run by (op index, part). Only the proportions are to be trusted."""

MAX_THREADS = 1024
MAX_BATCH = 4096


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """How networks are to be run; part of a measurement's identity."""

    threads: int = 1
    batch: int = 1
    precision: Precision = "f32"

    def __post_init__(self) -> None:
        if not 1 <= self.threads <= MAX_THREADS:
            raise InputError(f"{self.threads} threads", allowed=f"1..{MAX_THREADS}")
        if not 1 <= self.batch <= MAX_BATCH:
            raise InputError(f"a batch of {self.batch}", allowed=f"1..{MAX_BATCH}")
        if self.precision not in PRECISIONS:
            raise InputError(f"precision {self.precision!r}", allowed=", ".join(PRECISIONS))


class LoadedNetwork(Protocol):
    """A network ready to run."""

    def run_ms(self) -> float:
        """Run one batch and return its wall time, ms."""
        ...

    def close(self) -> None:
        """Free what the network holds."""
        ...


class ProfiledNetwork(Protocol):
    """A network under its runtime's own profiler."""

    def part_times(self, runs: int) -> list[PartTimes]:
        """Run ``runs`` batches after a warm-up, and say where the time of each went."""
        ...

    def close(self) -> None:
        """Free what the network holds."""
        ...


class Runtime(Protocol):
    """A target, opened: it loads networks for one setup."""

    @property
    def setup(self) -> Setup:
        """Device, versions and options of everything this runtime measures."""
        ...

    @property
    def has_profiler(self) -> bool:
        """Whether ``load_profiled`` works."""
        ...

    def load(self, architecture: Architecture) -> LoadedNetwork:
        """Prepare a network for timing."""
        ...

    def load_profiled(self, architecture: Architecture) -> ProfiledNetwork:
        """Prepare a network for profiling; UnavailableError where the runtime has no profiler."""
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """A plug-in: where its code is and what it needs."""

    module: str
    package: str | None
    """The package it imports; None where it needs none."""
    extra: str | None
    """The extra of hwsearch that brings the package; None where the core does."""
    description: str
    takes_argument: bool = False


TARGETS: dict[str, Target] = {
    "cpu": Target("hwsearch.runtimes.onnx_runtime", "onnxruntime", None, "ONNX Runtime on this CPU"),
    "openvino": Target(
        "hwsearch.runtimes.openvino_runtime",
        "openvino",
        "openvino",
        "OpenVINO on this CPU; openvino:GPU, openvino:NPU where a plugin lists them",
        takes_argument=True,
    ),
    "torch": Target(
        "hwsearch.runtimes.torch_runtime",
        "torch",
        "torch",
        "PyTorch on this CPU, eager; torch:compile for compiled networks (slow to load: for measure)",
        takes_argument=True,
    ),
    "gpu": Target("hwsearch.runtimes.cuda_runtime", "torch", "torch", "PyTorch on a CUDA device"),
    "command": Target(
        "hwsearch.runtimes.command_runtime",
        None,
        None,
        "any device: a command that is given an ONNX file and prints milliseconds (command:FILE)",
        takes_argument=True,
    ),
}


def open_runtime(target: str, options: RuntimeOptions) -> Runtime:
    """The runtime of a target; InputError for an unknown one, UnavailableError where it cannot run here."""
    name, _, argument = target.partition(":")
    found = TARGETS.get(name)
    if found is None:
        raise InputError(
            f"no target is called {name!r}",
            allowed=", ".join(TARGETS),
            nearest=nearest_name(name, TARGETS),
            next_command="hwsearch targets",
        )
    if argument and not found.takes_argument:
        raise InputError(
            f"target {name} takes nothing after a colon, not {argument!r}", next_command="hwsearch targets"
        )
    if found.package is not None and importlib.util.find_spec(found.package) is None:
        raise missing_package(found.package, found.extra or "all")
    module = importlib.import_module(found.module)
    runtime: Runtime = module.open_runtime(argument, options)
    return runtime


def refuse_precision(runtime: str, precision: Precision, allowed: tuple[Precision, ...]) -> None:
    """Refuse a precision that a runtime does not have, naming those it has."""
    if precision not in allowed:
        raise UnavailableError(f"{runtime} does not run {precision} here", allowed=", ".join(allowed))
