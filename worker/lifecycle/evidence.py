"""What is known of a person beside the score when a stage is decided."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from worker.lifecycle.machine import Stage


class Standing(StrEnum):
    """What the CRMs say of the person, over all records: the strongest claim wins, in this order."""

    CUSTOMER = "customer"
    OPEN = "open"
    DISQUALIFIED = "disqualified"

    @classmethod
    def of(cls, states: Iterable[str], *, customers_are_leads: bool = False) -> Standing:
        """A customer anywhere is one, unless the goal is about customers; disqualified only if everywhere."""
        held = set(states)
        if cls.CUSTOMER in held and not customers_are_leads:
            return Standing.CUSTOMER
        return Standing.DISQUALIFIED if held == {cls.DISQUALIFIED} else Standing.OPEN


@dataclass(frozen=True, slots=True)
class Hold:
    """A stage that a person set in the CRM, and since when it stands there."""

    stage: Stage
    at: datetime


@dataclass(frozen=True, slots=True)
class Evidence:
    """As of the instant of the decision. Instants are those of the newest such thing; None: there is none.

    `accepted_at`, `confirmed_at`, `rejected_at`: what sales said by a word of the policy's; `rejection`: why no.
    `meeting_at`: a meeting that was held. `active_at`: the person's own last act. `bant`: how many of the four are
    known. `filled`: of the attributes that the policy requires, those that hold something.
    """

    standing: Standing = Standing.OPEN
    hold: Hold | None = None
    accepted_at: datetime | None = None
    confirmed_at: datetime | None = None
    rejected_at: datetime | None = None
    rejection: str = ""
    meeting_at: datetime | None = None
    deal_open: bool = False
    active_at: datetime | None = None
    bant: int = 0
    filled: frozenset[str] = frozenset()

    @property
    def happened_at(self) -> datetime | None:
        """The last time that anybody did anything."""
        known = (self.accepted_at, self.confirmed_at, self.rejected_at, self.meeting_at, self.active_at)
        return max([at for at in known if at is not None], default=None)

    def plain(self) -> dict[str, Any]:
        """As JSON, only what says something: an input of the decision, recorded beside it."""
        return {name: _plain(value) for name, value in asdict(self).items() if value}

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `plain`. Names that it does not know are another version's and left out."""
        known = {field.name for field in fields(cls)}
        told: dict[str, Any] = {name: value for name, value in plain.items() if name in known}
        for name in told.keys() & _INSTANTS:
            told[name] = datetime.fromisoformat(told[name])
        if hold := told.get("hold"):
            told["hold"] = Hold(Stage(hold["stage"]), datetime.fromisoformat(hold["at"]))
        if "standing" in told:
            told["standing"] = Standing(told["standing"])
        if "filled" in told:
            told["filled"] = frozenset(told["filled"])
        return cls(**told)


_INSTANTS = frozenset({"accepted_at", "confirmed_at", "rejected_at", "meeting_at", "active_at"})


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case StrEnum():
            return value.value
        case frozenset():
            return sorted(value)
        case dict():
            return {name: _plain(inner) for name, inner in value.items()}
    return value


def held(shown: str | None, ours: Iterable[str], before: Hold | None, at: datetime) -> Hold | None:
    """Whether a person set the stage that a record's field shows. `ours`: the stages that we last wrote there, proved
    or on their way; without any we never wrote, and what stands there is no statement. Clearing the field releases it.
    """
    if shown not in set(Stage):
        return None
    if before is not None and shown == before.stage:
        return before
    written = set(ours)
    return None if not written or shown in written else Hold(Stage(shown), at)
