"""The README is run: its commands in order, through the console entry; what it shows, names and links to exists.

Two are shortened. ``profile`` measures a tiny space (``--space``, ``--covers``, ``--held-out``, ``--seconds``); a
shipped table stands in for the ``cpu.json`` that it would have written, because the budgets of the later commands are
those of that device. ``make demo`` is run from this table too (``run --table``), so that nothing is measured there.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from markdown_pages import ROOT, anchors, blocks, links, prose
from tiny_space import TINY_SPACE

from hwsearch.cli import run
from hwsearch.cli.app import app
from hwsearch.latency_table import load_table, save_table

README = "README.md"
PAGES = [
    *(README, "CONTRIBUTING.md", "CHANGELOG.md", "reports/README.md"),
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md")),
]
BLOCKS = blocks(README)
STAND_IN = ROOT / "latency_tables" / "epyc-onnxruntime-f32.json"
QUICK = ("--space", "tiny.yaml", "--covers", "1", "--held-out", "4", "--seconds", "0.1")
DETERMINISTIC = ("scale", "export")
"""Commands that only count: they must print the very text of the README."""


def leaf_commands(group, prefix=""):
    for name, each in group.commands.items():
        if hasattr(each, "commands"):
            yield from leaf_commands(each, f"{name} ")
        elif not each.hidden:
            yield prefix + name, each


COMMANDS = dict(leaf_commands(typer.main.get_command(app)))
OPTIONS = {name: {option for each in found.params for option in each.opts} for name, found in COMMANDS.items()}
ANY_OPTION = set().union(*OPTIONS.values()) | {"--help", "--quiet", "--version"}


def shown_commands():
    """Each command of the README with the output that stands below it ('' where none does)."""
    found = []
    for index, block in enumerate(BLOCKS):
        if block.text.startswith("hwsearch "):
            after = BLOCKS[index + 1] if index + 1 < len(BLOCKS) else None
            *silent, last = block.text.splitlines()
            found += [(line, "") for line in silent]
            found.append((last, after.text if after and after.follows and after.language == "" else ""))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("readme")
    (found / "tiny.yaml").write_text(TINY_SPACE, encoding="utf-8")
    # named as the profile of the README names it
    save_table(dataclasses.replace(load_table(STAND_IN), name="cpu"), found / "stand-in.json")
    shutil.copy(found / "stand-in.json", found / "cpu.json")
    return found


def console(arguments, folder):
    """What a command of the installed ``hwsearch`` prints; it must succeed."""
    script = Path(sys.executable).with_name("hwsearch")
    program = [script] if script.is_file() else [sys.executable, "-c", "from hwsearch.cli import main; main()"]
    environment = {**os.environ, "COLUMNS": "200"}
    done = subprocess.run(
        [*program, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=300, env=environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def lines_of(text):
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def shape_of(line):
    """A line with its numbers, its device and the names made of them masked."""
    line = re.sub(r"─+", "─", line)
    line = re.sub(r"\b(of|on) [^,]+, onnxruntime", r"\1 DEVICE, onnxruntime", line)
    line = re.sub(r"\bfound-[\w.-]+", "found-#", line)
    line = re.sub(r"(?<![\w-])-?\d[\d,.]*(?<![,.])", "#", line)
    return re.sub(r"(?<=\s)-(?=\s|$)", "#", " ".join(line.split()))


def is_within(part, whole):
    """Whether lines stand in others one after the other."""
    return any(part == whole[start : start + len(part)] for start in range(len(whole) - len(part) + 1))


def test_shapes_mask_numbers_and_nothing_else():
    assert shape_of(" stage 0   0.347     -0.202") == shape_of(" stage 1   1.2     9")
    assert shape_of("171 ops of AMD EPYC, onnxruntime 1.31.1, f32") == "# ops of DEVICE, onnxruntime #, f32"
    assert shape_of(" found-cpu-4.54ms  as good  -  65.76 ") == "found-# as good # #"
    assert shape_of("efficientnet-b0") != shape_of("efficientnet-b1")
    assert shape_of("a  b") != shape_of("a  c")
    assert not is_within(["a", "c"], ["a", "b", "c"])


def test_the_tour_has_the_five_commands():
    assert [shlex.split(line)[1] for line, _ in shown_commands()] == [
        *("profile", "search", "estimate", "scale", "export")
    ]
    assert [bool(output) for _, output in shown_commands()] == [True, False, True, True, True]


@pytest.mark.parametrize(("line", "shown"), shown_commands(), ids=[line[:40] for line, _ in shown_commands()])
def test_a_command_of_the_readme_runs_and_prints_what_it_shows(line, shown, folder):
    program, command, *arguments = shlex.split(line)
    assert program == "hwsearch"
    if command == "profile":
        (folder / "cpu.json").unlink()
        arguments += QUICK
    printed, wanted = lines_of(console([command, *arguments], folder)), lines_of(shown)
    if command == "profile":
        assert (folder / "cpu.json").is_file()
        shutil.copy(folder / "stand-in.json", folder / "cpu.json")
    assert printed
    if command not in DETERMINISTIC:
        printed, wanted = [shape_of(each) for each in printed], [shape_of(each) for each in wanted]
    assert is_within(wanted, printed), f"{line}\nREADME:\n{chr(10).join(wanted)}\nnow:\n{chr(10).join(printed)}"


def test_a_run_ends_as_the_readme_shows(folder):
    (shown,) = [block for block in BLOCKS if block.text.startswith("latency on ")]
    printed = [shape_of(line) for line in lines_of(console(["run", "--table", "stand-in.json", "-o", "run"], folder))]
    assert is_within([shape_of(line) for line in lines_of(shown.text)], printed)
    assert (folder / "run" / "report.html").is_file()


def test_make_demo_is_what_the_readme_says():
    demo = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\ndemo:")[2].partition("\n\n")[0]
    assert "hwsearch run --target cpu" in demo
    assert "`make demo` runs `hwsearch run --target cpu`" in prose(README)
    targets = re.findall(r"^make (\w+)", "".join(block.text for block in BLOCKS), re.MULTILINE)
    assert targets == ["demo", "test"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(f"\n{target}:" in makefile for target in targets)


def snippets(page):
    """Everything in code: spans, and lines of blocks."""
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose(page))]
    return [*spans, *(line for block in blocks(page) if block.language == "" for line in block.text.splitlines())]


def command_of(words):
    """The longest command that words begin with; '' for none."""
    return next((name for name in (" ".join(words[:2]), *words[:1]) if name in COMMANDS), "")


@pytest.mark.parametrize("page", PAGES)
def test_every_command_with_its_options_exists(page):
    for snippet in snippets(page):
        match = re.match(r"(?:\$ )?hwsearch ((?:[a-z]\S*|--?\w+).*)", snippet)
        if match is None:
            continue
        words = match[1].partition(" #")[0].split()
        if words[0] == "NAME" or words[0] in ANY_OPTION:
            continue
        command = command_of(words)
        hidden = {"fit-tables"}
        assert command or words[0] in hidden, f"{page}: hwsearch {words[0]} is no command"
        used = {re.split(r"[=,.]", word)[0] for word in words if re.match(r"--?[a-z]", word)}
        unknown = used - OPTIONS.get(command, ANY_OPTION) - {"--help", "-h"}
        assert not unknown, f"{page}: hwsearch {command} has no {unknown}"


def test_every_option_that_the_readme_names_is_in_a_help():
    texts = {name: help_of(name) for name in COMMANDS}
    for snippet in snippets(README):
        words = snippet.removeprefix("hwsearch ").split()
        if not words or words[0] in ("pip", "make"):
            continue
        command = command_of(words)
        for option in re.findall(r"(?<!\S)--[a-z][a-z-]+", snippet):
            where = [texts[command]] if command else texts.values()
            assert any(re.search(rf"{option}\b", text) for text in where), f"{option} of {snippet!r}"


def help_of(command):
    context = COMMANDS[command].make_context(command, ["--help"], resilient_parsing=True)
    return COMMANDS[command].get_help(context)


def examples_of(text):
    """The command lines of a help, each put together where it was wrapped."""
    found: list[str] = []
    inside = False
    for line in text.partition("Example")[2].splitlines()[1:]:
        if line.strip().startswith("hwsearch "):
            found.append(line.strip())
            inside = True
        elif inside and line.strip():
            found[-1] += " " + line.strip()
        elif found:
            break
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_has_examples_that_it_understands(command, capsys):
    assert run([*command.split(), "--help"]) == 0
    examples = examples_of(capsys.readouterr().out)
    assert examples, f"hwsearch {command} --help has no example"
    parsed = [shlex.split(example, comments=True)[1:] for example in examples]
    assert any(" ".join(words).startswith(command) for words in parsed)
    for words in parsed:
        name = command_of(words)
        COMMANDS[name].make_context(name, words[len(name.split()) :])  # parsed only: bad usage is raised


def test_the_readme_names_every_command():
    said = {command_of(words) for words in (each.removeprefix("hwsearch ").split() for each in snippets(README))}
    assert set(COMMANDS) <= said


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for target in links(page):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        file = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert file.exists(), f"{page}: {target}"
        if anchor:
            assert anchor in anchors(str(file.relative_to(ROOT))), f"{page}: {target}"


def test_every_page_is_linked_from_the_readme():
    linked = {target.partition("#")[0] for target in links(README)}
    assert {page for page in PAGES if page.startswith("docs/")} <= linked
