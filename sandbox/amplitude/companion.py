"""The practice Amplitude beside the CRMs: what users of the product do on the web."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from starlette.types import ASGIApp

from sandbox.amplitude.app import build_app
from sandbox.amplitude.project import Cohort, Job, Project, Stored, User
from sandbox.amplitude.settings import AmplitudeServer
from sandbox.clock import Clock
from sandbox.companion import WIRE, Keys, Linked, Place, Someone, acting
from sandbox.profiles import Bites
from sandbox.state import Kept
from sandbox.world.history import World
from sandbox.world.moments import Moment
from sandbox.world.people import Person
from sandbox.world.product import PLANS, SIGNED_UP, UPGRADED, USES, Device, product_use, user_id

OWNER = "ann@gaugewright.example"
COHORTS = {"hot": "Leadgauge hot", "warm": "Leadgauge warm"}
"""The cohorts that an admin would have made, by bucket."""
_OWN = "lead_gauge_"
_STATE = Kept(
    ("delay", "users", "cohorts", "events", "writes", "silenced", "jobs", "_numbers", "_inserted", "_uploads"),
    (User, Cohort, Stored, Job),
)


class PracticeAmplitude:
    """See `sandbox.companion.Companion`. A project of the US."""

    def __init__(self, clock: Clock, seed: int) -> None:
        usual = AmplitudeServer()
        self.project = Project(clock, usual.export_latency, usual.updates_per_hour)
        self.bites = Bites(WIRE, lambda on: None)

    def fresh_keys(self) -> Keys:
        return {"api_key": secrets.token_hex(16), "secret_key": secrets.token_hex(16)}

    def app(self, keys: Keys) -> ASGIApp:
        server = AmplitudeServer(api_key=keys["api_key"], secret_key=keys["secret_key"])
        return acting(build_app(self.project, server), self._act)

    def address(self, url: str, keys: Keys) -> Mapping[str, Any]:
        return {"url": url, "project": AmplitudeServer().app_id, **keys, "owner": OWNER, "cohorts": COHORTS}

    def answers(self, address: Mapping[str, Any], place: Place) -> Mapping[str, Any]:
        told = {name: address[name] for name in ("project", "owner", "cohorts")}
        return {"host": address["url"], **told, "api_key": place("api_key"), "secret": place("secret_key")}

    def takes(self, person: Person, moment: Moment) -> bool:
        return False

    def populate(self, world: World, linked: Linked) -> None:
        people, then = {person.number: person for person in world.people}, Clock()
        here, self.project.clock = self.project.clock, then
        for number, use in enumerate(product_use(world)):
            if use.device is Device.WEB:
                then.hold(use.at)
                known = {SIGNED_UP: _profile(people[use.person]), UPGRADED: {"plan": "pro"}}.get(use.event, {})
                country = people[use.person].company.country.name
                self._track(user_id(people[use.person]), use.event, use.properties, known, f"w{number}", country)
        self.project.clock = here
        self.project.writes.clear()

    def furnish(self) -> None:
        for number, name in enumerate(COHORTS.values()):
            self.project.cohorts[f"c{number:06x}"] = Cohort(f"c{number:06x}", name, OWNER, set())

    def people(self) -> Iterator[Someone]:
        for user in self.project.users.values():
            held = {name: value for name, value in user.properties.items() if name.startswith(_OWN)}
            segments = [each.name for each in self.project.cohorts.values() if user.id in each.members]
            yield Someone(user.id, str(user.properties.get("email", "")), held, segments)

    def step(self, dice: random.Random, at: datetime) -> None:
        if users := list(self.project.users):
            self._track(dice.choice(users), dice.choice((*USES, PLANS)), {}, {}, f"l{at.timestamp():.3f}", None)

    def dump(self) -> dict[str, Any]:
        return _STATE.dump(self.project)

    def load(self, state: Mapping[str, Any]) -> None:
        _STATE.load(self.project, state)

    def _act(self, user: str, event: str, properties: dict[str, Any]) -> None:
        """`properties` are the user's: what the product has come to know."""
        if user not in self.project.users:
            raise ValueError("there is no such user")
        self.project.track(user, {"event_type": event, "user_properties": properties})

    def _track(
        self, user: str, event: str, properties: Mapping[str, Any], known: Mapping[str, Any], insert: str,
        country: str | None,
    ) -> None:  # fmt: skip
        told = {"event_properties": properties, "user_properties": known, "platform": "Web", "country": country}
        self.project.track(user, {"event_type": event, "insert_id": insert, **told})


def _profile(person: Person) -> Mapping[str, Any]:
    return {"email": person.email, "plan": "free", "company": person.company.name}
