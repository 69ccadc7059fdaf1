"""Every door under some thousand inputs, the same at every run; ``fuzz_doors.py`` goes on for as long as wanted."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from doors import DOORS
from fuzz_doors import Fuzzer, fuzz_plainly

RUNS = 2000


@pytest.mark.parametrize("name", DOORS)
def test_a_door_refuses_or_lets_in_and_breaks_at_nothing(name, tmp_path):
    fuzzer = Fuzzer(name, is_timed=False)
    runs = max(200, RUNS // DOORS[name].speed)
    try:
        fuzz_plainly(fuzzer, 0, lambda outcome: outcome.executions < runs)
    finally:
        fuzzer.close()
    outcome = fuzzer.outcome
    assert outcome.failures == {}
    assert outcome.executions >= runs
    assert runs // 200 < outcome.let_in < outcome.executions  # both ways are tried


@pytest.mark.parametrize("name", DOORS)
def test_what_is_sound_is_let_in(name):
    fuzzer = Fuzzer(name, is_timed=False)
    try:
        answers = [fuzzer.try_one(data) for data in DOORS[name].seeds()]
    finally:
        fuzzer.close()
    assert "in" in answers
    assert fuzzer.outcome.failures == {}


def test_the_same_seed_tries_the_same():
    outcomes = []
    for _ in range(2):
        fuzzer = Fuzzer("preset", is_timed=False)
        fuzz_plainly(fuzzer, 3, lambda outcome: outcome.executions < 500)
        fuzzer.close()
        outcomes.append(fuzzer.outcome)
    assert outcomes[0] == outcomes[1]


def test_a_broken_door_is_found_and_its_input_kept(monkeypatch, tmp_path):
    """A fuzzer that finds nothing anywhere would pass all tests but this one."""
    monkeypatch.setattr("hwsearch.preset.check_name", lambda name: [][len(name) > 20])
    fuzzer = Fuzzer("preset", is_timed=False)
    fuzz_plainly(fuzzer, 0, lambda outcome: outcome.executions < 500)
    fuzzer.close()
    (place,) = fuzzer.outcome.failures
    assert place.startswith("IndexError at preset.py")
    monkeypatch.undo()
    again = Fuzzer("preset", is_timed=False)
    again.try_one(fuzzer.outcome.failures[place])
    again.close()
    assert again.outcome.failures == {}


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is not installed")
def test_coverage_guides_the_fuzzers_where_atheris_is_there(tmp_path):
    script = Path(__file__).with_name("fuzz_doors.py")
    done = subprocess.run(
        [sys.executable, str(script), "preset", "--engine", "atheris", "--runs", "2000", "--failures", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["executions"] == 2000
