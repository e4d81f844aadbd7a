from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.hubspot.hostile import HOSTILE, RULES, bite
from sandbox.hubspot.instants import to_ms
from sandbox.hubspot.portal import Portal
from sandbox.hubspot.records import Record
from sandbox.hubspot.temper import IndexLag, Limits, Temper
from sandbox.hubspot.unrest import MOST_AT_ONCE, MOVED_BY, Unrest, batch_job, move
from sandbox.profiles import Bites, Profile

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
numbers = st.floats(0, 100)


@pytest.fixture
def clock() -> Clock:
    clock = Clock(NOON)
    clock.hold(NOON)
    return clock


@pytest.fixture
def portal(clock: Clock) -> Portal:
    return Portal(clock)


def contact(portal: Portal, **values: str) -> Record:
    record = portal.get("contacts", portal.create("contacts", values))
    assert record is not None
    return record


@given(
    st.builds(
        Temper,
        lag=st.none()
        | st.builds(lambda a, b, c: IndexLag(min(a, b), max(a, b), 0.1, 100 + c), numbers, numbers, numbers),
        limits=st.none() | st.builds(Limits, *[st.none() | st.integers(1, 10**6)] * 4),
        omit_empty=st.floats(0, 1),
        given_up=st.floats(0, 1),
        noise=numbers,
        moves=numbers,
    )
)
def test_a_temper_is_read_back_as_it_was_told(temper: Temper) -> None:
    assert Temper.parse(temper.describe()) == temper


@pytest.mark.parametrize(
    "order",
    [
        {"mood": "bad"},
        {"lag": {"least": 5, "most": 1}},
        {"lag": {"latest": 5}},
        {"lag": 5},
        {"limits": {"search": 5}},
        {"omit_empty": 2},
        {"noise": -1},
    ],
)
def test_a_wrong_temper_is_refused(order: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"keys among|needs|must"):
        Temper.parse(order)


@given(st.integers())
def test_a_lag_stays_within_its_bounds(seed: int) -> None:
    lag, dice = IndexLag(0.5, 30, 0.5, 300), random.Random(seed)
    drawn = [lag.draw(dice) for _ in range(20)]
    assert all(500 <= ms <= 300_000 for ms in drawn)


def test_the_portal_writes_as_often_as_told_however_often_one_looks(portal: Portal, clock: Clock) -> None:
    for number in range(200):
        contact(portal, email=f"p{number}@acme.test")
    often, seldom = Unrest(portal), Unrest(portal)
    written: list[int] = []
    portal.listeners.append(lambda happening: written.append(happening.at))
    portal.set_temper(Temper(noise=30))
    for _ in range(600):
        clock.advance(timedelta(seconds=1))
        often.catch_up()
    first = len(written)
    seldom.catch_up()
    assert 240 < first < 360
    assert 240 < len(written) - first < 360
    assert all(to_ms(NOON) < at <= portal.now_ms() for at in written)


def test_a_leap_of_the_clock_brings_a_bounded_number_of_writes(portal: Portal, clock: Clock) -> None:
    record, unrest = contact(portal, email="ana@acme.test"), Unrest(portal)
    written: list[int] = []
    portal.listeners.append(lambda happening: written.append(happening.at))
    portal.set_temper(Temper(noise=60))
    unrest.catch_up()
    clock.advance(timedelta(days=30))
    unrest.catch_up()
    assert len(written) == MOST_AT_ONCE
    clock.advance(timedelta(seconds=10))
    unrest.catch_up()
    assert len(written) < MOST_AT_ONCE + 40
    assert record.modified <= portal.now_ms()


def test_a_calm_portal_writes_nothing(portal: Portal, clock: Clock) -> None:
    record, unrest = contact(portal, email="ana@acme.test"), Unrest(portal)
    clock.advance(timedelta(days=1))
    unrest.catch_up()
    assert record.modified == to_ms(NOON)


def test_the_portal_moves_stages_forward_to_opportunity_and_no_further(portal: Portal) -> None:
    record = contact(portal, email="ana@acme.test")
    stages = []
    for _ in range(8):
        move(portal, record, portal.now_ms())
        stages.append(record.values["lifecyclestage"])
    assert stages[:5] == ["subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity"]
    assert set(stages[5:]) == {"opportunity"}
    assert record.history("lifecyclestage")[0][2:] == MOVED_BY
    customer = contact(portal, email="bo@acme.test", lifecyclestage="customer")
    move(portal, customer, portal.now_ms())
    assert customer.values["lifecyclestage"] == "customer"


def test_a_batch_job_touches_without_changing(portal: Portal, clock: Clock) -> None:
    records = [contact(portal, email=f"p{number}@acme.test") for number in range(5)]
    before = [dict(record.values) for record in records]
    clock.advance(timedelta(seconds=1))
    assert batch_job(portal, "contacts", 3) == 3
    assert [record.modified - to_ms(NOON) for record in records] == [1000, 1000, 1000, 0, 0]
    assert [record.values for record in records] == before
    with pytest.raises(ValueError, match="object type"):
        batch_job(portal, "people")


def test_the_hostile_profile_comes_and_goes(portal: Portal, clock: Clock) -> None:
    record, faults = contact(portal, email="ana@acme.test"), Faults()
    profile = Profile(Bites(RULES, lambda on: bite(portal, on)), faults)
    clock.advance(timedelta(seconds=1))
    profile.apply("hostile", seed=3)
    contacts = portal.schemas["contacts"]
    assert (portal.temper, len(faults.describe())) == (HOSTILE, len(RULES))
    assert record.modified == portal.now_ms()
    assert contacts.get("salesforceleadid") is None
    portal.update("contacts", str(record.id), {"hs_lead_status": "RECYCLED"})
    profile.apply("calm")
    assert (portal.temper, faults.describe()) == (Temper(), [])
    assert contacts.get("salesforceleadid") is not None
    row = portal.index("contacts").row(record.id)
    assert row is not None
    assert row.values["hs_lead_status"] == "RECYCLED"
    profile.apply("hostile")
    profile.apply("hostile")
    status = contacts.get("hs_lead_status")
    assert status is not None
    assert [option.value for option in status.options].count("RECYCLED") == 1
