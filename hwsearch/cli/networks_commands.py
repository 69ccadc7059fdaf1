"""Commands about given networks: ``estimate``, ``measure``, ``export``, ``presets``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hwsearch.cli import completion
from hwsearch.cli.options import (
    Batch,
    Dask,
    DaskResource,
    Json,
    Net,
    NetFile,
    Nets,
    Output,
    Precision,
    Seconds,
    Seed,
    Table,
    Target,
    Threads,
    open_estimator,
    open_target,
)

if TYPE_CHECKING:
    from hwsearch.estimate import TableEstimator
    from hwsearch.preset import Preset
    from hwsearch.profiling.measurement import Measurement
    from hwsearch.record import NetworkRecord


def estimate(
    nets: Nets = None,
    file: NetFile = None,
    table: Table = None,
    by: Annotated[str | None, typer.Option("--by", metavar="op|stage", help="break the latency down")] = None,
    check: Annotated[bool, typer.Option("--check", help="count the built module with fvcore too (torch)")] = False,
    as_json: Json = False,
) -> None:
    """Say what networks cost, would take, and are predicted to reach; what cannot be known is said.

    \b
    Examples:
      hwsearch estimate efficientnet-b0 mobilenet-v2
      hwsearch estimate efficientnet-b0 --table a100 --by stage
      hwsearch estimate --file nets.txt --table cpu-f32.json --json
    """
    from hwsearch import console
    from hwsearch.accuracy import load_signal
    from hwsearch.errors import InputError
    from hwsearch.judge import judge
    from hwsearch.networks import find_networks

    if by not in (None, "op", "stage"):
        raise InputError(f"--by {by}", allowed="op, stage")
    if by and table is None:
        raise InputError("--by breaks a latency down, so it needs --table", next_command="hwsearch targets")
    presets = find_networks(nets or [], file)
    estimator, signal = open_estimator(table), load_signal()
    if by and estimator:
        for preset in presets:
            estimator.latency_ms(preset.architecture)  # refuses a network that the table does not know
    records = [judge(each.name, each.architecture, estimator, signal, published_top1=_top1(each)) for each in presets]
    checks = [_counted(preset) for preset in presets] if check else None
    if as_json:
        console.print_json(
            [_document(record, estimator, by, checks[i] if checks else None) for i, record in enumerate(records)]
        )
        return
    _print_records(records, estimator)
    if by and estimator:
        for record in records:
            _print_breakdown(record, estimator, by)
    for record, counted in zip(records, checks or [], strict=False):
        console.result(f"{record.name}: fvcore counts {counted['macs']:,} MACs, {counted['params']:,} params: equal")
    console.warn(
        f"{record.name}: {text}" for record in records for text in record.warnings if _worth_saying(text, table)
    )


def _worth_saying(warning: str, table: str | None) -> bool:
    return table is not None or not warning.startswith("latency_ms")


def _top1(preset: Preset) -> float | None:
    return preset.published_top1.percent if preset.published_top1 else None


def _counted(preset: Preset) -> dict[str, int]:
    from hwsearch.cli.check import independent_counts

    return independent_counts(preset)


def _document(
    record: NetworkRecord, estimator: TableEstimator | None, by: str | None, counted: dict[str, int] | None
) -> dict[str, Any]:
    document = record.to_document()
    document.pop("role")
    if by and estimator:
        rows = estimator.by_op(record.architecture) if by == "op" else estimator.by_stage(record.architecture)
        document[f"by_{by}"] = [
            {"label": row.label, "latency_ms": round(row.latency_ms, 5), "parts_ms": dict(row.parts_ms)} for row in rows
        ]
    if counted:
        document["check"] = counted
    return document


def _print_records(records: list[NetworkRecord], estimator: TableEstimator | None) -> None:
    from hwsearch import console

    if estimator is not None:
        console.say(f"latency: {estimator.table.setup.label}")
    console.print_table(
        ["network", "latency ms", "pred. top-1 %", "MACs M", "params M", "peak MB"],
        [
            [
                record.name,
                console.milliseconds(record.latency_ms),
                console.figure(record.predicted_top1) if record.predicted_top1 is not None else "-",
                console.figure(record.macs / 1e6, 1),
                console.figure(record.params / 1e6, 3),
                console.figure(record.activation_bytes / 1e6, 2),
            ]
            for record in records
        ],
    )


def _print_breakdown(record: NetworkRecord, estimator: TableEstimator, by: str) -> None:
    from hwsearch import console
    from hwsearch.operation import PARTS

    rows = estimator.by_op(record.architecture) if by == "op" else estimator.by_stage(record.architecture)
    console.print_table(
        [f"{record.name}, ms", "all", *(part.replace("squeeze_excite", "SE") for part in PARTS)],
        [
            [
                row.label,
                console.figure(row.latency_ms, 3),
                *(console.figure(row.parts_ms[part], 3) if part in row.parts_ms else "" for part in PARTS),
            ]
            for row in rows
        ],
    )


def measure(
    context: typer.Context,
    nets: Nets = None,
    file: NetFile = None,
    target: Target = "cpu",
    threads: Threads = 1,
    batch: Batch = 1,
    precision: Precision = "f32",
    table: Table = None,
    seed: Seed = 0,
    seconds: Seconds = 15.0,
    dask: Dask = None,
    dask_resource: DaskResource = None,
    as_json: Json = False,
) -> None:
    """Measure whole networks side by side, in shuffled rounds.

    \b
    Examples:
      hwsearch measure efficientnet-b0 mobilenet-v2 --target cpu
      hwsearch measure runs/demo --target openvino --threads 2 --json
    """
    import dataclasses

    from hwsearch import console
    from hwsearch.cli.executors import executor_for_target, time_networks
    from hwsearch.judge import judge
    from hwsearch.networks import find_networks
    from hwsearch.profiling.profiler import same_setup

    presets = find_networks(nets or [], file)
    estimator = open_estimator(table)
    runtime = open_target(target, threads, batch, precision)
    if estimator is not None and table is not None:
        same_setup(estimator.table, runtime.setup, table)
    executor = executor_for_target(context, target, dask, dask_resource or [])
    console.say(f"measuring {len(presets)} networks on {runtime.setup.label}")
    with console.ProgressBars() as bars:
        networks = [preset.architecture for preset in presets]
        measured = time_networks(runtime, target, executor, networks, seconds, seed, bars)
    records = [
        dataclasses.replace(judge(preset.name, preset.architecture, estimator, None), measured_latency_ms=float(ms))
        for preset, ms in zip(presets, measured.latency_ms, strict=True)
    ]
    if as_json:
        console.print_json(_measured_document(records, measured))
    else:
        _print_measured(records, measured)
    console.warn(measured.warnings)


def _measured_document(records: list[NetworkRecord], measured: Measurement) -> dict[str, Any]:
    from hwsearch.latency_table import setup_document

    shown = ("name", "text", "macs", "params", "latency_ms", "measured_latency_ms")
    documents = [record.to_document() for record in records]
    return {
        "setup": setup_document(measured.setup),
        "networks": [{key: document[key] for key in shown} for document in documents],
        "noise_floor_mape": round(measured.noise_floor_mape, 5),
        "warnings": list(measured.warnings),
    }


def _print_measured(records: list[NetworkRecord], measured: Measurement) -> None:
    from hwsearch import console

    console.print_table(
        ["network", "measured ms", "predicted ms", "MACs M"],
        [
            [
                record.name,
                console.milliseconds(record.measured_latency_ms),
                console.milliseconds(record.latency_ms),
                console.figure(record.macs / 1e6, 1),
            ]
            for record in records
        ],
    )
    console.result(f"noise floor {console.share(measured.noise_floor_mape)} (one half of the rounds against the other)")


def export(
    net: Net,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FORMAT",
            help="keras-hub, keras-cv, timm, huggingface, onnx, openvino or torch",
            autocompletion=completion.formats,
        ),
    ],
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="what the network is called there")] = None,
    padding: Annotated[
        str, typer.Option("--padding", metavar="same|symmetric", help="TensorFlow's padding, or k // 2 on all sides")
    ] = "same",
    output: Output = None,
    as_json: Json = False,
) -> None:
    """Write a network in the format of a library people train or deploy with, untrained, and check it.

    \b
    Examples:
      hwsearch export efficientnet-b0 --to timm -o exports/b0
      hwsearch export runs/demo:same_latency --to onnx
    """
    import dataclasses
    from typing import cast

    from hwsearch import console
    from hwsearch.errors import InputError
    from hwsearch.export import Padding
    from hwsearch.export import export as write_export
    from hwsearch.networks import find_network

    if padding not in ("same", "symmetric"):
        raise InputError(f"--padding {padding}", allowed="same, symmetric")
    preset = find_network(net)
    if name is not None:
        preset = dataclasses.replace(preset, name=name)
    done = write_export(preset, to, output or Path("exports") / preset.name / to, cast(Padding, padding))
    if as_json:
        console.print_json(
            {
                "name": preset.name,
                "to": done.to,
                "folder": str(done.folder),
                "files": [str(path) for path in done.files],
                "macs": done.macs,
                "params": done.params,
                "usage": done.usage,
            }
        )
        return
    for path in done.files:
        console.result(f"wrote {path}")
    console.result(f"{done.params:,} params, {done.macs:,} MACs at batch 1: read back and equal\n")
    console.result(done.usage)


def presets(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="one preset in full")] = None,
    as_json: Json = False,
) -> None:
    """List the published reference networks, or show one.

    \b
    Examples:
      hwsearch presets
      hwsearch presets efficientnet-lite3 --json
    """
    from hwsearch import console
    from hwsearch.networks import find_network
    from hwsearch.preset import reference_presets, to_document

    if name is not None:
        document = to_document(find_network(name))
        if as_json:
            console.print_json(document)
            return
        for key, value in document.items():
            console.result(f"{key}: {value:,}" if isinstance(value, int) and key != "version" else f"{key}: {value}")
        return
    found = list(reference_presets().values())
    if as_json:
        console.print_json([to_document(preset) for preset in found])
        return
    rows = []
    for preset in found:
        document, top1 = to_document(preset), preset.published_top1
        rows.append(
            [
                preset.name,
                str(preset.architecture.resolution),
                f"{document['params']:,}",
                f"{document['macs']:,}",
                f"{top1.percent}" if top1 else "-",
            ]
        )
    console.print_table(["preset", "res", "params", "MACs", "published top-1 %"], rows)
