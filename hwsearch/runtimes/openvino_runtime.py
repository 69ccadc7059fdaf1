"""OpenVINO, with its precision pinned: the CPU plugin would otherwise pick bf16 where the processor has it.

What really ran is read back from the execution types of the nodes; another precision is refused.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from hwsearch.architecture import Architecture
from hwsearch.device import Device, Precision, Setup, this_cpu
from hwsearch.errors import InputError, UnavailableError
from hwsearch.graph import INPUT_NAME, part_of_node, to_onnx
from hwsearch.operation import Part
from hwsearch.quantisation import quantised
from hwsearch.runtimes import PartTime, PartTimes, RuntimeOptions, refuse_precision
from hwsearch.weights import random_image

PROFILER_WARM_UP = 3
PRECISIONS: tuple[Precision, ...] = ("f32", "f16", "bf16", "int8")
_CONVOLUTIONS = ("Convolution", "GroupConvolution")
_SUFFIXES: dict[Precision, tuple[str, ...]] = {
    "f32": ("_f32",),
    "f16": ("_f16",),
    "bf16": ("_bf16",),
    "int8": ("_i8", "_I8"),
}


def open_runtime(argument: str, options: RuntimeOptions) -> OpenVino:
    """The target ``openvino`` or ``openvino:PLUGIN``; UnavailableError where no such plugin is found."""
    return OpenVino(argument or "CPU", options)


class OpenVino:
    """Compiles networks for one plugin."""

    has_profiler = True

    def __init__(self, plugin: str, options: RuntimeOptions) -> None:
        import openvino

        refuse_precision("OpenVINO", options.precision, PRECISIONS)
        self._core = openvino.Core()
        devices = [str(name) for name in self._core.available_devices]
        if plugin not in devices and plugin != "AUTO":
            raise UnavailableError(f"OpenVINO has no plugin {plugin!r} here", allowed=", ".join(devices))
        self._plugin, self._options = plugin, options
        self._check_capability(devices)
        target = "openvino" if plugin == "CPU" else f"openvino:{plugin}"
        # the build number says nothing that the release does not
        version = str(openvino.__version__).split("-", maxsplit=1)[0]
        self.setup = Setup(
            target, self._device(), "openvino", version, options.threads, options.batch, options.precision
        )

    def load(self, architecture: Architecture) -> Request:
        """A compiled network for timing."""
        return Request(self._compile(architecture, profiled=False), random_image(architecture, self._options.batch))

    def load_profiled(self, architecture: Architecture) -> ProfiledRequest:
        """A compiled network with performance counters."""
        request = Request(self._compile(architecture, profiled=True), random_image(architecture, self._options.batch))
        return ProfiledRequest(request, self._options.precision)

    def _check_capability(self, devices: list[str]) -> None:
        wanted = {"bf16": "BF16", "f16": "FP16", "int8": "INT8"}.get(self._options.precision)
        if wanted is None or self._plugin not in devices:
            return
        found = [str(name) for name in self._core.get_property(self._plugin, "OPTIMIZATION_CAPABILITIES")]
        if wanted not in found:
            raise UnavailableError(
                f"OpenVINO's {self._plugin} plugin does not run {self._options.precision} here",
                allowed=", ".join(found),
            )

    def _device(self) -> Device:
        if self._plugin == "CPU":
            return this_cpu()
        if self._plugin == "AUTO":
            return Device("AUTO")
        return Device(str(self._core.get_property(self._plugin, "FULL_DEVICE_NAME")))

    def _compile(self, architecture: Architecture, *, profiled: bool) -> Any:  # noqa: ANN401 - an untyped package
        precision = self._options.precision
        network = to_onnx(architecture, batch=self._options.batch)
        if precision == "int8":
            network = quantised(network, "openvino")
        model = self._core.read_model(network.SerializeToString(), b"")
        settings: dict[str, Any] = {
            # what is not quantised (there is little) runs in f32
            "INFERENCE_PRECISION_HINT": "f32" if precision == "int8" else precision,
            "PERFORMANCE_HINT": "LATENCY",
            "PERF_COUNT": profiled,
        }
        if self._plugin == "CPU":
            settings |= {"INFERENCE_NUM_THREADS": self._options.threads, "NUM_STREAMS": 1}
        try:
            return self._core.compile_model(model, self._plugin, settings).create_infer_request()
        except RuntimeError as error:
            raise InputError(f"OpenVINO cannot compile {architecture.text}: {str(error).splitlines()[-1]}") from None


class Request:
    """A network in an OpenVINO inference request; its input is set once and shared."""

    def __init__(self, request: Any, image: np.ndarray[Any, np.dtype[np.float32]]) -> None:  # noqa: ANN401
        import openvino

        self._request = request
        self._request.set_tensor(INPUT_NAME, openvino.Tensor(image, shared_memory=True))
        self._image = image

    def run_ms(self) -> float:
        """Run one batch; wall time in ms."""
        start = time.perf_counter_ns()
        self._request.start_async()
        self._request.wait()
        return (time.perf_counter_ns() - start) / 1e6

    def counters(self) -> list[Any]:
        """What OpenVINO's performance counters say of the last run."""
        return list(self._request.get_profiling_info())

    def close(self) -> None:
        """Drop the request and its memory."""
        self._request = None


class ProfiledRequest:
    """A request whose counters are read after every run."""

    def __init__(self, request: Request, precision: Precision) -> None:
        self._request = request
        self._precision = precision

    def part_times(self, runs: int) -> list[PartTimes]:
        """Where the time went in each of ``runs`` runs; UnavailableError where another precision ran."""
        for _ in range(PROFILER_WARM_UP):
            self._request.run_ms()
        check_precision(self._request.counters(), self._precision)
        found: list[PartTimes] = []
        for _ in range(runs):
            self._request.run_ms()
            found.append(read_counters(self._request.counters()))
        return found

    def close(self) -> None:
        """Drop the request."""
        self._request.close()


def read_counters(counters: list[Any]) -> PartTimes:
    """One run by (op index, part); a node without a name of ours belongs to the node before it."""
    times: dict[tuple[int, Part], PartTime] = {}
    owner: tuple[int, Part] = (0, "other")
    for node in counters:
        ms = node.real_time.total_seconds() * 1000
        owner = part_of_node(node.node_name) or owner
        if "NOT_RUN" not in str(node.status) and ms > 0:
            times[owner] = times.get(owner, PartTime(0.0, 0)).plus(ms)
    if not times:
        raise UnavailableError("OpenVINO's performance counters are all zero")
    return times


def check_precision(counters: list[Any], precision: Precision) -> None:
    """Refuse a network whose convolutions ran in another precision than was asked for."""
    for node in counters:
        ran = str(node.exec_type)
        owner = part_of_node(str(node.node_name))
        if precision == "int8" and owner is not None and owner[1] == "squeeze_excite":
            continue  # quantisers leave its two small convolutions in f32
        executed = str(node.node_type) in _CONVOLUTIONS and "NOT_RUN" not in str(node.status)
        if executed and not ran.endswith(_SUFFIXES[precision]):
            raise UnavailableError(f"asked for {precision}, but {node.node_name} ran as {ran}")
