"""A user's own table of trained top-1."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from hwsearch.accuracy import load_signal
from hwsearch.errors import FaultsError, InputError, OutOfDomainError
from hwsearch.notation import parse
from hwsearch.stage_arrays import from_architectures

FIRST = "r32 swish stem_c8 ds_r1_k3_s1_e1_c8 ir_r2_k5_s2_e4_c16_se0.25 head_c32 classes10"
SECOND = FIRST.replace("k5", "k3")
THIRD = FIRST.replace("e4", "e6").replace("_r2", "_r3")
DEEPER = FIRST.replace(" head", " ir_r1_k3_s1_e4_c16 head")


def table(folder: Path, *rows: str, header: str = "text,top1") -> str:
    path = folder / "mine.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return f"table:{path}"


def arrays(*texts: str):
    return from_architectures([parse(text) for text in texts])


def test_what_is_in_the_table_is_looked_up(tmp_path):
    signal = load_signal(table(tmp_path, f"{FIRST},61.5", f" {SECOND} , 60", f'"{THIRD}",62.25'))
    prediction = signal.predict(arrays(SECOND, THIRD, FIRST, SECOND))
    assert prediction.mean.tolist() == [60, 62.25, 61.5, 60]
    assert np.isnan(prediction.std).all()
    assert (signal.name, signal.metric) == ("table:mine.csv", "predicted_top1")
    assert "3 trained networks" in signal.description
    assert "trained top-1 of table:mine.csv" in signal.warnings(arrays(FIRST))[0]
    assert signal.domain_faults(arrays(FIRST, THIRD)) == []


def test_any_spelling_of_a_network_is_the_same_network(tmp_path):
    signal = load_signal(table(tmp_path, f"{FIRST.replace('swish', 'silu').replace('ds_', 'ir_')},61.5"))
    assert signal.predict(arrays(FIRST)).mean.tolist() == [61.5]


def test_several_trainings_of_a_network_are_averaged(tmp_path):
    prediction = load_signal(table(tmp_path, f"{FIRST},60", f"{SECOND},50", f"{FIRST},62")).predict(arrays(FIRST))
    assert prediction.mean.tolist() == [61]
    assert prediction.std.tolist() == pytest.approx([2**0.5])


def test_what_is_not_in_the_table_is_refused_with_the_nearest(tmp_path):
    signal = load_signal(table(tmp_path, f"{DEEPER},64", f"{THIRD},62", f"{FIRST},61"))
    wanted = FIRST.replace("k5", "k7")
    with pytest.raises(OutOfDomainError) as caught:
        signal.predict(arrays(FIRST, wanted))
    for part in (wanted, f"nearest: {FIRST}", "not stages[1].kernel_size 7", "accuracy signal 'table:mine.csv'"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [("classes10", "num_classes 1000"), ("r32 ", "resolution 224"), ("swish", "activation relu6")],
)
def test_another_task_or_input_is_another_network(tmp_path, change, said):
    signal = load_signal(table(tmp_path, f"{FIRST},61"))
    other = FIRST.replace(change, "relu6" if change == "swish" else "")
    with pytest.raises(OutOfDomainError, match=said.replace("[", r"\[")):
        signal.predict(arrays(other))


def test_a_network_of_another_depth_has_a_nearest_too(tmp_path):
    faults = load_signal(table(tmp_path, f"{DEEPER},64")).domain_faults(arrays(FIRST))
    assert faults == [f"network {FIRST}: not in the table; nearest: {DEEPER} (not stages 2)"]


def test_many_absent_networks_are_counted(tmp_path):
    signal = load_signal(table(tmp_path, f"{FIRST},61"))
    faults = signal.domain_faults(arrays(*(FIRST.replace("e4", f"e{ratio}") for ratio in range(5, 13))))
    assert len(faults) == 6
    assert faults[-1] == "and 3 more networks"


def test_all_faults_are_named_at_once(tmp_path):
    name = table(tmp_path, f"{FIRST},61", "ir_r1,60", f"{SECOND},", f"{SECOND},760", f"{SECOND},nan")
    with pytest.raises(FaultsError) as caught:
        load_signal(name)
    assert [fault.partition(":")[0] for fault in caught.value.faults] == ["line 3", "line 4", "line 5", "line 6"]
    assert "percent" in str(caught.value)


def test_faults_are_not_endless(tmp_path):
    with pytest.raises(FaultsError, match="and 10 more lines"):
        load_signal(table(tmp_path, *["rubbish,1"] * 30))


@pytest.mark.parametrize(
    ("header", "rows", "said"),
    [
        ("text,accuracy", [f"{FIRST},61"], "column top1: is missing"),
        ("a;b", [], "column text: is missing"),
        ("text,top1", [], "no networks"),
        ("text,top1", [f"{FIRST},0.61", f"{SECOND},0.7"], "percent, not fractions"),
        ("text,top1", [FIRST], "percent, a number from 0 to 100"),
        ("text,top1", [f'{FIRST},"61'], "percent, a number|not a CSV"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, header, rows, said):
    if rows and '"' in rows[0]:
        rows = [rows[0] + "\n" * 3 + "x" * 200_000]
    with pytest.raises(InputError, match=said):
        load_signal(table(tmp_path, *rows, header=header))


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_signal(f"table:{tmp_path / 'absent.csv'}")
    with pytest.raises(InputError, match="table:FILE"):
        load_signal("table:")
    with pytest.raises(InputError, match="did you mean 'table:FILE'"):
        load_signal("tabel:x.csv")


def test_arrays_of_other_classes_do_not_stack():
    with pytest.raises(InputError, match="cannot be stacked"):
        from_architectures([parse(FIRST), dataclasses.replace(parse(FIRST), num_classes=100)])
