"""What the fuzzers begin with: sound inputs of every door, from shipped files and from what hwsearch writes itself."""

from __future__ import annotations

import copy
import dataclasses
import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import corpus
import numpy as np
from command_lines import TINY_NETWORK, TINY_SPACE, known_space
from fake_judges import FakeLatency, FakeSignal, small_space
from fakes import FakeRuntime, fake_table, tiny_space

from hwsearch.accuracy.domain import CODES_PER_STAGE, NUM_STAGES
from hwsearch.accuracy.network import FORMAT as PREDICTOR_FORMAT
from hwsearch.accuracy.network import REQUIRED_METADATA, Network
from hwsearch.budget import EXAMPLES
from hwsearch.coefficients import Law
from hwsearch.cost import cost
from hwsearch.errors import InexpressibleError
from hwsearch.evolution import SearchSettings
from hwsearch.evolution.problem import Problem
from hwsearch.evolution.state import question, save_state
from hwsearch.evolution.steps import Run
from hwsearch.export import export
from hwsearch.family import DeviceLatency, Family, Variant, family_document
from hwsearch.latency import Fidelity, NoiseFloor
from hwsearch.latency_table import to_document
from hwsearch.notation import parse
from hwsearch.preset import reference_preset, reference_presets
from hwsearch.preset import to_document as preset_document
from hwsearch.profiling.measurement import Measurement, save_measurement
from hwsearch.profiling.profiler import ProfileSettings, plan, profile
from hwsearch.record import NetworkRecord
from hwsearch.run_directory import Summary, summary_document
from hwsearch.scoring import Scorer
from hwsearch.shipped import shipped_folder

QUICK = SearchSettings(population=8, generations=2, restarts=2, polish_evaluations=200, climb_starts=2, capacity=20)
"""A search of milliseconds."""
PROFILE = ProfileSettings(covers=1, held_out=2, seconds=0.1)
TINY = parse(TINY_NETWORK)
CONFIG = {"format": "hwsearch-run", "version": 1, "seed": 0, "space": "tiny", "budgets": ["macs<=1M"]}


def as_json(document: Any) -> bytes:
    return json.dumps(document).encode()


def texts() -> list[bytes]:
    return [each.architecture.text.encode() for each in reference_presets().values()] + [TINY_NETWORK.encode()]


def presets() -> list[bytes]:
    full = {**corpus.PRESET, "provenance": {"run": "x", "found": [1, {"a": 0.5}]}}
    known = [preset_document(each) for each in list(reference_presets().values())[:3]]
    return [as_json(each) for each in (corpus.PRESET, full, *known)]


def spaces() -> list[bytes]:
    shipped = [path.read_bytes() for path in sorted(shipped_folder("search_spaces").glob("*.yaml"))]
    return [TINY_SPACE.encode(), known_space().encode(), *shipped]


@cache
def summary() -> dict[str, Any]:
    price = cost(TINY)
    record = NetworkRecord(
        "found-1ms", TINY, price.macs, price.params, price.activation_bytes, 1.25, 65.1, 0.3, 1.3, None, "best", ("x",)
    )
    other = dataclasses.replace(record, name="b", role="front", proxy_score=-3.5, latency_ms_by_table=(("a100", 1.0),))
    fidelity = Fidelity(0.013, 1.0, 1.0, 0.978, NoiseFloor(0.01, 1.0), 24)
    made = Summary(
        *("hwsearch search", "2026-01-01T00:00:00Z", "0.1.0", "tiny", 0, ("macs<=1000000",)),
        *(fake_table(TINY).setup, "fake", fidelity, (record, other), (record,), 100),
        seconds={"search": 1.5},
        signal="imagenet",
        history=({"evaluated": 10.0, "front_size": 2.0},),
        exports=({"network": "b", "format": "timm", "folder": "exports/b"},),
        noise_floor_mape=0.01,
    )
    return summary_document(made)


