"""Evaluations on real Dask workers, in processes of their own: nothing is lost and nothing counts twice."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hwsearch.accuracy import load_signal
from hwsearch.cli import run
from hwsearch.dask_executor import DaskExecutor, parse_resources
from hwsearch.errors import InputError, UnavailableError
from hwsearch.notation import parse
from hwsearch.stage_arrays import from_architectures

ROOT = Path(__file__).resolve().parents[1]
DEADLINE_S = 40.0

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="distributed is not installed"),
    pytest.mark.skipif(os.name != "posix", reason="the commands of this test are scripts"),
]

NETWORK = "r32 swish stem_c8 ds_r1_k3_s1_e1_c8 ir_r{r}_k{k}_s2_e{e}_c16_se0.25 head_c32 classes10"
NETWORKS = [NETWORK.format(r=r, k=k, e=e) for r in (1, 2) for k in (3, 5) for e in (4, 6)]

TRAIN = """
import json, os, sys, time
document = json.load(open(sys.argv[1]))
text = document["text"]
with open({log!r}, "a") as log:
    log.write(json.dumps([os.getppid(), text]) + "\\n")
time.sleep({sleep})
if {fail!r} and {fail!r} in text:
    sys.exit("no such luck")
print(50 + text.count("_k5_") + 2 * text.count("_e6_") + 4 * text.count("ir_r2"))
"""
TOP1 = [50 + text.count("_k5_") + 2 * text.count("_e6_") + 4 * text.count("ir_r2") for text in NETWORKS]
MEASURE = "import sys\nprint(5 + len(sys.argv[1]) % 3)\n"


class Cluster:
    """A scheduler and workers on the loopback; every process is gone when it ends."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.workers = folder, []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.scheduler = None

    def start_scheduler(self) -> None:
        self.scheduler = self._start(
            "dask_scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard", "--no-show"
        )

    def start_workers(self, count: int, *options: str) -> None:
        for _ in range(count):
            name = f"worker-{len(self.workers)}"
            self.workers.append(
                self._start(
                    *("dask_worker", self.address, "--no-nanny", "--no-dashboard", "--nthreads", "1"),
                    *("--host", "127.0.0.1", "--name", name, "--local-directory", str(self.folder), *options),
                )
            )

    def kill(self, process: subprocess.Popen) -> None:
        process.kill()
        process.wait(timeout=10)

    def end(self) -> None:
        for process in (*self.workers, self.scheduler):
            if process is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # and the trainings that it had begun
                process.wait(timeout=10)

    def _start(self, module: str, *arguments: str) -> subprocess.Popen:
        paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        environment = {
            **os.environ,
            "PYTHONPATH": paths,
            "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "20s",
            "DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "False",
        }
        with (self.folder / f"{module}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{module}", *arguments],
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
            )


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = Cluster(tmp_path)
    try:
        found.start_scheduler()
        yield found
    finally:
        found.end()


def script(folder: Path, body: str, name: str = "train.py", **values: object) -> Path:
    path = folder / name
    text = body.format(log=str(folder / "asked.jsonl"), **{"sleep": 0.3, "fail": "", **values})
    path.write_text(f"#!{sys.executable} -S\n{text}", encoding="utf-8")
    path.chmod(0o755)
    return path


