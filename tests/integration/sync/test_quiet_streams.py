from __future__ import annotations

from datetime import timedelta

from sqlalchemy import text

from tests.integration.sync.conftest import World
from worker.sync.pull import COMPLETE_EVERY, QUIET_EVERY, pull


def until_complete(world: World) -> timedelta:
    with world.engine.connect() as connection:
        row = connection.execute(text("SELECT complete_at, complete_due_at FROM stream WHERE name = 'leads'")).one()
    until: timedelta = row.complete_due_at - row.complete_at
    return until


def test_a_stream_that_brings_nothing_is_read_completely_half_hourly(world: World) -> None:
    pull(world.holder(), world.crm, world.leads)

    assert until_complete(world) == QUIET_EVERY


def test_the_first_row_brings_the_next_complete_read_near(world: World) -> None:
    pull(world.holder(), world.crm, world.leads)
    world.wait(minutes=1)
    world.org.add_people(1)
    world.wait(minutes=1)

    seen = pull(world.holder(), world.crm, world.leads)

    assert seen is not None
    assert seen.seen == 1
    assert until_complete(world) == COMPLETE_EVERY


def test_a_fast_read_that_finds_nothing_does_not_put_a_complete_one_off(world: World) -> None:
    pull(world.holder(), world.crm, world.leads)
    world.wait(minutes=20)
    pull(world.holder(), world.crm, world.leads)

    assert until_complete(world) == QUIET_EVERY


def test_a_busy_stream_is_read_completely_every_five_minutes(world: World) -> None:
    world.org.add_people(1)
    world.wait(minutes=1)

    pull(world.holder(), world.crm, world.leads)

    assert until_complete(world) == COMPLETE_EVERY
