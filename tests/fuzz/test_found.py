"""What fuzzing has found, one input a bug: each is refused in one line now, or comes back as it was."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile

import pytest
import sound
from doors import DOORS, passes

from hwsearch.errors import FaultsError, InputError
from hwsearch.journal import Journal


def changed(data: bytes, *path: object, value: object) -> bytes:
    """A JSON document with one value changed."""
    document = json.loads(data)
    inner = document
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return sound.as_json(document)


def predictor(name: str, content: bytes, compression: int = zipfile.ZIP_STORED) -> bytes:
    """The sound predictor with one member replaced."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(sound.predictors()[0])) as old, zipfile.ZipFile(buffer, "w", compression) as new:
        for each in old.namelist():
            new.writestr(each, content if each == name else old.read(each))
    return buffer.getvalue()


def header(text: str) -> bytes:
    """An array of no values, by the text of its header."""
    return b"\x93NUMPY\x01\x00" + (len(text) + 1).to_bytes(2, "little") + text.encode() + b"\n"


def state(number: int, **changes: object) -> bytes:
    """A checkpoint of one phase with other values."""
    return sound.as_json({**json.loads(sound.states()[number]), **changes})


def unlike(data: bytes, old: bytes, new: bytes) -> bytes:
    assert old in data
    return data.replace(old, new)


MEASURED, TABLE, SUMMARY = sound.measurements()[0], sound.tables()[0], sound.as_json(sound.summary())
NOBODY = {"rows": [], "scores": []}
SHAPE = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }"
STORED = predictor("", b"")
CENTRAL = b"PK\x01\x02\x14\x03\x14\0\0\0"
"""Before the number of a member's compression in an archive's directory."""

