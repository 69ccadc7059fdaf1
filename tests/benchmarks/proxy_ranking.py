"""How zero-cost proxies rank trained networks: ``python tests/benchmarks/proxy_ranking.py TRAIN.csv [-o reports]``.

Networks are drawn from a tenth of the table that no predictor saw; MACs, params and a predictor fitted to the other
nine tenths stand beside the proxies. Set OMP_NUM_THREADS=1 before it starts. Needs PyTorch.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from hwsearch.accuracy import AccuracySignal, domain, load_signal
from hwsearch.accuracy.fitting import DEFAULT_SEED, QUICK, fit
from hwsearch.accuracy.held_out import split_held_out
from hwsearch.accuracy.imagenet import ImagenetSignal
from hwsearch.accuracy.proxies import ProxySignal, input_side
from hwsearch.accuracy.table import TrainedNetworks, read_table
from hwsearch.architecture import ACTIVATIONS, Architecture, Stage
from hwsearch.cost import cost
from hwsearch.json_file import write_json, write_text
from hwsearch.operation import layers, ops
from hwsearch.ranking import kendall_tau
from hwsearch.stage_arrays import from_architectures

FloatArray = npt.NDArray[np.float64]
Judge = Callable[[Architecture], float]

PROXIES = ("naswot", "synflow", "zen", "grad-norm")
SOURCE = "afzalxo/Accel-NASBench, Apache-2.0, DAC 2024"


@dataclass(frozen=True)
class Ranking:
    """How one judge ordered the networks; standard errors by the jackknife."""

    judge: str
    kendall_tau: float
    kendall_tau_error: float
    kendall_tau_top_tenth: float
    kendall_tau_top_tenth_error: float
    seconds_a_network: float
    """Processor seconds, median."""


def architectures(trained: TrainedNetworks) -> Iterator[Architecture]:
    """The networks of a table."""
    choices = trained.choices
    fields = (choices.kernel_size, choices.expand_ratio, choices.num_repeats, choices.se)
    for kernels, expands, repeats, se in zip(*(field.tolist() for field in fields), strict=True):
        stages = tuple(
            Stage(kernels[i], domain.STRIDES[i], expands[i], domain.OUT_CHANNELS[i], repeats[i], 0.25 * se[i])
            for i in range(domain.NUM_STAGES)
        )
        yield Architecture(domain.RESOLUTION, domain.STEM_CHANNELS, stages, domain.HEAD_CHANNELS)


def fitted_without(data: Path, rows: npt.NDArray[np.intp], seed: int) -> ImagenetSignal:
    """A predictor of quick settings that has seen only ``rows`` of the table."""
    header, *lines = data.read_text(encoding="utf-8").splitlines()
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "rest.csv"
        table.write_text("\n".join([header, *(lines[row] for row in rows)]) + "\n", encoding="utf-8")
        return ImagenetSignal(fit(table, seed, QUICK).network)


def by_signal(signal: AccuracySignal) -> Judge:
    """A signal's number for one network."""
    return lambda network: float(signal.predict(from_architectures([network])).mean[0])


def activations(network: Architecture) -> float:
    """Numbers that pass through an activation, of one image: the units of NASWOT."""
    found = [layer for op in ops(network) for layer in layers(op) if layer.activation in ACTIVATIONS]
    return float(sum(layer.out_resolution**2 * layer.out_channels for layer in found))


def judged_by(judge: Judge, networks: list[Architecture]) -> tuple[FloatArray, float]:
    """The scores of networks, and the median of the processor seconds that each took."""
    scores, seconds = np.empty(len(networks)), np.empty(len(networks))
    for row, network in enumerate(networks):
        began = time.process_time()
        scores[row] = judge(network)
        seconds[row] = time.process_time() - began
    return scores, float(f"{np.median(seconds):.3g}")


