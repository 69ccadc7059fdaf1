"""Two processes on one table: the second is refused in one line; never a damaged file, never a lock for good."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import threading

import pytest
from command_lines import error_lines, finish, hwsearch, start

from hwsearch.errors import InputError
from hwsearch.journal import Journal
from hwsearch.latency_table import load_table

HEADER = {"format": "test"}


def test_two_profiles_of_one_table(inputs, tmp_path):
    small = ["--space", str(inputs / "tiny.yaml"), "--seconds", "0.5", "--covers", "1", "--held-out", "4"]
    command = ["profile", *small, "-o", "table.json"]
    processes = [start(command, tmp_path) for _ in range(3)]
    ends = [finish(process) for process in processes]
    assert 0 in [code for code, _, _ in ends]
    for code, _, errors in ends:
        if code != 0:
            assert code == 2
            (line,) = error_lines(errors)
            assert "is at work on it" in line or "gone on with it" in line or "exists already" in line
    (session,) = load_table(tmp_path / "table.json").sessions
    assert {len(network.samples_ms) for network in session.networks} == {len(session.networks[0].samples_ms)}
    assert not list(tmp_path.glob("*.partial*"))
    code, _, errors = hwsearch(command, tmp_path)
    assert code == 2
    assert "exists already" in errors


def test_a_second_writer_is_refused_and_told_what_to_do(tmp_path):
    path = tmp_path / "table.json.partial"
    code = (
        "import sys\nfrom pathlib import Path\nfrom hwsearch.journal import Journal\n"
        f"with Journal(Path({str(path)!r}), {HEADER!r}) as journal:\n"
        "    journal.append({'turn': 1})\n    print('open', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"open\n"
        before = path.read_bytes()
        with pytest.raises(InputError, match=rf"process {process.pid} is at work on it; next: wait .* rm .*\.lock"):
            Journal(path, HEADER)
        assert path.read_bytes() == before
        process.kill()
    with Journal(path, HEADER) as journal:  # what a dead process left is taken over
        assert journal.events == [{"turn": 1}]
    assert sorted(tmp_path.iterdir()) == [path]


def test_the_same_process_does_not_open_a_journal_twice(tmp_path):
    with Journal(tmp_path / "j", HEADER):
        with pytest.raises(InputError, match="is at work on it"):
            Journal(tmp_path / "j", HEADER)
        with pytest.raises(InputError, match="is at work on it"):
            Journal(tmp_path / "j", HEADER)
    with Journal(tmp_path / "j", HEADER) as journal:
        journal.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_is_refused_is_not_locked(tmp_path):
    Journal(tmp_path / "j", HEADER).__exit__()
    with pytest.raises(InputError, match="something else"):
        Journal(tmp_path / "j", {"format": "other"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["j"]


@pytest.mark.parametrize(
    ("text", "is_taken_over"),
    [
        ({"pid": 2**22 + 1, "host": platform.node()}, True),  # above what a process number can be
        ({"pid": os.getpid(), "host": platform.node()}, True),  # this process, but it does not hold it
        ({"pid": os.getppid(), "host": platform.node()}, False),
        ({"pid": 2**22 + 1, "host": "another"}, False),
        ({"pid": -1, "host": platform.node()}, True),
        ({"pid": "x"}, True),
        ([], True),
        ("", True),
        ("{", True),
    ],
)
def test_whose_lock_is_taken_over(text, is_taken_over, tmp_path):
    lock = tmp_path / "j.lock"
    lock.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    if is_taken_over:
        Journal(tmp_path / "j", HEADER).__exit__()
        assert not lock.exists()
    else:
        with pytest.raises(InputError, match="is at work on it"):
            Journal(tmp_path / "j", HEADER)
        assert lock.exists()


def test_a_lock_that_is_being_written_is_waited_for(tmp_path):
    lock = tmp_path / "j.lock"
    lock.touch()
    alive = json.dumps({"pid": os.getppid(), "host": platform.node()})
    writer = threading.Timer(0.2, lock.write_text, [alive])
    writer.start()
    with pytest.raises(InputError, match=f"process {os.getppid()} is at work on it"):
        Journal(tmp_path / "j", HEADER)
    writer.join()


def test_many_processes_at_once_take_turns(tmp_path):
    """Each adds its lines under the lock, again and again; no line is lost, none is mixed with another."""
    code = (
        "import os, sys, time\nfrom pathlib import Path\nfrom hwsearch.errors import InputError\n"
        "from hwsearch.journal import Journal\ndone = 0\nwhile done < 8:\n    try:\n"
        f"        with Journal(Path({str(tmp_path / 'j')!r}), {HEADER!r}) as journal:\n"
        "            own = [event for event in journal.events if event['pid'] == os.getpid()]\n"
        "            assert len(own) == done\n"
        "            journal.append({'pid': os.getpid(), 'number': done})\n            done += 1\n"
        "    except InputError:\n        time.sleep(0.005)\n"
    )
    # a dead process had it, so that all of them begin with taking it over
    dead = {"pid": 2**22 + 1, "host": platform.node()}
    (tmp_path / "j.lock").write_text(json.dumps(dead), encoding="utf-8")
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    try:
        assert [process.wait(timeout=60) for process in processes] == [0] * 4
    finally:
        for process in processes:
            process.kill()
    with Journal(tmp_path / "j", HEADER) as journal:
        assert len(journal.events) == 4 * 8
