"""The ``imagenet`` accuracy signal: its domain, its arithmetic, its file."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hwsearch.accuracy import SIGNALS, domain, load_signal
from hwsearch.accuracy.imagenet import WEIGHTS, ImagenetSignal, efficientnet_b0_arrays, load, reference_top1
from hwsearch.accuracy.network import ARRAYS, CHUNK
from hwsearch.accuracy.table import random_choices
from hwsearch.errors import FaultsError, InputError, OutOfDomainError
from hwsearch.stage_arrays import StageArrays

FIELDS = ("kernel_size", "stride", "expand_ratio", "out_channels", "num_repeats", "se_ratio")


def population(count: int, seed: int = 0) -> StageArrays:
    choices = random_choices(count, np.random.default_rng(seed))
    return dataclasses.replace(
        efficientnet_b0_arrays(),
        kernel_size=choices.kernel_size,
        stride=np.tile(np.array(domain.STRIDES), (count, 1)),
        expand_ratio=choices.expand_ratio,
        out_channels=np.tile(np.array(domain.OUT_CHANNELS), (count, 1)),
        num_repeats=choices.num_repeats,
        se_ratio=choices.se * 0.25,
        resolution=np.full(count, domain.RESOLUTION),
    )


def rows(arrays: StageArrays, index: Any) -> StageArrays:
    taken = {name: getattr(arrays, name)[index] for name in (*FIELDS, "resolution")}
    return dataclasses.replace(arrays, **taken)


def changed(arrays: StageArrays, field: str, place: tuple[int, int], value: float) -> StageArrays:
    column = getattr(arrays, field).copy()
    column[place] = value
    return dataclasses.replace(arrays, **{field: column})


@pytest.fixture(scope="module")
def signal() -> ImagenetSignal:
    return load()


def test_every_named_signal_loads_and_says_what_it_is() -> None:
    pytest.importorskip("torch", reason="torch is not installed: pip install 'hwsearch[torch]'")
    for name in SIGNALS:
        signal = load_signal(name)
        assert signal.name == name
        assert signal.description


def test_an_unknown_signal_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'imagenet'"):
        load_signal("imagnet")


def test_a_signal_loads_from_a_file() -> None:
    arrays = population(50)
    assert np.array_equal(load_signal(str(WEIGHTS)).predict(arrays).mean, load_signal().predict(arrays).mean)


@pytest.mark.parametrize("count", [0, 1, 7, CHUNK, CHUNK + 1])
def test_shapes_and_types(signal: ImagenetSignal, count: int) -> None:
    prediction = signal.predict(population(count))
    for values in (prediction.mean, prediction.std):
        assert values.shape == (count,)
        assert values.dtype == np.float64
    assert np.all((prediction.mean > 30) & (prediction.mean < 80))
    assert np.all((prediction.std > 0.1) & (prediction.std < 2))


def test_a_batch_is_its_networks_one_by_one(signal: ImagenetSignal) -> None:
    arrays = population(CHUNK + 40, seed=1)
    batch = signal.predict(arrays)
    for index in range(0, CHUNK + 40, 23):
        single = signal.predict(rows(arrays, slice(index, index + 1)))
        assert single.mean[0] == pytest.approx(batch.mean[index], abs=1e-4)
        assert single.std[0] == pytest.approx(batch.std[index], abs=1e-4)


def test_the_order_of_networks_does_not_matter(signal: ImagenetSignal) -> None:
    arrays = population(1500, seed=2)
    order = np.random.default_rng(0).permutation(1500)
    assert np.allclose(signal.predict(rows(arrays, order)).mean, signal.predict(arrays).mean[order], atol=1e-4)


def test_arrays_need_not_lie_in_order_in_memory(signal: ImagenetSignal) -> None:
    arrays = population(700, seed=3)
    turned = {name: np.asfortranarray(getattr(arrays, name)) for name in FIELDS}
    assert np.allclose(signal.predict(dataclasses.replace(arrays, **turned)).mean, signal.predict(arrays).mean)


def test_the_fast_arithmetic_is_the_plain_one(signal: ImagenetSignal) -> None:
    arrays = population(64, seed=4)
    with np.load(WEIGHTS, allow_pickle=False) as file:
        w = {name: file[name].astype(np.float64) for name in ARRAYS}
    for n, mean in enumerate(signal.predict(arrays).mean):
        codes = [
            (int(arrays.expand_ratio[n, s]) >> 1) * 16
            + (int(arrays.kernel_size[n, s]) >> 2) * 8
            + (int(arrays.num_repeats[n, s]) - 1) * 2
            + int(arrays.se_ratio[n, s] > 0)
            for s in range(7)
        ]
        inputs = np.concatenate([w["embedding"][s, code] for s, code in enumerate(codes)])
        hidden = np.maximum(inputs @ w["weight_1"] + w["bias_1"], 0)
        hidden = np.maximum(hidden @ w["weight_2"] + w["bias_2"], 0)
        expected = w["mean_scale"][0] + w["mean_scale"][1] * (hidden @ w["weight_3"])
        assert mean == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("stage", range(7))
def test_codes_of_a_stage_differ_and_fit(stage: int) -> None:
    codes = [int(domain.stage_code(*option)) for option in domain.stage_options(stage)]
    assert len(set(codes)) == len(codes) == (48 if stage == 5 else 36)
    assert 0 <= min(codes) <= max(codes) < domain.CODES_PER_STAGE


@pytest.mark.parametrize(
    ("field", "stage", "value", "allowed"),
    [
        ("kernel_size", 3, 7, "3, 5"),
        ("expand_ratio", 2, 3, "1, 4, 6"),
        ("expand_ratio", 2, 5, "1, 4, 6"),
        ("num_repeats", 4, 4, "1, 2, 3"),
        ("num_repeats", 5, 5, "1, 2, 3, 4"),
        ("num_repeats", 0, 0, "1, 2, 3"),
        ("se_ratio", 6, 0.5, "0, 0.25"),
        ("se_ratio", 6, float("nan"), "0, 0.25"),
        ("out_channels", 1, 32, "24"),
        ("stride", 4, 2, "1"),
        ("kernel_size", 0, 3 + 256, "3, 5"),
    ],
)
def test_a_stage_outside_the_domain_is_refused(
    signal: ImagenetSignal, field: str, stage: int, value: float, allowed: str
) -> None:
    arrays = changed(population(CHUNK + 5), field, (CHUNK + 2, stage), value)
    fault = f"stages[{stage}].{field}: {value:g} in 1 of {CHUNK + 5} networks; allowed: {allowed}"
    assert signal.domain_faults(arrays) == [fault]
    with pytest.raises(OutOfDomainError) as caught:
        signal.predict(arrays)
    assert fault in str(caught.value)


def test_all_faults_are_named_at_once(signal: ImagenetSignal) -> None:
    arrays = changed(efficientnet_b0_arrays(), "kernel_size", (0, 3), 7)
    arrays = changed(arrays, "expand_ratio", (0, 1), 3)
    arrays = dataclasses.replace(arrays, stem_channels=40, head_channels=1536, resolution=np.array([240]))
    assert signal.domain_faults(arrays) == [
        "stem_channels: 40; allowed: 32",
        "head_channels: 1536; allowed: 1280",
        "resolution: 240; allowed: 224",
        "stages[1].expand_ratio: 3; allowed: 1, 4, 6",
        "stages[3].kernel_size: 7; allowed: 3, 5",
    ]
    with pytest.raises(OutOfDomainError):
        signal.predict(arrays)


def test_another_number_of_stages_is_refused(signal: ImagenetSignal) -> None:
    arrays = efficientnet_b0_arrays()
    shorter = dataclasses.replace(arrays, **{name: getattr(arrays, name)[:, :6] for name in FIELDS})
    assert signal.domain_faults(shorter) == ["stages: 6 stages; allowed: 7"]
    with pytest.raises(OutOfDomainError, match="6 stages"):
        signal.predict(shorter)


def test_networks_inside_have_no_faults(signal: ImagenetSignal) -> None:
    assert signal.domain_faults(population(3000)) == []


def test_another_activation_is_ranked_as_swish_and_said(signal: ImagenetSignal) -> None:
    arrays = population(5)
    lite = dataclasses.replace(arrays, activation="relu6")
    assert signal.warnings(arrays) == []
    assert len(signal.warnings(lite)) == 1
    assert "relu6" in signal.warnings(lite)[0]
    assert np.array_equal(signal.predict(lite).mean, signal.predict(arrays).mean)


def test_efficientnet_b0_stands_among_the_best_networks(signal: ImagenetSignal) -> None:
    reference = reference_top1(signal)
    assert 63.5 < reference < 67.5
    assert np.mean(signal.predict(population(4000)).mean < reference) > 0.9


def test_the_shipped_file_says_where_it_comes_from(signal: ImagenetSignal) -> None:
    metadata = signal.metadata
    assert "Accel-NASBench" in metadata["source"]
    assert "Apache-2.0" in metadata["source"]
    assert metadata["command"].startswith("hwsearch accuracy fit ")
    assert metadata["held_out"]["kendall_tau"] >= 0.92
    assert metadata["held_out"]["mae"] <= 0.29


def damaged(tmp_path: Path, **changes: Any) -> Path:
    with np.load(WEIGHTS, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    for name, value in changes.items():
        if value is None:
            del arrays[name]
        else:
            arrays[name] = value
    path = tmp_path / "damaged.npz"
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"weight_1": None}, "weight_1: is missing"),
        ({"bias_1": np.zeros(3, dtype=np.float32)}, "weight_1"),
        ({"weight_3": np.full(64, np.nan, dtype=np.float32)}, "weight_3"),
        ({"mean_scale": np.zeros(2, dtype=np.float32)}, "mean_scale: float32"),
        ({"std_line": np.array([1.0, 0.0, -1.0, 2.0])}, "std_line"),
        ({"metadata": np.array("{")}, "not a fitted predictor"),
        ({"metadata": np.array(json.dumps({"format": "another"}))}, "metadata.format"),
        ({"weight_2": np.array([{}], dtype=object)}, "not a fitted predictor"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    with pytest.raises((InputError, FaultsError)) as caught:
        load(damaged(tmp_path, **changes))
    assert said in str(caught.value)


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(b"not an archive")
    with pytest.raises(InputError, match="not a fitted predictor"):
        load(path)
    with pytest.raises(InputError, match="no such file"):
        load_signal(str(tmp_path / "absent.npz"))
