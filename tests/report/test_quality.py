"""What networks were ranked by has its own name everywhere: a score is no top-1, a looked-up top-1 is not predicted."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from synthetic_run import write_run

from hwsearch.record import NetworkRecord
from hwsearch.report import report_data, wording
from hwsearch.report.figures import figures
from hwsearch.report.page import render
from hwsearch.report.quality import quality_of
from hwsearch.run_directory import RunDirectory, Summary, load_summary, save_summary


def plain(text: str) -> str:
    return text.replace(wording.NBSP, " ")


def as_scores(record: NetworkRecord) -> NetworkRecord:
    """The same network, ranked by a proxy: its top-1 as a score."""
    score = record.predicted_top1
    return dataclasses.replace(record, predicted_top1=None, predicted_top1_std=None, proxy_score=score)


def judged_by(path: Path, signal: str, proxy: bool = False) -> RunDirectory:
    """A synthetic run under another signal, its winners as such a search names them."""
    run = write_run(path)
    summary = load_summary(run.summary)
    change = as_scores if proxy else lambda record: record
    networks = [each if each.role != "same_latency" else each.with_role("best") for each in summary.networks]
    if proxy:
        networks = [each for each in networks if each.role != "same_top1"]
    history = [
        {("proxy_score" if proxy and k == "predicted_top1" else k): v for k, v in e.items()} for e in summary.history
    ]
    changed = dataclasses.replace(
        summary,
        signal=signal,
        signal_note="what it says",
        networks=tuple(map(change, networks)),
        front=tuple(map(change, summary.front)),
        history=tuple(history),
        budgets=("proxy_score>=60",) if proxy else ("predicted_top1>=60",),
    )
    save_summary(changed, run.summary)
    return run


@pytest.mark.parametrize(
    ("signal", "name"),
    [
        ("zen", "Zen score"),
        ("naswot", "NASWOT score"),
        ("synflow", "SynFlow score"),
        ("grad-norm", "gradient-norm score"),
        ("another", "score of “another”"),
    ],
)
def test_a_proxys_score_has_its_name_and_no_percent(tmp_path: Path, signal: str, name: str) -> None:
    data = report_data(judged_by(tmp_path / "run", signal, proxy=True))
    best, reference = data.summary.by_role("best"), data.summary.by_role("reference")
    assert data.quality.name == name
    assert figures(data)["front"]["layout"]["yaxis"]["title"]["text"] == f"{name} (no unit)"
    drawn = next(trace for trace in figures(data)["front"]["data"] if trace["name"] == "front, predicted")
    assert drawn["y"] == [view.record.proxy_score for view in data.front]
    assert f"{name} {best.proxy_score:.2f}" in drawn_hover(data)
    assert f"of {name} {best.proxy_score:.2f} against {reference.proxy_score:.2f}" in plain(data.headline_text)
    assert any(f"{name} ≥ 60.0" in note for tile in data.tiles for note in map(plain, tile.notes))
    text = plain(render(data)).split('id="report-data"')[0]
    assert "which predicts no top-1" in text
    assert f">{name}</th>" in text
    assert "predicted top-1" not in text


def drawn_hover(data) -> str:
    return " ".join(text for trace in figures(data)["front"]["data"] for text in trace.get("hovertext", ()))


@pytest.mark.parametrize(
    ("signal", "name", "claim"),
    [
        ("imagenet", "predicted top-1", "predicted "),
        ("mine.npz", "predicted top-1", "predicted "),
        ("table:mine.csv", "tabulated top-1", ""),
        ("command:train.sh", "the command’s top-1", ""),
    ],
)
def test_a_top1_says_where_it_is_from(tmp_path: Path, signal: str, name: str, claim: str) -> None:
    data = report_data(judged_by(tmp_path / "run", signal))
    best, reference = data.summary.by_role("best"), data.summary.by_role("reference")
    points = f"{best.predicted_top1 - reference.predicted_top1:.1f} points better"
    assert data.quality.name == name
    assert signal in data.quality.source
    assert figures(data)["front"]["layout"]["yaxis"]["title"]["text"] == f"{name}, %"
    assert (f"predicted {points}" in data.headline_text) == bool(claim)
    assert points in data.headline_text
    text = plain(render(data)).split('id="report-data"')[0].replace("&#8217;", "’")
    assert f"{name}, %" in text
    assert ("predicted top-1" in text) == bool(claim)


def test_without_a_signal_nothing_is_said_of_accuracy(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    summary = load_summary(run.summary)
    save_summary(dataclasses.replace(summary, signal="", signal_note="", **bare(summary)), run.summary)
    data = report_data(run)
    assert data.quality.metric == data.quality.name == ""
    assert data.unplaced == ()
    assert figures(data)["front"]["layout"]["yaxis"]["title"]["text"] == "MACs"
    assert "predicted top-1" not in render(data).split('id="report-data"')[0]
    assert "no accuracy signal" in render(data)


def bare(summary: Summary) -> dict:
    def without(record: NetworkRecord) -> NetworkRecord:
        return dataclasses.replace(record, predicted_top1=None, predicted_top1_std=None)

    return {
        "networks": tuple(map(without, summary.networks)),
        "front": tuple(map(without, summary.front)),
        "history": (),
        "warnings": (),
    }


def test_a_tile_without_latency_shows_what_is_known(tmp_path: Path) -> None:
    summary = load_summary(write_run(tmp_path / "run").summary)
    bare_reference = dataclasses.replace(summary.networks[0], latency_ms=None, measured_latency_ms=None)
    tile = tiles_of(dataclasses.replace(summary, networks=(bare_reference,)))[0]
    assert plain(tile.figure) == "386 M"
    assert tile.notes[0] == "MACs"


def tiles_of(summary: Summary):
    from hwsearch.report.headline import tiles

    return tiles(summary)


def test_quality_follows_the_records_not_the_name(tmp_path: Path) -> None:
    summary = load_summary(write_run(tmp_path / "run").summary)
    assert quality_of(dataclasses.replace(summary, signal="zen")).metric == "predicted_top1"
