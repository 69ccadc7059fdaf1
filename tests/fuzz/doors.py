"""The file doors: how each is entered, and what must hold of every input whatever it is.

Only an ``HwsearchError`` may come out, in one line of bounded length, and none that says a bug of ours; a value that
loads and can be saved loads again as the same. Whatever else escapes is a bug, and so is ``BrokenValue``.
"""

from __future__ import annotations

import math
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import sound
from fakes import FakeRuntime, tiny_space
from mutations import Kind

from hwsearch.accuracy import command, user_table
from hwsearch.accuracy import table as trained_table
from hwsearch.accuracy.network import load_network
from hwsearch.budget import parse_budget
from hwsearch.errors import HwsearchError, InexpressibleError, InputError, UnavailableError
from hwsearch.evolution.state import load_state, save_state
from hwsearch.export import export
from hwsearch.family import family_document, load_family, save_family
from hwsearch.importing import read_foreign
from hwsearch.journal import Journal
from hwsearch.latency_table import load_table, save_table, to_document
from hwsearch.networks import find_networks
from hwsearch.notation import parse
from hwsearch.preset import Preset, load_preset, save_preset
from hwsearch.preset import to_document as preset_document
from hwsearch.profiling.measurement import load_measurement, save_measurement
from hwsearch.profiling.profiler import _Measurement, plan
from hwsearch.run_directory import RunDirectory, load_summary, save_summary, summary_document
from hwsearch.runtimes.command_runtime import CommandNetwork
from hwsearch.space_file import read_space
from hwsearch.stage_arrays import from_architectures

MAX_LINE = 5000
"""Characters that an error may have."""
METRICS = ("latency_ms", "macs", "params", "activation_bytes", "predicted_top1", "proxy_score", "latency_ms:a100")


class BrokenValue(AssertionError):
    """A value that does not come back as it was, or an error that is none for a person."""


@dataclass(frozen=True)
class Door:
    """One way in."""

    enter: Callable[[bytes, Path], None]
    """Try an input, with an empty folder to write in."""
    seeds: Callable[[], list[bytes]]
    kind: Kind = "text"
    corpus: str = ""
    """Which cases of the corpus of faults are for it, by the beginning of their names."""
    speed: int = 1
    """Roughly how many times slower than the others an execution is."""

    def all_seeds(self) -> list[bytes]:
        return self.seeds() + (sound.bad_inputs(self.corpus) if self.corpus else [])


def passes(door: Door, data: bytes, folder: Path) -> bool:
    """Whether an input is let in; BrokenValue, or whatever escapes, if the door is broken."""
    try:
        door.enter(data, folder)
    except HwsearchError as error:
        line = str(error)
        if error.exit_code == HwsearchError.exit_code:
            raise BrokenValue(f"a bug of ours is said: {line[:300]}") from error
        if len(line) > MAX_LINE or "\n" in line:
            raise BrokenValue(f"an error of {len(line)} characters: {line[:300]}") from error
        return False
    return True


def same(before: object, after: object) -> None:
    if before != after:
        raise BrokenValue(f"{str(before)[:300]} came back as {str(after)[:300]}")


def saved(path: Path, save: Callable[[Path], None]) -> Path:
    """What may be read can be written."""
    try:
        save(path)
    except InputError as error:
        raise BrokenValue(f"what was read cannot be written: {error}") from error
    return path


def again(load: Callable[[Path], object], path: Path) -> object:
    """What was written can be read."""
    try:
        return load(path)
    except HwsearchError as error:
        raise BrokenValue(f"what was written cannot be read: {error}") from error


def document_door(load, save, document) -> Callable[[bytes, Path], None]:
    """Loads, saves, loads and compares the documents."""

    def enter(data: bytes, folder: Path) -> None:
        (folder / "in.json").write_bytes(data)
        value = load(folder / "in.json")
        path = saved(folder / "out.json", lambda path: save(value, path))
        same(document(value), document(again(load, path)))

    return enter


def enter_text(data: bytes, folder: Path) -> None:
    network = parse(data.decode("utf-8", "surrogateescape"))
    same(network, parse(network.text))


