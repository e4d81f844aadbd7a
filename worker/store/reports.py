"""The validation reports that are kept with models, and the people in them.

A report is one HTML page, gzipped. Its example leads are people, by number and without a name, each in an element
`<div class="lead" data-person="NUMBER">` that ends with the comment `/lead`. Nothing else in it is about one person.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Collection

from sqlalchemy import Connection, text

_LEAD = re.compile(r'<div class="lead" data-person="(\d+)">.*?<!--/lead-->', re.DOTALL)
_ERASED = '<div class="lead"><p class="hint">This lead was erased.</p></div>'


def packed(page: str) -> bytes:
    """As it is kept; the same page gives the same bytes."""
    return gzip.compress(page.encode(), mtime=0)


def page(connection: Connection, goal: str, number: int) -> str | None:
    """The report of a model; None where it came without one."""
    body = connection.execute(
        text("SELECT report FROM model WHERE goal = :goal AND number = :number"), {"goal": goal, "number": number}
    ).scalar_one_or_none()
    return None if body is None else gzip.decompress(bytes(body)).decode()


def forget(connection: Connection, people: Collection[int]) -> None:
    """Cut these people out of all reports, and with them everybody who is no person any more: a person who was merged
    into one of them had another number when the report was written."""
    rows = connection.execute(
        text("SELECT goal, number, report FROM model WHERE report IS NOT NULL ORDER BY goal, number FOR UPDATE")
    )
    for row in rows.all():
        held = gzip.decompress(bytes(row.report)).decode()
        shown = {int(number) for number in _LEAD.findall(held)}
        known = connection.execute(text("SELECT id FROM person WHERE id = ANY(:ids)"), {"ids": list(shown)}).scalars()
        if gone := (shown & set(people)) | (shown - set(known)):
            connection.execute(
                text("UPDATE model SET report = :report WHERE goal = :goal AND number = :number"),
                {"report": packed(without(held, gone)), "goal": row.goal, "number": row.number},
            )


def without(page: str, people: Collection[int]) -> str:
    """The page without what it says of these people."""
    return _LEAD.sub(lambda lead: _ERASED if int(lead[1]) in people else lead[0], page)
