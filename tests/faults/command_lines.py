"""What the tests of faults share: small inputs, and ``hwsearch`` as a process that can be shot at."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tiny_space import TINY_SPACE

ROOT = Path(__file__).resolve().parents[2]

TINY_NETWORK = "r32 swish stem_c8 ds_r1_k3_s1_e1_c8 ir_r2_k5_s2_e4_c16_se0.25 head_c32 classes10"

STAGES = ((1, 16), (2, 24), (2, 40), (2, 80), (1, 112), (2, 192), (1, 320))


def known_space() -> str:
    """A small part of the space that the ImageNet predictor knows."""
    lines = TINY_SPACE.strip().splitlines()[:3]
    lines[2] = "name: part"
    lines += ["resolution: 224", "stem_channels: 32", "head_channels: 1280", "activation: swish", "num_classes: 1000"]
    lines.append("stages:")
    for number, (stride, channels) in enumerate(STAGES):
        expand = "1" if number == 0 else "[4, 6]"
        lines.append(
            f"  - {{stride: {stride}, out_channels: {channels}, kernel_size: 3, expand_ratio: {expand},"
            " num_repeats: 1, se_ratio: 0.25}"
        )
    return "\n".join(lines) + "\n"


DEVICE = '#!/bin/sh\necho $(( $(wc -c < "$1") / 1000000 + 1 ))\n'

READY = "ready"
_CODE = f"import os, sys, hwsearch.cli\nos.write(2, b'{READY}\\n')\nsys.argv[0] = 'hwsearch'\nhwsearch.cli.main()\n"


def start(arguments: list[str], folder: Path, stdout=subprocess.PIPE) -> subprocess.Popen:
    """``hwsearch`` in a folder; its first line on stderr is ``ready``, when its own code begins to run."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment.pop("HWSEARCH_DEBUG", None)
    return subprocess.Popen(
        [sys.executable, "-c", _CODE, *arguments],
        cwd=folder,
        env=environment,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen, seconds: float = 180) -> tuple[int, str, str]:
    """Exit code, stdout and stderr (without ``ready``) of a process that must end."""
    try:
        said, errors = process.communicate(timeout=seconds)
    finally:
        process.kill()
        process.wait()
    return process.returncode, said, errors.removeprefix(READY + "\n")


def hwsearch(arguments: list[str], folder: Path) -> tuple[int, str, str]:
    """Run to the end."""
    return finish(start(arguments, folder))


def error_lines(errors: str) -> list[str]:
    """The error lines; a traceback fails the test."""
    assert "Traceback" not in errors, errors
    assert "Exception ignored" not in errors, errors
    return [line for line in errors.splitlines() if line.startswith("error:")]
