"""The command ``scale``: one network becomes a B-style and a Lite-style family."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from hwsearch.cli import completion
from hwsearch.cli.options import (
    Batch,
    Json,
    Output,
    Precision,
    Seconds,
    Table,
    Target,
    Threads,
    open_estimator,
    open_target,
)

if TYPE_CHECKING:
    from hwsearch.cli.families import Base
    from hwsearch.coefficients import Law, Source, Style
    from hwsearch.console import ProgressBars
    from hwsearch.estimate import TableEstimator
    from hwsearch.family import Family, Variant
    from hwsearch.preset import Preset
    from hwsearch.runtimes import Runtime
    from hwsearch.scaling.law_choice import LawChoice, Stopwatch

MEASURED = "measured.json"
PAGE = "family.html"
SEARCHED = "search"


BaseNet = Annotated[
    str | None,
    typer.Argument(metavar="[NET]", help="the base; default: newest run, else B0", autocompletion=completion.networks),
]
Phi = Annotated[str, typer.Option("--phi", metavar="PHI", help="a number, several (0,1,2), or a range (0:7)")]
Styles = Annotated[str, typer.Option("--style", metavar="b|lite|both", help="how to scale")]
FROM_HELP = "the law; the published B and Lite rows; or a law searched for this base"
From = Annotated[str, typer.Option("--coefficients", metavar="law|published|search", help=FROM_HELP)]
Ranking = Annotated[
    str | None, typer.Option("--accuracy", metavar="SIGNAL", help="rank searched laws by a proxy or command:FILE")
]
Evaluations = Annotated[
    int | None, typer.Option("--evaluations", metavar="N", min=1, help="networks that the signal judges")
]
Reach = Annotated[float, typer.Option("--reach", metavar="PHI", help="compare searched laws at this phi")]


def scale(
    net: BaseNet = None,
    phi: Phi = "1",
    style: Styles = "both",
    coefficients: From = "law",
    alpha: Annotated[float, typer.Option("--alpha", metavar="A", help="depth a phi")] = 1.2,
    beta: Annotated[float, typer.Option("--beta", metavar="B", help="width a phi")] = 1.1,
    gamma: Annotated[float, typer.Option("--gamma", metavar="G", help="resolution a phi")] = 1.15,
    table: Table = None,
    target: Target = None,
    threads: Threads = 1,
    batch: Batch = 1,
    precision: Precision = "f32",
    seconds: Seconds = 20.0,
    accuracy: Ranking = None,
    evaluations: Evaluations = None,
    reach: Reach = 1.0,
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Scale a network into a B-style and a Lite-style family; every figure counts the rounded network.

    --table predicts the members' latency; --target measures them, beside the published networks. With -o the
    families, their presets and a chart are written to a folder.

    --coefficients search looks for alpha, beta and gamma anew: the steps that double the MACs, or the latency on
    --table or --target, ranked by a law fitted on published scaling results, or by --accuracy.

    \b
    Examples:
      hwsearch scale --phi 3
      hwsearch scale efficientnet-b0 --phi 0:7 --coefficients published
      hwsearch scale efficientnet-b0 --phi 0:2 --target cpu -o families/b0
      hwsearch scale efficientnet-b0 --phi 0:3 --coefficients search --table a100
    """
    from hwsearch import console
    from hwsearch.cli.families import base_network, parse_phis, scaled_families, styles_of

    base, phis, styles = base_network(net), parse_phis(phi), styles_of(style)
    _check_search_options(coefficients, accuracy, evaluations, reach)
    _check_before_measuring(seconds, output)
    console.say(f"base: {base.preset.name}{base.said}")
    estimator = open_estimator(table)
    runtime = open_target(target, threads, batch, precision) if target else None
    asked = _Asked(accuracy, evaluations, reach)
    choices = _searched(base.preset, styles, estimator, runtime, asked) if coefficients == SEARCHED else []
    laws = {choice.style: choice.law for choice in choices} or dict.fromkeys(styles, _law(alpha, beta, gamma))
    source = cast("Source", "law" if choices else coefficients)
    families = scaled_families(base.preset, phis, laws, source, {choice.style: choice.text for choice in choices})
    if estimator is None and runtime is None:
        estimator, families = _estimator_of_run(base), base.with_known(families)
    families, files = _with_latencies(families, estimator, runtime, seconds, output)
    if as_json:
        variants = [_document(variant, estimator) for family in families for variant in family.variants]
        warnings = sorted(_law_warnings(families, choices))
        searched = {"searched": [choice.document() for choice in choices]} if choices else {}
        console.print_json(
            {"base": base.preset.architecture.text, **searched, "variants": variants, "warnings": warnings}
        )
        return
    _print_choices(choices)
    _print_families(families, estimator)
    for path in files:
        console.result(f"wrote {path}")
    console.warn(_law_warnings(families, choices))


