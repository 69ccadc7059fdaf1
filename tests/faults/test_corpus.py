"""A corpus of bad inputs: none gives a traceback, each one error line and the right exit code, and leaves no file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_lines import ROOT, TINY_SPACE
from corpus import Case, cases
from fakes import fake_table

from hwsearch import console
from hwsearch.cli import run
from hwsearch.latency_table import save_table
from hwsearch.space_file import load_space


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> list[Case]:
    folder = tmp_path_factory.mktemp("sound")
    (folder / "tiny.yaml").write_text(TINY_SPACE, encoding="utf-8")
    save_table(fake_table(load_space(str(folder / "tiny.yaml"))), folder / "table.json")
    arguments = ["--space", str(folder / "tiny.yaml"), "--accuracy", "none", "--table", str(folder / "table.json")]
    arguments += ["--objective", "macs", "--objective", "latency_ms"]
    assert run(["-q", "search", *arguments, "-o", str(folder / "run")]) == 0
    found = [json.loads((folder / name).read_text()) for name in ("table.json", "run/summary.json", "run/run.json")]
    return list(cases(*found))


def fault(case: Case, folder: Path, capsys) -> str:
    """What is wrong with how a case is answered; empty if nothing is."""
    for name, data in case.files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    before = sorted(folder.rglob("*"))
    code = run(list(case.arguments))
    errors = capsys.readouterr().err
    lines = [line for line in errors.splitlines() if line.startswith("error:")]
    found = []
    if code != case.code:
        found.append(f"exit code {code}, not {case.code}")
    if "Traceback" in errors:
        found.append("a traceback")
    if len(lines) != 1 or not errors.endswith(lines[-1] + "\n"):
        found.append(f"{len(lines)} error lines, not one at the end")
    if any(len(line) > 5000 for line in lines):
        found.append(f"a line of {max(map(len, lines))} characters")
    new = sorted(str(path.relative_to(folder)) for path in set(folder.rglob("*")) - set(before))
    if new:
        found.append(f"left {new}")
    return f"{case.name}: {', '.join(found)}: {errors[:300]!r}" if found else ""


def test_every_bad_input_is_refused_in_one_line(corpus, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("HWSEARCH_DEBUG", raising=False)
    assert len(corpus) >= 200
    faults = []
    for number, case in enumerate(corpus):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        faults.append(fault(case, folder, capsys))
        console.set_quiet(False)
    wrong = [each for each in faults if each]
    assert not wrong, f"{len(wrong)} of {len(corpus)}:\n" + "\n".join(wrong)
    assert (ROOT / "hwsearch").is_dir()
