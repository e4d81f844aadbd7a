"""The practice instance: leads, their fields and activities, campaigns and lists; nothing of HTTP."""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sandbox.clock import Clock
from sandbox.marketo import log
from sandbox.marketo.assets import Campaign, StaticList
from sandbox.marketo.instants import iso, whole
from sandbox.marketo.log import Change, Entry, Log
from sandbox.marketo.schema import Schema
from sandbox.marketo.temper import Temper

WRITES_KEPT = 100_000
DEFAULT_PARTITION = "Default"


@dataclass(frozen=True, slots=True)
class Cause:
    """What an activity 13 names as the reason of a change, and as its source."""

    reason: str
    source: str


API = Cause("Web service API", "Web service API")
PERSON = Cause("Changed by a user", "Lead Database")
SYNC = Cause("SFDC sync", "salesforce.com")


def flow(campaign: str) -> Cause:
    """As a flow step signs (vendor's page Bulk Activity Extract)."""
    return Cause(f"Changed by Smart Campaign {campaign} action Change Data Value", "Marketo Flow Action")


def _text(value: Any) -> str | None:
    """A value as the log has it."""
    return str(value).lower() if isinstance(value, bool) else None if value is None else str(value)


@dataclass(slots=True)
class Lead:
    """`updated` is the field updatedAt, which moves with standard fields only; `touched` with any (vendor's page Bulk
    Lead Extract). Nobody sees it before `shows`."""

    id: int
    created: datetime
    updated: datetime
    touched: datetime
    shows: datetime
    values: dict[str, Any] = field(default_factory=dict, repr=False)
    partition: str = DEFAULT_PARTITION

    def get(self, name: str) -> Any:
        """The value of any field, None where it has none."""
        system = {"id": self.id, "createdAt": iso(self.created), "updatedAt": iso(self.updated)}
        return system[name] if name in system else self.values.get(name)

    @property
    def full_name(self) -> str:
        return " ".join(filter(None, (self.values.get("firstName"), self.values.get("lastName"))))


