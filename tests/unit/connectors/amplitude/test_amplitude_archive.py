"""An export is read through from any place, once or again, whatever is in it."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.amplitude.archive import START, Archive, Place
from connectors.errors import Transient

FILES = st.lists(st.lists(st.integers(0, 99), max_size=6), max_size=4)


def zipped(files: Sequence[Sequence[object]]) -> io.BytesIO:
    """Files of one event a line; bytes are lines as they are."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("app/", "")
        for number, events in enumerate(files):
            lines = [each if isinstance(each, bytes) else json.dumps({"n": each}).encode() for each in events]
            archive.writestr(f"app/{number:03}#0.json.gz", gzip.compress(b"".join(line + b"\n" for line in lines)))
    return file


def opened(files: Sequence[Sequence[object]]) -> tuple[Archive, Counter[str]]:
    unread: Counter[str] = Counter()
    return Archive("app", zipped(files), unread), unread


@given(FILES, st.integers(1, 5))
def test_pages_are_all_lines_in_order_whoever_reads_them(files: list[list[int]], most: int) -> None:
    everything = [number for events in files for number in events]
    alone, _ = opened(files)
    found: list[int] = []
    place: Place | None = START
    while place is not None:
        events, following = alone.read(place, most)
        another, _ = opened(files)
        assert another.read(place, most) == (events, following), "from any place, by any process"
        assert alone.read(place, most) == (events, following), "and again"
        found += [event["n"] for event in events]
        assert following is None or following > place
        place = following
    assert found == everything


@pytest.mark.parametrize("line", [b"{", b"[1]", b"7", b"\xff\xfe", b'"text"', b"[" * 5_000])
def test_a_line_that_is_no_event_is_left_out_and_counted(line: bytes) -> None:
    archive, unread = opened([[1, line, 2]])
    assert archive.read(START, 10) == ([{"n": 1}, {"n": 2}], None)
    assert unread == {"lines": 1}


def test_texts_that_no_database_keeps_are_mended() -> None:
    archive, _ = opened([[b'{"a": "x\\u0000y", "b": "\\ud800"}']])
    assert archive.read(START, 10) == ([{"a": "xy", "b": "�"}], None)


@pytest.mark.parametrize("file", [b"", b"PK", b"<html>"])
def test_what_is_no_zip_is_told(file: bytes) -> None:
    with pytest.raises(Transient, match="damaged"):
        Archive("app", io.BytesIO(file), Counter())


def test_a_file_that_breaks_off_is_told_and_can_be_read_again() -> None:
    broken = io.BytesIO()
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("a.json.gz", gzip.compress(b'{"n": 1}\n' * 999)[:-20])
    read = Archive("app", broken, Counter())
    for _ in range(2):
        with pytest.raises(Transient, match="damaged"):
            read.read(START, 10_000)
