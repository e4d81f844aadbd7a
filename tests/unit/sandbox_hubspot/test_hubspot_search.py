from __future__ import annotations

from typing import Any

import pytest

from sandbox.clock import Clock
from sandbox.hubspot.filters import BadFilter, contains_token
from sandbox.hubspot.portal import Portal
from sandbox.hubspot.schema import TYPES
from sandbox.hubspot.search import BeyondLimits, Query, find


@pytest.fixture
def portal() -> Portal:
    """Contacts a, b, c; c has no title and no score."""
    clock = Clock()
    clock.hold()
    portal = Portal(clock)
    rows = (
        {"email": "a@acme.test", "firstname": "Ana", "jobtitle": "Head of Sales", "lead_gauge_score": "9",
         "lead_gauge_bucket": "cold", "lead_gauge_scored_at": "2026-11-01T00:00:00Z"},
        {"email": "b@acme.test", "firstname": "Bo", "jobtitle": "CEO", "lead_gauge_score": "80",
         "lead_gauge_bucket": "warm", "lead_gauge_scored_at": "2026-11-02T00:00:00Z"},
        {"email": "c@beta.test", "firstname": "Cy"},
    )  # fmt: skip
    for row in rows:
        portal.create("contacts", row)
    return portal


def names(portal: Portal, body: dict[str, Any]) -> str:
    """First letters of the contacts found, in their order."""
    _, ids = find(portal, TYPES["contacts"], Query.parse(body))
    found = (portal.exact("contacts", str(id_)) for id_ in ids)
    return "".join(record.values["email"][0] for record in found if record is not None)


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ({"propertyName": "firstname", "operator": "EQ", "value": "ANA"}, "a"),
        ({"propertyName": "firstname", "operator": "NEQ", "value": "ana"}, "bc"),
        ({"propertyName": "jobtitle", "operator": "NEQ", "value": "ceo"}, "ac"),
        ({"propertyName": "lead_gauge_score", "operator": "GT", "value": "9"}, "b"),
        ({"propertyName": "lead_gauge_score", "operator": "GTE", "value": "9.0"}, "ab"),
        ({"propertyName": "lead_gauge_score", "operator": "LT", "value": "80"}, "a"),
        ({"propertyName": "lead_gauge_score", "operator": "LTE", "value": "80"}, "ab"),
        ({"propertyName": "lead_gauge_score", "operator": "BETWEEN", "value": "9", "highValue": "80"}, "ab"),
        ({"propertyName": "lead_gauge_scored_at", "operator": "GT", "value": "1793491200000"}, "b"),
        ({"propertyName": "lead_gauge_scored_at", "operator": "LTE", "value": "2026-11-01T00:00:00Z"}, "a"),
        ({"propertyName": "lead_gauge_bucket", "operator": "EQ", "value": "warm"}, "b"),
        ({"propertyName": "lead_gauge_bucket", "operator": "EQ", "value": "Warm"}, ""),
        ({"propertyName": "lead_gauge_bucket", "operator": "IN", "values": ["warm", "cold"]}, "ab"),
        ({"propertyName": "firstname", "operator": "IN", "values": ["ana", "bo"]}, "ab"),
        ({"propertyName": "firstname", "operator": "IN", "values": ["Ana"]}, ""),
        ({"propertyName": "firstname", "operator": "NOT_IN", "values": ["ana"]}, "bc"),
        ({"propertyName": "jobtitle", "operator": "HAS_PROPERTY"}, "ab"),
        ({"propertyName": "jobtitle", "operator": "NOT_HAS_PROPERTY"}, "c"),
        ({"propertyName": "email", "operator": "CONTAINS_TOKEN", "value": "acme"}, "ab"),
        ({"propertyName": "email", "operator": "NOT_CONTAINS_TOKEN", "value": "*cme"}, "c"),
        ({"propertyName": "lastmodifieddate", "operator": "NEQ", "value": "5"}, "abc"),
    ],
)
def test_operator(portal: Portal, condition: dict[str, Any], found: str) -> None:
    assert names(portal, {"filterGroups": [{"filters": [condition]}]}) == found
    assert names(portal, {"filters": [condition]}) == found


def test_groups_are_alternatives_and_their_filters_go_together(portal: Portal) -> None:
    ana = {"propertyName": "firstname", "operator": "EQ", "value": "ana"}
    scored = {"propertyName": "lead_gauge_score", "operator": "HAS_PROPERTY"}
    high = {"propertyName": "lead_gauge_score", "operator": "GT", "value": "50"}
    assert names(portal, {"filterGroups": [{"filters": [ana, scored]}, {"filters": [high]}]}) == "ab"
    assert names(portal, {"filterGroups": [{"filters": [ana, high]}]}) == ""


