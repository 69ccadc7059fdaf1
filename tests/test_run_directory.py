"""A run's folder is begun once, continued by the same run only, and its summary reads back."""

from __future__ import annotations

import dataclasses
import json

import pytest
from fakes import SETUP

from hwsearch.errors import FaultsError, InputError
from hwsearch.judge import judge
from hwsearch.latency import Fidelity, NoiseFloor
from hwsearch.preset import reference_preset
from hwsearch.run_directory import RunDirectory, Summary, load_summary, save_summary, summary_document

CONFIG = {"target": "cpu", "space": "efficientnet-b0", "seed": 0, "budgets": ["latency_ms<=8"]}
B0 = judge("efficientnet-b0", reference_preset("efficientnet-b0").architecture, None, None, published_top1=77.1)
FOUND = dataclasses.replace(B0, name="found", latency_ms=7.5, measured_latency_ms=7.6, predicted_top1=66.5, role="best")
SUMMARY = Summary(
    command="hwsearch run",
    created="2026-01-01T00:00:00Z",
    hwsearch_version="0.1.0",
    space="efficientnet-b0",
    seed=3,
    budgets=("latency_ms<=8",),
    setup=SETUP,
    table="t",
    fidelity=Fidelity(0.02, 0.9, 1.0, 0.95, NoiseFloor(0.01, 1.0), 24),
    networks=(B0.with_role("reference"), FOUND),
    front=(FOUND.with_role("front"),),
    evaluated=12_345,
    seconds={"search": 2.5},
    history=({"evaluated": 96.0, "front_size": 4.0},),
    exports=({"network": "found", "folder": "exports/found/timm"},),
    noise_floor_mape=0.015,
    warnings=("noisy machine",),
)


def test_a_run_is_begun_in_a_folder_that_is_new_or_empty(tmp_path):
    assert RunDirectory(tmp_path / "a" / "b").begin(CONFIG) is False
    (tmp_path / "empty").mkdir()
    assert RunDirectory(tmp_path / "empty").begin(CONFIG) is False
    assert json.loads((tmp_path / "empty" / "run.json").read_text(encoding="utf-8"))["budgets"] == ["latency_ms<=8"]


def test_the_same_run_goes_on(tmp_path):
    directory = RunDirectory(tmp_path / "run")
    assert directory.begin(CONFIG) is False
    assert directory.begin(dict(CONFIG)) is True


@pytest.mark.parametrize(
    ("changes", "named"), [({"seed": 1}, "seed"), ({"budgets": [], "target": "torch"}, "target, budgets")]
)
def test_another_run_is_refused_with_what_differs(tmp_path, changes, named):
    directory = RunDirectory(tmp_path / "run")
    directory.begin(CONFIG)
    before = directory.config.read_bytes()
    with pytest.raises(InputError, match=f"holds a run with another {named}; next: "):
        directory.begin({**CONFIG, **changes})
    assert directory.config.read_bytes() == before


def test_a_folder_with_other_things_or_a_file_is_left_alone(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "precious.txt").write_text("x", encoding="utf-8")
    for path in (tmp_path / "folder", tmp_path / "folder" / "precious.txt"):
        with pytest.raises(InputError, match=r"(exists and is not a run|cannot be)"):
            RunDirectory(path).begin(CONFIG)
    assert [each.name for each in (tmp_path / "folder").iterdir()] == ["precious.txt"]


def test_a_damaged_run_file_is_refused(tmp_path):
    directory = RunDirectory(tmp_path)
    directory.config.write_text('{"format": "hwsearch-run", "vers', encoding="utf-8")
    with pytest.raises(InputError, match="cut off"):
        directory.begin(CONFIG)


def test_a_summary_reads_back(tmp_path):
    save_summary(SUMMARY, tmp_path / "summary.json")
    assert load_summary(tmp_path / "summary.json") == SUMMARY


def test_a_summary_without_table_and_measurements_reads_back(tmp_path):
    bare = dataclasses.replace(SUMMARY, setup=None, table="", fidelity=None, noise_floor_mape=None, front=())
    save_summary(bare, tmp_path / "summary.json")
    assert load_summary(tmp_path / "summary.json") == bare


def test_networks_are_found_by_role():
    assert SUMMARY.by_role("best").name == "found"
    assert SUMMARY.by_role("same_top1") is None


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"networks": []}, "networks"),
        ({"networks": [{}]}, "networks[0].name"),
        ({"front": [{**FOUND.to_document(), "latency_ms": -1}]}, "front[0].latency_ms"),
        ({"front": [{**FOUND.to_document(), "role": "king"}]}, "front[0].role"),
        ({"evaluated": "many"}, "evaluated"),
        ({"setup": {**summary_document(SUMMARY)["setup"], "precision": "f64"}}, "setup.precision"),
        ({"seconds": {"search": None}}, "seconds.search"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_summary_is_refused_with_the_path(tmp_path, changes, path):
    file = tmp_path / "summary.json"
    file.write_text(json.dumps({**summary_document(SUMMARY), **changes}), encoding="utf-8")
    with pytest.raises(FaultsError) as refused:
        load_summary(file)
    assert path in [fault.split(":")[0] for fault in refused.value.faults]
    assert str(file) in str(refused.value)


def test_a_network_that_is_none_is_refused_with_the_file(tmp_path):
    file = tmp_path / "summary.json"
    document = summary_document(SUMMARY)
    document["front"] = [{**FOUND.to_document(), "text": "r224 bogus ir_r1_k3_s1_e1_c8"}]
    file.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(InputError, match="column 6") as refused:
        load_summary(file)
    assert str(refused.value).startswith(str(file))
