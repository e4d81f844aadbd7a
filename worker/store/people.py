"""Persons: who changed, who is due, and what becomes of one that joined another."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from worker.store.database import as_array


@dataclass(frozen=True, slots=True)
class Due:
    """A person to score. `as_of` is never before the newest fact that made the person dirty, whoever's clock saw it."""

    id: int
    revision: int
    changed_at: datetime
    was_dirty: bool


@dataclass(frozen=True, slots=True)
class Scale:
    """What people are scored under: a goal, and the newest revisions of its rules (0: it has none), its policy and its
    champions (0: no model was ever promoted). `since`: when the goal came to be, where that is known."""

    goal: str
    rules: int
    policy: int
    champions: int = 0
    since: datetime | None = None


def of_subjects(connection: Connection, subjects: Collection[int], accounts: Collection[int]) -> set[int]:
    """The persons that these subjects belong to, or that have one of these accounts."""
    rows = connection.execute(
        text("""
        SELECT person_id FROM subject WHERE id = ANY(CAST(:ids AS bigint[])) AND person_id IS NOT NULL
        UNION
        SELECT s.person_id FROM record r JOIN subject s ON s.id = r.subject_id
        WHERE r.account_id = ANY(CAST(:accounts AS bigint[])) AND s.person_id IS NOT NULL
        """),
        {"ids": as_array(subjects), "accounts": as_array(accounts)},
    )
    return set(rows.scalars().all())


def ensure(connection: Connection, people: Collection[int], now: datetime) -> None:
    connection.execute(
        text("INSERT INTO person (id, changed_at) SELECT unnest(CAST(:ids AS bigint[])), :now ON CONFLICT DO NOTHING"),
        {"ids": as_array(sorted(people)), "now": now},
    )


@dataclass(frozen=True, slots=True)
class Held:
    """Who is locked, those of them that the changed subjects and accounts concern, and the first instant that is after
    every score of theirs and not before any change (None: nobody has either)."""

    people: frozenset[int]
    changed: frozenset[int]
    earliest: datetime | None


def hold(
    connection: Connection,
    changed: Collection[int],
    accounts: Collection[int],
    witnessed: Collection[int],
    also: Collection[int],
) -> Held:
    """Lock the persons of changed subjects and accounts and of witnessed ones, whatever they join meanwhile, and the
    persons `also`."""
    held: set[int] = set()
    earliest: datetime | None = None
    while True:
        concerned = of_subjects(connection, changed, accounts)
        more = concerned.union(of_subjects(connection, witnessed, ()) if witnessed else (), also) - held
        if not more:
            return Held(frozenset(held), frozenset(concerned), earliest)
        found = connection.execute(
            text("""
            SELECT max(greatest(scored_at + interval '1 microsecond', changed_at)) FROM (
                SELECT scored_at, changed_at FROM person WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id FOR UPDATE
            ) AS locked
            """),
            {"ids": as_array(more)},
        ).scalar_one()
        earliest = max(filter(None, (earliest, found)), default=None)
        held |= more


def mark_dirty(connection: Connection, people: Collection[int], now: datetime) -> int:
    """A scoring input of these people changed; returns how many there are. Lock them first."""
    return connection.execute(
        text("""
        UPDATE person SET revision = revision + 1, changed_at = greatest(changed_at, :now),
               dirty_at = coalesce(dirty_at, :now)
        WHERE id = ANY(CAST(:ids AS bigint[]))
        """),
        {"ids": as_array(sorted(people)), "now": now},
    ).rowcount


JOINED = "joined person "
"""How the cause of a position begins that was handed over, not decided."""


def absorb(connection: Connection, joined: Collection[tuple[int, int]], now: datetime) -> None:
    """Persons that no longer exist hand a marketing qualification that they had to the one that they became, which is
    recorded as a move of `now`. What is decided next is decided later."""
    for old, new in sorted(joined):
        parameters = {"old": old, "new": new, "now": now, "cause": f"{JOINED}{old}"}
        connection.execute(
            text(f"""
            WITH handed AS (
                UPDATE score s SET stage = o.stage, stage_since = o.stage_since, mql_at = o.mql_at, memory = o.memory
                FROM score o, score b
                WHERE o.person_id = :old AND s.person_id = :new AND o.goal = s.goal
                  AND b.person_id = s.person_id AND b.goal = s.goal
                  AND o.mql_at IS NOT NULL AND (s.mql_at IS NULL OR o.mql_at < s.mql_at)
                RETURNING s.goal, b.stage AS from_stage, s.stage, s.score, s.policy_revision, s.memory
            ) {_RECORD_HANDED}
            """),
            parameters,
        )
        connection.execute(
            text(f"""
            WITH handed AS (
                UPDATE score SET person_id = :new
                WHERE person_id = :old AND NOT EXISTS (
                    SELECT 1 FROM score s WHERE s.person_id = :new AND s.goal = score.goal)
                RETURNING goal, CAST(NULL AS text) AS from_stage, stage, score, policy_revision, memory
            ) {_RECORD_HANDED}
            """),
            parameters,
        )
        connection.execute(
            text("""
            UPDATE person SET changed_at = greatest(changed_at, :now + interval '1 microsecond')
            WHERE id = :new AND EXISTS (SELECT FROM transition WHERE person_id = :new AND at = :now)
            """),
            parameters,
        )
    if joined:
        ids = [old for old, _ in joined]
        connection.execute(text("DELETE FROM person WHERE id = ANY(:ids)"), {"ids": ids})


