"""Solving a table: from profiles and wall times of whole networks to the latency of every op.

A runtime's profiler says how a network's time divides among its ops, but slows the network down, and each
node of it by about the same. So profiles give proportions only, after a cost a node is taken off, and the
wall time of the unprofiled network gives the level: latency of an op = share x wall time, the mean over
its occurrences. The cost a node, and the affine map from summed ops to whole networks, are those that
predict each design network best from the others; then ops move a little towards what the walls say. A
device without a profiler gives wall times only; its ops come from least squares over more networks.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hwsearch.architecture import Architecture
from hwsearch.device import Setup
from hwsearch.errors import InputError
from hwsearch.latency import Fidelity, FloatArray, fidelity, levels, noise_floor, noise_warnings
from hwsearch.latency_table import LatencyTable, MeasuredNetwork, OpLatency, Session
from hwsearch.least_squares import fit_additive
from hwsearch.notation import parse
from hwsearch.operation import PARTS, Op, Part, ops
from hwsearch.ranking import mape

NODE_COSTS_MS = tuple(0.0005 * step for step in range(13))
"""What the profiler may cost a node: 0 to 6 µs, in steps of half a µs."""
LEAST_SHARE_KEPT = 0.25
"""A node cost never takes more than three quarters of what was reported."""
NODE_COST_SOFTNESS = 0.03
"""Candidates whose error is this much (relatively) above the least still count by 1/e."""
OP_SPREAD, WALL_SPREAD = 0.05, 0.02
"""How far an op is expected to lie from its mean over contexts, and a wall from the sum of its ops; fractions."""
UNUSUAL = 0.25
"""An occurrence further than this (as a fraction) from the median of its op was disturbed."""
SHARE_MET = 0.9
"""A design network with fewer of its ops in others than this share says nothing of the fit."""
MIN_FIT_NETWORKS = 12
"""Fewer design networks than this, and op sums stand as they are."""
SLOWED_SPREAD, SLOWED_LIMIT = 0.2, 1.4
"""Networks that the profiler slows down further apart, or more, than this were disturbed by something else."""
SLOPE_SPREAD, CONSTANT_SPREAD = 0.05, 0.05
"""How far slope (from 1) and constant (from 0, as a fraction of the median network) are expected to lie."""

PartShares = Mapping[tuple[int, Part], float]


@dataclass(frozen=True, slots=True)
class _Network:
    """A network of the evidence with its wall time in ms."""

    architecture: Architecture
    measured: MeasuredNetwork
    wall_ms: float


@dataclass(frozen=True, slots=True)
class _Occurrence:
    """One op met in one design network: parts in ms."""

    network: int
    parts_ms: tuple[float, ...]

    @property
    def ms(self) -> float:
        return sum(self.parts_ms)


Occurrences = dict[Op, list[_Occurrence]]


def solve(name: str, setup: Setup, sessions: Sequence[Session]) -> LatencyTable:
    """The latency table that the evidence gives, with its held-out figures and warnings."""
    networks = _networks(sessions)
    design = [each for each in networks if each.measured.role == "design"]
    if any(each.measured.profile for each in design):
        profiled = [each for each in design if each.measured.profile]
        table = _solve_shares(name, setup, sessions, profiled, [n for n in networks if n.measured.role == "reference"])
    else:
        table = _solve_sums(name, setup, sessions, design)
    said = [warning for session in sessions for warning in noise_warnings(_samples(session))]
    warnings = tuple(dict.fromkeys((*said, *_profile_warnings(design))))
    return dataclasses.replace(table, fidelity=held_out_fidelity(table, networks), warnings=warnings)


def merge(name: str, tables: Sequence[LatencyTable]) -> LatencyTable:
    """Tables of one setup as one, solved anew from all their evidence; InputError where setups differ."""
    first = tables[0]
    for table in tables:
        if table.setup.identity != first.setup.identity:
            raise InputError(f"tables of two setups never merge: {first.setup.label}, and {table.setup.label}")
        if not table.sessions:
            raise InputError(f"table {table.name} holds no evidence to solve again")
    sessions = _distinct(session for table in tables for session in table.sessions)
    return solve(name, first.setup, sessions)


def _distinct(sessions: Iterable[Session]) -> list[Session]:
    found: list[Session] = []
    for session in sessions:
        if session not in found:
            found.append(session)
    return found


def _profile_warnings(design: Sequence[_Network]) -> list[str]:
    """A profiler slows every network down a little and by much the same, unless something else ran beside it."""
    profiled = [each for each in design if each.measured.profile]
    if len(profiled) < MIN_FIT_NETWORKS:
        return []
    slowed = [sum(ms for ms, _ in each.measured.profile.values()) / each.wall_ms for each in profiled]
    spread = float(np.quantile(slowed, 0.9) / np.quantile(slowed, 0.1) - 1)
    if spread <= SLOWED_SPREAD and np.median(slowed) <= SLOWED_LIMIT:
        return []
    how = f"{np.median(slowed):.2f} x as slow as without, {spread:.0%} apart"
    return [f"something disturbed the profiles: networks ran {how}; profile again when the machine is quiet"]


def _solve_shares(
    name: str,
    setup: Setup,
    sessions: Sequence[Session],
    design: Sequence[_Network],
    references: Sequence[_Network],
) -> LatencyTable:
    """In context: share x wall. The references have walls only; those whose ops were all met help to correct."""
    occurrences = _occurrences(design, _node_cost(design))
    told = _met_elsewhere(design, occurrences)
    slope, constant_ms = _affine(_left_out_predictions(design, occurrences)[told], _walls(design)[told])
    op_ms = {op: slope * _mean_ms(seen) for op, seen in occurrences.items()}
    few = len(design) < MIN_FIT_NETWORKS
    walls = [*design, *(each for each in references if all(op in op_ms for op in ops(each.architecture)))]
    factors = dict.fromkeys(op_ms, 1.0) if few else _corrections(walls, op_ms, constant_ms)
    found = {op: _op_latency(seen, slope * factors[op]) for op, seen in occurrences.items()}
    return LatencyTable(name, setup, "in_context", constant_ms, found, None, tuple(sessions))


def _solve_sums(name: str, setup: Setup, sessions: Sequence[Session], design: Sequence[_Network]) -> LatencyTable:
    """Without a profiler: least squares over whole networks."""
    if len(design) < 2:
        raise InputError("fewer than two design networks in the evidence")
    fit = fit_additive([each.architecture for each in design], np.array([each.wall_ms for each in design]))
    found = {op: OpLatency(ms, {}, fit.occurrences[op]) for op, ms in fit.op_ms.items()}
    return LatencyTable(name, setup, "least_squares", fit.constant_ms, found, None, tuple(sessions))


def held_out_fidelity(table: LatencyTable, networks: Sequence[_Network] | None = None) -> Fidelity | None:
    """Predicted against measured on the evidence's held-out networks; None where there are too few."""
    networks = _networks(table.sessions) if networks is None else networks
    held_out = [each for each in networks if each.measured.role == "held_out"]
    known = [each for each in held_out if all(op in table.ops for op in ops(each.architecture))]
    if len(known) < 2:
        return None
    predicted = np.array([sum_ms(table, each.architecture) for each in known])
    session = next(s for s in table.sessions if any(n.role == "held_out" for n in s.networks))
    chosen = np.array([network.role == "held_out" for network in session.networks])
    floor = noise_floor(_samples(session), chosen)
    return fidelity(predicted, np.array([each.wall_ms for each in known]), floor)


