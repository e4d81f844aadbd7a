"""Everybody's stage: what is known read, decided, and recorded with the inputs of the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from worker.lifecycle.evidence import Evidence, Standing
from worker.lifecycle.policy import Policy
from worker.lifecycle.stage import GAVE_BACK, Position, Stage, decide, next_due
from worker.rescoring.basis import Basis
from worker.scoring.score import MISMATCH
from worker.scoring.verdict import Verdict
from worker.store import scores, stages
from worker.store.scores import Transition
from worker.store.stages import Feedback


@dataclass(frozen=True, slots=True)
class Decided:
    """A person's stage, from which past one and by what it was decided. `due_at`: when time alone may change it."""

    position: Position
    previous: Position | None
    evidence: Evidence
    due_at: datetime | None


def policies(connection: Connection, basis: Basis, people: Mapping[int, Verdict]) -> Mapping[int, Policy]:
    """By person the policy of their segment."""
    by = basis.policy.segments.by
    if by is None or not basis.policy.segments.of:
        return dict.fromkeys(people, basis.policy)
    segment = stages.segments(connection, list(people), by)
    return {person: basis.policy.of(segment.get(person)) for person in people}


def decided(
    connection: Connection,
    basis: Basis,
    people: Mapping[int, Verdict],
    own: Mapping[int, Policy],
    before: Mapping[int, scores.Standing],
    states: Mapping[int, frozenset[str]],
    as_of: datetime,
) -> dict[int, Decided]:
    """Everybody's stage at `as_of`. Whose reasons did not add up stays where they are: it is our fault, not theirs."""
    known = stages.evidence(connection, list(people), basis.policy, as_of)
    result: dict[int, Decided] = {}
    for person, verdict in people.items():
        previous = _position(before.get(person))
        evidence = replace(
            known.get(person, Evidence()),
            standing=Standing.of(states.get(person, ()), customers_are_leads=basis.of_customers),
            bant=len(verdict.bant or ()),
        )
        if verdict.status == MISMATCH and previous is not None:
            position = previous
        else:
            position = decide(previous, verdict.score, evidence, own[person], as_of)
        result[person] = Decided(position, previous, evidence, next_due(position, evidence, own[person], as_of))
    return result


def record(
    connection: Connection, basis: Basis, people: Mapping[int, Verdict], done: Mapping[int, Decided], as_of: datetime,
    buckets: Mapping[int, str],
) -> None:  # fmt: skip
    """Append what changed: a row for each person whose position did, and what sales said of leads that it gave back."""
    moved = {person: its for person, its in done.items() if its.position != its.previous}
    scores.record_transitions(
        connection,
        basis.scale.goal,
        [
            Transition(
                person, as_of, its.previous.stage.value if its.previous else None, its.position.stage.value,
                its.position.cause, people[person].score, basis.scale.policy, its.evidence.plain(),
                its.position.memory(),
            )
            for person, its in moved.items()
        ],
    )  # fmt: skip
    stages.give_back(
        connection,
        basis.scale.goal,
        [
            Feedback(
                person, as_of, its.previous.stage.value if its.previous else Stage.NEW.value, people[person].score,
                buckets[person], people[person].model, its.evidence.rejection,
            )
            for person, its in moved.items()
            if its.position.since == as_of and its.position.cause.startswith(GAVE_BACK)
        ],
    )  # fmt: skip


def _position(before: scores.Standing | None) -> Position | None:
    if before is None or before.stage is None or before.stage_since is None:
        return None
    return Position.remembered(before.stage, before.stage_since, before.mql_at, before.memory)
