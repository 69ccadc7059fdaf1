"""A table reads back whole, and no damage of its file is more than refused, with every fault and its path."""

from __future__ import annotations

import copy
import dataclasses
import json

import pytest
from fakes import SETUP, FakeRuntime, fake_table, tiny_space
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwsearch.errors import FaultsError, InputError
from hwsearch.latency import Fidelity
from hwsearch.latency_table import find_table, load_table, save_table, to_document
from hwsearch.profiling.profiler import ProfileSettings, plan, profile

SETTINGS = ProfileSettings(covers=1, held_out=2, seconds=0.1, command="hwsearch profile")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Evidence of a measurement: samples and profiles, as a profile leaves it."""
    runtime = FakeRuntime(node_cost_ms=0.001, digits=4)
    path = tmp_path_factory.mktemp("table") / "t.partial"
    measured = profile(runtime, plan(tiny_space(), SETTINGS), SETTINGS, path, name="fake")
    return dataclasses.replace(measured, warnings=("noisy machine",), source="a fake")


@pytest.fixture
def path(table, tmp_path):
    found = tmp_path / "table.json"
    save_table(table, found)
    return found


def test_a_table_reads_back(table, path):
    loaded = load_table(path)
    for field in ("name", "setup", "method", "warnings", "source"):
        assert getattr(loaded, field) == getattr(table, field)
    assert list(loaded.ops) == sorted(table.ops)
    for op, found in table.ops.items():
        assert loaded.ops[op].latency_ms == pytest.approx(found.latency_ms, abs=1e-6)
        assert loaded.ops[op].parts_ms == pytest.approx(found.parts_ms, abs=1e-6)
        assert loaded.ops[op].occurrences == found.occurrences
    for ours, theirs in zip(loaded.sessions[0].networks, table.sessions[0].networks, strict=True):
        assert (ours.text, ours.role, ours.samples_ms) == (theirs.text, theirs.role, theirs.samples_ms)
        assert ours.profile.keys() == theirs.profile.keys()


def test_what_was_read_is_written_again_unchanged(path, tmp_path):
    save_table(load_table(path), tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


def test_a_table_without_evidence_or_figures_reads_back(tmp_path):
    table = fake_table(tiny_space(), method="least_squares", constant_ms=-0.1)
    save_table(table, tmp_path / "t.json")
    loaded = load_table(tmp_path / "t.json")
    assert (loaded.method, loaded.constant_ms, loaded.fidelity, loaded.sessions) == ("least_squares", -0.1, None, ())


def test_figures_without_a_noise_floor_read_back(tmp_path):
    figures = Fidelity(0.02, 0.9, 1.0, 0.95, None, 40)
    save_table(fake_table(tiny_space(), fidelity=figures), tmp_path / "t.json")
    assert load_table(tmp_path / "t.json").fidelity == figures


def test_an_op_has_one_line_so_that_tables_diff(path, table):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert sum('"latency_ms"' in line for line in lines) == len(table.ops)
    assert sum('"samples_ms"' in line for line in lines) == len(table.sessions[0].networks)


def test_a_frame_has_one_row_an_op(table):
    frame = table.to_frame()
    assert len(frame) == len(table.ops)
    parts = frame[["expand", "depthwise", "squeeze_excite", "project", "other"]].sum(axis=1)
    assert parts.to_numpy() == pytest.approx(frame["latency_ms"].to_numpy())


OP = "mbconv_r16_i8_o16_k3_s2_e1_se0_swish"
CORRUPTIONS = {
    "setup.threads": [-1, 1.5, "1", None],
    "setup.batch": [-1, True],
    "setup.precision": ["fp32", "", 3],
    "setup.device": [None, "cpu"],
    "setup.device.cores": [-1],
    "method": ["guess", None],
    "constant_ms": [None, "0"],
    "fidelity": [3],
    "fidelity.within_5": [1.01, -0.1],
    "fidelity.kendall_tau": [2, -1.5],
    "fidelity.networks": [0],
    "fidelity.noise_floor.mape": [-0.1],
    "warnings": ["text", [3]],
    "name": [None, 3],
    "ops": [{}, [], None],
    f"ops.{OP}": [None, 1.5],
    f"ops.{OP}.latency_ms": [-0.1, 1e9, None, "1"],
    f"ops.{OP}.parts_ms": [{"elsewhere": 1.0}, {"other": -1.0}, None],
    f"ops.{OP}.occurrences": [-1, 1.5],
    "sessions": [None, {}],
    "sessions[0].networks": [[], None],
    "sessions[0].seconds": [-1],
    "sessions[0].networks[0].role": ["winner"],
    "sessions[0].networks[0].samples_ms": [[], [0.0], [-1.0], ["1"], [1e9]],
    "sessions[0].networks[0].profile": [{"0/nowhere": [1.0, 1]}, {"²/other": [1.0, 1]}, {"0/other": [1.0]}],
    "sessions[0].networks[0].text": ["", "r32 bogus", 3],
}


def step_into(document, path):
    """The container and the key of a path such as ``sessions[0].networks[1].role``."""
    *steps, last = path.replace("]", "").replace("[", ".").split(".")
    for step in steps:
        document = document[int(step)] if isinstance(document, list) else document[step]
    return document, last


@pytest.mark.parametrize(("where", "value"), [(path, value) for path, found in CORRUPTIONS.items() for value in found])
def test_a_wrong_value_is_one_error_with_its_path(path, table, where, value):
    document = json.loads(json.dumps(to_document(table)))
    container, key = step_into(document, where)
    container[key] = value
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(FaultsError) as refused:
        load_table(path)
    assert refused.value.where == str(path)
    assert all(fault.startswith(where) for fault in refused.value.faults)


def all_paths(value, path=()):
    yield path
    for key in value if isinstance(value, dict) else range(min(len(value), 3)) if isinstance(value, list) else ():
        yield from all_paths(value[key], (*path, key))


def test_every_required_key_is_missed(path, table):
    document = json.loads(json.dumps(to_document(table)))
    optional = {"warnings", "source", "sessions", "parts_ms", "profile", "cores", "system"}
    open_maps = ("ops", "parts_ms", "profile")
    tried = 0
    for steps in all_paths(document):
        if not steps or isinstance(steps[-1], int) or steps[-1] in optional:
            continue
        if len(steps) > 1 and steps[-2] in open_maps:
            continue
        changed = copy.deepcopy(document)
        container = changed
        for step in steps[:-1]:
            container = container[step]
        del container[steps[-1]]
        path.write_text(json.dumps(changed), encoding="utf-8")
        with pytest.raises(InputError):
            load_table(path)
        tried += 1
    assert tried > 40


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_is_more_than_refused(path, table, data):
    document = json.loads(json.dumps(to_document(table)))
    steps = data.draw(st.sampled_from([steps for steps in all_paths(document) if steps]))
    wrong = st.one_of(
        st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.just([]), st.just({}), st.just([[1, 2]])
    )
    container = document
    for step in steps[:-1]:
        container = container[step]
    container[steps[-1]] = data.draw(wrong)
    path.write_text(json.dumps(document), encoding="utf-8")
    said = ""
    try:
        save_table(load_table(path), path)
    except InputError as error:
        said = str(error)
    assert said == "" or said.startswith(str(path))
    assert "\n" not in said


@pytest.mark.parametrize("key", ["mbconv", "", "mbconv_r16_i8_o16_k3_s2_e1_se0.0_swish", "MBCONV" + OP[6:]])
def test_an_op_key_that_is_none_is_named(path, table, key):
    document = to_document(table)
    document["ops"] = {key: document["ops"].pop(OP), **document["ops"]}
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(FaultsError, match="is not an op key") as refused:
        load_table(path)
    assert len(refused.value.faults) == 1


def test_networks_of_one_session_have_as_many_samples(path, table):
    document = json.loads(json.dumps(to_document(table)))
    document["sessions"][0]["networks"][1]["samples_ms"].pop()
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(FaultsError, match=r"sessions\[0\]: networks with different numbers of samples"):
        load_table(path)


def test_all_faults_come_at_once(path, table):
    document = json.loads(json.dumps(to_document(table)))
    document["setup"]["threads"] = -1
    document["ops"][OP]["latency_ms"] = -1
    document["sessions"][0]["networks"][2]["role"] = "x"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(FaultsError) as refused:
        load_table(path)
    assert len(refused.value.faults) == 3


def test_a_file_cut_off_anywhere_is_refused(path):
    whole = path.read_bytes().rstrip()
    for size in range(0, len(whole), max(1, len(whole) // 200)):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError):
            load_table(path)


def test_a_table_is_found_by_path_and_a_wrong_name_says_how_to_make_one(tmp_path):
    assert find_table(str(tmp_path / "x.json")) == tmp_path / "x.json"
    with pytest.raises(InputError, match=r"no latency table is called 'nonsense'.*hwsearch profile --target cpu -o"):
        find_table("nonsense")
    with pytest.raises(InputError, match="no such file"):
        load_table(tmp_path / "x.json")


def test_a_setup_says_itself_in_one_line():
    assert SETUP.label == "Fake CPU, fake 1.0, f32, batch 1, 1 thread"
    assert dataclasses.replace(SETUP, threads=4, runtime_version="").label == "Fake CPU, fake, f32, batch 1, 4 threads"
    assert dataclasses.replace(SETUP, threads=0).label == "Fake CPU, fake 1.0, f32, batch 1"
