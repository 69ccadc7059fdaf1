"""Where a search stands between two steps, and its checkpoint: a JSON file from which it goes on exactly."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import numpy as np
from pydantic import Field

from hwsearch.errors import InputError
from hwsearch.evolution.archive import Archive
from hwsearch.evolution.problem import Problem
from hwsearch.evolution.result import Generation
from hwsearch.evolution.settings import SearchSettings
from hwsearch.json_file import Document, read_json, validate, write_text
from hwsearch.pareto import FloatArray
from hwsearch.search_space import Population

FORMAT = "hwsearch-search-state"
VERSION = 1

Phase = Literal["evolve", "polish", "unite", "climb", "done"]

MAX_GENES = 1_000_000
"""How many genes a neighbourhood may reach, in a file: far more than any space has."""

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, eq=False)
class State:
    """A search between two steps; a step makes a new one, so an interrupted step leaves no trace."""

    phase: Phase
    restart: int
    generation: int
    rows: Population
    """The living population."""
    scores: FloatArray
    archive: Archive
    """What this restart found."""
    union: Archive
    """What the restarts before it found."""
    rng: dict[str, Any]
    """The generator's state, as ``Generator.bit_generator.state`` gives it."""
    evaluated: int = 0
    polished: int = 0
    """Networks scored by polishing."""
    exhaustive: bool = False
    history: tuple[Generation, ...] = ()
    seconds: float = 0.0

    def generator(self) -> np.random.Generator:
        """The generator as it was when this state was made."""
        bits = np.random.PCG64(0)
        bits.state = cast(Any, self.rng)
        return np.random.Generator(bits)


class _NetworksModel(Document):
    rows: list[str]
    scores: list[list[float]]


class _ArchiveModel(_NetworksModel):
    explored: list[Annotated[int, Field(ge=0, le=MAX_GENES)]]


class _GenerationModel(Document):
    phase: str
    restart: int
    generation: int
    evaluated: int
    front_size: int
    best: dict[str, float]
    leads: bool = True


class _StateModel(Document):
    format: Literal["hwsearch-search-state"]
    version: Literal[1]
    question: str
    phase: Phase
    restart: int = Field(ge=0)
    generation: int = Field(ge=0)
    population: _NetworksModel
    archive: _ArchiveModel
    union: _ArchiveModel
    rng: dict[str, Any]
    evaluated: int = Field(ge=0)
    polished: int = Field(ge=0)
    exhaustive: bool
    history: list[_GenerationModel]
    seconds: float = Field(ge=0)


def question(problem: Problem, settings: SearchSettings, seed: int, start: Population) -> str:
    """All that decides a search's result, as one line: a checkpoint answers only the question it was made for."""
    signal = problem.scorer.signal
    parts = {
        "space": problem.scorer.space.name,
        "objectives": problem.objectives,
        "budgets": [budget.text + f" ({budget.limit!r})" for budget in problem.budgets],
        "seed": seed,
        "settings": dataclasses.asdict(settings),
        "start": _rows_out(start),
        "accuracy": signal.name if signal else None,
        "prices": problem.scorer.fingerprint,
    }
    return json.dumps(parts, sort_keys=True)


def save_state(state: State, asked: str, path: Path) -> None:
    """Write a checkpoint atomically."""
    document = {
        "format": FORMAT,
        "version": VERSION,
        "question": asked,
        "phase": state.phase,
        "restart": state.restart,
        "generation": state.generation,
        "population": {"rows": _rows_out(state.rows), "scores": state.scores.tolist()},
        "archive": _archive_out(state.archive),
        "union": _archive_out(state.union),
        "rng": state.rng,
        "evaluated": state.evaluated,
        "polished": state.polished,
        "exhaustive": state.exhaustive,
        "history": [dataclasses.asdict(generation) for generation in state.history],
        "seconds": state.seconds,
    }
    write_text(path, json.dumps(document, allow_nan=False) + "\n")


