"""Which copy of the data this is: a database that was restored from a backup is known by it.

A backup may bring back people who were erased since, and knows nothing of what was written since. So a restored
database writes to a CRM only once the CRM's rows have been compared whole with it: what is gone there goes here, the
erased with everything that is known of them, and only then is anything desired.

Three things give a restore away. The table's own numbers on the server differ from those that it holds (a dump that was
read in, a copied database); the server is on another timeline (recovery to a point in time; also a standby that took
over, which may lack the last commits); or somebody remembers more beats than it counts (a snapshot of the disk).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

_PLACE = """
    substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) || '/'
    || (SELECT oid FROM pg_database WHERE datname = current_database()) || '/' || 'lineage'::regclass::oid
"""


@dataclass(frozen=True, slots=True)
class Copy:
    """`name` is the same in all copies; `beat` grows as long as one is in use. `found`: it was just found restored."""

    name: str
    beat: int
    restored_at: datetime | None
    found: bool = False


def read(connection: Connection) -> Copy | None:
    """None before the first `beat`."""
    row = connection.execute(text("SELECT name, beat, restored_at FROM lineage")).one_or_none()
    return Copy(*row) if row else None


def beat(connection: Connection, remembered: int, now: datetime) -> Copy:
    """Count one beat, and see whether this is still the copy that it was. `remembered`: the most beats that anybody
    outside the database has seen. Remember what this returns only after the transaction."""
    connection.execute(
        text(f"""
        INSERT INTO lineage (name, place, beat) SELECT gen_random_uuid()::text, {_PLACE}, 0
        ON CONFLICT ((true)) DO NOTHING
        """)
    )
    held = connection.execute(text(f"SELECT place = {_PLACE} AS same, beat FROM lineage FOR UPDATE")).one()
    found = not held.same or held.beat < remembered
    row = connection.execute(
        text(f"""
        UPDATE lineage SET beat = greatest(beat, :remembered) + 1, place = {_PLACE},
               restored_at = CASE WHEN :found THEN :now ELSE restored_at END
        RETURNING name, beat, restored_at
        """),
        {"remembered": remembered, "found": found, "now": now},
    ).one()
    if found:
        _begin_anew(connection, now)
    return Copy(row.name, row.beat, row.restored_at, found)


def declare_restored(connection: Connection, now: datetime) -> None:
    """An operator says so."""
    beat(connection, 0, now)
    connection.execute(text("UPDATE lineage SET restored_at = :now"), {"now": now})
    _begin_anew(connection, now)


def _begin_anew(connection: Connection, now: datetime) -> None:
    """Compare everything, believe no ledger row (what was written since is not known), and score everybody again."""
    connection.execute(
        text("""
        UPDATE stream SET due_at = least(due_at, :now), complete_due_at = least(complete_due_at, :now), owner = NULL,
               lease_until = NULL, epoch = epoch + 1, cursor = CASE WHEN role = 'pull' THEN cursor END
        """),
        {"now": now},
    )
    connection.execute(
        text("""
        UPDATE ledger SET state = 'superseded', code = 'RESTORED', closed_at = coalesce(closed_at, :now),
               answer = 'the database was restored from a backup' WHERE state <> 'superseded'
        """),
        {"now": now},
    )
    connection.execute(
        text("UPDATE person SET dirty_at = :now, changed_at = greatest(changed_at, :now), revision = revision + 1"),
        {"now": now},
    )


def unproved(connection: Connection) -> Sequence[str]:
    """The sources that were not compared whole since a restore: nothing may be written to them."""
    return connection.execute(
        text("""
        SELECT s.source FROM stream s JOIN lineage l ON l.restored_at IS NOT NULL
        WHERE s.role = 'census' AND (s.complete_at IS NULL OR s.complete_at < l.restored_at) ORDER BY 1
        """)
    ).scalars().all()  # fmt: skip
