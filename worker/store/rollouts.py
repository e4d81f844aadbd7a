"""How far everybody's scores have come to the newest revisions."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from worker.lifecycle.rollout import Rollout
from worker.store.people import Scale

LATELY = timedelta(minutes=5)
"""So far back the pace is read off."""


def rollout(connection: Connection, scale: Scale, now: datetime) -> Rollout:
    """How many of a goal's scored people were scored under older revisions than those of `scale`, and the pace."""
    began: datetime | None = connection.execute(
        text("""
        SELECT max(created_at) FROM (
            SELECT created_at FROM policy WHERE goal = :goal AND revision = :policy
            UNION ALL SELECT created_at FROM rules WHERE goal = :goal AND revision = :rules
            UNION ALL SELECT created_at FROM champions WHERE goal = :goal AND revision = :champions) AS published
        """),
        _revisions(scale),
    ).scalar_one()
    since = max(began or now - LATELY, now - LATELY)
    row = connection.execute(
        text("""
        SELECT count(*) AS people, count(*) FILTER (WHERE old) AS left,
               count(*) FILTER (WHERE NOT old AND as_of > :since AND as_of <= :now) AS lately
        FROM (SELECT as_of, policy_revision < :policy OR rules_revision < :rules OR champions_revision < :champions
                     AS old FROM score WHERE goal = :goal) AS scored
        """),
        {**_revisions(scale), "since": since, "now": now},
    ).one()
    return Rollout(row.people, row.left, began, row.lately, now - since)


def _revisions(scale: Scale) -> dict[str, object]:
    return {"goal": scale.goal, "policy": scale.policy, "rules": scale.rules, "champions": scale.champions}
