"""What a person may write for a network: a preset's name, a file, a run, or the text form itself."""

from __future__ import annotations

import re
from pathlib import Path

from hwsearch.errors import InputError, nearest_name
from hwsearch.family import SUFFIX as FAMILY_SUFFIX
from hwsearch.family import load_family
from hwsearch.importing import import_network
from hwsearch.json_file import parse_json, read_text
from hwsearch.notation import parse
from hwsearch.preset import FORMAT, NAME_PATTERN, Preset, load_preset, reference_presets
from hwsearch.run_directory import RunDirectory, load_summary

WINNER_ROLES = ("best", "same_top1", "same_latency")
"""Whom a run's folder stands for: the first of these that it has. ``RUN:same_latency`` asks for another."""

MAX_LINES = 10_000


def find_network(text: str) -> Preset:
    """The network that ``text`` means; InputError with what would be understood."""
    stripped = text.strip()
    references = reference_presets()
    if stripped in references:
        return references[stripped]
    if _is_text_form(stripped):
        return Preset("network", parse(stripped))
    path, _, role = stripped.partition(":")
    if path and _exists(Path(path)):
        return _from_path(Path(path), role)
    raise InputError(
        f"{stripped[:60]!r} is no network",
        allowed="a preset's name, a preset file, a run's folder, an exported model, or the text form",
        nearest=nearest_name(stripped[:60], references),
        next_command="hwsearch presets",
    )


def find_networks(texts: list[str], file: Path | None = None) -> list[Preset]:
    """All of them, and those of a file with one network a line (# starts a comment); at least one.

    A family's file stands for its members.
    """
    found = [preset for text in texts for preset in _members(text)]
    if file is not None:
        found += _from_lines(file)
    if not found:
        raise InputError("no network was given", allowed="NET..., or --file NETS.txt", next_command="hwsearch presets")
    return found


def _members(text: str) -> list[Preset]:
    path = Path(text.strip())
    if not (text.strip().endswith(FAMILY_SUFFIX) and _exists(path)):
        return [find_network(text)]
    return [variant.preset() for variant in load_family(path).variants]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that no file system takes
        return False


def _is_text_form(text: str) -> bool:
    return any(word.startswith(("ds_", "ir_")) for word in text.split())


def _from_lines(file: Path) -> list[Preset]:
    lines = read_text(file).splitlines()
    if len(lines) > MAX_LINES:
        raise InputError(f"{len(lines)} lines", where=str(file), allowed=f"at most {MAX_LINES}")
    found = []
    for number, line in enumerate(lines, start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            found += _members(text)
        except InputError as error:
            raise InputError(str(error), where=f"{file}, line {number}") from None
    return found


def _from_path(path: Path, role: str) -> Preset:
    if path.is_dir() and RunDirectory(path).config.exists():
        return _winner(path, role)
    if role:
        raise InputError(f"{str(path)!r} is no run, so it has no {role!r}", next_command="hwsearch run")
    if path.is_file() and path.suffix == ".json" and _is_preset(path):
        return load_preset(path)
    return Preset(_plain_name(path), import_network(path))


def _is_preset(path: Path) -> bool:
    data = parse_json(read_text(path), str(path))
    return isinstance(data, dict) and data.get("format") == FORMAT


def _winner(path: Path, role: str) -> Preset:
    summary_path = RunDirectory(path).summary
    if not summary_path.exists():
        raise InputError("the run is not finished", where=str(path), next_command="repeat its command to resume it")
    summary = load_summary(summary_path)
    roles = (role,) if role else WINNER_ROLES
    for wanted in roles:
        record = summary.by_role(wanted)
        if record is not None:
            return Preset(record.name, record.architecture, provenance={"run": path.name, "role": wanted})
    present = sorted({each.role for each in summary.networks if each.role})
    raise InputError(f"the run has no {role or 'winner'}", where=str(path), allowed=", ".join(present))


def _plain_name(path: Path) -> str:
    words = re.findall(r"[a-z0-9]+", path.resolve().stem.lower())
    name = "-".join(words)[:60].strip("-")
    return name if re.fullmatch(NAME_PATTERN, name) else "network"
