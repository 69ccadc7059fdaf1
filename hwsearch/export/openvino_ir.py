"""OpenVINO IR (.xml and .bin, f32) converted from our ONNX graph; needs the package openvino."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hwsearch.architecture import Architecture
from hwsearch.cost import cost
from hwsearch.errors import InputError, missing_package
from hwsearch.export.exporter import Padding
from hwsearch.export.onnx_file import model_bytes, size_limits
from hwsearch.json_file import write_bytes
from hwsearch.notation import parse
from hwsearch.preset import Preset

_RUNTIME_INFO = ["hwsearch", "text"]
_BATCH_AND_CHANNELS = 2


@dataclass(frozen=True, slots=True)
class OpenVinoExporter:
    """``NAME.xml`` and ``NAME.bin``."""

    name: str = "openvino"
    summary: str = "OpenVINO IR (.xml and .bin, f32, batch 1), random weights"

    def limits(self, preset: Preset, padding: Padding = "same") -> list[str]:
        """Those of the ONNX file it is converted from."""
        return size_limits(preset.architecture)

    def write(self, preset: Preset, folder: Path, padding: Padding = "same") -> tuple[Path, ...]:
        """The weights, then the graph; UnavailableError without openvino."""
        openvino = _openvino()
        with tempfile.TemporaryDirectory() as scratch:
            source = Path(scratch) / "network.onnx"
            source.write_bytes(model_bytes(preset.architecture, padding))
            model = openvino.convert_model(source)
            model.set_rt_info(preset.architecture.text, _RUNTIME_INFO)
            # half-precision weights, the default, would change the logits
            openvino.save_model(model, Path(scratch) / "network.xml", compress_to_fp16=False)
            files = folder / f"{preset.name}.bin", folder / f"{preset.name}.xml"
            for path in files:
                write_bytes(path, (Path(scratch) / f"network{path.suffix}").read_bytes())
        return files

    def read_back(self, files: tuple[Path, ...]) -> Architecture:
        """The text of the graph's info, after its multiply-adds were counted and found to be its."""
        model = _openvino().Core().read_model(files[-1])
        architecture = parse(str(model.get_rt_info(_RUNTIME_INFO).value))
        counted = sum(_macs(node) for node in model.get_ordered_ops())
        if counted != cost(architecture).macs:
            raise InputError(
                f"{counted:,} multiply-adds in the graph, {cost(architecture).macs:,} in its text", where=str(files[-1])
            )
        return architecture

    def usage(self, preset: Preset, folder: Path) -> str:
        """Compiled in f32: the default precision of newer CPUs is bf16."""
        return (
            "import openvino\n"
            f"model = openvino.Core().compile_model({str(folder / (preset.name + '.xml'))!r}, "
            '"CPU", {"INFERENCE_PRECISION_HINT": "f32"})\n'
            "logits = model(image)[0]  # (1, 3, "
            f"{preset.architecture.resolution}, {preset.architecture.resolution}) f32\n"
        )


def _macs(node: Any) -> int:  # noqa: ANN401 - openvino is untyped
    if node.get_type_name() not in ("Convolution", "GroupConvolution", "MatMul"):
        return 0
    positions = [int(side) for side in node.get_output_shape(0)][_BATCH_AND_CHANNELS:]
    weights = [int(side) for side in node.get_input_shape(1)]
    return math.prod(positions) * math.prod(weights)


def _openvino() -> Any:  # noqa: ANN401 - openvino is untyped
    try:
        import openvino
    except ModuleNotFoundError as error:
        if error.name != "openvino":
            raise
        raise missing_package("openvino", "openvino") from None
    return openvino
