"""The state machine of a lead, as data: which stages there are, what can happen, and what it leads to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum


class Stage(StrEnum):
    """Where a person stands between marketing and sales."""

    NEW = "new"  # there is no score yet, or none any more
    NURTURING = "nurturing"  # marketing's
    MQL = "mql"  # marketing qualified: offered to sales
    ACCEPTED = "accepted"  # a rep works it
    SQL = "sql"  # sales confirmed it
    OPPORTUNITY = "opportunity"  # there is an open deal
    CUSTOMER = "customer"
    RECYCLED = "recycled"  # given back by sales, or silent for too long
    DISQUALIFIED = "disqualified"


class Event(StrEnum):
    """What holds of a person at an instant. Several may; the first in this order that a stage listens to decides."""

    WON = "won"  # a deal is won, or a record says customer
    DISQUALIFIED = "disqualified"  # sales disqualified every record
    OPPORTUNITY = "opportunity"  # a deal is open
    LOST = "lost"  # no deal is open any more
    REJECTED = "rejected"  # a rep's last word was no
    CONFIRMED = "confirmed"  # a status says so, or a meeting was held; and BANT as far as the policy wants it
    ACCEPTED = "accepted"  # a status says that a rep works it
    SILENT = "silent"  # nothing happened for the policy's time
    UNSCORED = "unscored"  # there is no score
    QUALIFIED = "qualified"  # the score is there, and nothing that the policy wants is missing
    FELL = "fell"  # the score is below the leaving line
    SCORED = "scored"  # there is a score


_SALES: Mapping[Event, Stage] = {
    Event.WON: Stage.CUSTOMER,
    Event.DISQUALIFIED: Stage.DISQUALIFIED,
    Event.OPPORTUNITY: Stage.OPPORTUNITY,
    Event.REJECTED: Stage.RECYCLED,
    Event.CONFIRMED: Stage.SQL,
    Event.ACCEPTED: Stage.ACCEPTED,
}
"""What sales does moves whoever is not yet where it leads to."""

_MARKETING: Mapping[Event, Stage] = {
    **_SALES,
    Event.UNSCORED: Stage.NEW,
    Event.QUALIFIED: Stage.MQL,
    Event.SCORED: Stage.NURTURING,
}


def _without(row: Mapping[Event, Stage], *events: Event) -> Mapping[Event, Stage]:
    return {event: stage for event, stage in row.items() if event not in events}


TRANSITIONS: Mapping[Stage, Mapping[Event, Stage]] = {
    Stage.NEW: _without(_MARKETING, Event.UNSCORED),
    Stage.NURTURING: _without(_MARKETING, Event.SCORED),
    Stage.MQL: {**_SALES, Event.SILENT: Stage.RECYCLED, Event.UNSCORED: Stage.NEW, Event.FELL: Stage.NURTURING},
    # From here on it is sales': no score takes a lead from them.
    Stage.ACCEPTED: {**_without(_SALES, Event.ACCEPTED), Event.SILENT: Stage.RECYCLED},
    Stage.SQL: {**_without(_SALES, Event.CONFIRMED, Event.ACCEPTED), Event.SILENT: Stage.RECYCLED},
    Stage.OPPORTUNITY: {
        Event.WON: Stage.CUSTOMER,
        Event.DISQUALIFIED: Stage.DISQUALIFIED,
        Event.LOST: Stage.RECYCLED,
    },
    # These three last as long as what they follow from; then everything else counts.
    Stage.CUSTOMER: _without(_MARKETING, Event.WON),
    Stage.DISQUALIFIED: _without(_MARKETING, Event.DISQUALIFIED),
    # A no to a recycled lead is a new no: the time until it may come back begins again.
    Stage.RECYCLED: {**_SALES, Event.QUALIFIED: Stage.MQL},
}
"""Stage -> event -> the stage that it leads to. What is not listed changes nothing."""

LASTING: Mapping[Stage, Event] = {Stage.CUSTOMER: Event.WON, Stage.DISQUALIFIED: Event.DISQUALIFIED}
"""Stages that are kept while their event holds, whatever else does."""

QUALIFIED = frozenset({Stage.MQL, Stage.ACCEPTED, Stage.SQL})
"""Leaving these for one that is none of them begins the cooldown."""


_ORDERED = {
    stage: tuple((event, row.get(event)) for event in Event if event in row or event is LASTING.get(stage))
    for stage, row in TRANSITIONS.items()
}
"""What each stage listens to, the strongest first; to None leads what makes it last."""


def step(stage: Stage, events: Collection[Event]) -> tuple[Event, Stage] | None:
    """The event that decides and where it leads; None where all stays."""
    for event, target in _ORDERED[stage]:
        if event in events:
            return None if target is None else (event, target)
    return None
