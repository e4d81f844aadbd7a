"""Activities: appended, never changed. An edit retracts the old version and appends the new one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from connectors.records import RecordRef
from worker.store.database import as_json


@dataclass(frozen=True, slots=True)
class Version:
    """One person's part in an activity, as it stands."""

    kind: str
    detail: str | None
    occurred_at: datetime
    duration: float | None = None
    """Seconds."""


def current(connection: Connection, refs: Collection[RecordRef]) -> Mapping[tuple[RecordRef, int], Version]:
    """The versions that stand, by activity and subject."""
    rows = connection.execute(
        text("""
        SELECT a.source, a.object, a.key, a.subject_id, a.kind, a.detail, a.occurred_at, a.duration
        FROM activity a JOIN jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (source text, object text, key text)
        USING (source, object, key) WHERE a.retracted_at IS NULL
        """),
        {"rows": as_json({"source": r.source, "object": r.object, "key": r.id} for r in refs)},
    )
    return {
        (RecordRef(r.source, r.object, r.key), r.subject_id): Version(r.kind, r.detail, r.occurred_at, r.duration)
        for r in rows
    }


def retract(connection: Connection, versions: Collection[tuple[RecordRef, int]], now: datetime) -> None:
    connection.execute(
        text("""
        UPDATE activity a SET retracted_at = :now
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (source text, object text, key text, subject_id bigint)
        WHERE (a.source, a.object, a.key, a.subject_id) = (w.source, w.object, w.key, w.subject_id)
          AND a.retracted_at IS NULL
        """),
        {
            "rows": as_json(
                {"source": r.source, "object": r.object, "key": r.id, "subject_id": s} for r, s in versions
            ),
            "now": now,
        },
    )


def append(
    connection: Connection, versions: Mapping[tuple[RecordRef, int], tuple[Version, datetime]], now: datetime
) -> None:
    """Add versions, observed `now`, with the instant at which each became known."""
    connection.execute(
        text("""
        INSERT INTO activity (subject_id, source, object, key, kind, detail, duration, occurred_at, known_at,
                              observed_at)
        SELECT w.*, :now FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (
            subject_id bigint, source text, object text, key text, kind text, detail text,
            duration double precision, occurred_at timestamptz, known_at timestamptz)
        ON CONFLICT (source, object, key, subject_id) WHERE retracted_at IS NULL DO NOTHING
        """),
        {
            "rows": as_json(
                {
                    "subject_id": subject,
                    "source": ref.source,
                    "object": ref.object,
                    "key": ref.id,
                    "kind": version.kind,
                    "detail": version.detail,
                    "duration": version.duration,
                    "occurred_at": version.occurred_at,
                    "known_at": known_at,
                }
                for (ref, subject), (version, known_at) in versions.items()
            ),
            "now": now,
        },
    )


def next_after(connection: Connection, people: Collection[int], now: datetime) -> Mapping[int, datetime]:
    """For people with facts that are known but still to come (a booked meeting, a CRM whose clock is ahead, a
    colleague's act that does not count yet): the first one's instant."""
    rows = connection.execute(
        text("""
        SELECT s.person_id, min(f.occurred_at) AS at
        FROM subject s CROSS JOIN LATERAL (
            SELECT a.occurred_at FROM activity a
            WHERE a.subject_id = s.id AND a.occurred_at > :now AND a.retracted_at IS NULL
            UNION ALL
            SELECT a.occurred_at FROM attribute a WHERE a.subject_id = s.id AND a.occurred_at > :now
            UNION ALL
            SELECT a.engaged_at FROM record r JOIN record a ON a.subject_id = r.account_id
            WHERE r.subject_id = s.id AND r.deleted_at IS NULL AND a.engaged_at > :now
        ) f
        WHERE s.person_id = ANY(:ids) GROUP BY s.person_id
        """),
        {"ids": list(people), "now": now},
    )
    return {row.person_id: row.at for row in rows}
