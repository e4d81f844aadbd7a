from __future__ import annotations

from typing import Any

import orjson
import pytest

from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.profiles import CALM, HOSTILE, Bites, Profile
from sandbox.salesforce.behaviour import Behaviour
from sandbox.salesforce.hostile import REMOVED, RULES, SHORTENED, SWITCHES, bite
from sandbox.salesforce.org import Org


@pytest.mark.parametrize("given", [{"page_rows": 5, "nope": 1}, {"page_rows": 5, "moves": 1}, {"page_rows": "5"}])
def test_switches_are_set_all_or_none(given: dict[str, Any]) -> None:
    behaviour = Behaviour()
    with pytest.raises(ValueError, match="switch"):
        behaviour.change(given)
    assert behaviour == Behaviour()


def test_a_whole_number_is_a_number_of_seconds_and_calm_is_the_start() -> None:
    behaviour = Behaviour()
    behaviour.change({**SWITCHES, "date_skew": -60})
    assert behaviour.date_skew == -60
    behaviour.calm()
    assert behaviour == Behaviour()


def test_every_switch_but_the_incurable_is_part_of_hostile() -> None:
    assert Behaviour().as_json().keys() - SWITCHES.keys() == {"refusal"}


def _applied(faults: Faults) -> list[int]:
    for n in range(2_000):
        faults.pick("PATCH" if n % 7 == 0 else "GET", "/services/data/v62.0/composite/sobjects")
    return [rule["applied"] for rule in faults.describe()]


def test_a_seed_spoils_the_same_calls_and_the_sandbox_is_never_touched() -> None:
    def under(seed: int) -> tuple[Faults, list[int]]:
        faults = Faults()
        Profile(Bites(RULES, lambda on: None), faults).apply(HOSTILE, seed)
        assert faults.pick("POST", "/sandbox/profile") is None
        return faults, _applied(faults)

    _, one = under(1)
    assert one == under(1)[1] != under(2)[1]
    assert 0.08 < sum(one) / 2_000 < 0.2


def test_hostile_twice_is_once_and_a_dump_of_it_is_calm(clock: Clock) -> None:
    org = Org(clock)
    fields, visibility = dict(org.schema["Lead"].fields), org.visibility
    profile = Profile(Bites(RULES, lambda on: bite(org, on)), Faults())
    profile.apply(HOSTILE, 1)
    profile.apply(HOSTILE, 2)
    restored = Org(clock)
    restored.load(orjson.loads(orjson.dumps(org.dump())))
    for name in (REMOVED[1], SHORTENED[1]):
        assert restored.schema["Lead"].fields[name] == fields[name]
    profile.apply(CALM)
    profile.apply(CALM)
    assert {name: org.schema["Lead"].fields[name] for name in fields} == fields
    assert org.visibility == visibility
    assert profile.describe() == {"name": CALM, "seed": 0}
