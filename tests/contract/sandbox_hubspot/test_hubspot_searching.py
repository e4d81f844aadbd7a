"""Search over the wire: its refusals, its lag, and rows that are newer than the window they were found in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.contract.sandbox_hubspot.practice import NOON, Live, Serve

NOON_MS = int(NOON.timestamp() * 1000)


def window(since: int, until: int) -> dict[str, Any]:
    condition = {
        "propertyName": "lastmodifieddate",
        "operator": "BETWEEN",
        "value": str(since),
        "highValue": str(until),
    }
    return {"filterGroups": [{"filters": [condition]}], "properties": ["jobtitle"]}


def test_a_page_says_where_the_next_begins_and_the_last_says_nothing(live: Live, objects: str) -> None:
    ids = [live.contact(f"p{n}@acme.test") for n in range(3)]
    first = live.post(f"{objects}/contacts/search", {"limit": 2}).json()
    assert (first["total"], [one["id"] for one in first["results"]]) == (3, ids[:2])
    assert first["paging"] == {"next": {"after": "2"}}
    last = live.post(f"{objects}/contacts/search", {"limit": 2, "after": "2"}).json()
    assert [one["id"] for one in last["results"]] == ids[2:]
    assert "paging" not in last


@pytest.mark.parametrize("body", [{"after": "10000"}, {"limit": 201}, {"filterGroups": [{"filters": []}] * 6}])
def test_beyond_its_limits_search_says_nothing_but_no(live: Live, objects: str, body: dict[str, Any]) -> None:
    refused = live.post(f"{objects}/contacts/search", body)
    assert refused.status_code == 400
    assert {**refused.json(), "correlationId": ""} == {
        "status": "error",
        "message": "There was a problem with the request.",
        "correlationId": "",
    }


def test_a_malformed_filter_is_bad_json(live: Live) -> None:
    refused = live.post("/crm/v3/objects/contacts/search", {"filters": [{"propertyName": "email"}]})
    assert refused.json()["message"] == (
        "Invalid input JSON on line 1, column 1: "
        "Cannot build Filter, some of required attributes are not set [operator]"
    )


def test_a_new_value_is_readable_at_once_and_searchable_later(serve: Serve) -> None:
    live = serve(index_lag=timedelta(seconds=20))
    person = live.contact()
    assert live.get(f"/crm/v3/objects/contacts/{person}").status_code == 200
    assert live.post("/crm/v3/objects/contacts/search", {}).json()["total"] == 0
    live.clock.advance(timedelta(seconds=20))
    assert live.post("/crm/v3/objects/contacts/search", {}).json()["total"] == 1


def test_a_row_may_show_a_stamp_outside_the_window_it_was_found_in(serve: Serve) -> None:
    live = serve(index_lag=timedelta(seconds=20))
    person = live.contact()
    live.clock.advance(timedelta(seconds=30))
    live.portal.update("contacts", person, {"jobtitle": "CEO"})
    found = live.post("/crm/v3/objects/contacts/search", window(NOON_MS, NOON_MS + 1_000)).json()
    assert [(one["id"], one["properties"]["jobtitle"], one["updatedAt"]) for one in found["results"]] == [
        (person, "CEO", "2026-11-20T12:00:30Z")
    ]


def test_a_row_archived_since_is_left_out_but_still_counted(serve: Serve) -> None:
    live = serve(index_lag=timedelta(seconds=20))
    person = live.contact()
    live.clock.advance(timedelta(seconds=30))
    live.portal.archive("contacts", person)
    found = live.post("/crm/v3/objects/contacts/search", {}).json()
    assert (found["total"], found["results"]) == (1, [])


def test_search_sends_no_rate_headers(serve: Serve) -> None:
    live = serve(rate_10s=190, daily=1_000)
    assert "X-HubSpot-RateLimit-Max" in live.get("/crm/v3/objects/contacts").headers
    searched = live.post("/crm/v3/objects/contacts/search", {})
    assert not [name for name in searched.headers if "ratelimit" in name.lower()]