def sum_ms(table: LatencyTable, architecture: Architecture) -> float:
    """The prediction for a network all of whose ops are in the table, ms."""
    return table.constant_ms + sum(table.ops[op].latency_ms for op in ops(architecture))


def reference_walls(table: LatencyTable) -> dict[Architecture, float]:
    """Measured latency of the table's reference networks, ms, at the level of its first session."""
    networks = _networks(table.sessions)
    return {each.architecture: each.wall_ms for each in networks if each.measured.role == "reference"}


def _samples(session: Session) -> FloatArray:
    return np.array([network.samples_ms for network in session.networks], dtype=np.float64).T


def _networks(sessions: Sequence[Session]) -> list[_Network]:
    """All networks of all sessions, their walls on the level of the first session."""
    found: list[_Network] = []
    for session in sessions:
        walls = levels(_samples(session))[0]
        factor = _level_factor(session, walls, {each.measured.text: each.wall_ms for each in found})
        found += [
            _Network(parse(measured.text), measured, float(wall * factor))
            for measured, wall in zip(session.networks, walls, strict=True)
        ]
    return found


def _level_factor(session: Session, walls: FloatArray, known: Mapping[str, float]) -> float:
    ratios = [known[each.text] / wall for each, wall in zip(session.networks, walls, strict=True) if each.text in known]
    if known and not ratios:
        raise InputError("two sessions without a common network cannot be compared")
    return float(np.median(ratios)) if ratios else 1.0


def _occurrences(design: Sequence[_Network], node_cost_ms: float) -> Occurrences:
    found: Occurrences = defaultdict(list)
    for number, network in enumerate(design):
        shares = _shares(network.measured, node_cost_ms)
        for index, op in enumerate(ops(network.architecture)):
            parts = tuple(shares.get((index, part), 0.0) * network.wall_ms for part in PARTS)
            found[op].append(_Occurrence(number, parts))
    return found


def _shares(measured: MeasuredNetwork, node_cost_ms: float) -> PartShares:
    times = {
        _profile_key(key): max(ms - node_cost_ms * nodes, LEAST_SHARE_KEPT * ms)
        for key, (ms, nodes) in measured.profile.items()
    }
    total = sum(times.values())
    if not total > 0:
        raise InputError(f"a profile without any time in it: {measured.text}")
    return {key: ms / total for key, ms in times.items()}


def _profile_key(key: str) -> tuple[int, Part]:
    index, _, part = key.partition("/")
    if not index.isdigit() or part not in PARTS:
        raise InputError(f"{key!r} is not a profile key", allowed="<op index>/<part>")
    return int(index), part


