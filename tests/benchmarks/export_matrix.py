"""What each export can say, by trying: ``python tests/benchmarks/export_matrix.py --docs docs/exports.md``.

Random networks of every shipped space, their scaled variants and the published networks are exported to every format;
each export is rebuilt by the library it is for, with the same weights, and its logits are compared with those of
``hwsearch.build``. The table replaces the one between the markers of the document.

KerasCV needs TensorFlow, so it usually has an environment of its own: ``--formats keras-cv --docs docs/exports.md``,
run there, replaces that column of the table. Where KerasCV cannot be imported, its files are read back by hwsearch's
reader of KerasCV configurations only, and the cell has no difference.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "torch")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "export"))

import ported
from torchvision_operators import declare_torchvision_operators

from hwsearch.architecture import Architecture
from hwsearch.coefficients import STYLES
from hwsearch.cost import cost
from hwsearch.export import EXPORTERS, export
from hwsearch.export.exporter import Padding
from hwsearch.preset import Preset, reference_presets
from hwsearch.scaling import scale_phi
from hwsearch.search_space import SearchSpace
from hwsearch.shipped import shipped_names
from hwsearch.space_file import load_space
from hwsearch.weights import random_weights

BEGIN, END = "<!-- export matrix: begin -->", "<!-- export matrix: end -->"
TOLERANCE = 1e-4
FORMATS = tuple(EXPORTERS)
REBUILD = {
    "timm": ported.rebuild_timm,
    "huggingface": ported.rebuild_huggingface,
    "keras-hub": ported.rebuild_keras_hub,
    "keras-cv": ported.rebuild_keras_cv,
    "torch": ported.rebuild_torch,
}


@dataclass
class Cell:
    """One group of networks in one format."""

    networks: int = 0
    said: int = 0
    equal: int = 0
    largest: float = 0.0
    """Largest difference of logits, relative to the largest logit."""

    @property
    def text(self) -> str:
        if not self.said:
            return "refused"
        share = "all" if self.said == self.networks else f"{self.said} of {self.networks}"
        assert self.equal == self.said, (self.equal, self.said)
        return f"{share} ({self.largest:.0e})" if self.largest else share


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=int, default=30, help="random networks of each space")
    parser.add_argument("--docs", type=Path, help="the document whose table is replaced")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS, help="these columns only")
    arguments = parser.parse_args()
    declare_torchvision_operators()
    rows = {}
    for group, padding, networks in groups(arguments.networks):
        cells = {to: measure(networks, to, padding, group).text for to in FORMATS if to in arguments.formats}
        rows[f"{group}, {padding}"] = cells
    print(markdown(rows))
    if arguments.docs:
        replace_table(arguments.docs, rows)


def groups(count: int) -> Iterator[tuple[str, Padding, list[Architecture]]]:
    """Every group of networks with the padding it is exported with."""
    for name in shipped_names("search_spaces", ".yaml"):
        space = load_space(name)
        networks = sampled(space, count)
        yield f"{name} ({count} random)", "same", networks
        yield f"{name} ({count} random)", "symmetric", networks
        for style in STYLES:
            scaled = [scale_phi(network, 1, style).architecture for network in networks]
            yield f"{name}, those scaled to {style} phi 1 ({count})", "same", scaled
        away = [scale_phi(network, phi, "b").architecture for network in networks[:4] for phi in (-1, 2)]
        yield f"{name}, scaled to b phi -1 and 2 ({len(away)})", "same", away
    networks = [with_squeeze_excite(network) for network in sampled(load_space("efficientnet-b0"), count)]
    yield f"efficientnet-b0, se_ratio 0.25 in every stage ({count} random)", "same", networks
    scaled = [scale_phi(network, 1, "b").architecture for network in networks]
    yield f"efficientnet-b0, se_ratio 0.25 in every stage, those scaled to b phi 1 ({count})", "same", scaled
    published = [preset.architecture.with_resolution(112) for preset in reference_presets().values()]
    for family in ("efficientnet-b", "efficientnet-lite", "m"):
        members = [
            architecture
            for (name, _), architecture in zip(reference_presets().items(), published, strict=True)
            if name.startswith(family)
        ]
        title = {"m": "mobilenet-v2, mnasnet-a1, mnasnet-b1"}.get(family, f"{family}0 to {len(members) - 1}")
        yield f"{title} at 112 pixels", "same", members


def sampled(space: SearchSpace, count: int) -> list[Architecture]:
    """Random networks at many resolutions, odd and even: the first two at 224 and 225."""
    rng = np.random.default_rng(2024)
    found = [space.decode(row) for row in space.sample(count, rng)]
    sides = [224, 225, *rng.integers(64, 140, size=count).tolist()]
    return [network.with_resolution(int(side)) for network, side in zip(found, sides, strict=False)]


def with_squeeze_excite(architecture: Architecture) -> Architecture:
    """The network with squeeze-excite in every stage and an even side: what transformers asks for."""
    stages = tuple(dataclasses.replace(stage, se_ratio=0.25) for stage in architecture.stages)
    return dataclasses.replace(architecture, stages=stages, resolution=architecture.resolution // 2 * 2)


def measure(networks: list[Architecture], to: str, padding: Padding, group: str) -> Cell:
    """Export, rebuild and compare every network of a group in one format."""
    cell = Cell(len(networks))
    for index, architecture in enumerate(networks):
        preset = Preset(f"network-{index}", architecture)
        if EXPORTERS[to].limits(preset, padding):
            continue
        cell.said += 1
        with tempfile.TemporaryDirectory() as folder:
            difference = compare(preset, to, Path(folder), padding)
        if difference > TOLERANCE:
            print(f"DIFFERS {difference:.1e}: {group} {to} {architecture.text}", file=sys.stderr)
            continue
        cell.equal += 1
        cell.largest = max(cell.largest, difference)
    print(group, padding, to, cell, file=sys.stderr, flush=True)
    return cell


def compare(preset: Preset, to: str, folder: Path, padding: Padding) -> float:
    """The relative difference of the logits; 1 when the parameters differ, 0 where only the file is read back."""
    architecture = preset.architecture
    written = export(preset, to, folder, padding)
    if to == "keras-cv" and not keras_cv_runs():
        return 0.0
    weights, image = random_weights(architecture), ported.image_of(architecture)
    ours = ported.our_logits(architecture, weights, image, padding)
    if to == "onnx":
        return ported.difference(ours, ported.onnx_logits(written.files[0].read_bytes(), image))
    if to == "openvino":
        import openvino

        settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
        compiled = openvino.Core().compile_model(written.files[-1], "CPU", settings)
        return ported.difference(ours, compiled(image)[0])
    rebuilt = REBUILD[to](architecture, weights, image, written.files)
    if rebuilt.params != cost(architecture).params:
        return 1.0
    return ported.difference(ours, rebuilt.logits)


@functools.cache
def keras_cv_runs() -> bool:
    """Whether KerasCV is here, and TensorFlow, without which it cannot be imported."""
    try:
        importlib.import_module("keras_cv")
    except ImportError:
        return False
    return True


def markdown(rows: dict[str, dict[str, str]]) -> str:
    """The table: networks said, and in brackets the largest relative difference of their logits."""
    formats = next(iter(rows.values())).keys()
    lines = ["| networks, padding | " + " | ".join(formats) + " |", "|---|" + "---|" * len(formats)]
    lines += [f"| {name} | " + " | ".join(cells.values()) + " |" for name, cells in rows.items()]
    return "\n".join(lines)


def replace_table(path: Path, rows: dict[str, dict[str, str]]) -> None:
    """Put the table between the markers of a document; columns that were not measured stay as they are there."""
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    old, after = rest.split(END)
    merged = {name: {**cells_of(old).get(name, {}), **cells} for name, cells in rows.items()}
    missing = {(name, to) for name, cells in merged.items() for to in FORMATS if to not in cells}
    if missing:
        raise SystemExit(f"{path} has no cells for {sorted(missing)}: measure all formats first")
    ordered = {name: {to: cells[to] for to in FORMATS} for name, cells in merged.items()}
    path.write_text(f"{before}{BEGIN}\n\n{markdown(ordered)}\n\n{END}{after}", encoding="utf-8")


def cells_of(table: str) -> dict[str, dict[str, str]]:
    """What a table of ours says: the cells of a row by format; nothing where there is none yet."""
    split = [[cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines() if "|" in line]
    formats = split[0][1:] if split else []
    return {name: dict(zip(formats, cells, strict=True)) for name, *cells in split[2:]}


if __name__ == "__main__":
    main()
