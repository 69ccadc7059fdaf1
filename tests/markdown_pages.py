"""What tests need of a Markdown page: its fenced blocks, its headings, its links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Block:
    """A fenced block, and where it stands."""

    page: str
    """Path from the repository's root."""
    line: int
    """Of its first line of content."""
    language: str
    text: str
    heading: str
    """The last one above it."""
    follows: bool
    """Whether nothing stands between it and the block before."""

    @property
    def place(self) -> str:
        """``docs/accuracy.md:9``."""
        return f"{self.page}:{self.line}"


def blocks(page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found: list[Block] = []
    language, start, heading, between = None, 0, "", "text"
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, start=1):
        if language is None and line.startswith("```"):
            language, start = line[3:].strip(), number + 1
        elif language is not None and line == "```":
            text = "\n".join(lines[start - 1 : number - 1]) + "\n"
            found.append(Block(page, start, language, text, heading, not between))
            language, between = None, ""
        elif language is None:
            between += line.strip()
            if line.startswith("#"):
                heading = line.lstrip("#").strip()
    assert language is None, f"{page}: a block that does not end"
    return found


def prose(page: str) -> str:
    """A page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def sections(page: str) -> dict[str, str]:
    """Each heading with all that stands below it, until a heading of its level or above."""
    found = {}
    headings = list(re.finditer(r"^(#+) (.+)$", _without_comments_in_code(page), re.MULTILINE))
    text = (ROOT / page).read_text(encoding="utf-8")
    for index, heading in enumerate(headings):
        later = [other.start() for other in headings[index + 1 :] if len(other[1]) <= len(heading[1])]
        found[heading[2].strip()] = text[heading.end() : later[0] if later else len(text)]
    return found


def _without_comments_in_code(page: str) -> str:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```$", lambda block: re.sub(r"(?m)^#", "-", block[0]), text, flags=re.DOTALL | re.MULTILINE)


def anchors(page: str) -> set[str]:
    """The names under which GitHub links to the headings of a page."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", _without_comments_in_code(page), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        name, number = slug, 0
        while name in found:
            number += 1
            name = f"{slug}-{number}"
        found.add(name)
    return found


def links(page: str) -> list[str]:
    """The targets of a page's links and pictures, without those in code."""
    text = re.sub(r"`[^`\n]*`", "", prose(page))
    return re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"(?:href|src)=\"([^\"]+)\"", text)
