"""What happens to records rather than to people: merges of duplicates, deletions, purges, erasures."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sandbox.world.moments import Kind, Moment
from sandbox.world.people import HISTORY, Person

_ENDINGS = ((Kind.DELETED, 0.006), (Kind.PURGED, 0.003), (Kind.ERASED, 0.002))
"""Share of people whose records end so within the history."""

MOST_ERASED = 20
"""Erasures are rare requests: a large world has no more of them than a small one."""


def incidents(people: Sequence[Person], moments: Sequence[Moment], now: datetime, dice: random.Random) -> list[Moment]:
    """Endings of records, each after the last thing that happened to its person and not later than `now`."""
    last: dict[int, datetime] = {moment.person: moment.at for moment in moments}
    bought = {moment.person for moment in moments if moment.kind is Kind.DEAL}
    originals = {person.duplicate_of for person in people if person.duplicate_of is not None}
    return list(_endings(people, last, bought, originals, now, dice))


def _endings(
    people: Sequence[Person],
    last: dict[int, datetime],
    bought: set[int],
    originals: set[int],
    now: datetime,
    dice: random.Random,
) -> Iterator[Moment]:
    erased = 0
    for person in people:
        earliest = max(last[person.number], now - HISTORY) + timedelta(hours=1)
        if earliest >= now:
            continue
        at = earliest + (now - earliest) * dice.random()
        if person.duplicate_of is not None:
            if dice.random() < 0.35:
                yield Moment(at, person.number, Kind.MERGED, {"into": person.duplicate_of})
        elif person.number not in bought and person.number not in originals:
            draw = dice.random()
            for kind, share in _ENDINGS:
                if draw < share:
                    erased += kind is Kind.ERASED
                    too_many = kind is Kind.ERASED and erased > MOST_ERASED
                    yield Moment(at, person.number, Kind.DELETED if too_many else kind, {})
                    break
                draw -= share
