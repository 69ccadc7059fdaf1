"""What the whole suite needs before any library is imported."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

# A shell that starts a job in the background lets it ignore Ctrl-C, and its children inherit that; those of the tests
# are interrupted, so they must be able to hear it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


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
