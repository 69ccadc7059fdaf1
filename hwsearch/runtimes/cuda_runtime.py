"""The target ``gpu``: PyTorch on the first CUDA device."""

from __future__ import annotations

from hwsearch.runtimes import RuntimeOptions
from hwsearch.runtimes.torch_runtime import Torch, open_cuda


def open_runtime(argument: str, options: RuntimeOptions) -> Torch:
    """The runtime of the CUDA device; UnavailableError where there is none."""
    del argument
    return open_cuda(options)
