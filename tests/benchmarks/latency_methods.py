"""Ways to predict latency, side by side: ``python tests/benchmarks/latency_methods.py --target cpu``.

On the same held-out random networks, in one run of shuffled rounds: MACs, isolated layers and blocks summed,
in context, and least squares over whole networks. Writes all raw figures to ``reports/latency-methods-TARGET.json``
and a page beside it; ``--again FILE.json`` judges an earlier run anew without measuring. Progress on stderr.
Set OMP_NUM_THREADS=1 and leave the machine alone meanwhile.
"""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import Any

from isolated_models import LOADERS
from latency_evidence import Evidence, Settings, collect, from_document, save, say
from latency_predictors import OURS, Evaluation, Prediction, curve, predictions

from hwsearch.json_file import write_text
from hwsearch.latency import Fidelity, fidelity, noise_warnings
from hwsearch.latency_table import fidelity_document


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", choices=sorted(LOADERS), default="cpu")
    parser.add_argument("--space", default="efficientnet-b0")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--held-out", type=int, default=100)
    parser.add_argument("--covers", type=int, default=3)
    parser.add_argument("--rounds-seconds", type=float, default=60.0, help="for the networks' turns (default 60)")
    parser.add_argument("--seed", type=int, default=4242)
    parser.add_argument("--again", type=Path, help="judge the evidence of an earlier run")
    parser.add_argument("-o", "--output", type=Path, help="default reports/latency-methods-TARGET.json")
    return parser.parse_args()


def judge(evaluation: Evaluation) -> tuple[dict[str, Any], list[str]]:
    """All figures as plain data, and the lines of the page's tables."""
    measured, floor = evaluation.measured_ms, evaluation.floor
    found = predictions(evaluation)
    figures = {each.method: fidelity(each.latency_ms, measured, floor) for each in found}
    best = figures[OURS].mape
    rows = [_row(each, figures[each.method], best) for each in found]
    points = [
        (covers, rounds, each, fidelity(each.latency_ms, measured, floor)) for covers, rounds, each in curve(evaluation)
    ]
    results = {
        "noise_floor": {"mape": round(floor.mape, 5), "within_5": round(floor.within_5, 5)},
        "measured_ms": [round(float(ms), 5) for ms in measured],
        "methods": [_document(each, figures[each.method]) for each in found],
        "curve": [{"covers": c, "rounds": r, **_document(each, its)} for c, r, each, its in points],
    }
    return results, [*_methods_table(rows, floor.mape, floor.within_5), "", *_curve_table(points)]


def _document(prediction: Prediction, figures: Fidelity) -> dict[str, Any]:
    document = fidelity_document(figures)
    del document["noise_floor"]
    predicted = [round(float(ms), 5) for ms in prediction.latency_ms]
    return {"method": prediction.method, "seconds": round(prediction.seconds, 2), **document, "predicted_ms": predicted}


def _row(prediction: Prediction, figures: Fidelity, best: float) -> str:
    name = f"**{prediction.method}**" if prediction.method == OURS else prediction.method
    return (
        f"| {name} | {figures.mape:.1%} | {figures.within_5:.0%} | {figures.within_10:.0%} "
        f"| {figures.kendall_tau:.3f} | {prediction.seconds:.0f} | {figures.mape / best:.1f} x |"
    )


def _methods_table(rows: list[str], floor: float, within_5: float) -> list[str]:
    return [
        "| method | MAPE | ±5 % | ±10 % | Kendall tau | seconds of measuring | MAPE beside hwsearch's |",
        "|---|---|---|---|---|---|---|",
        *rows,
        f"| noise floor: one half of the rounds against the other | {floor:.1%} | {within_5:.0%} | | | | |",
    ]


def _curve_table(points: list[tuple[int, int, Prediction, Fidelity]]) -> list[str]:
    lines = [
        "## hwsearch's method against profiling time",
        "",
        "The same evidence, cut down: fewer covers of the space, fewer rounds (spread evenly over the run). Seconds",
        "are those of profiling and timing the design networks that were kept, compiling included.",
        "",
        "| covers | rounds | seconds | MAPE | ±5 % | ±10 % | Kendall tau |",
        "|---|---|---|---|---|---|---|",
    ]
    for covers, rounds, each, its in points:
        lines.append(
            f"| {covers} | {rounds} | {each.seconds:.0f} | {its.mape:.1%} | {its.within_5:.0%} | {its.within_10:.0%} "
            f"| {its.kendall_tau:.3f} |"
        )
    return lines


def page(evidence: Evidence, evaluation: Evaluation, tables: list[str]) -> str:
    """The page: conditions first, then the tables."""
    settings, rounds = evidence.settings, len(evaluation.samples)
    warnings = noise_warnings(evaluation.samples)
    lines = [
        f"# Ways to predict latency, side by side: {settings.target}",
        "",
        f"{evidence.setup.label}; {evidence.setup.device.system}, {evidence.setup.device.cores} processors. Measured "
        f"{evidence.created} in {evidence.seconds / 60:.1f} minutes:",
        f"{rounds} shuffled rounds of {len(evaluation.networks)} networks of the space {settings.space}, with "
        f"{len(evidence.alone)} isolated models timed between them.",
        f"{len(evaluation.design)} design networks ({settings.covers} covers), {len(evaluation.extra)} more random "
        f"ones for the last method, {len(evaluation.held_out)} held-out random networks, seed {settings.seed}.",
        f"A turn is one run to warm up, then the fastest of four; null call: {evaluation.alone_ms['null']:.4f} ms.",
        "",
        *(f"**Warning: {warning}.**" for warning in warnings),
        *([""] if warnings else []),
        *tables,
        "",
        "Isolated layers are convolution, batch norm and activation together, as runtimes fuse them; the parts of a",
        "squeeze-excite, additions and poolings stand alone. Affine fits are least squares on the design networks.",
        "All raw samples are in the JSON file beside this page.",
        "",
        f"Command: `{_command(settings)}`",
    ]
    return "\n".join(lines) + "\n"


def _command(settings: Settings) -> str:
    flags = {
        "--target": settings.target,
        "--space": settings.space,
        "--threads": settings.threads,
        "--held-out": settings.held_out,
        "--covers": settings.covers,
        "--rounds-seconds": f"{settings.rounds_seconds:g}",
        "--seed": settings.seed,
    }
    words = [str(word) for flag in flags.items() for word in flag]
    return shlex.join(["python", "tests/benchmarks/latency_methods.py", *words])


def main() -> None:
    """Measure (or read), judge, write."""
    options = parse_options()
    if options.again:
        evidence = from_document(json.loads(options.again.read_text(encoding="utf-8")))
    else:
        settings = Settings(
            options.target,
            options.space,
            options.threads,
            options.held_out,
            options.covers,
            options.rounds_seconds,
            options.seed,
        )
        evidence = collect(settings)
    path = options.output or options.again or Path("reports") / f"latency-methods-{evidence.settings.target}.json"
    save(evidence, {}, path)  # what was measured is safe before it is judged
    evaluation = Evaluation(evidence)
    results, tables = judge(evaluation)
    save(evidence, results, path)
    text = page(evidence, evaluation, tables)
    write_text(path.with_suffix(".md"), text)
    say(f"{path}\n{path.with_suffix('.md')}")
    print(text)


if __name__ == "__main__":
    main()
