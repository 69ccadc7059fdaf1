"""The outcome in one sentence and a few tiles; a claim is made from measurements, or says that it is predicted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from hwsearch.latency import Fidelity
from hwsearch.record import NetworkRecord
from hwsearch.report.quality import Quality, quality_of
from hwsearch.report.wording import (
    NBSP,
    budget,
    conditions,
    count,
    duration,
    factor,
    megabytes,
    ms,
    network_name,
    share,
    signed,
)
from hwsearch.run_directory import Summary


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the headline; strong ones are what the eye should find."""

    text: str
    strong: bool = False


@dataclass(frozen=True, slots=True)
class Tile:
    """One key figure: what it is, the figure, and its conditions."""

    label: str
    figure: str
    notes: tuple[str, ...]
    role: str = ""
    """The role of the network it is about."""


def headline(summary: Summary) -> tuple[Piece, ...]:
    """The run in plain words."""
    reference = summary.by_role("reference")
    pieces = list(_opening(summary, reference))
    for role in ("same_top1", "same_latency", "best"):
        network = summary.by_role(role)
        if network is not None:
            pieces += [Piece("; "), *_claim(role, network, summary)]
    return (*pieces, Piece("."))


def _opening(summary: Summary, reference: NetworkRecord | None) -> Iterator[Piece]:
    device = summary.setup.device.name if summary.setup else ""
    yield Piece(f"On {device}, " if device else "")
    if reference is None or _latency(reference) is None:
        yield Piece("the search scored " if device else "The search scored ")
        yield Piece(f"{summary.evaluated:,} networks", strong=True)
        return
    yield Piece(f"{network_name(reference.name)} takes ")
    yield Piece(ms(_latency(reference)), strong=True)
    yield Piece("" if reference.measured_latency_ms else " (predicted)")


def _claim(role: str, network: NetworkRecord, summary: Summary) -> Iterator[Piece]:
    reference = summary.by_role("reference")
    quality = quality_of(summary).claim(network, reference, at_least=role == "same_top1")
    quality = quality or ("" if role == "best" else "the one found")
    if role == "best":
        yield Piece(f"the best found under {_budgets(summary)} is {network.name}{', ' if quality else ''}")
    else:
        yield Piece(f"{network.name} is ")
    yield Piece(quality, strong=role != "same_top1")
    ratio = time_ratio(network, reference)
    if ratio is not None:
        yield Piece(" in ")
        yield Piece(f"{factor(ratio)} the time", strong=role != "same_latency")
    if _latency(network) is not None:
        yield Piece(f": {ms(_latency(network))} {'measured' if network.measured_latency_ms else 'predicted'}")


def _budgets(summary: Summary) -> str:
    return " and ".join(budget(each, quality_of(summary).name) for each in summary.budgets) or "no budget"


def time_ratio(network: NetworkRecord, reference: NetworkRecord | None) -> float | None:
    """Measured over measured, else predicted over predicted; never one over the other."""
    if reference is None:
        return None
    if network.measured_latency_ms and reference.measured_latency_ms:
        return network.measured_latency_ms / reference.measured_latency_ms
    if network.latency_ms and reference.latency_ms:
        return network.latency_ms / reference.latency_ms
    return None


def _latency(network: NetworkRecord) -> float | None:
    return network.measured_latency_ms or network.latency_ms


def tiles(summary: Summary) -> tuple[Tile, ...]:
    """The key figures: the reference, the winners, the table's error, the search."""
    reference, quality = summary.by_role("reference"), quality_of(summary)
    roles = [network for network in summary.networks if network.role in _TILE_FIGURES]
    found = [_network_tile(network, reference, quality) for network in roles]
    if summary.fidelity is not None:
        found.append(_fidelity_tile(summary.fidelity, summary))
    seconds = sum(summary.seconds.values())
    spent = (f"{duration(seconds)} in all",) if seconds else ()
    budgets = tuple(budget(each, quality.name) for each in summary.budgets) or ("no budget",)
    found.append(Tile("Networks scored", f"{summary.evaluated:,}", (*budgets, *spent)))
    return tuple(found)


_TILE_FIGURES = {"reference": "", "same_top1": "time", "same_latency": "top1", "best": ""}


def _network_tile(network: NetworkRecord, reference: NetworkRecord | None, quality: Quality) -> Tile:
    ratio, difference = time_ratio(network, reference), quality.difference(network, reference)
    figure, what = ms(_latency(network)), "latency"
    if _latency(network) is None:
        figure, what = count(network.macs), "MACs"
    if _TILE_FIGURES[network.role] == "time" and ratio is not None:
        figure, what = factor(ratio), "of the reference's time"
    elif _TILE_FIGURES[network.role] == "top1" and difference is not None:
        figure, what = signed(difference), f"points of {quality.name}"
    measured, predicted = network.measured_latency_ms, network.latency_ms
    known = [(value, word) for value, word in ((measured, "measured"), (predicted, "predicted")) if value]
    times = ", ".join(word if figure == ms(value) else f"{ms(value)} {word}" for value, word in known)
    top1 = f"{quality.name} {quality.said(network)}" if quality.value(network) is not None else ""
    size = f"{count(network.macs)} MACs, {count(network.params)} params, {megabytes(network.activation_bytes)} peak"
    notes = tuple(filter(None, (what if figure != ms(_latency(network)) else "", times, top1, size)))
    return Tile(network_name(network.name), figure, notes, network.role)


def _fidelity_tile(fidelity: Fidelity, summary: Summary) -> Tile:
    floor = fidelity.noise_floor
    notes = (
        f"MAPE over {fidelity.networks} held-out networks",
        f"noise floor {share(floor.mape)}" if floor else "no noise floor is known",
        f"{share(fidelity.within_5, 0)} of them within ±5{NBSP}%",
        conditions(summary.setup),
    )
    return Tile("Latency table's error", share(fidelity.mape), notes)
