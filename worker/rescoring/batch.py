"""One batch of people, in one transaction: claimed, scored as of now for every goal, decided, recorded, and their
writes intended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
from sqlalchemy import Connection, Engine

from connectors.records import ScoreField
from worker.lifecycle import fields, materiality
from worker.lifecycle.following import NOTHING, Following, Held, follow
from worker.lifecycle.guard import hidden, withheld
from worker.lifecycle.materiality import Writes
from worker.lifecycle.policy import UNSCORED, Bucket, Policy
from worker.lifecycle.stage import Position, Standing
from worker.rescoring import decision
from worker.rescoring.basis import Basis, Verdicts, judge_all, read
from worker.rescoring.reach import NOWHERE, Entered, Reach, entries
from worker.scoring import bant
from worker.scoring.scale import probability
from worker.scoring.score import MISMATCH
from worker.scoring.verdict import Verdict
from worker.store import (
    activities,
    alerts,
    facts,
    following,
    ledger,
    live,
    people,
    records,
    scores,
    shadow,
    streams,
    tallies,
)
from worker.store.people import Due
from worker.store.records import OpenRecord

Writable = Mapping[str, frozenset[ScoreField]]
"""By source, the fields that it has a place for; records of other sources get no writes."""


@dataclass(frozen=True, slots=True)
class Rescored:
    """What a batch did, in people and records. `mismatched`: people whose reasons did not add up; they are parked."""

    people: int = 0
    intended: int = 0
    mismatched: int = 0


def rescore(
    engine: Engine,
    arrow: adbc.Connection,
    bases: Sequence[Basis],
    partition: int,
    partitions: int,
    rescore_every: timedelta,
    writable: Writable,
    now: datetime,
    limit: int = 1000,
    reach: Reach = NOWHERE,
) -> Rescored:
    """Score up to `limit` people of a partition who are due, for all goals from one read of their facts; nobody while a
    source's first read goes on. Safe to repeat and to kill anywhere. `bases`: those of all goals, the primary first."""
    with engine.begin() as connection:
        if streams.loading(connection, list(writable)):
            return Rescored()
        due = people.claim_due(connection, [basis.scale for basis in bases], partition, partitions, now, limit)
        if not due:
            return Rescored()
        # Two machines' clocks differ; what made a person dirty must be visible to the score that clears it.
        as_of = max(now, *(person.changed_at for person in due))
        live.begin(engine, as_of)
        ids = [person.id for person in due]
        standing = records.standings(connection, ids)
        customers = [person for person, states in standing.items() if Standing.CUSTOMER in states]
        known = read(arrow, facts.At(as_of, ids), bases[0].features)
        outcomes = [
            _recorded(connection, basis, verdicts, standing, as_of)
            for basis, verdicts in zip(bases, judge_all(known, bases, customers), strict=True)
        ]
        scores.drop(connection, set(ids) - {person for outcome in outcomes for person in outcome})
        urgent = frozenset(person.id for person in due if person.was_dirty)
        intended = _intend(connection, bases, outcomes, writable, urgent, reach, as_of)
        upcoming = activities.next_after(connection, ids, as_of)
        people.settle(connection, due, _next_due(due, outcomes, upcoming, as_of + rescore_every), as_of)
    parked = {person for outcome in outcomes for person, its in outcome.items() if its.standing.status == MISMATCH}
    return Rescored(len(due), intended, len(parked))


def _next_due(
    due: Sequence[Due], outcomes: Sequence[Outcome], upcoming: Mapping[int, datetime], aged: datetime
) -> dict[int, datetime]:
    """When each is due again: for something that is known to come, for the stage, or because the score is old."""
    result = {person.id: min(aged, upcoming.get(person.id, aged)) for person in due}
    for outcome in outcomes:
        for person, its in outcome.items():
            if its.due_at is not None and person in result:
                result[person] = min(result[person], its.due_at)
    return result


@dataclass(frozen=True, slots=True)
class _Scored:
    """A person's score for a goal. `values`: what the person's records shall hold, by the names of the contract.
    `policy`: that of the person's segment. `moved`: what is shown is no longer what it was. `due_at`: when time alone
    may change the stage. `withheld`: from sales' view. `entered`: news for whoever owns the person's records."""

    standing: scores.Standing
    values: Mapping[str, Any]
    policy: Policy
    moved: bool
    due_at: datetime | None
    withheld: bool
    entered: Entered | None


