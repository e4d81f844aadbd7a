"""What sales did and said, as evidence for stages; stages that people set in a CRM; and what sales gives back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from connectors.records import ActivityKind, Cause
from worker.lifecycle.evidence import Evidence, Hold, held
from worker.lifecycle.happenings import STATED, hear
from worker.lifecycle.machine import Stage
from worker.lifecycle.policy import Policy
from worker.store.database import as_json

_OWN_ACTS = [kind.value for kind in ActivityKind if kind.cause is Cause.PROSPECT]

# A value that Leadgauge itself wrote into a field of sales' says nothing: it became so by our write, if nothing else
# stood there in between. The clocks may differ.
OURS = """EXISTS (
    SELECT FROM ledger l CROSS JOIN LATERAL jsonb_each_text(l.values) v
    WHERE l.subject_id = attribute.subject_id AND l.over <> '{}' AND v.key LIKE 'crm:%' AND v.value = attribute.value
      AND l.sent_at <= attribute.occurred_at + interval '5 minutes'
      AND NOT EXISTS (SELECT FROM attribute b WHERE b.subject_id = l.subject_id AND b.name = attribute.name
                      AND b.occurred_at > l.sent_at AND b.occurred_at < attribute.occurred_at
                      AND b.value IS DISTINCT FROM attribute.value))"""
_FOUND = """
SELECT s.person_id,
       (SELECT jsonb_agg(jsonb_build_array(a.name, a.value, a.occurred_at)) FROM (
            SELECT DISTINCT ON (name) name, value, occurred_at FROM attribute
            WHERE subject_id = s.id AND name = ANY(:words) AND occurred_at <= :as_of AND NOT {ours}
            ORDER BY name, occurred_at DESC, observed_at DESC) a WHERE a.value IS NOT NULL) AS words,
       (SELECT max(a.occurred_at) FROM activity a WHERE a.subject_id = s.id AND a.kind = 'meeting'
            AND a.occurred_at <= :as_of AND a.retracted_at IS NULL) AS meeting_at,
       (SELECT max(a.occurred_at) FROM activity a WHERE a.subject_id = s.id AND a.kind = ANY(:own)
            AND a.occurred_at <= :as_of AND a.retracted_at IS NULL) AS active_at,
       EXISTS (SELECT FROM outcome_person op JOIN outcome o ON o.id = op.outcome_id
               WHERE op.subject_id = s.id AND o.status = 'open' AND o.deleted_at IS NULL)
       OR (:by_account AND EXISTS (SELECT FROM outcome o WHERE o.account_id = r.account_id AND o.status = 'open'
                                   AND o.deleted_at IS NULL)) AS deal_open,
       (SELECT array_agg(f.name) FROM unnest(CAST(:filled AS text[])) AS f (name)
            WHERE r.attributes ? f.name OR a.attributes ? f.name) AS filled,
       h.stage, h.at
FROM subject s LEFT JOIN record r ON r.subject_id = s.id AND r.deleted_at IS NULL
     LEFT JOIN record a ON a.subject_id = r.account_id AND a.deleted_at IS NULL
     LEFT JOIN stage_hold h ON h.subject_id = s.id AND r.subject_id IS NOT NULL
