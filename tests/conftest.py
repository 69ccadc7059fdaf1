"""What the whole suite needs before any library is imported."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# helpers of a test folder are imported by their plain names
sys.path.insert(0, str(Path(__file__).resolve().parent / "export"))

_KEPT = []


@pytest.fixture(scope="session")
def torchvision_operators() -> None:
    """Lets a torchvision built for CUDA import beside a CPU torch: timm and transformers import it.

    Such a torchvision registers its operators in a shared object that does not load; declaring two of them is
    all that its Python side asks for.
    """
    if importlib.util.find_spec("torchvision") is None or "torchvision" in sys.modules:
        return
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'hwsearch[torch]'")
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEPT.append(library)  # the declarations end with the object
