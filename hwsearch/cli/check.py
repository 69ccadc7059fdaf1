"""``estimate --check``: the built torch module, counted by fvcore, against our arithmetic."""

from __future__ import annotations

import importlib.util

from hwsearch.cost import cost
from hwsearch.errors import HwsearchError, missing_package
from hwsearch.preset import Preset


def independent_counts(preset: Preset) -> dict[str, int]:
    """MACs (batch 1) and params as fvcore and torch count them; refused where they differ from ours."""
    for package in ("torch", "fvcore"):
        if importlib.util.find_spec(package) is None:
            raise missing_package(package, "torch")
    import logging

    import torch
    from fvcore.nn import FlopCountAnalysis

    from hwsearch.module import build

    logging.getLogger("fvcore").setLevel(logging.ERROR)
    module = build(preset.architecture).eval()
    side = preset.architecture.resolution
    analysis = FlopCountAnalysis(module, torch.zeros(1, 3, side, side))
    # fvcore also counts batch norms and pooling, which are no multiply-adds of ours
    by_operator = analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).by_operator()
    found = {
        "macs": int(by_operator["conv"] + by_operator["linear"]),
        "params": sum(parameter.numel() for parameter in module.parameters()),
    }
    price = cost(preset.architecture)
    if found != {"macs": price.macs, "params": price.params}:
        raise HwsearchError(f"{preset.name}: fvcore counts {found}, hwsearch {price}")
    return found
