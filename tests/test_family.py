"""Families in files: round trips, consistency, one line a fault."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwsearch.errors import InputError
from hwsearch.family import DeviceLatency, Family, family_document, load_family, save_family
from hwsearch.preset import load_preset, reference_preset, save_preset
from hwsearch.scaling import Law, scale_family

B0 = reference_preset("efficientnet-b0").architecture
MEASURED = DeviceLatency(12.5, "some device, some runtime", batch=8, threads=2)
ON_GPU = DeviceLatency(1.5, "some GPU", batch=1, threads=None, precision="f16")


@pytest.fixture
def family() -> Family:
    found = scale_family(B0, [-1, 0, 1], "b", base_name="efficientnet-b0")
    last = dataclasses.replace(found.variants[-1], predicted_latency=ON_GPU, measured_latency=MEASURED)
    return dataclasses.replace(found, variants=(*found.variants[:-1], last), law_note="doubles the latency of a table")


def test_round_trip(family, tmp_path):
    path = tmp_path / "new folder" / "b.family.json"
    save_family(family, path)
    assert load_family(path) == family
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(
    phis=st.lists(st.floats(-2, 6), min_size=1, max_size=3, unique_by=lambda phi: f"{phi + 0.0:g}"),
    style=st.sampled_from(["b", "lite"]),
    latency=st.none() | st.builds(DeviceLatency, st.floats(1e-6, 1e6), st.text(max_size=20)),
)
def test_any_family_round_trips(tmp_path, phis, style, latency):
    found = scale_family(B0, phis, style, Law(1.3, 1.05, 1.2))
    variants = tuple(dataclasses.replace(variant, measured_latency=latency) for variant in found.variants)
    found = dataclasses.replace(found, variants=variants)
    save_family(found, tmp_path / "family.json")
    assert load_family(tmp_path / "family.json") == found


def test_published_families_round_trip_with_their_top1(tmp_path):
    found = scale_family(B0, range(5), "lite", coefficients="published", base_name="efficientnet-b0")
    save_family(found, tmp_path / "lite.json")
    loaded = load_family(tmp_path / "lite.json")
    assert loaded == found
    assert [variant.published_top1.percent for variant in loaded.variants] == [75.1, 76.7, 77.6, 79.8, 81.5]


def test_top1_stands_only_where_it_was_published(family):
    assert [variant.published_top1 is not None for variant in family.variants] == [False, True, False]
    members = family_document(family)["members"]
    assert ["published_top1" in member for member in members] == [False, True, False]
    assert [member["measured_latency"] for member in members[:2]] == [None, None]


def test_frame(family):
    frame = family.to_frame()
    assert list(frame["phi"]) == [-1, 0, 1]
    assert list(frame["macs"]) == [variant.macs for variant in family.variants]
    assert frame["measured_latency_ms"].isna().tolist() == [True, True, False]
    assert frame["measured_on"].iloc[2] == "some device, some runtime, batch 8, 2 threads, f32"
    assert frame["predicted_on"].iloc[2] == "some GPU, batch 1, f16"
    for name in ("name", "style", "width_coefficient", "depth_coefficient", "resolution", "text", "params"):
        assert name in frame


def test_a_member_becomes_a_preset(family, tmp_path):
    preset = family.variants[2].preset()
    save_preset(preset, tmp_path / "x.preset.json")
    loaded = load_preset(tmp_path / "x.preset.json")
    assert loaded.architecture == family.variants[2].architecture
    assert loaded.provenance["scaled"]["phi"] == 1


@pytest.mark.parametrize("field", ["macs", "params", "activation_bytes", "resolution"])
def test_counts_that_contradict_the_network_are_refused(family, tmp_path, field):
    document = family_document(family)
    document["members"][1][field] += 1
    with pytest.raises(InputError, match=rf"members\[1\]\.{field}: says .* but the network"):
        load_family(_written(document, tmp_path))


def test_all_faults_at_once_and_on_one_line(family, tmp_path):
    document = family_document(family)
    document["members"][0]["macs"] = 1
    document["members"][1]["text"] = "r224 nonsense"
    document["members"][2]["name"] = "Not A Name"
    with pytest.raises(InputError) as error:
        load_family(_written(document, tmp_path))
    message = str(error.value)
    assert "\n" not in message
    for part in ("members[0].macs", "members[1].text", "members[2].name", "3 faults"):
        assert part in message


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"version": 2}, "version 2"),
        ({"format": "something"}, "not a hwsearch-family"),
        ({"members": 3}, "members"),
        ({"law": {"alpha": 0.5, "beta": 1.1, "gamma": 1.1}}, "law.alpha"),
        ({"base": ""}, "base"),
        ({"more": 1}, "more"),
    ],
)
def test_documents_that_are_no_families(family, tmp_path, change, match):
    with pytest.raises(InputError, match=match):
        load_family(_written(family_document(family) | change, tmp_path))


@pytest.mark.parametrize("latency", [0, -1, "3", {"latency_ms": -2}])
def test_a_latency_is_a_positive_number_with_its_device(family, tmp_path, latency):
    document = family_document(family)
    document["members"][0]["measured_latency"] = latency
    with pytest.raises(InputError, match="measured_latency"):
        load_family(_written(document, tmp_path))


def test_two_members_of_one_name_are_refused(family, tmp_path):
    document = family_document(family)
    document["members"].append(document["members"][0])
    with pytest.raises(InputError, match="two members"):
        load_family(_written(document, tmp_path))


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_family(tmp_path / "none.json")
    (tmp_path / "cut.json").write_text('{"format": "hwsearch-family", ')
    with pytest.raises(InputError, match="not JSON"):
        load_family(tmp_path / "cut.json")


def _written(document, folder):
    path = folder / "family.json"
    path.write_text(json.dumps(document))
    return path
