"""The command line. ``main`` runs it and turns every error into one line and an exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
from types import FrameType

INTERRUPTED = 130
INTERRUPTED_LINE = "interrupted; repeat the command to go on where it stopped"
BROKEN = 5
USAGE = 2
MAX_SHOWN = 200
QUIET = ("--quiet", "-q")


def main() -> None:
    """Entry point of the ``hwsearch`` command."""
    try:
        _remember_interruptions()
        _one_thread_for_arithmetic()
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # while a package was being imported
        code = _fail(INTERRUPTED_LINE, INTERRUPTED)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing is left to interrupt but Python's own end
    sys.exit(code)


class _Interruptions:
    """Whether Ctrl-C came: a compiled library may lose the KeyboardInterrupt and raise an error of its own instead."""

    came = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        raise KeyboardInterrupt


_interruptions = _Interruptions()


def _remember_interruptions() -> None:
    # whoever ignores Ctrl-C, as a shell's background jobs do, goes on ignoring it
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interruptions)


def _one_thread_for_arithmetic() -> None:
    """Keep NumPy's BLAS to one thread: our products are small, and idle helper threads would disturb timing.

    Set before NumPy is imported; whoever set it otherwise keeps it. Runtimes have thread counts of their own.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")


def run(arguments: list[str]) -> int:  # noqa: PLR0911 - one exit code for every way to end
    """Run one command line; the exit code. Nothing escapes but what HWSEARCH_DEBUG=1 asks to see."""
    import typer

    from hwsearch.cli.app import app
    from hwsearch.errors import HwsearchError

    try:
        code = app(args=_quiet_first(arguments) or ["--help"], prog_name="hwsearch", standalone_mode=False)
        sys.stdout.flush()
    except HwsearchError as error:
        if not _interruptions.came:
            return _fail(str(error), error.exit_code)
        code = INTERRUPTED
    except typer.Exit as error:
        code = error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        _drop_output()  # whoever read it has gone
        return 0
    except OSError as error:  # a path that no file system takes, a folder that may not be read
        if error.errno == errno.ENOSPC and error.filename is None:
            _drop_output()
            return _fail(f"standard output: {error.strerror}", USAGE)
        if error.filename is None:
            return _unexpected(error)
        return _fail(f"{str(error.filename)[:MAX_SHOWN]}: {error.strerror}", USAGE)
    except Exception as error:
        if not _is_interruption(error):
            return _unexpected(error)
        code = INTERRUPTED
    if code == INTERRUPTED:  # the parser turns Ctrl-C into this code
        return _fail(INTERRUPTED_LINE, INTERRUPTED)
    return code if isinstance(code, int) else 0


def _quiet_first(arguments: list[str]) -> list[str]:
    """``--quiet`` and ``-q`` are for every command, so they are understood behind it too, as people write them."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    found = [each for each in arguments[:end] if each in QUIET]
    return found[:1] + [each for each in arguments[:end] if each not in QUIET] + arguments[end:]


def _is_interruption(error: BaseException | None) -> bool:
    """Whether Ctrl-C is behind an error: a compiled module that was being imported makes an ImportError of it.

    NumPy makes a TypeError of it in the middle of a comparison, and forgets where that came from.
    """
    if _interruptions.came:
        return True
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _drop_output() -> None:
    """Let nothing be flushed at exit into what does not take it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _unexpected(error: Exception) -> int:
    format_message = getattr(error, "format_message", None)
    if callable(format_message):  # a usage error of the command-line parser
        hint = _help_hint(error)
        return _fail(f"{' '.join(str(format_message()).split())}{hint}", USAGE)
    if os.environ.get("HWSEARCH_DEBUG"):
        raise error
    return _fail(
        f"internal error: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
        "; this is a bug of hwsearch (HWSEARCH_DEBUG=1 shows where)",
        BROKEN,
    )


def _help_hint(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", None)
    return f"; next: {path} --help" if path else ""


def _fail(text: str, code: int) -> int:
    print(f"error: {text}", file=sys.stderr)
    return code
