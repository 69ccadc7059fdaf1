"""ONNX Runtime's CPU provider: the graph as written, all optimisations on, one session a network."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from hwsearch.architecture import Architecture
from hwsearch.device import Precision, Setup, this_cpu
from hwsearch.errors import UnavailableError
from hwsearch.graph import INPUT_NAME, part_of_node, to_onnx
from hwsearch.json_file import parse_json
from hwsearch.operation import Part
from hwsearch.quantisation import quantised
from hwsearch.runtimes import PartTime, PartTimes, RuntimeOptions, refuse_precision
from hwsearch.weights import random_image

PROFILER_WARM_UP = 3
PRECISIONS: tuple[Precision, ...] = ("f32", "int8")
_NODE_SUFFIX = "_kernel_time"


def open_runtime(argument: str, options: RuntimeOptions) -> OnnxRuntime:
    """The target ``cpu``; it takes no argument."""
    del argument
    return OnnxRuntime(options)


class OnnxRuntime:
    """Loads networks into ONNX Runtime sessions."""

    has_profiler = True

    def __init__(self, options: RuntimeOptions) -> None:
        import onnxruntime

        refuse_precision("ONNX Runtime", options.precision, PRECISIONS)
        self._package = onnxruntime
        self._options = options
        self.setup = Setup(
            "cpu",
            this_cpu(),
            "onnxruntime",
            str(onnxruntime.__version__),
            options.threads,
            options.batch,
            options.precision,
        )

    def load(self, architecture: Architecture) -> Session:
        """A session for timing."""
        return Session(self._session(architecture, None), random_image(architecture, self._options.batch))

    def load_profiled(self, architecture: Architecture) -> ProfiledSession:
        """A session under ONNX Runtime's profiler."""
        folder = tempfile.TemporaryDirectory(prefix="hwsearch-")
        session = self._session(architecture, Path(folder.name) / "profile")
        return ProfiledSession(Session(session, random_image(architecture, self._options.batch)), folder)

    def _session(self, architecture: Architecture, profile: Path | None) -> Any:  # noqa: ANN401 - an untyped package
        options = self._package.SessionOptions()
        options.intra_op_num_threads = self._options.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if profile is not None:
            options.enable_profiling = True
            options.profile_file_prefix = str(profile)
        model = to_onnx(architecture, batch=self._options.batch)
        if self._options.precision == "int8":
            model = quantised(model)
        return self._package.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


class Session:
    """A network in an ONNX Runtime session."""

    def __init__(self, session: Any, image: np.ndarray[Any, np.dtype[np.float32]]) -> None:  # noqa: ANN401
        self._session = session
        self._feed = {INPUT_NAME: image}

    def run_ms(self) -> float:
        """Run one batch; wall time in ms."""
        start = time.perf_counter_ns()
        self._session.run(None, self._feed)
        return (time.perf_counter_ns() - start) / 1e6

    def end_profiling(self) -> Path:
        """Stop the profiler; the path of its trace."""
        return Path(self._session.end_profiling())

    def close(self) -> None:
        """Drop the session and its memory."""
        self._session = None


class ProfiledSession:
    """A session whose trace is read once, after its runs."""

    def __init__(self, session: Session, folder: tempfile.TemporaryDirectory[str]) -> None:
        self._session = session
        self._folder = folder

    def part_times(self, runs: int) -> list[PartTimes]:
        """Where the time went in each of ``runs`` runs, by (op index, part), ms."""
        for _ in range(PROFILER_WARM_UP + runs):
            self._session.run_ms()
        trace = self._session.end_profiling()
        return read_trace(trace.read_text(encoding="utf-8"))[-runs:]

    def close(self) -> None:
        """Drop the session and its trace."""
        self._session.close()
        self._folder.cleanup()


def read_trace(text: str) -> list[PartTimes]:
    """The runs of a Chrome trace that ONNX Runtime wrote.

    Layout nodes (``ReorderInput`` ...) carry no name of ours: they belong to the node before them.
    """
    events = [event for event in parse_json(text, "ONNX Runtime profile") if event.get("cat") in ("Node", "Session")]
    starts = sorted(event["ts"] for event in events if event["name"] == "model_run")
    nodes = sorted((e for e in events if e["name"].endswith(_NODE_SUFFIX)), key=lambda event: int(event["ts"]))
    runs: list[dict[tuple[int, Part], PartTime]] = [{} for _ in starts]
    run, owner = -1, None
    for node in nodes:
        while run + 1 < len(starts) and node["ts"] >= starts[run + 1]:
            run, owner = run + 1, None
        owner = part_of_node(node["name"]) or owner or (0, "other")
        if run >= 0:
            runs[run][owner] = runs[run].get(owner, PartTime(0.0, 0)).plus(node["dur"] / 1000)
    if not runs or not all(runs):
        raise UnavailableError("ONNX Runtime's profiler returned no nodes")
    return list(runs)
