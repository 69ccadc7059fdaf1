"""One suite that every runtime passes; and what is particular to each."""

from __future__ import annotations

import json
import math
import shutil
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from hwsearch.device import PRECISIONS
from hwsearch.errors import InputError, UnavailableError
from hwsearch.notation import parse
from hwsearch.operation import ops
from hwsearch.runtimes import TARGETS, PartTime, RuntimeOptions, open_runtime
from hwsearch.runtimes.onnx_runtime import read_trace
from hwsearch.runtimes.openvino_runtime import check_precision, read_counters
from hwsearch.weights import random_image

NETWORK = parse(
    "r48 swish stem_c8 ds_r2_k3_s1_c8_se0.25 ir_r2_k5_s2_e4_c16_se0.25 ir_r1_k3_s1_e3_c16 head_c32 classes10"
)
LITE = parse("r33 relu6 stem_c8 ir_r2_k7_s2_e4_c16 head_c32 classes10")


def executable(folder, body):
    """A command of one line of shell."""
    path = folder / "device"
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return f"command:{path}"


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    """A device in another process, reached by an executable."""
    script = Path(__file__).with_name("run_onnx.py")
    return executable(tmp_path_factory.mktemp("device"), f'exec "{sys.executable}" "{script}" "$@"')


@pytest.fixture(params=["cpu", "openvino", "torch", "command", "gpu"])
def target(request, command):
    package = {"openvino": "openvino", "torch": "torch", "gpu": "torch"}.get(request.param)
    if package:
        pytest.importorskip(package)
    if request.param == "gpu":
        import torch

        if not torch.cuda.is_available():
            pytest.skip("no CUDA device here")
    return command if request.param == "command" else request.param


