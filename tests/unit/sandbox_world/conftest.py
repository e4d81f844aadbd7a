from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from sandbox.clock import Clock
from sandbox.hubspot.portal import Portal
from sandbox.salesforce.org import Org
from sandbox.world.history import World, make_world
from sandbox.world.seeding import seed

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


class Seeded(SimpleNamespace):
    world: World
    org: Org
    portal: Portal
    clock: Clock


def seeded_world(number: int, people: int) -> Seeded:
    clock = Clock()
    clock.hold(NOW)
    world = make_world(number, people, NOW)
    org, portal = Org(clock, seed=number), Portal(clock, seed=number)
    seed(world, org, portal)
    return Seeded(world=world, org=org, portal=portal, clock=clock)


@pytest.fixture(scope="session")
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def seeded() -> Seeded:
    """A world of about 400 people per CRM; read-only for tests."""
    return seeded_world(7, 400)


@pytest.fixture
def small() -> Seeded:
    """A small world of one's own, to be changed at will."""
    return seeded_world(3, 60)
