"""PyTorch, eager: on the CPU (``torch``) and on a CUDA device (``gpu``).

On CUDA, whole networks are replayed from a CUDA graph and timed by events, so that launch overhead of the
Python side does not count; shares come from events around each part. There is no profiler node between us
and the parts: a part is a submodule, and what a block takes beyond its parts is ``other``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hwsearch.architecture import Architecture
from hwsearch.device import Device, Precision, Setup, this_cpu
from hwsearch.errors import InputError, UnavailableError
from hwsearch.module import build
from hwsearch.operation import IMAGE_CHANNELS, Part, ops
from hwsearch.runtimes import PartTime, PartTimes, RuntimeOptions, refuse_precision

if TYPE_CHECKING:
    from torch import nn

    from hwsearch.torch_network import Network

COMPILED = "torch:compile"
WARM_UP = 3
PARTS_OF_MODULES: dict[str, Part] = {
    "expand": "expand",
    "depthwise": "depthwise",
    "se": "squeeze_excite",
    "project": "project",
}
CPU_PRECISIONS: tuple[Precision, ...] = ("f32", "bf16")
CUDA_PRECISIONS: tuple[Precision, ...] = ("f32", "f16", "bf16")


class Torch:
    """Builds modules and runs them in inference mode, channels last."""

    def __init__(self, target: str, device: Device, options: RuntimeOptions) -> None:
        import torch

        self._options = options
        self._cuda = target == "gpu"
        self._compiled = target == COMPILED
        self.has_profiler = not self._compiled  # a compiled module has no parts left to mark
        threads = 0 if self._cuda else options.threads
        if not self._cuda:
            torch.set_num_threads(options.threads)
        version = str(torch.__version__).partition("+")[0]
        if self._cuda:
            version += f" CUDA {torch.version.cuda}"
        self.setup = Setup(target, device, "torch", version, threads, options.batch, options.precision)

    def load(self, architecture: Architecture) -> TorchNetwork | CudaGraphNetwork:
        """A network for timing."""
        network = TorchNetwork(architecture, self._options, cuda=self._cuda)
        if self._compiled:
            network.compile()
        return CudaGraphNetwork(network) if self._cuda else network

    def load_profiled(self, architecture: Architecture) -> ProfiledModule:
        """A network whose parts are timed one by one."""
        if self._compiled:
            raise UnavailableError(f"target {COMPILED} has no profiler", next_command="hwsearch targets")
        return ProfiledModule(architecture, TorchNetwork(architecture, self._options, cuda=self._cuda))


def open_runtime(argument: str, options: RuntimeOptions) -> Torch:
    """The target ``torch`` (eager), or ``torch:compile``."""
    if argument not in ("", "compile"):
        raise InputError(f"target torch has no {argument[:40]!r}", allowed=f"torch, {COMPILED}")
    refuse_precision("PyTorch on the CPU", options.precision, CPU_PRECISIONS)
    return Torch(COMPILED if argument else "torch", this_cpu(), options)


def open_cuda(options: RuntimeOptions) -> Torch:
    """The target ``gpu``; UnavailableError where PyTorch sees no CUDA device."""
    import torch

    if not torch.cuda.is_available():
        raise UnavailableError(
            "PyTorch sees no CUDA device here", next_command="hwsearch search --table a100, or another --target"
        )
    refuse_precision("PyTorch on CUDA", options.precision, CUDA_PRECISIONS)
    # TF32 would make an f32 measurement one of another precision
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    return Torch("gpu", Device(torch.cuda.get_device_name(0)), options)


class TorchNetwork:
    """A network as an evaluated module with its input, eager."""

    def __init__(self, architecture: Architecture, options: RuntimeOptions, *, cuda: bool) -> None:
        import torch

        kinds = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
        kind, device = kinds[options.precision], "cuda" if cuda else "cpu"
        side = architecture.resolution
        self.cuda = cuda
        self.module: Network | None = build(architecture).eval()
        self.module.to(device=device, dtype=kind, memory_format=torch.channels_last)  # type: ignore[call-overload]
        image = torch.randn(options.batch, IMAGE_CHANNELS, side, side, dtype=kind, device=device)
        self.image = image.to(memory_format=torch.channels_last)

    def compile(self) -> None:
        """Compile the module with PyTorch's default backend: tens of seconds, once; needs a C++ compiler."""
        import torch

        assert self.module is not None, "the network is closed"
        self.module.compile()
        try:
            self.forward()
        except torch._dynamo.exc.TorchDynamoException as error:
            line = str(error).strip().splitlines()[0]
            raise UnavailableError(f"torch.compile cannot compile the network here: {line[:200]}") from None

    def forward(self) -> None:
        """Run one batch without waiting for the device."""
        import torch

        assert self.module is not None, "the network is closed"
        with torch.inference_mode():
            self.module(self.image)

    def run_ms(self) -> float:
        """Run one batch; wall time in ms."""
        start = time.perf_counter_ns()
        self.forward()
        return (time.perf_counter_ns() - start) / 1e6

    def close(self) -> None:
        """Drop the module."""
        self.module = None


