"""What a practice Marketo must do to its clients, point by point, as the vendor's pages and its users tell it."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from sandbox.marketo.hostile import EFFECTS
from sandbox.marketo.log import CHANGE, VISIT
from sandbox.marketo.temper import Limits, Temper
from tests.contract.sandbox_marketo.practice import NOON, Live, Serve, codes, reasons

LEADS = "/rest/v1/leads.json"
ACTIVITIES = "/rest/v1/activities.json"
BY_ID = {"filterType": "id", "filterValues": "1"}
HOUR = timedelta(hours=1)


def test_the_token_is_taken_from_the_header_only(live: Live) -> None:
    token = live.log_in().json()["access_token"]
    address = f"{live.url}{LEADS}"
    bare = requests.get(address, params={"access_token": token, **BY_ID}, verify=live.ca, timeout=10)
    assert codes(bare.json()) == ["600"]
    assert live.result(LEADS, **BY_ID) == []


def test_the_token_is_the_same_until_it_ends(live: Live) -> None:
    first = live.log_in().json()
    assert (first["token_type"], first["expires_in"], first["scope"]) == ("bearer", 3599, "leadgauge@acme.test")
    live.clock.advance(HOUR / 2)
    again = live.log_in().json()
    assert (again["access_token"], again["expires_in"]) == (first["access_token"], 1799)
    live.clock.advance(HOUR / 2)
    assert live.log_in().json()["access_token"] != first["access_token"]


def test_a_token_ends_in_the_middle_of_a_run_with_602(live: Live) -> None:
    live.result(LEADS, **BY_ID)
    live.clock.advance(HOUR)
    answer = live.call("GET", LEADS, params=BY_ID)
    assert (answer.status_code, codes(answer.json())) == (200, ["602"])


def test_a_revoked_token_is_invalid_and_identity_makes_another(live: Live) -> None:
    token = live.log_in().json()["access_token"]
    live.order("tokens", revoke=True)
    assert codes(live.call("GET", LEADS, token=token, params=BY_ID).json()) == ["601"]
    assert live.log_in().json()["access_token"] != token


def test_after_a_601_identity_may_hand_out_the_same_token_again(live: Live) -> None:
    token = live.log_in().json()["access_token"]
    live.order("tokens", doubt=2)
    refused = [codes(live.call("GET", LEADS, token=token, params=BY_ID).json()) for _ in range(2)]
    assert refused == [["601"], ["601"]]
    assert live.log_in().json()["access_token"] == token
    assert live.result(LEADS, **BY_ID) == []


def test_tokens_may_end_before_their_time(live: Live) -> None:
    token = live.log_in().json()["access_token"]
    live.instance.set_temper(Temper(ended=1.0))
    assert codes(live.call("GET", LEADS, token=token, params=BY_ID).json()) == ["602"]
    live.instance.set_temper(Temper())
    assert live.result(LEADS, **BY_ID) == []


def test_the_101st_call_in_20_seconds_gets_606(serve: Serve) -> None:
    live = serve(limits=Limits(rate_20s=100))
    for _ in range(100):
        live.result(LEADS, **BY_ID)
    refused = live.get(LEADS, **BY_ID)
    assert refused["errors"] == [{"code": "606", "message": "Max rate limit '100' exceeded with in '20' secs"}]
    live.clock.advance(timedelta(seconds=20))
    assert live.get(LEADS, **BY_ID)["success"]


def test_the_call_that_makes_more_than_ten_at_once_gets_615(serve: Serve) -> None:
    """Nine of them are other integrations': the limit is of the whole instance."""
    live = serve(limits=Limits(concurrent=10))
    live.result(LEADS, **BY_ID)
    live.instance.set_temper(Temper(others=9, latency=0.4))
    answers: list[Any] = []
    first = threading.Thread(target=lambda: answers.append(live.call("GET", LEADS, params=BY_ID).json()))
    first.start()
    until = time.monotonic() + 5
    while not live.call("GET", "/sandbox/usage").json()["under_way"]:
        assert time.monotonic() < until
    second = requests.get(
        live.url + LEADS,
        params=BY_ID,
        headers={"Authorization": f"Bearer {live.log_in().json()['access_token']}"},
        verify=live.ca,
        timeout=10,
    )
    assert codes(second.json()) == ["615"]
    first.join()
    assert answers[0]["success"]


