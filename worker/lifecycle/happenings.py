"""What sales and leads did over time, as evidence for stages at any instant of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from worker.lifecycle.evidence import Evidence, Hold, Standing
from worker.lifecycle.machine import Stage
from worker.lifecycle.policy import Policy

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STATED = ("status", "lifecycle_stage")
"""The attributes in which sales says where a lead stands."""


class What(StrEnum):
    """`name` and `value` of a happening, by what it is."""

    WORD = "word"  # an attribute of sales' (name) of a record came to hold the value; null: cleared
    MEETING = "meeting"
    ACT = "act"  # of the person's own
    DEAL = "deal"  # came to the status (value; null: deleted); name `account`: of the person's account alone
    STATE = "state"  # of a record (value); null: deleted
    HOLD = "hold"  # a person set the stage (value) in a record; null: cleared
    FILLED = "filled"  # an attribute (name) that may be required came to hold something; null: nothing
    BANT = "bant"  # so many of the four are known (value)


TELLING = frozenset({What.WORD, What.MEETING, What.DEAL, What.STATE, What.HOLD})
"""What moves stages whatever the score says."""


class Happening(NamedTuple):
    """`at`: from when it counts, in microseconds of UTC; `said_at`: when it happened. `subject`: whose it is, a record
    or a deal."""

    at: int
    what: What
    subject: int
    name: str | None
    value: str | None
    said_at: int


@dataclass(slots=True)
class Told:
    """What is known of one person, happening by happening. `customers_are_leads`: the goal is about customers."""

    customers_are_leads: bool = False
    _words: dict[int, dict[str, tuple[str | None, int]]] = field(default_factory=dict)
    _deals: dict[int, str | None] = field(default_factory=dict)
    _accounts_deals: dict[int, str | None] = field(default_factory=dict)
    _states: dict[int, str | None] = field(default_factory=dict)
    _holds: dict[int, Hold] = field(default_factory=dict)
    _filled: dict[str, set[int]] = field(default_factory=dict)
    _met: int | None = None
    _acted: int | None = None
    _bant: int = 0

    def hear(self, its: Happening) -> None:
        """One more, in the order of `at`."""
        match its.what:
            case What.WORD:
                words = self._words.setdefault(its.subject, {})
                if its.name and its.said_at >= words.get(its.name, (None, its.said_at))[1]:
                    words[its.name] = (its.value, its.said_at)
            case What.MEETING:
                self._met = max(its.said_at, self._met or its.said_at)
            case What.ACT:
                self._acted = max(its.said_at, self._acted or its.said_at)
            case What.DEAL:
                (self._accounts_deals if its.name else self._deals)[its.subject] = its.value
            case What.STATE:
                self._states[its.subject] = its.value
            case What.HOLD if its.value is None:
                self._holds.pop(its.subject, None)
            case What.HOLD:
                self._holds[its.subject] = Hold(Stage(its.value or ""), instant(its.said_at))
            case What.FILLED:
                holders = self._filled.setdefault(its.name or "", set())
                (holders.discard if its.value is None else holders.add)(its.subject)
            case What.BANT:
                self._bant = int(its.value or 0)

    def evidence(self, policy: Policy) -> Evidence:
        """As a policy reads it."""
        states = {state for state in self._states.values() if state is not None}
        if "won" in self._deals.values():
            states.add(Standing.CUSTOMER.value)
        deals = set(self._deals.values())
        if policy.sales.deals == "account":
            deals.update(self._accounts_deals.values())
        said: dict[str, datetime | str] = {}
        for words in self._words.values():
            spoken = {name: (value, instant(at)) for name, (value, at) in words.items() if value is not None}
            hear(said, spoken, policy)
        return Evidence(
            standing=Standing.of(states, customers_are_leads=self.customers_are_leads),
            hold=max(self._holds.values(), key=lambda hold: hold.at, default=None),
            meeting_at=None if self._met is None else instant(self._met),
            deal_open="open" in deals,
            active_at=None if self._acted is None else instant(self._acted),
            bant=self._bant,
            filled=frozenset(name for name, holders in self._filled.items() if holders),
            **said,  # type: ignore[arg-type]
        )


def hear(said: dict[str, datetime | str], words: Mapping[str, tuple[str, datetime]], policy: Policy) -> None:
    """Add what sales says in one more record (by attribute its value, and since when it holds it) to what it said in
    others: `accepted_at`, `confirmed_at`, `rejected_at` and `rejection` of `Evidence`, the newest of each."""
    for name in STATED:
        if name in words and (meaning := policy.sales.meaning(words[name][0])):
            word, at = words[name]
            before = said.get(which := f"{meaning}_at")
            said[which] = max(before, at) if isinstance(before, datetime) else at
            if meaning == "rejected":
                said["rejection"] = words.get(policy.sales.reason or "", (word, at))[0][:200]


def instant(at: int) -> datetime:
    """As `worker.lifecycle.paths` has it, without what that imports: a worker's parent reads evidence, too."""
    return _EPOCH + timedelta(microseconds=at)


def telling(happenings: Iterable[Happening], policy: Policy) -> bool:
    """Whether any of these may move a stage by what the policy says words mean."""
    return any(
        its.what in TELLING
        and (its.what is not What.WORD or (its.value is not None and policy.sales.meaning(its.value) is not None))
        and (its.what is not What.STATE or its.value not in (None, "open"))
        and (its.what is not What.DEAL or not its.name or policy.sales.deals == "account")
        for its in happenings
    )


Happenings = Mapping[int, Sequence[Happening]]
"""By person, in the order of `at`."""