@cache
def table() -> dict[str, Any]:
    """A small measured table: evidence of one session with profiles, and its ops."""
    with tempfile.TemporaryDirectory() as folder:
        runtime = FakeRuntime(node_cost_ms=0.001)
        found = profile(runtime, plan(tiny_space(), PROFILE), PROFILE, Path(folder) / "journal", name="fake")
    document = to_document(found)
    document["ops"] = dict(list(document["ops"].items())[:6])
    for session in document["sessions"]:
        session["networks"] = session["networks"][:3]
        for network in session["networks"]:
            network["profile"] = dict(list(network.get("profile", {}).items())[:4])
    return document


def tables() -> list[bytes]:
    shipped = []
    for path in sorted(shipped_folder("latency_tables").glob("*.json")):
        document = json.loads(path.read_bytes())
        document["ops"] = dict(list(document["ops"].items())[:4])
        for session in document["sessions"]:
            session["networks"] = session["networks"][:2]
        shipped.append(as_json(document))
    return [as_json(table()), *shipped[::3]]


def families() -> list[bytes]:
    b0 = reference_preset("efficientnet-b0").architecture
    latency = DeviceLatency(1.5, "Fake CPU, fake 1.0", 1, 1, "f32")
    members = (
        Variant("a-1", "b", 1, 1.1, 1.2, 1.15, b0, predicted_latency=latency, measured_latency=latency),
        Variant(
            "a-2",
            "lite",
            0.0,
            1.0,
            1.0,
            1.0,
            TINY,
            0.3,
            "published",
            reference_preset("efficientnet-b0").published_top1,
        ),
    )
    family = Family("a", b0, Law(1.2, 1.1, 1.15), members)
    return [as_json(family_document(each)) for each in (family, dataclasses.replace(family, law=None))]


def measurements() -> list[bytes]:
    samples = np.array([[1.0, 2.0], [1.1, 2.1], [1.05, 2.2]])
    made = Measurement(fake_table(TINY).setup, (TINY, TINY.with_resolution(64)), samples, 1.1)
    with tempfile.TemporaryDirectory() as folder:
        save_measurement(made, Path(folder) / "measured.json")
        return [(Path(folder) / "measured.json").read_bytes()]


@cache
def search_run() -> tuple[Problem, str, Run]:
    """A small search, and the question that its checkpoints answer."""
    problem = Problem(Scorer(small_space(0), FakeSignal(), [FakeLatency()]), ("predicted_top1", "latency_ms"))
    start = problem.least_rows()
    run = Run(problem, QUICK, start, None)
    return problem, question(problem, QUICK, 0, start), run


