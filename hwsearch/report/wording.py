"""Numbers in words, each with its unit: what the page shows, and what its tests look for."""

from __future__ import annotations

import math

from hwsearch.budget import parse_budget
from hwsearch.device import Setup
from hwsearch.errors import InputError
from hwsearch.family import DeviceLatency
from hwsearch.record import NetworkRecord

NBSP, MINUS, TIMES, PLUS_MINUS = "\u00a0", "\u2212", "\u00d7", "\u00b1"
UNKNOWN = "\u2013"
"""What stands where a figure is not known."""

ROLE_LABELS = {
    "reference": "reference",
    "same_top1": "as good, faster",
    "same_latency": "as fast, better",
    "best": "best under the budgets",
    "front": "on the front",
    "": "also measured",
}
PART_LABELS = {
    "expand": "expand 1×1",
    "depthwise": "depthwise",
    "squeeze_excite": "squeeze-excite",
    "project": "project 1×1",
    "other": "other",
}
METRIC_LABELS = {
    "latency_ms": "latency (ms)",
    "macs": "MACs",
    "params": "parameters",
    "activation_bytes": "activation memory (bytes)",
    "predicted_top1": "predicted top-1 (%)",
    "proxy_score": "proxy score",
    "front_size": "networks on the front",
}
_RUNTIMES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO", "torch": "PyTorch"}


def plain(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, in full, with a true minus sign."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else UNKNOWN
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(places, 6)}f}".replace("-", MINUS)


def ms(value: float | None) -> str:
    """Milliseconds a batch."""
    return UNKNOWN if value is None else f"{plain(value)}{NBSP}ms"


def count(value: float) -> str:
    """A large count: thousands, millions or billions."""
    for limit, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{plain(value / limit)}{NBSP}{suffix}"
    return plain(value)


def megabytes(value: float) -> str:
    """Bytes in millions."""
    return f"{plain(value / 1e6)}{NBSP}MB"


def percent(value: float | None, places: int = 2) -> str:
    """A figure that is in percent already."""
    return UNKNOWN if value is None else f"{value:.{places}f}{NBSP}%".replace("-", MINUS)


def share(value: float | None, places: int = 1) -> str:
    """A fraction as percent."""
    return UNKNOWN if value is None else percent(100 * value, places)


def signed(value: float, places: int = 2) -> str:
    """A difference with its sign."""
    return f"{value:+.{places}f}".replace("-", MINUS)


def factor(value: float) -> str:
    """A ratio, e.g. 0.70x."""
    return f"{value:.2f}{TIMES}"


def duration(seconds: float) -> str:
    """Wall time for people."""
    if seconds < 90:
        return f"{plain(seconds, 2) if seconds < 10 else f'{seconds:.0f}'}{NBSP}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{NBSP}h {minutes:02d}{NBSP}min" if hours else f"{minutes}{NBSP}min {rest:02d}{NBSP}s"


def predicted_top1(record: NetworkRecord) -> str:
    """Predicted top-1 with its standard deviation, percent."""
    if record.predicted_top1 is None:
        return UNKNOWN
    spread = record.predicted_top1_std
    return (
        percent(record.predicted_top1)
        if spread is None
        else (f"{record.predicted_top1:.2f}{NBSP}{PLUS_MINUS}{NBSP}{percent(spread)}")
    )


def network_name(name: str) -> str:
    """A name as people write it: EfficientNet-B0 for efficientnet-b0; any other stays."""
    head, _, tail = name.partition("efficientnet-")
    known = not head and len(tail) in (2, 5) and tail.rstrip("0123456789") in ("b", "lite")
    return f"EfficientNet-{tail.capitalize()}" if known else name


def runtime_name(setup: Setup) -> str:
    """The runtime with its version."""
    return f"{_RUNTIMES.get(setup.runtime, setup.runtime)} {setup.runtime_version}".strip()


def conditions(setup: Setup | None) -> str:
    """What a latency holds for, beside the device."""
    if setup is None:
        return "no latency was measured"
    threads = f"{setup.threads} thread{'s' * (setup.threads != 1)}" if setup.threads else ""
    return ", ".join(filter(None, (runtime_name(setup), threads, batch(setup.batch), precision(setup.precision))))


def batch(size: int) -> str:
    """The batch that a latency holds for; not all measurements of others tell."""
    return f"batch {size}" if size else "batch unstated"


def precision(name: str) -> str:
    """The precision that a latency holds for."""
    return "precision unstated" if name == "unstated" else name


def taken_on(latency: DeviceLatency) -> str:
    """What a member's latency holds for, its device included."""
    threads = "" if latency.threads is None else f"{latency.threads} thread{'s' * (latency.threads != 1)}"
    device, runtime = (*latency.device.rsplit(", ", 1), "")[:2]
    name, _, version = runtime.partition(" ")
    known = f"{_RUNTIMES[name]} {version}".strip() if name in _RUNTIMES else runtime
    return ", ".join(filter(None, (device, known, threads, batch(latency.batch), precision(latency.precision))))


def budget(text: str, quality: str = "") -> str:
    """A budget in words, with the accuracy's ``quality`` by its name; the text itself where it is not understood."""
    try:
        found = parse_budget(text)
    except InputError:
        return text
    sense = "≤" if found.sense == "<=" else "≥"
    shown = {
        "latency_ms": ms,
        "activation_bytes": megabytes,
        "predicted_top1": percent,
        "proxy_score": plain,
    }.get(found.metric, count)(found.limit)
    label = METRIC_LABELS[found.metric].split(" (")[0]
    label = quality if quality and found.metric in ("predicted_top1", "proxy_score") else label
    return f"{label} {sense} {shown}"
