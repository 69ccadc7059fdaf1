"""What a killed process leaves beside a file is removed by the next one that writes it, and nothing else is."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import uuid
from pathlib import Path

import pytest

from hwsearch import part_file
from hwsearch.cli import run
from hwsearch.errors import InputError
from hwsearch.json_file import write_text

pytestmark = pytest.mark.skipif(os.name != "posix", reason="process numbers are asked as POSIX has them")

DEAD = 2**22 + 1  # above what a process number can be


def left_by(pid: int, name: str = "table.json", place: str | None = None) -> str:
    return f".{name}.{pid}-{part_file._place() if place is None else place}.{uuid.uuid4().hex}.part"


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path):
    code = (
        "import os, signal\nfrom pathlib import Path\nfrom hwsearch.json_file import write_text\n"
        "os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"write_text(Path({str(tmp_path / 'table.json')!r}), 'new')\n"
    )
    (tmp_path / "table.json").write_text("old", encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    (left, target) = names(tmp_path)
    assert re.fullmatch(r"\.table\.json\.\d+-[0-9a-f]{8}\.[0-9a-f]{32}\.part", left)
    assert (tmp_path / target).read_text(encoding="utf-8") == "old"
    write_text(tmp_path / "table.json", "newer")
    assert names(tmp_path) == ["table.json"]
    assert (tmp_path / "table.json").read_text(encoding="utf-8") == "newer"


def test_only_what_nobody_can_be_writing_is_removed(tmp_path):
    gone = [left_by(DEAD), left_by(os.getpid())]
    kept = [
        left_by(os.getppid()),
        left_by(DEAD, place="01234567"),  # of another machine or container
        left_by(DEAD, name="summary.json"),
        left_by(DEAD).removesuffix(".part"),
        ".table.json.x1y2z3.part",
        f".table.json.{DEAD}.part",
        "table.json.part",
    ]
    for name in (*gone, *kept):
        (tmp_path / name).write_text("half", encoding="utf-8")
    write_text(tmp_path / "table.json", "new")
    assert names(tmp_path) == sorted([*kept, "table.json"])


def test_the_same_process_does_not_remove_what_another_of_its_threads_writes(tmp_path):
    with part_file.part_file(tmp_path / "table.json") as part:
        part.write_text("half", encoding="utf-8")
        writer = threading.Thread(target=write_text, args=(tmp_path / "table.json", "new"))
        writer.start()
        writer.join()
        assert part.read_text(encoding="utf-8") == "half"
        assert (tmp_path / "table.json").read_text(encoding="utf-8") == "new"
        part.replace(tmp_path / "table.json")
    assert names(tmp_path) == ["table.json"]


def test_many_processes_write_one_file_while_others_are_killed(tmp_path):
    """No writer loses its part to another's sweep, the file is always whole, and at the end nothing else is there."""
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom hwsearch.json_file import write_text\n"
        f"path, text = Path({str(tmp_path / 'table.json')!r}), sys.argv[1] * 2000\n"
        "for number in range(60):\n    write_text(path, text)\n    assert len(set(path.read_text())) == 1\n"
        "if sys.argv[1] in 'ab':\n    os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)\n"
        "    write_text(path, text)\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, letter]) for letter in "abcd"]
    try:
        assert [writer.wait(timeout=120) for writer in writers] == [-signal.SIGKILL, -signal.SIGKILL, 0, 0]
    finally:
        for writer in writers:
            writer.kill()
    write_text(tmp_path / "table.json", "end")
    assert names(tmp_path) == ["table.json"]


def test_what_cannot_be_removed_does_not_stop_a_write(tmp_path):
    (tmp_path / left_by(DEAD)).mkdir()
    write_text(tmp_path / "table.json", "new")
    assert (tmp_path / "table.json").read_text(encoding="utf-8") == "new"


def test_a_name_as_long_as_file_systems_take_can_be_written(tmp_path):
    name = "é" * 125 + ".json"  # 255 bytes
    write_text(tmp_path / name, "new")
    assert names(tmp_path) == [name]
    with pytest.raises(InputError, match="cannot be written"):
        write_text(tmp_path / ("x" + name), "new")
    assert names(tmp_path) == [name]


def test_what_a_killed_export_left_is_removed_by_the_next(tmp_path):
    export = ["export", "efficientnet-b0", "--to", "timm", "-o", str(tmp_path / "out")]
    code = (
        "import os, signal, sys\nfrom hwsearch.cli import main\n"
        "os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)\nmain()\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *export], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    assert [re.sub(r"\d+-\w+\.\w+", "_", name) for name in names(tmp_path / "out")] == [".export._.part"]
    assert run(export) == 0
    assert names(tmp_path / "out") == ["hwsearch_efficientnet_b0.py"]
