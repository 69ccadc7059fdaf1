"""``command:FILE``: trained accuracies from an executable."""

from __future__ import annotations

import json
import os
import signal as signals
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from fake_judges import small_space

from hwsearch.accuracy import load_signal
from hwsearch.accuracy.command import CommandSignal
from hwsearch.errors import InputError, UnavailableError
from hwsearch.evolution import search, settings_for
from hwsearch.notation import parse
from hwsearch.scoring import Scorer
from hwsearch.stage_arrays import from_architectures

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the commands of this test are scripts")

FIRST = "r32 swish stem_c8 ds_r1_k3_s1_e1_c8 ir_r2_k5_s2_e4_c16_se0.25 head_c32 classes10"
SECOND = FIRST.replace("k5", "k3")
THIRD = FIRST.replace("e4", "e6")

TRAIN = """
from hwsearch.preset import load_preset
from pathlib import Path
network = load_preset(Path(sys.argv[1])).architecture
with open(__file__ + ".asked", "a") as asked:
    asked.write(network.text + "\\n")
print("epoch 1: 12.5")
print("training is fun", file=sys.stderr)
print(50 + network.stages[1].kernel_size)
"""


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def script(folder: Path, body: str = TRAIN) -> Path:
    path = folder / "train.py"
    path.write_text(f"#!{sys.executable}\nimport os, subprocess, sys, time\n{body}", encoding="utf-8")
    path.chmod(0o755)
    return path


def arrays(*texts: str):
    return from_architectures([parse(text) for text in texts])


def asked(path: Path) -> list[str]:
    log = path.with_name(path.name + ".asked")
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


def test_the_last_line_is_the_top1_and_each_network_is_asked_once(tmp_path):
    path = script(tmp_path)
    signal = load_signal(f"command:{path}")
    for _ in range(2):
        prediction = signal.predict(arrays(FIRST, SECOND, FIRST))
        assert prediction.mean.tolist() == [55, 53, 55]
        assert np.isnan(prediction.std).all()
    assert asked(path) == [FIRST, SECOND]
    assert (signal.name, signal.metric) == ("command:train.py", "predicted_top1")
    assert signal.search_evaluations == 50
    assert signal.domain_faults(arrays(FIRST)) == []
    assert "command:train.py printed" in signal.warnings(arrays(FIRST))[0]


def test_a_later_search_goes_on_from_the_journal(tmp_path):
    path = script(tmp_path)
    journal = tmp_path / "run" / "accuracy.jsonl"
    load_signal(f"command:{path}", journal=journal).predict(arrays(FIRST))
    lines = journal.read_text(encoding="utf-8").splitlines()
    assert json.loads(lines[1]) == {"text": FIRST, "top1": 55.0}
    again = load_signal(f"command:{path}", journal=journal)
    assert again.predict(arrays(SECOND, FIRST)).mean.tolist() == [53, 55]
    assert asked(path) == [FIRST, SECOND]
    assert str(journal) in again.description


def test_without_a_journal_named_it_lies_in_the_working_folder(tmp_path):
    load_signal(f"command:{script(tmp_path)}").predict(arrays(FIRST))
    assert (tmp_path / ".hwsearch-train.top1.jsonl").is_file()


def test_a_line_that_a_kill_cut_short_is_evaluated_again(tmp_path):
    path, journal = script(tmp_path), tmp_path / "top1.jsonl"
    load_signal(f"command:{path}", journal=journal).predict(arrays(FIRST, SECOND))
    text = journal.read_text(encoding="utf-8")
    journal.write_text(text[:-9], encoding="utf-8")
    assert load_signal(f"command:{path}", journal=journal).predict(arrays(FIRST, SECOND)).mean.tolist() == [55, 53]
    assert asked(path) == [FIRST, SECOND, SECOND]
    assert journal.read_text(encoding="utf-8") == text


def test_a_failure_keeps_what_was_evaluated_before_it(tmp_path):
    fail = "if '_e6_' in open(sys.argv[1]).read(): print('out of memory', file=sys.stderr); sys.exit(3)\n"
    path = script(tmp_path, fail + TRAIN)
    signal = load_signal(f"command:{path}")
    with pytest.raises(UnavailableError, match="exit code 3: out of memory"):
        signal.predict(arrays(FIRST, THIRD, SECOND))
    assert load_signal(f"command:{path}").predict(arrays(FIRST)).mean.tolist() == [55]
    assert asked(path) == [FIRST]


def test_the_journal_of_another_command_is_not_gone_on_from(tmp_path):
    journal = tmp_path / "top1.jsonl"
    load_signal(f"command:{script(tmp_path)}", journal=journal).predict(arrays(FIRST))
    with pytest.raises(InputError, match="something else"):
        load_signal(f"command:{script(tmp_path, TRAIN + '# changed')}", journal=journal)


