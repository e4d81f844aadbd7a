"""Small seeded worlds for the tests beside this file."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from sandbox.clock import Clock
from sandbox.hubspot.portal import Portal
from sandbox.salesforce.org import Org
from sandbox.world.history import World, make_world
from sandbox.world.seeding import seed

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Practice:
    """A world and the two CRMs that it was written into, at a held clock."""

    world: World
    org: Org
    portal: Portal
    clock: Clock


def practice(number: int, people: int) -> Practice:
    """A fresh one, to be changed at will."""
    clock = Clock()
    clock.hold(NOW)
    made = Practice(make_world(number, people, NOW), Org(clock, seed=number), Portal(clock, seed=number), clock)
    seed(made.world, made.org, made.portal)
    return made


@cache
def shared_practice() -> Practice:
    """About 400 people per CRM; for reading only."""
    return practice(7, 400)
