"""The command line: results on stdout, one line an error on stderr, the exit code that says whose fault it is."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import subprocess
import sys

import pytest
from fakes import FakeRuntime, fake_table, network_ms

import hwsearch
from hwsearch import console, pipeline, runtimes, winners
from hwsearch.cli import run
from hwsearch.evolution.settings import SearchSettings
from hwsearch.family import load_family
from hwsearch.latency_table import load_table, save_table
from hwsearch.notation import parse
from hwsearch.preset import reference_preset, reference_presets
from hwsearch.profiling.measurement import load_measurement
from hwsearch.space_file import load_space

COMMANDS = (
    *("run", "targets", "profile", "merge", "validate", "estimate", "measure"),
    *("search", "scale", "export", "presets", "report", "accuracy fit"),
)
SMALL_SEARCH = SearchSettings(population=16, generations=4, restarts=1, polish_evaluations=0, climb_starts=0)
FIGURES = {
    *("name", "text", "macs", "params", "activation_bytes"),
    *("latency_ms", "predicted_top1", "predicted_top1_std", "warnings"),
}
B0 = reference_preset("efficientnet-b0").architecture


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HWSEARCH_DEBUG", raising=False)
    yield
    console.set_quiet(False)


@pytest.fixture
def table(tmp_path):
    """A table that knows the ImageNet space."""
    save_table(fake_table(load_space("efficientnet-b0")), tmp_path / "table.json")
    return "table.json"


@pytest.fixture
def fake_device(monkeypatch):
    """Whatever target is asked for, the fake device answers; the search is a short one."""
    device = FakeRuntime(node_cost_ms=0.002, digits=4)
    monkeypatch.setattr(runtimes, "open_runtime", lambda target, options: device)
    small = short_question(winners.Question)
    monkeypatch.setattr(winners, "Question", small)
    monkeypatch.setattr(pipeline, "Question", small)
    return device


def short_question(question):
    """Questions as they are asked, but with a search of a moment."""
    return lambda *args, **options: dataclasses.replace(question(*args, **options), settings=SMALL_SEARCH)


def json_of(capsys, *arguments):
    """The document that a command prints; it must be all of stdout."""
    code = run([*arguments, "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return json.loads(captured.out)


WRONG = [
    ("bogus", "No such command"),
    ("--bogus", "No such option"),
    ("accuracy", "Missing command"),
    ("accuracy fit", "Missing argument"),
    ("accuracy fit missing.csv", "missing.csv"),
    ("estimate", "no network was given"),
    ("estimate efficientnet-b9", "did you mean"),
    ("estimate 'r224 bogus ir_r1_k3_s1_e1_c8'", "column 6"),
    ("estimate efficientnet-b0 --by layer", "allowed: op, stage"),
    ("estimate efficientnet-b0 --by op", "needs --table"),
    ("estimate efficientnet-b0 --table nonsense", "no latency table"),
    ("estimate efficientnet-b0 --table missing.json", "missing.json: no such file"),
    ("estimate efficientnet-b0 --table broken.json", "broken.json"),
    ("estimate efficientnet-b1 --table table.json --by op", "lacks 16 ops"),
    ("estimate --file missing.txt", "missing.txt: no such file"),
    ("estimate --file table.json", "table.json, line 1"),
    ("estimate efficientnet-b0 --nonsense", "No such option"),
    ("estimate " + "x" * 5000, "is no network"),
    ("measure efficientnet-b0 --target cpuu", "did you mean 'cpu'"),
    ("measure efficientnet-b0 --target ''", "no target is called ''"),
    ("measure efficientnet-b0 --threads 0", "0 threads"),
    ("measure efficientnet-b0 --threads two", "--threads"),
    ("measure efficientnet-b0 --batch -1", "batch"),
    ("measure efficientnet-b0 --precision fp32", "allowed: f32, f16, bf16, int8"),
    ("measure 'r8 stem_c1 ds_r1_k1_s1_c1' --seconds nan", "seconds"),
    ("measure 'r8 stem_c1 ds_r1_k1_s1_c1' --seconds -1", "seconds"),
    ("measure efficientnet-b0 --target command:missing", "no such file"),
    ("profile --space nonsense", "no search space"),
    ("profile --covers 0", "covers = 0"),
    ("profile --held-out 1", "held_out = 1"),
    ("profile --seed -1", "--seed"),
    ("profile -o table.json", "exists already"),
    ("profile --seconds inf", "seconds"),
    ("validate", "Missing argument"),
    ("validate nonsense", "no latency table"),
    ("validate table.json --networks 1", "1 networks"),
    ("search --budget 'latency_ms<<8'", "not by <"),
    ("search --budget 'speed<=3'", "speed"),
    ("search --budget 'latency_ms<=8'", "latency_ms"),
    ("search --budget 'macs>=3' --budget 'params<=x'", "2 faults"),
    ("search --objective nonsense", "nonsense"),
    ("search --accuracy nonsense", "nonsense"),
    ("search --accuracy missing.npz", "missing.npz"),
    ("search --space missing.yaml", "missing.yaml: no such file"),
    ("search --space broken.json/x", "x: "),
    ("search --space mbconv", "kernel_size"),
    ("search --table broken.json", "broken.json"),
    ("search -o occupied", "exists and is not a run"),
    ("scale --phi x", "is no number"),
    ("scale --phi 0:100", "range"),
    ("scale --phi nan", "not finite"),
    ("scale --style c", "allowed: b, lite, both"),
    ("scale --coefficients maybe", "maybe"),
    ("scale --alpha nan", "alpha"),
    ("scale nonexistent", "is no network"),
    ("scale --accuracy zen", "--coefficients search"),
    ("scale --reach 2", "--coefficients search"),
    ("scale --target cpu --seconds nan", "above 0"),
    ("scale efficientnet-b0 -o table.json", "is a file"),
    ("scale --coefficients search --evaluations 3", "--accuracy SIGNAL"),
    ("scale --coefficients search --accuracy zenn", "did you mean 'zen'"),
    ("scale efficientnet-b0 --coefficients search --accuracy imagenet", "out_channels"),
    ("scale efficientnet-b0 --coefficients search --reach 9", "phi"),
    ("scale efficientnet-b0 --coefficients search --table tpuv3", "does not follow"),
    ("export efficientnet-b0", "--to"),
    ("export efficientnet-b0 --to tensorflow", "no export is called"),
    ("export efficientnet-b0 --to onnx --padding reflect", "allowed: same, symmetric"),
    ("export efficientnet-b0 --to onnx --name 'Bad Name'", "not a preset name"),
    ("export efficientnet-b0 --to timm -o table.json", "table.json"),
    ("export efficientnet-b0 --to timm -o " + "y" * 300, "name too long"),
    ("presets nonsense", "is no network"),
    ("report missing", "missing"),
    ("report occupied", "occupied"),
    ("run --table nonsense", "no latency table"),
    ("run --budget x --table table.json", "is not a budget"),
    ("run --table table.json -o occupied", "exists and is not a run"),
    ("run --table table.json --space efficientnet-lite -o new", "lacks 1 op: "),
    ("run --table table.json --space mbconv -o new", "outside what it was fitted on"),
    ("run --target nonsense", "no target is called"),
]


@pytest.mark.parametrize(("line", "said"), WRONG, ids=[line[:60] for line, _ in WRONG])
def test_a_wrong_input_is_one_line_on_stderr_and_exit_code_2(line, said, table, tmp_path, capsys):
    (tmp_path / "broken.json").write_text('{"format": "hwsearch-latency-table", "vers', encoding="utf-8")
    (tmp_path / "occupied").mkdir()
    (tmp_path / "occupied" / "precious.txt").write_text("x", encoding="utf-8")
    before = (tmp_path / table).read_bytes()
    code = run(shlex.split(line))
    captured = capsys.readouterr()
    errors = [each for each in captured.err.splitlines() if each.startswith("error: ")]
    assert code == 2, captured.err
    assert captured.out == ""
    assert len(errors) == 1
    assert said in errors[0]
    assert "Traceback" not in captured.err
    assert "internal error" not in captured.err
    assert len(errors[0]) < 1500
    assert (tmp_path / table).read_bytes() == before


def test_a_budget_that_nothing_meets_is_exit_code_3_with_the_least_there_is(table, capsys):
    code = run(["search", "--table", table, "--budget", "latency_ms<=0.01"])
    captured = capsys.readouterr()
    assert (code, captured.out) == (3, "")
    assert captured.err.count("error: ") == 1
    assert "latency_ms" in captured.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--target", "cpu", "--precision", "bf16"], "allowed: "),
        (["--target", "command:./broken"], "exit code 3: no device"),
        (["--target", "command:./silent"], "not a latency"),
    ],
)
def test_a_device_that_is_not_there_is_exit_code_4(arguments, said, tmp_path, capsys):
    for name, body in (("broken", "echo no device >&2; exit 3"), ("silent", "true")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    code = run(["measure", "r8 stem_c1 ds_r1_k1_s1_c1", *arguments])
    captured = capsys.readouterr()
    assert (code, captured.out) == (4, "")
    assert captured.err.count("error: ") == 1
    assert said in captured.err


@pytest.mark.parametrize(("target", "extra"), [("openvino", "openvino"), ("torch", "torch"), ("gpu", "torch")])
def test_a_missing_package_is_exit_code_4_and_names_its_extra(target, extra, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *_: None)
    assert run(["measure", "efficientnet-b0", "--target", target]) == 4
    assert f"pip install 'hwsearch[{extra}]'" in capsys.readouterr().err


def broken(*_, **__):
    raise RuntimeError("a\nb")


def test_a_bug_of_ours_is_exit_code_5_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr("hwsearch.networks.find_networks", broken)
    assert run(["estimate", "efficientnet-b0"]) == 5
    error = capsys.readouterr().err
    assert error.startswith("error: internal error: RuntimeError: a b; this is a bug of hwsearch")
    assert error.count("\n") == 1


def test_a_bug_of_ours_shows_where_when_asked(monkeypatch):
    monkeypatch.setenv("HWSEARCH_DEBUG", "1")
    monkeypatch.setattr("hwsearch.networks.find_networks", broken)
    with pytest.raises(RuntimeError):
        run(["estimate", "efficientnet-b0"])


def test_an_interruption_says_that_the_command_can_be_repeated(monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("hwsearch.networks.find_networks", interrupt)
    assert run(["estimate", "efficientnet-b0"]) == 130
    assert "repeat the command" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_has_help(command, capsys):
    assert run([*command.split(), "--help"]) == 0
    captured = capsys.readouterr()
    assert f"Usage: hwsearch {command}".strip() in captured.out
    assert captured.err == ""
    if command:
        assert "NET" in captured.out or "--" in captured.out


def test_the_help_names_every_command(capsys):
    assert run([]) == 0
    listed = capsys.readouterr().out.partition("Commands:")[2].partition("Begin with")[0]
    names = {line.split()[0] for line in listed.splitlines() if line[2:3].strip()}
    assert names == {command.split()[0] for command in COMMANDS}


def test_the_version(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"hwsearch {hwsearch.__version__}\n"


def test_estimate_prints_one_object_a_network(table, capsys):
    found = json_of(capsys, "estimate", "efficientnet-b0", "efficientnet-b1", "--table", table)
    assert [each["name"] for each in found] == ["efficientnet-b0", "efficientnet-b1"]
    for each in found:
        assert set(each) >= FIGURES
    known, unknown = found
    assert known["macs"] == 385_814_752
    assert known["latency_ms"] > 0
    assert known["predicted_top1"] > 50
    assert (unknown["latency_ms"], unknown["predicted_top1"]) == (None, None)
    said = " ".join(unknown["warnings"])
    assert "latency_ms: table.json: the table lacks" in said
    assert "predicted_top1: " in said


@pytest.mark.parametrize("by", ["op", "stage"])
def test_a_breakdown_sums_to_the_latency(by, table, capsys):
    (found,) = json_of(capsys, "estimate", "efficientnet-b0", "--table", table, "--by", by)
    assert sum(row["latency_ms"] for row in found[f"by_{by}"]) == pytest.approx(found["latency_ms"], abs=1e-3)


def test_networks_come_from_a_file_too(tmp_path, capsys):
    (tmp_path / "nets.txt").write_text("efficientnet-b0 # reference\nmnasnet-a1\n", encoding="utf-8")
    found = json_of(capsys, "estimate", "--file", "nets.txt")
    assert [each["name"] for each in found] == ["efficientnet-b0", "mnasnet-a1"]


def test_presets_are_listed_and_shown(capsys):
    assert "efficientnet-lite4" in {each["name"] for each in json_of(capsys, "presets")}
    assert json_of(capsys, "presets", "efficientnet-b0")["text"] == B0.text
    assert run(["presets"]) == 0
    assert "5,288,548" in capsys.readouterr().out


def test_targets_say_what_is_here_and_why_not(capsys):
    found = json_of(capsys, "targets")
    by_name = {each["target"]: each for each in found["targets"]}
    assert set(by_name) == set(runtimes.TARGETS)
    assert by_name["cpu"]["available"]
    for each in found["targets"]:
        assert each["available"] or each["why"]


def test_profile_measures_a_table_and_says_where(fake_device, tmp_path, capsys):
    arguments = ["profile", "--covers", "1", "--held-out", "4", "--seconds", "0.1", "-o", "mine.json"]
    found = json_of(capsys, *arguments)
    assert set(found) >= {"table", "setup", "ops", "seconds", "fidelity", "warnings"}
    assert set(load_table(tmp_path / "mine.json").ops) == set(load_space("efficientnet-b0").blocks())
    assert not list(tmp_path.glob("*.partial"))
    assert run(arguments) == 2
    assert run([*arguments, "--force"]) == 0


@pytest.mark.parametrize("error", ["TypeError('of its own')", "UnavailableError('of its own')"])
def test_an_interruption_that_a_library_makes_an_error_of_its_own_of(error):
    """As NumPy does when Ctrl-C comes in the middle of a comparison: the KeyboardInterrupt is lost."""
    program = f"""
