"""What is wrong with a file, said so that whoever exported it can put it right."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class Flaw(Exception):
    """A file that cannot be read as it is. Says where, what is wrong and what is allowed; never a cell's value."""

    def __init__(
        self, file: Path, what: str, allowed: str, *, row: int | None = None, column: str | None = None
    ) -> None:
        place = [file.name]
        place += [] if row is None else [f"row {row:,}"]
        place += [] if column is None else [f"column {column!r}"]
        super().__init__(f"{', '.join(place)}: {what}; {allowed}")
        self.file, self.row, self.column, self.what, self.allowed = file, row, column, what, allowed


class Changed(Exception):
    """The file was replaced or written to while it was being read."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)`, or nothing where nothing is like it."""
    by_fold = {each.casefold(): each for each in known}
    close = get_close_matches(name.casefold(), by_fold, n=1, cutoff=0.6)
    return f" (did you mean {by_fold[close[0]]!r}?)" if close else ""
