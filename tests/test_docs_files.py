"""``docs/files.md`` and the schemas: every example loads, every field is there, and neither differs from the code."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
import write_schemas
from fakes import tiny_space
from markdown_pages import ROOT, blocks, sections
from schema_checking import faults

from hwsearch.accuracy import command, table, user_table
from hwsearch.cost import cost
from hwsearch.errors import HwsearchError, InputError
from hwsearch.evolution import SearchSettings, search
from hwsearch.evolution.state import _StateModel
from hwsearch.family import family_document, load_family
from hwsearch.journal import Journal
from hwsearch.json_file import parse_json, read_json, validate, write_json
from hwsearch.latency_table import load_table
from hwsearch.networks import find_networks
from hwsearch.preset import load_preset, reference_preset, reference_presets, save_preset
from hwsearch.profiling import profiler
from hwsearch.profiling.measurement import load_measurement
from hwsearch.profiling.profiler import ProfileSettings, plan, profile
from hwsearch.run_directory import RunDirectory, load_summary
from hwsearch.runtimes import RuntimeOptions, open_runtime
from hwsearch.scaling import scale_family
from hwsearch.scoring import Scorer
from hwsearch.space_file import parse_yaml, read_space

PAGE = "docs/files.md"
EXAMPLES = {block.heading: block for block in blocks(PAGE)}
JOURNALS = [block for block in blocks(PAGE) if block.heading == "Journal"]
SPACES = sorted((ROOT / "search_spaces").glob("*.yaml"))
TABLES = sorted((ROOT / "latency_tables").glob("*.json"))


def schema(name):
    return json.loads(write_schemas.path_of(name).read_text(encoding="utf-8"))


def load_checkpoint(path):
    model = validate(_StateModel, read_json(path, "hwsearch-search-state", 1), str(path))
    assert len(model.population.rows) == len(model.population.scores)
    return model


LOADERS = {
    "Search space": (read_space, "space.yaml", "space"),
    "Latency table": (load_table, "table.json", "latency-table"),
    "Preset": (load_preset, "x.preset.json", "preset"),
    "Family": (load_family, "x.family.json", "family"),
    "run.json": (lambda path: read_json(path, "hwsearch-run", 1), "run.json", None),
    "summary.json and search.json": (load_summary, "summary.json", "summary"),
    "measured.json": (load_measurement, "measured.json", "measurement"),
    "search.checkpoint": (load_checkpoint, "search.checkpoint", "search-state"),
    "Table of accuracies": (user_table.load, "mine.csv", None),
    "Table to fit on": (lambda path: table.read_table(path, min_rows=2), "fit.csv", None),
    "List of networks": (lambda path: find_networks([], path), "nets.txt", None),
}


def written(heading, folder):
    path = folder / LOADERS[heading][1]
    path.write_text(EXAMPLES[heading].text, encoding="utf-8")
    return path


def document_of(path):
    text = path.read_text(encoding="utf-8")
    return parse_yaml(text, str(path)) if path.suffix == ".yaml" else parse_json(text, str(path))


def test_every_example_has_its_loader():
    assert set(EXAMPLES) == {*LOADERS, "Journal"}
    assert len(blocks(PAGE)) == len(LOADERS) + len(JOURNALS)


@pytest.mark.parametrize("heading", LOADERS)
def test_an_example_loads(heading, tmp_path):
    assert LOADERS[heading][0](written(heading, tmp_path))


@pytest.mark.parametrize("heading", [name for name, (_, _, schema) in LOADERS.items() if schema])
def test_an_example_is_what_its_schema_says(heading, tmp_path):
    assert faults(document_of(written(heading, tmp_path)), schema(LOADERS[heading][2])) == []


@pytest.mark.parametrize("heading", [name for name, (_, _, schema) in LOADERS.items() if schema])
def test_loader_and_schema_refuse_an_unknown_key_and_a_missing_one(heading, tmp_path):
    load, file, name = LOADERS[heading]
    document = document_of(written(heading, tmp_path))
    for change in ({"surprise": 1}, {"version": 2}, {"format": "other"}):
        wrong = {**document, **change}
        (tmp_path / file).write_text(json.dumps(wrong), encoding="utf-8")
        assert faults(wrong, schema(name))
        with pytest.raises(InputError):
            load(tmp_path / file)
    for key in schema(name)["required"]:
        lacking = {other: value for other, value in document.items() if other != key}
        (tmp_path / file).write_text(json.dumps(lacking), encoding="utf-8")
        assert faults(lacking, schema(name))
        with pytest.raises(InputError):
            load(tmp_path / file)


def is_cut_from(part, whole):
    """Whether ``part`` is ``whole`` with some entries left out."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(key in whole and is_cut_from(value, whole[key]) for key, value in part.items())
    if isinstance(part, list) and isinstance(whole, list):
        rest = iter(whole)
        return all(any(is_cut_from(each, other) for other in rest) for each in part)
    return part == whole