def _left_out_predictions(design: Sequence[_Network], occurrences: Occurrences) -> FloatArray:
    """Each design network predicted from the occurrences in the others."""
    predicted = np.zeros(len(design))
    for number, network in enumerate(design):
        for op in ops(network.architecture):
            others = [seen for seen in occurrences[op] if seen.network != number]
            predicted[number] += _mean_ms(others or occurrences[op])
    return predicted


def _met_elsewhere(design: Sequence[_Network], occurrences: Occurrences) -> npt.NDArray[np.bool_]:
    """Which design networks the others say something about, (N,): nearly all of their ops were met elsewhere too.

    A network by which a table was extended may be the only one with its ops. Left out, it would be predicted from
    itself, exactly, whatever the profiler costs and whatever small networks save.
    """
    shares = [
        np.mean([any(seen.network != number for seen in occurrences[op]) for op in ops(network.architecture)])
        for number, network in enumerate(design)
    ]
    return np.array(shares) >= SHARE_MET


def _node_cost(design: Sequence[_Network]) -> float:
    """What the profiler costs a node, ms: the candidates' mean, those that leave less error weighing more."""
    times = [each for network in design for each in network.measured.profile.values()]
    node_ms = sum(ms for ms, _ in times) / sum(nodes for _, nodes in times)
    costs = [cost for cost in NODE_COSTS_MS if cost <= LEAST_SHARE_KEPT * node_ms]
    errors = np.array([_left_out_error(design, _occurrences(design, cost)) for cost in costs])
    if len(design) < MIN_FIT_NETWORKS or np.ptp(errors) < 1e-6:
        return 0.0  # ops were met in one network each: there is nothing to tell the candidates apart
    weights = np.exp((1 - errors / max(errors.min(), 1e-9)) / NODE_COST_SOFTNESS)
    return float(np.average(costs, weights=weights))


def _left_out_error(design: Sequence[_Network], occurrences: Occurrences) -> float:
    """Error of the left-out predictions after the affine map, as a fraction."""
    told = _met_elsewhere(design, occurrences)
    if not told.any():
        return 0.0
    predicted, walls = _left_out_predictions(design, occurrences)[told], _walls(design)[told]
    slope, constant = _affine(predicted, walls)
    return mape(slope * predicted + constant, walls)


def _walls(design: Sequence[_Network]) -> FloatArray:
    return np.array([each.wall_ms for each in design])


def _affine(predicted: FloatArray, walls: FloatArray) -> tuple[float, float]:
    """Slope and constant (ms) of wall time over summed ops, least squares of relative errors."""
    if len(walls) < MIN_FIT_NETWORKS:
        return 1.0, 0.0
    noise = float(np.std(predicted / walls)) or 1e-9
    # on a noisy machine the fit must not invent a constant: slope and constant are held near 1 and 0
    held = np.array([[noise / SLOPE_SPREAD, 0.0], [0.0, noise / (CONSTANT_SPREAD * float(np.median(walls)))]])
    columns = np.concatenate([np.stack([predicted / walls, 1 / walls], axis=1), held])
    wanted = np.concatenate([np.ones(len(walls)), [noise / SLOPE_SPREAD, 0.0]])
    slope, constant = np.linalg.lstsq(columns, wanted, rcond=None)[0]
    return float(slope), float(constant)


def _corrections(design: Sequence[_Network], op_ms: Mapping[Op, float], constant_ms: float) -> dict[Op, float]:
    """Factors near 1 for every op, after which the sums explain the design networks' walls better.

    An op's mean over a few contexts is uncertain by some percent, and so is a wall; ridge regression weighs the
    two (the posterior mean where both are normal).
    """
    column = {op: index for index, op in enumerate(op_ms)}
    shares = np.zeros((len(design), len(column)))
    for row, network in enumerate(design):
        for op in ops(network.architecture):
            shares[row, column[op]] += op_ms[op] / network.wall_ms
    left = 1 - shares.sum(axis=1) - constant_ms / _walls(design)
    normal = shares.T @ shares / WALL_SPREAD**2 + np.eye(len(column)) / OP_SPREAD**2
    change = np.linalg.solve(normal, shares.T @ left / WALL_SPREAD**2)
    return dict(zip(column, (float(factor) for factor in 1 + change), strict=True))


def _mean_ms(seen: Sequence[_Occurrence]) -> float:
    return float(np.mean([each.ms for each in _usual(seen)]))


def _usual(seen: Sequence[_Occurrence]) -> list[_Occurrence]:
    """The occurrences near their median: one that was disturbed counts for nothing, the others by their mean."""
    middle = float(np.median([each.ms for each in seen]))
    return [each for each in seen if abs(each.ms - middle) <= UNUSUAL * middle] or list(seen)


def _op_latency(seen: Sequence[_Occurrence], factor: float) -> OpLatency:
    """The mean over an op's usual occurrences, times what slope and correction make of it."""
    parts = np.mean(np.array([each.parts_ms for each in _usual(seen)]), axis=0) * factor
    found = {part: float(ms) for part, ms in zip(PARTS, parts, strict=True) if ms > 0}
    return OpLatency(float(parts.sum()), found, len(seen))
