"""Persons: who changed, who is due, and what becomes of one that joined another."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Due:
    """A person to score. `as_of` is never before the newest fact that made the person dirty, whoever's clock saw it."""

    id: int
    revision: int
    changed_at: datetime
    was_dirty: bool


@dataclass(frozen=True, slots=True)
class Scale:
    """What people are scored under: a goal, and the newest revisions of its rules, policy and champions (0: no model
    was ever promoted)."""

    goal: str
    rules: int
    policy: int
    champions: int = 0

    @property
    def parameters(self) -> dict[str, object]:
        return {"goal": self.goal, "rules": self.rules, "policy": self.policy, "champions": self.champions}


def of_subjects(connection: Connection, subjects: Collection[int]) -> set[int]:
    """The persons that these subjects belong to, or that have one of these accounts."""
    rows = connection.execute(
        text("""
        SELECT person_id FROM subject WHERE id = ANY(:ids) AND person_id IS NOT NULL
        UNION
        SELECT s.person_id FROM record r JOIN subject s ON s.id = r.subject_id
        WHERE r.account_id = ANY(:ids) AND s.person_id IS NOT NULL
        """),
        {"ids": list(subjects)},
    )
    return set(rows.scalars())


def ensure(connection: Connection, people: Collection[int], now: datetime) -> None:
    connection.execute(
        text("INSERT INTO person (id, changed_at) SELECT unnest(CAST(:ids AS bigint[])), :now ON CONFLICT DO NOTHING"),
        {"ids": sorted(people), "now": now},
    )


def lock(connection: Connection, people: Collection[int]) -> None:
    """Until the end of the transaction nobody else scores or changes these people; in a fixed order."""
    connection.execute(
        text("SELECT 1 FROM person WHERE id = ANY(:ids) ORDER BY id FOR UPDATE"), {"ids": sorted(people)}
    )


def hold(
    connection: Connection, subjects: Collection[int], also: Collection[int]
) -> tuple[frozenset[int], datetime | None]:
    """Lock the persons of these subjects and accounts, whatever they join meanwhile, and the persons `also`.

    Returns who is locked, and the first instant that is after every score of theirs and not before any change.
    """
    held: set[int] = set()
    earliest: datetime | None = None
    while more := (of_subjects(connection, subjects) | set(also)) - held:
        found = connection.execute(
            text("""
            SELECT max(greatest(scored_at + interval '1 microsecond', changed_at)) FROM (
                SELECT scored_at, changed_at FROM person WHERE id = ANY(:ids) ORDER BY id FOR UPDATE) AS locked
            """),
            {"ids": sorted(more)},
        ).scalar_one()
        earliest = max(filter(None, (earliest, found)), default=None)
        held |= more
    return frozenset(held), earliest


def mark_dirty(connection: Connection, people: Collection[int], now: datetime) -> int:
    """A scoring input of these people changed; returns how many there are. Lock them first."""
    return connection.execute(
        text("""
        UPDATE person SET revision = revision + 1, changed_at = greatest(changed_at, :now),
               dirty_at = coalesce(dirty_at, :now)
        WHERE id = ANY(:ids)
        """),
        {"ids": sorted(people), "now": now},
    ).rowcount


def absorb(connection: Connection, joined: Collection[tuple[int, int]]) -> None:
    """Persons that no longer exist hand a marketing qualification that they had to the one that they became."""
    for old, new in sorted(joined):
        connection.execute(
            text("""
            UPDATE score s SET stage = o.stage, stage_since = o.stage_since, mql_at = o.mql_at
            FROM score o
            WHERE o.person_id = :old AND s.person_id = :new AND o.goal = s.goal
              AND o.mql_at IS NOT NULL AND (s.mql_at IS NULL OR o.mql_at < s.mql_at)
            """),
            {"old": old, "new": new},
        )
        connection.execute(
            text("""
            UPDATE score SET person_id = :new
            WHERE person_id = :old AND NOT EXISTS (
                SELECT 1 FROM score s WHERE s.person_id = :new AND s.goal = score.goal)
            """),
            {"old": old, "new": new},
        )
    connection.execute(text("DELETE FROM person WHERE id = ANY(:ids)"), {"ids": [old for old, _ in joined]})


