"""Fitting an accuracy signal to a table of trained networks, end to end, with settings that take seconds."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hwsearch.accuracy import domain, fitting, load_signal
from hwsearch.accuracy.distil import DistilSettings
from hwsearch.accuracy.held_out import split_held_out, std_line
from hwsearch.accuracy.imagenet import efficientnet_b0_arrays
from hwsearch.accuracy.table import random_choices, read_table
from hwsearch.accuracy.teacher import fitted_warp
from hwsearch.errors import FaultsError, InputError, UnavailableError
from hwsearch.ranking import kendall_tau

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "accel-nasbench" / "train.csv"
FIELDS = {"expand": "expand_ratio", "kernel": "kernel_size", "repeats": "num_repeats", "se": "se"}


def table(count: int, seed: int = 0) -> pd.DataFrame:
    """Made-up trained networks: wider, deeper and larger kernels help, with run-to-run scatter."""
    rng = np.random.default_rng(seed)
    choices = random_choices(count, rng)
    gain = np.log(choices.expand_ratio) + 0.5 * choices.num_repeats + 0.3 * (choices.kernel_size > 3) + 0.4 * choices.se
    frame = pd.DataFrame(
        {
            f"s{stage}_{column}": getattr(choices, field)[:, stage]
            for stage in range(domain.NUM_STAGES)
            for column, field in FIELDS.items()
        }
    )
    frame["top1"] = 70 - 25 * np.exp(-gain.sum(axis=1) / 12) + rng.normal(0, 0.2, count)
    return frame


def written(tmp_path: Path, frame: pd.DataFrame) -> Path:
    path = tmp_path / "table.csv"
    frame.to_csv(path, index=False)
    return path


def test_a_table_is_read_as_it_stands(tmp_path: Path) -> None:
    frame = table(250)
    trained = read_table(written(tmp_path, frame))
    assert len(trained) == 250
    assert np.array_equal(trained.choices.num_repeats[:, 5], frame["s5_repeats"])
    assert np.allclose(trained.top1, frame["top1"])


def test_all_faults_of_a_table_are_named_at_once(tmp_path: Path) -> None:
    frame = table(250).astype(object)
    frame.loc[3, "s2_kernel"] = 7
    frame.loc[4, "s5_repeats"] = 5
    frame.loc[5, "s1_expand"] = "wide"
    frame.loc[6, "top1"] = float("nan")
    frame.loc[7, "top1"] = 0.61 * 1000
    frame = frame.drop(columns=["s6_se"])
    with pytest.raises(FaultsError) as caught:
        read_table(written(tmp_path, frame))
    assert caught.value.faults == (
        "column s6_se: is missing",
        "column s1_expand: line 7: 'wide'; allowed: 1, 4, 6",
        "column s2_kernel: line 5: '7'; allowed: 3, 5",
        "column s5_repeats: line 6: '5'; allowed: 1, 2, 3, 4",
        "column top1: line 8: '', line 9: '610.0'; allowed: percent between 0 and 100",
    )


def test_many_bad_lines_are_counted(tmp_path: Path) -> None:
    frame = table(250)
    frame["s0_se"] = 2
    with pytest.raises(FaultsError, match="and 245 more lines"):
        read_table(written(tmp_path, frame))


def test_too_few_networks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FaultsError, match="60 networks are too few"):
        read_table(written(tmp_path, table(60)))


def test_too_many_networks_and_a_constant_top1_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = table(220)
    path = written(tmp_path, frame.assign(top1=60.0))
    with pytest.raises(FaultsError, match="all values are equal"):
        read_table(path)
    monkeypatch.setattr("hwsearch.accuracy.table.MAX_ROWS", 210)
    with pytest.raises(FaultsError, match="220 networks are too many"):
        read_table(path)


@pytest.mark.parametrize("content", ["", "s0_expand\n1,2,3,4\n5\n", "\x00\x01"])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(content)
    with pytest.raises(InputError):
        read_table(path)
    with pytest.raises(InputError, match="no such file"):
        read_table(tmp_path / "absent.csv")


def test_a_network_trained_twice_is_held_out_with_both_rows(tmp_path: Path) -> None:
    once = table(200)
    trained = read_table(written(tmp_path, pd.concat([once, once])))
    rest, held = split_held_out(trained, seed=3)
    assert len(held) == 40
    assert sorted([*rest, *held]) == list(range(400))
    assert {row % 200 for row in held}.isdisjoint({row % 200 for row in rest})


def test_the_warp_goes_there_and_back() -> None:
    top1 = np.linspace(40, 67, 50)
    warp = fitted_warp(top1)
    assert np.allclose(warp.back(warp.to(top1)), top1)
    assert np.all(np.isfinite(warp.to(np.array([99.9]))))


def test_the_std_line_holds_nine_in_ten() -> None:
    rng = np.random.default_rng(0)
    mean = rng.uniform(50, 66, 4000)
    scatter = 0.3 + 0.02 * (66 - mean)
    top1 = mean + rng.normal(0, scatter)
    offset, slope, least, most = std_line(mean, top1)
    std = np.clip(offset + slope * mean, least, most)
    assert np.mean(np.abs(top1 - mean) <= 1.645 * std) == pytest.approx(0.9, abs=0.002)
    assert np.allclose(std, scatter, rtol=0.15)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[fitting.FittedPredictor, Path, list[tuple[str, float]]]:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    folder = tmp_path_factory.mktemp("fit")
    told: list[tuple[str, float]] = []
    predictor = fitting.fit(
        written(folder, table(500)),
        seed=1,
        settings=fitting.QUICK,
        source="made up",
        scheme="none",
        progress=lambda step, share: told.append((step, share)),
    )
    path = folder / "made_up.npz"
    predictor.save(path)
    return predictor, path, told


def test_a_quick_fit_ranks_networks_it_has_not_seen(fitted: tuple[fitting.FittedPredictor, Path, object]) -> None:
    figures = fitted[0].held_out
    assert figures.networks == 50
    assert figures.kendall_tau > 0.75
    assert 0.75 <= figures.coverage_90 <= 1


def test_a_fitted_file_is_a_signal(fitted: tuple[fitting.FittedPredictor, Path, object]) -> None:
    predictor, path, _ = fitted
    signal = load_signal(str(path))
    fresh = table(400, seed=9)
    trained = read_table(written(path.parent, fresh))
    arrays = dataclasses.replace(
        efficientnet_b0_arrays(),
        kernel_size=trained.choices.kernel_size,
        expand_ratio=trained.choices.expand_ratio,
        num_repeats=trained.choices.num_repeats,
        se_ratio=trained.choices.se * 0.25,
        out_channels=np.tile(np.array(domain.OUT_CHANNELS), (400, 1)),
        stride=np.tile(np.array(domain.STRIDES), (400, 1)),
        resolution=np.full(400, 224),
    )
    assert kendall_tau(signal.predict(arrays).mean, trained.top1) > 0.75
    metadata = predictor.network.metadata
    assert metadata["source"] == "made up"
    assert metadata["rows"] == 500
    assert metadata["command"] == "hwsearch accuracy fit table.csv --seed 1"


def test_progress_is_told_in_shares(fitted: tuple[object, object, list[tuple[str, float]]]) -> None:
    told = fitted[2]
    assert all(0 <= share <= 1 for _, share in told)
    assert {step.split(":")[0] for step, _ in told} == {"nine tenths", "all networks"}


def test_the_same_seed_gives_the_same_file(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    tiny = dataclasses.replace(fitting.QUICK, distil=DistilSettings(hidden_1=16, hidden_2=8, pool=2000, epochs=1))
    data = written(tmp_path, table(220))
    first, second = (fitting.fit(data, seed=5, settings=tiny).network.to_bytes() for _ in range(2))
    assert first == second
    assert fitting.fit(data, seed=6, settings=tiny).network.to_bytes() != first


def test_saving_replaces_the_whole_file_or_nothing(
    tmp_path: Path, fitted: tuple[fitting.FittedPredictor, Path, object]
) -> None:
    predictor = fitted[0]
    with pytest.raises(InputError, match="npz"):
        predictor.save(tmp_path / "weights.bin")
    with pytest.raises(InputError, match="folder does not exist"):
        predictor.save(tmp_path / "absent" / "weights.npz")
    target = tmp_path / "weights.npz"
    target.write_text("old")
    predictor.save(target)
    assert [path.name for path in tmp_path.iterdir()] == ["weights.npz"]
    assert target.read_bytes() == predictor.network.to_bytes()


def test_without_torch_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match=r"hwsearch\[fit\]"):
        fitting.fit(tmp_path / "table.csv")


@pytest.mark.skipif(not SHARED.is_file(), reason="the Accel-NASBench table is not beside the repository")
def test_a_quick_fit_on_trained_networks_ranks_better_than_flops(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    frame = pd.read_csv(SHARED).sample(800, random_state=0)
    path = written(tmp_path, frame)
    figures = fitting.fit(path, seed=2, settings=fitting.QUICK).held_out
    trained = read_table(path)
    held = split_held_out(trained, seed=2)[1]
    flops_tau = kendall_tau(frame["macs_m"].to_numpy()[held], trained.top1[held])
    assert figures.kendall_tau > flops_tau + 0.2
    assert 0.8 <= figures.coverage_90 <= 0.99


@pytest.mark.skipif(not SHARED.is_file(), reason="the Accel-NASBench table is not beside the repository")
def test_the_shipped_intervals_hold_nine_in_ten_held_out_networks() -> None:
    held_out = load_signal().metadata["held_out"]  # type: ignore[attr-defined]
    assert 0.85 <= held_out["coverage_90"] <= 0.95


def raw_result(row: dict[str, object]) -> dict[str, object]:
    """One network as the source's raw files have it."""
    letters = {"expand": "e", "kernel": "k", "repeats": "l", "se": "se"}
    architecture = {
        f"block{stage}_{letter}": bool(row[f"s{stage}_{field}"]) if letter == "se" else row[f"s{stage}_{field}"]
        for stage in range(7)
        for field, letter in letters.items()
    }
    return {"architecture": architecture, "metrics": {"val_top1": row["top1"], "train_time": 1.0}}


