"""The report's data equals the run's files; the page says it, escapes it, and needs nothing else."""

from __future__ import annotations

import copy
import dataclasses
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from synthetic_run import B0, SETUP, latency_table, space, write_run

from hwsearch.errors import FaultsError, InputError
from hwsearch.estimate import TableEstimator
from hwsearch.latency_table import load_table, save_table
from hwsearch.ranking import mape, share_within
from hwsearch.record import NetworkRecord
from hwsearch.report import report_data, wording, write_report
from hwsearch.report.charts import short
from hwsearch.report.figures import figures
from hwsearch.report.headline import headline, time_ratio
from hwsearch.report.page import embedded_json, render
from hwsearch.run_directory import RunDirectory, load_summary, save_summary

ATTACK = "</script><script>window.hurt=1</script><img src=x onerror=window.hurt=1>\"'&"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return write_run(tmp_path_factory.mktemp("runs") / "run")


class Page(HTMLParser):
    """The elements of a page, its text, and what its scripts hold."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []
        self.scripts: list[str] = []
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.said.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.said).replace(wording.NBSP, " ").split())

    @property
    def payload(self) -> dict:
        return json.loads(self.scripts[0])


def test_figures_are_those_of_the_files(run: RunDirectory) -> None:
    data, summary = report_data(run), load_summary(run.summary)
    assert [view.record for view in data.networks] == list(summary.networks)
    assert {view.record for view in data.front} == set(summary.front)
    assert [view.record.latency_ms for view in data.front] == sorted(each.latency_ms for each in summary.front)
    assert data.fidelity == summary.fidelity
    assert data.table == load_table(run.table)
    assert [view.record.role for view in data.winners] == ["reference", "same_top1", "same_latency"]


def test_a_path_and_a_run_directory_are_the_same(run: RunDirectory) -> None:
    assert report_data(run.path) == report_data(run)


def test_breakdowns_are_the_estimators(run: RunDirectory) -> None:
    estimator = TableEstimator(load_table(run.table))
    for view in report_data(run).winners:
        assert view.breakdown == estimator.by_stage(view.record.architecture)
        assert sum(row.latency_ms for row in view.breakdown) == pytest.approx(view.record.latency_ms, abs=1e-3)


def test_stages_are_the_networks(run: RunDirectory) -> None:
    view = next(view for view in report_data(run).networks if view.record.architecture == B0)
    blocks = [stage for stage in view.stages if stage.kind == "mbconv"]
    assert [stage.num_repeats for stage in blocks] == [stage.num_repeats for stage in B0.stages]
    assert [stage.out_channels for stage in blocks] == [stage.out_channels for stage in B0.stages]
    assert [stage.resolution for stage in view.stages] == [224, 112, 112, 56, 28, 14, 14, 7, 7]
    assert [stage.label for stage in view.stages] == ["stem", *(f"stage {i}" for i in range(7)), "head"]
    assert view.stages[-1].out_channels == B0.head_channels


def test_held_out_points_give_the_tables_fidelity(run: RunDirectory) -> None:
    data = report_data(run)
    predicted = np.array([point.predicted_ms for point in data.held_out])
    measured = np.array([point.measured_ms for point in data.held_out])
    assert len(predicted) == data.fidelity.networks == 40
    assert float(mape(predicted, measured)) == pytest.approx(data.fidelity.mape, abs=2e-5)
    assert float(share_within(predicted, measured, 0.05)) == pytest.approx(data.fidelity.within_5, abs=2e-5)


def test_a_second_session_is_brought_to_the_level_of_the_first() -> None:
    from hwsearch.report.evidence import held_out_points

    table = latency_table(np.random.default_rng(3))
    first = table.sessions[0]
    slow = tuple(
        dataclasses.replace(network, samples_ms=tuple(1.5 * ms for ms in network.samples_ms))
        for network in first.networks
    )
    both = dataclasses.replace(table, sessions=(first, dataclasses.replace(first, networks=slow)))
    points = held_out_points(both)
    assert [p.measured_ms for p in points[40:]] == pytest.approx([p.measured_ms for p in points[:40]])


def test_headline_says_measured_ratios_and_predicted_points(run: RunDirectory) -> None:
    data, summary = report_data(run), load_summary(run.summary)
    reference, fast, better = (summary.by_role(role) for role in ("reference", "same_top1", "same_latency"))
    ratio = fast.measured_latency_ms / reference.measured_latency_ms
    said = data.headline_text.replace(wording.NBSP, " ")
    assert said.startswith(f"On {SETUP.device.name}, EfficientNet-B0 takes {reference.measured_latency_ms:.2f} ms; ")
    assert f"in {ratio:.2f}× the time: {fast.measured_latency_ms:.2f} ms measured" in said
    assert f"predicted {better.predicted_top1 - reference.predicted_top1:.1f} points better" in said


def test_headline_never_mixes_measured_with_predicted(run: RunDirectory) -> None:
    summary = load_summary(run.summary)
    networks = tuple(
        dataclasses.replace(each, measured_latency_ms=None) if each.role == "same_top1" else each
        for each in summary.networks
    )
    changed = dataclasses.replace(summary, networks=networks)
    fast, reference = changed.by_role("same_top1"), changed.by_role("reference")
    assert time_ratio(fast, reference) == fast.latency_ms / reference.latency_ms
    said = "".join(piece.text for piece in headline(changed)).replace(wording.NBSP, " ")
    assert f"{fast.latency_ms:.2f} ms predicted" in said


def test_headline_without_a_reference_counts_what_was_scored(run: RunDirectory) -> None:
    summary = dataclasses.replace(load_summary(run.summary), networks=(), setup=None)
    assert "".join(piece.text for piece in headline(summary)) == "The search scored 6,000 networks."


def test_no_difference_without_two_predictions(run: RunDirectory) -> None:
    quality = report_data(run).quality
    known = NetworkRecord("a", B0, 1, 1, 1, predicted_top1=60.0)
    assert quality.difference(known, None) is None
    assert quality.difference(known, dataclasses.replace(known, predicted_top1=None)) is None
    assert quality.claim(known, None) == ""
    assert time_ratio(known, known) is None


def test_networks_without_a_prediction_are_listed_not_drawn(run: RunDirectory) -> None:
    data = report_data(run)
    assert [view.record.name for view in data.unplaced] == ["mobilenet-v2"]
    index = [view.record.name for view in data.every].index("mobilenet-v2")
    drawn = {number for trace in figures(data)["front"]["data"] for number in trace.get("customdata", ())}
    assert index not in drawn
    assert drawn == {number for number, view in enumerate(data.every) if view.record.predicted_top1 is not None}


def test_front_figure_holds_the_front_and_the_budget(run: RunDirectory) -> None:
    data = report_data(run)
    figure = figures(data)["front"]
    line = next(trace for trace in figure["data"] if trace["name"] == "front, predicted")
    assert line["x"] == [view.record.latency_ms for view in data.front]
    assert line["y"] == [view.record.predicted_top1 for view in data.front]
    assert [shape["x0"] for shape in figure["layout"]["shapes"]] == [11.0]
    assert "predicted top-1" in figure["layout"]["yaxis"]["title"]["text"]
    assert "ms" in figure["layout"]["xaxis"]["title"]["text"]


def test_figures_are_plotly_figures(run: RunDirectory) -> None:
    graph_objects = pytest.importorskip("plotly.graph_objects")
    made = figures(report_data(run))
    assert set(made) == {"front", "measured", "errors", "family", "history"}
    for figure in made.values():
        graph_objects.Figure(_painted(copy.deepcopy(figure)))


def _painted(value: object) -> object:
    if isinstance(value, dict):
        return {key: _painted(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_painted(each) for each in value]
    return "#123456" if isinstance(value, str) and value.startswith("@") else value


def test_every_colour_is_in_the_style_sheet(run: RunDirectory) -> None:
    names = set(re.findall(r'"@([a-z0-9_]+)"', json.dumps(figures(report_data(run)))))
    style = (Path(wording.__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
    light, dark = style.split("prefers-color-scheme: dark", 1)
    for name in names:
        assert f"--{name}:" in light
        assert f"--{name}:" in dark.split("} }", 1)[0]


def test_page_is_whole_and_loads_nothing(run: RunDirectory, tmp_path: Path) -> None:
    path = write_report(run, tmp_path / "deep" / "report.html")
    page = Page(path.read_text(encoding="utf-8"))
    assert not list(tmp_path.glob("**/*.part"))
    assert 1_000_000 < path.stat().st_size < 3_000_000
    for tag, attributes in page.tags:
        assert "src" not in attributes, tag
        assert not (attributes.get("href") or "#").startswith(("http", "//")), tag
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    anchors = [a["href"][1:] for t, a in page.tags if t == "a" and a.get("href", "").startswith("#")]
    assert anchors
    assert set(anchors) <= set(ids)


def test_page_says_the_figures_with_units_and_conditions(run: RunDirectory) -> None:
    data = report_data(run)
    page, summary = Page(render(data)), data.summary
    text = page.text
    assert [each["text"] for each in page.payload["networks"]] == [view.record.architecture.text for view in data.every]
    for said in (
        summary.command,
        SETUP.device.name,
        "ONNX Runtime 1.20.0",
        "1 thread, batch 1, f32",
        "1.9 %",
        "noise floor",
        "Kendall",
        "6 min 52 s",
        "latency ≤ 11.0 ms",
        "386 M",
        "synthetic figures: made by a test, measured nowhere",
        "not a trained accuracy",
        "published top-1 72.0 %",
    ):
        assert said in text, said
    assert "FLOP" not in text
    assert "accuracy" not in text.replace("not a trained accuracy", "").replace("accuracy signal", "")


def test_same_run_same_page(run: RunDirectory) -> None:
    assert render(report_data(run)) == render(report_data(run))


def test_payload_networks_carry_their_export_command(run: RunDirectory) -> None:
    networks = Page(render(report_data(run))).payload["networks"]
    assert networks[0]["name"] == "EfficientNet-B0"
    assert networks[0]["command"] == f"hwsearch export '{B0.text}' --to timm"
    assert len(networks[0]["stages"]) == 9


def test_nobodys_text_becomes_html(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    summary = load_summary(run.summary)
    networks = tuple(dataclasses.replace(each, name=ATTACK, warnings=(ATTACK,)) for each in summary.networks)
    device = dataclasses.replace(SETUP.device, name=ATTACK, system=ATTACK)
    hostile = dataclasses.replace(
        summary,
        command=ATTACK,
        created=ATTACK,
        space=ATTACK,
        table=ATTACK,
        signal=ATTACK,
        signal_note=ATTACK,
        hwsearch_version=ATTACK,
        budgets=(ATTACK,),
        networks=networks,
        front=tuple(dataclasses.replace(each, name=ATTACK) for each in summary.front),
        setup=dataclasses.replace(SETUP, device=device, runtime=ATTACK, target=ATTACK),
        exports=({ATTACK: ATTACK},),
        seconds={ATTACK: 1.0},
        warnings=(ATTACK,),
    )
    save_summary(hostile, run.summary)
    text = write_report(run, tmp_path / "r.html").read_text(encoding="utf-8")
    page = Page(text)
    clean = Page(write_report(write_run(tmp_path / "clean"), tmp_path / "c.html").read_text(encoding="utf-8"))
    assert [tag for tag, _ in page.tags].count("script") == [tag for tag, _ in clean.tags].count("script") == 3
    assert "img" not in [tag for tag, _ in page.tags]
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert ATTACK in html.unescape(text)
    assert page.payload["networks"][0]["name"] == ATTACK  # a text in JSON, for textContent
    for figure in page.payload["figures"].values():  # plotly reads HTML in texts, so there it is escaped
        assert "<script" not in json.dumps(figure)
        assert "<img" not in json.dumps(figure)


def test_embedded_json_cannot_end_its_element() -> None:
    value = {"a": "</script><!--\u2028&", "b": [1.5, None, "<script>"]}
    text = embedded_json(value)
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == value
    with pytest.raises(ValueError, match="JSON compliant"):
        embedded_json({"a": float("nan")})


def test_without_table_and_family(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", with_table=False, with_family=False)
    data = report_data(run)
    assert data.table is None
    assert data.family.families == data.family.members == data.held_out == ()
    assert all(not view.breakdown and view.no_breakdown for view in data.networks)
    page = Page(render(data))
    assert "the run holds no latency table" in page.text
    assert "family" not in [attributes.get("id") for _, attributes in page.tags]
    assert "predicted top-1" in page.text


def test_a_lite_family_joins_the_family(tmp_path: Path) -> None:
    from hwsearch.family import load_family, save_family

    run = write_run(tmp_path / "run")
    whole = load_family(run.family)
    for path, style in ((run.family, "b"), (run.lite_family, "lite")):
        members = tuple(each for each in whole.variants if each.style == style)
        save_family(dataclasses.replace(whole, variants=members), path)
    assert tuple(member.variant for member in report_data(run).family.members) == whole.variants


def test_a_table_that_lacks_ops_says_which(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    table = load_table(run.table)
    kept = {op: found for op, found in table.ops.items() if op.kind != "head"}
    save_table(dataclasses.replace(table, ops=kept), run.table)
    data = report_data(run)
    assert "lacks 1 op" in data.networks[0].no_breakdown
    assert data.held_out == ()
    assert "lacks 1 op" in Page(render(data)).text


def test_a_search_without_measurements_predictions_or_budgets(tmp_path: Path) -> None:
    network = space().decode(space().sample(1, np.random.default_rng(0))[0])
    bare = NetworkRecord("found-1", network, 3, 2, 1, role="best")
    run = write_run(
        tmp_path / "run", with_table=False, with_family=False, networks=(bare,), front=(), fidelity=None, setup=None,
        history=(), exports=(), budgets=(), seconds={}, warnings=(), noise_floor_mape=None, signal="", signal_note="",
    )  # fmt: skip
    data = report_data(run)
    assert data.unplaced == ()
    page = Page(render(data))
    assert "hwsearch validate" in page.text
    assert set(page.payload["figures"]) == {"front"}  # MACs over parameters
    assert "notices" not in [attributes.get("class") for _, attributes in page.tags]


def test_surprises_come_first(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    summary = load_summary(run.summary)
    late = dataclasses.replace(summary.networks[1], role="best", measured_latency_ms=12.0)
    coarse = dataclasses.replace(summary.fidelity, mape=0.14)
    save_summary(dataclasses.replace(summary, fidelity=coarse, networks=(*summary.networks, late)), run.summary)
    notices = [notice.text.replace(wording.NBSP, " ") for notice in report_data(run).warnings]
    assert notices[0] == "its predictions err by 14.0 % on average: believe what was measured"
    assert notices[1] == "measured 12.0 ms, above the budget of 11.0 ms"


def test_repeated_warnings_are_said_once(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    summary = load_summary(run.summary)
    networks = tuple(dataclasses.replace(each, warnings=("ranked as swish",)) for each in summary.networks)
    save_summary(dataclasses.replace(summary, networks=networks), run.summary)
    said = [notice for notice in report_data(run).warnings if notice.text == "ranked as swish"]
    assert len(said) == 1
    assert said[0].about.startswith("efficientnet-b0, synthetic-as-good")


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_without_a_summary_is_refused(tmp_path: Path, exists: bool) -> None:
    folder = tmp_path if exists else tmp_path / "nowhere"
    with pytest.raises(InputError, match=re.escape(f"next: hwsearch run -o {folder}")):
        write_report(folder, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_unsound_files_are_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    document = json.loads(run.summary.read_text(encoding="utf-8"))
    run.summary.write_text(json.dumps({**document, "seed": "none"}), encoding="utf-8")
    with pytest.raises(FaultsError, match="seed"):
        report_data(run)
    run.summary.write_text(json.dumps(document), encoding="utf-8")
    run.table.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match=r"table\.json"):
        report_data(run)


def test_an_output_that_cannot_be_written_is_refused(run: RunDirectory, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be written"):
        write_report(run, tmp_path / "file" / "report.html")


def test_long_names_are_cut_in_their_middle() -> None:
    assert short("found-cpu-4.54ms") == "found-cpu-4.54ms"
    cut = short("found-epyc-onnxruntime-f32-4.42ms")
    assert len(cut) == 24
    assert cut.startswith("found-epyc")
    assert cut.endswith("4.42ms")
    assert short("<b>" * 20).startswith("&lt;b&gt;")


def test_labels_of_winners_have_room_to_the_left(run: RunDirectory) -> None:
    layout = figures(report_data(run))["front"]["layout"]
    low, high = layout["xaxis"]["range"]
    for note in layout["annotations"]:
        if note.get("xanchor") == "right" and "textangle" not in note:
            assert (note["x"] - low) / (high - low) > 0.008 * len(note["text"]) or low == 0
