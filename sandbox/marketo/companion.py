"""The practice Marketo beside the CRMs: marketing's side of a third of the people."""

from __future__ import annotations

import random
import secrets
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from starlette.types import ASGIApp

from sandbox.clock import Clock
from sandbox.companion import Keys, Linked, Place, Someone
from sandbox.marketo import hostile, log
from sandbox.marketo.app import build_app
from sandbox.marketo.assets import Campaign, StaticList
from sandbox.marketo.instance import Instance, Lead
from sandbox.marketo.log import Change, Entry, Type
from sandbox.marketo.schema import Field
from sandbox.marketo.settings import MarketoServer, Service
from sandbox.profiles import Bites
from sandbox.state import Kept
from sandbox.world.history import World
from sandbox.world.marketo import HERE, TOLD, MarketoRecorder, marketed, visit
from sandbox.world.moments import Moment
from sandbox.world.people import OLDEST, Person
from sandbox.world.vocabulary import PLAIN_PAGES, PRICING_PAGES

CAMPAIGN = "Leadgauge: marketing qualified"
"""A campaign that may be requested."""
_SCORES = {
    "Score": "score", "Probability": "float", "Bucket": "string", "Action": "string", "Grade": "string",
    "Stage": "string", "MqlDate": "datetime", "Reasons": "string", "Bant": "string", "Status": "string",
    "Version": "string", "ScoredAt": "datetime",
}  # fmt: skip
"""The field contract of Leadgauge, as an administrator would have provisioned it."""
_OWN = "leadGauge"

_INSTANCE = Kept(
    ("campaigns", "lists", "merged", "writes", "_leads", "_by_email", "_next"), (Campaign, StaticList, Lead)
)
_LOG = Kept(("_entries", "_number", "types"), (Entry, Change, Type))
_SCHEMA = Kept(("_fields",), (Field,))


class PracticeMarketo:
    """See `sandbox.companion.Companion`."""

    def __init__(self, clock: Clock, seed: int) -> None:
        self.instance = Instance(clock, seed=seed)
        self.bites = Bites(hostile.RULES, partial(hostile.bite, self.instance))

    def fresh_keys(self) -> Keys:
        return {"client_id": str(uuid.uuid4()), "client_secret": secrets.token_urlsafe(24)}

    def app(self, keys: Keys) -> ASGIApp:
        return build_app(self.instance, MarketoServer(services={keys["client_id"]: Service(keys["client_secret"])}))

    def address(self, url: str, keys: Keys) -> Mapping[str, Any]:
        since = (self.instance.now() - OLDEST - timedelta(days=1)).date()
        return {"url": url, **keys, "since": f"{since}T00:00:00Z"}

    def answers(self, address: Mapping[str, Any], place: Place) -> Mapping[str, Any]:
        told = {"host": address["url"], "client": address["client_id"], "since": address["since"]}
        return {**told, "secret": place("client_secret")}

    def takes(self, person: Person, moment: Moment) -> bool:
        return moment.kind in HERE and marketed(person)

    def populate(self, world: World, linked: Linked) -> None:
        for name, label, type in TOLD.values():
            self.instance.schema.add(name, label, type)
        self.instance.add_campaign(CAMPAIGN)
        recorder = MarketoRecorder(self.instance, world, linked)
        for moment in world.moments:
            recorder.record(moment)

    def furnish(self) -> None:
        for name, type in _SCORES.items():
            label = "".join(f" {letter}" if letter.isupper() else letter for letter in name)
            self.instance.schema.add(f"{_OWN}{name}", f"Leadgauge{label}", type, by_api=True)

    def people(self) -> Iterator[Someone]:
        """The segments are lists, and campaigns as often as they ran."""
        campaigns, lists = self.instance.campaigns.values(), self.instance.lists.values()
        for lead in self.instance.leads():
            held = {name: value for name, value in lead.values.items() if name.startswith(_OWN)}
            segments = [each.name for each in lists if lead.id in each.members]
            segments += [each.name for each in campaigns for id, *_ in each.runs if id == lead.id]
            yield Someone(str(lead.id), str(lead.values.get("email", "")), held, segments)

    def step(self, dice: random.Random, at: datetime) -> None:
        """A visit, or a newsletter that is read."""
        leads = [lead.id for lead in self.instance.leads()]
        if not leads:
            return
        lead = dice.choice(leads)
        if dice.random() < 0.6:
            visit(self.instance, lead, dice.choice(PRICING_PAGES if dice.random() < 0.2 else PLAIN_PAGES), at)
        else:
            told = {"Is Bot Activity": False}
            self.instance.happen(lead, log.OPEN, at=at, primary=4111, value="Newsletter 12", attributes=told)

    def dump(self) -> dict[str, Any]:
        instance = self.instance
        held = _LOG.dump(instance.log), _SCHEMA.dump(instance.schema)
        return {**_INSTANCE.dump(instance), "log": held[0], "schema": held[1]}

    def load(self, state: Mapping[str, Any]) -> None:
        _INSTANCE.load(self.instance, state)
        _LOG.load(self.instance.log, state["log"])
        _SCHEMA.load(self.instance.schema, state["schema"])
