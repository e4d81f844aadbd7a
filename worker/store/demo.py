"""What the demo watches and shows. Read only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Progress:
    """(done, total) of streams read to their end, people scored, and writes verified."""

    bars: tuple[tuple[int, int], ...]
    finished: bool
    problems: Sequence[str]


def progress(connection: Connection, goal: str, milestones: list[datetime], now: datetime) -> Progress:
    """How far the first pass is. `milestones` remembers when everything was read, and when everybody of then was
    scored: a world that moves on does not keep the pass from ending."""
    streams = connection.execute(
        text(
            """
        SELECT count(*) FILTER (WHERE complete_at IS NOT NULL) AS done, count(*) AS n
        FROM stream WHERE role = 'pull'
        """
        )
    ).one()
    read = streams.n > 0 and streams.done == streams.n
    if read and not milestones:
        milestones.append(now)
    people = connection.execute(
        text("""
        SELECT count(*) FILTER (WHERE s.person_id IS NOT NULL) AS done, count(*) AS n,
               count(*) FILTER (WHERE p.dirty_at <= :read) AS waiting
        FROM person p LEFT JOIN score s ON s.person_id = p.id AND s.goal = :goal
        """),
        {"goal": goal, "read": milestones[0] if milestones else now},
    ).one()
    if milestones and not people.waiting and len(milestones) == 1:
        milestones.append(now)
    writes = connection.execute(
        text("""
        SELECT count(*) FILTER (WHERE state = 'verified') AS done, count(*) FILTER (WHERE state <> 'superseded') AS n,
               count(*) FILTER (WHERE state IN ('intended', 'sent', 'accepted') AND intended_at <= :scored) AS open
        FROM ledger
        """),
        {"scored": milestones[-1] if milestones else now},
    ).one()
    failed = connection.execute(
        text("""
        SELECT source || ': ' || count(*) || ' writes ' || state || ' (' || coalesce(code, '') || ')' FROM ledger
        WHERE state IN ('refused', 'drifted', 'parked') GROUP BY source, state, code
        UNION ALL
        SELECT source || '/' || name || ': ' || problem FROM stream WHERE problem IS NOT NULL AND attempts > 2
        """)
    ).scalars()
    return Progress(
        bars=((streams.done, streams.n), (people.done, people.n), (writes.done, writes.n)),
        finished=len(milestones) == 2 and not writes.open and writes.done > 0,
        problems=list(failed),
    )


def totals(connection: Connection) -> dict[str, int]:
    row = connection.execute(
        text("""
        SELECT (SELECT count(*) FROM record) AS records, (SELECT count(*) FROM activity) AS activities,
               (SELECT count(*) FROM person) AS people
        """)
    ).one()
    return dict(row._mapping)


_SHOWN = """
    SELECT l.id, l.source, s.object, s.key, s.person_id, l.closed_at, l.values ->> 'score' AS score,
           l.values ->> 'bucket' AS bucket, l.values ->> 'reasons' AS reasons
    FROM ledger l JOIN subject s ON s.id = l.subject_id WHERE l.state = 'verified'
"""


def best(connection: Connection, goal: str, limit: int) -> Sequence[Any]:
    """The highest scored people, each with the record that was written last."""
    return connection.execute(
        text(f"""
        SELECT x.* FROM (SELECT DISTINCT ON (v.person_id) v.* FROM ({_SHOWN}) v
                         JOIN score c ON c.person_id = v.person_id AND c.goal = :goal
                              AND c.stage IN ('mql', 'nurturing')
                         ORDER BY v.person_id, v.id DESC) x
        ORDER BY CAST(x.score AS int) DESC NULLS LAST, x.person_id LIMIT :limit
        """),
        {"goal": goal, "limit": limit},
    ).all()


def movable(connection: Connection, goal: str, source: str) -> Any:
    """An open record of a person in the middle of the scale, with an address, whom a download would move."""
    return connection.execute(
        text("""
        SELECT s.object, s.key, r.email, c.score
        FROM subject s JOIN record r ON r.subject_id = s.id JOIN score c ON c.person_id = s.person_id AND c.goal = :goal
        WHERE s.source = :source AND r.kind = 'person' AND r.state = 'open' AND r.deleted_at IS NULL
          AND r.email IS NOT NULL AND c.score BETWEEN 35 AND 65
          AND NOT EXISTS (SELECT 1 FROM subject o JOIN activity a ON a.subject_id = o.id
                          WHERE o.person_id = s.person_id AND a.kind = 'content_download')
          AND (SELECT count(*) FROM record x WHERE x.email = r.email) = 1
        ORDER BY c.score DESC, s.id LIMIT 1
        """),
        {"goal": goal, "source": source},
    ).one_or_none()


def verified_since(connection: Connection, then: datetime) -> Sequence[Any]:
    """Writes proved after an instant, oldest first."""
    return connection.execute(
        text(f"{_SHOWN} AND l.closed_at > :then ORDER BY l.closed_at, l.id"), {"then": then}
    ).all()