def test_a_folder_of_raw_result_files_reads_as_the_table_does(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = []
    for number in range(5):
        row: dict[str, object] = {"top1": 60.5 + number}
        for stage in range(7):
            row |= {
                f"s{stage}_expand": int(rng.choice([1, 4, 6])),
                f"s{stage}_kernel": int(rng.choice([3, 5])),
                f"s{stage}_repeats": int(rng.integers(1, 4)),
                f"s{stage}_se": int(rng.integers(2)),
            }
        rows.append(row)
        folder = tmp_path / "raw" / f"run_{number}"
        folder.mkdir(parents=True)
        (folder / f"result_{number}.json").write_text(json.dumps(raw_result(row)), encoding="utf-8")
    pd.DataFrame(rows).to_csv(tmp_path / "table.csv", index=False)
    from_csv = read_table(tmp_path / "table.csv", min_rows=2)
    from_raw = read_table(tmp_path / "raw", min_rows=2)
    assert np.array_equal(from_raw.choices.codes(), from_csv.choices.codes())
    assert np.array_equal(from_raw.top1, from_csv.top1)


def test_raw_result_files_that_are_none_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no result\*\.json"):
        read_table(tmp_path)
    (tmp_path / "result_0.json").write_text('{"architecture": {}}', encoding="utf-8")
    (tmp_path / "result_1.json").write_text('{"architecture": ', encoding="utf-8")
    with pytest.raises(FaultsError) as caught:
        read_table(tmp_path)
    assert "result_0.json: not a result" in str(caught.value)
    assert "result_1.json: not JSON" in str(caught.value)
