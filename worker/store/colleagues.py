"""What others at a person's account did: read for features, and the people who should be scored again for it.

Whoever acts concerns everybody at their account. So that a busy account is not scored all the time, and that nobody has
to wait for a colleague's page to be stored, an act counts for colleagues at whole steps of ten minutes, ten to twenty
minutes after we got it.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from connectors.records import ActivityKind, Cause

if TYPE_CHECKING:
    from worker.store.members import Members  # it imports polars, which is for children of the worker only

STEP = "interval '10 minutes'"
KINDS = frozenset(kind.value for kind in ActivityKind if kind.cause is Cause.PROSPECT)


def counts_from(at: str) -> str:
    """SQL: from when a fact observed at an instant counts for colleagues; null for null."""
    return f"(date_bin({STEP}, {at}, timestamptz '2000-01-01 00:00+00') + 2 * {STEP})"


_FROM_NOW = counts_from("CAST(:now AS timestamptz)")

# The wanted accounts, the records that are or were at them, the persons those are or were part of, and all that these
# persons' subjects did. OFFSET 0 keeps the steps in this order, each by an index: the planner knows nothing of what is
# at an account, and would rather join everybody with everything.
_ACTS = """
SELECT w.account_id AS account, mine.person_id AS colleague, a.occurred_at, {known} AS known_at, {until} AS until
FROM (
    SELECT account_id, min(as_of) AS first, max(as_of) AS last FROM member WHERE account_id IS NOT NULL
    GROUP BY account_id
) w
CROSS JOIN LATERAL (
    SELECT subject_id, since, NULL::timestamptz AS until FROM record
    WHERE account_id = w.account_id AND kind = 'person' AND deleted_at IS NULL
    UNION ALL
    SELECT subject_id, since, until FROM record_past WHERE account_id = w.account_id AND NOT deleted
    OFFSET 0
) link
CROSS JOIN LATERAL (
    SELECT person_id, since, NULL::timestamptz AS until FROM subject
    WHERE id = link.subject_id AND person_id IS NOT NULL
    UNION ALL
    SELECT person_id, since, until FROM membership WHERE subject_id = link.subject_id
    OFFSET 0
) mine
CROSS JOIN LATERAL (
    SELECT id AS subject_id, since, NULL::timestamptz AS until FROM subject WHERE person_id = mine.person_id
    UNION ALL
    SELECT subject_id, since, until FROM membership WHERE person_id = mine.person_id
    OFFSET 0
) theirs
CROSS JOIN LATERAL (
    SELECT occurred_at, known_at, observed_at, retracted_at FROM activity
    WHERE subject_id = theirs.subject_id AND kind = ANY ('{kinds}'::text[])
      AND occurred_at > w.first - interval '30 days' AND occurred_at <= w.last
    OFFSET 0
) a
{also}
"""
_SINCE = "greatest(a.observed_at, link.since, mine.since, theirs.since)"
_UNTIL = "least(a.retracted_at, link.until, mine.until, theirs.until)"


def query(held: Members) -> str:
    """The read of `Facts.colleagues` for the members that are held."""
    parts = []
    if held.late:
        known = counts_from(_SINCE)
        known = f"greatest({known}, {held.live})" if held.early else known
        until = counts_from(_UNTIL)
        parts.append(_part(known, until, f"WHERE coalesce({until} > {known}, true) AND {known} <= w.last"))
    if held.early:
        # As they stood when scoring began, each record since it was created.
        standing = " AND ".join(
            f"{part}.since <= {held.live} AND coalesce({part}.until > {held.live}, true)"
            for part in ("link", "mine", "theirs")
        )
        known = counts_from("greatest(a.known_at, least(r.created_at, r.observed_at))")
        until = f"least({counts_from('a.retracted_at')}, {held.live})"
        parts.append(
            _part(
                known,
                f"nullif({until}, 'infinity')",
                f"JOIN record r ON r.subject_id = link.subject_id WHERE {standing} AND {known} < {until}",
            )
        )
    return held.prefix + " UNION ALL ".join(parts)


def _part(known: str, until: str, also: str) -> str:
    kinds = "{" + ",".join(sorted(KINDS)) + "}"
    return _ACTS.format(known=known, until=until, kinds=kinds, also=also)


def of_subjects(connection: Connection, subjects: Collection[int], now: datetime) -> set[int]:
    """The persons for whom an act of these subjects, observed `now`, will count, where that is not yet said of an
    earlier act of the same ten minutes. Says so of their accounts."""
    if not subjects:
        return set()
    rows = connection.execute(
        text(f"""
        WITH engaged AS (
            UPDATE record a SET engaged_at = {_FROM_NOW}
            WHERE a.subject_id IN (
                SELECT x.subject_id FROM record x
                WHERE x.subject_id IN (
                    SELECT r.account_id FROM subject s JOIN subject o ON o.person_id = s.person_id
                    JOIN record r ON r.subject_id = o.id AND r.deleted_at IS NULL WHERE s.id = ANY(:ids))
                  AND (x.engaged_at IS NULL OR x.engaged_at < {_FROM_NOW})
                ORDER BY x.subject_id FOR UPDATE)
            RETURNING a.subject_id
        )
        SELECT DISTINCT s.person_id FROM engaged e JOIN record r ON r.account_id = e.subject_id AND r.deleted_at IS NULL
        JOIN subject s ON s.id = r.subject_id WHERE s.person_id IS NOT NULL
        """),
        {"ids": sorted(subjects), "now": now},
    )
    return set(rows.scalars())


def fall_due(connection: Connection, people: Collection[int], now: datetime) -> None:
    """Score these people, who are scored by now, again when an act observed `now` counts. Lock them first."""
    if not people:
        return
    connection.execute(
        text(f"""
        UPDATE person SET due_at = {_FROM_NOW} WHERE id = ANY(:ids) AND due_at > {_FROM_NOW}
        """),
        {"ids": sorted(people), "now": now},
    )
