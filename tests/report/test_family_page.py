"""The family beside the published networks: what is drawn, what is said, and the page of a folder."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import pytest
from synthetic_run import B0, MEASURED, SETUP, measurement, write_run

from hwsearch.coefficients import PUBLISHED_B
from hwsearch.cost import cost
from hwsearch.errors import FaultsError, InputError
from hwsearch.family import DeviceLatency, load_family, save_family
from hwsearch.preset import reference_preset, reference_presets
from hwsearch.profiling.measurement import save_measurement
from hwsearch.report import report_data, write_family_report, write_report
from hwsearch.report.family_data import family_data
from hwsearch.report.family_figure import family_figure
from hwsearch.report.family_page import load_families
from hwsearch.report.label_places import PLACES, label_places
from hwsearch.report.wording import NBSP, taken_on
from hwsearch.run_directory import RunDirectory
from hwsearch.scaling import scale_family

LATENCY = DeviceLatency(5.0, "Synthetic CPU 9000, onnxruntime 1.20.0", 1, 1, "f32")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return write_run(tmp_path_factory.mktemp("runs") / "run")


def families(base: str = "mnasnet-b1"):
    network = reference_preset(base).architecture
    return [scale_family(network, [0, 1, 2], style, base_name=base) for style in ("b", "lite")]


def test_published_networks_stand_where_exactly_they_were_measured(run: RunDirectory) -> None:
    data = report_data(run).family
    found = {member.name: member for member in data.published}
    assert data.timed
    assert set(found) == {"EfficientNet-B0", "EfficientNet-B1", "EfficientNet-Lite0", "MobileNetV2", "MnasNet-A1"}
    measured = dict(zip(MEASURED, measurement().latency_ms, strict=True))
    for name, member in zip(MEASURED, data.published[:2], strict=False):
        assert member.measured_ms == pytest.approx(measured[name], abs=1e-4)
        assert member.architecture == reference_preset(name).architecture
        assert member.published_top1 == reference_preset(name).published_top1.percent
    # the table holds the ops of B0 alone, so that of the others nothing is predicted
    assert [member.name for member in data.published if member.predicted_ms is not None] == ["EfficientNet-B0"]


def test_both_styles_and_both_published_lines_are_drawn(run: RunDirectory) -> None:
    figure = family_figure(report_data(run).family)
    drawn = {trace["name"]: trace for trace in figure["data"] if trace.get("showlegend", True)}
    assert set(drawn) == {
        "EfficientNet-B, published",
        "EfficientNet-Lite, published",
        "scaled, B style",
        "scaled, Lite style",
        "other published networks",
    }
    for own in ("scaled, B style", "scaled, Lite style"):
        assert drawn[own]["line"]["width"] > drawn["EfficientNet-B, published"]["line"]["width"]
    assert drawn["other published networks"]["mode"] == "markers+text"
    assert figure["layout"]["xaxis"]["type"] == figure["layout"]["yaxis"]["type"] == "log"
    hover = drawn["EfficientNet-B, published"]["hovertext"][0].replace(NBSP, " ")
    for said in (
        "EfficientNet-B0",
        "386 M MACs",
        "5.29 M params",
        "224 px",
        "measured",
        "predicted",
        "published top-1",
    ):
        assert said in hover
    assert "published top-1" not in "".join(drawn["scaled, B style"]["hovertext"])


def test_open_marks_are_measured(run: RunDirectory) -> None:
    data = report_data(run).family
    trace = next(t for t in family_figure(data)["data"] if t["name"] == "scaled, B style")
    members = [each for each in data.members if each.line == "b"]
    assert [symbol.endswith("-open") for symbol in trace["marker"]["symbol"]] == [
        each.measured_ms is not None for each in members
    ]
    assert trace["y"] == [each.measured_ms or each.predicted_ms for each in members]


def test_a_member_that_was_published_is_there_once() -> None:
    found = family_data(families("efficientnet-b0"))
    assert found.members[0].published_top1 == reference_preset("efficientnet-b0").published_top1.percent
    assert {member.architecture for member in found.published}.isdisjoint(each.architecture for each in found.members)


def test_without_latencies_parameters_stand_in() -> None:
    data = family_data(families())
    figure = family_figure(data)
    assert not data.timed
    assert "parameters" in figure["layout"]["yaxis"]["title"]["text"]
    most = max(each.macs for each in data.members)
    expected = {
        name
        for name, preset in reference_presets().items()
        if cost(preset.architecture).macs <= 1.2 * most and name != "mnasnet-b1"
    }
    assert {member.key.removeprefix("published-") for member in data.published} == expected
    assert sum(len(trace["x"]) for trace in figure["data"]) == len(data.members) + len(expected)


def test_one_latency_makes_no_line() -> None:
    base, lite = families()
    first = dataclasses.replace(base.variants[0], predicted_latency=LATENCY)
    data = family_data([dataclasses.replace(base, variants=(first, *base.variants[1:])), lite])
    assert not data.timed
    assert data.predicted_for == ("Synthetic CPU 9000, ONNX Runtime 1.20.0, 1 thread, batch 1, f32",)


def test_a_page_of_a_folder(tmp_path: Path) -> None:
    for family in families():
        save_family(family, tmp_path / f"{family.name}.family.json")
    write_family_report(tmp_path, tmp_path / "family.html")
    text = (tmp_path / "family.html").read_text(encoding="utf-8")
    assert "6 networks" in text
    assert "No latency is known" in text
    for family in load_families(tmp_path):
        for variant in family.variants:
            assert variant.name in text
            assert f'data-copy="{variant.architecture.text}"' in text
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text)


def test_how_a_law_was_come_by_is_said(tmp_path: Path) -> None:
    for family in families():
        note = "<b>searched</b> for a test" if family.name.endswith("-lite") else ""
        save_family(dataclasses.replace(family, law_note=note), tmp_path / f"{family.name}.family.json")
    write_family_report(tmp_path, tmp_path / "family.html")
    text = (tmp_path / "family.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;searched&lt;/b&gt; for a test" in text
    assert "mnasnet-b1-b: scaled from one base" in text
    assert "mnasnet-b1-lite: scaled from one base" in text


def test_a_page_with_a_measurement_says_its_conditions(tmp_path: Path) -> None:
    (b,) = [family for family in families("efficientnet-b0") if family.name.endswith("-b")]
    published = scale_family(B0, [0, 1], "b", coefficients="published", base_name="efficientnet-b0")
    save_family(dataclasses.replace(published, name=b.name), tmp_path / "b0.family.json")
    save_measurement(measurement(), tmp_path / "measured.json")
    write_family_report(tmp_path, tmp_path / "family.html")
    text = (tmp_path / "family.html").read_text(encoding="utf-8").replace(NBSP, " ")
    assert f"{SETUP.device.name}, ONNX Runtime 1.20.0, 1 thread, batch 1, f32" in text
    assert f"{measurement().latency_ms[0]:.2f} ms" in text
    assert len(PUBLISHED_B) == 8
    assert "published top-1" in text


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_without_families_is_refused(tmp_path: Path, exists: bool) -> None:
    folder = tmp_path if exists else tmp_path / "nowhere"
    with pytest.raises(InputError, match=re.escape(f"next: hwsearch scale NET -o {folder}")):
        write_family_report(folder, tmp_path / "family.html")
    assert not (tmp_path / "family.html").exists()


def test_an_unsound_measurement_is_refused(tmp_path: Path, run: RunDirectory) -> None:
    family = load_family(run.family)
    save_family(family, tmp_path / "a.family.json")
    document = json.loads(run.measured.read_text(encoding="utf-8"))
    document["networks"][0]["samples_ms"] = [-1.0]
    (tmp_path / "measured.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(FaultsError, match="samples_ms"):
        write_family_report(tmp_path, tmp_path / "family.html")


def test_a_run_with_an_unsound_measurement_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    run.measured.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"measured\.json"):
        write_report(run, tmp_path / "report.html")


def test_what_a_latency_was_taken_on() -> None:
    assert taken_on(LATENCY) == "Synthetic CPU 9000, ONNX Runtime 1.20.0, 1 thread, batch 1, f32"
    other = DeviceLatency(1.0, "Some board", 4, None, "int8")
    assert taken_on(other) == "Some board, batch 4, int8"


def test_labels_keep_off_each_other_and_the_frame() -> None:
    frame = (400.0, 200.0)
    alone = label_places([((200.0, 100.0), "B0")], frame, ["top left"])
    assert alone == ["top left"]
    corner = label_places([((2.0, 2.0), "B0")], frame, ["top left"])
    assert corner == ["bottom right"]
    close = label_places([((200.0, 100.0), "B0"), ((202.0, 101.0), "B1")], frame, ["top left", "top left"])
    assert close[0] == "top left"
    assert close[1] != "top left"
    assert set(close) <= set(PLACES)
