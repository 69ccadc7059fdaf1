"""Networks scored a second on one core: ``python tests/benchmarks/scoring_speed.py [--table TABLE] [--networks N]``.

Latency, MACs, params, peak bytes and predicted top-1 of random networks of each shipped space, as a search
scores them; beside it one network at a time, as ``estimate`` judges it. Without a table a closed form stands
in for one: look-ups cost the same whatever they hold. Set OMP_NUM_THREADS=1 before it starts.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import time
from collections.abc import Callable

import numpy as np

from hwsearch.accuracy import load_signal
from hwsearch.cost import cost, op_cost
from hwsearch.errors import OutOfDomainError
from hwsearch.operation import Op, ops
from hwsearch.scoring import LatencyModel, Scorer
from hwsearch.search_space import SearchSpace
from hwsearch.space_file import load_space
from hwsearch.stage_arrays import from_architectures

REPEATS = 7
SPACES = ("efficientnet-b0", "efficientnet-lite", "mbconv")


class ClosedForm:
    """MACs at one speed and an overhead an op, in place of a table."""

    name = "closed-form"
    constant_ms = 0.2

    def op_ms(self, op: Op) -> float:
        """Milliseconds of one op."""
        return 0.02 + op_cost(op).macs * 2e-8


def table_model(name: str | None) -> LatencyModel:
    """The estimator of a latency table, or the closed form."""
    if name is None:
        return ClosedForm()
    from hwsearch.estimate import TableEstimator
    from hwsearch.latency_table import find_table, load_table

    return TableEstimator(load_table(find_table(name)), name)


def rates(work: Callable[[], object], networks: int) -> tuple[float, float]:
    """Best and median networks a second, by CPU time, so that other programs do not count."""
    work()
    seconds = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return networks / min(seconds), networks / statistics.median(seconds)


def make_scorer(space: SearchSpace, model: LatencyModel, accuracy: bool) -> Scorer | None:
    """A scorer, or None where the accuracy signal does not know the space."""
    try:
        return Scorer(space, load_signal() if accuracy else None, [model])
    except OutOfDomainError:
        return None


def one_by_one(space: SearchSpace, model: LatencyModel, count: int) -> Callable[[], None]:
    """Cost, latency and accuracy of network after network, without tables over stages."""
    signal = load_signal()
    networks = [space.decode(row) for row in space.sample(count, np.random.default_rng(1))]

    def work() -> None:
        cost.cache_clear()
        ops.cache_clear()
        for network in networks:
            cost(network)
            sum(model.op_ms(op) for op in ops(network))
            signal.predict(from_architectures([network]))

    return work


def main() -> None:
    """Print a line for each space."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--table")
    parser.add_argument("--networks", type=int, default=500_000)
    options = parser.parse_args()
    model = table_model(options.table)
    for name in SPACES:
        space = load_space(name)
        population = space.sample(options.networks, np.random.default_rng(0))
        for accuracy in (False, True):
            scorer = make_scorer(space, model, accuracy)
            if scorer is not None:
                best, median = rates(functools.partial(scorer.matrix, population), options.networks)
                what = "cost + latency + accuracy" if accuracy else "cost + latency"
                print(f"{name:20} {what:26} best {best:>12,.0f}/s  median {median:>12,.0f}/s")
    best, median = rates(one_by_one(load_space(SPACES[0]), model, 500), 500)
    print(f"{SPACES[0]:20} {'one network at a time':26} best {best:>12,.0f}/s  median {median:>12,.0f}/s")


if __name__ == "__main__":
    main()