WHERE s.person_id = ANY(:ids) ORDER BY s.person_id, h.at
""".replace("{ours}", OURS)


def evidence(
    connection: Connection, people: Collection[int], policy: Policy, as_of: datetime
) -> Mapping[int, Evidence]:
    """What is known of people at `as_of`, over all their records; standing and BANT are the caller's to add. Of several
    stages that people set, the newest holds."""
    reason = policy.sales.reason
    rows = connection.execute(
        text(_FOUND),
        {
            "ids": list(people),
            "as_of": as_of,
            "words": [*STATED, *([reason] if reason else [])],
            "own": _OWN_ACTS,
            "filled": sorted(policy.required),
            "by_account": policy.sales.deals == "account",
        },
    )
    found: dict[int, Evidence] = {}
    for row in rows:
        found[row.person_id] = _joined(found.get(row.person_id, Evidence()), row, policy)
    return found


def unheard(connection: Connection, policy: Policy, limit: int = 12) -> Sequence[str]:
    """The statuses and lifecycle stages that open records have now and that mean nothing by the policy, the commonest
    first."""
    rows = connection.execute(
        text("""
        SELECT w.value FROM record r, LATERAL unnest(CAST(:words AS text[])) AS n (name),
               LATERAL (SELECT r.attributes ->> n.name) AS w (value)
        WHERE r.kind = 'person' AND r.state = 'open' AND r.deleted_at IS NULL AND w.value IS NOT NULL
        GROUP BY w.value ORDER BY count(*) DESC, w.value
        """),
        {"words": list(STATED)},
    )
    return [value for value in rows.scalars() if policy.sales.meaning(value) is None][:limit]


def segments(connection: Connection, people: Collection[int], attribute: str) -> Mapping[int, str]:
    """By person the value of an attribute: of their own records, else of their accounts."""
    rows = connection.execute(
        text("""
        SELECT s.person_id, coalesce(min(r.attributes ->> :name), min(a.attributes ->> :name)) AS value
        FROM subject s JOIN record r ON r.subject_id = s.id AND r.deleted_at IS NULL
             LEFT JOIN record a ON a.subject_id = r.account_id AND a.deleted_at IS NULL
        WHERE s.person_id = ANY(:ids) GROUP BY s.person_id
        """),
        {"ids": list(people), "name": attribute},
    )
    return {row.person_id: row.value for row in rows if row.value is not None}


def _joined(known: Evidence, row: Any, policy: Policy) -> Evidence:
    spoken = ("accepted_at", "confirmed_at", "rejected_at", "rejection")
    said: dict[str, Any] = {name: its for name in spoken if (its := getattr(known, name))}
    hear(said, {name: (value, datetime.fromisoformat(at)) for name, value, at in row.words or ()}, policy)
    return replace(
        known,
        **said,
        meeting_at=_newest(known.meeting_at, row.meeting_at),
        active_at=_newest(known.active_at, row.active_at),
        deal_open=known.deal_open or row.deal_open,
        filled=known.filled | set(row.filled or ()),
        hold=Hold(Stage(row.stage), row.at) if row.stage else known.hold,
    )


def _newest(*instants: datetime | None) -> datetime | None:
    return max((at for at in instants if at is not None), default=None)


def note_shown(connection: Connection, shown: Mapping[int, tuple[str | None, datetime]]) -> set[int]:
    """A pull shows what stages records hold (by subject: the stage, and when the record was last modified). Keeps those
    that a person set, forgets those that were cleared; returns the subjects for which that changed."""
    rows = connection.execute(
        text("""
        SELECT s.id, h.stage, h.at,
               (SELECT array_agg(l.values ->> 'stage') FROM ledger l WHERE l.subject_id = s.id AND l.values ? 'stage'
                AND (l.sent_at IS NOT NULL OR l.state = 'verified') AND l.id >= coalesce((
                    SELECT max(v.id) FROM ledger v WHERE v.subject_id = s.id AND v.state = 'verified'), 0)) AS ours
        FROM unnest(CAST(:ids AS bigint[])) AS s (id) LEFT JOIN stage_hold h ON h.subject_id = s.id
        """),
        {"ids": sorted(shown)},
    )
    changed: dict[int, Hold | None] = {}
    for row in rows:
        stage, at = shown[row.id]
        before = Hold(Stage(row.stage), row.at) if row.stage else None
        after = held(stage, filter(None, row.ours or ()), before, at)
        if after != before:
            changed[row.id] = after
    _keep(connection, changed)
    return set(changed)


def _keep(connection: Connection, changed: Mapping[int, Hold | None]) -> None:
    connection.execute(
        text("DELETE FROM stage_hold WHERE subject_id = ANY(:ids)"),
        {"ids": [subject for subject, hold in changed.items() if hold is None]},
    )
    connection.execute(
        text("""
        INSERT INTO stage_hold (subject_id, stage, at)
        SELECT id, stage, at FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (id bigint, stage text, at timestamptz)
        ON CONFLICT (subject_id) DO UPDATE SET stage = excluded.stage, at = excluded.at
        """),
        {"rows": as_json({"id": i, "stage": h.stage.value, "at": h.at} for i, h in sorted(changed.items()) if h)},
    )


@dataclass(frozen=True, slots=True)
class Feedback:
    """A lead that sales gave back: how it stood, and why."""

    person_id: int
    at: datetime
    stage: str
    score: int | None
    bucket: str
    model: int | None
    reason: str


def give_back(connection: Connection, goal: str, feedback: Iterable[Feedback]) -> None:
    """Append what sales said; a repeated one changes nothing."""
    connection.execute(
        text("""
        INSERT INTO feedback (goal, person_id, at, stage, score, bucket, model, reason)
        SELECT :goal, person_id, at, stage, score, bucket, model, reason
        FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS w (person_id bigint, at timestamptz, stage text,
             score smallint, bucket text, model int, reason text)
        ON CONFLICT DO NOTHING
        """),
        {"goal": goal, "rows": as_json({n: getattr(f, n) for n in Feedback.__slots__} for f in feedback)},
    )


def given_back(connection: Connection, goal: str, since: datetime) -> Sequence[Any]:
    """Reason, bucket, how many, and their mean score: the commonest first."""
    return connection.execute(
        text("""
        SELECT reason, bucket, count(*) AS leads, avg(score)::float8 AS score FROM feedback
        WHERE goal = :goal AND at >= :since GROUP BY reason, bucket ORDER BY leads DESC, reason, bucket LIMIT 50
        """),
        {"goal": goal, "since": since},
    ).all()
