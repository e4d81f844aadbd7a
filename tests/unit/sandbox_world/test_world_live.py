from datetime import timedelta

import orjson

from sandbox.hubspot.instants import to_ms
from sandbox.hubspot.portal import Portal
from sandbox.salesforce.org import Org
from sandbox.world.live import Live
from tests.unit.sandbox_world.practice_world import NOW, Practice, practice

LATER = NOW + timedelta(hours=1)


def live(of: Practice) -> Live:
    return Live(of.org, of.portal, of.clock, seed=3, people=60, rate=30)


def moved(steps: int = 400) -> Practice:
    made = practice(3, 60)
    made.clock.hold(LATER)
    world = live(made)
    for _ in range(steps):
        world.step()
    return made


def test_every_kind_of_thing_goes_on() -> None:
    before, after = practice(3, 60), moved()
    for object in ("Lead", "Task", "CampaignMember"):
        assert len(list(after.org.rows(object))) > len(list(before.org.rows(object)))
    for type in ("contacts", "calls"):
        assert after.portal.count(type) > before.portal.count(type)
    assert len(after.portal.email_log.events) > len(before.portal.email_log.events)
    submissions = [sum(len(form.submissions) for form in of.portal.forms.values()) for of in (before, after)]
    assert submissions[1] > submissions[0]


def test_what_is_new_bears_the_clocks_instant() -> None:
    made = moved()
    new = [record for record in made.portal.objects("contacts") if record.created > to_ms(NOW)]
    assert new
    assert {record.created for record in new} == {to_ms(LATER)}
    leads = [row["CreatedDate"] for row in made.org.rows("Lead") if row["CreatedDate"] > "2026-11-23T06:30"]
    assert set(leads) == {"2026-11-23T07:00:00.000+0000"}


def test_the_same_seed_and_instant_go_on_alike() -> None:
    first, second = (
        orjson.dumps([made.org.dump(), made.portal.dump()], option=orjson.OPT_NON_STR_KEYS)
        for made in (moved(60), moved(60))
    )
    assert first == second


def test_it_goes_on_after_a_restart() -> None:
    made = moved(20)
    state = orjson.loads(orjson.dumps([made.org.dump(), made.portal.dump()], option=orjson.OPT_NON_STR_KEYS))
    org, portal = Org(made.clock, seed=3), Portal(made.clock, seed=3)
    org.load(state[0])
    portal.load(state[1])
    loaded = Practice(made.world, org, portal, made.clock)
    people = portal.count("contacts")
    world = live(loaded)
    for _ in range(200):
        world.step()
    assert portal.count("contacts") > people


def test_vanished_people_are_passed_over() -> None:
    made = practice(3, 60)
    world = live(made)
    world.step()
    for record in list(made.portal.objects("contacts")):
        made.portal.archive("contacts", str(record.id))
    gone = [row["Id"] for row in made.org.rows("Lead") if not row["IsDeleted"]]
    for lead in gone:
        made.org.delete("Lead", lead)
    for _ in range(150):
        world.step()
    active = [row for object in ("Task", "CampaignMember") for row in made.org.rows(object) if not row["IsDeleted"]]
    assert not {row.get("WhoId") or row.get("LeadId") for row in active} & set(gone)
