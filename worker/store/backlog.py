"""How much work is due, for whoever decides how many workers there are: plain SQL that a scaler can run by itself."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, text

from worker.store.streams import FREE

SYNC = f"""
SELECT (SELECT count(*) FROM stream
        WHERE role <> 'push' AND least(due_at, complete_due_at) <= :now
          AND {FREE})
     + (SELECT count(*) FROM stream s
        WHERE role = 'push' AND {FREE} AND EXISTS (
            SELECT FROM ledger l WHERE l.source = s.source AND l.due_at <= :now
            AND (l.state IN ('sent', 'accepted')
                 OR l.state = 'intended' AND NOT s.dry_run
                    AND NOT EXISTS (SELECT FROM pause WHERE pause.source IN (s.source, '')))))
"""
"""Streams to read and CRM accounts to write to that nobody works on: each is a task for one process of the queue. Where
writing is paused or a dry run, what was sent before is still to be proved."""

COMPUTE = """
SELECT count(*) FROM (
    SELECT id FROM person WHERE dirty_at IS NOT NULL OR due_at <= :now
    UNION SELECT person_id FROM score
          JOIN (SELECT goal, max(revision) AS newest FROM policy GROUP BY goal) policy USING (goal)
          WHERE policy_revision < newest
    UNION SELECT person_id FROM score
          JOIN (SELECT goal, max(revision) AS newest FROM rules GROUP BY goal) rules USING (goal)
          WHERE rules_revision < newest
    UNION SELECT person_id FROM score
          JOIN (SELECT goal, max(revision) AS newest FROM champions GROUP BY goal) champions USING (goal)
          WHERE champions_revision < newest
) due
"""
"""People to score. One process scores some hundreds to thousands of them a second."""

QUERIES = {"sync": SYNC, "compute": COMPUTE}
"""By the queue whose workers do it."""


def count(connection: Connection, queue: str, now: datetime) -> int:
    """What is due in a queue. Raises `KeyError` for an unknown one."""
    return int(connection.execute(text(QUERIES[queue]), {"now": now}).scalar_one())


def query(queue: str) -> str:
    """The same as one statement without parameters, by the clock of the database."""
    return " ".join(QUERIES[queue].replace(":now", "now()").split())
