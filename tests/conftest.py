"""What the whole suite needs before any library is imported."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# helpers of a test folder are imported by their plain names
sys.path.insert(0, str(Path(__file__).resolve().parent / "export"))


@pytest.fixture(scope="session")
def torchvision_operators() -> None:
    """Lets timm and transformers import a torchvision that was built for CUDA beside a CPU torch."""
    pytest.importorskip("torch", reason="torch is not installed: pip install 'hwsearch[torch]'")
    from torchvision_operators import declare_torchvision_operators

    declare_torchvision_operators()