REFUSED = {
    "a preset's key of 20,000 characters": ("preset", changed(sound.presets()[0], "x" * 20_000, value=1)),
    "a table without figures, but with hundreds of others": (
        "table",
        sound.as_json({**json.loads(TABLE), **{f"{'surprise' * 40}{number}": 1 for number in range(60)}}),
    ),
    "a format of 70,000 characters": ("config", changed(sound.configs()[0], "format", value="x" * 70_000)),
    "a version of 4,000 digits": ("config", changed(sound.configs()[0], "version", value=10**4000)),
    "genes that no array holds": ("state", changed(sound.states()[-1], "archive", "explored", 0, value=10**30)),
    "genes below none": ("state", changed(sound.states()[-1], "archive", "explored", 0, value=-1)),
    "a question nested without end": ("state", state(0, question="[" * 100_000)),
    "a population of nobody": ("state", state(0, population=NOBODY)),
    "an archive of nothing": ("state", state(3, archive={**NOBODY, "explored": []})),
    "a search without a past": ("state", state(1, history=[])),
    "a restart after the last, from which no search ends": ("state", state(1, restart=2)),
    "a generation after the last": ("state", state(0, generation=10**20)),
    "a row of 16,000 cells, on which pandas spends seconds": (
        "trained",
        sound.trained_tables()[0] + b"1,3,1,0," * 4000 + b"\n",
    ),
    "a journal with a latency that no float holds": (
        "journal",
        sound.as_json({"round": 0, "network": 0, "ms": 10**400, "seconds": 0.5}) + b"\n",
    ),
    "a journal with seconds that no float holds": (
        "journal",
        sound.as_json({"round": 0, "network": 0, "ms": 1.5, "seconds": 10**400}) + b"\n",
    ),
    "a predictor with text in place of an array": ("predictor", unlike(STORED, b"bias_1.npy", b"bias_1.txt")),
    "a predictor with an array that is none": ("predictor", predictor("bias_1.npy", b"text")),
    "a predictor with an empty array file": ("predictor", predictor("bias_1.npy", b"")),
    "a predictor with a header cut off": ("predictor", predictor("bias_1.npy", header("{'descr': '<f4', (")[:24])),
    "a predictor with a header that ends early": ("predictor", predictor("bias_1.npy", header("{'descr': ('<f4',"))),
    "a predictor that asks for petabytes": ("predictor", predictor("bias_1.npy", header(SHAPE % "2000000000000000,"))),
    "a predictor that asks for more than numbers say": (
        "predictor",
        predictor("bias_1.npy", header(SHAPE % ("9" * 30 + ","))),
    ),
    "a predictor with damaged compression": (
        "predictor",
        unlike(sound.predictors()[0], sound.predictors()[0][200:240], b"\xff" * 40),
    ),
    "a predictor of another compression": ("predictor", unlike(STORED, CENTRAL + b"\0\0", CENTRAL + b"\x63\0")),
    "a predictor that unpacks to 128 MiB": (
        "predictor",
        predictor("bias_1.npy", b"\0" * (128 << 20), zipfile.ZIP_DEFLATED),
    ),
}
SAVED = {
    "samples that rounding made zero": ("measurement", changed(MEASURED, "networks", 0, "samples_ms", 0, value=4e-6)),
    "a level that rounding made zero": ("measurement", changed(MEASURED, "level", value=1e-7)),
    "samples of a table that rounding made zero": (
        "table",
        changed(TABLE, "sessions", 0, "networks", 0, "samples_ms", 0, value=1e-9),
    ),
    "a latency that rounding made zero": ("summary", changed(SUMMARY, "networks", 0, "latency_ms", value=1e-5)),
    "an op as slow as may be": (
        "table",
        changed(TABLE, "ops", next(iter(json.loads(TABLE)["ops"])), "latency_ms", value=999_999_999.0),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_broke_a_door_is_refused(name, tmp_path):
    door, data = REFUSED[name]
    assert not passes(DOORS[door], data, tmp_path)


@pytest.mark.parametrize("name", SAVED)
def test_what_did_not_come_back_does(name, tmp_path):
    door, data = SAVED[name]
    assert passes(DOORS[door], data, tmp_path)


@pytest.mark.parametrize("left", [b"", b'{"turn": 3'])
def test_a_journal_with_other_line_ends_loses_no_event(left, tmp_path):
    """An editor had made CR LF of every line end, and its first reading cut as many characters off the last event."""
    path, header = tmp_path / "journal", {"format": "test"}
    events = [{"turn": number, "note": "a\u2028b"} for number in range(3)]
    lines = [json.dumps(each, ensure_ascii=False).encode() for each in (header, *events)]
    path.write_bytes(b"\r\n".join([*lines, left]))
    for _ in range(2):
        with Journal(path, header) as journal:
            assert journal.events == events
    with Journal(path, header) as journal:
        journal.append({"turn": 3})
    with Journal(path, header) as journal:
        assert journal.events == [*events, {"turn": 3}]


HEAD = b'{"format": "hwsearch-preset", "version": 1, '
LARGE = {
    "a preset with more than a million keys": (
        "preset",
        HEAD + b",".join(b'"%d":1' % number for number in range(1_300_000)) + b"}",
    ),
    "a preset of 60 MB": ("preset", HEAD + b'"x":[' + b"1," * 30_000_000 + b"1]}"),
    "a module of a million lines": ("timm", b"a=1\n" * 1_000_000),
    "a table of 12 million cells": ("trained", b"a,b\n" + b"," * 12_000_000),
}


@pytest.mark.skipif(sys.platform != "linux", reason="a limit of memory is set as Linux has it")
@pytest.mark.parametrize("name", LARGE)
def test_what_is_far_too_large_takes_no_gigabytes(name, tmp_path):
    """Refused by a process that may not have more than 2 GiB."""
    door, data = LARGE[name]
    (tmp_path / "large").write_bytes(data)
    (tmp_path / "folder").mkdir()
    code = (
        f"import resource, sys\nsys.path[:0] = {sys.path!r}\nfrom pathlib import Path\n"
        "from doors import DOORS, passes\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\n"
        "folder = Path(sys.argv[2])\n"
        "assert not passes(DOORS[sys.argv[1]], (folder / 'large').read_bytes(), folder / 'folder')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, door, str(tmp_path)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,  # a process that has run out of memory may not even end
    )
    assert done.returncode == 0, done.stderr[-500:]


def test_a_long_line_keeps_its_ends(tmp_path):
    """What is cut off is what a file holds, not where it is and not what to do."""
    error = InputError("x" * 10_000, where="file.json", allowed="less", next_command="hwsearch presets")
    assert str(error).startswith("file.json: xxx")
    assert str(error).endswith("xxx ...; allowed: less; next: hwsearch presets")
    assert len(str(error)) < 4000
    assert error.what == "x" * 10_000
    assert len(str(FaultsError("f" * 5000, ["x" * 999] * 99, next_command="y" * 9999))) <= 4900
    several = FaultsError("file.json", ["a: " + "x" * 9999, "b: " + "y" * 9999, "c: is missing"])
    assert str(several).endswith(" | c: is missing")
    assert "b: yyy" in str(several)
