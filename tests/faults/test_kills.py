"""Killed or interrupted at random moments, a command that is repeated ends as if nothing had happened.

``HWSEARCH_KILLS`` says at how many moments each command is hit (6; a run at half of them). A kill may leave a journal
(``*.partial``), its lock and a temporary file (``.*.part``); Ctrl-C leaves only the journal or the checkpoint.
"""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import signal
import time
from pathlib import Path

import pytest
from command_lines import READY, error_lines, finish, hwsearch, start

from hwsearch.latency_table import load_table
from hwsearch.profiling.profiler import ProfileSettings, plan
from hwsearch.run_directory import RunDirectory, load_summary
from hwsearch.space_file import load_space

KILLS = int(os.environ.get("HWSEARCH_KILLS", "6"))
LEFT = (".partial", ".partial.lock", ".part", ".checkpoint")

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")


def hit(arguments: list[str], folder: Path, number: int, seconds: float) -> bool:
    """Whether a signal hit the command, some time after it began; what it says and leaves then is checked."""
    before = set(folder.rglob(".*.part"))
    process = start(arguments, folder)
    try:
        assert process.stderr is not None
        assert select.select([process.stderr], [], [], 60)[0], "it does not start"
        assert os.read(process.stderr.fileno(), len(READY) + 1).decode() == READY + "\n"
        time.sleep(seconds)
        if process.poll() is None:
            process.send_signal(number)
    finally:
        code, _, errors = finish(process)
    if code == 0:
        return False
    if number == signal.SIGKILL:
        assert code == -signal.SIGKILL
    else:
        assert code == 130, errors
        assert error_lines(errors) == ["error: interrupted; repeat the command to go on where it stopped"]
        assert set(folder.rglob(".*.part")) <= before
        assert all(json.loads(lock.read_text())["pid"] != process.pid for lock in folder.rglob("*.lock"))
    check_whole(folder)
    return True


def check_whole(folder: Path) -> None:
    """Every file is whole, but for those that may be left."""
    for path in folder.rglob("*"):
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".html":
            assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
        elif path.name.startswith(".") or path.suffix in (".partial", ".lock", ".part", ".checkpoint"):
            assert path.name.endswith(LEFT), path


def shoot(arguments: list[str], folder: Path, is_done, kills: int = KILLS, product: str = "") -> None:
    """Hit a command ``kills`` times at random moments, KILL and INT in turns, and let it end then.

    Between two hits the command goes on where it was; where it is done, it begins again in an empty folder. It is done,
    too, if it was hit when its ``product`` was there already: then it refuses to be repeated.
    """
    began = time.monotonic()
    assert hwsearch(arguments, folder)[0] == 0
    whole = time.monotonic() - began
    is_done(folder)
    rng, hits, completed = random.Random(kills), 0, 0
    _empty(folder)
    while hits < kills:
        number = (signal.SIGKILL, signal.SIGINT)[hits % 2]
        if hit(arguments, folder, number, rng.uniform(0, whole)):
            hits += 1
            if not product or not (folder / product).exists():
                continue
            for journal in folder.glob("*.partial*"):  # hit between writing the one and removing the other
                journal.unlink()
        else:
            completed += 1
        is_done(folder)
        _empty(folder)
        assert completed <= 5 * kills, "it is always faster than the shot"
    code, _, errors = hwsearch(arguments, folder)
    assert code == 0, errors
    is_done(folder)


def _empty(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def test_a_profile(inputs, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    settings = ProfileSettings(covers=1, held_out=4, seconds=0.5)
    planned = [[each.architecture.text, each.role] for each in plan(load_space(str(inputs / "tiny.yaml")), settings)]

    def is_done(folder: Path) -> None:
        (session,) = load_table(folder / "table.json").sessions
        assert [[each.text, each.role] for each in session.networks] == planned
        assert not list(folder.glob("*.partial*"))

    small = ["--seconds", "0.5", "--covers", "1", "--held-out", "4"]
    shoot(
        ["profile", "--space", str(inputs / "tiny.yaml"), *small, "-o", "table.json"],
        folder,
        is_done,
        product="table.json",
    )


def test_a_search(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    found = set()

    def is_done(folder: Path) -> None:
        summary = load_summary(folder / "run" / "summary.json")
        found.add(tuple((each.role, each.architecture.text) for each in (*summary.networks, *summary.front)))
        assert not (folder / "run" / "search.checkpoint").exists()

    shoot(["search", "--table", "a100", "--seed", "3", "-o", "run"], folder, is_done)
    assert len(found) == 1


def test_a_run(inputs, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()

    def is_done(folder: Path) -> None:
        run = folder / "run"
        summary = load_summary(run / "summary.json")
        assert summary.exports
        assert (run / "report.html").exists()
        assert all((run / each["folder"]).is_dir() for each in summary.exports if "folder" in each)
        assert not list(run.glob("*.partial*"))
        check_whole(run)

    target = ["--target", f"command:{inputs / 'device.sh'}", "--space", str(inputs / "part.yaml")]
    shoot(["run", *target, "--seconds", "0.5", "-o", "run"], folder, is_done, (KILLS + 1) // 2)


def test_a_folder_that_holds_only_what_a_kill_left_can_begin(tmp_path):
    (tmp_path / ".run.json.x1y2.part").write_text('{"form', encoding="utf-8")
    assert RunDirectory(tmp_path).begin({"seed": 1}) is False
    assert RunDirectory(tmp_path).begin({"seed": 1}) is True
