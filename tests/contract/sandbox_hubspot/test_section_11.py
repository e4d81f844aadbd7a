"""The nine ways in which a HubSpot portal bites, each driven over the wire."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests

from sandbox.hubspot.hostile import EFFECTS
from sandbox.hubspot.settings import ALL_SCOPES
from tests.contract.sandbox_hubspot.practice import NOON, Live, Serve, order

CONTACTS = "/crm/v3/objects/contacts"
SEARCH = f"{CONTACTS}/search"
NOON_MS = int(NOON.timestamp() * 1000)
SPREAD = {"lag": {"least": 0.5, "most": 30, "tail": 0.2, "longest": 300}}


def fault(live: Live, effect: str, path: str = "^/crm/", **changes: Any) -> None:
    rule = {"path": path, "count": 1, "effect": {**EFFECTS[effect], **changes}}
    assert live.post("/sandbox/faults", [rule]).status_code == 200


def found(live: Live, **body: Any) -> list[str]:
    """Ids on one page of a search."""
    return [one["id"] for one in live.post(SEARCH, {"limit": 200, **body}).json()["results"]]


def keyset(live: Live, since: int, until: int) -> Iterator[str]:
    """Ids of a frozen window, by id and without `after`."""
    last = "0"
    while last:
        window = {"propertyName": "lastmodifieddate", "operator": "BETWEEN", "value": str(since)}
        beyond = {"propertyName": "hs_object_id", "operator": "GT", "value": last}
        filters = [{**window, "highValue": str(until)}, beyond]
        page = found(live, filters=filters, sorts=["hs_object_id"])
        yield from page
        last = page[-1] if page else ""


def test_s11_1_writes_reach_search_late_at_random_and_out_of_order(live: Live) -> None:
    order(live, "temper", **SPREAD)
    ids = []
    for number in range(60):
        ids.append(live.contact(f"p{number}@acme.test"))
        live.clock.advance(timedelta(milliseconds=100))
    assert {one["id"] for one in live.get(f"{CONTACTS}?limit=100").json()["results"]} == set(ids)
    arrived: list[str] = []
    seen_at: dict[str, float] = {}
    for _ in range(103):
        new = [id_ for id_ in found(live) if id_ not in seen_at]
        arrived += new
        seen_at |= dict.fromkeys(new, (live.clock.now() - NOON).total_seconds())
        live.clock.advance(timedelta(seconds=3))
    assert set(arrived) == set(ids)
    assert arrived != sorted(arrived, key=int)
    assert sum(at > 40 for at in seen_at.values()) >= 3
    assert sum(at < 20 for at in seen_at.values()) >= 3


def test_s11_1_a_cursor_of_the_newest_stamp_seen_loses_records_and_a_second_late_look_does_not(live: Live) -> None:
    order(live, "temper", **SPREAD)
    ids: set[str] = set()
    naive: set[str] = set()
    newest = "0"
    for number in range(120):
        if number < 60:
            ids.add(live.contact(f"p{number}@acme.test"))
        live.clock.advance(timedelta(seconds=1, milliseconds=7))
        after = {"propertyName": "lastmodifieddate", "operator": "GT", "value": newest}
        rows = live.post(SEARCH, {"filters": [after], "sorts": ["lastmodifieddate"], "limit": 200}).json()["results"]
        naive |= {row["id"] for row in rows}
        newest = rows[-1]["properties"]["lastmodifieddate"] if rows else newest
    live.clock.advance(timedelta(minutes=5))
    assert len(naive) < len(ids)
    assert set(keyset(live, NOON_MS, NOON_MS + 120_000)) == ids


def test_s11_1_a_row_may_lie_outside_the_window_that_found_it(live: Live) -> None:
    person = live.contact()
    order(live, "temper", lag={"least": 20, "most": 30})
    live.clock.advance(timedelta(seconds=10))
    live.portal.update("contacts", person, {"jobtitle": "CEO"})
    until = {"propertyName": "lastmodifieddate", "operator": "LTE", "value": str(NOON_MS + 1_000)}
    rows = live.post(SEARCH, {"filters": [until]}).json()["results"]
    assert [(row["id"], row["updatedAt"]) for row in rows] == [(person, "2026-11-20T12:00:10Z")]


@pytest.mark.parametrize(
    "body",
    [
        {"after": "10000"},
        {"limit": 201},
        {"filterGroups": [{"filters": []}] * 6},
        {"filterGroups": [{"filters": [{"propertyName": "email", "operator": "HAS_PROPERTY"}] * 5}] * 4},
    ],
)
def test_s11_2_search_has_walls(live: Live, objects: str, body: dict[str, Any]) -> None:
    refused = live.post(f"{objects}/contacts/search", body)
    assert (refused.status_code, set(refused.json())) == (400, {"status", "message", "correlationId"})


def test_s11_2_enumerations_are_matched_in_their_case_and_lists_of_text_in_lower_case(live: Live) -> None:
    live.contact(firstname="Ana", hs_lead_status="NEW")

    def count(name: str, operator: str, **asked: Any) -> int:
        return len(found(live, filters=[{"propertyName": name, "operator": operator, **asked}]))

    assert (count("hs_lead_status", "EQ", value="NEW"), count("hs_lead_status", "EQ", value="new")) == (1, 0)
    assert count("firstname", "EQ", value="ANA") == 1
    assert (count("firstname", "IN", values=["ana"]), count("firstname", "IN", values=["Ana"])) == (1, 0)


def test_s11_2_five_searches_a_second_for_the_portal_and_two_ways_to_say_no(serve: Serve) -> None:
    live = serve(tokens={"pat-eu1-one": ALL_SCOPES, "pat-eu1-two": ALL_SCOPES})
    order(live, "temper", limits={"search_per_second": 5})
    answers = [live.post(SEARCH, {}, token=f"pat-eu1-{('one', 'two')[n % 2]}") for n in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 6
    assert not [name for answer in answers for name in answer.headers if "ratelimit" in name.lower()]
    named, unnamed = answers[5].json(), answers[6].json()
    assert (named["policyName"], "category" in named) == ("SECONDLY", False)
    assert (unnamed["category"], "policyName" in unnamed) == ("RATE_LIMITS", False)
    assert named["message"] == unnamed["message"] == "You have reached your secondly limit."
    told = ["Retry-After" in answer.headers for answer in answers[5:]]
    assert True in told
    assert False in told
    live.clock.advance(timedelta(seconds=1))
    assert live.post(SEARCH, {}, token="pat-eu1-one").status_code == 200


def test_s11_2_ten_seconds_a_token_and_a_day_that_refused_calls_count_for(serve: Serve) -> None:
    live = serve(tokens={"pat-eu1-one": ALL_SCOPES, "pat-eu1-two": ALL_SCOPES})
    order(live, "temper", limits={"rate_10s": 2, "daily": 5})
    first = live.get(CONTACTS, token="pat-eu1-one")
    assert {name: value for name, value in first.headers.items() if "ratelimit" in name} == {
        "x-hubspot-ratelimit-daily": "5",
        "x-hubspot-ratelimit-daily-remaining": "4",
        "x-hubspot-ratelimit-interval-milliseconds": "10000",
        "x-hubspot-ratelimit-max": "2",
        "x-hubspot-ratelimit-remaining": "1",
    }
    assert live.get(CONTACTS, token="pat-eu1-one").status_code == 200
    burst = live.get(CONTACTS, token="pat-eu1-one")
    assert (burst.status_code, burst.json()["policyName"]) == (429, "TEN_SECONDLY_ROLLING")
    assert live.get(CONTACTS, token="pat-eu1-two").headers["X-HubSpot-RateLimit-Daily-Remaining"] == "1"
    assert live.get(CONTACTS, token="pat-eu1-two").status_code == 200
    over = live.get(CONTACTS, token="pat-eu1-two")
    assert (over.status_code, over.json()["policyName"]) == (429, "DAILY")
    assert order(live, "temper", limits=None)["limits"] is None
    assert live.get("/sandbox/usage").json() == {"today": 6, "refused": 2}
    live.clock.hold(NOON + timedelta(hours=17))  # midnight in New York
    live.get(CONTACTS, token="pat-eu1-two")
    assert live.get("/sandbox/usage").json()["today"] == 1


def test_s11_3_more_ties_than_search_can_page_over(live: Live) -> None:
    for number in range(10_050):
        live.contact(f"p{number}@acme.test")
    live.clock.advance(timedelta(minutes=5))
    assert order(live, "batch-job", type="contacts") == {"touched": 10_050}
    stamp = NOON_MS + 300_000
    tie = {"filters": [{"propertyName": "lastmodifieddate", "operator": "GTE", "value": str(stamp)}], "limit": 200}
    assert live.post(SEARCH, tie).json()["total"] == 10_050
    last = live.post(SEARCH, {**tie, "after": "9800"}).json()
    assert last["paging"]["next"]["after"] == "10000"
    assert live.post(SEARCH, {**tie, "after": "10000"}).status_code == 400
    assert {row["properties"]["lastmodifieddate"] for row in last["results"]} == {"2026-11-20T12:05:00Z"}
    walked = list(keyset(live, stamp, stamp))
    assert len(walked) == len(set(walked)) == 10_050


def test_s11_3_any_write_moves_the_stamp_our_own_too_and_a_link_does_not(live: Live) -> None:
    person, company = live.contact(), live.portal.create("companies", {"name": "Acme"})

    def stamp() -> str:
        return str(live.get(f"{CONTACTS}/{person}").json()["properties"]["lastmodifieddate"])

    live.clock.advance(timedelta(seconds=5))
    live.call("PATCH", f"{CONTACTS}/{person}", json={"properties": {"lead_gauge_score": "70"}})
    assert stamp() == "2026-11-20T12:00:05Z"
    live.clock.advance(timedelta(seconds=5))
    path = f"/crm/v4/objects/contacts/{person}/associations/default/companies/{company}"
    assert live.call("PUT", path).status_code == 200
    assert stamp() == "2026-11-20T12:00:05Z"


def test_s11_3_the_portal_writes_analytics_that_change_nothing_scored(live: Live) -> None:
    people = [live.contact(f"p{n}@acme.test") for n in range(5)]
    order(live, "temper", noise=60)
    live.clock.advance(timedelta(minutes=2))
    rows = live.get(f"{CONTACTS}?properties=hs_analytics_average_page_views").json()["results"]
    assert [row["id"] for row in rows] == people
    moved = [row for row in rows if row["properties"]["lastmodifieddate"] > "2026-11-20T12:00:00Z"]
    assert len(moved) >= 4
    assert all(row["properties"]["hs_analytics_average_page_views"] for row in moved)
    assert all("." in row["updatedAt"] for row in moved)  # spread over the two minutes, not at the instant of reading


def test_s11_4_one_batch_can_end_in_every_way(live: Live, objects: str) -> None:
    first, second, third = (live.contact(f"{name}@acme.test") for name in "abc")
    live.portal.merge("contacts", first, second)

    def batch(*inputs: dict[str, Any], path: str = "batch/update", **body: Any) -> tuple[int, Any]:
        answer = live.post(f"{objects}/contacts/{path}", {"inputs": list(inputs), **body})
        return answer.status_code, answer.json()

    def scored(id_: str, **more: Any) -> dict[str, Any]:
        return {"id": id_, "properties": {"lead_gauge_score": "9"}, **more}

    partial = 207 if "/v3/" in objects else 200
    status, body = batch(scored("999999", objectWriteTraceId="row-1"), scored(first), scored(third))
    assert (status, [row["id"] for row in body["results"]], body["numErrors"]) == (partial, [third], 1)
    assert body["errors"][0]["context"] == {"ids": ["999999"], "objectWriteTraceId": ["row-1"]}
    assert batch(scored(first))[1]["results"] == []
    assert batch({"id": "a@acme.test", "properties": {"lead_gauge_score": "9"}})[0] == 200
    status, body = batch(scored(third), {"id": third, "properties": {}})
    assert (status, body["category"]) == (400, "VALIDATION_ERROR")
    status, body = batch({"id": third, "properties": {"lead_gauge_score": "1", "lead_scor": "1"}})
    assert (status, body["errors"][0]["code"]) == (400, "PROPERTY_DOESNT_EXIST")
    assert (
        live.get(f"{objects}/contacts/{third}?properties=lead_gauge_score").json()["properties"]["lead_gauge_score"]
        == "9"
    )
    assert batch({"properties": {"email": "c@acme.test"}}, path="batch/create")[0] == 409
    many = [{"id": str(n)} for n in range(101)]
    assert batch(*many, path="batch/read")[0] == 400
    assert batch(*many[:51], path="batch/read", propertiesWithHistory=["email"])[0] == 400


def test_s11_5_a_stage_goes_forward_only_and_is_stamped(live: Live, objects: str) -> None:
    person = live.contact(lifecyclestage="salesqualifiedlead")

    def stage(wanted: str) -> Any:
        asked = {"inputs": [{"id": person, "properties": {"lifecyclestage": wanted}}]}
        answer = live.post(f"{objects}/contacts/batch/update", asked)
        assert (answer.status_code, "errors" in answer.json()) == (200, False)
        return answer.json()["results"][0]["properties"]["lifecyclestage"]

    assert stage("lead") == "salesqualifiedlead"
    assert stage("") in ("", None)
    live.clock.advance(timedelta(seconds=1))
    assert stage("lead") == "lead"
    name = "hs_lifecyclestage_lead_date"
    query = f"{objects}/contacts/{person}?properties={name}&propertiesWithHistory=lifecyclestage"
    shown = live.get(query).json()
    assert shown["properties"][name] == "2026-11-20T12:00:01Z"
    history = shown["propertiesWithHistory"]["lifecyclestage"]
    assert [one["value"] for one in history] == ["lead", "", "salesqualifiedlead"]
    assert (history[0]["sourceType"], history[0]["sourceId"]) == ("INTEGRATION", str(live.settings.app_id))


def test_s11_5_the_portal_moves_stages_itself(live: Live) -> None:
    person = live.contact(lifecyclestage="lead")
    order(live, "temper", moves=60)
    live.clock.advance(timedelta(minutes=1))
    shown = live.get(f"{CONTACTS}/{person}?propertiesWithHistory=lifecyclestage").json()["propertiesWithHistory"]
    assert shown["lifecyclestage"][0]["value"] == "opportunity"
    assert shown["lifecyclestage"][0]["sourceType"] == "PIPELINE_SETTINGS"
    deal = live.portal.create("deals", {"dealname": "Acme", "dealstage": "appointmentscheduled"})
    live.portal.associate("deals", deal, "contacts", person)
    live.call("PATCH", f"/crm/v3/objects/deals/{deal}", json={"properties": {"dealstage": "closedwon"}})
    record = live.portal.get("contacts", person)
    assert record is not None
    assert record.read("lifecyclestage") == "customer"


def test_s11_5_the_schema_drifts_while_running(live: Live) -> None:
    person = live.contact()

    def write(name: str, value: str) -> Any:
        return live.call("PATCH", f"{CONTACTS}/{person}", json={"properties": {name: value}}).json()

    order(live, "schema", object="contacts", property="lead_gauge_bucket", options=["A", "B"])
    assert write("lead_gauge_bucket", "hot")["errors"][0]["code"] == "INVALID_OPTION"
    assert write("lead_gauge_bucket", "A")["properties"]["lead_gauge_bucket"] == "A"
    definition = live.get("/crm/v3/properties/contacts/lead_gauge_bucket").json()
    assert [option["value"] for option in definition["options"]] == ["A", "B"]
    order(live, "schema", object="contacts", property="lead_gauge_score", archive=True)
    assert write("lead_gauge_score", "5")["errors"][0]["code"] == "PROPERTY_DOESNT_EXIST"
    assert live.get("/crm/v3/properties/contacts/lead_gauge_score").status_code == 404
    order(live, "schema", object="contacts", property="lead_gauge_score", restore=True)
    assert write("lead_gauge_score", "5")["properties"]["lead_gauge_score"] == "5"
    assert live.post("/sandbox/schema", {"object": "contacts", "property": "none", "archive": True}).status_code == 400


def test_s11_6_merges_and_erasures(live: Live, objects: str) -> None:
    first, second = live.contact("a@acme.test"), live.contact("b@acme.test")
    asked = {"primaryObjectId": first, "objectIdToMerge": second}
    merged = live.post(f"{objects}/contacts/merge", asked).json()["id"]
    assert merged not in (first, second)
    for old in (first, second):
        assert live.get(f"{objects}/contacts/{old}").json()["id"] == merged
    patched = live.call("PATCH", f"{objects}/contacts/{first}", json={"properties": {"jobtitle": "CEO"}})
    assert patched.json()["id"] == merged
    live.call("DELETE", f"{objects}/contacts/{merged}")
    gone = live.get(f"{objects}/contacts?archived=true").json()["results"]
    assert [(one["id"], "archivedAt" in one) for one in gone] == [(merged, True)]
    live.portal.restore("contacts", merged)
    assert live.post(f"{objects}/contacts/gdpr-delete", {"objectId": merged}).status_code == 204
    for id_ in (first, second, merged):
        assert live.get(f"{objects}/contacts/{id_}").status_code == 404


def test_s11_6_values_are_text_empty_ones_null_or_left_out_and_instants_have_two_forms(live: Live) -> None:
    person = live.contact(annualrevenue="17", hs_email_optout="true")
    company = live.portal.create("companies", {"name": "Acme"})
    live.portal.associate("contacts", person, "companies", company)
    asked = f"{CONTACTS}/{person}?properties=annualrevenue,hs_email_optout,jobtitle,none"
    shown = live.get(asked).json()["properties"]
    assert (shown["annualrevenue"], shown["hs_email_optout"], shown["jobtitle"]) == ("17", "true", None)
    assert "none" not in shown
    order(live, "temper", omit_empty=1)
    assert "jobtitle" not in live.get(asked).json()["properties"]
    linked = live.get(f"/crm/v4/objects/contacts/{person}/associations/companies").json()["results"]
    assert linked[0]["toObjectId"] == int(company)
    assert live.get(asked).json()["updatedAt"] == "2026-11-20T12:00:00Z"
    live.clock.advance(timedelta(milliseconds=7))
    live.portal.update("contacts", person, {"jobtitle": "CEO"})
    assert live.get(asked).json()["updatedAt"] == "2026-11-20T12:00:00.007Z"


@pytest.mark.parametrize(
    ("effect", "status", "form"),
    [
        ("unauthorized", 401, "json"),
        ("forbidden", 403, "json"),
        ("locked", 423, "json"),
        ("migrating", 477, "json"),
        ("day_used_up", 429, "json"),
        ("internal", 500, "json"),
        ("bad_gateway", 502, "html"),
        ("gateway_timeout", 504, "html"),
        ("server_down", 521, "html"),
        ("unreachable", 523, "html"),
        ("malformed_token", 530, "html"),
    ],
)
def test_s11_7_refusals_on_demand(live: Live, effect: str, status: int, form: str) -> None:
    fault(live, effect)
    refused = live.get(CONTACTS)
    assert (refused.status_code, form in refused.headers["Content-Type"]) == (status, True)
    if form == "json":
        assert refused.json()["status"] == "error"
    if status == 477:
        assert int(refused.headers["Retry-After"]) > 0
    assert live.get(CONTACTS).status_code == 200


def test_s11_7_what_cannot_be_a_token_never_reaches_the_api(live: Live) -> None:
    refused = live.get(CONTACTS, token='"pat-eu1-quoted"')
    assert (refused.status_code, refused.text.startswith("<!DOCTYPE html>")) == (530, True)


def test_s11_7_a_slow_answer_ends_in_524(live: Live) -> None:
    assert EFFECTS["timeout"]["delay"] == 100
    fault(live, "timeout", delay=0.3)
    refused = live.get(CONTACTS)
    assert refused.status_code == 524
    assert refused.elapsed >= timedelta(seconds=0.3)


def test_s11_7_a_write_happens_and_its_answer_is_lost(live: Live) -> None:
    person = live.contact()
    fault(live, "answer_lost")
    with pytest.raises(requests.ConnectionError):
        live.call("PATCH", f"{CONTACTS}/{person}", json={"properties": {"lead_gauge_score": "9"}})
    shown = live.get(f"{CONTACTS}/{person}?properties=lead_gauge_score").json()
    assert shown["properties"]["lead_gauge_score"] == "9"


def test_s11_7_a_write_happens_and_cloudflare_says_524(live: Live) -> None:
    person = live.contact()
    order(live, "temper", given_up=1)
    lost = live.call("PATCH", f"{CONTACTS}/{person}", json={"properties": {"lead_gauge_score": "9"}})
    assert (lost.status_code, "text/html" in lost.headers["Content-Type"]) == (524, True)
    shown = live.get(f"{CONTACTS}/{person}?properties=lead_gauge_score")
    assert shown.json()["properties"]["lead_gauge_score"] == "9"


def test_s11_7_json_is_cut_off(live: Live) -> None:
    live.contact()
    fault(live, "truncated")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError, ValueError)):
        live.get(CONTACTS).json()


@pytest.mark.parametrize(
    ("old", "dated"),
    [
        ("/crm/v3/objects/contacts", "/crm/objects/2026-09/contacts"),
        ("/crm/v3/properties/contacts", "/crm/properties/2026-09/contacts"),
        ("/crm/v3/owners", "/crm/owners/2026-09"),
        ("/crm/v3/pipelines/deals", "/crm/pipelines/2026-09/deals"),
        ("/account-info/v3/details", "/account-info/2026-09/details"),
        ("/crm/v4/associations/contacts/companies/labels", "/crm/associations/2026-09/contacts/companies/labels"),
    ],
)
def test_s11_9_both_path_families_answer_alike(live: Live, old: str, dated: str) -> None:
    live.contact()
    live.portal.add_owner("rep@acme.test", "Rae", "Rep")
    assert live.get(old).status_code == 200
    assert live.get(old).json() == live.get(dated).json()


@pytest.mark.parametrize("path", ["/oauth/v1/token", "/oauth/v3/token", "/oauth/2026-09/token"])
def test_s11_9_oauth_tokens_end_and_reach_only_what_they_may(serve: Serve, path: str) -> None:
    live = serve(oauth_scopes=frozenset({"oauth", "crm.objects.contacts.read"}))
    settings = live.settings
    grant = {"grant_type": "refresh_token", "refresh_token": settings.refresh_token}
    grant |= {"client_id": settings.client_id, "client_secret": settings.client_secret}
    token = requests.post(live.url + path, data=grant, verify=live.ca, timeout=10).json()["access_token"]
    assert live.get(CONTACTS, token=token).status_code == 200
    assert live.get("/crm/v3/objects/deals", token=token).json()["category"] == "MISSING_SCOPES"
    live.clock.advance(timedelta(seconds=settings.access_seconds))
    ended = live.get(CONTACTS, token=token)
    assert (ended.status_code, ended.json()["category"]) == (401, "EXPIRED_AUTHENTICATION")
