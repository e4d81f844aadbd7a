"""Files with people in them that were written on some machine, so that whoever is erased is taken out of them there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from worker.store.database import as_array


def note(connection: Connection, host: str, path: str, now: datetime) -> None:
    """A file was written. Call it before it is."""
    connection.execute(
        text("""
        INSERT INTO export (host, path, made_at) VALUES (:host, :path, :now)
        ON CONFLICT (host, path) DO UPDATE SET made_at = excluded.made_at
        """),
        {"host": host, "path": path, "now": now},
    )


def of_host(connection: Connection, host: str) -> Sequence[str]:
    """The paths of those that lie on a machine."""
    return (
        connection.execute(text("SELECT path FROM export WHERE host = :host ORDER BY 1"), {"host": host})
        .scalars()
        .all()
    )


def forget(connection: Connection, host: str, path: str) -> None:
    """The file is not there any more."""
    connection.execute(text("DELETE FROM export WHERE host = :host AND path = :path"), {"host": host, "path": path})


def still_people(connection: Connection, ids: Collection[int]) -> set[int]:
    """Those of these numbers that are a person's now."""
    rows = connection.execute(
        text("SELECT id FROM person WHERE id = ANY(CAST(:ids AS bigint[]))"), {"ids": as_array(ids)}
    )
    return set(rows.scalars())
