"""``--dask``: evaluations that take minutes, on other machines. Refused wherever it would change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

    from hwsearch.architecture import Architecture
    from hwsearch.executor import Executor
    from hwsearch.profiling.measurement import Measurement
    from hwsearch.profiling.profiler import OnProgress
    from hwsearch.runtimes import Runtime

PREFIX = "command:"


def executor_for_signal(
    context: typer.Context, accuracy: str, address: str | None, resources: Sequence[str]
) -> Executor | None:
    """Who evaluates an accuracy signal; None for this process."""
    from hwsearch.errors import InputError

    if address is not None and not accuracy.startswith(PREFIX):
        raise InputError(
            f"--dask has nothing to do with --accuracy {accuracy[:60]}, which is computed here",
            allowed="--dask with --accuracy command:FILE",
        )
    return _open(context, address, resources)


def executor_for_target(
    context: typer.Context, target: str | None, address: str | None, resources: Sequence[str]
) -> Executor | None:
    """Who measures on a target; None for this process.

    A resource must say which workers have a board to themselves: what is measured side by side on one device is
    measured wrong.
    """
    from hwsearch.errors import InputError

    if address is not None and not (target or "").startswith(PREFIX):
        raise InputError(
            f"--dask has nothing to do with target {(target or 'cpu')[:60]}, which is this machine",
            allowed="--dask with --target command:FILE",
        )
    if address is not None and not resources:
        raise InputError(
            "--dask needs --dask-resource here, so that no board is measured twice at a time",
            next_command=f"dask worker {address} --resources board=1 for each board, and --dask-resource board=1",
        )
    return _open(context, address, resources)


def time_networks(
    runtime: Runtime,
    target: str | None,
    executor: Executor | None,
    architectures: Sequence[Architecture],
    seconds: float,
    seed: int,
    tell: OnProgress,
) -> Measurement:
    """Whole networks in shuffled rounds, on the executor or here."""
    from hwsearch.profiling.measurement import measure
    from hwsearch.profiling.profiler import Progress
    from hwsearch.profiling.remote_measurement import RemoteTarget, measure_remotely

    def on_progress(done: int, total: int) -> None:
        tell(Progress("timing networks", done, total))

    if executor is None:
        return measure(runtime, architectures, seconds=seconds, seed=seed, on_progress=on_progress)
    path = Path((target or "").removeprefix(PREFIX)).resolve()
    remote = RemoteTarget(f"{PREFIX}{path}", runtime.setup)
    return measure_remotely(remote, architectures, executor, seconds=seconds, seed=seed, on_progress=on_progress)


def _open(context: typer.Context, address: str | None, resources: Sequence[str]) -> Executor | None:
    from hwsearch.dask_executor import DaskExecutor, parse_resources
    from hwsearch.errors import InputError

    if address is None:
        if resources:
            raise InputError("--dask-resource says nothing without --dask ADDRESS")
        return None
    found = DaskExecutor(address, parse_resources(resources))
    context.call_on_close(found.close)
    return found
