"""A device reached by a command, end to end: the scripts of ``docs/devices.md`` are what is run."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hwsearch.errors import UnavailableError
from hwsearch.estimate import TableEstimator
from hwsearch.latency_table import load_table, save_table
from hwsearch.operation import ops
from hwsearch.profiling import timing
from hwsearch.profiling.profiler import ProfileSettings, journal_of, plan, profile
from hwsearch.runtimes import RuntimeOptions, command_runtime, open_runtime
from hwsearch.search_space import SearchSpace, StageSpace

DOCS = Path(__file__).resolve().parents[1] / "docs" / "devices.md"
SPACE = SearchSpace("tiny", (32,), 8, (StageSpace(2, (1, 4), (3,), (1, 2, 3), (0.0,), (16,)),), 32, "relu", 10)
SETTINGS = ProfileSettings(seed=1, covers=1, held_out=3, seconds=0.1)
PLANNED = [each for each in plan(SPACE, SETTINGS, has_profiler=False) if each.role != "reference"]


def script(name):
    """A script of the page, by the name in its first comment or docstring."""
    blocks = re.findall(r"```(?:python|sh)\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    (found,) = [block for block in blocks if f"{name} MODEL.onnx --batch B" in block]
    return found


def executable(path, text):
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def local_device(tmp_path):
    """``time_onnx.py`` as the page has it, with the interpreter of the tests."""
    _, _, body = script("time_onnx.py").partition("\n")
    return executable(tmp_path / "here.py", f"#!{sys.executable}\n{body}")


@pytest.fixture
def few_runs(monkeypatch):
    monkeypatch.setattr(timing, "MIN_ROUNDS", 2)
    monkeypatch.setattr(timing, "MAX_ROUNDS", 2)
    monkeypatch.setattr(timing, "RUNS_A_TURN", 1)


@pytest.mark.usefixtures("few_runs")
def test_a_profile_through_a_command_is_a_table_that_estimates(local_device, tmp_path):
    runtime = open_runtime(f"command:{local_device}", RuntimeOptions())
    path = tmp_path / "here.json"
    save_table(profile(runtime, PLANNED, SETTINGS, journal_of(path), name="here"), path)
    table = load_table(path)
    assert (table.method, table.setup.target, table.setup.device.name) == ("least_squares", "command:here.py", "here")
    assert all(found.latency_ms > 0 and not found.parts_ms for found in table.ops.values())
    assert table.fidelity is not None
    assert table.fidelity.networks == SETTINGS.held_out
    network = PLANNED[0].architecture
    assert set(ops(network)) <= set(table.ops)
    assert 0 < TableEstimator(table).latency_ms(network) < 1000


@pytest.mark.usefixtures("few_runs")
def test_a_profile_that_a_command_interrupts_goes_on_where_it_stopped(tmp_path):
    starts, path = tmp_path / "starts", tmp_path / "flaky.json"
    body = f'#!/bin/sh\necho . >> "{starts}"; test ! -e "{tmp_path / "off"}" || exit 9; echo 2.5\n'
    runtime = open_runtime(f"command:{executable(tmp_path / 'flaky', body)}", RuntimeOptions())
    (tmp_path / "off").touch()
    with pytest.raises(UnavailableError, match="exit code 9"):
        profile(runtime, PLANNED, SETTINGS, journal_of(path), name="flaky")
    (tmp_path / "off").unlink()
    table = profile(runtime, PLANNED, SETTINGS, journal_of(path), name="flaky")
    assert {ms for session in table.sessions for network in session.networks for ms in network.samples_ms} == {2.5}
    # one start failed; each of the others is a turn of a round
    assert len(starts.read_text(encoding="utf-8").splitlines()) == 1 + 2 * len(PLANNED)


def test_a_command_that_hangs_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(command_runtime, "TIMEOUT_SECONDS", 0.3)
    slow = executable(tmp_path / "slow", f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    network = open_runtime(f"command:{slow}", RuntimeOptions()).load(PLANNED[0].architecture)
    with pytest.raises(UnavailableError, match=r"slow did not end within 0\.3 s"):
        network.run_ms()
    network.close()


def test_the_pages_script_refuses_a_precision_that_it_does_not_run(local_device):
    runtime = open_runtime(f"command:{local_device}", RuntimeOptions(precision="int8"))
    network = runtime.load(PLANNED[0].architecture)
    with pytest.raises(UnavailableError, match="exit code 1: this device runs f32 only, not int8"):
        network.run_ms()
    network.close()


def stand_in(folder, name, body):
    executable(folder / name, f'#!/bin/sh\necho "{name} $*" >> "{folder}/calls"\n{body}\n')


@pytest.fixture
def no_network(tmp_path, monkeypatch):
    """``ssh``, ``scp`` and ``adb`` that only note what they were asked; a file is there once it was sent."""
    folder = tmp_path / "bin"
    folder.mkdir()
    there = f'"{folder}/sent"'
    stand_in(folder, "ssh", f'case "$*" in *"test -f"*) test -e {there};; *) echo 12.5;; esac')
    stand_in(folder, "scp", f"touch {there}")
    perf_test = "echo 'Total inference requests: 20'; echo 'Min Latency: 0.0125 s'; echo 'Max Latency: 0.02 s'"
    stand_in(
        folder, "adb", f'case "$1 $2" in "shell test"*) test -e {there};; push*) touch {there};; *) {perf_test};; esac'
    )
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return folder


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="the scripts need sha256sum")
@pytest.mark.parametrize(("name", "sent"), [("board.sh", "scp"), ("phone.sh", "adb push")])
def test_the_pages_scripts_send_a_file_once_and_print_milliseconds(name, sent, no_network, tmp_path):
    device = executable(tmp_path / name, script(name))
    network = open_runtime(f"command:{device}", RuntimeOptions()).load(PLANNED[0].architecture)
    assert [network.run_ms(), network.run_ms()] == [12.5, 12.5]
    network.close()
    calls = (no_network / "calls").read_text(encoding="utf-8")
    assert len(re.findall(rf"^{sent} ", calls, re.MULTILINE)) == 1


@pytest.mark.parametrize("name", ["board.sh", "phone.sh"])
def test_the_pages_scripts_are_plain_sh(name, tmp_path):
    done = subprocess.run(["sh", "-n", executable(tmp_path / name, script(name))], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
