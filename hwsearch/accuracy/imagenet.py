"""``predicted_top1``: what EfficientNet-like networks would reach on ImageNet under one training scheme.

The predictor is fitted on Accel-NASBench (github.com/afzalxo/Accel-NASBench, Apache-2.0; DAC 2024): thousands
of networks of the EfficientNet-B0 skeleton, each trained once by a shortened scheme. Its values rank networks;
they are not the top-1 that a full training reaches (EfficientNet-B0 stands at 65.8 here, not at 77).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from hwsearch.accuracy import domain
from hwsearch.accuracy.network import CHUNK, Evaluator, Network, load_network, scaled
from hwsearch.accuracy.signal import PREDICTED_TOP1, Metric, Prediction
from hwsearch.errors import OutOfDomainError
from hwsearch.stage_arrays import StageArrays

WEIGHTS = Path(__file__).with_name("imagenet_top1.npz")

_B0_EXPAND = (1, 6, 6, 6, 6, 6, 6)
_B0_KERNEL = (3, 3, 5, 3, 5, 5, 3)
_B0_REPEATS = (1, 2, 2, 3, 3, 4, 1)
_MAX_FAULTS_SHOWN = 12


class ImagenetSignal:
    """The ``imagenet`` accuracy signal; holds no state that a prediction changes."""

    metric: Metric = PREDICTED_TOP1
    search_evaluations: int | None = None

    def __init__(self, network: Network, name: str = "imagenet") -> None:
        self._network = network
        self._name = name

    @property
    def name(self) -> str:
        """``imagenet``, or the name of the file that the predictor was fitted into."""
        return self._name

    @property
    def description(self) -> str:
        """Which top-1 is predicted, from what it was fitted, and how it did on networks it had not seen."""
        about = self._network.metadata
        text = f"predicted_top1 (%) under {about['scheme']}; fitted on {about['rows']} networks of {about['source']}"
        figures = about.get("held_out")
        if not isinstance(figures, dict):
            return text
        return (
            f"{text}; on {figures['networks']:.0f} held-out networks Kendall tau {figures['kendall_tau']:.3f}"
            f" ({figures['kendall_tau_top_tenth']:.2f} in their best tenth), mean error {figures['mae']:.2f} points"
        )

    @property
    def network(self) -> Network:
        """The predictor's own small network, for who bounds it."""
        return self._network

    @property
    def metadata(self) -> dict[str, Any]:
        """Where the weights come from: source, scheme, seed, held-out figures, command."""
        return dict(self._network.metadata)

    def domain_faults(self, arrays: StageArrays) -> list[str]:
        """Every stage, field and value outside the domain, and what is allowed there; [] if none."""
        return domain.faults(arrays)

    def warnings(self, arrays: StageArrays) -> list[str]:
        """Says when an activation other than swish is ranked as if it were swish."""
        if arrays.activation == domain.ACTIVATION:
            return []
        return [f"predicted_top1 ranks activation {arrays.activation} as {domain.ACTIVATION}"]

    def predict(self, arrays: StageArrays) -> Prediction:
        """Mean and standard deviation of top-1 (percent) of N networks; raises OutOfDomainError."""
        count = arrays.num_networks
        outputs = np.empty(count, dtype=np.float32)
        evaluate = Evaluator(self._network)
        for start in range(0, count, CHUNK):
            rows = slice(start, start + CHUNK)
            if not domain.is_inside(arrays, rows):
                raise self._outside(arrays)
            codes = domain.stage_code(
                arrays.expand_ratio[rows], arrays.kernel_size[rows], arrays.num_repeats[rows], arrays.se_ratio[rows]
            )
            outputs[rows] = evaluate(codes)
        mean, std = scaled(self._network, outputs)
        return Prediction(mean, std)

    def _outside(self, arrays: StageArrays) -> OutOfDomainError:
        found = self.domain_faults(arrays)
        shown = found[:_MAX_FAULTS_SHOWN]
        if len(found) > len(shown):
            shown.append(f"and {len(found) - len(shown)} more")
        return OutOfDomainError(" | ".join(shown), where=f"accuracy signal {self.name!r}")


def load(path: Path | None = None) -> ImagenetSignal:
    """The shipped predictor, or the one fitted into ``path``; raises InputError if that is not one."""
    return ImagenetSignal(load_network(WEIGHTS)) if path is None else ImagenetSignal(load_network(path), path.name)


def efficientnet_b0_arrays() -> StageArrays:
    """EfficientNet-B0 (arXiv 1905.11946, table 1) as a population of one."""
    stages = domain.NUM_STAGES
    return StageArrays(
        kernel_size=np.array([_B0_KERNEL], dtype=np.int64),
        stride=np.array([domain.STRIDES], dtype=np.int64),
        expand_ratio=np.array([_B0_EXPAND], dtype=np.int64),
        out_channels=np.array([domain.OUT_CHANNELS], dtype=np.int64),
        num_repeats=np.array([_B0_REPEATS], dtype=np.int64),
        se_ratio=np.full((1, stages), 0.25),
        resolution=np.array([domain.RESOLUTION], dtype=np.int64),
        stem_channels=domain.STEM_CHANNELS,
        head_channels=domain.HEAD_CHANNELS,
        activation="swish",
    )


def reference_top1(signal: ImagenetSignal | None = None) -> float:
    """``predicted_top1`` of EfficientNet-B0 in the same scheme (percent): what other networks are compared to."""
    chosen = load() if signal is None else signal
    return float(chosen.predict(efficientnet_b0_arrays()).mean[0])
