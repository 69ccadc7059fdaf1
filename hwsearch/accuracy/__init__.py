"""What ranks networks by the accuracy they would be trained to: one Protocol, several signals."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import cast

from hwsearch.accuracy.signal import AccuracySignal, Metric, Prediction
from hwsearch.errors import InputError, missing_package, nearest_name
from hwsearch.executor import Executor

__all__ = ["DEFAULT_SIGNAL", "FILE_SIGNALS", "SIGNALS", "AccuracySignal", "Metric", "Prediction", "load_signal"]

DEFAULT_SIGNAL = "imagenet"

SIGNALS: dict[str, str] = {
    "imagenet": "hwsearch.accuracy.imagenet",
    "naswot": "hwsearch.accuracy.zero_cost.naswot",
    "synflow": "hwsearch.accuracy.zero_cost.synflow",
    "zen": "hwsearch.accuracy.zero_cost.zen",
    "grad-norm": "hwsearch.accuracy.zero_cost.grad_norm",
}
"""Name of a signal to the module whose ``load()`` brings it; a module is imported when it is asked for."""

FILE_SIGNALS: dict[str, str] = {
    "table": "hwsearch.accuracy.user_table",
    "command": "hwsearch.accuracy.command",
}
"""``KIND:FILE`` to the module whose ``load(path)`` brings the signal of a user's file."""


def load_signal(
    name: str = DEFAULT_SIGNAL, *, journal: Path | None = None, executor: Executor | None = None
) -> AccuracySignal:
    """The signal that ``name`` asks for.

    A name of ``SIGNALS``; ``FILE.npz``, a predictor of one's own (``hwsearch accuracy fit``); ``table:FILE.csv``,
    trained accuracies; ``command:FILE``, an executable that trains and prints one, whose results go to
    ``journal`` (``command`` says where if it is None). Only a command can be run by an ``executor``.

    Raises InputError for an unknown name, a missing file, or a file that is not what it should be, and
    UnavailableError for a proxy without PyTorch.
    """
    kind, colon, file = name.partition(":")
    if executor is not None and kind != "command":
        raise InputError(
            f"accuracy signal {name!r} is computed in this process, not on an executor", allowed="command:FILE"
        )
    if colon and kind in FILE_SIGNALS:
        if not file:
            raise InputError(f"accuracy signal {kind} needs a file", allowed=f"{kind}:FILE")
        more = {"journal": journal, "executor": executor} if kind == "command" else {}
        return cast(AccuracySignal, importlib.import_module(FILE_SIGNALS[kind]).load(Path(file), **more))
    if name.endswith(".npz"):
        return cast(AccuracySignal, importlib.import_module(SIGNALS[DEFAULT_SIGNAL]).load(Path(name)))
    if name not in SIGNALS:
        forms = [f"{kind}:FILE" for kind in FILE_SIGNALS]
        allowed = f"{', '.join([*SIGNALS, *forms])}, or a fitted predictor's .npz file"
        nearest = nearest_name(kind, [*SIGNALS, *FILE_SIGNALS])
        raise InputError(
            f"accuracy signal {name!r} is not known",
            allowed=allowed,
            nearest=f"{nearest}:FILE" if nearest in FILE_SIGNALS else nearest,
        )
    return cast(AccuracySignal, _module(name).load())


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(SIGNALS[name])
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise missing_package("torch", "torch") from None
