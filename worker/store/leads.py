"""People as a list that one looks through: by score, by bucket or stage, or by the words of their names."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

PAGE = 50
UNSCORED = "unscored"


@dataclass(frozen=True, slots=True)
class Lead:
    """A person as a line of a list. `name` and `company` are those of one of their records."""

    person_id: int
    name: str | None
    company: str | None
    record: str | None
    score: int | None
    status: str
    bucket: str
    stage: str | None
    as_of: datetime


@dataclass(frozen=True, slots=True)
class After:
    """The last line of a page: the next one begins after it."""

    score: int | None
    person_id: int


_LINE = """
SELECT s.person_id, r.name, r.company, r.record, s.score, s.status, s.bucket, s.stage, s.as_of
FROM ({chosen}) s LEFT JOIN LATERAL (
    SELECT r.name, a.name AS company, u.source || '/' || u.object || '/' || u.key AS record
    FROM subject u JOIN record r ON r.subject_id = u.id AND r.kind = 'person'
         LEFT JOIN record a ON a.subject_id = r.account_id
    WHERE u.person_id = s.person_id
    ORDER BY r.deleted_at IS NOT NULL, r.state <> 'open', r.name IS NULL, u.id LIMIT 1) r ON true
ORDER BY s.score DESC NULLS LAST, s.person_id DESC
"""
_FROM = "SELECT person_id, score, status, bucket, stage, as_of FROM score WHERE goal = :goal"


def ranked(
    connection: Connection, goal: str, *, bucket: str | None = None, within: tuple[int, int] | None = None,
    stage: str | None = None, after: After | None = None, limit: int = PAGE,
) -> Sequence[Lead]:  # fmt: skip
    """The highest scores first, those without one last. `within`: scores from the one up to, but not, the other."""
    where = ""
    values: dict[str, Any] = {"goal": goal, "limit": limit}
    if within is not None:
        where += " AND score >= :low AND score < :high"
        values |= {"low": within[0], "high": within[1]}
    if bucket == UNSCORED:
        where += " AND score IS NULL"
    elif bucket is not None:
        where += " AND bucket = :bucket"
        values["bucket"] = bucket
    if stage is not None:
        where += " AND stage = :stage"
        values["stage"] = stage
    parts = [""]
    if after is not None:
        values |= {"person": after.person_id, "score": after.score}
        parts = [" AND score IS NULL AND person_id < :person"]
        if after.score is not None:  # each part is a range of the index; one condition for all of them is none
            parts = [" AND score = :score AND person_id < :person", " AND score < :score", " AND score IS NULL"]
    order = "ORDER BY score DESC NULLS LAST, person_id DESC LIMIT :limit"
    chosen = " UNION ALL ".join(f"({_FROM}{where}{part} {order})" for part in parts)
    return _leads(connection, f"SELECT * FROM ({chosen}) page {order}", values)


def matching(connection: Connection, goal: str, words: str, limit: int = PAGE) -> Sequence[Lead]:
    """People with a record, or at an account, in whose name or address every one of the words begins a word; or who
    have a record of that id. The highest scores first."""
    people = _found(connection, words)
    chosen = f"{_FROM} AND person_id = ANY(:people) ORDER BY score DESC NULLS LAST, person_id DESC LIMIT :limit"
    return _leads(connection, chosen, {"goal": goal, "people": people, "limit": limit})


def those(connection: Connection, goal: str, people: Collection[int]) -> Sequence[Lead]:
    """These people, the highest scores first."""
    return _leads(connection, f"{_FROM} AND person_id = ANY(:people)", {"goal": goal, "people": list(people)})


_MOST = 500
"""People who are looked through for the best scores, where many match."""

_FOUND = """
SELECT u.person_id FROM subject u WHERE u.key = :key AND u.person_id IS NOT NULL
UNION
(WITH hit AS MATERIALIZED (
    SELECT subject_id, kind FROM record
    WHERE to_tsvector('simple', coalesce(name, '') || ' ' || coalesce(email, '')) @@ to_tsquery('simple', :query)
    LIMIT :most)
SELECT u.person_id FROM hit JOIN subject u ON u.id = hit.subject_id WHERE u.person_id IS NOT NULL
UNION
SELECT u.person_id FROM hit JOIN record r ON r.account_id = hit.subject_id JOIN subject u ON u.id = r.subject_id
WHERE hit.kind = 'account' AND u.person_id IS NOT NULL)
LIMIT :most
"""


def _found(connection: Connection, words: str) -> list[int]:
    key = words.strip().rpartition("/")[2]
    parts = re.findall(r"[^\s&|!:*()<>'\"\\,;]+", words)[:8]
    if not parts:
        return []
    query = " & ".join(f"'{part}':*" for part in parts)
    rows = connection.execute(text(_FOUND), {"key": key, "query": query, "most": _MOST})
    return list(rows.scalars())


def _leads(connection: Connection, chosen: str, values: Mapping[str, Any]) -> Sequence[Lead]:
    return [Lead(*row) for row in connection.execute(text(_LINE.format(chosen=chosen)), values)]


@dataclass(frozen=True, slots=True)
class Spread:
    """How many people have each score, by stage; `unscored` have none."""

    by_stage: Mapping[str, Sequence[int]]
    unscored: int

    @property
    def counts(self) -> Sequence[int]:
        """By score, 0 to 100."""
        return [sum(column) for column in zip(*self.by_stage.values(), strict=True)] if self.by_stage else [0] * 101


def spread(connection: Connection, goal: str) -> Spread:
    """Reads every score: minutes old is young enough."""
    rows = connection.execute(
        text("SELECT stage, score, count(*) AS n FROM score WHERE goal = :goal GROUP BY stage, score"), {"goal": goal}
    )
    found: dict[str, list[int]] = {}
    unscored = 0
    for row in rows:
        if row.score is None:
            unscored += row.n
        else:
            found.setdefault(row.stage or "", [0] * 101)[row.score] += row.n
    return Spread(found, unscored)


def between(
    connection: Connection, goal: str, low: int, high: int, stages: Sequence[str], limit: int
) -> Sequence[Lead]:
    """People in one of the stages with a score from `low` up to, but not, `high`: the highest first."""
    chosen = f"""{_FROM} AND score >= :low AND score < :high AND stage = ANY(:stages)
        ORDER BY score DESC NULLS LAST, person_id DESC LIMIT :limit"""
    values = {"goal": goal, "low": low, "high": high, "stages": list(stages), "limit": limit}
    return _leads(connection, chosen, values)


def sample(connection: Connection, goal: str, size: int) -> Sequence[int]:
    """Scored people by chance, always the same ones as long as nobody comes or goes: every so many-th of them."""
    rows = connection.execute(
        text("""
        SELECT person_id FROM score WHERE goal = :goal AND status <> 'not_eligible'
        ORDER BY hashint8(person_id), person_id LIMIT :size
        """),
        {"goal": goal, "size": size},
    )
    return sorted(rows.scalars())


@dataclass(frozen=True, slots=True)
class Shown:
    """Who a person is, by one of their records. For a screen, never for a log."""

    name: str | None
    email: str | None
    company: str | None


def shown(connection: Connection, person: int) -> Shown:
    row = connection.execute(
        text("""
        SELECT r.name, r.email, a.name AS company
        FROM subject u JOIN record r ON r.subject_id = u.id AND r.kind = 'person'
             LEFT JOIN record a ON a.subject_id = r.account_id
        WHERE u.person_id = :person
        ORDER BY r.deleted_at IS NOT NULL, r.state <> 'open', r.name IS NULL, u.id LIMIT 1
        """),
        {"person": person},
    ).one_or_none()
    return Shown(*row) if row else Shown(None, None, None)