@cache
def states() -> list[bytes]:
    """A checkpoint of every phase."""
    _, asked, run = search_run()
    found: dict[str, bytes] = {}
    state = run.first_state(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "search.checkpoint"
        for _ in range(500):
            if state.phase not in found or state.restart == 1:
                save_state(state, asked, path)
                found[state.phase] = path.read_bytes()
            if state.phase == "done":
                break
            state = run.step(state)
    return list(found.values())


def journals() -> list[bytes]:
    """Events of profiles, and of accuracies that a command told."""
    told = as_json({"text": TINY_NETWORK, "top1": 71.5}) + b"\n"
    turn = {"round": 0, "network": 1, "ms": 1.25, "seconds": 0.5}
    part = {"profile": 0, "pass": 0, "parts": {"0/other": [0.5, 2], "1/expand": [0.25, 1]}, "seconds": 0.5}
    return [told * 2, b"".join(as_json(each) + b"\n" for each in (part, turn, {**turn, "round": 1}))]


def csv_tables() -> list[bytes]:
    rows = f"text,top1\n{TINY_NETWORK},71.5\n{TINY_NETWORK},71.25\n"
    return [rows.encode(), ("name, text, top1\n" + f'a,"{TINY_NETWORK}", 71.5\n').encode()]


def trained_tables() -> list[bytes]:
    """Tables of choices, and a raw result file."""
    names = [f"s{stage}_{field}" for stage in range(NUM_STAGES) for field in ("expand", "kernel", "repeats", "se")]
    rows = [[*["1", "3", "1", "0"] * NUM_STAGES, str(60 + number)] for number in range(3)]
    lines = [",".join([*names, "top1"]), *(",".join(row) for row in rows)]
    blocks = {f"block{s}_{letter}": 1 if letter != "k" else 3 for s in range(NUM_STAGES) for letter in "ekl"}
    result = {
        "architecture": {**blocks, **{f"block{s}_se": False for s in range(NUM_STAGES)}},
        "metrics": {"val_top1": 61.5},
    }
    return [("\n".join(lines) + "\n").encode(), as_json(result)]


def predictors() -> list[bytes]:
    shape = {"embedding": (NUM_STAGES, CODES_PER_STAGE, 1), "weight_1": (NUM_STAGES, 2), "bias_1": (2,)}
    shape |= {"weight_2": (2, 2), "bias_2": (2,), "weight_3": (2,)}
    arrays = {name: np.zeros(size, dtype=np.float32) for name, size in shape.items()}
    metadata = dict.fromkeys(REQUIRED_METADATA, "x") | {"format": PREDICTOR_FORMAT, "held_out": {"tau": 0.9}}
    lines = {"mean_scale": np.array([70.0, 2.0]), "std_line": np.array([0.5, 0.0, 0.1, 1.0])}
    return [Network(**arrays, **lines, metadata=metadata).to_bytes()]


@cache
def exported(to: str) -> list[bytes]:
    """What our own exporters write, read by the same doors as the libraries' files."""
    found = []
    for name in ("efficientnet-b0", "efficientnet-lite0", "mobilenet-v2"):
        with tempfile.TemporaryDirectory() as folder:
            try:
                files = export(reference_preset(name), to, Path(folder)).files
            except InexpressibleError:
                continue
            wanted = [path for path in files if path.suffix == ".py" or path.name == "config.json"]
            found += [path.read_bytes() for path in wanted]
    return found


def modules() -> list[bytes]:
    plain = "ACTIVATION = 'relu6'\nRESOLUTION = 32\nSTEM_CHANNELS = 8\narch_def = [['ds_r1_k3_s1_e1_c8'], "
    plain += "['ir_r2_k5_s2_e4_c16_se0.25', 'ir_r1_k3_s1_e6_c16_noskip']]\nf(arch_def, channel_multiplier=1.0)\n"
    return [plain.encode(), as_json([["ds_r1_k3_s1_e1_c16_se0.25"], ["ir_r2_k3_s2_e6_c24_nre"]]), *exported("timm")]


def budgets() -> list[bytes]:
    return [each.strip().encode() for each in EXAMPLES.split(",")] + [b"proxy_score >= -1e3", b"latency_ms:a100<8us"]


def command_outputs() -> list[bytes]:
    return [b"1.25\n", b"warming up\n  7.5  \n", b"71.3", b"1e2\n\n"]


def network_lists() -> list[bytes]:
    return [
        b"efficientnet-b0\n\n# nets\nmobilenet-v2  # mine\n",
        f"# nets\nefficientnet-b0\n{TINY_NETWORK} # mine\n\nmine.preset.json\n".encode(),
        b"run:best\nrun\n",
    ]


def configs() -> list[bytes]:
    return [as_json(CONFIG)]


@cache
def bad_inputs(prefix: str) -> list[bytes]:
    """The bad inputs of the corpus of faults that are for one reader."""
    documents = copy.deepcopy((table(), summary(), CONFIG))
    found = []
    for case in corpus.cases(*documents):
        if case.name.startswith(prefix):
            files = {name: data for name, data in case.files.items() if not name.endswith("run.json")}
            found += files.values() if files else [case.arguments[-1].encode("utf-8", "replace")]
    return found
