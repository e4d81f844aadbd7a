"""What people of the practice world do in the product itself: they sign up, use it, look at plans, upgrade.

It follows from their journeys and adds no cause of buying: whoever researches uses the product more, whoever looks at
prices looks at plans, and whoever has decided uses it most, until they upgrade.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sandbox.world.history import World
from sandbox.world.journeys import Journey
from sandbox.world.moments import instant
from sandbox.world.people import HISTORY, Person, Role
from sandbox.world.truth import Touch

SIGNED_UP, PLANS, UPGRADED = "Signed up", "Viewed plans page", "Upgraded"
USES = ("Used forecast", "Used report builder", "Exported report", "Invited a colleague")
PRICES = (29, 49, 99)


class Device(StrEnum):
    """Where the product was used. Each act is told to one analytics tool: the web app's to Amplitude, the phone's to
    Mixpanel."""

    WEB = "web"
    PHONE = "phone"


@dataclass(frozen=True, slots=True)
class Use:
    """One act of a user."""

    at: datetime
    person: int
    event: str
    device: Device
    properties: Mapping[str, Any] = field(default_factory=dict)


def uses_product(person: Person) -> bool:
    """Whether somebody has an account of their own: two people in five."""
    eligible = person.role in (Role.PROSPECT, Role.CUSTOMER) and person.duplicate_of is None
    return eligible and person.number % 5 < 2


def user_id(person: Person) -> str:
    return f"u{person.number:06d}"


def product_use(world: World) -> list[Use]:
    """All of it, in order of time and before `world.now`; the same for the same world."""
    found = [
        use
        for person, journey in zip(world.people, world.journeys, strict=True)
        if uses_product(person)
        for use in _life(person, journey, world)
        if use.at < world.now
    ]
    return sorted(found, key=lambda use: (use.at, use.person))


def _life(person: Person, journey: Journey, world: World) -> Iterator[Use]:
    dice = random.Random(f"product {person.number} {person.email}")
    began = max(person.created_at, world.now - HISTORY) + timedelta(hours=dice.expovariate(1 / 36))
    yield Use(began, person.number, SIGNED_UP, Device.WEB)
    yield Use(began + timedelta(minutes=dice.uniform(1, 30)), person.number, "Opened app", Device.PHONE)
    for step in journey.steps:
        if step.touch in (Touch.OPEN, Touch.CAREERS) or dice.random() >= 0.6:
            continue
        at = instant(step.at) + timedelta(hours=dice.uniform(0.5, 20))
        if at <= began:
            continue
        device = Device.WEB if dice.random() < 0.6 else Device.PHONE
        decided = journey.decided_at is not None and step.at > journey.decided_at
        for number in range(1 + dice.randrange(5 if decided else 3)):
            later = at + timedelta(minutes=dice.uniform(2, 15) * number)
            yield Use(later, person.number, dice.choice(USES), device)
        if step.touch is Touch.PRICING:
            yield Use(at, person.number, PLANS, device)
    if (won := world.won_at.get(person.number)) is not None and won > began:
        price = {"price": dice.choice(PRICES)}
        yield Use(won + timedelta(hours=dice.uniform(1, 8)), person.number, UPGRADED, Device.WEB, price)
