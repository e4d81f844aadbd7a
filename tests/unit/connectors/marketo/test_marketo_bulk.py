"""An exported file in pieces: no row is lost, none comes twice, wherever a piece ends."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.marketo.bulk import cut

CELL = st.text(st.sampled_from('ab,"\n\r;é“ '), max_size=6)
TABLES = st.lists(st.lists(CELL, min_size=2, max_size=3), min_size=1, max_size=8)


def written(rows: list[list[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)  # so that it quotes either break
    return text.getvalue().encode()


@given(TABLES, st.integers(1, 40), st.integers(1, 4))
def test_pieces_are_the_whole(rows: list[list[str]], length: int, most: int) -> None:
    raw, found, start, size = written(rows), list[list[str]](), 0, length
    while start < len(raw):
        part = raw[start : start + size]
        lines, used = cut(part, most, whole=start + size >= len(raw))
        assert len(lines) <= most
        found += lines
        size = length if used else size * 2
        start += used
    assert found == rows


@pytest.mark.parametrize(
    ("raw", "whole", "lines", "used"),
    [
        (b"id,name\n1,Ann\n2,B", False, [["id", "name"], ["1", "Ann"]], 14),
        (b"id,name\n1,Ann", True, [["id", "name"], ["1", "Ann"]], 13),
        (b'id,name\n1,"A\nB"\n', False, [["id", "name"], ["1", "A\nB"]], 16),
        (b'id,name\n1,"A\n', False, [["id", "name"]], 8),
        (b"\xef\xbb\xbfid,name\r\n", True, [["id", "name"]], 12),
        (b"", True, [], 0),
    ],
)
def test_where_a_piece_ends(raw: bytes, whole: bool, lines: list[list[str]], used: int) -> None:
    assert cut(raw, 10, whole=whole) == (lines, used)