# Whoever is due for one of five reasons, each an index scan that ends early: cost follows who is due, not who there is.
_DUE = """
    (SELECT id FROM person WHERE dirty_at IS NOT NULL AND {mine} ORDER BY dirty_at LIMIT :limit)
    UNION (SELECT id FROM person WHERE due_at <= :now AND {mine} ORDER BY due_at LIMIT :limit)
    UNION (SELECT person_id FROM score WHERE goal = :goal AND rules_revision < :rules AND {theirs} LIMIT :limit)
    UNION (SELECT person_id FROM score WHERE goal = :goal AND policy_revision < :policy AND {theirs} LIMIT :limit)
    UNION (SELECT person_id FROM score WHERE goal = :goal AND champions_revision < :champions AND {theirs}
           LIMIT :limit)
"""


def claim_due(
    connection: Connection, scale: Scale, partition: int, partitions: int, now: datetime, limit: int
) -> Sequence[Due]:
    """Lock up to `limit` people of a partition that are dirty, aged, or scored under an older revision.

    The rows stay locked until the transaction ends; people that another worker holds are passed over.
    """
    due = _DUE.format(mine="id % :partitions = :partition", theirs="person_id % :partitions = :partition")
    rows = connection.execute(
        text(f"""
        SELECT p.id, p.revision, p.changed_at, p.dirty_at IS NOT NULL AS was_dirty
        FROM person p WHERE p.id IN ({due})
        ORDER BY p.dirty_at NULLS LAST, p.id LIMIT :limit
        FOR UPDATE OF p SKIP LOCKED
        """),
        {**scale.parameters, "now": now, "partition": partition, "partitions": partitions, "limit": limit},
    )
    return [Due(*row) for row in rows]


def due_partitions(connection: Connection, scale: Scale, partitions: int, now: datetime) -> Sequence[int]:
    """The partitions in which somebody is due, as far as the first ten thousand of each reason tell."""
    due = _DUE.format(mine="true", theirs="true")
    rows = connection.execute(
        text(f"SELECT DISTINCT id % :partitions FROM ({due}) AS due ORDER BY 1"),
        {**scale.parameters, "now": now, "partitions": partitions, "limit": 10_000},
    )
    return rows.scalars().all()


def settle(connection: Connection, scored: Collection[Due], due_at: dict[int, datetime], as_of: datetime) -> None:
    """Clear dirty where nothing changed since the claim, and say of when the score is, and when time alone makes the
    person due again."""
    connection.execute(
        text("""
        UPDATE person p SET dirty_at = NULL, due_at = w.due_at, scored_at = greatest(p.scored_at, :as_of)
        FROM unnest(CAST(:ids AS bigint[]), CAST(:revisions AS bigint[]), CAST(:due AS timestamptz[]))
             AS w (id, revision, due_at)
        WHERE p.id = w.id AND p.revision = w.revision
        """),
        {
            "ids": [person.id for person in scored],
            "revisions": [person.revision for person in scored],
            "due": [due_at[person.id] for person in scored],
            "as_of": as_of,
        },
    )


def counts(connection: Connection, now: datetime) -> dict[str, int]:
    """How many people there are, and how many wait to be scored."""
    row = connection.execute(
        text("""
        SELECT count(*) AS people, count(*) FILTER (WHERE dirty_at IS NOT NULL OR due_at <= :now) AS dirty FROM person
        """),
        {"now": now},
    ).one()
    return {"people": row.people, "dirty": row.dirty}


def records_of(connection: Connection, person: int) -> Sequence[Any]:
    """Every record of a person, for a person to read."""
    return connection.execute(
        text("""
        SELECT s.source, s.object, s.key, r.state, r.deleted_at, r.written
        FROM subject s JOIN record r ON r.subject_id = s.id WHERE s.person_id = :person ORDER BY s.id
        """),
        {"person": person},
    ).all()


def lookup(connection: Connection, what: str) -> Sequence[int]:
    """Persons by a record (`source/object/id`, or its id alone) or by an e-mail address."""
    rows = connection.execute(
        text("""
        SELECT s.person_id FROM subject s
        WHERE s.person_id IS NOT NULL AND (s.key = :what OR s.source || '/' || s.object || '/' || s.key = :what)
        UNION
        SELECT s.person_id FROM claim c JOIN subject s ON s.id = c.subject_id
        WHERE c.key = 'email:' || lower(:what) AND c.withdrawn_at IS NULL AND s.person_id IS NOT NULL
        """),
        {"what": what},
    )
    return sorted(rows.scalars())
