"""The terminal: 80 columns, colour only where there is one, quiet, completion, examples."""

from __future__ import annotations

import os
import pty
import re
import struct
import subprocess
import sys
import termios
from fcntl import ioctl

import pytest

from hwsearch import console
from hwsearch.cli import run

COMMANDS = (
    *("run", "targets", "profile", "merge", "validate", "estimate", "measure"),
    *("search", "scale", "export", "presets", "report", "accuracy fit"),
)
TABLES = (
    "targets",
    "presets",
    "estimate efficientnet-b0 mobilenet-v2 --table a100",
    "estimate efficientnet-b0 --table epyc-onnxruntime-f32 --by stage",
    "scale efficientnet-b0 --phi 0:7 --table epyc-onnxruntime-f32",
    "scale efficientnet-b0 --coefficients search --table epyc-onnxruntime-f32",
    "search --table epyc-onnxruntime-f32 --evaluations 400",
)
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture(autouse=True)
def loud_afterwards():
    yield
    console.set_quiet(False)


def on_a_terminal(arguments, folder, columns=80):
    """What a command writes on a terminal of so many columns: stdout and stderr, as bytes come."""
    parent, child = pty.openpty()
    ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns)}
    environment.pop("NO_COLOR", None)
    program = [sys.executable, "-c", "from hwsearch.cli import main; main()", *arguments]
    process = subprocess.Popen(
        program, stdout=child, stderr=subprocess.DEVNULL, stdin=child, cwd=folder, env=environment
    )
    os.close(child)
    written = b""
    while True:
        try:
            read = os.read(parent, 65536)
        except OSError:  # the other end was closed
            break
        if not read:
            break
        written += read
    assert process.wait(timeout=60) == 0
    os.close(parent)
    return written.decode()


@pytest.mark.parametrize("command", TABLES)
def test_tables_fit_80_columns(command, tmp_path):
    written = ESCAPE.sub("", on_a_terminal(command.split(), tmp_path)).replace("\r", "")
    lines = written.splitlines()
    rules = [number for number, line in enumerate(lines) if line.strip() and set(line.strip()) == {"─"}]
    assert rules, "no table was drawn"
    for rule in rules:
        table = [line for line in lines[rule:] if line.strip()]
        body = table[: next((n for n, line in enumerate(table) if n and not line.startswith(" ")), len(table))]
        assert all(len(line) <= 80 for line in body), body


def test_colour_is_for_terminals(tmp_path):
    assert "\x1b[" in on_a_terminal(["presets"], tmp_path)
    piped = subprocess.run(
        [sys.executable, "-c", "from hwsearch.cli import main; main()", "presets"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert "\x1b[" not in piped.stdout
    assert not any(line.endswith(" ") for line in piped.stdout.splitlines())


def test_wide_headings_are_broken_before_anything_else(capsys):
    console.print_table(["network", "predicted ms", "MACs M"], [["n" * 66, "1.25", "386"]])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert [line.split() for line in lines[:2]] == [["predicted"], ["network", "ms", "MACs", "M"]]
    console.print_table(["network", "predicted ms", "MACs M"], [["n", "1.25", "386"]])
    assert "predicted ms  MACs M" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["-q", "scale"], ["scale", "-q"], ["scale", "--phi", "2", "--quiet"]])
def test_quiet_is_understood_before_and_behind_a_command(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "efficientnet-b0-lite" in captured.out


def test_behind_two_dashes_quiet_is_a_network_that_does_not_exist(capsys):
    assert run(["estimate", "--", "-q"]) == 2
    assert "'-q' is no network" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("hwsearch sc", {"scale"}),
        ("hwsearch estimate efficientnet-lite", {f"efficientnet-lite{index}" for index in range(5)}),
        ("hwsearch search --table zc", {"zcu102"}),
        ("hwsearch search --space efficientnet-l", {"efficientnet-lite"}),
        ("hwsearch measure --target op", {"openvino"}),
        ("hwsearch measure --target comm", {"command:"}),
        ("hwsearch export efficientnet-b0 --to keras-", {"keras-hub", "keras-cv"}),
        ("hwsearch estimate --table my", {"mytable.json"}),
        ("hwsearch estimate ne", {"net.preset.json"}),
    ],
)
def test_the_tab_key_completes(typed, offered, tmp_path):
    (tmp_path / "mytable.json").touch()
    (tmp_path / "net.preset.json").touch()
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1), "_HWSEARCH_COMPLETE": "complete_bash"}
    found = subprocess.run(
        [sys.executable, "-c", "from hwsearch.cli.app import app; app(prog_name='hwsearch')"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, **words},
    )
    assert set(found.stdout.split()) == offered, found.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_80_columns_and_has_an_example(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*command.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert f"hwsearch {command}" in text.partition("Examples:")[2].partition("Options:")[0]
    assert all(len(line) <= 100 for line in text.splitlines())


def test_the_list_of_commands_is_told_in_full(capsys):
    assert run(["--help"]) == 0
    listed = capsys.readouterr().out.partition("Commands:")[2]
    assert all(f"  {command.split()[0]} " in listed for command in COMMANDS)
    assert "..." not in listed.replace("ONNX, ...", "")
