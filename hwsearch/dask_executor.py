"""Evaluations on other machines, by Dask; the only door to it.

Dask runs a task again when its worker dies, so a task may run twice; its outcome counts once. What a worker
has begun cannot be stopped from here: after Ctrl-C it runs to its end and its outcome is dropped.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar

from hwsearch.errors import HwsearchError, InputError, UnavailableError, missing_package
from hwsearch.executor import Item, distinct, named

Outcome = TypeVar("Outcome")

CONNECT_S = 10.0
"""How long a scheduler may take to answer."""
FETCH_S = 15.0
"""How long the outcome of a task that is done may take to come."""
PATIENCE_S = 60.0
"""How long nobody may be there to work before that is an error; workers restart and machines reboot."""
POLL_S = 0.05
CHECK_S = 1.0
_LOGGERS = ("distributed", "distributed.client", "tornado.application")


def parse_resources(texts: Sequence[str]) -> dict[str, float]:
    """``board=1`` as {"board": 1.0}: what one evaluation needs of a worker; InputError for anything else."""
    found: dict[str, float] = {}
    for text in texts:
        name, _, amount = text.partition("=")
        try:
            found[name.strip()] = float(amount)
        except ValueError:
            found[name.strip()] = 0.0
        if not name.strip() or not 0 < found[name.strip()] < float("inf"):
            raise InputError(f"--dask-resource {text[:60]!r}", allowed="NAME=AMOUNT, e.g. board=1")
    return found


def attempt(function: Callable[..., Any], *item: str | int | float) -> dict[str, Any]:
    """On a worker: the outcome, or the error as plain data."""
    try:
        return {"outcome": function(*item)}
    except HwsearchError as error:
        return {"exit_code": error.exit_code, "error": str(error)}


class DaskExecutor:
    """A scheduler's workers, or those of them that offer the resources. Use as a context manager."""

    def __init__(
        self, address: str, resources: Mapping[str, float] | None = None, patience_s: float = PATIENCE_S
    ) -> None:
        """UnavailableError if the package or the scheduler is not there; InputError for what is no address."""
        self.address = address
        self._resources = dict(resources or {})
        self._patience_s = patience_s
        self._levels: dict[str, int] = {}
        self._client = self._connect()
        self._manned = self._checked = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the scheduler; its workers stay."""
        self._client.close(timeout=2)
        self._log_as(self._levels)

    def map_unordered(
        self, function: Callable[..., Outcome], items: Sequence[Item], *, key: Callable[[Item], str]
    ) -> Iterator[tuple[str, Outcome]]:
        """The outcomes as they come. Those that are there are given before an error is raised."""
        run = uuid.uuid4().hex  # an outcome of another run must not be taken for one of this
        waiting = {
            name: self._client.submit(
                attempt, function, *item, key=f"hwsearch-{run}-{number}", pure=False, resources=self._resources or None
            )
            for number, (name, item) in enumerate(distinct(items, key).items())
        }
        try:
            yield from self._collect(waiting)
        finally:
            for future in waiting.values():
                future.release()

    def _collect(self, waiting: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        self._manned = time.monotonic()
        while waiting:
            failed: HwsearchError | None = None
            settled = [name for name, future in waiting.items() if future.status != "pending"]
            for name in settled:
                try:
                    reply = self._reply(name, waiting[name])
                except HwsearchError as error:
                    failed = failed or error
                    continue
                if reply is not None:
                    waiting.pop(name).release()
                    yield name, reply["outcome"]
            if failed is not None:
                raise failed
            if not settled:
                self._check_workers()
                time.sleep(POLL_S)

    def _reply(self, name: str, future: Any) -> dict[str, Any] | None:  # noqa: ANN401
        """What a task that is done says; None if it was lost with its worker, so that Dask runs it again."""
        from distributed import CancelledError, KilledWorker, TimeoutError

        try:
            reply: dict[str, Any] = future.result(timeout=FETCH_S)
        except CancelledError:
            raise self._lost() from None
        except (TimeoutError, OSError):
            if self._client.status != "running":
                raise self._lost() from None
            return None
        except KilledWorker:
            raise UnavailableError(
                f"worker after worker died while evaluating it; nothing else is known (for {name})",
                next_command="look at the worker's own output (memory?)",
            ) from None
        except (ImportError, RuntimeError) as error:
            raise UnavailableError(
                f"the scheduler or a worker cannot run hwsearch: {error}",
                where=self.address,
                next_command="install the same hwsearch on every machine",
            ) from error
        if "error" in reply:
            raise named(int(reply["exit_code"]), str(reply["error"]), name)
        return reply

    def _check_workers(self) -> None:
        now = time.monotonic()
        if now - self._checked < CHECK_S:
            return
        self._checked = now
        if self._workers():
            self._manned = time.monotonic()
        elif now - self._manned > self._patience_s:
            offers = "".join(f" --resources {name}={amount:g}" for name, amount in self._resources.items())
            raise UnavailableError(
                f"no worker{' with ' + offers.split()[-1] if offers else ''} for {self._patience_s:g} s",
                where=self.address,
                next_command=f"dask worker {self.address}{offers}",
            )

    def _workers(self) -> int:
        """How many workers there are that offer what an evaluation needs."""
        try:
            # asked of the scheduler itself: what the client remembers may name no more than a few of them
            found = self._client.sync(self._client.scheduler.identity, callback_timeout=CONNECT_S)["workers"]
        except (OSError, AttributeError):  # it has gone; so have the futures, which say so
            if self._client.status != "running":
                raise self._lost() from None
            return 0
        offers = [worker.get("resources", {}) for worker in found.values()]
        return sum(all(offer.get(name, 0) >= amount for name, amount in self._resources.items()) for offer in offers)

    def _connect(self) -> Any:  # noqa: ANN401 - a distributed.Client
        try:
            from distributed import Client
        except ModuleNotFoundError:
            raise missing_package("distributed", "dask") from None
        self._levels = {name: logging.getLogger(name).level for name in _LOGGERS}
        self._log_as(dict.fromkeys(_LOGGERS, logging.CRITICAL + 1))  # one line tells of a lost scheduler, ours
        try:
            return Client(self.address, timeout=CONNECT_S, set_as_default=False)
        except (OSError, TimeoutError):
            self._log_as(self._levels)
            raise UnavailableError(
                f"no Dask scheduler answered within {CONNECT_S:g} s",
                where=self.address[:200],
                next_command="dask scheduler",
            ) from None
        except (ValueError, TypeError) as error:
            self._log_as(self._levels)
            raise InputError(
                f"not the address of a Dask scheduler ({error})", where=self.address[:200], allowed="tcp://HOST:8786"
            ) from None

    def _lost(self) -> UnavailableError:
        return UnavailableError(
            "the connection to the Dask scheduler is lost; what was evaluated is kept",
            where=self.address,
            next_command="start the scheduler and repeat the command to go on where it stopped",
        )

    @staticmethod
    def _log_as(levels: Mapping[str, int]) -> None:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
