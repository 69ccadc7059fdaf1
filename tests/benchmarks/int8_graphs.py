"""INT8 graphs of ours beside the runtimes' own quantisers: ``python tests/benchmarks/int8_graphs.py``.

For each network: the ops that run (they must be the same), and the latency of ours over theirs in interleaved
rounds. Theirs are ``onnxruntime.quantization.quantize_static`` (QDQ, QUInt8 activations, QInt8 weights per channel)
and, where nncf is installed, ``nncf.quantize``, both calibrated on random images. Set OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from isolated_models import RunMs, load_onnxruntime

from hwsearch.graph import INPUT_NAME, to_onnx
from hwsearch.latency import levels, noise_floor
from hwsearch.preset import reference_preset
from hwsearch.profiling.timing import RUNS_A_TURN
from hwsearch.quantisation import quantised

NETWORKS = ("efficientnet-b0", "efficientnet-lite0", "mobilenet-v2", "mnasnet-a1")
CALIBRATION_IMAGES = 4
OPENVINO_SETTINGS = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}


def images(side: int) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
    """Random images to calibrate with."""
    rng = np.random.default_rng(0)
    for _ in range(CALIBRATION_IMAGES):
        yield {INPUT_NAME: rng.standard_normal((1, 3, side, side), dtype=np.float32)}


def quantise_statically(model: onnx.ModelProto, side: int) -> onnx.ModelProto:
    """As ONNX Runtime quantises it."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Images(CalibrationDataReader):
        def __init__(self) -> None:
            self._images = images(side)

        def get_next(self) -> Any:
            return next(self._images, None)

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "f32.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, source)
        kinds = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
        quantize_static(source, target, Images(), quant_format=QuantFormat.QDQ, per_channel=True, **kinds)
        return onnx.load(target)


def onnxruntime_ops(model: onnx.ModelProto) -> Counter[str]:
    """Op types of the graph that ONNX Runtime runs, after its optimisations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "optimised.onnx")
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return Counter(node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node)


def quantise_with_nncf(model: onnx.ModelProto, side: int) -> Any:
    """As NNCF quantises it for OpenVINO.

    From a file by ``convert_model``, which folds constants: on what ``read_model`` returns, NNCF 3.4 quantises
    depthwise weights along the wrong axis, and they run in f32.
    """
    import nncf
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "f32.onnx"
        onnx.save(model, source)
        converted = openvino.convert_model(source)
        return nncf.quantize(converted, nncf.Dataset(list(images(side))), subset_size=CALIBRATION_IMAGES)


def openvino_model(model: onnx.ModelProto) -> Any:
    """Read, not yet compiled."""
    import openvino

    return openvino.Core().read_model(model.SerializeToString(), b"")


def openvino_request(model: Any, threads: int, side: int, *, counted: bool) -> Any:
    """A request with its image set."""
    import openvino

    settings = {**OPENVINO_SETTINGS, "INFERENCE_NUM_THREADS": threads, "PERF_COUNT": counted}
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    request.set_tensor(INPUT_NAME, openvino.Tensor(next(images(side))[INPUT_NAME].copy()))
    return request


def openvino_ops(model: Any, threads: int, side: int) -> Counter[str]:
    """Node and execution types that ran, in any of a few runs: a node that took less than a µs counts as not run."""
    request = openvino_request(model, threads, side, counted=True)
    ran: dict[str, str] = {}
    for _ in range(20):
        request.infer()
        for node in request.get_profiling_info():
            if str(node.status).endswith("EXECUTED"):
                ran[node.node_name] = f"{node.node_type} {node.exec_type}"
    return Counter(ran.values())


def openvino_run(model: Any, threads: int, side: int) -> RunMs:
    """Times one batch."""
    request = openvino_request(model, threads, side, counted=False)

    def run_ms() -> float:
        start = time.perf_counter_ns()
        request.start_async()
        request.wait()
        return (time.perf_counter_ns() - start) / 1e6

    return run_ms


def compare_rounds(pairs: dict[str, tuple[RunMs, RunMs]], rounds: int) -> dict[str, tuple[float, float, float]]:
    """Latency of ours, of theirs (ms), and the half-against-half floor of the two, by network."""
    runs = [run for pair in pairs.values() for run in pair]
    samples = np.zeros((rounds, len(runs)))
    for number in range(rounds):
        for index in np.random.default_rng([0, number]).permutation(len(runs)):
            runs[index]()
            samples[number, index] = min(runs[index]() for _ in range(RUNS_A_TURN))
    latency = levels(samples)[0]
    found = {}
    for position, name in enumerate(pairs):
        chosen = np.isin(np.arange(len(runs)), (2 * position, 2 * position + 1))
        found[name] = (latency[2 * position], latency[2 * position + 1], noise_floor(samples, chosen).mape)
    return found


def report(title: str, ops: dict[str, tuple[Counter[str], Counter[str]]], timed: dict[str, tuple]) -> None:
    """A markdown table, and what differs between the two graphs."""
    print(f"\n## {title}\n\n| network | same ops | ours, ms | theirs, ms | ours / theirs | noise floor |")
    print("|---|---|---|---|---|---|")
    for name, (ours, theirs, floor) in timed.items():
        same = "yes" if ops[name][0] == ops[name][1] else "no"
        print(f"| {name} | {same} | {ours:.3f} | {theirs:.3f} | {ours / theirs:.3f} | {floor:.1%} |")
    for name, (ours, theirs) in ops.items():
        if ours != theirs:
            print(f"\n{name}: only ours {dict(ours - theirs)}, only theirs {dict(theirs - ours)}")


def compare(
    title: str,
    names: list[str],
    rounds: int,
    make: Callable[[onnx.ModelProto, int], tuple[Any, Any]],
    count: Callable[[Any, int], Counter[str]],
    load: Callable[[Any, int], RunMs],
) -> None:
    """Quantise both ways, count, time, report."""
    ops, pairs = {}, {}
    for name in names:
        network = reference_preset(name).architecture
        side = network.resolution
        both = make(to_onnx(network), side)
        ops[name] = (count(both[0], side), count(both[1], side))
        pairs[name] = (load(both[0], side), load(both[1], side))
    report(title, ops, compare_rounds(pairs, rounds))


def main() -> None:
    """Both runtimes, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    names, rounds, threads = options.networks or list(NETWORKS), options.rounds, options.threads
    compare(
        "ONNX Runtime: quantised() beside quantize_static",
        names,
        rounds,
        lambda model, side: (quantised(model), quantise_statically(model, side)),
        lambda model, side: onnxruntime_ops(model),
        lambda model, side: load_onnxruntime(model, threads),
    )
    if importlib.util.find_spec("openvino") is None or importlib.util.find_spec("nncf") is None:
        print("\nopenvino and nncf are not both installed: no comparison with nncf.quantize")
        return
    compare(
        "OpenVINO: quantised(placement='openvino') beside nncf.quantize",
        names,
        rounds,
        lambda model, side: (openvino_model(quantised(model, "openvino")), quantise_with_nncf(model, side)),
        lambda model, side: openvino_ops(model, threads, side),
        lambda model, side: openvino_run(model, threads, side),
    )


if __name__ == "__main__":
    main()
