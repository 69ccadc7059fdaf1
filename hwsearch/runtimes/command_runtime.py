"""Any device, by a command: it is given the path of an ONNX file and prints the latency in milliseconds.

``command:FILE`` names an executable. It is started as ``FILE MODEL.onnx --batch B --threads T --precision P``,
without a shell, and its last line of output must be the latency of one batch, in ms.
"""

from __future__ import annotations

import math
import os
import subprocess
import tempfile
from pathlib import Path

from hwsearch.architecture import Architecture
from hwsearch.device import Device, Setup
from hwsearch.errors import InputError, UnavailableError
from hwsearch.graph import to_onnx
from hwsearch.runtimes import ProfiledNetwork, RuntimeOptions

TIMEOUT_SECONDS = 600
MAX_SHOWN = 200


def open_runtime(argument: str, options: RuntimeOptions) -> Command:
    """The runtime of an executable; InputError where it is none."""
    if not argument:
        raise InputError("target command needs an executable", allowed="command:FILE")
    path = Path(argument)
    try:
        found = path.is_file()
    except OSError:  # a name that no file system takes
        found = False
    if not found:
        raise InputError("no such file", where=f"target command:{argument[:MAX_SHOWN]}")
    if not os.access(path, os.X_OK):
        raise InputError("not executable", where=f"target command:{argument}", next_command=f"chmod +x {argument}")
    return Command(path.resolve(), options)


class Command:
    """Hands networks to an executable."""

    has_profiler = False

    def __init__(self, path: Path, options: RuntimeOptions) -> None:
        self._path, self._options = path, options
        self.setup = Setup(
            f"command:{path.name}",
            Device(path.stem),
            "command",
            "",
            options.threads,
            options.batch,
            options.precision,
        )

    def load(self, architecture: Architecture) -> CommandNetwork:
        """Write the network to a file for the command."""
        folder = tempfile.TemporaryDirectory(prefix="hwsearch-")
        model = Path(folder.name) / "model.onnx"
        model.write_bytes(to_onnx(architecture, batch=self._options.batch).SerializeToString())
        options = self._options
        arguments = [
            str(self._path),
            str(model),
            *("--batch", str(options.batch), "--threads", str(options.threads), "--precision", options.precision),
        ]
        return CommandNetwork(arguments, folder)

    def load_profiled(self, architecture: Architecture) -> ProfiledNetwork:
        """There is none: a command says one number."""
        raise UnavailableError(f"target {self.setup.target} has no profiler", next_command="hwsearch targets")


class CommandNetwork:
    """An ONNX file and the command line that measures it."""

    def __init__(self, arguments: list[str], folder: tempfile.TemporaryDirectory[str]) -> None:
        self._arguments = arguments
        self._folder = folder

    def run_ms(self) -> float:
        """Run the command; the latency it prints, ms."""
        name = self._arguments[0]
        try:
            done = subprocess.run(  # noqa: S603 - an executable that the user named, without a shell
                self._arguments, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            raise UnavailableError(f"{name} did not end within {TIMEOUT_SECONDS} s") from None
        except (OSError, UnicodeDecodeError) as error:
            raise UnavailableError(f"{name} cannot be run: {error}") from None
        if done.returncode != 0:
            said = done.stderr.strip().splitlines()[-1:] or ["nothing on stderr"]
            raise UnavailableError(f"{name} ended with exit code {done.returncode}: {said[0][:MAX_SHOWN]}")
        return _milliseconds(done.stdout, name)

    def close(self) -> None:
        """Remove the file."""
        self._folder.cleanup()


def _milliseconds(output: str, name: str) -> float:
    lines = output.strip().splitlines()
    try:
        ms = float(lines[-1]) if lines else math.nan
    except ValueError:
        ms = math.nan
    if not (math.isfinite(ms) and ms > 0):
        shown = lines[-1][:MAX_SHOWN] if lines else ""
        raise UnavailableError(f"{name} printed {shown!r}, not a latency in milliseconds")
    return ms