def asked(folder: Path) -> list[tuple[int, str]]:
    path = folder / "asked.jsonl"
    return [tuple(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def journalled(path: Path) -> list[str]:
    return [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()[1:]]


def wait_until(condition) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def arrays(*texts: str):
    return from_architectures([parse(text) for text in texts])


def predict_elsewhere(path: Path, journal: Path, address: str) -> subprocess.Popen:
    """A process that evaluates all networks on a cluster and prints what it got."""
    code = (
        "import sys\nfrom pathlib import Path\nfrom hwsearch.accuracy import load_signal\n"
        "from hwsearch.dask_executor import DaskExecutor\nfrom hwsearch.errors import HwsearchError\n"
        "from hwsearch.notation import parse\nfrom hwsearch.stage_arrays import from_architectures\n"
        "try:\n"
        f"    with DaskExecutor({address!r}) as executor:\n"
        f"        signal = load_signal('command:{path}', journal=Path({str(journal)!r}), executor=executor)\n"
        f"        networks = from_architectures([parse(text) for text in {NETWORKS!r}])\n"
        "        print(signal.predict(networks).mean.tolist())\n"
        "except HwsearchError as error:\n"
        "    print(error)\n    sys.exit(error.exit_code)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_worker_killed_in_the_middle_loses_nothing_and_nothing_counts_twice(cluster, tmp_path):
    cluster.start_workers(2)
    path, journal = script(tmp_path, TRAIN), tmp_path / "top1.jsonl"
    process = predict_elsewhere(path, journal, cluster.address)
    try:
        # one outcome is in, and the first worker is at work
        wait_until(lambda: len(asked(tmp_path)) >= 3 and journal.exists() and len(journalled(journal)) >= 1)
        busy = asked(tmp_path)[-1][0]
        victim = next(worker for worker in cluster.workers if worker.pid == busy)
        cluster.kill(victim)
        said, errors = process.communicate(timeout=DEADLINE_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, errors
    assert json.loads(said) == TOP1
    assert sorted(journalled(journal)) == sorted(NETWORKS)
    assert len(asked(tmp_path)) > len(NETWORKS)  # what the dead worker was at, ran again
    assert errors == ""


def test_a_lost_scheduler_is_said_and_a_new_one_goes_on_where_it_stopped(cluster, tmp_path):
    cluster.start_workers(1)
    path, journal = script(tmp_path, TRAIN), tmp_path / "top1.jsonl"
    process = predict_elsewhere(path, journal, cluster.address)
    try:
        wait_until(lambda: journal.exists() and len(journalled(journal)) >= 2)
        cluster.kill(cluster.scheduler)
        said, errors = process.communicate(timeout=DEADLINE_S)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == UnavailableError.exit_code, errors
    assert "the connection to the Dask scheduler is lost" in said
    assert "Traceback" not in errors
    before = journalled(journal)
    assert 2 <= len(before) < len(NETWORKS)
    cluster.end()
    cluster.workers.clear()
    (tmp_path / "asked.jsonl").unlink()
    cluster.start_scheduler()
    cluster.start_workers(1)
    with DaskExecutor(cluster.address) as executor:
        again = load_signal(f"command:{path}", journal=journal, executor=executor)
        assert again.predict(arrays(*NETWORKS)).mean.tolist() == TOP1
    assert sorted(journalled(journal)) == sorted(NETWORKS)
    assert sorted(text for _, text in asked(tmp_path)) == sorted(set(NETWORKS) - set(before))


def test_errors_of_a_worker_are_ours_and_name_the_network(cluster, tmp_path):
    cluster.start_workers(1, "--resources", "board=1")
    path, journal = script(tmp_path, TRAIN, sleep=0, fail="_k5_"), tmp_path / "top1.jsonl"
    with DaskExecutor(cluster.address, {"board": 1}) as executor:
        signal_ = load_signal(f"command:{path}", journal=journal, executor=executor)
        with pytest.raises(UnavailableError, match=r"exit code 1: no such luck \(for r32 .*_k5_"):
            signal_.predict(arrays(*NETWORKS))
        good = [text for text in NETWORKS if "_k3_s2" in text]
        assert signal_.predict(arrays(*good)).mean.tolist() == [TOP1[NETWORKS.index(text)] for text in good]
        path.write_text(path.read_text() + "# changed\n")
        with pytest.raises(InputError, match="not the executable that this search began with"):
            signal_.predict(arrays(NETWORKS[0].replace("stem_c8", "stem_c16")))
    with (
        DaskExecutor(cluster.address, {"gpu": 2}, patience_s=0.5) as executor,
        pytest.raises(UnavailableError, match=r"no worker with gpu=2.*dask worker tcp:.* --resources gpu=2"),
    ):
        load_signal(f"command:{path}", journal=tmp_path / "2.jsonl", executor=executor).predict(arrays(NETWORKS[0]))


SPACE = """
format: hwsearch-space
version: 1
name: tiny
resolution: 32
stem_channels: 8
head_channels: 32
activation: swish
num_classes: 10
stages:
  - {stride: 1, out_channels: 8, kernel_size: 3, expand_ratio: 1, num_repeats: 1, se_ratio: 0}
  - {stride: 2, out_channels: 16, kernel_size: [3, 5], expand_ratio: [4, 6], num_repeats: [1, 2], se_ratio: 0.25}
"""


def test_the_command_line_searches_and_measures_on_workers(cluster, tmp_path, capsys):
    cluster.start_workers(2, "--resources", "board=1")
    (tmp_path / "space.yaml").write_text(SPACE, encoding="utf-8")
    train = script(tmp_path, TRAIN, sleep=0)
    options = ["--space", "space.yaml", "--accuracy", f"command:{train}", "--dask", cluster.address, "--json"]
    assert run(["search", *options, "--dask-resource", "board=1"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["best"]["predicted_top1"] == max(TOP1)
    assert len(asked(tmp_path)) == len(NETWORKS)
    device = script(tmp_path, MEASURE, "device.py")
    options = ["--target", f"command:{device}", "--dask", cluster.address, "--seconds", "0.1", "--json"]
    assert run(["measure", *NETWORKS[:2], *options, "--dask-resource", "board=1"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert [each["text"] for each in measured["networks"]] == NETWORKS[:2]
    assert all(5 <= each["measured_latency_ms"] <= 7 for each in measured["networks"])
    assert list(tmp_path.glob("*.partial*")) == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ("search --dask tcp://127.0.0.1:1", 2, "nothing to do with --accuracy imagenet"),
        ("search --accuracy zen --dask tcp://127.0.0.1:1", 2, "nothing to do with --accuracy zen"),
        ("search --dask-resource board=1", 2, "--dask-resource says nothing without --dask"),
        ("measure efficientnet-b0 --dask tcp://127.0.0.1:1", 2, "nothing to do with target cpu"),
        ("measure efficientnet-b0 --target command:train.py --dask x", 2, "--dask needs --dask-resource"),
        ("search --accuracy command:train.py --dask x --dask-resource board", 2, "allowed: NAME=AMOUNT"),
        ("search --accuracy command:train.py --dask foo://x", 2, "not the address of a Dask scheduler"),
        ("search --accuracy command:train.py --dask tcp://127.0.0.1:1", 4, "no Dask scheduler answered"),
    ],
)
def test_where_it_would_be_ignored_it_is_refused(arguments, code, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hwsearch.dask_executor.CONNECT_S", 0.5)
    script(tmp_path, TRAIN)
    assert run(arguments.split()) == code
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(lines) == 1
    assert said in lines[0]


@pytest.mark.parametrize("text", ["", "board", "board=", "=1", "board=-1", "board=0", "board=nan", "board=inf"])
def test_what_is_no_resource_is_refused(text):
    with pytest.raises(InputError, match="NAME=AMOUNT"):
        parse_resources([text])