def test_sorting_puts_empty_values_last_and_numbers_by_size(portal: Portal) -> None:
    def by(direction: str) -> dict[str, Any]:
        return {"sorts": [{"propertyName": "lead_gauge_score", "direction": direction}]}

    assert names(portal, by("ASCENDING")) == "abc"
    assert names(portal, by("DESCENDING")) == "bac"
    assert names(portal, {"sorts": ["-firstname"]}) == "cba"


def test_associated_records_can_be_asked_for(portal: Portal) -> None:
    ana = portal.contact_by_email("a@acme.test")
    assert ana is not None
    company = portal.create("companies", {"name": "Acme"})
    portal.associate("contacts", str(ana.id), "companies", company)
    condition = {"propertyName": "associations.company", "operator": "EQ", "value": company}
    assert names(portal, {"filterGroups": [{"filters": [condition]}]}) == "a"


def test_free_text_looks_into_the_default_properties(portal: Portal) -> None:
    assert names(portal, {"query": "beta"}) == "c"
    assert names(portal, {"query": "ana acme"}) == "a"
    assert names(portal, {"query": "sales"}) == ""


@pytest.mark.parametrize(
    ("text", "asked", "held"),
    [
        ("Head of Sales", "sales", True),
        ("Head of Sales", "sal", False),
        ("Head of Sales", "sal*", True),
        ("Head of Sales", "head sales", True),
        ("", "sales", False),
    ],
)
def test_a_token_is_a_whole_word(text: str, asked: str, held: bool) -> None:
    assert contains_token(text, asked) is held


def keyset(portal: Portal, since: int, until: int, limit: int) -> list[int]:
    """Every id of a window, the way that never needs an offset."""
    found: list[int] = []
    while True:
        body = {
            "filterGroups": [
                {
                    "filters": [
                        {
                            "propertyName": "lastmodifieddate",
                            "operator": "BETWEEN",
                            "value": str(since),
                            "highValue": str(until),
                        },
                        {"propertyName": "hs_object_id", "operator": "GT", "value": str(found[-1] if found else 0)},
                    ]
                }
            ],
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "limit": limit,
        }
        total, ids = find(portal, TYPES["contacts"], Query.parse(body))
        assert len(ids) == min(total, limit)
        if not ids:
            return found
        found += ids


def test_a_keyset_walk_meets_every_row_of_its_window_once_although_all_stamps_are_equal(portal: Portal) -> None:
    now = portal.now_ms()
    for n in range(3_000):
        portal.create("contacts", {"email": f"x{n}@acme.test"})
    ids = [record.id for record in portal.objects("contacts")]
    assert keyset(portal, now, now, 200) == ids
    assert keyset(portal, now + 1, now + 1_000, 200) == []


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 201},
        {"limit": 0},
        {"after": "10000"},
        {"filterGroups": [{"filters": []}] * 6},
        {"filterGroups": [{"filters": [{"propertyName": "email", "operator": "HAS_PROPERTY"}] * 7}]},
        {"filterGroups": [{"filters": [{"propertyName": "email", "operator": "HAS_PROPERTY"}] * 4}] * 5},
        {"sorts": ["email", "firstname"]},
        {"query": "x" * 3_001},
    ],
)
def test_a_request_beyond_the_limits_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(BeyondLimits):
        Query.parse(body)


def test_the_last_offset_within_reach_is_served() -> None:
    assert Query.parse({"after": "9999"}).after == 9_999


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ({"propertyName": "email"}, "some of required attributes are not set [operator]"),
        ({"operator": "EQ", "value": "1"}, "some of required attributes are not set [propertyName]"),
        ({"propertyName": "x", "operator": "BETWEEN", "value": "1"}, "operator BETWEEN requires a highValue"),
        ({"propertyName": "x", "operator": "EQUALS", "value": "1"}, "'EQUALS'"),
        ({"propertyName": "no_such", "operator": "HAS_PROPERTY"}, 'Property "no_such" does not exist'),
        ({"propertyName": "lead_gauge_score", "operator": "GT", "value": "high"}, "not a valid value for number"),
    ],
)
def test_a_malformed_filter_is_refused_with_its_reason(portal: Portal, condition: dict[str, Any], said: str) -> None:
    with pytest.raises(BadFilter) as refused:
        names(portal, {"filterGroups": [{"filters": [condition]}]})
    assert said in str(refused.value)
