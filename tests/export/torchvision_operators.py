"""A torchvision built for CUDA does not import beside a CPU torch, and timm and transformers import it.

Such a torchvision registers its operators in a shared object that does not load; declaring two of them is all
that its Python side asks for.
"""

from __future__ import annotations

import importlib.util
import sys

_KEPT = []


def declare_torchvision_operators() -> None:
    """Declare the two operators that torchvision's Python side asks for, where its own shared object does not load."""
    import torch

    if importlib.util.find_spec("torchvision") is None or "torchvision" in sys.modules:
        return
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _KEPT.append(library)  # the declarations end with the object