def test_eleven_calls_at_once_are_one_too_many(serve: Serve) -> None:
    live = serve(limits=Limits(concurrent=10))
    live.instance.set_temper(Temper(others=10))
    assert codes(live.get(LEADS, **BY_ID)) == ["615"]
    live.instance.set_temper(Temper(others=9))
    assert live.get(LEADS, **BY_ID)["success"]


def test_a_used_up_day_is_607_until_midnight_in_chicago(serve: Serve) -> None:
    live = serve(limits=Limits(daily=50))
    live.order("usage", calls=49)
    live.result(LEADS, **BY_ID)
    assert codes(live.get(LEADS, **BY_ID)) == ["607"]
    live.clock.hold(datetime(2026, 11, 21, 5, 59, 59, tzinfo=UTC))
    live.call("GET", LEADS, token=live.log_in().json()["access_token"], params=BY_ID)
    fresh = live.log_in().json()["access_token"]
    assert codes(live.call("GET", LEADS, token=fresh, params=BY_ID).json()) == ["607"]
    live.clock.advance(timedelta(seconds=1))
    assert live.call("GET", LEADS, token=fresh, params=BY_ID).json()["success"]


def test_a_failed_request_is_http_200_with_the_failure_inside(live: Live) -> None:
    answer = live.call("GET", LEADS, params={"filterType": "email"})
    assert answer.status_code == 200
    assert answer.json()["requestId"]
    assert answer.json()["errors"] == [{"code": "701", "message": "filterValues cannot be blank"}]


def test_skipped_rows_stand_among_the_others_in_the_order_of_the_input(live: Live) -> None:
    one, two = live.instance.add_lead({"email": "a@acme.test"}), live.instance.add_lead({"email": "b@acme.test"})
    answer = live.sync(
        {"id": one, "title": "CTO"}, {"id": 999, "title": "x"}, {"title": "x"}, {"id": two, "title": "CEO"}
    )
    assert reasons(answer) == ["updated", "1004", "1002", "updated"]
    assert [row.get("id") for row in answer["result"]] == [one, None, None, two]


def test_an_unknown_field_is_1006_for_its_record_alone(live: Live) -> None:
    one = live.instance.add_lead({"email": "a@acme.test"})
    assert reasons(live.sync({"id": one, "nope": 1}, {"id": one, "title": "CTO"})) == ["1006", "updated"]


def test_a_key_that_several_leads_have_is_1007(live: Live) -> None:
    for _ in range(2):
        live.instance.add_lead({"email": "twice@acme.test"})
    answer = live.sync({"email": "Twice@acme.test", "title": "CTO"}, lookup="email")
    assert reasons(answer) == ["1007"]
    assert len(live.result(LEADS, filterType="email", filterValues="twice@acme.test")) == 2


def test_a_body_over_a_megabyte_is_413(live: Live) -> None:
    answer = live.call("POST", LEADS, json={"input": [{"id": 1, "title": "x" * 1024 * 1024}]})
    assert answer.status_code == 413
    assert live.call("POST", LEADS, json={"input": [{"id": 1, "title": "x" * 1000_000}]}).status_code == 200


def test_a_uri_over_8_kilobytes_is_414_and_goes_as_a_form(live: Live) -> None:
    ids = [live.instance.add_lead({"email": f"p{number}@acme.test"}) for number in range(300)]
    emails = ",".join(f"{'x' * 30}{number}@acme.test" for number in range(299))
    params = {"filterType": "email", "filterValues": f"{emails},p7@acme.test", "fields": "id"}
    assert live.call("GET", LEADS, params=params).status_code == 414
    form = live.call("POST", f"{LEADS}?_method=GET", data=params).json()
    assert form["result"] == [{"id": ids[7]}]
    assert codes(live.call("POST", f"{LEADS}?_method=GET", json=params).json()) == ["612"]


