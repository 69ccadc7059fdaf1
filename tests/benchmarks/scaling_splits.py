"""How the best growth moves between MACs and devices.

``python tests/benchmarks/scaling_splits.py --docs docs/scaling.md`` replaces the table between that page's markers.

For each cost (MACs, shipped tables, and targets that are measured now) the exponents of depth, width and resolution
are found around EfficientNet-B0. Then, at every cost, the growth of largest predicted gain is followed until it has
16 and 32 times the MACs by the paper's arithmetic (d * w² * r²), so that all rows are networks of one size, and the
split of that growth is shown, as EfficientNet-X does.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from hwsearch.errors import HwsearchError
from hwsearch.growth_estimate import growth_estimate
from hwsearch.latency_table import find_table, load_table
from hwsearch.preset import reference_preset
from hwsearch.runtimes import RuntimeOptions, open_runtime
from hwsearch.scaling.cost_growth import MACS, CostExponents, cost_exponents, count_macs, growth_probes
from hwsearch.scaling.law_choice import measured_on
from hwsearch.scaling.published_law import top1_law

BEGIN, END = "<!-- splits: begin -->", "<!-- splits: end -->"
GROWTHS = (4, 16, 32)
PAPER = np.array([1.0, 2.0, 2.0])
STEPS = 100
B0 = reference_preset("efficientnet-b0").architecture


def split(exponents: CostExponents, macs_growth: float) -> np.ndarray:
    """Shares (3,) of log(d * w² * r²) in the growth that is best under these exponents at that growth of MACs.

    NaN where the best growth leaves the evidence of the law before it is that large.
    """
    low, high = 0.01, np.log(1e4)
    for _ in range(60):
        middle = (low + high) / 2
        best = best_growth(exponents, middle)
        if best is None or best @ PAPER > np.log(macs_growth):
            high = middle
        else:
            low = middle
    best = best_growth(exponents, low)
    logs = best * PAPER
    reached = abs(logs.sum() - np.log(macs_growth)) < 0.05
    return logs / logs.sum() if reached else np.full(3, np.nan)


def best_growth(exponents: CostExponents, log_cost: float) -> np.ndarray | None:
    """Log factors (3,) of largest predicted gain at exp(log_cost) times the cost; None beyond the law's evidence."""
    first, second = np.meshgrid(np.arange(STEPS + 1), np.arange(STEPS + 1), indexing="ij")
    inside = first + second <= STEPS
    shares = np.stack([first[inside], second[inside], STEPS - first[inside] - second[inside]], axis=1) / STEPS
    factors = shares * log_cost / np.array([exponents.depth, exponents.width, exponents.resolution])
    factors = factors[np.all(factors <= np.log(top1_law().limits) + 1e-9, axis=1)]
    return factors[np.argmin(top1_law().log_error_ratios(factors))] if len(factors) else None


def costs(tables: list[str], targets: list[str]) -> dict[str, tuple[CostExponents, str]]:
    """Name of a cost to its exponents, and what they rest on."""
    found = {"MACs, the paper's arithmetic": (MACS, "-")}
    found["MACs, counted on rounded networks"] = (cost_exponents(B0, count_macs), "counted")
    for name in tables:
        try:
            growth = growth_estimate(load_table(find_table(name)), growth_probes(B0), name)
        except HwsearchError as error:
            print(f"{name}: {error}")
            continue
        how = "table" if growth.left_out_error is None else f"prices of its ops, {growth.left_out_error:.0%} off"
        found[name] = (cost_exponents(B0, growth.latency_ms), how)
    for target in targets:
        runtime = open_runtime(target, RuntimeOptions())
        found[runtime.setup.label] = (cost_exponents(B0, measured_on(runtime).latency_ms), "measured")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", default="a100,rtx3090,tpuv3,zcu102", help="names with commas")
    parser.add_argument("--more-tables", default="", help="names with commas")
    parser.add_argument("--targets", default="cpu,openvino", help="measured now; names with commas")
    parser.add_argument("--docs", type=Path, help="the document whose table is replaced")
    arguments = parser.parse_args()
    tables = [each for each in f"{arguments.tables},{arguments.more_tables}".split(",") if each]
    head = "".join(f" at {growth} x |" for growth in GROWTHS)
    lines = [
        f"| cost | from | depth, width, resolution exponents (error) |{head}",
        "|---|---|---|" + "---|" * len(GROWTHS),
    ]
    for name, (exponents, how) in costs(tables, [each for each in arguments.targets.split(",") if each]).items():
        shares = [split(exponents, growth) for growth in GROWTHS]
        cells = " | ".join("-" if np.isnan(each).any() else " / ".join(f"{one:.2f}" for one in each) for each in shares)
        powers = f"{exponents.depth:.2f}, {exponents.width:.2f}, {exponents.resolution:.2f}"
        error = f" ({exponents.mape:.1%})" if how != "-" else ""
        lines.append(f"| {name} | {how} | {powers}{error} | {cells} |")
    table = "\n".join(lines)
    print(table)
    if arguments.docs:
        text = arguments.docs.read_text(encoding="utf-8")
        before, rest = text.split(BEGIN)
        arguments.docs.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
