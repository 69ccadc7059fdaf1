"""What is shipped: a wheel that does the main job with its declared dependencies alone, and an sdist that makes it."""

from __future__ import annotations

import email
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest
from tiny_space import TINY_SPACE

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

needs_hatchling = pytest.mark.skipif(find_spec("hatchling") is None, reason="hatchling is not installed")


def run(arguments: list[str], folder: Path) -> str:
    """Standard output of a command that must end well, without the variables of this process's Python."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HWSEARCH"))}
    done = subprocess.run(
        arguments, cwd=folder, env={**environment, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout


def build(source: Path, kind: str, folder: Path) -> Path:
    """One distribution of a source tree; the build backend is asked directly, so that nothing is downloaded."""
    run([sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(folder)], source)
    (made,) = folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    return build(ROOT, "wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    return build(ROOT, "sdist", tmp_path_factory.mktemp("sdist"))


def contents(wheel: Path) -> dict[str, str]:
    """The digest of every file of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: hashlib.sha256(archive.read(name)).hexdigest() for name in archive.namelist()}


def is_shipped(path: Path) -> bool:
    return path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"


def source_files() -> dict[str, Path]:
    """Where each file of the package and each data file must lie in a wheel."""
    found = {f"hwsearch/{path.relative_to(ROOT / 'hwsearch')}": path for path in (ROOT / "hwsearch").rglob("*")}
    for folder in ("search_spaces", "latency_tables"):
        found |= {f"hwsearch/data/{folder}/{path.name}": path for path in (ROOT / folder).iterdir()}
    return {name: path for name, path in found.items() if is_shipped(path)}


@needs_hatchling
def test_the_wheel_holds_the_package_its_data_and_nothing_else(wheel):
    found = contents(wheel)
    package = {name: digest for name, digest in found.items() if ".dist-info/" not in name}
    assert package == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in source_files().items()}
    for name in (
        *("hwsearch/py.typed", "hwsearch/scaling/published_results.json", "hwsearch/reference_presets.json"),
        *("hwsearch/accuracy/imagenet_top1.npz", "hwsearch/report/templates/page.html.jinja"),
        *("hwsearch/data/search_spaces/efficientnet-b0.yaml", "hwsearch/data/latency_tables/a100.json"),
        f"hwsearch-{PROJECT['version']}.dist-info/licenses/LICENSE",
    ):
        assert name in found


@needs_hatchling
def test_the_wheel_says_what_the_project_says(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
        said = email.message_from_bytes(archive.read(name))
        entry_points = archive.read(name.replace("METADATA", "entry_points.txt")).decode()
    required = [each for each in said.get_all("Requires-Dist") if "extra ==" not in each]
    assert sorted(re.split("[<>=]", each)[0].lower() for each in required) == sorted(core_dependencies())
    assert set(said.get_all("Provides-Extra")) == set(PROJECT["optional-dependencies"])
    assert (said["Name"], said["Version"], said["Requires-Python"]) == ("hwsearch", PROJECT["version"], ">=3.11")
    assert "hwsearch = hwsearch.cli:main" in entry_points


@needs_hatchling
def test_the_sdist_makes_the_same_wheel(sdist, wheel, tmp_path):
    with tarfile.open(sdist) as archive:
        names = [Path(*Path(name).parts[1:]) for name in archive.getnames()]
        archive.extractall(tmp_path, filter="data")
    top = {path.parts[0] for path in names if path.parts}
    assert {"LICENSE", "README.md", "tests", "docs", "requirements", "search_spaces", "latency_tables"} <= top
    assert not top & {"runs", "reports", "build", "dist", ".venv", ".ci"}
    (unpacked,) = tmp_path.iterdir()
    again = build(unpacked, "wheel", tmp_path / "again")
    differing = set(contents(again).items()) ^ set(contents(wheel).items())
    assert {name for name, _ in differing} <= {f"hwsearch-{PROJECT['version']}.dist-info/RECORD"}


def core_dependencies() -> list[str]:
    return [re.split("[<>=]", each)[0].lower() for each in PROJECT["dependencies"]]


def needed(names: list[str]) -> set[str]:
    """The distributions that some need in turn, without extras: what an installer would bring."""
    from packaging.requirements import Requirement

    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        for text in metadata.distribution(name).requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(re.sub(r"[-_.]+", "-", requirement.name).lower())
    return found


def link(name: str, site: Path) -> None:
    """Put the files of an installed distribution into another environment."""
    distribution = metadata.distribution(name)
    for file in distribution.files or ():
        source = Path(str(distribution.locate_file(file)))
        if ".." in file.parts or not source.exists():
            continue  # a script
        target = site / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Iterator[Path]:
    """The ``bin`` of an environment with the wheel and what its metadata asks for, no more: no extra, no checkout.

    The dependencies are those of this environment, linked one by one, so that it takes seconds and no network.
    """
    if find_spec("packaging") is None:
        pytest.skip("packaging is not installed")
    folder = tmp_path_factory.mktemp("installed") / "venv"
    run([sys.executable, "-m", "venv", "--without-pip", str(folder)], folder.parent)
    python = folder / "bin" / "python"
    if not python.exists():
        pytest.skip("environments lie otherwise here")
    site = Path(run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder).strip())
    for name in sorted(needed(core_dependencies())):
        link(name, site)
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    run([*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)], folder)
    yield folder / "bin"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def job(installed, tmp_path_factory):
    """The installed command in a folder outside the repository; a run is there already."""
    folder = tmp_path_factory.mktemp("job")
    command = functools.partial(lambda line: run([str(installed / "hwsearch"), *line.split()], folder))
    (folder / "tiny.yaml").write_text(TINY_SPACE, encoding="utf-8")
    command("-q search --table epyc-onnxruntime-f32 --evaluations 2000 -o run")
    return command, folder


