"""Several devices side by side: relative latency, each network on every device, and what cannot be compared."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from synthetic_run import SETUP, device_table, write_device_run, write_run

from hwsearch.errors import InputError
from hwsearch.estimate import TableEstimator
from hwsearch.latency_table import load_table, save_table
from hwsearch.report import write_devices_report
from hwsearch.report.devices_data import MAX_RUNS, DevicesData, devices_data
from hwsearch.report.devices_figures import DASHES, DEVICE_SYMBOLS, device_figures
from hwsearch.report.devices_naming import labels_of
from hwsearch.report.devices_page import render_devices
from hwsearch.report.wording import NBSP
from hwsearch.run_directory import load_summary, save_summary

ATTACK = "</script><script>window.hurt=1</script><img src=x onerror=window.hurt=1>\"'&"
NAMES = ["Synthetic CPU 9000", "Synthetic NPU", "Synthetic GPU"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "cpu")
    for name in NAMES[1:]:
        write_device_run(folder / name[-3:].lower(), name)
    return [folder / each for each in ("cpu", "npu", "gpu")]


@pytest.fixture(scope="module")
def data(folders: list[Path]) -> DevicesData:
    return devices_data(folders)


def test_every_device_stands_beside_the_others(data: DevicesData) -> None:
    assert [run.label for run in data.runs] == NAMES
    assert [crossing.role for crossing in data.crossings] == ["same_top1", "same_latency"]
    for run in data.runs:
        assert run.relative(run.reference) == 1.0
        assert run.reference_ms == run.reference.latency_ms


def test_each_network_is_priced_by_each_devices_own_table(data: DevicesData, folders: list[Path]) -> None:
    estimators = [TableEstimator(load_table(folder / "table.json")) for folder in folders]
    for crossing in data.crossings:
        for home, row in enumerate(crossing.rows):
            assert [cell.is_home for cell in row] == [number == home for number in range(3)]
            for cell, estimator in zip(row, estimators, strict=True):
                ms = estimator.latency_ms(cell.record.architecture)
                assert cell.latency_ms == pytest.approx(ms)
                assert cell.ratio == pytest.approx(ms / estimator.latency_ms(data.runs[0].reference.architecture))


def test_a_network_is_compared_with_the_one_found_there(data: DevicesData) -> None:
    same_top1, same_latency = data.crossings
    for row in same_top1.rows:
        for number, cell in enumerate(row):
            own = same_top1.rows[number][number]
            assert cell.penalty == pytest.approx(cell.latency_ms / own.latency_ms - 1)
            assert cell.surplus is None
    for row in same_latency.rows:
        for number, cell in enumerate(row):
            own = same_latency.rows[number][number]
            assert cell.surplus == pytest.approx(cell.record.predicted_top1 - own.record.predicted_top1)
            assert cell.penalty is None
            assert cell.is_too_slow == (cell.ratio > 1.005)
    assert any(cell.is_too_slow for cell in same_latency.cells)


def test_the_headline_names_ratios_and_the_worst_exchange(data: DevicesData) -> None:
    said = "".join(piece.text for piece in data.headline)
    for run in data.runs:
        winner = run.winner("same_top1")
        assert f"{run.ratio(winner):.2f}× on {run.label}" in said
    worst = data.crossings[0].worst
    assert f"{100 * worst.penalty:.0f} % slower on {worst.on.label}" in said
    assert worst.penalty == max(cell.penalty for cell in data.crossings[0].cells)


def test_figures_hold_every_front_and_every_cell(data: DevicesData) -> None:
    made = device_figures(data)
    assert set(made) == {"fronts", "cross-same_top1", "cross-same_latency"}
    lines = {trace["name"]: trace for trace in made["fronts"]["data"] if trace["mode"] == "lines+markers"}
    for run in data.runs:
        expected = [view.record.latency_ms / run.reference_ms for view in run.data.front]
        assert lines[run.label]["x"] == pytest.approx(expected, abs=1e-4)
    for crossing in data.crossings:
        marks = [trace for trace in made[f"cross-{crossing.role}"]["data"] if trace["mode"] == "markers"]
        drawn = sorted(x for trace in marks for x in trace["x"])
        assert drawn == pytest.approx(sorted(cell.ratio for cell in crossing.cells), abs=1e-4)
    assert "relative to EfficientNet-B0" in made["fronts"]["layout"]["xaxis"]["title"]["text"]


def test_devices_differ_by_colour_dash_and_symbol(data: DevicesData) -> None:
    lines = [trace for trace in device_figures(data)["fronts"]["data"] if trace["mode"] == "lines+markers"]
    looks = [(trace["line"]["color"], trace["line"]["dash"], trace["marker"]["symbol"]) for trace in lines]
    for column in zip(*looks, strict=True):
        assert len(set(column)) == len(data.runs)
    assert len(set(DASHES)) == len(set(DEVICE_SYMBOLS)) == MAX_RUNS
    style = (Path(render_devices.__code__.co_filename).parent / "templates" / "style.css").read_text(encoding="utf-8")
    light, dark = style.split("prefers-color-scheme: dark", 1)
    for number in range(MAX_RUNS):
        assert f"--device{number}:" in light
        assert f"--device{number}:" in dark.split("} }", 1)[0]


def test_the_page_says_winners_with_units_and_conditions(
    data: DevicesData, folders: list[Path], tmp_path: Path
) -> None:
    path = write_devices_report(folders, tmp_path / "devices.html")
    text = path.read_text(encoding="utf-8").replace(NBSP, " ")
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text)
    assert path.stat().st_size < 3_000_000
    assert "1 thread, batch 1, f32" in text
    assert "measured over measured where both" in text
    for run in data.runs:
        for view in run.winners:
            assert view.record.name in text
            assert f'data-copy="{view.record.architecture.text}"' in text
        assert run.summary.command.split(" --")[0] in text
    assert text.count('class="cell') == 7 * len(data.views)


def test_without_a_table_only_what_is_known_is_said(folders: list[Path], tmp_path: Path) -> None:
    run = write_device_run(tmp_path / "npu", "Synthetic NPU")
    run.table.unlink()
    data = devices_data([folders[0], run.path])
    column = [row[1] for row in data.crossings[0].rows]
    assert all(cell.ratio is None and cell.penalty is None for cell in column)
    assert all(row[0].ratio is not None for row in data.crossings[0].rows)
    assert "kept no table" in render_devices(data)


def test_a_table_that_lacks_an_op_prices_what_it_can(folders: list[Path], tmp_path: Path) -> None:
    run = write_device_run(tmp_path / "npu", "Synthetic NPU")
    table = load_table(run.table)
    save_table(
        dataclasses.replace(table, ops={op: ms for op, ms in table.ops.items() if op.kernel_size != 5}), run.table
    )
    rows = devices_data([folders[0], run.path]).crossings[0].rows
    assert rows[0][0].ratio is not None
    assert rows[0][1].ratio is None


def refused(paths: list[Path], words: str) -> None:
    with pytest.raises(InputError, match=words):
        devices_data(paths)


def changed(tmp_path: Path, **changes: object) -> Path:
    return write_device_run(tmp_path / "changed", "Synthetic NPU", **changes).path


def test_what_cannot_be_compared_is_refused(folders: list[Path], tmp_path: Path) -> None:
    refused([folders[0]], "1 runs.*2 to 6")
    refused([folders[0], folders[0]], "the same run twice")
    refused([folders[0], folders[0] / ".." / "cpu"], "the same run twice")
    refused([tmp_path / str(number) for number in range(MAX_RUNS + 1)], "7 runs")
    refused([folders[0], tmp_path / "nowhere"], "not the folder of a run")
    refused([folders[0], changed(tmp_path / "a", space="another")], "different spaces, efficientnet-b0 and another")
    refused([folders[0], changed(tmp_path / "b", signal="zen")], "different accuracy signals, 'imagenet' and 'zen'")
    refused([folders[0], changed(tmp_path / "c", setup=SETUP)], "of the same device and setup as")
    refused([folders[0], changed(tmp_path / "d", setup=None)], "names no device")


def test_a_run_without_what_all_are_compared_with_is_refused(folders: list[Path], tmp_path: Path) -> None:
    run = write_device_run(tmp_path / "run", "Synthetic NPU")
    summary = load_summary(run.summary)
    reference = summary.networks[0]
    save_summary(dataclasses.replace(summary, networks=summary.networks[1:]), run.summary)
    refused([folders[0], run.path], "holds no reference network")
    without = dataclasses.replace(reference, latency_ms=None)
    save_summary(dataclasses.replace(summary, networks=(without, *summary.networks[1:])), run.summary)
    refused([folders[0], run.path], "searched without a latency table")
    other = dataclasses.replace(reference, architecture=summary.networks[1].architecture)
    save_summary(dataclasses.replace(summary, networks=(other, *summary.networks[1:])), run.summary)
    refused([folders[0], run.path], "different reference networks")


def test_labels_are_as_long_as_they_must_be() -> None:
    npu = device_table("Synthetic NPU").setup
    assert labels_of([(Path("a"), SETUP), (Path("b"), npu)]) == ["Synthetic CPU 9000", "Synthetic NPU"]
    quick = dataclasses.replace(SETUP, precision="int8")
    assert labels_of([(Path("a"), SETUP), (Path("b"), quick)]) == [
        "Synthetic CPU 9000, ONNX Runtime 1.20.0, f32",
        "Synthetic CPU 9000, ONNX Runtime 1.20.0, int8",
    ]


def test_nobodys_text_becomes_html(folders: list[Path], tmp_path: Path) -> None:
    run = write_device_run(tmp_path / "run", "Synthetic NPU")
    summary = load_summary(run.summary)
    networks = tuple(dataclasses.replace(each, name=ATTACK) for each in summary.networks)
    setup = dataclasses.replace(summary.setup, device=dataclasses.replace(summary.setup.device, name=ATTACK))
    hostile = dataclasses.replace(
        summary, networks=networks, setup=setup, command=ATTACK, table=ATTACK, warnings=(ATTACK,)
    )
    save_summary(hostile, run.summary)
    text = render_devices(devices_data([folders[0], run.path]))
    assert text.count("<script") == 3
    assert "<img" not in text


def test_the_command_writes_one_page_for_several_runs(folders: list[Path], tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from hwsearch.cli.app import app

    target = tmp_path / "side-by-side.html"
    result = CliRunner().invoke(app, ["report", *map(str, folders), "-o", str(target)])
    assert result.exit_code == 0
    assert str(target) in result.output.replace("\n", "")
    assert "Synthetic GPU" in target.read_text(encoding="utf-8")
