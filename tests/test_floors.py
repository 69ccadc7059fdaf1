"""The one direction of the design: modules import from their floor or below, and packages stay behind their doors."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "hwsearch"

FLOORS = {
    # 0 words: frozen values and pure functions
    "errors": 0,
    "architecture": 0,
    "notation": 0,
    "operation": 0,
    "cost": 0,
    "device": 0,
    "ranking": 0,
    "rounding": 0,
    "latency": 0,
    "pareto": 0,
    "budget": 0,
    "coefficients": 0,
    "stage_arrays": 0,
    "weights": 0,
    "least_squares": 0,
    "op_price": 0,
    # 1 files: collections, and the only code that knows their format
    "json_file": 1,
    "shipped": 1,
    "preset": 1,
    "search_space": 1,
    "space_file": 1,
    "latency_table": 1,
    "part_file": 1,
    "journal": 1,
    "lock_file": 1,
    "record": 1,
    "run_directory": 1,
    "family": 1,
    "importing": 1,
    "networks": 1,
    # 2 judges: what measures or predicts a network
    "graph": 2,
    "quantisation": 2,
    "module": 2,
    "torch_network": 2,
    "runtimes": 2,
    "profiling": 2,
    "executor": 2,
    "dask_executor": 2,
    "estimate": 2,
    "growth_estimate": 2,
    "family_latency": 2,
    "accuracy": 2,
    "judge": 2,
    "scoring": 2,
    # 3 movers: what makes new networks from old
    "evolution": 3,
    "scaling": 3,
    "winners": 3,
    # 4 outlets: plain data in, files out
    "export": 4,
    "report": 4,
    # 5 person: the story, words and pixels
    "pipeline": 5,
    "console": 5,
    "cli": 5,
}

STANDARD_LIBRARY = sys.stdlib_module_names

EVERYWHERE = {"numpy", "pandas"}
"""The arrays that everything computes with, and the frames that tables leave as."""

ZERO_COST = ("grad_norm", "naswot", "surgery", "synflow", "zen")

DOORS = {
    "onnx": {"graph", "quantisation", "export.onnx_file"},
    "onnxruntime": {"runtimes.onnx_runtime"},
    "openvino": {"runtimes.openvino_runtime", "export.openvino_ir"},
    "torch": {
        *("module", "torch_network", "runtimes.torch_runtime", "cli.check"),
        # the predictor is fitted with torch and used without it; zero-cost proxies judge the torch module
        *("accuracy.distil", "accuracy.fitting", "accuracy.gaussian_process", "accuracy.perceptrons"),
        *("accuracy.proxies", *(f"accuracy.zero_cost.{name}" for name in ZERO_COST)),
    },
    "fvcore": {"cli.check"},
    "yaml": {"space_file"},
    "pydantic": {
        *("json_file", "preset", "space_file", "latency_table", "record", "run_directory", "family"),
        *("importing.foreign", "importing.keras_config", "importing.huggingface_config"),
        # files that a measurement, a search and a study of scaling leave
        *("profiling.measurement", "evolution.state", "scaling.published_law"),
    },
    "jinja2": {"report.page"},
    "markupsafe": {"report.page"},
    "plotly": {"report.page"},
    "typer": {
        *("cli", "cli.app", "cli.options", "cli.networks_commands"),
        *("cli.scale_command", "cli.search_commands", "cli.table_commands"),
    },
    "rich": {"console"},
    "distributed": {"dask_executor"},
}

CORE = {"onnx", "yaml", "pydantic", "typer"}
"""What may be imported as soon as its door is; every other package is imported where it is used."""

EARLY_DOORS = {"torch_network", *(f"accuracy.zero_cost.{name}" for name in ZERO_COST)}
"""Modules that are imported only where torch is known to be there."""

FORBIDDEN_NAMES = {"utils", "util", "helpers", "common", "misc", "core", "base", "manager"}

MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}
MODULES["__init__"] = MODULES.pop("__init__")


def type_checking_only(tree):
    """The nodes that only a type checker sees."""
    guarded = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            guarded.update(id(inner) for statement in node.body for inner in ast.walk(statement))
    return guarded


def at_import(tree):
    """The nodes that run when the module is imported: those in no function."""
    inside = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inside.update(id(inner) for inner in ast.walk(node) if inner is not node)
    return {id(node) for node in ast.walk(tree)} - inside


def imports_of(name):
    """(imported name, whether at import time) of every import that runs, with names of hwsearch made relative."""
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    guarded, early = type_checking_only(tree), at_import(tree)
    for node in ast.walk(tree):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            found = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for each in found:
            yield each, id(node) in early


def own_imports(name):
    """Modules of hwsearch that a module imports."""
    for imported, early in imports_of(name):
        if imported.partition(".")[0] != "hwsearch":
            continue
        parts = imported.split(".")[1:]
        while parts and ".".join(parts) not in MODULES:
            parts.pop()
        yield ".".join(parts) or "__init__", early


def floor_of(name):
    return FLOORS[name.partition(".")[0]]


def test_every_module_has_a_floor_and_every_floor_its_modules():
    top = {name.partition(".")[0] for name in MODULES} - {"__init__"}
    assert top == set(FLOORS)


@pytest.mark.parametrize("name", [name for name in MODULES if name != "__init__"])
def test_arrows_point_down(name):
    for imported, _ in own_imports(name):
        if imported != "__init__":  # the version
            assert floor_of(imported) <= floor_of(name), f"{name} imports upwards from {imported}"


def test_the_package_itself_imports_nothing_when_it_is_imported():
    assert [imported for imported, early in own_imports("__init__") if early] == []


def test_there_is_no_cycle():
    """Depth first over what is imported at import time; a package is not a module that imports its parts' users."""
    graph = {name: {each for each, early in own_imports(name) if early and each != name} for name in MODULES}
    done, path = set(), []

    def visit(name):
        assert name not in path, "a cycle: " + " -> ".join([*path[path.index(name) :], name])
        if name in done:
            return
        path.append(name)
        for each in sorted(graph[name]):
            visit(each)
        path.pop()
        done.add(name)

    for name in graph:
        visit(name)