Outcome = Mapping[int, _Scored]


def _recorded(
    connection: Connection, basis: Basis, verdicts: Verdicts, standing: Mapping[int, frozenset[str]], as_of: datetime
) -> Outcome:
    """A goal's verdicts on everybody, decided and stored."""
    goal = basis.scale.goal
    for challenger, said in verdicts.shadow.items():
        shadow.save(connection, goal, challenger, said, as_of)
    before = scores.load(connection, goal, list(verdicts.people))
    own = decision.policies(connection, basis, verdicts.people)
    stages: dict[int, decision.Decided] = {}
    if basis.primary:
        stages = decision.decided(connection, basis, verdicts.people, own, before, standing, as_of)
    outcome: dict[int, _Scored] = {}
    for person, verdict in verdicts.people.items():
        was, decided, policy = before.get(person), stages.get(person), own[person]
        position = decided.position if decided else None
        bucket = policy.bucket(verdict.score, was.bucket if was else None) if verdict.score is not None else None
        stored = _stored(person, verdict, position, bucket, basis, as_of)
        values = _values(verdict, position, bucket, policy, basis, as_of)
        unseen = withheld(person, policy.guard)
        if unseen:
            values = hidden(values)
        moved = was is None or _shown(was) != _shown(stored)
        news = _entered(was, stored, values) if basis.primary and moved and not unseen else None
        outcome[person] = _Scored(stored, values, policy, moved, decided.due_at if decided else None, unseen, news)
    if basis.primary:
        buckets = {person: its.standing.bucket for person, its in outcome.items()}
        decision.record(connection, basis, verdicts.people, stages, as_of, buckets)
    scores.save(connection, goal, [its.standing for its in outcome.values()])
    return outcome


def _entered(was: scores.Standing | None, now: scores.Standing, values: Mapping[str, Any]) -> Entered | None:
    """The stage and bucket that are other ones than before."""
    names = [now.stage] if now.stage and (was is None or was.stage != now.stage) else []
    names += [now.bucket] if was is None or was.bucket != now.bucket else []
    return Entered(names, was is None, values) if names else None


def _shown(standing: scores.Standing) -> tuple[object, ...]:
    return standing.score, standing.status, standing.bucket, standing.stage


def _stored(
    person: int, verdict: Verdict, position: Position | None, bucket: Bucket | None, basis: Basis, as_of: datetime
) -> scores.Standing:
    return scores.Standing(
        person_id=person,
        score=verdict.score,
        status=verdict.status,
        bucket=bucket.name if bucket else UNSCORED,
        stage=position.stage if position else None,
        stage_since=position.since if position else None,
        mql_at=position.mql_at if position else None,
        memory=position.memory() if position else {},
        as_of=as_of,
        rules_revision=basis.scale.rules,
        policy_revision=basis.scale.policy,
        champions_revision=basis.scale.champions,
        model=verdict.model,
        log_odds=verdict.log_odds,
    )


def _values(
    verdict: Verdict, position: Position | None, bucket: Bucket | None, policy: Policy, basis: Basis, as_of: datetime
) -> dict[str, Any]:
    """What the person's records shall hold."""
    return fields.desired(
        verdict.score,
        verdict.status,
        position,
        verdict.text,
        policy,
        basis.version(verdict.model),
        as_of,
        None if verdict.score is None or verdict.log_odds is None else probability(verdict.log_odds),
        bucket_before=bucket.name if bucket else None,
        grade=verdict.grade,
        bant=None if verdict.bant is None else bant.text(verdict.bant, basis.wording),
    )