@needs_hatchling
def test_the_environment_is_empty_but_for_the_core(installed, tmp_path):
    code = (
        "import importlib.util, json, hwsearch, numpy\n"
        "names = ['torch', 'openvino', 'dask', 'timm', 'transformers', 'pytest', 'hatchling', 'scipy']\n"
        "print(json.dumps([hwsearch.__file__, [n for n in names if importlib.util.find_spec(n)]]))"
    )
    place, extras = json.loads(run([str(installed / "python"), "-c", code], tmp_path))
    assert extras == []
    assert not Path(place).resolve().is_relative_to(ROOT)


@needs_hatchling
def test_an_installed_hwsearch_knows_what_is_shipped(job):
    command, _ = job
    listed = json.loads(command("targets --json"))
    text = json.dumps(listed)
    for path in (ROOT / "latency_tables").glob("*.json"):
        assert path.stem in text
    assert command("--version").strip() == f"hwsearch {PROJECT['version']}"


@needs_hatchling
def test_an_installed_hwsearch_searches_and_reports(job):
    command, folder = job
    summary = json.loads((folder / "run" / "summary.json").read_text(encoding="utf-8"))
    assert {"reference", "same_top1", "same_latency"} <= {each["role"] for each in summary["networks"]}
    command("-q report run -o report.html")
    assert (folder / "report.html").read_text(encoding="utf-8").rstrip().endswith("</html>")


@needs_hatchling
def test_an_installed_hwsearch_scales(job):
    command, _ = job
    variants = json.loads(command("scale efficientnet-b0 --phi 1 --table epyc-onnxruntime-f32 --json"))["variants"]
    assert all(each["macs"] > 385_814_752 for each in variants)


@needs_hatchling
@pytest.mark.parametrize(("to", "file"), [("timm", "hwsearch_efficientnet_b0.py"), ("onnx", "*.onnx")])
def test_an_installed_hwsearch_exports(job, to, file):
    command, folder = job
    command(f"-q export efficientnet-b0 --to {to} -o exports/{to}")
    assert list((folder / "exports" / to).glob(file))


@needs_hatchling
def test_an_installed_hwsearch_measures(job):
    command, folder = job
    command("-q profile --target cpu --space tiny.yaml --seconds 0.2 --covers 1 --held-out 2 -o table.json")
    table = json.loads((folder / "table.json").read_text(encoding="utf-8"))
    assert table["setup"]["target"] == "cpu"
    assert all(op["latency_ms"] >= 0 for op in table["ops"].values())


@needs_hatchling
def test_what_needs_an_extra_says_so(installed, tmp_path):
    done = subprocess.run(
        [str(installed / "hwsearch"), "measure", "efficientnet-b0", "--target", "torch"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert "pip install 'hwsearch[torch]'" in done.stderr


def loaded_by(code: str) -> set[str]:
    """Top-level modules, but those of the standard library, that are there after some code and not before it."""
    probe = (
        f"import sys\nbefore = set(sys.modules)\n{code}\n"
        "print(sorted({m.partition('.')[0] for m in set(sys.modules) - before} - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", probe], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1].replace("'", '"')))


def test_importing_the_library_imports_nothing_else():
    assert loaded_by("import hwsearch") == {"hwsearch"}


def test_help_imports_the_command_line_parser_alone():
    known = needed(["typer"]) if find_spec("packaging") else set()
    allowed = {"hwsearch", "typer", "annotated_doc", "shellingham", "click", "typing_extensions", "rich"}
    loaded = loaded_by("import hwsearch.cli\nhwsearch.cli.run(['--help'])")
    assert loaded <= allowed | {name.replace("-", "_") for name in known}
    heavy = {"numpy", "pandas", "pydantic", "yaml", "onnx", "onnxruntime", "plotly", "jinja2", "torch", "openvino"}
    assert not loaded & heavy
