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


def test_a_version_that_was_missed_is_found_by_its_stamp(world: World) -> None:
    _, changed = world.org.add_people(2)
    world.wait(minutes=10)
    pull(world.holder(), world.crm, world.leads)
    world.wait(hours=25)
    pull(world.holder(), world.crm, world.leads)
    passed = world.now() - timedelta(hours=5)  # every cursor is beyond it
    world.org.org.update("Lead", changed.id, {"Company": "Missed"}, at=passed)
    pull(world.holder(), world.crm, world.leads, force=True)
    held = "SELECT count(*) FROM record WHERE attributes ->> 'company' = 'Missed'"
    assert world.number(held) == 0
    assert (done := reconcile(world.holder(), world.crm)) is not None
    assert (done.counted, done.repaired) == (2, 1)
    assert world.number(held) == 1


def test_what_changed_lately_is_left_to_the_cursors(world: World) -> None:
    (lead,) = world.org.add_people(1)
    world.wait(minutes=10)
    pull(world.holder(), world.crm, world.leads)
    world.wait(hours=25)
    world.org.org.update("Lead", lead.id, {"Company": "Just now"})
    assert (done := reconcile(world.holder(), world.crm)) is not None
    assert (done.counted, done.repaired) == (1, 0)


def test_purges_are_read_when_the_servers_date_runs_ahead(world: World) -> None:
    """Salesforce refuses a span that ends in its future, as its proxy's clock may."""
    (lead,) = world.org.add_people(1)
    world.wait(minutes=10)
    purges = next(stream for stream in world.crm.streams if stream.name == "purges")
    pull(world.holder(), world.crm, world.leads)
    world.org.org.delete("Lead", lead.id, purge=True)
    world.wait(minutes=30)
    world.org.org.behaviour.change({"date_skew": 150.0})
    pull(world.holder(), world.crm, world.leads, force=True)  # its answers tell the time
    assert (done := pull(world.holder(), world.crm, purges)) is not None
    assert (done.problem, done.drained) == (None, True)
    assert world.number("SELECT count(*) FROM record WHERE deleted_at IS NULL") == 0


def test_where_nothing_differs_nothing_is_fetched_and_the_next_count_is_tomorrow(world: World) -> None:
    world.org.add_people(2)
    world.wait(minutes=10)
    pull(world.holder(), world.crm, world.leads)
    world.wait(hours=25)
    assert (done := reconcile(world.holder(), world.crm)) is not None
    assert (done.done, done.counted, done.repaired) == (True, 2, 0)
    assert reconcile(world.holder(), world.crm) is None
