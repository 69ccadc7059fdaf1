"""Which signal could have chosen a good step of phi: ``python tests/benchmarks/law_signals.py``.

The published networks of about one size whose blocks are known (B0 and MobileNetV2 grown in depth, width, resolution
or all) are rebuilt and ranked by every zero-cost proxy, by MACs, and by the scaling law fitted without their series.
Kendall tau against the published top-1. It is the very task of choosing a law, though with four networks each.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from hwsearch.accuracy import SIGNALS, load_signal
from hwsearch.architecture import Architecture
from hwsearch.coefficients import Coefficients
from hwsearch.cost import cost
from hwsearch.preset import reference_preset
from hwsearch.ranking import kendall_tau
from hwsearch.scaling import scale
from hwsearch.scaling.published_law import residuals
from hwsearch.stage_arrays import from_architectures

# (depth, width, resolution) and the published top-1: EfficientNet (arXiv 1905.11946), tables 3 and 7
ONE_DIMENSION = {
    "B0 alone": ("efficientnet-b0", [(4, 1, 1, 79.0), (1, 2, 1, 78.9), (1, 1, 2, 79.1), (1.4, 1.2, 1.3, 81.1)]),
    "MobileNetV2 alone": ("mobilenet-v2", [(4, 1, 1, 76.8), (1, 2, 1, 76.4), (1, 1, 2, 74.8), (1.4, 1.2, 1.3, 77.4)]),
}


def series() -> dict[str, list[tuple[Architecture, float]]]:
    """Name of a series to its grown networks and their published top-1."""
    found = {}
    for name, (base, rows) in ONE_DIMENSION.items():
        architecture = reference_preset(base).architecture
        found[name] = [
            (scale(architecture, "b", Coefficients(width, depth, resolution)), top1)
            for depth, width, resolution, top1 in rows
        ]
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--signals", default="naswot,synflow,zen,grad-norm", help="names with commas")
    signals = arguments.parse_args().signals.split(",")
    assert set(signals) <= set(SIGNALS)
    for name, members in series().items():
        networks, top1 = [each for each, _ in members], np.array([each for _, each in members])
        macs = np.array([cost(each).macs for each in networks])
        print(f"{name}: {len(networks)} networks, {macs.min() / 1e6:.0f} to {macs.max() / 1e6:.0f} M MACs")
        print(f"  MACs       tau {kendall_tau(macs.astype(float), top1):+.2f}")
        for signal_name in signals:
            signal, started = load_signal(signal_name), time.monotonic()
            scores = np.array([float(signal.predict(from_architectures([each])).mean[0]) for each in networks])
            best = int(np.argmax(scores)) == int(np.argmax(top1))
            seconds = time.monotonic() - started
            tau = kendall_tau(scores, top1)
            print(
                f"  {signal_name:10s} tau {tau:+.2f}  its best is {'' if best else 'not '}the best; {seconds:.0f} s",
                flush=True,
            )
    print("\nthe law, each series predicted by a fit that did not see it:")
    frame = residuals()
    frame["predicted"] = frame["published_top1"] - frame["series_left_out_error"]
    for name, rows in frame[~frame["is_base"]].groupby("series", sort=False):
        if len(rows) > 1:
            tau = kendall_tau(rows["predicted"].to_numpy(), rows["published_top1"].to_numpy())
            best = rows["predicted"].idxmax() == rows["published_top1"].idxmax()
            print(f"  {name}: {len(rows)} networks, tau {tau:+.2f}, its best is {'' if best else 'not '}the best")


if __name__ == "__main__":
    main()
