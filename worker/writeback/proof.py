"""What the CRM's answers and a read-back prove of a write, and what is done about it: values in, values out."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from connectors.records import Author, AuthorKind, ScoreField, WriteOutcome, WriteResult
from worker.lifecycle import fields
from worker.store.ledger import OVERWRITTEN, SET_BY_USER, Answer, Row, State

FIRST_RETRY, LAST_RETRY = timedelta(seconds=30), timedelta(hours=4)
NAMED_WAITS = 3
"""Attempts after which a wait that the CRM names is too short and grows, too."""
LOST_AT_ONCE = 3
"""Attempts whose answer was lost and that did not land, after which the next one waits."""
DAY = timedelta(days=1)


def answered(row: Row, result: WriteResult, now: datetime) -> Answer | None:
    """What the CRM said of a write. None leaves the row `sent`: a read-back will show what became of it."""
    match result.outcome:
        case WriteOutcome.WRITTEN:
            return Answer(row.id, State.ACCEPTED, now, kept={name.value: why for name, why in result.kept.items()})
        case WriteOutcome.RETRY:
            wait = retry_after(row.attempts)
            if result.retry_after:  # that, but what stays in the way for hours is not asked about every minute
                wait = max(_spread(result.retry_after), retry_after(row.attempts - NAMED_WAITS))
            return Answer(row.id, State.INTENDED, now + wait, result.code, result.message)
        case WriteOutcome.REFUSED:  # whether it still stands is looked at once a day, see `outbox.probe`
            return Answer(row.id, State.REFUSED, now + _spread(DAY), result.code, result.message)
        case WriteOutcome.MOVED:
            return Answer(row.id, State.SUPERSEDED, now, result.code, f"the record is now {result.moved_to}")
        case WriteOutcome.GONE:
            return Answer(row.id, State.SUPERSEDED, now, result.code, result.message or "the record is gone")
        case WriteOutcome.UNRESOLVED:
            return None


def unlike(row: Row, held: Mapping[str, Any]) -> list[str]:
    """The fields that the CRM does not hold as written. What others may set as well (the stage, the CRM's own fields)
    counts right after the write, not when a pull shows it later: then it is theirs."""
    differing = fields.differing(row.values, held)
    return [name for name in differing if not (row.suspected and shared(name))]


def shared(name: str) -> bool:
    """Whether people and the CRM write in that field, too, and what they set stands."""
    return name == ScoreField.STAGE or ScoreField(name).native


def proved(row: Row, held: Mapping[str, Any] | None, author: Author | None, rounds: int, now: datetime) -> Answer:
    """What the primary store holds (None: the record is gone) and who changed it, of a row that was read back.

    What a person set is left to them. What something else did is written again, `rounds` times; then the row has
    drifted, and is tried once a day.
    """
    if held is None:
        return Answer(row.id, State.SUPERSEDED, now, "GONE", "the record is gone")
    differing = sorted(unlike(row, held))
    if not differing:
        return Answer(row.id, State.VERIFIED, now)
    text = f"the CRM does not hold what was written in: {', '.join(differing)}"
    if row.state is State.SENT:  # its answer was lost, and it did not land: simply write it, but not for ever at once
        at = now if row.attempts < LOST_AT_ONCE else now + retry_after(row.attempts)
        return Answer(row.id, State.INTENDED, at, "UNRESOLVED", text)
    who = str(author) if author else "something unknown"
    if author is not None and author.kind is AuthorKind.PERSON:
        if all(map(shared, differing)):
            return Answer(row.id, State.VERIFIED, now, None, f"{', '.join(differing)}: left as {who} set it", who)
        text = f"{', '.join(differing)}: set by {who}; it stays until the score moves, or `leadgauge ledger retry`"
        return Answer(row.id, State.DRIFTED, now, SET_BY_USER, text, who)
    text = f"{', '.join(differing)}: changed by {who} after it was written"
    if row.rounds + 1 < rounds:
        at = now + retry_after(row.rounds + 1)
        return Answer(row.id, State.INTENDED, at, OVERWRITTEN, text, who, contested=True)
    text = f"{text}, {row.rounds + 1} times; it is tried once a day: let nothing else write these fields"
    return Answer(row.id, State.DRIFTED, now + _spread(DAY), OVERWRITTEN, text, who, contested=True)


def unasked(row: Row, now: datetime) -> Answer:
    """What becomes of a row that would be read back, where the CRM cannot be asked. Values are set, never added: what
    may have got lost is simply written again."""
    if row.state is State.SENT:
        at = now if row.attempts < LOST_AT_ONCE else now + retry_after(row.attempts)
        text = "its answer was lost, and the CRM cannot be asked what it holds: it is written again"
        return Answer(row.id, State.INTENDED, at, "UNRESOLVED", text)
    return Answer(row.id, State.UNPROVABLE, now, None, "the CRM said yes, and cannot be asked what it holds")


def retry_after(attempts: int) -> timedelta:
    """Doubling from half a minute to four hours, spread by chance so that a herd does not come back together."""
    longest = min(LAST_RETRY, FIRST_RETRY * float(2 ** min(attempts, 20)))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311


def _spread(wait: timedelta) -> timedelta:
    """At least `wait`, which a CRM names to all alike."""
    return wait * random.uniform(1.0, 1.25)  # noqa: S311
