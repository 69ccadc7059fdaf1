"""The small inputs of every test of faults, in an empty folder."""

from __future__ import annotations

import pytest
from command_lines import DEVICE, TINY_SPACE, known_space


@pytest.fixture
def inputs(tmp_path):
    """A folder with the inputs; what a test writes goes elsewhere."""
    found = tmp_path / "inputs"
    found.mkdir()
    (found / "tiny.yaml").write_text(TINY_SPACE, encoding="utf-8")
    (found / "part.yaml").write_text(known_space(), encoding="utf-8")
    (found / "device.sh").write_text(DEVICE, encoding="utf-8")
    (found / "device.sh").chmod(0o755)
    return found
