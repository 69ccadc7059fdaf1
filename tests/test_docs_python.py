"""Every ```python block of the pages is run: ``>>>`` as doctests, the others as they stand, page by page."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import importlib.util
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_pages import ROOT, Block, blocks
from sample_networks import SPECIAL, preset

from hwsearch.cost import cost
from hwsearch.export import export
from hwsearch.graph import to_onnx
from hwsearch.notation import parse
from hwsearch.weights import random_image

PAGES = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]
PYTHON = {page: [block for block in blocks(page) if block.language == "python"] for page in PAGES}

ELSEWHERE = {
    "docs/devices.md": "a script with arguments: below, and tests/test_command_target.py profiles with it",
    "docs/exports.md": "one part a library, with placeholders for folder and name: below",
    "docs/extending.md": "plug-ins: tests/test_docs_extending.py",
}
IN_ORDER = [page for page in PAGES if PYTHON[page] and page not in ELSEWHERE]

SEARCHED = """
from hwsearch.accuracy import load_signal
from hwsearch.budget import parse_budgets
from hwsearch.estimate import TableEstimator
from hwsearch.evolution import search, settings_for
from hwsearch.latency_table import find_table, load_table
from hwsearch.scoring import Scorer
from hwsearch.space_file import load_space
space = load_space("efficientnet-b0")
scorer = Scorer(space, load_signal(), [TableEstimator(load_table(find_table("a100")))])
budgets = parse_budgets(["latency_ms<=0.125"])
best = search(space, scorer, budgets=budgets, settings=settings_for(5000)).best
"""
BEFORE = {"docs/search.md": SEARCHED}
"""What a page's blocks take for granted."""
INSTEAD = {"docs/search.md": [("seconds=60", "seconds=0.2")]}
"""What is shortened: the proof ends with a bound that holds, and a gap."""


def is_here(package):
    return importlib.util.find_spec(package) is not None


def needs_torch(block):
    return "torch" in block.text or "hwsearch.build(" in block.text


def text_of(block):
    text = block.text
    for old, new in INSTEAD.get(block.page, []):
        assert old in text, f"{block.place}: {old} is no longer there"
        text = text.replace(old, new)
    return text


def run_block(block: Block, names: dict[str, object]) -> None:
    if ">>>" not in block.text:
        exec(compile("\n" * (block.line - 1) + text_of(block), block.page, "exec"), names)
        return
    test = doctest.DocTestParser().get_doctest(text_of(block), names, block.place, block.page, block.line - 1)
    test.globs = names
    said: list[str] = []
    found = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append, clear_globs=False)
    assert found.attempted > 0
    assert found.failed == 0, "".join(said)


