"""What a person or a machine sees: tables for one, JSON for the other, and exit codes that mean something."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from worker import log

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


class Exit(IntEnum):
    """0 all is well. 1 it ran, and something is not well. 2 asked or configured wrongly. 3 something outside cannot be
    used (database, Redis, CRM). 70 a bug."""

    OK = 0
    NOT_WELL = 1
    WRONG = 2
    UNAVAILABLE = 3
    BUG = 70
    INTERRUPTED = 130


def emit(value: Any) -> None:
    """One JSON document on standard output."""
    json.dump(value, sys.stdout, default=_plain, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def error(text: str) -> None:
    """What went wrong, on standard error. Addresses and credentials in it are taken out."""
    _tell("[bold red]error:[/]", text)


def note(text: str) -> None:
    """What a person should know, on standard error."""
    _tell("[yellow]note:[/]", text)


def _tell(label: str, text: str) -> None:
    # A pipe gets one line for each, so that it can be searched.
    err.print(f"{label} {escape(log.redact(text))}", soft_wrap=not err.is_terminal)


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Sequence[int] = (),
    text: Sequence[int] = (),
) -> None:
    """A table. Columns named in `right` are aligned so; those in `text` are wrapped when the screen is narrow, between
    words, and no other is, as long as there is room for them."""
    shown = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        firm = bool(text) and number not in text
        shown.add_column(column, justify="right" if number in right else "left", overflow="fold", no_wrap=firm)
    for row in rows:
        shown.add_row(*("" if cell is None else escape(str(cell)) for cell in row))
    out.print(shown)


def ago(then: datetime | None, now: datetime) -> str:
    """How long ago, in the largest unit that fits."""
    if then is None:
        return "never"
    seconds = (now - then).total_seconds()
    if seconds < 0:
        return "in " + ago(now, then).removesuffix(" ago")
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    return f"{int(seconds)} s ago"


def span(length: timedelta) -> str:
    """A length of time in seconds or minutes."""
    seconds = length.total_seconds()
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def clock(instant: datetime, now: datetime) -> str:
    """An instant within some days of `now`, to the minute: `09:41 UTC`, with the date where it is another."""
    instant, now = instant.astimezone(UTC), now.astimezone(UTC)
    return f"{instant:%H:%M} UTC" if instant.date() == now.date() else f"{instant:%m-%d %H:%M} UTC"


def local(instant: datetime | None) -> str:
    """An instant for a person: UTC, to the second."""
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if instant else ""
