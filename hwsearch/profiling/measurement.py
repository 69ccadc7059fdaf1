"""Whole networks measured side by side: the number that every prediction is judged by."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from hwsearch.architecture import Architecture
from hwsearch.device import Setup
from hwsearch.errors import FaultsError, InputError
from hwsearch.json_file import Document, read_json, rounded, validate, write_json
from hwsearch.latency import DRIFT_LIMIT, FloatArray, levels, noise_floor, noise_warnings
from hwsearch.latency_table import SetupModel, setup_document
from hwsearch.notation import parse
from hwsearch.profiling.timing import time_rounds
from hwsearch.runtimes import Runtime

FORMAT, VERSION = "hwsearch-measurement", 1
DEFAULT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """Networks timed in the same shuffled rounds."""

    setup: Setup
    architectures: tuple[Architecture, ...]
    samples_ms: FloatArray
    """Shape (rounds, networks), as measured."""
    level: float = 1.0
    """How much slower the machine was than when the table was measured that these latencies are compared with."""

    @property
    def latency_ms(self) -> FloatArray:
        """Latency of each network, ms a batch, shape (networks,), with the level taken out."""
        return levels(self.samples_ms)[0] / self.level

    def at_level_of(self, references_ms: Mapping[Architecture, float]) -> Measurement:
        """The same samples at the level of earlier measurements of some of these networks (ms).

        A shared machine is faster on some days than on others; networks measured on both tie the two together.
        """
        measured = levels(self.samples_ms)[0]
        ratios = [
            ms / references_ms[each]
            for each, ms in zip(self.architectures, measured, strict=True)
            if each in references_ms
        ]
        return dataclasses.replace(self, level=float(np.median(ratios)) if ratios else 1.0)

    @property
    def noise_floor_mape(self) -> float:
        """How much one half of the rounds differs from the other, as a fraction."""
        return noise_floor(self.samples_ms).mape

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know about the quiet of the machine."""
        found = noise_warnings(self.samples_ms)
        if abs(self.level - 1) > DRIFT_LIMIT:
            found += (f"the machine runs {self.level:.2f} x as slow as when the table was measured; taken out",)
        return found


def measure(
    runtime: Runtime,
    architectures: Sequence[Architecture],
    *,
    seconds: float = DEFAULT_SECONDS,
    seed: int = 0,
    on_progress: Callable[[int, int], None] | None = None,
) -> Measurement:
    """Time whole networks in shuffled rounds; ``on_progress`` hears turns done and planned."""
    done, total = 0, 0

    def on_plan(turns: int) -> None:
        nonlocal total
        total = turns

    def on_turn(number: int, network: int, ms: float) -> None:
        nonlocal done
        done += 1
        if on_progress:
            on_progress(done, total)

    samples = time_rounds(runtime, architectures, seed=seed, seconds=seconds, on_turn=on_turn, on_plan=on_plan)
    return Measurement(runtime.setup, tuple(architectures), samples)


class _NetworkModel(Document):
    text: str
    samples_ms: list[Annotated[float, Field(gt=0)]] = Field(min_length=1)


class _MeasurementModel(Document):
    format: Literal["hwsearch-measurement"]
    version: Literal[1]
    setup: SetupModel
    level: float = Field(default=1.0, gt=0)
    networks: list[_NetworkModel] = Field(min_length=1)


def save_measurement(measurement: Measurement, path: Path) -> None:
    """Write the samples and their setup atomically."""
    networks: list[dict[str, Any]] = [
        {"text": each.text, "samples_ms": [rounded(float(ms), 5) for ms in measurement.samples_ms[:, index]]}
        for index, each in enumerate(measurement.architectures)
    ]
    document = {
        "format": FORMAT,
        "version": VERSION,
        "setup": setup_document(measurement.setup),
        "level": rounded(measurement.level, 5),
        "networks": networks,
    }
    write_json(path, document)


def load_measurement(path: Path) -> Measurement:
    """Read samples back; InputError or FaultsError where the file is not whole and sound."""
    model = validate(_MeasurementModel, read_json(path, FORMAT, VERSION), str(path))
    if len({len(network.samples_ms) for network in model.networks}) > 1:
        raise FaultsError(str(path), ["networks: networks with different numbers of samples"])
    samples = np.array([network.samples_ms for network in model.networks], dtype=np.float64).T
    try:
        networks = tuple(parse(network.text) for network in model.networks)
    except InputError as error:
        raise InputError(str(error), where=str(path)) from None
    return Measurement(model.setup.to_setup(), networks, samples, model.level)
