"""Scaled networks beside the published ones on the same device, as plain data.

A published network has a latency here only where the run measured exactly it, or the run's table holds all its ops.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from hwsearch.architecture import Architecture
from hwsearch.coefficients import Law
from hwsearch.cost import cost
from hwsearch.device import Setup
from hwsearch.estimate import TableEstimator
from hwsearch.family import DeviceLatency, Family, Variant
from hwsearch.family_latency import measured_ms, predicted_ms
from hwsearch.preset import Preset, reference_presets
from hwsearch.profiling.measurement import Measurement
from hwsearch.report.wording import conditions, network_name, taken_on

Line = Literal["b", "lite", "published-b", "published-lite", ""]
"""The line of the chart that a network is on; a network of no line is a mark by itself."""

MUCH_LARGER = 1.2
"""How many times the MACs of the largest member a published network may have, where no latency limits them."""
_PUBLISHED_LINES: dict[str, Line] = {"b": "published-b", "lite": "published-lite"}
_NAMES = {"mobilenet-v2": "MobileNetV2", "mnasnet-a1": "MnasNet-A1", "mnasnet-b1": "MnasNet-B1"}


@dataclass(frozen=True, slots=True)
class Member:
    """One network of the chart and the table: what it is, what it costs, what it takes."""

    key: str
    """Its place on the page, by which chart and table find each other."""
    name: str
    label: str
    """What stands beside its mark."""
    line: Line
    architecture: Architecture
    macs: int
    params: int
    predicted_ms: float | None
    measured_ms: float | None
    published_top1: float | None
    """Percent, only where exactly this network was published with one."""
    variant: Variant | None = None
    """Its coefficients; None for a published network."""

    @property
    def latency_ms(self) -> float | None:
        """Measured, else predicted."""
        return self.measured_ms if self.measured_ms is not None else self.predicted_ms

    @property
    def resolution(self) -> int:
        """Side of the input, pixels."""
        return self.architecture.resolution


@dataclass(frozen=True, slots=True)
class FamilyData:
    """The members of a run's families, and the published networks beside them."""

    families: tuple[Family, ...]
    members: tuple[Member, ...]
    published: tuple[Member, ...]
    """Those whose latency is known here; all of them, by their counts, where no latency is."""
    predicted_for: tuple[str, ...]
    """Device and conditions of the predicted latencies, each once."""
    measured_on: tuple[str, ...]

    @property
    def laws(self) -> tuple[tuple[str, Law | None, str], ...]:
        """The families by the law they were scaled with: their names as one text, the law, how it was come by."""
        members: dict[tuple[Architecture, Law | None, str], list[str]] = {}
        for family in self.families:
            members.setdefault((family.base, family.law, family.law_note), []).append(family.name)
        return tuple((" and ".join(names), law, note) for (_, law, note), names in members.items())

    @property
    def timed(self) -> bool:
        """Whether enough latencies are known to draw them: of two members of one style."""
        known = [member.line for member in self.members if member.latency_ms is not None]
        return any(known.count(line) > 1 for line in known)

    @property
    def drawn(self) -> tuple[Member, ...]:
        """The published networks first, so that the run's own lie above them."""
        every = (*self.published, *self.members)
        return tuple(each for each in every if each.latency_ms is not None) if self.timed else every

    @property
    def conditions(self) -> tuple[str, ...]:
        """What the latencies hold for, in sentences."""
        if self.predicted_for == self.measured_on:
            return tuple(f"Latencies on {text}." for text in self.measured_on)
        predicted = tuple(f"Predicted latencies: {text}." for text in self.predicted_for)
        return (*predicted, *(f"Measured latencies: {text}." for text in self.measured_on))


def family_data(
    families: Sequence[Family], estimator: TableEstimator | None = None, measurement: Measurement | None = None
) -> FamilyData:
    """What a page says of families, from their files and the files beside them."""
    measured = measured_ms(measurement) if measurement else {}
    variants = [variant for family in families for variant in family.variants]
    members = tuple(_member(index, variant, estimator, measured) for index, variant in enumerate(variants))
    setup = estimator.table.setup if estimator and any(each.predicted_ms for each in members) else None
    found = FamilyData(
        tuple(families),
        members,
        (),
        _conditions((each.predicted_latency for each in variants), setup),
        _conditions((each.measured_latency for each in variants), measurement.setup if measurement else None),
    )
    beside = (each for each in _published(estimator, measured) if _is_near(each, found))
    return dataclasses.replace(found, published=tuple(beside))


def _is_near(published: Member, data: FamilyData) -> bool:
    """Whether a published network belongs beside the family: not in it; timed as it is, else no larger by far."""
    if published.architecture in {each.architecture for each in data.members}:
        return False
    if data.timed:
        return published.latency_ms is not None
    return published.macs <= MUCH_LARGER * max((each.macs for each in data.members), default=0)


def _member(
    index: int, variant: Variant, estimator: TableEstimator | None, measured: Mapping[Architecture, float]
) -> Member:
    predicted, known = variant.predicted_latency, variant.measured_latency
    network = variant.architecture
    return Member(
        f"member-{index}",
        variant.name,
        f"φ {variant.phi:g}" if variant.source == "law" else f"{_letter(variant)}{variant.phi:g}",
        variant.style,
        network,
        variant.macs,
        variant.params,
        predicted.latency_ms if predicted else predicted_ms(estimator, network) if estimator else None,
        known.latency_ms if known else measured.get(network),
        variant.published_top1.percent if variant.published_top1 else None,
        variant,
    )


def _letter(variant: Variant) -> str:
    return "B" if variant.style == "b" else "Lite"


def _conditions(latencies: Iterable[DeviceLatency | None], setup: Setup | None) -> tuple[str, ...]:
    """What the files of a family say; where they say nothing, what holds for the figures beside them."""
    said = [taken_on(each) for each in latencies if each is not None]
    return tuple(dict.fromkeys(said or ([f"{setup.device.name}, {conditions(setup)}"] if setup else [])))


def _published(estimator: TableEstimator | None, measured: Mapping[Architecture, float]) -> Iterable[Member]:
    for name, preset in reference_presets().items():
        network = preset.architecture
        price, top1 = cost(network), preset.published_top1
        yield Member(
            f"published-{name}",
            _NAMES.get(name, network_name(name)),
            _NAMES.get(name, network_name(name)).removeprefix("EfficientNet-"),
            _line(preset),
            network,
            price.macs,
            price.params,
            predicted_ms(estimator, network) if estimator else None,
            measured.get(network),
            top1.percent if top1 else None,
        )


def _line(preset: Preset) -> Line:
    found = re.fullmatch(r"efficientnet-(b|lite)\d", preset.name)
    return _PUBLISHED_LINES[found[1]] if found else ""
