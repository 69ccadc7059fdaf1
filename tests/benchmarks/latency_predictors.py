"""Ways to predict a network's latency from measurements, all from the same evidence; see ``latency_methods.py``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from isolated_models import NULL, block_key, layer_key
from latency_evidence import EXTRA, HELD_OUT, REFERENCE, Evidence, Timed, samples_of

from hwsearch.architecture import Architecture
from hwsearch.cost import cost
from hwsearch.estimate import TableEstimator
from hwsearch.latency import FloatArray, NoiseFloor, levels, noise_floor
from hwsearch.latency_table import MeasuredNetwork, Session
from hwsearch.least_squares import fit_additive
from hwsearch.notation import parse
from hwsearch.operation import Op, layers, ops
from hwsearch.profiling.in_context import solve

OURS = "in context: shares, node cost, affine (hwsearch)"


@dataclass(frozen=True)
class Prediction:
    """What a method says of the held-out networks, ms, and the seconds of measuring behind it."""

    method: str
    latency_ms: FloatArray
    seconds: float


class Evaluation:
    """Evidence read once: latencies by ``levels`` over all rounds, and who is who."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.networks = [parse(each.name) for each in evidence.networks]
        self.samples = samples_of(evidence.networks)
        self.latency_ms = levels(self.samples)[0]
        self.alone_ms = dict(
            zip((each.name for each in evidence.alone), levels(samples_of(evidence.alone))[0], strict=True)
        )
        self.design = self.members(lambda group: group.startswith("cover"))
        self.extra = self.members(lambda group: group == EXTRA)
        self.held_out = self.members(lambda group: group == HELD_OUT)

    def members(self, belongs: Callable[[str], bool]) -> list[int]:
        """Indices of the networks whose group is asked for."""
        return [index for index, each in enumerate(self.evidence.networks) if belongs(each.group)]

    @property
    def measured_ms(self) -> FloatArray:
        """Of the held-out networks."""
        return self.latency_ms[self.held_out]

    @property
    def floor(self) -> NoiseFloor:
        """One half of the rounds against the other, over the held-out networks."""
        return noise_floor(self.samples, np.isin(np.arange(len(self.networks)), self.held_out))

    def timing_seconds(self, indices: Sequence[int], rounds: Sequence[int] | None = None) -> float:
        """What the turns of these networks took."""
        chosen = range(len(self.samples)) if rounds is None else rounds
        return sum(self.evidence.networks[index].seconds[number] for index in indices for number in chosen)

    def profile_seconds(self, indices: Sequence[int]) -> float:
        """What profiling these networks took."""
        return sum(self.evidence.networks[index].profile_seconds for index in indices)

    def alone_seconds(self, kind: str) -> float:
        """What the turns of the isolated blocks or layers took, the null call among them."""
        return sum(sum(each.seconds) for each in self.evidence.alone if each.name.startswith((f"{kind}:", NULL)))


def predictions(evaluation: Evaluation) -> list[Prediction]:
    """Every method on the held-out networks."""
    design, extra = evaluation.design, evaluation.extra
    in_context_seconds = evaluation.timing_seconds(design) + evaluation.profile_seconds(design)
    return [
        macs_fit(evaluation),
        *isolated(evaluation, "layer", "isolated layers"),
        *isolated(evaluation, "block", "isolated blocks"),
        Prediction("in context: shares x wall alone", shares_times_wall(evaluation), in_context_seconds),
        Prediction(OURS, table_predictions(evaluation, design), in_context_seconds),
        whole_networks(evaluation, design, "whole networks only, the same"),
        whole_networks(evaluation, design + extra, "whole networks only, twice as many"),
    ]


def macs_fit(evaluation: Evaluation) -> Prediction:
    """Latency as an affine function of MACs."""
    macs = np.array([cost(network).macs for network in evaluation.networks], dtype=np.float64)
    predicted = affine(macs, evaluation)
    return Prediction("MACs, affine fit", predicted, evaluation.timing_seconds(evaluation.design))


def affine(x: FloatArray, evaluation: Evaluation) -> FloatArray:
    """Held-out latencies from a least-squares line through the design networks; ``x`` is of all networks."""
    slope, constant = np.polyfit(x[evaluation.design], evaluation.latency_ms[evaluation.design], 1)
    return slope * x[evaluation.held_out] + constant


