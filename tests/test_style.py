"""Files and functions stay small enough to be read at once."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "hwsearch"
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_FILE, MAX_FUNCTION, USUAL_FUNCTION = 400, 60, 45


def functions(path):
    """Name and lines of every function of a file, its docstring not counted (a command's is its help)."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = ast.get_docstring(node) is not None
            docstring = first.end_lineno - first.lineno + 1 if documented else 0
            yield f"{path.relative_to(PACKAGE)}: {node.name}", node.end_lineno - node.lineno + 1 - docstring


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_is_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_FILE


def test_functions_are_short():
    found = {name: lines for path in FILES for name, lines in functions(path)}
    assert {name: lines for name, lines in found.items() if lines > MAX_FUNCTION} == {}
    assert sum(lines <= USUAL_FUNCTION for lines in found.values()) >= 0.9 * len(found)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_the_library_does_not_print_or_leave(path):
    """Only the person's floor prints and exits."""
    if path.parent.name == "cli" or path.name == "console.py":
        pytest.skip("the person's floor")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("print", "exit", "quit", "input", "eval", "exec")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_error_is_swallowed(path):
    """An ``except`` names its errors, and one that catches everything raises again or turns it into an exit code."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ExceptHandler):
            continue
        assert node.type is not None
        caught = {each.id for each in ast.walk(node.type) if isinstance(each, ast.Name)}
        if caught & {"Exception", "BaseException"}:
            raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
            assert raises or path.parent.name == "cli"
        assert not all(isinstance(statement, ast.Pass) for statement in node.body)
