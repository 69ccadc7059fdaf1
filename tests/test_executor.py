"""Evaluations in this process, and the turns of a measurement on any executor."""

from __future__ import annotations

import os
import sys

import pytest

from hwsearch.errors import InputError, UnavailableError
from hwsearch.executor import SerialExecutor, named
from hwsearch.notation import parse
from hwsearch.profiling.remote_measurement import RemoteTarget, measure_remotely
from hwsearch.profiling.timing import MIN_ROUNDS
from hwsearch.runtimes import RuntimeOptions, open_runtime

NETWORKS = tuple(
    parse(f"r32 swish stem_c8 ds_r1_k3_s1_e1_c8 ir_r1_k{kernel}_s2_e4_c16 head_c32 classes10") for kernel in (3, 5)
)
DEVICE = f"#!{sys.executable} -S\nimport sys\nopen(__file__ + '.runs', 'a').write('.')\nprint(450)\n"


def half(number: int) -> float:
    if number == 13:
        raise UnavailableError("out of luck")
    return number / 2


def test_one_after_another_and_each_key_once():
    items = [(4,), (2,), (4,)]
    assert list(SerialExecutor().map_unordered(half, items, key=str)) == [("(4,)", 2.0), ("(2,)", 1.0)]


def test_an_error_says_whose_it_is():
    found = SerialExecutor().map_unordered(half, [(2,), (13,)], key=lambda item: f"network {item[0]}")
    assert next(found) == ("network 2", 1.0)
    with pytest.raises(UnavailableError, match=r"out of luck \(for network 13\)"):
        next(found)


@pytest.mark.parametrize("code", [2, 3, 4, 5])
def test_an_error_from_elsewhere_keeps_its_exit_code(code):
    assert named(code, "what", "whose").exit_code == code


class Failing:
    """The serial executor, which loses its connection after some outcomes."""

    def __init__(self, outcomes: int) -> None:
        self.outcomes = outcomes

    def map_unordered(self, function, items, *, key):
        for found in SerialExecutor().map_unordered(function, items, key=key):
            yield found
            self.outcomes -= 1
            if self.outcomes == 0:
                raise UnavailableError("the connection is lost")


@pytest.fixture
def remote(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "device.py"
    path.write_text(DEVICE, encoding="utf-8")
    path.chmod(0o755)
    target = f"command:{path}"
    return RemoteTarget(target, open_runtime(target, RuntimeOptions()).setup)


@pytest.mark.skipif(os.name != "posix", reason="the command of this test is a script")
def test_a_measurement_goes_on_with_the_turns_it_lacks(remote, tmp_path):
    heard = []
    with pytest.raises(UnavailableError, match="connection"):
        measure_remotely(remote, NETWORKS, Failing(5), seconds=0.1)
    (journal,) = tmp_path.glob("*.partial")
    assert len(journal.read_text(encoding="utf-8").splitlines()) == 1 + 5
    found = measure_remotely(
        remote, NETWORKS, SerialExecutor(), seconds=0.1, on_progress=lambda done, total: heard.append((done, total))
    )
    turns = MIN_ROUNDS * len(NETWORKS)
    assert found.samples_ms.shape == (MIN_ROUNDS, 2)
    assert (found.samples_ms == 450).all()
    assert heard == [(done, turns) for done in range(6, turns + 1)]
    assert len((tmp_path / "device.py.runs").read_text()) == 2 * turns  # one to warm up, one that is long enough
    assert not list(tmp_path.glob("*.partial*"))


@pytest.mark.skipif(os.name != "posix", reason="the command of this test is a script")
def test_a_journal_that_was_tampered_with_is_refused(remote, tmp_path):
    journal = tmp_path / "journal"
    with pytest.raises(UnavailableError):
        measure_remotely(remote, NETWORKS, Failing(1), seconds=0.1, journal_path=journal)
    with journal.open("a", encoding="utf-8") as file:
        file.write('{"round": 0, "network": "x", "ms": 1}\n')
    with pytest.raises(InputError, match="not a turn of a measurement"):
        measure_remotely(remote, NETWORKS, SerialExecutor(), seconds=0.1, journal_path=journal)