def test_examples_are_cut_from_what_is_shipped(tmp_path):
    lite0 = reference_preset("efficientnet-lite0")
    family = scale_family(lite0.architecture, [1], "lite", base_name=lite0.name)
    save_preset(family.variants[0].preset(), tmp_path / "scaled.json")
    whole = {
        "Search space": document_of(ROOT / "search_spaces" / "efficientnet-b0.yaml"),
        "Latency table": document_of(ROOT / "latency_tables" / "epyc-onnxruntime-f32.json"),
        "Preset": document_of(tmp_path / "scaled.json"),
        "Family": family_document(family),
    }
    for heading, shipped in whole.items():
        shown = document_of(written(heading, tmp_path))
        assert is_cut_from(shown, shipped), heading
    assert not is_cut_from({"name": "other"}, whole["Preset"])


@pytest.mark.parametrize("path", [*SPACES, *TABLES], ids=lambda path: path.stem)
def test_what_is_shipped_is_what_its_schema_says(path):
    name = "space" if path in SPACES else "latency-table"
    assert faults(document_of(path), schema(name)) == []


def test_every_shipped_preset_is_what_its_schema_says(tmp_path):
    for preset in reference_presets().values():
        save_preset(preset, tmp_path / "x.json")
        assert faults(document_of(tmp_path / "x.json"), schema("preset")) == [], preset.name


@pytest.mark.parametrize("name", write_schemas.MODELS)
def test_a_schema_is_that_of_its_model(name):
    path = write_schemas.path_of(name)
    assert path.read_text(encoding="utf-8") == write_schemas.text_of(name), "run: python tests/write_schemas.py"


def test_the_script_writes_the_schemas_and_no_other_lies_beside_them(tmp_path, monkeypatch):
    names = {write_schemas.path_of(name).name for name in write_schemas.MODELS}
    assert {path.name for path in write_schemas.FOLDER.iterdir()} == names
    monkeypatch.setattr(write_schemas, "FOLDER", tmp_path / "docs" / "schema")
    write_schemas.main()
    assert {path.name for path in (tmp_path / "docs" / "schema").iterdir()} == names


def test_the_script_runs_by_itself(tmp_path):
    (tmp_path / "tests").mkdir()
    script = tmp_path / "tests" / "write_schemas.py"
    script.write_text(Path(write_schemas.__file__).read_text(encoding="utf-8"), encoding="utf-8")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.count("wrote docs/schema/") == len(write_schemas.MODELS)


def fields_of(part):
    """Every key that a schema names."""
    found = set(part.get("properties", {}))
    for each in [*part.get("$defs", {}).values(), *part.get("properties", {}).values()]:
        found |= fields_of(each)
    return found


@pytest.mark.parametrize("heading", [name for name, (_, _, schema) in LOADERS.items() if schema])
def test_the_page_names_every_field(heading):
    said = sections(PAGE)[heading]
    # what a summary has in common with a table is said once
    said += sections(PAGE)["Latency table"] if heading in ("summary.json and search.json", "measured.json") else ""
    said = said.replace(EXAMPLES[heading].text, "")
    assert [name for name in sorted(fields_of(schema(LOADERS[heading][2]))) if f"`{name}`" not in said] == []


SPACE = document_of(ROOT / "search_spaces" / "efficientnet-b0.yaml")
STAGE = SPACE["stages"][0]
STAGE_CHANGES = [
    {"kernel_size": [4]},
    {"kernel_size": 3},
    {"kernel_size": 33},
    {"kernel_size": [3, 3]},
    {"num_repeats": [0]},
    {"num_repeats": [1, 256]},
    {"se_ratio": 0.5},
    {"se_ratio": [0, 1.5]},
    {"stride": 3},
    {"expand_ratio": list(range(1, 34))},
    {"expand_ratio": "6"},
    {"out_channels": []},
    {"out_channels": 70_000},
]