class CudaGraphNetwork:
    """A network captured into a CUDA graph; replays are timed by events on the device."""

    def __init__(self, network: TorchNetwork) -> None:
        import torch

        self._torch, self._network = torch, network
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):  # algorithm search happens here, outside the capture
                network.forward()
        torch.cuda.current_stream().wait_stream(stream)
        self._graph: Any = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            network.forward()
        torch.cuda.synchronize()

    def run_ms(self) -> float:
        """Replay one batch; time on the device in ms."""
        event = self._torch.cuda.Event
        start, end = event(enable_timing=True), event(enable_timing=True)  # type: ignore[no-untyped-call]
        start.record()
        self._graph.replay()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end))

    def close(self) -> None:
        """Drop the graph and the module."""
        self._graph = None
        self._network.close()


class ProfiledModule:
    """A network with marks around every part of every block."""

    def __init__(self, architecture: Architecture, network: TorchNetwork) -> None:
        self._architecture = architecture
        self._network = network

    def part_times(self, runs: int) -> list[PartTimes]:
        """Where the time went in each of ``runs`` runs, by (op index, part), ms."""
        assert self._network.module is not None, "the network is closed"
        marks = _CudaMarks() if self._network.cuda else _CpuMarks()
        found: list[PartTimes] = []
        with _hooked(self._network.module, marks.begin, marks.end):
            for number in range(WARM_UP + runs):
                marks.clear()
                self._network.forward()
                if number >= WARM_UP:
                    found.append(_by_part(marks.spans_ms(), self._architecture))
        return found

    def close(self) -> None:
        """Drop the module."""
        self._network.close()


Key = tuple[int, str]
"""Op index, and the name of a submodule of its block ('' for the whole op)."""


class _CpuMarks:
    """Spans by the clock of the processor, which waits for every layer anyway."""

    def __init__(self) -> None:
        self._begun: dict[Key, int] = {}
        self._spans: dict[Key, float] = {}

    def clear(self) -> None:
        self._begun.clear()
        self._spans.clear()

    def begin(self, key: Key) -> None:
        self._begun[key] = time.perf_counter_ns()

    def end(self, key: Key) -> None:
        self._spans[key] = (time.perf_counter_ns() - self._begun[key]) / 1e6

    def spans_ms(self) -> dict[Key, float]:
        return dict(self._spans)


class _CudaMarks:
    """Spans by events on the device's stream."""

    def __init__(self) -> None:
        import torch

        self._torch = torch
        self._begun: dict[Key, Any] = {}
        self._ended: dict[Key, Any] = {}

    def clear(self) -> None:
        self._begun.clear()
        self._ended.clear()

    def begin(self, key: Key) -> None:
        self._begun[key] = self._mark()

    def end(self, key: Key) -> None:
        self._ended[key] = self._mark()

    def spans_ms(self) -> dict[Key, float]:
        self._torch.cuda.synchronize()
        return {key: float(begun.elapsed_time(self._ended[key])) for key, begun in self._begun.items()}

    def _mark(self) -> Any:  # noqa: ANN401 - a CUDA event
        event = self._torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event


@contextmanager
def _hooked(module: Network, begin: Callable[[Key], None], end: Callable[[Key], None]) -> Iterator[None]:
    handles = []
    for key, part in _marked_modules(module):
        handles.append(part.register_forward_pre_hook(lambda *_, key=key: begin(key)))
        handles.append(part.register_forward_hook(lambda *_, key=key: end(key)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _marked_modules(module: Network) -> Iterator[tuple[Key, nn.Module]]:
    blocks = list(module.blocks)
    yield (0, ""), module.stem
    for index, block in enumerate(blocks, start=1):
        yield (index, ""), block
        for name, part in block.named_children():
            if name in PARTS_OF_MODULES:
                yield (index, name), part
    yield (len(blocks) + 1, ""), module.head
    yield (len(blocks) + 2, ""), module.classifier


def _by_part(spans: dict[Key, float], architecture: Architecture) -> PartTimes:
    times: dict[tuple[int, Part], PartTime] = {}
    for index in range(len(ops(architecture))):
        rest = spans[index, ""]
        for name, part in PARTS_OF_MODULES.items():
            if (index, name) in spans:
                times[index, part] = PartTime(spans[index, name], 1)
                rest -= spans[index, name]
        if rest > 0:
            times[index, "other"] = PartTime(rest, 1)
    return times