def enter_budget(data: bytes, folder: Path) -> None:
    budget = parse_budget(data.decode("utf-8", "surrogateescape"), METRICS)
    said = parse_budget(budget.text, METRICS)  # for people: whole numbers in full, others with six digits
    same((budget.metric, budget.sense), (said.metric, said.sense))
    if not math.isclose(budget.limit, said.limit, rel_tol=1e-5, abs_tol=1e-320):
        raise BrokenValue(f"{budget.limit!r} is said as {budget.text}")


def enter_space(data: bytes, folder: Path) -> None:
    (folder / "in.yaml").write_bytes(data)
    space = read_space(folder / "in.yaml")
    for row in (space.cardinalities * 0, space.cardinalities - 1):
        try:
            network = space.decode(row)
        except InputError as error:
            raise BrokenValue(f"a space with a network that is none: {error}") from error
        same(network, parse(network.text))
        same(list(row), list(space.encode(network)))


def enter_measurement(data: bytes, folder: Path) -> None:
    (folder / "in.json").write_bytes(data)
    found = load_measurement(folder / "in.json")
    first = saved(folder / "a.json", lambda path: save_measurement(found, path))
    back = again(load_measurement, first)
    second = saved(folder / "b.json", lambda path: save_measurement(back, path))
    same(first.read_bytes(), second.read_bytes())
    _ = found.latency_ms, found.noise_floor_mape, found.warnings


def enter_state(data: bytes, folder: Path) -> None:
    """Loaded, saved, loaded; then the search goes on from it."""
    problem, asked, run = sound.search_run()
    (folder / "in").write_bytes(data)
    state = load_state(problem, asked, folder / "in")
    first = saved(folder / "a", lambda path: save_state(state, asked, path))
    back = again(lambda path: load_state(problem, asked, path), first)
    second = saved(folder / "b", lambda path: save_state(back, asked, path))
    same(first.read_bytes(), second.read_bytes())
    for _ in range(2):
        if state.phase != "done":
            state = run.step(state)
            run.tell(state, 0.0)


PLANNED = plan(tiny_space(), sound.PROFILE)
HEADER = {"format": "fuzz", "version": 1}


def enter_journal(data: bytes, folder: Path) -> None:
    """As a whole file, then after a sound header; each event as one of a profile, and as one of a training."""
    for content in (data, b'{"format": "fuzz", "version": 1}\n' + data):
        path = folder / "journal"
        path.write_bytes(content)
        try:
            with Journal(path, HEADER) as journal:
                events = journal.events
            with Journal(path, HEADER) as journal:
                same(events, journal.events)
        except HwsearchError:
            if content is data:
                continue
            raise
        measurement = _Measurement(FakeRuntime(), PLANNED, sound.PROFILE, lambda progress: None)
        for event in events[:100]:
            try:
                measurement._replay(event, "journal")
            except InputError:
                continue
        if content is not data:
            command._read_events(journal)


def enter_csv(data: bytes, folder: Path) -> None:
    (folder / "in.csv").write_bytes(data)
    signal = user_table.load(folder / "in.csv")
    arrays = from_architectures([sound.TINY])
    signal.domain_faults(arrays)
    signal.predict(arrays)


def enter_trained(data: bytes, folder: Path) -> None:
    if data.lstrip()[:1] in (b"{", b"["):
        (folder / "result_1.json").write_bytes(data)
        trained_table.read_table(folder, min_rows=1)
    else:
        (folder / "in.csv").write_bytes(data)
        trained_table.read_table(folder / "in.csv", min_rows=1)


def enter_predictor(data: bytes, folder: Path) -> None:
    (folder / "in.npz").write_bytes(data)
    network = load_network(folder / "in.npz")
    (folder / "out.npz").write_bytes(network.to_bytes())
    back = again(load_network, folder / "out.npz")
    same(network.to_bytes(), back.to_bytes())


