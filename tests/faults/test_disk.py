"""A disk that is full, a folder that may not be written: one line, exit code 2, nothing half-written."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from command_lines import TINY_NETWORK, error_lines, finish, hwsearch, start

ROOM_KB = 256

pytestmark = pytest.mark.skipif(os.name != "posix", reason="file systems are mounted")


@contextlib.contextmanager
def mounted(folder: Path, options: str):
    """A small file system of its own on ``folder``; the test is skipped where none may be mounted."""
    folder.mkdir(exist_ok=True)
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root mounts file systems")
    done = subprocess.run([mount, "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no file system may be mounted here: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def disk(tmp_path):
    with mounted(tmp_path / "disk", f"size={ROOM_KB}k") as folder:
        yield folder


def fill(disk: Path, leave: int) -> None:
    """Take all of the disk but ``leave`` bytes (in whole pages)."""
    free = shutil.disk_usage(disk).free
    (disk / "ballast").write_bytes(b"x" * max(0, free - leave))


def left(disk: Path) -> list[str]:
    return sorted(str(path.relative_to(disk)) for path in disk.rglob("*") if path.is_file() and path.name != "ballast")


def refused(arguments: list[str], folder: Path) -> None:
    code, _, errors = hwsearch(arguments, folder)
    lines = error_lines(errors)
    assert len(lines) == 1, errors
    assert code == 2, errors
    assert "No space left on device" in lines[0] or "Read-only file system" in lines[0] or "denied" in lines[0], errors


@pytest.mark.parametrize("leave", [0, 4096, 8192, 16384])
def test_a_profile_on_a_full_disk(leave, inputs, disk):
    """Where the journal is refused, or the table at the end."""
    (disk / "old.json").write_text("old", encoding="utf-8")
    fill(disk, leave)
    small = ["--space", str(inputs / "tiny.yaml"), "--seconds", "0.5", "--covers", "1", "--held-out", "4"]
    refused(["profile", *small, "-o", str(disk / "old.json"), "--force"], inputs)
    assert (disk / "old.json").read_text(encoding="utf-8") == "old"
    assert set(left(disk)) <= {"old.json", "old.json.partial"}


def test_what_the_full_disk_refused_is_measured_no_second_time(inputs, disk):
    fill(disk, 16384)
    small = ["--space", str(inputs / "tiny.yaml"), "--seconds", "0.5", "--covers", "1", "--held-out", "4"]
    command = ["profile", *small, "-o", str(disk / "table.json")]
    refused(command, inputs)
    (journal,) = left(disk)
    events = (disk / journal).read_text(encoding="utf-8").count("\n")
    assert events > 10
    (disk / "ballast").unlink()
    code, _, errors = hwsearch(command, inputs)
    assert code == 0, errors
    assert left(disk) == ["table.json"]


@pytest.mark.parametrize("leave", [0, 4096, 65536])
def test_a_search_on_a_full_disk(leave, inputs, disk):
    fill(disk, leave)
    refused(["search", "--table", "a100", "--budget", "latency_ms<=0.2", "-o", str(disk / "run")], inputs)
    assert set(left(disk)) <= {"run/run.json", "run/table.json", "run/search.json", "run/search.checkpoint"}


@pytest.mark.parametrize("to", ["onnx", "timm", "keras-hub", "huggingface"])
def test_an_export_on_a_full_disk(to, inputs, disk):
    old = disk / "export"
    old.mkdir()
    (old / "README.md").write_text("old", encoding="utf-8")
    fill(disk, 0)
    refused(["export", "efficientnet-b0", "--to", to, "-o", str(disk / "export")], inputs)
    assert (old / "README.md").read_text(encoding="utf-8") == "old"
    assert left(disk) == ["export/README.md"]


def test_a_report_on_a_full_disk(inputs, disk):
    code, _, errors = hwsearch(["search", "--table", "a100", "-o", "run"], inputs)
    assert code == 0, errors
    (disk / "report.html").write_text("old", encoding="utf-8")
    fill(disk, 8192)
    refused(["report", "run", "-o", str(disk / "report.html")], inputs)
    assert (disk / "report.html").read_text(encoding="utf-8") == "old"
    assert left(disk) == ["report.html"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("arguments", [["presets"], ["estimate", "efficientnet-b0", "--json"]])
def test_a_full_disk_for_what_is_printed(arguments, inputs):
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        process = start(arguments, inputs, stdout=full)
        code, _, errors = finish(process)
    assert code == 2
    assert error_lines(errors) == ["error: standard output: No space left on device"]
    assert len(errors.splitlines()) == 1


COMMANDS = {
    "profile": ["profile", "--space", "{inputs}/tiny.yaml", "-o", "{disk}/table.json"],
    "search": ["search", "--table", "a100", "-o", "{disk}/run"],
    "run": ["run", "--table", "a100", "-o", "{disk}/run"],
    "scale": ["scale", "efficientnet-b0", "-o", "{disk}/family"],
    "export": ["export", TINY_NETWORK, "--to", "timm", "-o", "{disk}/export"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_that_may_not_be_written(name, inputs, tmp_path):
    """A file system mounted read-only stops root as well."""
    with mounted(tmp_path / "disk", "ro,size=64k") as folder:
        refused([each.format(inputs=inputs, disk=folder) for each in COMMANDS[name]], inputs)
        assert left(folder) == []