@pytest.mark.parametrize("name", MODULES)
def test_packages_of_others_stay_behind_their_doors(name):
    for imported, early in imports_of(name):
        package = imported.partition(".")[0]
        if package in STANDARD_LIBRARY or package in EVERYWHERE or package == "hwsearch":
            assert not (package == "pandas" and early), f"{name} imports pandas before it is used"
            continue
        assert package in DOORS, f"{name} imports {package}, which has no door"
        assert name in DOORS[package], f"{name} imports {package}, whose doors are {sorted(DOORS[package])}"
        if early and package not in CORE:
            assert name in EARLY_DOORS, f"{name} imports {package} before it is used"


@pytest.mark.parametrize("package", ["keras", "keras_hub", "timm", "transformers", "dask", "tensorflow"])
def test_some_packages_are_never_imported(package):
    users = [name for name in MODULES if package in {each.partition(".")[0] for each, _ in imports_of(name)}]
    assert users == []


def test_doors_are_used():
    for package, doors in DOORS.items():
        used = {name for name in doors if package in {each.partition(".")[0] for each, _ in imports_of(name)}}
        assert used == doors, f"{package}: {sorted(doors - used)} do not import it"


def test_no_module_has_a_name_that_says_nothing():
    for name in MODULES:
        assert not FORBIDDEN_NAMES & set(name.split("."))


def test_words_are_pure():
    """Floor 0: the standard library and numpy alone."""
    for name in MODULES:
        if name != "__init__" and floor_of(name) == 0:
            foreign = {each.partition(".")[0] for each, _ in imports_of(name)} - STANDARD_LIBRARY - {"hwsearch"}
            assert foreign <= {"numpy"}, name
