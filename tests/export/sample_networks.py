"""Networks to export: what searches find, what was published, and what formats stumble over."""

from __future__ import annotations

import numpy as np

from hwsearch.architecture import Activation, Architecture, Stage
from hwsearch.notation import parse
from hwsearch.preset import Preset

STRIDES = (1, 2, 2, 2, 1, 2, 1)
CHANNELS = (16, 24, 40, 80, 112, 192, 320)


def random_network(
    seed: int,
    resolution: int = 96,
    *,
    kernels: tuple[int, ...] = (3, 5),
    expands: tuple[int, ...] = (1, 4, 6),
    squeezes: tuple[float, ...] = (0.0, 0.25),
    activation: Activation = "swish",
) -> Architecture:
    """A network of the B0-like space: seven stages, 1 to 4 repeats, everything chosen per stage."""
    rng = np.random.default_rng(seed)
    stages = tuple(
        Stage(
            int(rng.choice(kernels)),
            stride,
            int(rng.choice(expands)),
            channels,
            int(rng.integers(1, 5)),
            float(rng.choice(squeezes)),
        )
        for stride, channels in zip(STRIDES, CHANNELS, strict=True)
    )
    return Architecture(resolution, 32, stages, 1280, activation)


WINNERS = {f"winner-{seed}": random_network(seed, 64 + 2 * seed) for seed in range(8)}

SPECIAL = {
    # squeeze-excite everywhere, in the space transformers can say
    "all-se": random_network(20, 96, squeezes=(0.25,)),
    "all-se-odd-inside": random_network(21, 74, squeezes=(0.25,), expands=(4, 6)),
    "no-e1": random_network(22, 65, expands=(3, 6), kernels=(3, 5, 7)),
    "lite": random_network(23, 80, squeezes=(0.0,), activation="relu6"),
    "lite-k7-e3-odd": random_network(24, 77, squeezes=(0.0,), kernels=(3, 5, 7), expands=(3, 6), activation="relu6"),
    "wide": parse(
        "r66 swish stem_c40 ds_r2_k3_s1_e1_c24_se0.25 ir_r2_k3_s2_e6_c32_se0.25 ir_r1_k5_s2_e6_c48_se0.25 head_c1536"
    ),
    "nine-stages": parse(
        "r64 relu stem_c16 ds_r1_k3_s1_e1_c16_se0.25 ir_r1_k3_s2_e4_c24 ir_r1_k5_s1_e4_c24_se0.25 ir_r1_k3_s2_e6_c40 "
        "ir_r2_k3_s1_e3_c40 ir_r1_k7_s2_e6_c80 ir_r1_k5_s1_e6_c96 ir_r1_k5_s2_e6_c160 ir_r1_k3_s1_e6_c200 "
        "head_c640 classes10"
    ),
    "odd-channels": parse("r64 swish stem_c20 ds_r2_k3_s1_e1_c12 ir_r2_k3_s2_e3_c28_se0.5 head_c100 classes2"),
    "same-width-at-stride-1": parse("r64 swish ds_r1_k3_s1_e1_c32_se0.25 ir_r1_k3_s2_e4_c40_se0.25 classes1000"),
    "deep-strides": parse(
        "r128 relu6 ds_r1_k3_s2_e1_c16 ir_r1_k3_s2_e6_c24 ir_r1_k5_s2_e6_c40 ir_r1_k3_s2_e6_c80 ir_r2_k5_s2_e6_c112"
    ),
}


def preset(name: str, architecture: Architecture) -> Preset:
    """The network under its name, with rates that are none of the defaults."""
    return Preset(name, architecture, dropout_rate=0.25, drop_connect_rate=0.15)
