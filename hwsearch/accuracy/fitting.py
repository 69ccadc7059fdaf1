"""Fit the ``imagenet`` accuracy signal, or one like it, to a table of trained networks.

The procedure is run twice: once without a tenth of the networks, which then judges it, and once with all
of them, which gives the weights. Seeded: the same table, settings, seed and machine give the same weights.
"""

from __future__ import annotations

import dataclasses
import math
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from hwsearch.accuracy.distil import DistilSettings, distil
from hwsearch.accuracy.gaussian_process import GaussianProcessSettings
from hwsearch.accuracy.held_out import HeldOutFigures, held_out_figures, split_held_out, std_line
from hwsearch.accuracy.network import FORMAT, Network, mean_and_std
from hwsearch.accuracy.perceptrons import PerceptronSettings
from hwsearch.accuracy.table import MIN_ROWS, Choices, TrainedNetworks, random_choices, read_table
from hwsearch.accuracy.teacher import Teacher, TeacherSettings
from hwsearch.errors import InputError, missing_package

Progress = Callable[[str, float], None]
"""Told what is being done and which share of that step is over (0 to 1)."""

DEFAULT_SEED = 20240
"""The seed of the shipped weights."""
ACCEL_NASBENCH = "afzalxo/Accel-NASBench, Apache-2.0, DAC 2024"
ACCEL_NASBENCH_SCHEME = "Accel-NASBench's shortened ImageNet training, 224 pixels, one seed a network"
_POOL_CHUNK = 50_000
_FRESH = 10_000


@dataclass(frozen=True, slots=True)
class FitSettings:
    """What is fitted; the default takes some minutes on one core."""

    teacher: TeacherSettings = field(default_factory=TeacherSettings)
    distil: DistilSettings = field(default_factory=DistilSettings)
    min_rows: int = MIN_ROWS


QUICK = FitSettings(
    teacher=TeacherSettings(
        process=GaussianProcessSettings(subset=200, steps=25),
        perceptrons=PerceptronSettings(members=2, hidden=64, epochs=40),
    ),
    distil=DistilSettings(hidden_1=64, hidden_2=32, pool=30_000, epochs=10, batch=256),
)
"""Seconds instead of minutes, for a trial: its figures are worse, and say by how much."""


@dataclass(frozen=True, slots=True, eq=False)
class FittedPredictor:
    """A predictor fitted on all networks, and how the same procedure did on a tenth it had not seen."""

    network: Network
    held_out: HeldOutFigures

    def save(self, path: Path) -> None:
        """Write the npz that ``load_signal`` reads, whole or not at all."""
        if path.suffix != ".npz":
            raise InputError(f"{path.name!r} does not end in .npz", where=str(path), allowed="a name ending in .npz")
        _write_whole(path, self.network.to_bytes())


def fit(
    data: Path,
    seed: int = DEFAULT_SEED,
    settings: FitSettings | None = None,
    *,
    source: str = "",
    scheme: str = "",
    progress: Progress | None = None,
) -> FittedPredictor:
    """Fit a predictor to the table ``data`` (CSV, see ``table``).

    ``source`` (the file's name if empty) and ``scheme`` are written into the file: where the table comes from,
    and how its networks were trained; those of the shipped weights are the constants above.
    Raises FaultsError for a bad table, and UnavailableError when PyTorch is not installed.
    """
    if find_spec("torch") is None:
        raise missing_package("torch", "fit")
    chosen = settings if settings is not None else FitSettings()
    told = progress if progress is not None else _untold
    trained = read_table(data, min_rows=chosen.min_rows)
    with _one_thread():
        figures = _judge(trained, chosen, seed, told)
        network, _ = _fit_network(trained, chosen, seed, _named(told, "all networks"))
    metadata = {
        "format": FORMAT,
        "source": source or data.name,
        "scheme": scheme or "a training scheme that was not stated",
        "seed": seed,
        "rows": len(trained),
        "held_out": figures.to_dict(),
        "command": f"hwsearch accuracy fit {data.name} --seed {seed}",
    }
    return FittedPredictor(network.with_metadata(metadata), figures)


def _judge(trained: TrainedNetworks, settings: FitSettings, seed: int, progress: Progress) -> HeldOutFigures:
    rest, held = split_held_out(trained, seed)
    network, teacher = _fit_network(trained.rows(rest), settings, seed, _named(progress, "nine tenths"))
    judged = trained.rows(held)
    mean, std = mean_and_std(network, judged.choices.codes())
    return held_out_figures(mean, std, teacher(judged.choices), judged.top1)


def _fit_network(
    trained: TrainedNetworks, settings: FitSettings, seed: int, progress: Progress
) -> tuple[Network, Teacher]:
    teacher = Teacher(trained, settings.teacher, seed, progress)
    line = std_line(teacher.left_out, trained.top1)
    pool = random_choices(settings.distil.pool, np.random.default_rng(seed))
    labels = _labels(teacher, pool, progress)
    # An error counts by how large it is beside the scatter of training runs there.
    weights = 1 / np.clip(line[0] + line[1] * labels, line[2], line[3]) ** 2
    small = distil(pool, labels, weights, settings.distil, seed=seed, progress=progress)
    network = Network(
        embedding=small.embedding,
        weight_1=small.weight_1,
        bias_1=small.bias_1,
        weight_2=small.weight_2,
        bias_2=small.bias_2,
        weight_3=small.weight_3,
        mean_scale=np.array([small.offset, small.factor]),
        std_line=line,
        metadata={},
    )
    return _with_distillation_error(network, teacher, trained, seed), teacher


def _with_distillation_error(network: Network, teacher: Teacher, trained: TrainedNetworks, seed: int) -> Network:
    """Widen the standard deviation by how far the small network is from its teacher on networks new to both."""
    fresh = random_choices(_FRESH, np.random.default_rng([seed, 1]))
    gap = float(np.mean((mean_and_std(network, fresh.codes())[0] - teacher(fresh)) ** 2))
    error = float(np.mean((teacher.left_out - trained.top1) ** 2))
    return dataclasses.replace(network, std_line=network.std_line * math.sqrt(1 + gap / error))


def _labels(teacher: Teacher, pool: Choices, progress: Progress) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    labels = np.empty(len(pool))
    for start in range(0, len(pool), _POOL_CHUNK):
        rows = slice(start, start + _POOL_CHUNK)
        labels[rows] = teacher(pool.rows(rows))
        progress("label random networks", min(start + _POOL_CHUNK, len(pool)) / len(pool))
    return labels


def _untold(step: str, share: float) -> None:
    """Progress that nobody asked for."""


def _named(progress: Progress, part: str) -> Progress:
    return lambda step, share: progress(f"{part}: {step}", share)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums of many threads depend on how many there are; those of one are the same each time."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _write_whole(path: Path, content: bytes) -> None:
    if not path.parent.is_dir():
        raise InputError("the folder does not exist", where=str(path.parent))
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