def load_state(problem: Problem, asked: str, path: Path) -> State:
    """Read a checkpoint; InputError if it is damaged or of another search."""
    where = str(path)
    model = validate(_StateModel, read_json(path, FORMAT, VERSION), where)
    if model.question != asked:
        raise InputError(
            f"this checkpoint is of another search ({_difference(model.question, asked)} differs)",
            where=where,
            allowed="the same space, table, accuracy, objectives, budgets, settings and seed, or a new folder",
        )
    rows, scores = _networks_in(problem, model.population, where)
    state = State(
        model.phase,
        model.restart,
        model.generation,
        rows,
        scores,
        _archive_in(problem, model.archive, where),
        _archive_in(problem, model.union, where),
        model.rng,
        model.evaluated,
        model.polished,
        model.exhaustive,
        tuple(Generation(**dict(entry)) for entry in model.history),
        model.seconds,
    )
    _check_place(state, json.loads(asked)["settings"], where)
    _check_generator(state, where)
    _check_scores(problem, state, where)
    return state


def _rows_out(rows: Population) -> list[str]:
    return ["".join(_DIGITS[gene] for gene in row) for row in rows.tolist()]


def _archive_out(archive: Archive) -> dict[str, Any]:
    return {
        "rows": _rows_out(archive.rows),
        "scores": archive.scores.tolist(),
        "explored": archive.explored.tolist(),
    }


def _archive_in(problem: Problem, model: _ArchiveModel, where: str) -> Archive:
    rows, scores = _networks_in(problem, model, where)
    if len(model.explored) != len(rows):
        raise InputError("explored is not as long as rows", where=where)
    return Archive(rows, scores, np.array(model.explored, dtype=np.int64))


def _networks_in(problem: Problem, model: _NetworksModel, where: str) -> tuple[Population, FloatArray]:
    width, genes = len(problem.scorer.metrics), problem.scorer.space.num_genes
    limits = problem.scorer.space.cardinalities.tolist()
    if len(model.rows) != len(model.scores) or any(len(scores) != width for scores in model.scores):
        raise InputError("rows and scores do not belong together", where=where)
    for row in model.rows:
        values = [_DIGITS.find(digit) for digit in row]
        if len(values) != genes or not all(0 <= v < most for v, most in zip(values, limits, strict=True)):
            raise InputError(f"{row[:60]!r} is not a network of space {problem.scorer.space.name}", where=where)
    rows = np.array([[_DIGITS.index(digit) for digit in row] for row in model.rows], dtype=np.int8)
    return rows.reshape(-1, genes), np.array(model.scores, dtype=np.float64).reshape(-1, width)


def _check_place(state: State, settings: dict[str, Any], where: str) -> None:
    """Refuse a place that no search comes to: from it the steps would fail, or never end."""
    begins = state.phase == "evolve" and state.generation == 0
    is_reached = state.restart < settings["restarts"] and state.generation <= settings["generations"]
    has_networks = begins or len(state.rows if state.phase == "evolve" else state.archive) > 0
    has_past = (begins and state.restart == 0) or len(state.history) > 0
    if not (is_reached and has_networks and has_past):
        raise InputError("this checkpoint is damaged: no search stands where it does", where=where)


def _check_generator(state: State, where: str) -> None:
    try:
        state.generator()
    except (ValueError, TypeError, KeyError, OverflowError):
        raise InputError("rng is not the state of a PCG64 generator", where=where) from None


def _check_scores(problem: Problem, state: State, where: str) -> None:
    # the fingerprint covers what is tabulated; an accuracy signal with other weights shows in its answers
    for archive in (state.archive, state.union):
        again = problem.scorer.matrix(archive.rows[:1])
        if not np.allclose(again, archive.scores[:1], rtol=1e-5, atol=0):
            raise InputError("networks score otherwise than when this checkpoint was written", where=where)


def _difference(old: str, new: str) -> str:
    try:
        was, asked = json.loads(old), json.loads(new)
        return ", ".join(key for key in asked if was.get(key) != asked[key]) or "the question"
    except (ValueError, AttributeError, RecursionError):
        return "the question"
