"""Documents are read whole or refused with the reason, and written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwsearch import json_file
from hwsearch.errors import FaultsError, InputError
from hwsearch.json_file import Document, format_json, parse_json, read_json, read_text, validate, write_json, write_text

DOCUMENT = {"format": "test", "version": 1, "name": "é", "rows": [{"a": 1.5}, {"a": None}], "empty": {}, "flat": [1, 2]}

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def names_in(folder):
    return [each.name for each in folder.iterdir()]


def refusal(read, *arguments):
    """The message with which something is refused; empty when it is read."""
    try:
        read(*arguments)
    except InputError as error:
        return str(error)
    return ""


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "document.json"
    write_json(found, DOCUMENT)
    return found


def test_a_document_reads_back(path):
    assert read_json(path, "test", 1) == DOCUMENT


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text(), values, max_size=4))
def test_the_layout_changes_nothing(document):
    text = format_json(document)
    assert json.loads(text) == document


def test_every_entry_has_its_own_line_so_that_a_diff_is_readable(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert ' "flat": [1, 2]' in [line.rstrip(",") for line in lines]
    assert '  {"a": 1.5}' in [line.rstrip(",") for line in lines]


def test_a_file_cut_off_at_any_byte_is_refused(path):
    whole = path.read_bytes()
    for size in range(len(whole.rstrip())):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError) as refused:
            read_json(path, "test", 1)
        assert str(path) in str(refused.value)


def test_a_cut_off_file_is_called_that(path):
    path.write_text(path.read_text(encoding="utf-8")[:-20], encoding="utf-8")
    with pytest.raises(InputError, match="cut off"):
        read_json(path, "test", 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": NaN}', "NaN is not a number"),
        ('{"a": Infinity}', "Infinity is not a number"),
        ('{"a": -Infinity}', "-Infinity is not a number"),
        ('{"a": 1e999}', "1e999 is out of range"),
        ('{"a": -1e999}', "out of range"),
        ('{"a": ' + "9" * 5000 + "}", "not JSON"),
        ('{"a": 1, "b": 2, "a": 3}', "'a' is repeated"),
        ('{"a": {"b": 1, "b": 1}}', "'b' is repeated"),
        ("[" * 100_000, "nested too deep"),
        ('{"a":' * 100_000, "nested too deep"),
        ("{'a': 1}", "line 1 column 2"),
        ('{"a": 1}\n{"b": 2}', "line 2"),
        ('{"a": 1,}', "line 1"),
        ("\ufeff{}", "not JSON"),
        ("", "cut off"),
    ],
)
def test_what_is_not_strict_json_is_refused(text, said):
    with pytest.raises(InputError, match=said) as refused:
        parse_json(text, "here")
    assert str(refused.value).startswith("here: ")
    assert len(str(refused.value)) < 300


def test_a_repeated_key_is_found_among_very_many():
    text = "{" + ",".join(f'"{number}": 0' for number in [*range(60_000), 59_999]) + "}"
    with pytest.raises(InputError, match="'59999' is repeated"):
        parse_json(text, "here")


@pytest.mark.parametrize("depth", [150, 250, 500, 800, 950, 990, 1500, 20_000])
def test_no_depth_of_nesting_is_more_than_refused(path, depth):
    class Free(Document):
        a: object

    text = '{"format": "test", "version": 1, "a": ' + "[" * depth + "]" * depth + "}"
    path.write_text(text, encoding="utf-8")
    read = lambda: validate(Free, {"a": read_json(path, "test", 1)["a"]}, str(path))  # noqa: E731
    said = refusal(read)
    assert "\n" not in said
    assert said or depth < 250  # what is deeper than any document of ours is not followed


@pytest.mark.parametrize("document", ["[]", "3", "null", '"test"', "{}", '{"format": "other", "version": 1}'])
def test_a_document_of_another_kind_is_refused(path, document):
    path.write_text(document, encoding="utf-8")
    with pytest.raises(InputError, match="not a test file"):
        read_json(path, "test", 1)


@pytest.mark.parametrize("version", ["2", "0", '"1"', "null", "[1]"])
def test_another_version_is_refused_with_the_known_one(path, version):
    path.write_text(f'{{"format": "test", "version": {version}}}', encoding="utf-8")
    with pytest.raises(InputError, match="allowed: 1"):
        read_json(path, "test", 1)


def test_a_file_that_is_not_text_is_refused(path):
    path.write_bytes(b'{"format": "\xff\xfe"}')
    with pytest.raises(InputError, match="not UTF-8"):
        read_text(path)


def test_a_file_that_is_too_large_is_not_read(path):
    path.write_text("x" * 1025, encoding="utf-8")
    with pytest.raises(InputError, match="larger than 1 KiB"):
        read_text(path, max_bytes=1024)


@pytest.mark.parametrize("name", ["nothing.json", ".", "a\0b", "x" * 5000])
def test_what_is_no_file_is_refused(tmp_path, name):
    with pytest.raises(InputError):
        read_text(tmp_path / name)


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="not a regular file"):
        read_text(tmp_path / "pipe")


class Row(Document):
    size: int
    share: float = 0.0


class Table(Document):
    name: str
    rows: list[Row]


@pytest.mark.parametrize(
    ("data", "paths"),
    [
        ({"name": 3, "rows": [{"size": 1}, {"size": "2"}, {}]}, ["name", "rows[1].size", "rows[2].size"]),
        ({"name": "x", "rows": [], "extra": 1}, ["extra"]),
        ({"name": "x", "rows": {}}, ["rows"]),
        ({"name": "x", "rows": [{"size": 1.5}]}, ["rows[0].size"]),
        ({"name": "x", "rows": [{"size": True}]}, ["rows[0].size"]),
        ({}, ["name", "rows"]),
    ],
)
def test_every_fault_is_named_by_its_path(data, paths):
    with pytest.raises(FaultsError) as refused:
        validate(Table, data, "file.json")
    assert [fault.split(":")[0] for fault in refused.value.faults] == paths


def test_very_many_faults_are_counted_not_listed():
    with pytest.raises(FaultsError, match="and 980 more") as refused:
        validate(Table, {"name": "x", "rows": [{"size": "y"}] * 1000}, "file.json")
    assert len(refused.value.faults) == json_file.MAX_SHOWN_FAULTS + 1


@pytest.mark.parametrize("broken", ["fsync", "replace", "chmod"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(path, monkeypatch, broken):
    before = path.read_bytes()

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os if broken == "fsync" else Path, broken, fail)
    with pytest.raises(InputError, match="No space left on device") as refused:
        write_json(path, {"new": 1})
    monkeypatch.undo()
    assert str(path) in str(refused.value)
    assert path.read_bytes() == before
    assert names_in(path.parent) == [path.name]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(path, monkeypatch):
    before = path.read_bytes()

    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_json(path, {"new": 1})
    assert path.read_bytes() == before
    assert names_in(path.parent) == [path.name]


def test_nan_is_never_written(path):
    before = path.read_bytes()
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="JSON"):
            write_json(path, {"a": [{"b": value}]})
    assert path.read_bytes() == before


def test_folders_on_the_way_are_made(tmp_path):
    write_text(tmp_path / "a" / "b" / "c.txt", "text")
    assert (tmp_path / "a" / "b" / "c.txt").read_text(encoding="utf-8") == "text"


def test_a_folder_in_the_way_is_refused_and_kept(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        write_text(tmp_path / "folder", "text")
    assert names_in(tmp_path) == ["folder"]


def test_a_file_as_a_folder_is_refused(path):
    with pytest.raises(InputError, match="cannot be written"):
        write_text(path / "below.json", "text")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written"):
        write_text(tmp_path / "file.txt", "text")
    tmp_path.chmod(0o700)


def test_others_may_read_what_was_written(path):
    assert path.stat().st_mode & 0o777 == 0o644