def _law_warnings(families: list[Family], choices: list[LawChoice]) -> dict[str, None]:
    # a law that was searched for a latency is not meant to double the MACs
    warned = [] if choices else [text for family in families for text in family.warnings]
    return dict.fromkeys(warned)


@dataclass(frozen=True, slots=True)
class _Asked:
    """How searched laws are to be ranked."""

    accuracy: str | None
    evaluations: int | None
    reach: float


def _law(alpha: float, beta: float, gamma: float) -> Law:
    from hwsearch.coefficients import Law

    return Law(alpha, beta, gamma)


def _check_search_options(coefficients: str, accuracy: str | None, evaluations: int | None, reach: float) -> None:
    from hwsearch.errors import InputError, nearest_name

    known = ("law", "published", SEARCHED)
    if coefficients not in known:
        nearest = nearest_name(coefficients, known)
        raise InputError(f"--coefficients {coefficients[:40]}", allowed=", ".join(known), nearest=nearest)
    given = {"--accuracy": accuracy is not None, "--evaluations": evaluations is not None, "--reach": reach != 1}
    wrong = [option for option, is_given in given.items() if is_given]
    if coefficients != SEARCHED and wrong:
        raise InputError(f"{wrong[0]} is for a searched law", allowed="--coefficients search")
    if evaluations is not None and accuracy is None:
        raise InputError("--evaluations is for --accuracy", allowed="--accuracy SIGNAL")


def _estimator_of_run(base: Base) -> TableEstimator | None:
    """What the run that found the base knows of its device; None where there is no run, or it had no table."""
    return open_estimator(str(base.run.table)) if base.run is not None and base.run.table.exists() else None


def _check_before_measuring(seconds: float, output: Path | None) -> None:
    from hwsearch.errors import InputError
    from hwsearch.profiling.timing import check_seconds

    check_seconds(seconds)
    if output is not None and output.exists() and not output.is_dir():
        raise InputError("is a file, and a family is written to a folder", where=f"-o {output}")


def _searched(
    base: Preset, styles: tuple[Style, ...], estimator: TableEstimator | None, runtime: Runtime | None, asked: _Asked
) -> list[LawChoice]:
    from hwsearch import console
    from hwsearch.accuracy import load_signal
    from hwsearch.scaling.law_choice import choose_law

    signal = load_signal(asked.accuracy) if asked.accuracy else None
    choices = []
    with console.ProgressBars() as bars:
        for style in styles:
            bars.step("search", f"the best step of phi in the {style} style")
            choices.append(
                choose_law(
                    base.architecture,
                    style,
                    _stopwatch(base, style, estimator, runtime),
                    signal=signal,
                    evaluations=asked.evaluations,
                    reach=asked.reach,
                    on_judged=partial(_show, bars, f"judging networks, {style} style"),
                )
            )
    return choices


def _show(bars: ProgressBars, step: str, done: int, total: int) -> None:
    from hwsearch.profiling.profiler import Progress

    bars(Progress(step, done, total))


def _stopwatch(
    base: Preset, style: Style, estimator: TableEstimator | None, runtime: Runtime | None
) -> Stopwatch | None:
    from hwsearch.scaling.law_choice import measured_on, read_off

    if runtime is not None:
        return measured_on(runtime)
    return read_off(estimator.table, base.architecture, style, estimator.name) if estimator else None


def _with_latencies(
    families: list[Family],
    estimator: TableEstimator | None,
    runtime: Runtime | None,
    seconds: float,
    output: Path | None,
) -> tuple[list[Family], list[Path]]:
    """The families with what is known of their latency, and the files that were written."""
    from hwsearch import console
    from hwsearch.cli.families import write_families

    if estimator is not None:
        from hwsearch.family_latency import with_predictions

        families = [with_predictions(family, estimator) for family in families]
    measurement = None
    if runtime is not None:
        from hwsearch.family_latency import measure_families

        with console.ProgressBars() as bars:
            bars.step("measure", f"the members beside the published networks, {runtime.setup.label}")
            families, measurement = measure_families(
                families, runtime, seconds, partial(_show, bars, "timing networks")
            )
        console.warn(measurement.warnings)
    if output is None:
        return families, []
    files = write_families(families, output)
    if measurement is not None:
        from hwsearch.profiling.measurement import save_measurement

        save_measurement(measurement, output / MEASURED)
        files.append(output / MEASURED)
    from hwsearch.report import write_family_report

    write_family_report(output, output / PAGE)
    return families, [*files, output / PAGE]


