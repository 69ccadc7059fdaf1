"""``hwsearch accuracy fit``: the fit, its figures, its file."""

from __future__ import annotations

from pathlib import Path

from hwsearch import console
from hwsearch.accuracy.fitting import QUICK, FitSettings, fit
from hwsearch.profiling.profiler import Progress


def fit_predictor(data: Path, output: Path, seed: int, quick: bool, source: str, scheme: str) -> None:
    """Fit, save, and say how the same procedure did on networks it had not seen."""
    with console.ProgressBars() as bars:
        found = fit(
            data,
            seed,
            QUICK if quick else FitSettings(),
            source=source,
            scheme=scheme,
            progress=lambda step, share: bars(Progress(step, int(1000 * share), 1000)),
        )
    found.save(output)
    for name, value in found.held_out.to_dict().items():
        console.result(f"held-out {name}: {value:.4g}")
    console.result(f"predictor: {output}")
