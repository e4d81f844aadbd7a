"""One batch of people, in one transaction: claimed, scored as of now, decided, recorded, and their writes intended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
from sqlalchemy import Connection, Engine

from connectors.records import ScoreField
from worker.lifecycle import fields, materiality
from worker.lifecycle.policy import UNSCORED
from worker.lifecycle.stage import Position, Stage, Standing, decide
from worker.rescoring.basis import Basis, Verdict, judge, read
from worker.scoring.reasons import crm_text
from worker.scoring.scale import probability
from worker.scoring.score import MISMATCH
from worker.store import activities, facts, ledger, live, people, records, scores, shadow, streams
from worker.store.people import Due
from worker.store.records import OpenRecord


@dataclass(frozen=True, slots=True)
class Rescored:
    """What a batch did, in people and records. `mismatched`: people whose reasons did not add up; they are parked."""

    people: int = 0
    intended: int = 0
    mismatched: int = 0


def rescore(
    engine: Engine,
    arrow: adbc.Connection,
    basis: Basis,
    partition: int,
    partitions: int,
    rescore_every: timedelta,
    writable: Mapping[str, frozenset[ScoreField]],
    now: datetime,
    limit: int = 1000,
) -> Rescored:
    """Score up to `limit` people of a partition who are due; nobody while a source's first read goes on. Safe to repeat
    and to kill anywhere.

    `writable`: by source, the fields that it has a place for; records of other sources get no writes.
    """
    with engine.begin() as connection:
        if streams.loading(connection, list(writable)):
            return Rescored()
        due = people.claim_due(connection, basis.scale, partition, partitions, now, limit)
        if not due:
            return Rescored()
        # Two machines' clocks differ; what made a person dirty must be visible to the score that clears it.
        as_of = max(now, *(person.changed_at for person in due))
        live.begin(engine, as_of)
        outcome = _score(connection, arrow, basis, due, as_of)
        standings = [item.standing for item in outcome.values()]
        scores.record_transitions(
            connection, basis.scale.goal, [t for item in outcome.values() for t in item.transition]
        )
        scores.save(connection, basis.scale.goal, standings)
        intended = _intend(connection, basis, outcome, writable, as_of)
        upcoming = activities.next_after(connection, [person.id for person in due], as_of)
        aged = as_of + rescore_every
        people.settle(connection, due, {p.id: min(aged, upcoming.get(p.id, aged)) for p in due}, as_of)
    return Rescored(len(due), intended, sum(s.status == MISMATCH for s in standings))


@dataclass(frozen=True, slots=True)
class _Scored:
    standing: scores.Standing
    values: Mapping[str, Any]
    transition: Sequence[tuple[int, datetime, str | None, str, str]]


def _score(
    connection: Connection, arrow: adbc.Connection, basis: Basis, due: Sequence[Due], as_of: datetime
) -> dict[int, _Scored]:
    ids = [person.id for person in due]
    verdicts = judge(read(arrow, facts.At(as_of, ids), basis), basis)
    for challenger, log_odds in verdicts.shadow.items():
        shadow.save(connection, basis.scale.goal, challenger, log_odds, as_of)
    before = scores.load(connection, basis.scale.goal, ids)
    standing = records.standings(connection, ids)
    scored: dict[int, _Scored] = {}
    for person, verdict in verdicts.people.items():
        old = before.get(person)
        previous = Position(Stage(old.stage), old.stage_since, old.mql_at) if old else None
        position = decide(previous, verdict.score, _standing(standing.get(person, ())), basis.policy, as_of)
        values = _values(verdict, position, basis, as_of)
        moved = previous is None or previous.stage != position.stage
        came_from = previous.stage.value if previous else None
        scored[person] = _Scored(
            scores.Standing(
                person_id=person,
                score=verdict.score,
                status=verdict.status,
                bucket=basis.policy.bucket(verdict.score).name if verdict.score is not None else UNSCORED,
                stage=position.stage,
                stage_since=position.since,
                mql_at=position.mql_at,
                as_of=as_of,
                rules_revision=basis.scale.rules,
                policy_revision=basis.scale.policy,
                champions_revision=basis.scale.champions,
                model=verdict.model,
                log_odds=verdict.log_odds,
            ),
            values,
            [(person, as_of, came_from, position.stage.value, position.cause)] if moved else [],
        )
    return scored


def _values(verdict: Verdict, position: Position, basis: Basis, as_of: datetime) -> dict[str, Any]:
    """What the person's records shall hold."""
    return fields.desired(
        verdict.score,
        verdict.status,
        position,
        crm_text(verdict.reasons),
        basis.policy,
        basis.version(verdict.model),
        as_of,
        None if verdict.score is None or verdict.log_odds is None else probability(verdict.log_odds),
    )


def _standing(states: Iterable[str]) -> Standing:
    """The strongest claim over all records of a person: a customer anywhere is one, disqualified only if everywhere."""
    held = set(states)
    if Standing.CUSTOMER in held:
        return Standing.CUSTOMER
    return Standing.DISQUALIFIED if held == {Standing.DISQUALIFIED} else Standing.OPEN


def _intend(
    connection: Connection,
    basis: Basis,
    outcome: Mapping[int, _Scored],
    writable: Mapping[str, frozenset[ScoreField]],
    as_of: datetime,
) -> int:
    """Open a ledger row for every open record whose fields should materially differ from what it holds or is due to."""
    targets = [record for record in records.open_of(connection, list(outcome)) if record.ref.source in writable]
    newest = ledger.latest(connection, [record.subject_id for record in targets])
    intentions: list[ledger.Intention] = []
    unwanted: list[int] = []
    for record in targets:
        wanted = fields.limited(outcome[record.person_id].values, writable[record.ref.source])
        row = newest.get(record.subject_id)
        cause = materiality.cause(
            wanted, row.values if row else record.written, row.intended_at if row else None, basis.policy, as_of
        )
        if cause is None:
            continue
        if outcome[record.person_id].standing.status == MISMATCH:
            continue
        if row is not None and row.state is ledger.State.INTENDED and not row.attempts and _already(wanted, record):
            unwanted.append(record.subject_id)
        else:
            intentions.append(_intention(record, wanted, cause))
    ledger.withdraw(connection, unwanted, as_of)
    scale = basis.scale
    ledger.intend(connection, intentions, scale.rules, scale.policy, as_of, scale.champions)
    return len(intentions)


def _already(wanted: Mapping[str, Any], record: OpenRecord) -> bool:
    """The CRM holds it: the score went away and came back before the way out was written."""
    return not set(fields.differing(wanted, record.written)) - fields.VOLATILE


def _intention(record: OpenRecord, wanted: Mapping[str, Any], cause: str) -> ledger.Intention:
    return ledger.Intention(record.subject_id, record.person_id, record.ref.source, wanted, cause)