@pytest.mark.parametrize(
    "event", ['{"text": 3, "top1": 5}', '{"text": "x", "top1": 5}', json.dumps({"text": FIRST}), "[]"]
)
def test_a_journal_that_was_tampered_with_is_refused(tmp_path, event):
    path, journal = script(tmp_path), tmp_path / "top1.jsonl"
    load_signal(f"command:{path}", journal=journal).predict(arrays(FIRST))
    with journal.open("a", encoding="utf-8") as file:
        file.write(event + "\n")
    with pytest.raises(InputError, match="line 3"):
        load_signal(f"command:{path}", journal=journal)


@pytest.mark.parametrize(
    "output", ["", "top-1: 61.5", "nan", "inf", "-1", "101", "61.5 %", "61.5\nbye"], ids=lambda text: text or "nothing"
)
def test_what_is_no_top1_is_refused(tmp_path, output):
    signal = load_signal(f"command:{script(tmp_path, f'print({output!r})')}")
    with pytest.raises(UnavailableError, match=r"not a top-1 in percent.*ir_r2_k5"):
        signal.predict(arrays(FIRST))


def test_a_script_that_takes_too_long_is_ended_with_what_it_started(tmp_path):
    child = "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    path = script(tmp_path, child + "open(__file__ + '.child', 'w').write(str(child.pid))\nchild.wait()\n")
    signal = CommandSignal(path, tmp_path / "top1.jsonl", timeout_s=3)
    began = time.monotonic()
    with pytest.raises(UnavailableError, match="did not end within 3 s"):
        signal.predict(arrays(FIRST))
    assert time.monotonic() - began < 30
    pid = int(path.with_name("train.py.child").read_text())
    for _ in range(100):
        if not _is_running(pid):
            break
        time.sleep(0.05)
    assert not _is_running(pid)


def _is_running(pid: int) -> bool:
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(shown.strip()) and not shown.strip().startswith("Z")


def test_what_cannot_be_run_is_said(tmp_path):
    path = script(tmp_path)
    path.write_text("#!/no/such/interpreter\n", encoding="utf-8")
    with pytest.raises(UnavailableError, match="cannot be run"):
        load_signal(f"command:{path}").predict(arrays(FIRST))
    path.chmod(0o644)
    with pytest.raises(InputError, match="chmod"):
        load_signal(f"command:{path}")
    with pytest.raises(InputError, match="no such file"):
        load_signal(f"command:{tmp_path / 'absent'}")
    with pytest.raises(InputError, match="command:FILE"):
        load_signal("command:")


def test_a_killed_process_loses_only_the_evaluation_under_way(tmp_path):
    path = script(tmp_path, TRAIN + "\nif '_k3_s2_' in network.text and not os.path.exists('on'): time.sleep(60)\n")
    code = (
        "from hwsearch.accuracy import load_signal\nfrom hwsearch.notation import parse\n"
        "from hwsearch.stage_arrays import from_architectures\n"
        f"nets = [parse(text) for text in {[FIRST, THIRD, SECOND]!r}]\n"
        f"load_signal('command:{path}').predict(from_architectures(nets))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    while len(asked(path)) < 3:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signals.SIGINT)
    assert process.wait(timeout=60) != 0
    Path("on").touch()
    assert load_signal(f"command:{path}").predict(arrays(FIRST, THIRD, SECOND)).mean.tolist() == [55, 55, 53]
    assert asked(path) == [FIRST, THIRD, SECOND, SECOND]


def test_a_search_of_few_evaluations_trains_no_network_twice_and_goes_on(tmp_path):
    path, journal, space = script(tmp_path), tmp_path / "top1.jsonl", small_space(2)
    assert space.size > 25

    def found():
        scorer = Scorer(space, load_signal(f"command:{path}", journal=journal))
        return search(space, scorer, ["predicted_top1", "macs"], settings=settings_for(25), seed=1)

    first = found()
    assert 0 < first.evaluated <= 25
    assert first.best.scores["predicted_top1"] == 55
    trained = asked(path)
    assert len(trained) == len(set(trained)) <= 25
    assert found() == first
    assert asked(path) == trained


def test_the_search_command_keeps_its_trainings_in_the_run(tmp_path):
    path = script(tmp_path)
    arguments = ["search", "--accuracy", f"command:{path}", "--evaluations", "8", "-o", "run", "--json"]
    code = "from hwsearch.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["evaluated"] <= 8
    assert found["best"]["predicted_top1"] in (53, 55)
    assert found["best"]["predicted_top1_std"] is None
    assert len((tmp_path / "run" / "trained.jsonl").read_text(encoding="utf-8").splitlines()) == len(asked(path)) + 1


def test_the_search_command_prints_a_proxy_as_a_proxy(tmp_path):
    pytest.importorskip("torch", reason="torch is not installed: pip install 'hwsearch[torch]'")
    code = "from hwsearch.cli import main; main()"
    arguments = ["search", "--accuracy", "synflow", "--evaluations", "4", "--budget", "proxy_score>=1"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    headings = done.stdout.partition("───")[0].split()
    assert {"proxy", "score"} <= set(headings)
    assert "top-1" not in done.stdout
