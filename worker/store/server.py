"""PostgreSQL itself: which it is, how it is set, what is in it. For whoever looks whether all is well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text


@dataclass(frozen=True, slots=True)
class Server:
    """`version` as PostgreSQL counts it (170002 is 17.2); `connections_left` after all that are open now; `owner`:
    whether this user may make tables in the schema that ours are in."""

    version: int
    now: datetime
    encoding: str
    fsync: bool
    connections_left: int
    owner: bool


def server(connection: Connection) -> Server:
    row = connection.execute(
        text("""
        SELECT current_setting('server_version_num')::int AS version, clock_timestamp() AS now,
               current_setting('server_encoding') AS encoding, current_setting('fsync') = 'on' AS fsync,
               current_setting('max_connections')::int - (SELECT sum(numbackends) FROM pg_stat_database)::int
                 AS connections_left,
               has_schema_privilege(current_schema(), 'CREATE') AS owner
        """)
    ).one()
    return Server(*row)


def strange_sources(connection: Connection, known: Sequence[str]) -> Sequence[str]:
    """Sources that rows were stored for and that nobody has configured."""
    rows = connection.execute(
        text("SELECT DISTINCT source FROM stream WHERE source <> ALL(:known) ORDER BY source"), {"known": list(known)}
    )
    return list(rows.scalars())


def empty_buckets(connection: Connection, goal: str, names: Sequence[str], since: datetime) -> Sequence[str]:
    """Of these buckets, those that nobody is in, nor was at any time since then; none where scoring is younger."""
    older = text("SELECT EXISTS (SELECT FROM score_history WHERE goal = :goal AND as_of < :since)")
    if not connection.execute(older, {"goal": goal, "since": since}).scalar_one():
        return []
    rows = connection.execute(
        text("""
        SELECT name FROM unnest(CAST(:names AS text[])) WITH ORDINALITY AS b (name, place)
        WHERE NOT EXISTS (SELECT FROM score WHERE goal = :goal AND bucket = name)
          AND NOT EXISTS (SELECT FROM score_history WHERE goal = :goal AND bucket = name AND as_of >= :since)
        ORDER BY place
        """),
        {"goal": goal, "names": list(names), "since": since},
    )
    return list(rows.scalars())