@pytest.fixture
def in_a_folder(tmp_path, monkeypatch):
    """An empty folder with the table that the pages call cpu.json."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    shutil.copy(ROOT / "latency_tables" / "epyc-onnxruntime-f32.json", tmp_path / "cpu.json")
    return tmp_path


def test_every_python_block_has_its_way_of_being_run():
    assert {page for page in PAGES if PYTHON[page]} == {*IN_ORDER, *ELSEWHERE}
    assert {"README.md", "docs/python.md", "docs/scaling.md", "docs/accuracy.md", "docs/search.md"} == set(IN_ORDER)
    assert sum(len(PYTHON[page]) for page in IN_ORDER) >= 17


def test_no_python_block_hides_under_another_name():
    for page in PAGES:
        for block in blocks(page):
            assert block.language in ("", "python", "sh", "json", "jsonl", "yaml", "csv", "text"), block.place
            assert block.language == "python" or ">>>" not in block.text, block.place


@pytest.mark.usefixtures("in_a_folder")
@pytest.mark.parametrize("page", IN_ORDER)
def test_the_blocks_of_a_page_run_in_order(page):
    names: dict[str, object] = {"__name__": "page"}
    exec(BEFORE.get(page, ""), names)
    left_out = [block.place for block in PYTHON[page] if needs_torch(block) and not is_here("torch")]
    ran = 0
    for block in PYTHON[page]:
        if block.place not in left_out:
            run_block(block, names)
            ran += 1
    assert ran + len(left_out) == len(PYTHON[page])
    if left_out:
        pytest.skip(f"{ran} blocks ran; torch is not installed for {', '.join(left_out)}")


def test_the_proof_of_the_search_page_says_what_the_page_says(in_a_folder):
    names: dict[str, object] = {}
    exec(SEARCHED, names)
    (block,) = PYTHON["docs/search.md"]
    run_block(block, names)
    certificate = names["certificate"]
    assert certificate.gap >= 0
    assert certificate.proven == (certificate.gap == 0)


def test_the_script_of_the_devices_page_prints_milliseconds(tmp_path):
    (block,) = PYTHON["docs/devices.md"]
    script, model = tmp_path / "time_onnx.py", tmp_path / "model.onnx"
    script.write_text(block.text, encoding="utf-8")
    model.write_bytes(to_onnx(parse("r32 relu stem_c8 ds_r1_k3_s1_c8 head_c16 classes10")).SerializeToString())
    options = ("--batch", "1", "--threads", "1", "--precision", "f32")
    done = subprocess.run([sys.executable, script, model, *options], capture_output=True, text=True, check=True)
    assert float(done.stdout.splitlines()[-1]) > 0


PARTS = {
    "timm": ("timm", "timm"),
    "KerasHub": ("keras-hub", "keras_hub"),
    "transformers": ("huggingface", "transformers"),
    "ONNX Runtime": ("onnx", "onnxruntime"),
    "OpenVINO": ("openvino", "openvino"),
    "PyTorch": ("torch", "torch"),
}
NETWORK = SPECIAL["all-se"]
NAME = "page"


def part(library):
    """The lines of the exports page for one library, with its placeholders filled in."""
    (block,) = PYTHON["docs/exports.md"]
    found = re.split(r"^# (?=[A-Za-z ]+(?:\n|:|,))", block.text, flags=re.MULTILINE)
    (lines,) = [each for each in found if each.startswith(library)]
    return "# " + lines.replace("FOLDER", "out").replace("NAME", NAME)


def test_the_exports_page_has_a_part_for_each_library():
    (block,) = PYTHON["docs/exports.md"]
    covered = sum(len(part(library).splitlines()) for library in PARTS)
    assert covered == len(block.text.splitlines())


@pytest.mark.library
@pytest.mark.usefixtures("torchvision_operators")
@pytest.mark.parametrize("library", PARTS)
def test_the_lines_for_a_library_build_the_network(library, in_a_folder):
    to, package = PARTS[library]
    pytest.importorskip(package, reason=f"{package} is not installed")
    written = export(preset(NAME, NETWORK), to, in_a_folder / "out")
    names: dict[str, object] = {"image": random_image(NETWORK, 1)}
    importlib.invalidate_caches()  # "out" was another folder before
    exec(compile(part(library), "docs/exports.md", "exec"), names)
    sys.modules.pop(Path(written.files[0]).stem, None)
    if library == "ONNX Runtime":
        assert names["logits"].shape == (1, NETWORK.num_classes)
    elif library == "OpenVINO":
        assert names["model"](names["image"])[0].shape == (1, NETWORK.num_classes)
    elif library == "PyTorch":  # its last lines build EfficientNet-B0
        assert sum(each.numel() for each in names["model"].parameters()) == 5_288_548
    else:
        classes = NETWORK.num_classes if library == "transformers" else 10
        assert trained_numbers(names["model"]) == cost(dataclasses.replace(NETWORK, num_classes=classes)).params


def trained_numbers(model):
    """Parameters of a model of torch or of Keras, without running statistics."""
    weights = model.trainable_weights if hasattr(model, "trainable_weights") else model.parameters()
    return sum(math.prod(each.shape) for each in weights)
