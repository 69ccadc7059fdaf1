"""Any accuracy, by a command: it is given a preset file, trains or evaluates, and prints one top-1 (``command:FILE``).

The executable is started as ``FILE NETWORK.preset.json``, without a shell; its last line of output must be the top-1 in
percent. Every result goes to a journal at once (JSON lines): no network is ever evaluated twice, and a search that is
killed loses the evaluation under way, no more.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hwsearch.accuracy.signal import PREDICTED_TOP1, Metric, Prediction
from hwsearch.accuracy.user_table import percent
from hwsearch.architecture import Architecture
from hwsearch.errors import InputError, UnavailableError
from hwsearch.executor import Executor, Item, SerialExecutor
from hwsearch.journal import Journal
from hwsearch.notation import parse
from hwsearch.preset import SUFFIX, Preset, save_preset
from hwsearch.stage_arrays import StageArrays, to_architectures

TIMEOUT_SECONDS = 24 * 3600.0
"""How long one evaluation may take, seconds."""
SEARCH_EVALUATIONS = 50
"""Networks a search has evaluated when it is not told how many: trainings are dear."""
FORMAT = "hwsearch-trained-top1"
VERSION = 1
_MAX_SHOWN = 200


class CommandSignal:
    """Asks an executable for the top-1 of each network, once."""

    metric: Metric = PREDICTED_TOP1
    search_evaluations: int | None = SEARCH_EVALUATIONS

    def __init__(
        self, path: Path, journal: Path, timeout_s: float = TIMEOUT_SECONDS, executor: Executor | None = None
    ) -> None:
        """``journal`` is gone on from if it is there; InputError if it belongs to another command.

        ``executor`` evaluates (this process if None); on its workers the executable lies at the same path.
        """
        self._path = path.resolve()
        self._journal = journal
        self._timeout_s = timeout_s
        self._executor = executor or SerialExecutor()
        self._sha256 = _digest(self._path)
        self._header = {"format": FORMAT, "version": VERSION, "command": path.name, "sha256": self._sha256}
        self._known: dict[Architecture, float] = {}
        if journal.exists():
            with Journal(journal, self._header) as opened:
                self._known = _read_events(opened)

    @property
    def name(self) -> str:
        """``command:`` and the executable's name."""
        return f"command:{self._path.name}"

    @property
    def description(self) -> str:
        """Which executable evaluates, and where its results are kept."""
        return f"top-1 (%) that {self._path.name} prints for a network; results are kept in {self._journal}"

    def domain_faults(self, arrays: StageArrays) -> list[str]:
        """None: what a command cannot train it says when asked, by its exit code."""
        return []

    def warnings(self, arrays: StageArrays) -> list[str]:
        """Says whose figures these are."""
        return [f"predicted_top1 is the top-1 that {self.name} printed, under the training of that command"]

    def predict(self, arrays: StageArrays) -> Prediction:
        """The top-1 (percent) of N networks, std NaN; runs the command for those not yet in the journal.

        UnavailableError if the command cannot be run, fails, exceeds the time-out or prints no top-1.
        """
        networks = list(to_architectures(arrays))
        if any(network not in self._known for network in networks):
            with Journal(self._journal, self._header) as journal:
                self._known = _read_events(journal)  # another search may have gone on with it meanwhile
                self._evaluate([each for each in networks if each not in self._known], journal)
        mean = np.array([self._known[network] for network in networks], dtype=np.float64)
        return Prediction(mean, np.full(len(networks), math.nan))

    def _evaluate(self, networks: Sequence[Architecture], journal: Journal) -> None:
        items: list[Item] = [(each.text, str(self._path), self._sha256, self._timeout_s) for each in networks]
        for text, top1 in self._executor.map_unordered(remote_top1, items, key=lambda item: str(item[0])):
            journal.append({"text": text, "top1": top1})
            self._known[parse(text)] = top1


def remote_top1(text: str, command: str, sha256: str, timeout_s: float) -> float:
    """Here or on a worker: the top-1 (percent) that a command prints for a network.

    InputError where the command is not the one that the others run, UnavailableError where it cannot be run, fails,
    exceeds the time-out or prints no top-1.
    """
    if _digest(Path(command)) != sha256:
        raise InputError("is not the executable that this search began with", where=command)
    with tempfile.TemporaryDirectory(prefix="hwsearch-") as folder:
        preset = Path(folder) / f"network{SUFFIX}"
        save_preset(Preset("network", parse(text)), preset)
        output = _run([command, str(preset)], timeout_s)
    lines = output.strip().splitlines()
    try:
        return percent(lines[-1] if lines else "")
    except InputError:
        shown = lines[-1].strip()[:_MAX_SHOWN] if lines else ""
        raise UnavailableError(f"{command} printed {shown!r} on its last line, not a top-1 in percent") from None


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UnavailableError(f"{path} cannot be read: {error.strerror}") from None


def load(path: Path, journal: Path | None = None, executor: Executor | None = None) -> CommandSignal:
    """The signal of an executable; InputError where it is none.

    ``journal`` defaults to ``.hwsearch-NAME.top1.jsonl`` in the working folder.
    """
    if not path.is_file():
        raise InputError("no such file", where=f"accuracy signal command:{path}")
    if not os.access(path, os.X_OK):
        raise InputError("not executable", where=f"accuracy signal command:{path}", next_command=f"chmod +x {path}")
    kept = journal if journal is not None else Path(f".hwsearch-{path.stem}.top1.jsonl")
    return CommandSignal(path, kept, executor=executor)


def _read_events(journal: Journal) -> dict[Architecture, float]:
    found = {}
    for number, event in enumerate(journal.events, start=2):
        try:
            found[parse(_text(event))] = percent(str(event.get("top1")))
        except InputError as error:
            raise InputError(error.what, where=f"{journal.path}, line {number}", allowed=error.allowed) from None
    return found


def _text(event: Mapping[str, Any]) -> str:
    text = event.get("text")
    if not isinstance(text, str):
        raise InputError("an evaluation without a network's text form")
    return text


def _run(arguments: list[str], timeout_s: float) -> str:
    """Standard output of a command; what it has started is ended with it, on time-out and on Ctrl-C."""
    name = arguments[0]
    try:
        with subprocess.Popen(  # noqa: S603 - an executable that the user named, without a shell
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,  # its own process group: a script's trainer is ended with the script
        ) as process:
            try:
                output, said = process.communicate(timeout=timeout_s)
            except BaseException:
                _end(process)
                raise
    except subprocess.TimeoutExpired:
        raise UnavailableError(f"{name} did not end within {timeout_s:g} s") from None
    except OSError as error:
        raise UnavailableError(f"{name} cannot be run: {error}") from None
    if process.returncode != 0:
        last = (said.strip().splitlines() or ["nothing on stderr"])[-1]
        raise UnavailableError(f"{name} ended with exit code {process.returncode}: {last[:_MAX_SHOWN]}")
    return output


def _end(process: subprocess.Popen[str]) -> None:
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
