"""What no cursor sees is found by counting."""

from __future__ import annotations

from datetime import timedelta

from tests.integration.sync.conftest import World
from worker.sync.pull import pull
from worker.sync.reconcile import reconcile


def test_a_purged_row_and_one_that_was_committed_late_are_found(world: World) -> None:
    _, purged = world.org.add_people(2)
    world.wait(minutes=10)
    pull(world.holder(), world.crm, world.leads)
    world.org.org.delete("Lead", purged.id, purge=True)
    passed = world.now() - timedelta(days=2)  # every cursor is beyond it
    late = world.org.org.insert("Lead", {"LastName": "Late"}, at=passed)
    world.wait(hours=25)
    pull(world.holder(), world.crm, world.leads)
    known = f"SELECT count(*) FROM subject s JOIN record r ON r.subject_id = s.id WHERE s.key = '{late}'"
    assert world.number(known) == 0

    assert (done := reconcile(world.holder(), world.crm)) is not None
    assert (done.done, done.repaired) == (True, 2)
    assert world.number("SELECT count(*) FROM record WHERE deleted_at IS NOT NULL") == 1
    assert world.number(known) == 1
    assert world.number("SELECT count(*) FROM census") == 0


def test_where_nothing_differs_nothing_is_fetched_and_the_next_count_is_tomorrow(world: World) -> None:
    world.org.add_people(2)
    world.wait(minutes=10)
    pull(world.holder(), world.crm, world.leads)
    world.wait(hours=25)
    assert (done := reconcile(world.holder(), world.crm)) is not None
    assert (done.done, done.counted, done.repaired) == (True, 2, 0)
    assert reconcile(world.holder(), world.crm) is None
