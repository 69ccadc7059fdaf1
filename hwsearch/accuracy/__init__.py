"""What ranks networks by the accuracy they would be trained to: one Protocol, several signals."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import cast

from hwsearch.accuracy.signal import AccuracySignal, Prediction
from hwsearch.errors import InputError, nearest_name

__all__ = ["DEFAULT_SIGNAL", "SIGNALS", "AccuracySignal", "Prediction", "load_signal"]

DEFAULT_SIGNAL = "imagenet"

SIGNALS: dict[str, str] = {
    "imagenet": "hwsearch.accuracy.imagenet",
}
"""Name of a signal to the module whose ``load()`` brings it; a module is imported when it is asked for."""


def load_signal(name: str = DEFAULT_SIGNAL) -> AccuracySignal:
    """The signal of that name, or the predictor fitted into the file ``name`` if it ends in ``.npz``.

    Raises InputError for an unknown name, a missing file, or a file that is not a fitted predictor.
    """
    if name.endswith(".npz"):
        module = importlib.import_module(SIGNALS[DEFAULT_SIGNAL])
        return cast(AccuracySignal, module.load(Path(name)))
    if name not in SIGNALS:
        allowed = f"{', '.join(SIGNALS)}, or a fitted predictor's .npz file"
        nearest = nearest_name(name, SIGNALS)
        raise InputError(f"accuracy signal {name!r} is not known", allowed=allowed, nearest=nearest)
    return cast(AccuracySignal, importlib.import_module(SIGNALS[name]).load())