def _latency(variant: Variant, estimator: TableEstimator | None) -> tuple[float | None, list[str]]:
    from hwsearch.judge import judge

    record = judge(variant.name, variant.architecture, estimator, None)
    return record.latency_ms, [text for text in record.warnings if text.startswith("latency_ms")]


def _measured(variant: Variant) -> float | None:
    return variant.measured_latency.latency_ms if variant.measured_latency else None


def _document(variant: Variant, estimator: TableEstimator | None) -> dict[str, Any]:
    latency_ms, warnings = _latency(variant, estimator)
    return {
        "name": variant.name,
        "style": variant.style,
        "phi": variant.phi,
        "width_coefficient": round(variant.width_coefficient, 6),
        "depth_coefficient": round(variant.depth_coefficient, 6),
        "resolution": variant.resolution,
        "text": variant.architecture.text,
        "macs": variant.macs,
        "params": variant.params,
        "latency_ms": latency_ms,
        "measured_latency_ms": _measured(variant),
        "published_top1": variant.published_top1.percent if variant.published_top1 else None,
        "warnings": warnings,
    }


def _print_choices(choices: list[LawChoice]) -> None:
    from hwsearch import console
    from hwsearch.scaling.cost_growth import MACS

    if not choices:
        return
    rows = []
    for choice in choices:
        laws = {"MACs": choice.by_macs} if choice.cost != "MACs" else {}
        for doubled, law in {**laws, choice.cost.partition(" ")[0]: choice.law}.items():
            shares = MACS.shares(law.coefficients(1))
            rows.append(
                [
                    choice.style,
                    doubled,
                    *(f"{step:g}" for step in (law.alpha, law.beta, law.gamma)),
                    *(f"{share:.0%}" for share in shares.values()),
                ]
            )
    columns = ["style", "a step doubles", "alpha", "beta", "gamma", "depth", "width", "resolution"]
    console.print_table(columns, rows, text_columns=(0, 1))
    console.say("depth, width, resolution: their shares of the growth of MACs (alpha, beta², gamma²)")
    for choice in choices:
        exponents = choice.exponents
        console.say(
            f"{choice.style}: {choice.cost} = base · depth^{exponents.depth:.2f} · width^{exponents.width:.2f}"
            f" · resolution^{exponents.resolution:.2f} ({exponents.mape:.1%} off on its probes);"
            f" {choice.candidates} steps ranked by {choice.signal}, {choice.equals} as good as the first"
        )
    console.warn(dict.fromkeys(choice.note for choice in choices if choice.note))


def _print_families(families: list[Family], estimator: TableEstimator | None) -> None:
    from hwsearch import console

    rows, missing = [], []
    measured = any(_measured(variant) is not None for family in families for variant in family.variants)
    for family in families:
        for variant in family.variants:
            latency_ms, _ = _latency(variant, estimator)
            missing += [variant.name] if latency_ms is None else []
            rows.append(
                [
                    variant.name,
                    f"{variant.width_coefficient:.3f}",
                    f"{variant.depth_coefficient:.3f}",
                    str(variant.resolution),
                    console.figure(variant.params / 1e6, 3),
                    console.figure(variant.macs / 1e6, 1),
                    *([console.milliseconds(latency_ms)] if estimator or not measured else []),
                    *([console.milliseconds(_measured(variant))] if measured else []),
                ]
            )
    last = ["pred. ms", "meas. ms"] if measured and estimator else ["meas. ms"] if measured else ["latency ms"]
    if estimator is not None:
        console.say(f"latency: {estimator.table.setup.label} ({estimator.name})")
    console.print_table(["variant", "width", "depth", "res", "params M", "MACs M", *last], rows)
    if estimator is not None and missing:
        console.warn([_missing_text(estimator, missing, len(rows))])


def _missing_text(estimator: TableEstimator, missing: list[str], members: int) -> str:
    from hwsearch.family import SUFFIX
    from hwsearch.runtimes import TARGETS

    target = estimator.table.setup.target
    text = f"{estimator.where} lacks ops of {len(missing)} of the {members} members, so it cannot predict them"
    if target.partition(":")[0] not in TARGETS or not Path(estimator.where).exists():
        return f"{text}; next: --target T, which measures them"
    return (
        f"{text}; next: hwsearch profile --target {target} --networks NAME{SUFFIX} (which -o writes)"
        f" -o {estimator.where}"
    )
