"""The lock: every package that ``make test`` installs, by version and digest, and none that it must not."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

pytest.importorskip("packaging", reason="packaging is not installed")
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "requirements"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ENTRY = re.compile(r"^([A-Za-z0-9][\w.-]*)==([^\s\\;]+)((?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)


def lines(name: str) -> list[str]:
    text = (REQUIREMENTS / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def pins(name: str) -> dict[str, Version]:
    """The versions of a file that holds nothing but pins."""
    found = [line.split("==") for line in lines(name)]
    return {canonicalize_name(package): Version(version) for package, version in found}


ENTRIES = ENTRY.findall((REQUIREMENTS / "lock.txt").read_text(encoding="utf-8"))
LOCK = {canonicalize_name(name): Version(version) for name, version, _ in ENTRIES}
UNPULLED = set(pins("libraries.txt"))
"""Installed without what they ask for themselves."""


def declared() -> list[Requirement]:
    """What pyproject.toml asks for: to build, to run, and for every extra."""
    project = PROJECT["project"]
    texts = [*PROJECT["build-system"]["requires"], *project["dependencies"]]
    texts += [each for extra in project["optional-dependencies"].values() for each in extra]
    return [requirement for requirement in map(Requirement, texts) if requirement.name != project["name"]]


@pytest.mark.parametrize("requirement", declared(), ids=str)
def test_every_declared_dependency_is_locked_to_a_version_that_it_takes(requirement):
    assert requirement.specifier.contains(LOCK[canonicalize_name(requirement.name)], prereleases=True)


@pytest.mark.parametrize("name", ["constraints.txt", "libraries.txt"])
def test_what_is_pinned_by_hand_is_locked_to_that(name):
    for package, version in pins(name).items():
        assert str(LOCK[package]).partition("+")[0] == str(version), package


def test_every_file_is_known_by_its_digest():
    entries = [line for line in lines("lock.txt") if not line.startswith(" ")]
    assert len(entries) == len(ENTRIES) == len(LOCK)
    for name, _, rest in ENTRIES:
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", rest), name


def test_no_package_for_a_gpu_is_locked():
    """A torch from the package index would bring gigabytes of them."""
    assert LOCK["torch"].local == "cpu"
    assert not [name for name in LOCK if name.startswith(("nvidia", "cuda", "triton", "tensorflow", "jax"))]


@pytest.mark.parametrize("package", sorted(set(LOCK) - UNPULLED))
def test_the_lock_is_complete(package):
    """What a locked package needs is locked as well."""
    try:
        distribution = metadata.distribution(package)
    except metadata.PackageNotFoundError:
        pytest.skip("not installed")
    if Version(distribution.version) != LOCK[package]:
        pytest.skip(f"{distribution.version} is installed")
    for text in distribution.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            name = canonicalize_name(requirement.name)
            assert requirement.specifier.contains(LOCK[name], prereleases=True), text


@pytest.mark.skipif(
    not (Path(sys.prefix) / ".locked").exists(), reason="this environment was not installed by the lock"
)
def test_what_is_installed_is_what_is_locked():
    installed = {name: Version(metadata.version(name)) for name in LOCK}
    assert installed == LOCK