@pytest.mark.parametrize("change", STAGE_CHANGES, ids=str)
def test_schema_and_loader_of_a_space_agree(change, tmp_path):
    document = {**copy.deepcopy(SPACE), "stages": [{**STAGE, **change}]}
    write_json(tmp_path / "space.yaml", document)
    try:
        loaded = bool(read_space(tmp_path / "space.yaml"))
    except InputError:
        loaded = False
    assert loaded == (not faults(document, schema("space")))
    assert loaded == (change in ({"kernel_size": 3}, {"num_repeats": [1, 256]}, {"se_ratio": 0.5}))


def test_a_run_folder_holds_the_files_that_the_page_lists():
    said = sections(PAGE)["Run folder"]
    folder = RunDirectory(Path("RUN"))
    attributes = [name for name, value in vars(RunDirectory).items() if isinstance(value, property)]
    paths = [getattr(folder, name).relative_to("RUN") for name in attributes]
    assert len(paths) > 8
    assert [str(path) for path in paths if f"`{path}" not in said] == []
    assert f"`{profiler.journal_of(folder.table).name}`" in said


def test_a_journal_of_a_profile_is_read_as_it_is_written(tmp_path):
    header, *events = (json.loads(line) for line in JOURNALS[0].text.splitlines())
    path = tmp_path / "table.json.partial"
    path.write_text(JOURNALS[0].text, encoding="utf-8")
    with Journal(path, header) as journal:
        assert journal.events == events
        measurement = profiler._Measurement(None, (), ProfileSettings(), lambda progress: None)
        for event in journal.events:
            measurement._replay(event, str(path))
    assert measurement._turns == {(0, 1): events[1]["ms"]}
    assert set(measurement._profiles) == {(0, 0)}
    with pytest.raises(InputError, match="something else is in the way"):
        Journal(path, {**header, "seconds": 34.0})


def test_a_journal_of_a_profile_has_the_keys_that_the_page_shows(tmp_path):
    def stop(progress):
        if progress.step == "timing networks" and progress.done > 1:
            raise KeyboardInterrupt

    path, settings = tmp_path / "table.json.partial", ProfileSettings(covers=1, held_out=2, seconds=0.1)
    runtime = open_runtime("cpu", RuntimeOptions())
    with pytest.raises(KeyboardInterrupt):
        profile(runtime, plan(tiny_space(), settings, has_profiler=True), settings, path, name="t", on_progress=stop)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    shown = [json.loads(line) for line in JOURNALS[0].text.splitlines()]
    assert {tuple(line) for line in lines} == {tuple(line) for line in shown}


def test_a_journal_of_trained_networks_is_read_as_it_is_written(tmp_path):
    header, event = (json.loads(line) for line in JOURNALS[1].text.splitlines())
    path = tmp_path / "trained.jsonl"
    path.write_text(JOURNALS[1].text, encoding="utf-8")
    with Journal(path, header) as journal:
        assert list(command._read_events(journal).values()) == [event["top1"]]
    trainer = tmp_path / header["command"]
    trainer.write_text("#!/bin/sh\necho 61.2\n", encoding="utf-8")
    trainer.chmod(0o755)
    assert command.load(trainer, path).name == "command:train.sh"  # the digest is that of this very command


def test_a_checkpoint_is_what_its_schema_says(tmp_path):
    def stop(progress):
        raise KeyboardInterrupt

    space = tiny_space()
    settings = SearchSettings(population=4, generations=9, restarts=1, polish_evaluations=0, climb_starts=0)
    with pytest.raises(KeyboardInterrupt):
        search(space, Scorer(space), ["macs"], (), settings, 0, progress=stop, checkpoint=tmp_path / "x.checkpoint")
    document = document_of(tmp_path / "x.checkpoint")
    assert faults(document, schema("search-state")) == []
    shown = json.loads(EXAMPLES["search.checkpoint"].text)
    assert set(document) == set(shown)
    assert set(json.loads(document["question"])) == set(json.loads(shown["question"]))


def test_counts_in_examples_are_those_of_their_networks(tmp_path):
    summary = load_summary(written("summary.json and search.json", tmp_path))
    for record in (*summary.networks, *summary.front):
        price = cost(record.architecture)
        assert (record.macs, record.params, record.activation_bytes) == (
            price.macs,
            price.params,
            price.activation_bytes,
        )


def test_the_rules_for_all_files_hold(tmp_path):
    said = sections(PAGE)["What holds for all"]
    wrong = {**SPACE, "stages": [*SPACE["stages"][:3], {**STAGE, "kernel_size": [4]}]}
    write_json(tmp_path / "space.yaml", wrong)
    with pytest.raises(HwsearchError) as caught:
        read_space(tmp_path / "space.yaml")
    (fault,) = caught.value.faults
    assert f"`{fault}`" in said
    assert caught.value.exit_code == 2
