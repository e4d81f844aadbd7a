"""What records' native fields hold, since when, and what we sent there: so that what somebody set is told from ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, text

from connectors.records import Follower
from worker.lifecycle.following import Held, Pending, Sent
from worker.store.ledger import OPEN, Row
from worker.store.records import OpenRecord


def held(
    connection: Connection,
    records: Sequence[OpenRecord],
    followers: Mapping[str, Sequence[Follower]],
    newest: Mapping[int, Row],
    as_of: datetime,
) -> Mapping[int, Held]:
    """By subject, of those records whose source has `followers`. `newest`: their newest ledger rows."""
    concerned = {record.subject_id: record for record in records if followers.get(record.ref.source)}
    if not concerned:
        return {}
    attributes = {
        (source, follower.attribute): follower.field.value
        for source, its in followers.items()
        for follower in its
        if follower.attribute is not None
    }
    names = sorted({follower.field.value for its in followers.values() for follower in its})
    sent = _sent(connection, list(concerned), names)
    stood = _stood(connection, list(concerned), sorted({attribute for _, attribute in attributes}), as_of)
    found: dict[int, Held] = {}
    for subject, record in concerned.items():
        since = {
            field: at
            for (attribute, (value, at)) in stood.get(subject, {}).items()
            if (field := attributes.get((record.ref.source, attribute))) and value == record.written.get(field)
        }
        row = newest.get(subject)
        way = (
            {name: Pending(row.values[name], row.over.get(name)) for name in names if name in row.values}
            if (row is not None and row.state in OPEN)
            else {}
        )
        found[subject] = Held(record.written, since, sent.get(subject, {}), row.kept if row else {}, way)
    return found


def _sent(connection: Connection, subjects: Sequence[int], names: Sequence[str]) -> Mapping[int, Mapping[str, Sent]]:
    rows = connection.execute(
        text("""
        SELECT DISTINCT ON (l.subject_id, f.name) l.subject_id, f.name, l.values ->> f.name AS value, l.intended_at
        FROM ledger l JOIN unnest(CAST(:names AS text[])) AS f (name) ON l.values ? f.name
        WHERE l.subject_id = ANY(:ids) AND l.sent_at IS NOT NULL AND l.state <> 'refused'
        ORDER BY l.subject_id, f.name, l.id DESC
        """),
        {"ids": list(subjects), "names": list(names)},
    )
    found: dict[int, dict[str, Sent]] = {}
    for row in rows:
        found.setdefault(row.subject_id, {})[row.name] = Sent(row.value, row.intended_at)
    return found


def _stood(
    connection: Connection, subjects: Sequence[int], attributes: Sequence[str], as_of: datetime
) -> Mapping[int, Mapping[str, tuple[str | None, datetime]]]:
    """The newest value of each attribute, and since when it holds."""
    rows = connection.execute(
        text("""
        SELECT DISTINCT ON (subject_id, name) subject_id, name, value, occurred_at FROM attribute
        WHERE subject_id = ANY(:ids) AND name = ANY(:names) AND occurred_at <= :as_of
        ORDER BY subject_id, name, occurred_at DESC, observed_at DESC
        """),
        {"ids": list(subjects), "names": list(attributes), "as_of": as_of},
    )
    found: dict[int, dict[str, tuple[str | None, datetime]]] = {}
    for row in rows:
        found.setdefault(row.subject_id, {})[row.name] = (row.value, row.occurred_at)
    return found