def foreign_door(name: str, to: str) -> Callable[[bytes, Path], None]:
    """Reads a file of another library; what it says is said back by the exporter, where that can."""

    def enter(data: bytes, folder: Path) -> None:
        (folder / name).write_bytes(data)
        found = read_foreign(folder / name)
        same(found.architecture, parse(found.architecture.text))
        try:
            files = export(Preset("x", found.architecture), to, folder / "export").files
        except InexpressibleError:
            return
        read = [each for each in files if each.name == "config.json" or each.suffix == ".py"]
        same(found.architecture, read_foreign(read[0]).architecture)

    return enter


def enter_command(data: bytes, folder: Path) -> None:
    """What an executable prints: as a latency, and as a top-1."""

    def run(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
        text = data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
        return subprocess.CompletedProcess([], data[:1] == b"!", text, text)

    with mock.patch("subprocess.run", run):
        try:
            ms = CommandNetwork(["device"], mock.Mock()).run_ms()
            assert 0 < ms < float("inf")
        except UnavailableError:
            ms = 0.0
    text = data.decode("utf-8", "replace")
    patched = {"_run": mock.Mock(return_value=text), "_digest": mock.Mock(return_value="")}
    with mock.patch.multiple(command, **patched):
        assert 0 <= command.remote_top1(sound.TINY.text, "train", "", 1.0) <= 100


def enter_networks(data: bytes, folder: Path) -> None:
    """A list of networks; what its lines name is looked for in an empty folder."""
    if b"/" in data or b".." in data:
        return  # it would read files of this machine
    (folder / "empty").mkdir(exist_ok=True)
    (folder / "in.txt").write_bytes(data)
    old = Path.cwd()
    os.chdir(folder / "empty")
    try:
        for preset in find_networks([], folder / "in.txt"):
            same(preset.architecture, parse(preset.architecture.text))
    finally:
        os.chdir(old)


def enter_config(data: bytes, folder: Path) -> None:
    """Whether a run may go on in a folder."""
    (folder / "run.json").write_bytes(data)
    RunDirectory(folder).begin({key: sound.CONFIG[key] for key in ("seed", "space", "budgets")})


DOORS = {
    "text": Door(enter_text, sound.texts, corpus="text "),
    "budget": Door(enter_budget, sound.budgets, corpus="search --budget"),
    "preset": Door(document_door(load_preset, save_preset, preset_document), sound.presets, "json", "preset: "),
    "space": Door(enter_space, sound.spaces, "yaml", "space: ", speed=8),
    "table": Door(document_door(load_table, save_table, to_document), sound.tables, "json", "table: ", speed=3),
    "family": Door(document_door(load_family, save_family, family_document), sound.families, "json"),
    "summary": Door(
        document_door(load_summary, save_summary, summary_document),
        lambda: [sound.as_json(sound.summary())],
        "json",
        "summary: ",
    ),
    "measurement": Door(enter_measurement, sound.measurements, "json"),
    "state": Door(enter_state, sound.states, "json", speed=2),
    "journal": Door(enter_journal, sound.journals, "json", speed=2),
    "csv": Door(enter_csv, sound.csv_tables, corpus="accuracy table: "),
    "trained": Door(enter_trained, sound.trained_tables, "json", "training data: ", speed=10),
    "predictor": Door(enter_predictor, sound.predictors, "npz", "predictor: ", speed=2),
    "timm": Door(foreign_door("in.py", "timm"), sound.modules, corpus="module ", speed=3),
    "keras": Door(
        foreign_door("config.json", "keras-hub"),
        lambda: sound.exported("keras-hub") + sound.exported("keras-cv"),
        "json",
        "config.json ",
        speed=3,
    ),
    "huggingface": Door(
        foreign_door("config.json", "huggingface"),
        lambda: sound.exported("huggingface"),
        "json",
        "config.json ",
        speed=3,
    ),
    "torch-module": Door(foreign_door("in.py", "torch"), lambda: sound.exported("torch"), speed=8),
    "command": Door(enter_command, sound.command_outputs),
    "networks": Door(enter_networks, sound.network_lists, corpus="networks: "),
    "config": Door(enter_config, sound.configs, "json"),
}