@pytest.fixture
def one_thread():
    """Leaves torch's threads as they were."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else None
    yield
    if torch:
        torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
class TestEveryRuntime:
    def test_a_latency_is_positive_and_finite(self, target):
        runtime = open_runtime(target, RuntimeOptions())
        for network in (NETWORK, LITE):
            loaded = runtime.load(network)
            samples = [loaded.run_ms() for _ in range(2)]
            loaded.close()
            assert all(math.isfinite(ms) and 0 < ms < 60_000 for ms in samples)

    def test_a_batch_runs(self, target):
        runtime = open_runtime(target, RuntimeOptions(batch=3))
        loaded = runtime.load(LITE)
        assert loaded.run_ms() > 0
        loaded.close()
        assert runtime.setup.batch == 3

    def test_a_profile_names_every_op_and_takes_some_time(self, target):
        runtime = open_runtime(target, RuntimeOptions())
        if not runtime.has_profiler:
            with pytest.raises(UnavailableError, match="no profiler"):
                runtime.load_profiled(NETWORK)
            return
        for network in (NETWORK, LITE):
            loaded = runtime.load_profiled(network)
            runs = loaded.part_times(3)
            loaded.close()
            assert len(runs) == 3
            for run in runs:
                assert {index for index, _ in run} == set(range(len(ops(network))))
                assert all(each.ms >= 0 and each.nodes >= 1 for each in run.values())
                assert sum(each.ms for each in run.values()) > 0

    def test_a_profile_sees_the_parts_of_a_block(self, target):
        runtime = open_runtime(target, RuntimeOptions())
        if not runtime.has_profiler:
            pytest.skip("has no profiler")
        loaded = runtime.load_profiled(NETWORK)
        (run,) = loaded.part_times(1)
        loaded.close()
        block = {part for index, part in run if index == 3}
        assert {"expand", "depthwise", "squeeze_excite", "project"} <= block

    def test_the_setup_says_what_was_asked_for(self, target):
        setup = open_runtime(target, RuntimeOptions(threads=2, batch=4)).setup
        assert setup.batch == 4
        assert setup.threads == (0 if target == "gpu" else 2)
        assert setup.precision == "f32"
        assert setup.device.name
        assert setup.runtime
        again = open_runtime(target, RuntimeOptions(threads=2, batch=4)).setup
        assert again.identity == setup.identity
        other = open_runtime(target, RuntimeOptions(threads=2, batch=5)).setup
        assert other.identity != setup.identity

    def test_the_target_in_the_setup_opens_the_same_runtime(self, target):
        setup = open_runtime(target, RuntimeOptions()).setup
        if not target.startswith("command"):
            assert open_runtime(setup.target, RuntimeOptions()).setup == setup
        assert setup.target.partition(":")[0] == target.partition(":")[0]

    @pytest.mark.parametrize("precision", PRECISIONS)
    def test_a_precision_runs_or_is_refused_with_those_that_do(self, target, precision):
        options = RuntimeOptions(precision=precision)
        said, ran = "", precision
        try:
            ran = open_runtime(target, options).setup.precision
        except UnavailableError as error:
            said = str(error)
        assert ran == precision
        assert said == "" or (precision in said and "allowed: " in said)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("", "no target is called ''.*allowed: cpu"),
        ("cpuu", "did you mean 'cpu'"),
        ("CPU", "did you mean 'cpu'"),
        ("cpu:0", "takes nothing after a colon"),
        ("cpu:cuda", "takes nothing after a colon"),
        ("command", "needs an executable.*command:FILE"),
        ("command:/no/such/file", "no such file"),
        ("command:/", "no such file"),
        ("command:" + "x" * 5000, "no such file"),
    ],
)
def test_a_target_that_is_none_is_refused(target, said):
    if target.startswith("torch"):
        pytest.importorskip("torch")
    with pytest.raises(InputError, match=said):
        open_runtime(target, RuntimeOptions())


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for target, extra in (("openvino", "openvino"), ("torch", "torch"), ("gpu", "torch")):
        with pytest.raises(UnavailableError, match=rf"pip install 'hwsearch\[{extra}\]'"):
            open_runtime(target, RuntimeOptions())


def test_an_unknown_plugin_of_openvino_names_those_here():
    pytest.importorskip("openvino")
    with pytest.raises(UnavailableError, match=r"no plugin 'TPU'.*allowed: .*CPU"):
        open_runtime("openvino:TPU", RuntimeOptions())


def test_a_gpu_that_is_not_here_says_what_to_do_instead():
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here")
    with pytest.raises(UnavailableError, match=r"no CUDA device.*next: "):
        open_runtime("gpu", RuntimeOptions())


@pytest.mark.parametrize(
    "wrong",
    [{"threads": 0}, {"threads": -1}, {"threads": 10_000}, {"batch": 0}, {"batch": 10**9}, {"precision": "fp32"}],
)
def test_options_out_of_range_are_refused_with_what_is_allowed(wrong):
    with pytest.raises(InputError, match="allowed: "):
        RuntimeOptions(**wrong)


def test_targets_are_modules_that_exist():
    for target in TARGETS.values():
        file = Path(__file__).parents[1] / (target.module.replace(".", "/") + ".py")
        assert file.is_file()
        assert target.description


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("echo hello", "printed 'hello', not a latency"),
        ("true", "printed '', not a latency"),
        ("echo 0", "printed '0'"),
        ("echo -3", "printed '-3'"),
        ("echo nan", "printed 'nan'"),
        ("echo inf", "printed 'inf'"),
        ("echo 5; echo done", "printed 'done'"),
        ("echo broken >&2; echo 5; exit 3", "exit code 3: broken"),
        ("exit 1", "exit code 1: nothing on stderr"),
        ("kill -9 $$", "exit code -9"),
        (r"printf '\377'", "cannot be run"),
        ("head -c 100000 /dev/zero | tr '\\0' x", "printed 'xxx"),
    ],
)
def test_a_command_that_prints_no_latency_is_refused_never_zero(tmp_path, body, said):
    network = open_runtime(executable(tmp_path, body), RuntimeOptions()).load(LITE)
    with pytest.raises(UnavailableError, match=said) as refused:
        network.run_ms()
    network.close()
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize(("body", "ms"), [("echo 3.25", 3.25), ("echo warming up; echo ' 1e-2 '", 0.01)])
def test_the_last_line_of_a_command_is_its_latency(tmp_path, body, ms):
    network = open_runtime(executable(tmp_path, body), RuntimeOptions()).load(LITE)
    assert network.run_ms() == ms
    network.close()


def test_a_command_is_given_the_file_and_the_options_without_a_shell(tmp_path):
    folder = tmp_path / "a b;$(exit)"
    folder.mkdir()
    target = executable(folder, 'echo "$@" > "$(dirname "$0")/asked"; test -s "$1" && echo 1')
    runtime = open_runtime(target, RuntimeOptions(threads=3, batch=2, precision="int8"))
    network = runtime.load(LITE)
    assert network.run_ms() == 1
    file, *options = (folder / "asked").read_text(encoding="utf-8").split()
    assert options == ["--batch", "2", "--threads", "3", "--precision", "int8"]
    assert Path(file).exists()
    network.close()
    assert not Path(file).exists()


def test_a_file_that_is_not_executable_says_how_to_make_it(tmp_path):
    (tmp_path / "device").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match=r"not executable.*chmod \+x"):
        open_runtime(f"command:{tmp_path / 'device'}", RuntimeOptions())


def test_a_command_without_its_interpreter_is_unavailable(tmp_path):
    (tmp_path / "device").write_text("#!/no/such/interpreter\n", encoding="utf-8")
    (tmp_path / "device").chmod(0o755)
    network = open_runtime(f"command:{tmp_path / 'device'}", RuntimeOptions()).load(LITE)
    with pytest.raises(UnavailableError, match="cannot be run"):
        network.run_ms()
    network.close()


def node(name, ts, dur):
    return {"cat": "Node", "name": f"{name}_kernel_time", "ts": ts, "dur": dur}


def start(ts):
    return {"cat": "Session", "name": "model_run", "ts": ts, "dur": 1}


TRACE = [
    {"cat": "Session", "name": "model_loading_array", "ts": 1, "dur": 9},
    start(100),
    node("ReorderInput", 101, 7),  # before any name of ours: the stem's
    node("op0/other/conv/", 110, 2000),
    node("op1/depthwise/depthwise/", 130, 500),
    node("ReorderOutput", 140, 40),  # follows the depthwise convolution
    node("op1/depthwise/depthwise/swish/", 150, 60),
    {"cat": "Node", "name": "op1/depthwise/depthwise/_fence_before", "ts": 151, "dur": 10_000},
    node("op1/project/project/", 160, 30),
    start(200),
    node("op0/other/conv/", 210, 1000),
    node("op1/project/project/", 220, 20),
]


@pytest.mark.parametrize("order", [1, -1])
def test_a_trace_is_read_run_by_run_and_part_by_part(order):
    first, second = read_trace(json.dumps(TRACE[::order]))
    assert first == {
        (0, "other"): PartTime(pytest.approx(2.007), 2),
        (1, "depthwise"): PartTime(pytest.approx(0.6), 3),
        (1, "project"): PartTime(pytest.approx(0.03), 1),
    }
    assert second == {(0, "other"): PartTime(1.0, 1), (1, "project"): PartTime(pytest.approx(0.02), 1)}


@pytest.mark.parametrize("events", [[], TRACE[:2], [*TRACE, start(300)], TRACE[2:9]])
def test_a_trace_without_the_nodes_of_a_run_is_refused(events):
    with pytest.raises(UnavailableError, match="no nodes"):
        read_trace(json.dumps(events))


def test_a_trace_that_was_cut_off_is_refused():
    with pytest.raises(InputError, match="cut off"):
        read_trace(json.dumps(TRACE)[:-20])


def counter(name, us, *, kind="Convolution", ran="jit_avx512_f32", status="Status.EXECUTED"):
    return SimpleNamespace(
        node_name=name, real_time=timedelta(microseconds=us), node_type=kind, exec_type=ran, status=status
    )


def test_counters_are_read_part_by_part():
    counters = [
        counter("op0/other/conv/", 200),
        counter("op1/expand/expand/", 100),
        counter("reorder_17", 30, kind="Reorder"),
        counter("op1/expand/expand/swish/", 0, status="Status.OPTIMIZED_OUT"),
        counter("op1/project/project/", 999, status="Status.NOT_RUN"),
    ]
    assert read_counters(counters) == {
        (0, "other"): PartTime(pytest.approx(0.2), 1),
        (1, "expand"): PartTime(pytest.approx(0.13), 2),
    }
    with pytest.raises(UnavailableError, match="all zero"):
        read_counters([counter("op0/other/conv/", 0)])


def test_a_precision_that_did_not_run_is_refused():
    check_precision([counter("a", 1), counter("b", 1, kind="Reorder", ran="jit_bf16")], "f32")
    check_precision([counter("a", 1, ran="jit_bf16", status="Status.NOT_RUN")], "f32")
    with pytest.raises(UnavailableError, match="asked for f32, but a ran as brgemm_avx512_bf16"):
        check_precision([counter("a", 1, ran="brgemm_avx512_bf16")], "f32")


def test_images_are_neither_zero_nor_denormal():
    image = random_image(NETWORK, 2)
    assert image.shape == (2, 3, 48, 48)
    assert np.abs(image).mean() > 0.1


@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_network_runs_and_has_no_profiler():
    pytest.importorskip("torch", reason="torch is not installed")
    runtime = open_runtime("torch:compile", RuntimeOptions())
    assert runtime.setup.target == "torch:compile"
    assert not runtime.has_profiler
    network = runtime.load(parse("r32 swish stem_c8 ds_r1_k3_s1_c8_se0.25 head_c16 classes10"))
    assert all(0 < network.run_ms() < 60_000 for _ in range(3))
    network.close()
    with pytest.raises(UnavailableError, match="has no profiler"):
        runtime.load_profiled(NETWORK)


def test_torch_takes_no_other_argument():
    pytest.importorskip("torch", reason="torch is not installed")
    with pytest.raises(InputError, match="torch:compile"):
        open_runtime("torch:eager", RuntimeOptions())