def _intend(
    connection: Connection,
    bases: Sequence[Basis],
    outcomes: Sequence[Outcome],
    writable: Writable,
    urgent: frozenset[int],
    reach: Reach,
    as_of: datetime,
) -> int:
    """Open a ledger row for every record whose fields, of any goal, should materially differ from what it holds or is
    due to. A row has all goals' fields together. `urgent`: people to whom something happened."""
    whom = list({person for outcome in outcomes for person in outcome})
    reached = records.open_of(connection, whom, customers=any(basis.of_customers for basis in bases))
    targets = [record for record in reached if record.ref.source in writable]
    newest = ledger.latest(connection, [record.subject_id for record in targets])
    natives = following.held(connection, targets, reach.followers, newest, as_of)
    intentions: list[ledger.Intention] = []
    unwanted: list[int] = []
    for record in targets:
        row = newest.get(record.subject_id)
        wanted, cause = _wanted(record, row, bases, outcomes, writable[record.ref.source], as_of)
        own = NOTHING
        if (held := natives.get(record.subject_id)) is not None:
            if not record.customer or bases[0].of_customers:
                own = _own_fields(record, held, outcomes[0].get(record.person_id), reach, as_of)
            cause = cause or (None if held.on_its_way(own.values) else ScoreField.STAGE.value)
        if cause is None:
            continue
        wanted |= own.values
        if row is not None and row.state is ledger.State.INTENDED and not row.attempts and _already(wanted, record):
            unwanted.append(record.subject_id)
        else:
            person = record.person_id
            intentions.append(
                ledger.Intention(
                    record.subject_id, person, record.ref.source, wanted, cause, person in urgent, own.over, own.kept
                )
            )
    ledger.withdraw(connection, unwanted, as_of)
    _count(connection, targets, outcomes, intentions, as_of)
    scale = bases[0].scale
    ledger.intend(connection, intentions, scale.rules, scale.policy, as_of, scale.champions)
    _tell(connection, targets, outcomes[0], reach, as_of)
    return len(intentions)


def _own_fields(record: OpenRecord, held: Held, scored: _Scored | None, reach: Reach, as_of: datetime) -> Following:
    """What the record's native fields shall become; nothing where the stage is not known, or not for sales to see."""
    its = scored.standing if scored is not None and not scored.withheld else None
    if scored is None or its is None or its.stage is None or its.stage_since is None or its.status == MISMATCH:
        return NOTHING
    followers = reach.followers[record.ref.source]
    return follow(followers, record.ref.object, its.stage, its.stage_since, held, scored.policy, as_of)


def _tell(
    connection: Connection, targets: Sequence[OpenRecord], outcome: Outcome, reach: Reach, as_of: datetime
) -> None:
    """Note the tasks for the owners of whoever entered what is to be told."""
    entered = {person: its.entered for person, its in outcome.items() if its.entered is not None}
    a_day = {source: settings.a_day for source, settings in reach.alerts.items()}
    alerts.intend(connection, list(entries(targets, entered, reach.alerts, as_of)), a_day, as_of)


def _count(
    connection: Connection,
    targets: Sequence[OpenRecord],
    outcomes: Sequence[Outcome],
    intentions: Sequence[ledger.Intention],
    as_of: datetime,
) -> None:
    """How often records' scores moved, and how many writes that was worth."""
    moved = Counter(
        record.ref.source
        for record in targets
        if any((its := outcome.get(record.person_id)) and its.moved for outcome in outcomes)
    )
    made = Counter(intention.source for intention in intentions)
    tallies.add(connection, {source: Writes(moved[source], made[source]) for source in moved.keys() | made}, as_of)


def _wanted(
    record: OpenRecord,
    row: ledger.Row | None,
    bases: Sequence[Basis],
    outcomes: Sequence[Outcome],
    mapped: frozenset[ScoreField],
    as_of: datetime,
) -> tuple[dict[str, Any], str | None]:
    """What a record shall hold, and why that should be written: the first goal's cause, None where no goal has one.

    A goal whose reasons did not add up for the person writes nothing, and keeps no other from writing.
    """
    held = row.values if row else record.written
    wanted: dict[str, Any] = {}
    cause = None
    for basis, outcome in zip(bases, outcomes, strict=True):
        scored = outcome.get(record.person_id)
        if scored is None or scored.standing.status == MISMATCH or (record.customer and not basis.of_customers):
            continue
        goal = basis.prefix
        values = fields.limited(fields.of_goal(scored.values, goal), mapped)
        before, written_at = fields.part(held, goal), row.intended_at if row else None
        why = materiality.cause(fields.part(values, goal), before, written_at, scored.policy, as_of)
        cause = cause or (f"{goal}: {why}" if goal and why else why)
        wanted |= values
    return wanted, cause


def _already(wanted: Mapping[str, Any], record: OpenRecord) -> bool:
    """The CRM holds it: the score went away and came back before the way out was written."""
    return all(ScoreField(name).kind in fields.VOLATILE for name in fields.differing(wanted, record.written))