def ranking(name: str, scores: FloatArray, seconds: float, top1: FloatArray) -> Ranking:
    """Compare the order of scores with the measured one."""
    best = np.argsort(top1, kind="stable")[-(len(top1) // 10) :]
    tau, error = tau_with_error(scores, top1)
    tau_best, error_best = tau_with_error(scores[best], top1[best])
    found = Ranking(name, tau, error, tau_best, error_best, seconds)
    print(found, flush=True)
    return found


def tau_with_error(scores: FloatArray, top1: FloatArray) -> tuple[float, float]:
    """Kendall tau-b and its standard error by leaving one network out at a time."""
    count = len(scores)
    left_out = [kendall_tau(np.delete(scores, row), np.delete(top1, row)) for row in range(count)]
    return round(kendall_tau(scores, top1), 3), round(math.sqrt((count - 1) * float(np.var(left_out))), 3)


def document(data: Path, count: int, seed: int) -> dict[str, object]:
    """Everything the report says."""
    trained = read_table(data)
    rest, held = split_held_out(trained, seed)
    rows = np.sort(np.random.default_rng(seed).choice(held, count, replace=False))
    judged = trained.rows(rows)
    networks = list(architectures(judged))
    judges: dict[str, Judge] = {
        "MACs": lambda network: float(cost(network).macs),
        "params": lambda network: float(cost(network).params),
        "activations": activations,
        "imagenet, refitted": by_signal(fitted_without(data, rest, seed)),
    }
    proxies = {name: load_signal(name) for name in PROXIES}
    judges |= {name: by_signal(signal) for name, signal in proxies.items()}
    found = {name: judged_by(judge, networks) for name, judge in judges.items()}
    return {
        "source": SOURCE,
        "networks": count,
        "held_out_networks": len(held),
        "fitted_on": len(rest),
        "seed": seed,
        "input_side": input_side(domain.RESOLUTION),
        "proxies": {name: asdict(signal.proxy) for name, signal in proxies.items() if isinstance(signal, ProxySignal)},
        "threads": torch.get_num_threads(),
        "torch": torch.__version__.partition("+")[0],
        "rankings": [asdict(ranking(name, *each, judged.top1)) for name, each in found.items()],
        "kendall_tau_naswot_activations": round(kendall_tau(found["naswot"][0], found["activations"][0]), 3),
    }


def page(found: dict[str, object]) -> str:
    """The report, as Markdown."""
    rankings = [Ranking(**row) for row in found["rankings"]]  # type: ignore[attr-defined]
    count = found["networks"]
    batches = ", ".join(f"{name} {proxy['batch']}" for name, proxy in found["proxies"].items())  # type: ignore[attr-defined]
    lines = [
        "# How zero-cost proxies rank trained networks",
        "",
        f"{count} networks of {found['source']}, drawn (seed {found['seed']})",
        f"from a tenth of the table ({found['held_out_networks']} networks) that the predictor was not fitted on.",
        "Kendall tau-b with the measured top-1, ± its standard error (jackknife); larger is better. The best tenth are",
        "the networks with the highest measured top-1.",
        "",
        f"| judge | tau-b, all {count} | tau-b, best tenth ({int(str(count)) // 10}) | seconds a network |",
        "|---|---|---|---|",
        *(_row(row) for row in rankings),
        "",
        "- `imagenet, refitted` is the predictor of the `imagenet` signal, fitted for this page with quick settings to",
        f"  the other {found['fitted_on']} networks; the shipped weights have seen all networks, and are not judged.",
        f"- Proxies see Gaussian images of {found['input_side']} x {found['input_side']} pixels (the networks were",
        f"  trained at {domain.RESOLUTION}); random labels; one draw of weights; images at once: {batches}.",
        "  With images of the task, larger batches, full resolution or more draws they may rank differently.",
        "- `activations` counts the numbers that pass through an activation, of one image at full resolution; tau-b of",
        f"  NASWOT with that count is {found['kendall_tau_naswot_activations']}.",
        f"- Seconds are processor time, medians ({found['threads']} thread, PyTorch {found['torch']}).",
        "",
        f"Made by `python tests/benchmarks/proxy_ranking.py TRAIN.csv --networks {count} --seed {found['seed']}`; the",
        "figures are in [accuracy-proxies.json](accuracy-proxies.json).",
    ]
    return "\n".join(lines) + "\n"


def _row(row: Ranking) -> str:
    seconds = f"{row.seconds_a_network:.2f}" if row.seconds_a_network >= 0.01 else "< 0.01"
    return (
        f"| {row.judge} | {row.kendall_tau:.3f} ± {row.kendall_tau_error:.3f} | {row.kendall_tau_top_tenth:.3f} ± "
        f"{row.kendall_tau_top_tenth_error:.3f} | {seconds} |"
    )


def main() -> None:
    """Judge, and write the page and its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, metavar="TRAIN.csv")
    parser.add_argument("--networks", type=int, default=300)
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
    parser.add_argument("-o", "--output", type=Path, default=Path("reports"))
    options = parser.parse_args()
    if options.networks < 40:
        parser.error("--networks: at least 40, for a best tenth of four")
    found = document(options.data, options.networks, options.seed)
    write_json(options.output / "accuracy-proxies.json", found)
    write_text(options.output / "accuracy-proxies.md", page(found))


if __name__ == "__main__":
    main()
