"""The plug-ins of ``docs/extending.md``, taken out of the page and used by the commands and by our own suites."""

from __future__ import annotations

import ast
import csv
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_space import TINY_SPACE

sys.path[:0] = [str(Path(__file__).parent / folder) for folder in ("accuracy", "export")]

from test_export import check_exporter  # noqa: E402
from test_runtimes import TestEveryRuntime as Conformance  # noqa: E402
from test_runtimes import one_thread  # noqa: E402, F401 - a fixture that the suite asks for

from hwsearch.accuracy import SIGNALS, load_signal  # noqa: E402
from hwsearch.cli import run  # noqa: E402
from hwsearch.cost import cost  # noqa: E402
from hwsearch.errors import InexpressibleError, InputError  # noqa: E402
from hwsearch.export import EXPORTERS, export  # noqa: E402
from hwsearch.latency_table import load_table  # noqa: E402
from hwsearch.notation import parse  # noqa: E402
from hwsearch.preset import reference_preset  # noqa: E402
from hwsearch.runtimes import TARGETS, RuntimeOptions, open_runtime  # noqa: E402
from hwsearch.stage_arrays import from_architectures  # noqa: E402

PAGE = Path(__file__).resolve().parents[1] / "docs" / "extending.md"
MOST_LINES = 60
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
MODULES = {match[1]: block for block in BLOCKS if (match := re.match(r'"""(\w+)\.py:', block))}
PLUG_INS = ("ort_levels", "layer_table", "snip")
TINY = "r32 swish stem_c8 ds_r1_k3_s1_e1_c8_se0.25 ir_r2_k5_s2_e4_c16_se0.25 head_c32 classes10"


@pytest.fixture(autouse=True)
def plugged_in(tmp_path_factory, monkeypatch):
    """The modules of the page on the path and in the dicts, for one test."""
    folder = tmp_path_factory.mktemp("plug-ins")
    for name, text in MODULES.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setitem(TARGETS, "ort", importlib.import_module("ort_levels").TARGET)
    monkeypatch.setitem(EXPORTERS, "layers", importlib.import_module("layer_table").LayerTableExporter())
    monkeypatch.setitem(SIGNALS, "snip", "snip")
    yield folder
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.yaml").write_text(TINY_SPACE, encoding="utf-8")
    return tmp_path


def json_of(capsys, *arguments):
    code = run([*arguments, "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return json.loads(captured.out)


def code_lines(block):
    """Lines of a block that are neither empty, nor a comment, nor a docstring."""
    documentation = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Expr)]
    dropped = {
        number
        for node in documentation
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for number in range(node.lineno, node.end_lineno + 1)
    }
    lines = enumerate(block.splitlines(), start=1)
    return [line for number, line in lines if number not in dropped and line.strip() and line.strip()[0] != "#"]


def test_the_page_has_three_plug_ins_the_suite_and_the_script():
    assert set(MODULES) == {*PLUG_INS, "mine"}
    assert len(BLOCKS) == len(MODULES) + 1


@pytest.mark.parametrize("name", PLUG_INS)
def test_a_plug_in_is_short(name):
    assert 10 < len(code_lines(MODULES[name])) < MOST_LINES


class TestTheRuntime(Conformance):
    """The suite of every runtime on the target of the page, in the way that the page shows."""

    @pytest.fixture(params=["ort:none", "ort:all"])
    def target(self, request):
        return request.param

    def test_the_suite_is_used_as_the_page_says(self):
        (shown,) = [block for block in BLOCKS if block not in MODULES.values()]
        found: dict[str, object] = {}
        exec(compile(shown, str(PAGE), "exec"), found)
        assert issubclass(found["TestOrtLevels"], Conformance)
        assert 'params=["ort:none", "ort:all"]' in shown

    def test_an_unknown_level_names_the_nearest(self):
        with pytest.raises(InputError, match="did you mean 'basic'"):
            open_runtime("ort:basics", RuntimeOptions())

    def test_a_level_is_another_setup(self):
        one, other = (open_runtime(f"ort:{level}", RuntimeOptions()).setup for level in ("none", "all"))
        assert one.identity != other.identity

    def test_it_is_listed_among_the_targets(self, capsys):
        (found,) = [each for each in json_of(capsys, "targets")["targets"] if each["target"] == "ort"]
        assert found["available"]

    def test_a_table_is_profiled_with_it(self, in_a_folder, capsys):
        quick = ("--covers", "1", "--held-out", "2", "--seconds", "0.1")
        found = json_of(capsys, "profile", "--target", "ort:none", "--space", "tiny.yaml", *quick, "-o", "table.json")
        table = load_table(in_a_folder / "table.json")
        assert found["setup"]["target"] == table.setup.target == "ort:none"
        assert table.method == "in_context"
        assert any(each.parts_ms.get("depthwise", 0) > 0 for each in table.ops.values())

    def test_networks_are_measured_with_it(self, capsys):
        (found,) = json_of(capsys, "measure", TINY, "--target", "ort:all", "--seconds", "0.1")["networks"]
        assert found["measured_latency_ms"] > 0


