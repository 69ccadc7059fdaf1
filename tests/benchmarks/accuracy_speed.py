"""Networks judged a second by the ``imagenet`` accuracy signal: ``python tests/benchmarks/accuracy_speed.py [N]``.

Set OMP_NUM_THREADS=1 (and OPENBLAS_NUM_THREADS=1) before it starts to see one core. Time is the wall clock's;
where other work has its share of the machine, the processor's time beside it says how much.
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np

from hwsearch.accuracy import domain, load_signal
from hwsearch.accuracy.table import random_choices
from hwsearch.stage_arrays import StageArrays

REPEATS = 7


def population(count: int, seed: int = 0) -> StageArrays:
    """Random networks of the signal's domain."""
    choices = random_choices(count, np.random.default_rng(seed))
    return StageArrays(
        kernel_size=choices.kernel_size,
        stride=np.tile(np.array(domain.STRIDES, dtype=np.int64), (count, 1)),
        expand_ratio=choices.expand_ratio,
        out_channels=np.tile(np.array(domain.OUT_CHANNELS, dtype=np.int64), (count, 1)),
        num_repeats=choices.num_repeats,
        se_ratio=choices.se * 0.25,
        resolution=np.full(count, domain.RESOLUTION, dtype=np.int64),
        stem_channels=domain.STEM_CHANNELS,
        head_channels=domain.HEAD_CHANNELS,
        activation="swish",
    )


def main() -> None:
    """Print the best and the median of some rounds."""
    largest = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    signal = load_signal()
    for count in (1, 100, 10_000, largest):
        arrays = population(count)
        signal.predict(arrays)
        seconds, processor = [], []
        for _ in range(REPEATS):
            start, start_processor = time.perf_counter(), time.process_time()
            signal.predict(arrays)
            seconds.append(time.perf_counter() - start)
            processor.append(time.process_time() - start_processor)
        best, median, used = min(seconds), statistics.median(seconds), statistics.median(processor)
        rates = ", ".join(
            f"{name} {count / value:>11,.0f}/s"
            for name, value in (("best", best), ("median", median), ("median by processor time", used))
        )
        print(f"{count:>9} networks: {rates}")


if __name__ == "__main__":
    main()
