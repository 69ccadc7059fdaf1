"""A journal that was cut anywhere goes on from what it holds, or is refused; it never crashes and never lies."""

from __future__ import annotations

import pytest

from hwsearch.errors import InputError
from hwsearch.journal import Journal

HEADER = {"format": "test", "networks": [["r32 é", "design"]], "seconds": 0.5}
EVENTS = [{"turn": number, "ms": number / 7, "who": "ä\u2028\x85"} for number in range(6)]


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "table.json.partial"
    with Journal(found, HEADER) as journal:
        for event in EVENTS:
            journal.append(event)
    return found


def test_events_are_found_again_in_order(path):
    with Journal(path, HEADER) as journal:
        assert journal.events == EVENTS
        journal.append({"turn": 6})
    with Journal(path, HEADER) as journal:
        assert journal.events == [*EVENTS, {"turn": 6}]


def test_a_journal_cut_at_any_byte_goes_on_from_a_prefix(path, tmp_path):
    whole = path.read_bytes()
    ends = [index + 1 for index, byte in enumerate(whole) if byte == ord("\n")]
    for size in range(len(whole) + 1):
        cut = tmp_path / "cut"
        cut.write_bytes(whole[:size])
        with Journal(cut, HEADER) as journal:
            kept = max(0, sum(end <= size for end in ends) - 1)
            assert journal.events == EVENTS[:kept]
            journal.append({"after": size})
        with Journal(cut, HEADER) as journal:
            assert journal.events == [*EVENTS[:kept], {"after": size}]


def test_a_journal_with_any_byte_damaged_is_refused_or_read(path, tmp_path):
    whole = path.read_bytes()
    for position in range(0, len(whole), 3):
        damaged = tmp_path / "damaged"
        damaged.write_bytes(whole[:position] + b"\xff" + whole[position + 1 :])
        with pytest.raises(InputError) as refused:
            Journal(damaged, HEADER)
        assert "damaged" in str(refused.value)


def test_zeros_at_the_end_are_refused_not_measured_over(path):
    before = path.read_bytes()
    path.write_bytes(before + b"\0\0\0\n")
    with pytest.raises(InputError, match="line 8"):
        Journal(path, HEADER)
    assert path.read_bytes().startswith(before)


@pytest.mark.parametrize("line", ["[1]", "3", "null", '"x"', "{", '{"a": NaN}'])
def test_a_line_that_is_no_event_is_named(path, line):
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 8"):
        Journal(path, HEADER)


def test_the_journal_of_something_else_is_refused_and_kept(path):
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"something else is in the way.*rm ") as refused:
        Journal(path, {**HEADER, "seconds": 0.6})
    assert str(path) in str(refused.value)
    assert path.read_bytes() == before


def test_headers_are_compared_as_json(path):
    with Journal(path, {**HEADER, "networks": (("r32 é", "design"),)}) as journal:
        assert journal.events == EVENTS


def test_every_event_is_on_its_way_to_the_disk_when_append_returns(tmp_path):
    path = tmp_path / "journal"
    with Journal(path, HEADER) as journal:
        for number, event in enumerate(EVENTS, start=2):
            journal.append(event)
            assert len(path.read_bytes().splitlines()) == number


def test_nan_is_never_written(path):
    before = path.read_bytes()
    with Journal(path, HEADER) as journal, pytest.raises(ValueError, match="JSON"):
        journal.append({"ms": float("nan")})
    assert path.read_bytes() == before


def test_a_complete_measurement_leaves_no_journal(path):
    with Journal(path, HEADER) as journal:
        journal.remove()
    assert not path.exists()


def test_a_folder_in_the_way_is_refused(tmp_path):
    with pytest.raises(InputError, match="not a regular file"):
        Journal(tmp_path, HEADER)
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be"):
        Journal(tmp_path / "file" / "journal", HEADER)


def test_a_full_disk_is_an_error_with_the_path(path, monkeypatch):
    with Journal(path, HEADER) as journal:

        class Full:
            def write(self, _):
                raise OSError(28, "No space left on device")

            def close(self):
                pass

        real = journal._stream
        monkeypatch.setattr(journal, "_stream", Full())
        with pytest.raises(InputError, match="No space left") as refused:
            journal.append({"turn": 9})
        assert str(path) in str(refused.value)
        real.close()