import os, signal, time
from hwsearch import cli, networks
from hwsearch.errors import UnavailableError

def lose(*_):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
    except KeyboardInterrupt:
        pass
    raise {error}

networks.find_networks = lose
signal.signal(signal.SIGINT, signal.default_int_handler)
cli.main()
"""
    done = subprocess.run(
        [sys.executable, "-c", program, "estimate", "efficientnet-b0"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 130
    assert done.stderr.splitlines() == ["error: interrupted; repeat the command to go on where it stopped"]


def test_an_interrupted_profile_keeps_its_journal_and_goes_on(fake_device, tmp_path, capsys):
    def stop(number):
        if number == 100:
            raise KeyboardInterrupt

    arguments = ["profile", "--covers", "1", "--held-out", "4", "--seconds", "0.1", "-o", "mine.json"]
    fake_device.before_run = stop
    assert run(arguments) == 130
    assert (tmp_path / "mine.json.partial").is_file()
    profiles = fake_device.profiles
    fake_device.before_run = lambda number: None
    assert run(arguments) == 0
    assert fake_device.profiles == profiles
    assert [path.name for path in tmp_path.iterdir()] == ["mine.json"]


def test_validate_prints_its_figures_beside_the_noise_floor(fake_device, tmp_path, capsys):
    run(["profile", "--covers", "1", "--held-out", "4", "--seconds", "0.1", "-o", "mine.json"])
    capsys.readouterr()
    found = json_of(capsys, "validate", "mine.json", "--networks", "6", "--seconds", "0.1")
    assert set(found) >= {"mape", "within_5", "within_10", "kendall_tau", "noise_floor", "networks"}
    assert set(found["noise_floor"]) == {"mape", "within_5"}
    assert found["networks"] == 6
    assert found["mape"] < 0.01


def test_measure_prints_predicted_beside_measured(fake_device, table, capsys):
    found = json_of(capsys, "measure", "efficientnet-b0", "mnasnet-a1", "--table", table, "--seconds", "0.1")
    assert set(found) >= {"setup", "networks", "noise_floor_mape", "warnings"}
    known, unknown = found["networks"]
    assert known["measured_latency_ms"] == pytest.approx(known["latency_ms"], rel=0.01)
    assert unknown["latency_ms"] is None
    assert unknown["measured_latency_ms"] > 0


def test_search_prints_best_front_and_reference(fake_device, table, tmp_path, capsys):
    found = json_of(capsys, "search", "--table", table, "--budget", "latency_ms<=6", "-o", "found", "--seed", "3")
    assert set(found) >= {"best", "front", "reference", "evaluated", "seconds"}
    assert found["reference"]["text"] == B0.text
    assert found["best"]["latency_ms"] <= 6
    assert set(found["front"][0]) >= FIGURES
    assert (tmp_path / "found" / "summary.json").is_file()
    again = json_of(capsys, "search", "--table", table, "--budget", "latency_ms<=6", "-o", "found", "--seed", "3")
    assert {**again, "seconds": 0} == {**found, "seconds": 0}
    (named,) = json_of(capsys, "estimate", "found")
    assert named["text"] == found["best"]["text"]


def test_run_tells_the_whole_story_and_report_tells_it_again(fake_device, tmp_path, capsys):
    found = json_of(capsys, "run", "--seconds", "0.1", "-o", "runs/one")
    roles = {each["role"]: each for each in found["networks"]}
    assert set(roles) >= {"reference", "same_top1", "same_latency"}
    for role in ("reference", "same_top1", "same_latency"):
        assert set(roles[role]) >= FIGURES | {"role", "measured_latency_ms"}
        assert roles[role]["measured_latency_ms"] == pytest.approx(roles[role]["latency_ms"], rel=0.02)
    summary = json.loads((tmp_path / "runs/one/summary.json").read_text(encoding="utf-8"))
    assert summary["networks"] == found["networks"]
    assert run(["report", "runs/one", "-o", "page.html"]) == 0
    assert (tmp_path / "page.html").stat().st_size > 10_000
    capsys.readouterr()
    scaled = json_of(capsys, "scale", "--phi", "0:1", "--style", "b")  # of the newest run
    assert scaled["base"] in (roles["same_top1"]["text"], roles["same_latency"]["text"])
    # its own table and measurements say what the members take
    assert scaled["variants"][0]["latency_ms"] == pytest.approx(network_ms(parse(scaled["base"])), rel=0.02)
    assert scaled["variants"][1]["measured_latency_ms"] == pytest.approx(
        network_ms(parse(scaled["variants"][1]["text"])), rel=0.02
    )


def test_scale_prints_its_variants(capsys):
    found = json_of(capsys, "scale", "efficientnet-b0", "--phi", "0:2", "--style", "both")
    assert [(each["style"], each["phi"]) for each in found["variants"]] == [
        (style, phi) for style in ("b", "lite") for phi in (0, 1, 2)
    ]
    keys = {"name", "style", "phi", "width_coefficient", "depth_coefficient", "resolution"}
    assert all(set(each) >= keys | {"text", "macs", "params", "latency_ms"} for each in found["variants"])


def test_a_law_is_searched_for_macs_and_for_a_table(capsys):
    macs = json_of(capsys, "scale", "efficientnet-b0", "--coefficients", "search", "--style", "b")
    a100 = json_of(capsys, "scale", "efficientnet-b0", "--coefficients", "search", "--style", "b", "--table", "a100")
    by_macs, by_latency = macs["searched"][0], a100["searched"][0]
    assert by_macs["doubles"] == "MACs"
    assert by_latency["by_macs"] == {name: by_macs[name] for name in by_latency["by_macs"]}
    assert by_latency["exponents"]["width"] < by_macs["exponents"]["width"]
    assert by_latency["beta"] > by_macs["beta"]  # the A100 charges less for width
    assert "lacks the scaled ops" in by_latency["note"]
    assert sum(by_latency["shares_of_macs_growth"].values()) == pytest.approx(1, abs=0.001)
    assert a100["warnings"] == []  # such a law is not meant to double the MACs


def test_a_law_is_searched_on_a_target_whose_members_are_then_measured(fake_device, tmp_path, capsys):
    options = ("--coefficients", "search", "--style", "b", "--target", "cpu", "--seconds", "0.1")
    found = json_of(capsys, "scale", "efficientnet-b0", "--phi", "0:1", *options, "-o", "fam")
    # the fake device takes a fixed time a MAC and a node: depth costs it a little more than width
    assert found["searched"][0]["exponents"]["depth"] == pytest.approx(1, abs=0.05)
    assert 1.3 < found["searched"][0]["exponents"]["width"] < 1.95
    for variant in found["variants"]:
        assert variant["measured_latency_ms"] == pytest.approx(network_ms(parse(variant["text"])), rel=1e-3)
    family = load_family(tmp_path / "fam/efficientnet-b0-b.family.json")
    assert [each.measured_latency.latency_ms for each in family.variants] == pytest.approx(
        [variant["measured_latency_ms"] for variant in found["variants"]]
    )
    measured = load_measurement(tmp_path / "fam/measured.json")
    published = {preset.architecture for preset in reference_presets().values()}
    assert B0 in measured.architectures
    assert len(published & set(measured.architectures)) >= 5
    assert "efficientnet-b0-b-phi1" in (tmp_path / "fam/family.html").read_text(encoding="utf-8")


def test_laws_are_ranked_by_a_proxy(capsys):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    options = ("--coefficients", "search", "--style", "lite", "--accuracy", "zen", "--evaluations", "2")
    found = json_of(capsys, "scale", "mobilenet-v2", *options)
    assert found["searched"][0]["ranked_by"] == "zen"
    assert found["searched"][0]["candidates"] >= 2


def test_laws_are_ranked_by_a_users_command(tmp_path, capsys):
    script = tmp_path / "train"
    # deeper is better: the number of repeats in the preset's text form
    script.write_text(
        f"#!{sys.executable}\nimport json, re, sys\n"
        "text = json.load(open(sys.argv[1]))['text']\n"
        "print(50 + sum(map(int, re.findall(r'_r([0-9]+)', text))) / 10)\n"
    )
    script.chmod(0o755)
    options = ("--coefficients", "search", "--style", "b", "--accuracy", "command:train", "--evaluations", "4")
    found = json_of(capsys, "scale", "efficientnet-b0", *options)["searched"][0]
    assert found["ranked_by"] == "command:train"
    assert found["alpha"] > found["by_macs"]["alpha"]


def test_what_a_table_cannot_predict_is_said_once(table, capsys):
    assert run(["scale", "efficientnet-b0", "--phi", "0:3", "--style", "b", "--table", table]) == 0
    captured = capsys.readouterr()
    assert "lacks ops of 3 of the 4 members" in captured.err
    assert captured.err.count("warning") == 1
    assert "hwsearch profile --target cpu" in captured.err


def test_export_writes_and_says_what(tmp_path, capsys):
    found = json_of(capsys, "export", "efficientnet-b0", "--to", "timm", "-o", "out")
    assert found["params"] == 5_288_548
    assert found["files"]
    assert all((tmp_path / path).is_file() for path in found["files"])


def test_talk_goes_to_stderr_and_can_be_hushed(fake_device, table, capsys):
    assert run(["measure", "efficientnet-b0", "--seconds", "0.1"]) == 0
    captured = capsys.readouterr()
    assert "measuring 1 networks" in captured.err
    assert "measuring" not in captured.out
    assert run(["--quiet", "measure", "efficientnet-b0", "--seconds", "0.1"]) == 0
    assert capsys.readouterr().err == ""


PROGRAM = [sys.executable, "-c", "from hwsearch.cli import main; main()"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["presets", "efficientnet-b0", "--json"], 0),
        (["estimate", "efficientnet-b9"], 2),
        (["search", "--accuracy", "none", "--objective", "macs", "--budget", "macs<=1"], 3),
        (["measure", "efficientnet-b0", "--precision", "f16"], 4),
    ],
)
def test_the_program_leaves_with_the_code(arguments, code):
    done = subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == code, done.stderr
    assert ("error: " in done.stderr) == (code != 0)
    assert bool(done.stdout) == (code == 0)


def test_a_reader_that_leaves_early_is_no_error():
    line = " ".join(f'"{part}"' if " " in part else part for part in PROGRAM)
    done = subprocess.run(
        ["/bin/sh", "-c", f"{line} presets --json | head -c 10"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout.startswith("[")
    assert done.stderr == ""


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from hwsearch.cli import run; run(['--help']); "
        "print([m for m in ('numpy','onnx','torch','pandas','pydantic','plotly','yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"


def test_importing_the_library_imports_no_package():
    code = "import sys, hwsearch; print(sorted(m for m in sys.modules if m.startswith('hwsearch')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "['hwsearch']"


def test_output_is_plain_when_it_is_no_terminal():
    environment = {**os.environ, "COLUMNS": "40"}
    done = subprocess.run(
        [*PROGRAM, "presets"], capture_output=True, text=True, check=True, timeout=60, env=environment
    )
    assert "\x1b" not in done.stdout
    assert "efficientnet-lite4" in done.stdout


def test_a_tiny_space_of_ones_own_is_searched_by_cost_alone(tmp_path, fake_device, capsys):
    stage = "{stride: 2, out_channels: 16, kernel_size: [3, 5], expand_ratio: [1, 4], num_repeats: [1, 2]}"
    (tmp_path / "mine.yaml").write_text(
        "format: hwsearch-space\nversion: 1\nname: mine\nresolution: 32\nstem_channels: 8\nhead_channels: 64\n"
        f"activation: swish\nnum_classes: 10\nstages:\n  - {stage}\n",
        encoding="utf-8",
    )
    objectives = ("--accuracy", "none", "--objective", "macs", "--objective", "params")
    found = json_of(capsys, "search", "--space", "mine.yaml", *objectives)
    assert found["reference"] is None
    assert found["best"]["macs"] == min(each["macs"] for each in found["front"])


def test_a_bad_budget_is_refused_before_a_target_is_profiled(tmp_path, capsys):
    assert run(["search", "--target", "cpu", "--budget", "latency<=soon"]) == 2
    assert "profiling" not in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
