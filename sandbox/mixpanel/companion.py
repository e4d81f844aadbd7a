"""The practice Mixpanel beside the CRMs: what users of the product do on their phones."""

from __future__ import annotations

import itertools
import random
import secrets
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from starlette.types import ASGIApp

from sandbox.clock import Clock
from sandbox.companion import WIRE, Keys, Linked, Place, Someone, acting
from sandbox.mixpanel.app import build_app
from sandbox.mixpanel.project import Event, Profile, Project
from sandbox.profiles import Bites
from sandbox.state import Kept
from sandbox.world.history import World
from sandbox.world.moments import Moment
from sandbox.world.people import Person
from sandbox.world.product import PLANS, USES, Device, product_use, user_id

ACCOUNT = "leadgauge.8f2c1d.mp-service-account"
COUNTRY_CODES: Mapping[str, str] = {
    "United States": "US", "Germany": "DE", "United Kingdom": "GB", "France": "FR", "Austria": "AT",
    "Switzerland": "CH", "Spain": "ES", "Kazakhstan": "KZ",
}  # fmt: skip
"""As Mixpanel tells where a device is."""
_OWN = "lead_gauge_"
_STATE = Kept(("profiles", "groups", "events", "writes"), (Profile, Event))


class PracticeMixpanel:
    """See `sandbox.companion.Companion`. A project of the US."""

    def __init__(self, clock: Clock, seed: int) -> None:
        self.project = Project(clock)
        self.bites = Bites(WIRE, lambda on: None)

    def fresh_keys(self) -> Keys:
        return {"secret": secrets.token_urlsafe(24), "token": secrets.token_hex(16)}

    def app(self, keys: Keys) -> ASGIApp:
        self.project.accounts, self.project.token = {ACCOUNT: keys["secret"]}, keys["token"]
        return acting(build_app(self.project), self._act)

    def address(self, url: str, keys: Keys) -> Mapping[str, Any]:
        return {"url": url, "project_id": self.project.id, "user": ACCOUNT, **keys}

    def answers(self, address: Mapping[str, Any], place: Place) -> Mapping[str, Any]:
        """Nobody limits queries and exports here, so that the first read need not wait for its hour."""
        told = {"host": address["url"], "project": address["project_id"], "user": address["user"], "limit": 36_000}
        return {**told, "secret": place("secret"), "token": place("token")}

    def takes(self, person: Person, moment: Moment) -> bool:
        return False

    def populate(self, world: World, linked: Linked) -> None:
        people, then = {person.number: person for person in world.people}, Clock()
        here, self.project.clock = self.project.clock, then
        for use in product_use(world):
            if use.device is Device.PHONE:
                person = people[use.person]
                then.hold(use.at)
                self.project.put(user_id(person), **_profile(person))
                self.project.add_event(use.event, use.at, user_id(person), **use.properties)
        self.project.clock = here

    def furnish(self) -> None:
        """Properties come with the first write, segments are made of them."""

    def people(self) -> Iterator[Someone]:
        for id, profile in self.project.profiles.items():
            held = {name: value for name, value in profile.properties.items() if name.startswith(_OWN)}
            yield Someone(id, str(profile.properties.get("$email", "")), held)

    def step(self, dice: random.Random, at: datetime) -> None:
        if ids := list(self.project.profiles):
            self._act(dice.choice(ids), dice.choice((*USES, PLANS)), {})

    def dump(self) -> dict[str, Any]:
        return _STATE.dump(self.project)

    def load(self, state: Mapping[str, Any]) -> None:
        """Ids of events that are made go on behind those there are."""
        _STATE.load(self.project, state)
        self.project._numbers = itertools.count(len(self.project.events) + 1)

    def _act(self, user: str, event: str, properties: dict[str, Any]) -> None:
        """`properties` are the profile's: what the product has come to know."""
        if user not in self.project.profiles:
            raise ValueError("there is no such profile")
        self.project.put(user, **properties)
        self.project.add_event(event, self.project.clock.now(), user)


def _profile(person: Person) -> Mapping[str, Any]:
    country = COUNTRY_CODES[person.company.country.name]
    return {"$email": person.email, "$name": f"{person.first} {person.last}", "$country_code": country, "plan": "free"}