# With the evidence of the position's own last move.
_RECORD_HANDED = """
    INSERT INTO transition (goal, person_id, at, from_stage, to_stage, cause, score, policy_revision, evidence, memory)
    SELECT h.goal, :new, :now, h.from_stage, h.stage, :cause, h.score, h.policy_revision,
           coalesce((SELECT t.evidence FROM transition t WHERE t.goal = h.goal AND t.person_id = :old
                     ORDER BY t.at DESC LIMIT 1), '{}'), h.memory
    FROM handed h WHERE h.stage IS NOT NULL
    ON CONFLICT (goal, person_id, at) DO UPDATE SET
        to_stage = excluded.to_stage, cause = excluded.cause, score = excluded.score,
        policy_revision = excluded.policy_revision, evidence = excluded.evidence, memory = excluded.memory
"""


# Whoever is due for some reason, each an index scan that ends early: cost follows who is due, not who there is.
_DUE = """
    (SELECT id FROM person WHERE dirty_at IS NOT NULL AND {mine} ORDER BY dirty_at LIMIT :limit)
    UNION (SELECT id FROM person WHERE due_at <= :now AND {mine} ORDER BY due_at LIMIT :limit)
    UNION (SELECT id FROM person WHERE scored_at < :since AND {mine} ORDER BY scored_at LIMIT :limit)
"""
_OLDER = """
    UNION (SELECT person_id FROM score WHERE goal = :goal{n} AND {what}_revision < :{what}{n} AND {theirs} LIMIT :limit)
"""


def _due(scales: Sequence[Scale], now: datetime, *, partition: str) -> tuple[str, dict[str, object]]:
    """The ids of those who are due: dirty, aged, scored before a goal came to be, or under an older revision of one."""
    query = _DUE.format(mine="true" if not partition else f"id % {partition}")
    since = [scale.since for scale in scales if scale.since is not None and scale.since <= now]
    parameters: dict[str, object] = {"now": now, "since": max(since, default=None)}
    theirs = "true" if not partition else f"person_id % {partition}"
    for n, scale in enumerate(scales):
        query += "".join(_OLDER.format(n=n, what=what, theirs=theirs) for what in ("rules", "policy", "champions"))
        parameters |= {f"goal{n}": scale.goal, f"rules{n}": scale.rules, f"policy{n}": scale.policy}
        parameters[f"champions{n}"] = scale.champions
    return query, parameters


def claim_due(
    connection: Connection, scales: Sequence[Scale], partition: int, partitions: int, now: datetime, limit: int
) -> Sequence[Due]:
    """Lock up to `limit` people of a partition that are dirty, aged, or were scored for a goal under an older revision
    or not yet.

    The rows stay locked until the transaction ends; people that another worker holds are passed over.
    """
    due, parameters = _due(scales, now, partition=":partitions = :partition")
    rows = connection.execute(
        text(f"""
        SELECT p.id, p.revision, p.changed_at, p.dirty_at IS NOT NULL AS was_dirty
        FROM person p WHERE p.id IN ({due})
        ORDER BY p.dirty_at NULLS LAST, p.id LIMIT :limit
        FOR UPDATE OF p SKIP LOCKED
        """),
        {**parameters, "partition": partition, "partitions": partitions, "limit": limit},
    )
    return [Due(*row) for row in rows]


def due_partitions(connection: Connection, scales: Sequence[Scale], partitions: int, now: datetime) -> Sequence[int]:
    """The partitions in which somebody is due, as far as the first ten thousand of each reason tell."""
    due, parameters = _due(scales, now, partition="")
    rows = connection.execute(
        text(f"SELECT DISTINCT id % :partitions FROM ({due}) AS due ORDER BY 1"),
        {**parameters, "partitions": partitions, "limit": 10_000},
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


def counts(connection: Connection, scales: Sequence[Scale], now: datetime) -> dict[str, int]:
    """How many people there are, and how many wait to be scored."""
    due, parameters = _due(scales, now, partition="")
    row = connection.execute(
        text(f"SELECT (SELECT count(*) FROM person) AS people, (SELECT count(*) FROM ({due}) AS due) AS dirty"),
        {**parameters, "limit": 10**12},
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
