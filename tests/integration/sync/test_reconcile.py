"""What no cursor sees is found by counting."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from tests.contract.connectors.crm_contract import START
from tests.integration.sync.conftest import World
from worker.store import completeness, erasures, subjects
from worker.sync.audit import Audited
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


def test_who_is_purged_from_the_recycle_bin_is_erased_the_next_night(world: World) -> None:
    """The deletion log told of them when they were put in, and they were still to be seen then."""
    winner, loser, purged, binned = world.org.add_people(4)
    world.wait(minutes=10)
    pull(world.holder(), world.crm, world.leads)
    world.org.org.merge("Lead", winner.id, [loser.id])
    for lead in (purged, binned):
        world.org.org.delete("Lead", lead.id)
    world.wait(minutes=10)
    pull(world.holder(), world.crm, world.leads, force=True)
    for lead in (purged, loser):
        world.org.org.delete("Lead", lead.id, purge=True)
    world.wait(hours=25)
    assert (done := reconcile(world.holder(), world.crm)) is not None
    assert (done.done, done.repaired, done.emptied) == (True, 0, 1)
    with world.engine.connect() as connection:
        known = set(subjects.find(connection, [winner, loser, purged, binned]))
        assert known == {winner, loser, binned}, "what a merge's loser did is the winner's"
        assert set(erasures.erased(connection, [purged, loser])) == {purged}
    world.wait(hours=25)
    assert (again := reconcile(world.holder(), world.crm)) is not None
    assert (again.done, again.emptied) == (True, 0)


def test_after_a_longer_absence_than_the_crm_tells_of_purges_who_is_shown_nowhere_goes(world: World) -> None:
    purged, stays = world.org.add_people(2)
    world.wait(minutes=10)
    pull(world.holder(), world.crm, world.leads)
    world.wait(hours=25)
    assert reconcile(world.holder(), world.crm) is not None
    world.org.org.delete("Lead", purged.id, purge=True)
    world.wait(days=20)
    assert (done := reconcile(world.holder(), world.crm)) is not None
    assert done.repaired == 1
    with world.engine.connect() as connection:
        assert set(subjects.find(connection, [purged, stays])) == {stays}
        assert not erasures.erased(connection, [purged]), "it may have been hidden, and comes back if it is shown again"


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


def looked(world: World) -> list[tuple[object, ...]]:
    """The days of streams that were looked at, and what was missing."""
    with world.engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT name, day::text, rows, missed FROM completeness WHERE kind = 'day' AND rows > 0 ORDER BY day, name"
        )
        return [tuple(row) for row in rows]


def test_a_day_is_read_again_once_it_has_settled_and_what_was_missed_is_told_and_stored(world: World) -> None:
    world.org.add_people(1)
    world.wait(minutes=10)
    for stream in world.crm.streams:
        pull(world.holder(), world.crm, stream)
    world.wait(days=1)
    seen = world.org.lead(LastName="Seen")
    task = {"WhoId": seen.id, "Subject": "Call", "TaskSubtype": "Call", "Status": "Completed"}
    world.org.org.insert("Task", task)
    world.wait(minutes=10)
    for stream in world.crm.streams:
        pull(world.holder(), world.crm, stream, force=True)
    passed = world.now() - timedelta(minutes=20)
    world.wait(hours=25)
    for stream in world.crm.streams:
        pull(world.holder(), world.crm, stream, force=True)
    late = world.org.org.insert("Task", {**task, "Subject": "Committed late"}, at=passed)
    world.wait(hours=25)
    day = (START + timedelta(days=1)).date().isoformat()

    assert (done := reconcile(world.holder(), world.crm)) is not None
    assert (done.done, done.days) == (True, Audited(rows=3, missed=1))
    assert looked(world) == [("leads", day, 1, 0), ("tasks", day, 2, 1)]
    assert world.number(f"SELECT count(*) FROM activity WHERE key = '{late}'") == 1
    with world.engine.connect() as connection:
        (gap,) = completeness.gaps(connection)
        (tasks,) = [its for its in completeness.summary(connection, START.date()) if its.name == "tasks"]
    assert gap[0] == datetime.combine(START.date() + timedelta(days=1), time(), UTC)
    assert world.now() - gap[1] < timedelta(minutes=1)
    assert (tasks.rows, tasks.missed, tasks.failing, tasks.share) == (2, 1, 1, 0.5)

    world.wait(hours=25)
    assert (again := reconcile(world.holder(), world.crm)) is not None
    assert again.days == Audited(), "each day is read once"


def test_every_field_of_every_row_is_compared_within_a_week(world: World) -> None:
    leads = world.org.add_people(7)
    world.wait(minutes=10)
    pull(world.holder(), world.crm, world.leads)
    with world.engine.begin() as connection:  # as a fault of ours would leave it: no stamp tells
        connection.exec_driver_sql('UPDATE record SET attributes = attributes || \'{"company": "Wrong"}\'')
    found = Audited()
    for nights in (1, 1, 3, 1, 1):  # two are missed
        world.wait(hours=24 * nights + 0.5)
        night = reconcile(world.holder(), world.crm)
        assert night is not None
        assert night.fields.rows == nights, "a seventh of them each"
        found.rows += night.fields.rows
        found.missed += night.fields.missed
    assert found == Audited(rows=len(leads), missed=len(leads))


def test_a_day_of_which_more_was_missed_than_is_known_was_missed_as_a_whole(world: World) -> None:
    day = START.date()
    with world.engine.begin() as connection:
        completeness.note_late(connection, "acme", "Lead", {day: 3}, world.now())
        (whole,) = completeness.summary(connection, day)
        later = day + timedelta(days=1)
        completeness.record(connection, "acme", completeness.Kind.FIELDS, "Lead", later, 9, 9, world.now())
        ((since, _),) = completeness.gaps(connection)
    assert since == datetime.combine(day, time(), UTC), "fields that differed are mended, and no day is missing"
    assert (whole.rows, whole.missed, whole.failing, whole.share) == (3, 3, 1, 0)
