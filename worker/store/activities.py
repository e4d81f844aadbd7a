"""Activities: appended, never changed. An edit retracts the old version and appends the new one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, text

from connectors.records import RecordRef
from worker.store.database import KEYS, as_json
from worker.store.subjects import by_object


class Version(NamedTuple):
    """One person's part in an activity, as it stands."""

    kind: str
    detail: str | None
    occurred_at: datetime
    duration: float | None = None
    """Seconds."""


Part = tuple[RecordRef, int]
"""An activity and the subject that took part in it."""


def current(connection: Connection, refs: Iterable[RecordRef]) -> Mapping[Part, Version]:
    """The versions that stand of these activities."""
    standing: dict[Part, Version] = {}
    for (source, object), keys in by_object(refs).items():
        rows = connection.execute(
            text(f"""
            SELECT key, subject_id, kind, detail, occurred_at, duration FROM activity
            WHERE source = :source AND object = :object AND key = ANY({KEYS}) AND retracted_at IS NULL
            """),
            {"source": source, "object": object, "keys": as_json(keys)},
        ).all()
        standing.update(((RecordRef(source, object, row[0]), row[1]), Version(*row[2:])) for row in rows)
    return standing


def retract(connection: Connection, versions: Collection[Part], now: datetime) -> None:
    if not versions:
        return
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


def append(connection: Connection, versions: Mapping[Part, tuple[Version, datetime]], now: datetime) -> None:
    """Add versions, observed `now`, with the instant at which each became known."""
    if not versions:
        return
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
