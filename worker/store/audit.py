"""Who changed what, when and from where: appended in the transaction of the change, never edited.

Revisions and the events of models tell of themselves, whoever made them; here is what was done in the console and over
its API, and with accounts. `changes` shows all of it together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, text

from worker.store.database import as_json


class Via(StrEnum):
    CONSOLE = "console"
    API = "api"
    CLI = "cli"


@dataclass(frozen=True, slots=True)
class Entry:
    """`action` is a dotted verb as in `policy.publish`, `subject` what was changed as in `default/7`. Nothing in
    `detail` is about a lead but its number."""

    at: datetime
    who: str
    via: Via
    action: str
    subject: str
    detail: Mapping[str, Any] = field(default_factory=dict)


def note(connection: Connection, entry: Entry) -> None:
    """Append it; in the transaction of the change, so that neither is there without the other."""
    connection.execute(
        text("""
        INSERT INTO audit (at, who, via, action, subject, detail)
        VALUES (:at, :who, :via, :action, :subject, CAST(:detail AS jsonb))
        """),
        {
            "at": entry.at,
            "who": entry.who,
            "via": entry.via.value,
            "action": entry.action,
            "subject": entry.subject,
            "detail": as_json(dict(entry.detail)),
        },
    )


# Whatever was published from the console stands in both places: it is told once, by the audit row.
_ALL = """
    SELECT at, who, via, action, subject, detail FROM audit
    UNION ALL
    SELECT r.created_at, r.author, 'cli', r.kind || '.publish', r.goal || '/' || r.revision,
           jsonb_build_object('comment', r.comment)
    FROM (SELECT 'policy' AS kind, goal, revision, author, comment, created_at FROM policy
          UNION ALL SELECT 'rules', goal, revision, author, comment, created_at FROM rules) r
    WHERE NOT EXISTS (SELECT FROM audit a WHERE a.action IN (r.kind || '.publish', r.kind || '.revert')
                      AND a.subject = r.goal || '/' || r.revision)
    UNION ALL
    SELECT e.at, e.author, 'cli', 'model.' || replace(e.event, ' ', '_'), e.goal || '/' || e.number,
           jsonb_build_object('reason', e.reason)
    FROM model_event e
    WHERE NOT EXISTS (SELECT FROM audit a WHERE a.action = 'model.' || replace(e.event, ' ', '_')
                      AND a.subject = e.goal || '/' || e.number
                      AND a.at BETWEEN e.at - interval '5 seconds' AND e.at + interval '5 seconds')
"""


def changes(
    connection: Connection,
    *,
    before: datetime | None = None,
    who: str | None = None,
    about: str | None = None,
    limit: int = 50,
) -> Sequence[Entry]:
    """The newest first, from before an instant on; of one person; of actions that begin with `about`."""
    rows = connection.execute(
        text(f"""
        SELECT at, who, via, action, subject, detail FROM ({_ALL}) every
        WHERE (CAST(:before AS timestamptz) IS NULL OR at < :before) AND (CAST(:who AS text) IS NULL OR who = :who)
          AND (CAST(:about AS text) IS NULL OR starts_with(action, :about))
        ORDER BY at DESC, action, subject LIMIT :limit
        """),
        {"before": before, "who": who, "about": about, "limit": limit},
    )
    return [Entry(row.at, row.who, Via(row.via), row.action, row.subject, row.detail) for row in rows]


def authors(connection: Connection) -> Sequence[str]:
    """Everybody who ever changed something."""
    return connection.execute(text(f"SELECT DISTINCT who FROM ({_ALL}) every ORDER BY who LIMIT 200")).scalars().all()
