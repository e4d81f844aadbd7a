"""The accounts beside the CRMs: the same people, each touch once, and nothing lost over a restart."""

import json
import random
from collections.abc import Mapping
from dataclasses import fields, is_dataclass

import pytest

from sandbox.amplitude.companion import PracticeAmplitude
from sandbox.clock import Clock
from sandbox.companion import Companion
from sandbox.companions import KINDS
from sandbox.hubspot.portal import Portal
from sandbox.marketo import log
from sandbox.marketo.companion import PracticeMarketo
from sandbox.mixpanel.companion import PracticeMixpanel
from sandbox.salesforce.org import Org
from sandbox.world.history import World, make_world
from sandbox.world.marketo import marketed
from sandbox.world.moments import Kind
from sandbox.world.product import PLANS, SIGNED_UP, UPGRADED, Device, product_use, user_id, uses_product
from sandbox.world.seeding import seed
from tests.unit.sandbox_world.practice_world import NOW

PEOPLE = 150


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(5, PEOPLE, NOW)


@pytest.fixture(scope="module")
def portal(world: World, beside: Mapping[str, Companion]) -> Portal:
    """HubSpot where Marketo is, too; everybody has what is theirs."""
    clock = held()
    portal = Portal(clock, seed=5)
    linked = seed(world, Org(clock, seed=5), portal, beside["marketo"].takes)
    for companion in beside.values():
        companion.populate(world, linked)
        companion.furnish()
    return portal


@pytest.fixture(scope="module")
def beside() -> Mapping[str, Companion]:
    return {name: make(held(), 5) for name, make in KINDS.items()}


def held() -> Clock:
    clock = Clock()
    clock.hold(NOW)
    return clock


def test_a_touch_is_recorded_in_hubspot_or_in_marketo(
    world: World, portal: Portal, beside: Mapping[str, Companion]
) -> None:
    marketo = beside["marketo"]
    assert isinstance(marketo, PracticeMarketo)
    people = {person.number: person for person in world.people}
    elsewhere = {person.email for person in world.people if not marketed(person)}
    opened = [moment for moment in world.moments if moment.kind is Kind.MAIL and moment.detail["type"] == "OPEN"]
    here = [moment for moment in opened if marketed(people[moment.person])]
    assert len(here) > 20
    assert sum(entry.type == log.OPEN for entry in marketo.instance.log) in range(len(here) - 5, len(here) + 1)
    assert {event.recipient for event in portal.email_log.events} <= elsewhere


def test_marketo_has_a_third_of_the_people_but_for_those_who_were_deleted(
    world: World, portal: Portal, beside: Mapping[str, Companion]
) -> None:
    shown = {someone.email for someone in beside["marketo"].people()}
    erased = {moment.person for moment in world.moments if moment.kind is Kind.ERASED}
    expected = {person.email for person in world.people if marketed(person) and person.number not in erased}
    assert len(shown) > PEOPLE / 3
    assert shown <= expected


def test_amplitude_and_mixpanel_know_the_same_users_and_share_their_acts(
    world: World, portal: Portal, beside: Mapping[str, Companion]
) -> None:
    amplitude, mixpanel = beside["amplitude"], beside["mixpanel"]
    assert isinstance(amplitude, PracticeAmplitude)
    assert isinstance(mixpanel, PracticeMixpanel)
    users = {user_id(person): person.email for person in world.people if uses_product(person)}
    for account in (amplitude, mixpanel):
        shown = {someone.id: someone.email for someone in account.people()}
        assert shown.items() <= users.items()
        assert len(shown) > 0.9 * len(users)
    uses = product_use(world)
    assert len(amplitude.project.events) == sum(use.device is Device.WEB for use in uses)
    assert len(mixpanel.project.events) == sum(use.device is Device.PHONE for use in uses)
    assert amplitude.project.writes == [], "the world's own history is no write that came in"


def test_who_buys_uses_the_product_more_and_upgrades(world: World) -> None:
    uses = product_use(world)
    assert uses == product_use(world)
    assert all(use.at < NOW for use in uses)
    upgraded = {use.person for use in uses if use.event == UPGRADED}
    assert upgraded <= world.won_at.keys()
    users = {person.number for person in world.people if uses_product(person)}
    acts = dict.fromkeys(users, 0)
    for use in uses:
        acts[use.person] += use.event not in (SIGNED_UP, UPGRADED)
    bought = [acts[number] for number in users & world.won_at.keys()]
    others = [acts[number] for number in users - world.won_at.keys()]
    assert sum(bought) / len(bought) > 1.5 * sum(others) / len(others)
    assert any(use.event == PLANS for use in uses)


@pytest.mark.parametrize("name", KINDS)
def test_live_moves_each_of_them(name: str, portal: Portal, beside: Mapping[str, Companion]) -> None:
    account = KINDS[name](held(), 5)
    account.load(beside[name].dump())
    traces = account.instance.log if isinstance(account, PracticeMarketo) else account.project.events  # type: ignore[attr-defined]
    before = len(list(traces))
    for _ in range(20):
        account.step(random.Random(1), NOW)
    assert len(list(traces)) == before + 20


@pytest.mark.parametrize("name", KINDS)
def test_an_account_is_the_same_after_a_restart(name: str, portal: Portal, beside: Mapping[str, Companion]) -> None:
    before = beside[name]
    state = json.loads(json.dumps(before.dump()))
    after = KINDS[name](held(), 5)
    after.load(state)
    assert after.dump() == before.dump()
    assert list(after.people()) == list(before.people())
    store = "instance" if name == "marketo" else "project"
    assert unkept(getattr(after, store), state) <= FORGOTTEN[name], "a new attribute is neither kept nor forgotten"


FORGOTTEN = {
    "marketo": {"clock", "visibility", "schema", "log", "temper", "dice"},
    "amplitude": {"clock", "_latency", "_most"},
    "mixpanel": {
        "clock", "id", "token", "region", "accounts", "limits", "page_size", "lag", "split_lines", "terminated_early",
        "sessions", "meter", "_numbers", "slow",
    },
}  # fmt: skip
"""What is given when an account is opened, what a test switches on, and what ends with the process."""


def unkept(store: object, state: Mapping[str, object]) -> set[str]:
    """Attributes that are not in the snapshot."""
    there = {field.name for field in fields(store)} if is_dataclass(store) else set(vars(store))
    return there - state.keys()