def isolated(evaluation: Evaluation, kind: str, label: str) -> list[Prediction]:
    """Sums of what stands alone: plain, less the null call, and fitted to the design networks as well."""
    null = evaluation.alone_ms[NULL]

    def keys(op: Op) -> list[str]:
        return [block_key(op)] if kind == "block" else [layer_key(layer) for layer in layers(op)]

    def total(network: Architecture, less: float) -> float:
        # NaN for references outside the space; they are not predicted
        return sum(evaluation.alone_ms.get(key, np.nan) - less for op in ops(network) for key in keys(op)) + less

    plain, corrected = (np.array([total(n, less) for n in evaluation.networks]) for less in (0.0, null))
    seconds = evaluation.alone_seconds(kind)
    fitted, fit_seconds = affine(corrected, evaluation), evaluation.timing_seconds(evaluation.design)
    return [
        Prediction(f"{label}, summed", plain[evaluation.held_out], seconds),
        Prediction(f"{label}, less the null call", corrected[evaluation.held_out], seconds),
        Prediction(f"{label}, less the null call, affine fit", fitted, seconds + fit_seconds),
    ]


def shares_times_wall(evaluation: Evaluation) -> FloatArray:
    """Share of the profile x wall time, the median over occurrences; nothing taken off, nothing fitted."""
    seen: dict[Op, list[float]] = defaultdict(list)
    for index in evaluation.design:
        profile = evaluation.evidence.networks[index].profile
        op_ms: dict[int, float] = defaultdict(float)
        for key, (ms, _) in profile.items():
            op_ms[int(key.partition("/")[0])] += ms
        for position, op in enumerate(ops(evaluation.networks[index])):
            seen[op].append(op_ms[position] / sum(op_ms.values()) * float(evaluation.latency_ms[index]))
    networks = [evaluation.networks[index] for index in evaluation.held_out]
    return np.array([sum(float(np.median(seen[op])) for op in ops(network)) for network in networks])


def table_predictions(evaluation: Evaluation, design: Sequence[int], rounds: Sequence[int] | None = None) -> FloatArray:
    """What the table says that hwsearch solves from these networks and rounds."""
    chosen = range(len(evaluation.samples)) if rounds is None else rounds
    kept = [*design, *evaluation.members(lambda group: group == REFERENCE)]

    def measured(timed: Timed) -> MeasuredNetwork:
        role = "reference" if timed.group == REFERENCE else "design"
        return MeasuredNetwork(timed.name, role, tuple(timed.samples_ms[r] for r in chosen), timed.profile)

    networks = tuple(measured(evaluation.evidence.networks[index]) for index in kept)
    session = Session(evaluation.evidence.created, "", 0.0, networks)
    estimator = TableEstimator(solve("benchmark", evaluation.evidence.setup, (session,)))
    return np.array([estimator.latency_ms(evaluation.networks[index]) for index in evaluation.held_out])


def whole_networks(evaluation: Evaluation, design: Sequence[int], label: str) -> Prediction:
    """Least squares over whole networks, without any profile."""
    fit = fit_additive([evaluation.networks[index] for index in design], evaluation.latency_ms[list(design)])
    predicted = np.array([fit.latency_ms(evaluation.networks[index]) for index in evaluation.held_out])
    return Prediction(label, predicted, evaluation.timing_seconds(design))


def curve(evaluation: Evaluation) -> list[tuple[int, int, Prediction]]:
    """hwsearch's method on less evidence: (covers, rounds, prediction). Rounds are spread evenly over the run."""
    total, found = len(evaluation.samples), []
    counts = sorted({count for count in (3, 6, 12, total) if count <= total})
    for covers in range(1, evaluation.evidence.settings.covers + 1):
        names = {f"cover {number + 1}" for number in range(covers)}
        design = evaluation.members(names.__contains__)
        for count in counts:
            rounds = sorted({round(r) for r in np.linspace(0, total - 1, count)})
            seconds = evaluation.timing_seconds(design, rounds) + evaluation.profile_seconds(design)
            predicted = table_predictions(evaluation, design, rounds)
            found.append((covers, count, Prediction(OURS, predicted, seconds)))
    return found
