"""Fuzz one file door, or all in turn: ``python tests/fuzz/fuzz_doors.py DOOR [--runs N | --seconds S]``.

With atheris installed its coverage guides the mutations; without it (or with ``--engine plain``) the same mutations
run from a pool of seeds that grows by what was answered in a new way. Inputs that break a door are written to
``--failures``, one for each way; the last line of output is a JSON object, and the exit code is 1 if there are any.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), *(str(ROOT / "tests" / name) for name in ("", "faults", "fuzz"))]

LONGEST_S = 5.0
MOST_MIB = 512
"""What one input may take."""


@dataclass
class Outcome:
    """What came of fuzzing one door."""

    door: str
    executions: int = 0
    let_in: int = 0
    seconds: float = 0.0
    failures: dict[str, bytes] = field(default_factory=dict)
    """The first input of each way to fail, by where it failed."""

    def summary(self) -> dict[str, object]:
        return {
            "door": self.door,
            "executions": self.executions,
            "let_in": self.let_in,
            "seconds": round(self.seconds, 1),
            "failures": list(self.failures),
        }


class Fuzzer:
    """Tries inputs on a door, and notes what breaks it."""

    def __init__(self, name: str, *, is_timed: bool = True) -> None:
        from doors import DOORS, passes

        self.door, self._passes, self._is_timed = DOORS[name], passes, is_timed
        self.outcome = Outcome(name)
        self._folder = Path(tempfile.mkdtemp(prefix="fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def try_one(self, data: bytes) -> str:
        """How an input was answered: ``in``, the shape of the refusal, or the failure's place."""
        self.outcome.executions += 1
        folder = self._folder / "in"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        peak, began = _peak_mib(), time.perf_counter()
        try:
            is_in = self._passes(self.door, data, folder)
        except Exception as error:
            answer = self._note(_place(error), data)
        else:
            self.outcome.let_in += is_in
            answer = "in" if is_in else "refused"
        spent = time.perf_counter() - began
        if self._is_timed and spent > LONGEST_S:
            answer = self._note(f"slow: {spent:.1f} s", data)
        if _peak_mib() - peak > MOST_MIB:
            answer = self._note(f"memory: {_peak_mib() - peak:.0f} MiB more", data)
        return answer

    def _note(self, place: str, data: bytes) -> str:
        kind = place.partition(":")[0] if place.startswith(("slow", "memory")) else place
        if not any(each.startswith(kind) for each in self.outcome.failures):
            self.outcome.failures[place] = data
        return place


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _place(error: BaseException) -> str:
    """The error's type, and the innermost line of hwsearch that it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/hwsearch/" in frame.filename] or frames
    message = (
        " ".join(re.sub(r"/\S+/|\d+", "0", str(error)).split()[:3]) if type(error).__name__ == "BrokenValue" else ""
    )
    return f"{type(error).__name__} at {Path(own[-1].filename).name}:{own[-1].lineno} {message}".strip()


def fuzz_plainly(fuzzer: Fuzzer, seed: int, goes_on: Callable[[Outcome], bool]) -> None:
    """Seeds as they are, then mutations of a pool that starts with them."""
    from mutations import Mutator

    rng = random.Random(seed)
    pool = fuzzer.door.all_seeds()
    mutate = Mutator(pool, fuzzer.door.kind)
    answers = {fuzzer.try_one(data) for data in pool}
    fresh = [data for data in pool if len(data) < 20_000]
    sound = fuzzer.door.seeds()
    while goes_on(fuzzer.outcome):
        data = mutate(rng.choice(sound if rng.random() < 0.6 else fresh), rng)
        answer = fuzzer.try_one(data)
        if answer not in answers or (answer == "in" and rng.random() < 0.02):
            answers.add(answer)
            fresh.append(data)


def fuzz_with_atheris(
    name: str, seed: int, goes_on: Callable[[Outcome], bool], finish: Callable[[Fuzzer], int]
) -> None:
    """libFuzzer's loop, guided by the coverage of hwsearch, with our mutations beside its own. Does not return."""
    import atheris

    with atheris.instrument_imports(include=["hwsearch"]):
        fuzzer = Fuzzer(name)
    from mutations import Mutator

    sound = fuzzer.door.seeds()
    mutate = Mutator(sound, fuzzer.door.kind)

    def mutated(data: bytes, max_size: int, number: int) -> bytes:
        rng = random.Random(number)
        if rng.random() < 0.3:  # libFuzzer likes what is refused in a new way, and forgets what is let in
            return mutate(rng.choice(sound), rng)[:max_size]
        return (atheris.Mutate(data, max_size) if rng.random() < 0.4 else mutate(data, rng))[:max_size]

    def try_one(data: bytes) -> None:
        fuzzer.try_one(data)
        if not goes_on(fuzzer.outcome):
            shutil.rmtree(corpus, ignore_errors=True)
            os._exit(finish(fuzzer))  # libFuzzer has no other way to end with a summary of ours

    with tempfile.TemporaryDirectory(prefix="fuzz-corpus-") as corpus:
        for data in fuzzer.door.all_seeds():
            (Path(corpus) / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
        options = [f"-seed={seed + 1}", "-max_len=65536", "-len_control=0", "-rss_limit_mb=4096", "-timeout=60"]
        atheris.Setup(
            [sys.argv[0], *options, "-verbosity=0", "-print_final_stats=0", corpus], try_one, custom_mutator=mutated
        )
        atheris.Fuzz()


def finish(fuzzer: Fuzzer, failures: Path, began: float) -> int:
    """Write what broke the door, say what came of it; the exit code."""
    outcome = fuzzer.outcome
    outcome.seconds = time.monotonic() - began
    for place, data in outcome.failures.items():
        failures.mkdir(parents=True, exist_ok=True)
        path = failures / f"{outcome.door}-{hashlib.sha256(place.encode()).hexdigest()[:10]}"
        path.write_bytes(data)
        print(f"{outcome.door}: {place}: {path}", file=sys.stderr)
    print(json.dumps(outcome.summary()), flush=True)
    fuzzer.close()
    return 1 if outcome.failures else 0


def fuzz(name: str, arguments: argparse.Namespace) -> int:
    """Fuzz one door until its runs or seconds are over."""
    began = time.monotonic()

    def goes_on(outcome: Outcome) -> bool:
        if arguments.runs:
            return outcome.executions < arguments.runs
        return time.monotonic() - began < arguments.seconds

    engine = arguments.engine or ("atheris" if find_spec("atheris") else "plain")
    if engine == "atheris":
        fuzz_with_atheris(name, arguments.seed, goes_on, lambda fuzzer: finish(fuzzer, arguments.failures, began))
    fuzzer = Fuzzer(name)
    fuzz_plainly(fuzzer, arguments.seed, goes_on)
    return finish(fuzzer, arguments.failures, began)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("door", help="a door's name, or 'all': each in a process of its own")
    parser.add_argument("--runs", type=int, default=0, help="executions (otherwise --seconds decides)")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", choices=["atheris", "plain"])
    parser.add_argument("--failures", type=Path, default=Path(tempfile.gettempdir()) / "hwsearch-fuzz")
    arguments = parser.parse_args()
    if arguments.door != "all":
        return fuzz(arguments.door, arguments)
    from doors import DOORS

    rest = [each for each in sys.argv[1:] if each != "all"]
    return max(subprocess.run([sys.executable, __file__, name, *rest], check=False).returncode for name in DOORS)


if __name__ == "__main__":
    sys.exit(main())