class Instance:
    """One Marketo subscription in memory, deterministic for a seed and a clock.

    `visibility` is how long a new lead and every activity take to show. Times are whole seconds, as the API has them.
    """

    def __init__(self, clock: Clock, *, seed: int = 7, visibility: timedelta = timedelta(0)) -> None:
        self.clock = clock
        self.visibility = visibility
        self.schema = Schema()
        self.log = Log()
        self.campaigns: dict[int, Campaign] = {}
        self.lists: dict[int, StaticList] = {}
        self.merged: dict[int, int] = {}
        self.writes: deque[dict[str, Any]] = deque(maxlen=WRITES_KEPT)
        """Every record that came in over the API, with whether it `changed` anything."""
        self.temper = Temper()
        self.dice = random.Random(f"marketo {seed}")
        self._leads: dict[int, Lead] = {}
        self._by_email: defaultdict[str, set[int]] = defaultdict(set)
        self._next = 318_580

    def now(self) -> datetime:
        return whole(self.clock.now())

    # -- reading -----------------------------------------------------------------------------------------------------

    def lead(self, id: int) -> Lead | None:
        """The lead, if it is there and shows."""
        found = self._leads.get(id)
        return found if found is not None and found.shows <= self.now() else None

    def leads(self) -> Iterator[Lead]:
        """Those that show, by id."""
        now = self.now()
        return (lead for lead in self._leads.values() if lead.shows <= now)

    def find(self, name: str, values: Iterable[str]) -> list[Lead]:
        """The leads that have one of the values in a field, by id; e-mail addresses in any case."""
        if name == "id":
            found = {int(value) for value in values if value.isdecimal()}
        elif name == "email":
            found = {id for value in values for id in self._by_email.get(value.strip().lower(), ())}
        else:
            wanted = {value.lower() for value in values}
            found = {lead.id for lead in self.leads() if str(lead.get(name) or "").lower() in wanted}
        return [lead for id in sorted(found) if (lead := self.lead(id)) is not None]

    # -- what happens to leads ---------------------------------------------------------------------------------------

    def add_lead(
        self, values: Mapping[str, Any], *, at: datetime | None = None, source: str = "New person", **more: Any
    ) -> int:
        """A new lead's id; duplicates are nobody's concern here. `more`: `partition`. Raises as `change` does."""
        kept = {name: self._taken(name, value) for name, value in values.items()}
        now = self.now() if at is None else whole(at)
        self._next += 1
        lead = Lead(self._next, now, now, now, self._shows(now), **more)
        self._leads[lead.id] = lead
        self._put(lead, kept)
        self.happen(lead.id, log.NEW_LEAD, at=now, attributes={"Source Type": source, "Created Date": iso(now)[:10]})
        return lead.id

    def change(self, id: int, values: Mapping[str, Any], *, cause: Cause = PERSON, at: datetime | None = None) -> bool:
        """Set fields (None empties one) and log each that took on another value; says whether any did.

        Raises `KeyError` for an unknown lead or field, `ValueError` for a value that does not fit.
        """
        lead, now = self._leads[id], self.now() if at is None else whole(at)
        kept = {name: self._taken(name, value) for name, value in values.items()}
        moved = {name: value for name, value in kept.items() if lead.get(name) != value}
        for name, value in moved.items():
            known = self.schema.get(name)
            assert known is not None
            change = Change(known.id, name, _text(lead.get(name)), _text(value))
            told = {"New Value": change.new, "Old Value": change.old, "Reason": cause.reason, "Source": cause.source}
            self.happen(id, log.CHANGE, at=now, primary=known.id, value=known.label, attributes=told, change=change)
            lead.touched = now
            if not known.custom:
                lead.updated = now
        self._put(lead, moved)
        return bool(moved)

    def delete(self, id: int, *, at: datetime | None = None) -> None:
        """The lead and its activities are gone; an activity 37 says so. Raises `KeyError`."""
        lead = self._leads.pop(id)
        self._by_email[str(lead.values.get("email", "")).lower()].discard(id)
        for one in self.lists.values():
            one.members.discard(id)
        self.log.forget(id)
        self.happen(id, log.DELETE, at=at, primary=id, value=lead.full_name)

    def merge(self, winner: int, *losers: int, at: datetime | None = None) -> int:
        """The losers go, the winner keeps its id and its values and takes over what it lacks; returns it.

        Each loser leaves an activity 37, the winner gets a 32 whose `Merge IDs` are the losers, and no 13 for what it
        took over (as integrations know it; the vendor's pages do not say). Raises `KeyError`, and `ValueError` for a
        lead that is to be merged into itself.
        """
        kept = self._leads[winner]
        if winner in losers:
            raise ValueError(f"lead {winner} cannot be merged into itself")
        for loser in losers:
            gone = self._leads[loser]
            taken = {name: value for name, value in gone.values.items() if name not in kept.values}
            self.log.adopt(winner, loser)
            for one in self.lists.values():
                if loser in one.members:
                    one.members.add(winner)
            self.delete(loser, at=at)
            self._put(kept, taken)
            self.merged[loser] = winner
        kept.updated = kept.touched = self.now() if at is None else whole(at)
        told = {"Merge IDs": ",".join(map(str, losers)), "Master Updated": True}
        self.happen(winner, log.MERGE, at=at, primary=winner, value=kept.full_name, attributes=told)
        return winner

    def happen(self, lead: int, type: int, *, at: datetime | None = None, **more: Any) -> Entry:
        """An entry of the activity log: `primary` (id), `value`, `attributes`."""
        when = self.now() if at is None else whole(at)
        return self.log.add(lead, type, when, self._shows(when, drawn=True), **more)

    # -- assets ------------------------------------------------------------------------------------------------------

    def add_campaign(self, name: str, **more: Any) -> int:
        """A smart campaign's id; `more` as in `Campaign`."""
        id = 3712 + len(self.campaigns)
        self.campaigns[id] = Campaign(id, name, self.now(), **more)
        return id

    def request(self, campaign: Campaign, leads: Iterable[int], tokens: Mapping[str, str]) -> None:
        """Run leads through the flow, as often as the qualification rule allows."""
        for id in leads:
            if campaign.rule == "once" and any(run[0] == id for run in campaign.runs):
                continue
            campaign.runs.append((id, self.now(), tokens))
            told = {"Source": API.source}
            self.happen(
                id, log.REQUEST, primary=campaign.id, value=campaign.name, attributes=told, campaign=campaign.id
            )
            if campaign.sets:
                self.change(id, campaign.sets, cause=flow(campaign.name))

    def add_list(self, name: str, members: Iterable[int] = ()) -> int:
        id = 1001 + len(self.lists)
        self.lists[id] = StaticList(id, name, self.now(), set(members))
        return id

    def seed_from(self, people: Iterable[Mapping[str, Any]]) -> list[int]:
        """Leads out of plain dicts: values of fields, `at` (when it was made), `activities` (each `type` by id and what
        `happen` takes). Their ids, in order."""
        made = []
        for person in people:
            values = {name: value for name, value in person.items() if name not in {"at", "activities"}}
            id = self.add_lead(values, at=person.get("at"), source="List import")
            for activity in person.get("activities", ()):
                self.happen(id, **activity)
            made.append(id)
        return made

    def remove_field(self, name: str) -> None:
        """What only an admin can do: the field is gone with its values. Raises `KeyError`."""
        self.schema.remove(name)
        for lead in self._leads.values():
            lead.values.pop(name, None)

    def set_temper(self, temper: Temper) -> None:
        self.temper = temper

    def _taken(self, name: str, value: Any) -> Any:
        known = self.schema.get(name)
        if known is None:
            raise KeyError(name)
        return known.taken(value)

    def _put(self, lead: Lead, values: Mapping[str, Any]) -> None:
        if "email" in values:
            self._by_email[str(lead.values.get("email", "")).lower()].discard(lead.id)
            if values["email"] is not None:
                self._by_email[str(values["email"]).lower()].add(lead.id)
        for name, value in values.items():
            if value is None:
                lead.values.pop(name, None)
            else:
                lead.values[name] = value

    def _shows(self, at: datetime, *, drawn: bool = False) -> datetime:
        """What happened long ago shows at once, late or not."""
        lag = self.visibility + (timedelta(seconds=self.dice.uniform(0, self.temper.lag)) if drawn else timedelta(0))
        return at + lag