def test_pages_are_short_or_empty_with_more_behind_them(live: Live) -> None:
    lead = live.instance.add_lead({"email": "a@acme.test"})
    for _ in range(50):
        live.instance.happen(lead, VISIT)
    live.instance.change(lead, {"title": "CTO"})
    live.instance.set_temper(Temper(scan=20))
    token, pages = live.token_since(NOON - HOUR), list[Any]()
    while not pages or pages[-1]["moreResult"]:
        pages.append(live.get(ACTIVITIES, nextPageToken=token, activityTypeIds=CHANGE))
        token = pages[-1]["nextPageToken"]
    assert [len(page.get("result", ())) for page in pages] == [0, 0, 1]
    assert "result" not in pages[0]


def test_a_campaign_takes_a_hundred_leads_a_call(live: Live) -> None:
    ids = [{"id": live.instance.add_lead({})} for _ in range(101)]
    campaign = live.instance.add_campaign("Hot")
    path = f"/rest/v1/campaigns/{campaign}/trigger.json"
    assert codes(live.post(path, {"input": {"leads": ids}})) == ["1003"]
    assert live.post(path, {"input": {"leads": ids[:100]}})["result"] == [{"id": campaign}]
    assert len(live.instance.campaigns[campaign].runs) == 100


@pytest.mark.parametrize("kind", [{"type": "batch"}, {"active": False}, {"requestable": False}])
def test_a_campaign_that_cannot_be_requested_is_1003(live: Live, kind: dict[str, Any]) -> None:
    lead, campaign = live.instance.add_lead({}), live.instance.add_campaign("Batch", **kind)
    answer = live.post(f"/rest/v1/campaigns/{campaign}/trigger.json", {"input": {"leads": [{"id": lead}]}})
    assert codes(answer) == ["1003"]
    assert live.instance.campaigns[campaign].runs == []


def test_what_the_api_writes_comes_back_as_an_activity_13(live: Live) -> None:
    live.instance.schema.add("acmeScore", "Acme Score", "score")
    lead = live.instance.add_lead({"email": "a@acme.test"})
    live.sync({"id": lead, "acmeScore": 87})
    token = live.token_since(NOON - HOUR)
    change = live.result("/rest/v1/activities/leadchanges.json", nextPageToken=token, fields="acmeScore")[-1]
    assert (change["leadId"], change["activityTypeId"]) == (lead, CHANGE)
    (moved,) = change["fields"]
    assert (moved["name"], moved["newValue"], moved["oldValue"]) == ("acmeScore", "87", None)
    assert {"name": "Source", "value": "Web service API"} in change["attributes"]
    live.sync({"id": lead, "acmeScore": 87})
    again = live.result("/rest/v1/activities/leadchanges.json", nextPageToken=token, fields="acmeScore")
    assert again[-1] == change, "a value that is the same is no change"


@pytest.mark.parametrize("late", [True, False])
def test_the_answer_is_late_or_lost_and_the_campaign_ran(live: Live, late: bool) -> None:
    lead, campaign = live.instance.add_lead({}), live.instance.add_campaign("Hot")
    path = f"/rest/v1/campaigns/{campaign}/trigger.json"
    live.result(LEADS, **BY_ID)
    if late:
        live.instance.set_temper(Temper(latency=0.5))
    else:
        lost = [{"path": "trigger", "effect": EFFECTS["answer_lost"]}]
        assert live.call("POST", "/sandbox/faults", json=lost).status_code == 200
    with pytest.raises(requests.Timeout if late else requests.ConnectionError):
        live.call("POST", path, json={"input": {"leads": [{"id": lead}]}}, timeout=0.1 if late else 10)
    until = time.monotonic() + 5
    while not live.instance.campaigns[campaign].runs:
        assert time.monotonic() < until
    assert [run[0] for run in live.instance.campaigns[campaign].runs] == [lead]