class TestTheExporter:
    def test_it_passes_the_suite_of_every_exporter(self, tmp_path):
        check_exporter("layers", tmp_path)

    def test_the_command_writes_a_table_that_adds_up(self, in_a_folder, capsys):
        found = json_of(capsys, "export", "efficientnet-b0", "--to", "layers", "-o", "out")
        assert found["files"] == ["out/efficientnet-b0_layers.csv"]
        with (in_a_folder / found["files"][0]).open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        price = cost(reference_preset("efficientnet-b0").architecture)
        assert sum(int(row["macs"]) for row in rows) == price.macs == found["macs"]
        assert sum(int(row["params"]) for row in rows) == price.params
        assert [row["row"] for row in rows][:2] == ["stem", "stage 0"]

    def test_the_usage_it_prints_works(self, in_a_folder, capsys):
        found = json_of(capsys, "export", "efficientnet-b0", "--to", "layers", "-o", "out")
        names: dict[str, object] = {}
        exec(found["usage"], names)
        assert names["table"]["params"].sum() == found["params"]

    def test_what_it_cannot_say_is_refused(self, tmp_path):
        with pytest.raises(InexpressibleError, match="padding: symmetric"):
            export(reference_preset("efficientnet-b0"), "layers", tmp_path, "symmetric")

    @pytest.mark.parametrize(
        ("old", "new"), [("10838016", "10838017"), ("_k3_", "_k4x_"), ("row,op", "row,what"), ("stage 1", "stage 0")]
    )
    def test_a_changed_table_is_not_read(self, old, new, tmp_path):
        (path,) = export(reference_preset("efficientnet-b0"), "layers", tmp_path).files
        path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
        with pytest.raises(InputError):
            EXPORTERS["layers"].read_back((path,))


class TestTheProxy:
    @pytest.fixture(autouse=True)
    def torch(self):
        return pytest.importorskip("torch", reason="torch is not installed: pip install 'hwsearch[torch]'")

    def test_it_passes_the_suite_of_every_proxy(self):
        suite = importlib.import_module("test_proxies")
        suite.test_a_proxy_is_a_signal_that_predicts_no_top1("snip")
        suite.test_a_score_depends_on_the_network_alone("snip")
        suite.test_any_activation_and_network_without_squeeze_excite_has_a_score("snip")

    def test_it_is_the_formula(self, torch):
        network = torch.nn.Module()
        network.classifier = torch.nn.Linear(2, 2, bias=False)
        network.classifier.weight.data = torch.tensor([[1.0, -3.0], [1.0, -3.0]])
        network.forward = network.classifier.forward
        # equal logits: the gradient is (-1/2, 1/2) x (3, 4), so |w g| sums to 2 (1 x 3 + 3 x 4) / 2, whatever the label
        found = importlib.import_module("snip").snip(network, torch.tensor([[3.0, 4.0]]))
        assert found == pytest.approx(15)

    def test_it_ranks_networks(self):
        wider = TINY.replace("e4", "e6")
        scores = load_signal("snip").predict(from_architectures([parse(TINY), parse(wider)])).mean
        assert np.isfinite(scores).all()
        assert scores[0] != scores[1]

    def test_a_search_goes_by_it(self, in_a_folder, capsys):
        options = ("--accuracy", "snip", "--evaluations", "6", "--budget", "params<=4k")
        found = json_of(capsys, "search", "--space", "tiny.yaml", *options)
        assert found["best"]["predicted_top1"] is None
        assert found["best"]["proxy_score"] == max(each["proxy_score"] for each in found["front"])
        assert found["best"]["params"] <= 4000


def test_the_script_of_the_page_is_an_hwsearch_with_all_three(plugged_in, tmp_path):
    pytest.importorskip("torch", reason="torch is not installed: pip install 'hwsearch[torch]'")
    (tmp_path / "tiny.yaml").write_text(TINY_SPACE, encoding="utf-8")
    lines = (
        ["measure", TINY, "--target", "ort:none", "--seconds", "0.1"],
        ["export", "efficientnet-b0", "--to", "layers", "-o", "out"],
        ["search", "--space", "tiny.yaml", "--accuracy", "snip", "--evaluations", "6"],
    )
    for line in lines:
        done = subprocess.run(
            [sys.executable, plugged_in / "mine.py", *line],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "efficientnet-b0_layers.csv").is_file()
