"""The activity log: tokens, order, what shows late, deletions and merges, custom activities; usage."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sandbox.marketo.log import CHANGE, DELETE, FORM, MERGE, NEW_LEAD, VISIT
from sandbox.marketo.temper import Temper
from tests.contract.sandbox_marketo.practice import NOON, Live, codes, reasons

ACTIVITIES = "/rest/v1/activities.json"
CHANGES = "/rest/v1/activities/leadchanges.json"
DELETED = "/rest/v1/activities/deletedleads.json"
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def read(live: Live, token: str, *types: int, **params: Any) -> tuple[list[Any], str]:
    """All rows behind a token, and the token after them."""
    rows: list[Any] = []
    while True:
        page = live.get(ACTIVITIES, nextPageToken=token, activityTypeIds=",".join(map(str, types)), **params)
        assert page["success"], page
        rows, token = rows + page.get("result", []), page["nextPageToken"]
        if not page["moreResult"]:
            return rows, token


def test_types_name_their_attributes(live: Live) -> None:
    types = {row["id"]: row for row in live.result("/rest/v1/activities/types.json")}
    assert types[FORM]["name"] == "Fill Out Form"
    assert types[FORM]["primaryAttribute"] == {"name": "Webform ID", "dataType": "integer"}
    assert {"name": "Referrer URL", "dataType": "string"} in types[FORM]["attributes"]


def test_a_token_begins_after_its_second_and_must_be_escaped(live: Live) -> None:
    lead = live.instance.add_lead({})
    token = live.token_since(NOON)
    assert token.endswith("=")
    live.clock.advance(timedelta(seconds=1))
    live.instance.happen(lead, VISIT, primary=7, value="acme.test/pricing", attributes={"Webpage URL": "/pricing"})
    rows, _ = read(live, token, VISIT, NEW_LEAD)
    assert rows == [
        {
            "id": rows[0]["id"],
            "marketoGUID": str(rows[0]["id"]),
            "leadId": lead,
            "activityDate": "2026-11-20T12:00:01Z",
            "activityTypeId": VISIT,
            "primaryAttributeValueId": 7,
            "primaryAttributeValue": "acme.test/pricing",
            "attributes": [{"name": "Webpage URL", "value": "/pricing"}],
        }
    ]
    assert codes(live.get("/rest/v1/activities/pagingtoken.json", sinceDatetime="yesterday")) == ["704"]
    assert codes(live.get(ACTIVITIES, nextPageToken="nonsense", activityTypeIds=1)) == ["1003"]


def test_the_last_token_goes_on_where_it_ended_also_in_the_same_second(live: Live) -> None:
    lead = live.instance.add_lead({})
    rows, token = read(live, live.token_since(NOON - HOUR), VISIT, NEW_LEAD)
    assert [row["activityTypeId"] for row in rows] == [NEW_LEAD]
    live.instance.happen(lead, VISIT)
    rows, token = read(live, token, VISIT, NEW_LEAD)
    assert [row["activityTypeId"] for row in rows] == [VISIT]
    assert read(live, token, VISIT, NEW_LEAD)[0] == []


def test_what_shows_late_lies_behind_the_token_that_passed_it(live: Live) -> None:
    lead = live.instance.add_lead({})
    live.instance.visibility = MINUTE
    live.instance.happen(lead, VISIT)
    rows, token = read(live, live.token_since(NOON - HOUR), VISIT)
    assert rows == []
    live.clock.advance(2 * MINUTE)
    rows, token = read(live, token, VISIT)
    assert rows == []
    assert len(read(live, live.token_since(NOON - HOUR), VISIT)[0]) == 1
    live.instance.happen(lead, VISIT, at=NOON + MINUTE)  # written down only now
    assert read(live, token, VISIT)[0] == []


def test_a_page_has_300_rows_and_leads_and_types_narrow_it(live: Live) -> None:
    one, two = live.instance.add_lead({}), live.instance.add_lead({})
    for _ in range(301):
        live.instance.happen(one, VISIT)
    live.instance.happen(two, VISIT, primary=9)
    token = live.token_since(NOON - HOUR)
    page = live.get(ACTIVITIES, nextPageToken=token, activityTypeIds=VISIT)
    assert (len(page["result"]), page["moreResult"]) == (300, True)
    assert len(read(live, token, VISIT)[0]) == 302
    assert len(read(live, token, VISIT, leadIds=two)[0]) == 1
    assert len(read(live, token, VISIT, assetIds=9)[0]) == 1
    assert codes(live.get(ACTIVITIES, nextPageToken=token, activityTypeIds=",".join(map(str, range(11))))) == ["1003"]
    assert codes(live.get(ACTIVITIES, nextPageToken=token, activityTypeIds=1, leadIds=",".join("1" * 31))) == ["1003"]


def test_a_list_of_ten_thousand_leads_narrows_nothing_any_more(live: Live) -> None:
    number = live.instance.add_list("Everybody", range(10_000))
    answer = live.get(ACTIVITIES, nextPageToken=live.token_since(NOON), activityTypeIds=1, listId=number)
    assert codes(answer) == ["1003"]


def test_lead_changes_needs_fields_and_shows_new_leads_too(live: Live) -> None:
    lead = live.instance.add_lead({"email": "a@acme.test"})
    live.instance.change(lead, {"title": "CTO", "city": "Rome"})
    token = live.token_since(NOON - HOUR)
    assert codes(live.get(CHANGES, nextPageToken=token)) == ["701"]
    assert codes(live.get(CHANGES, nextPageToken=token, fields="nope")) == ["1006"]
    new, change = live.result(CHANGES, nextPageToken=token, fields="title")
    assert (new["activityTypeId"], change["activityTypeId"]) == (NEW_LEAD, CHANGE)
    assert [(one["name"], one["newValue"]) for one in change["fields"]] == [("title", "CTO")]
    assert {"name": "Lead ID", "value": lead} in change["attributes"]
    assert len(live.result(CHANGES, nextPageToken=token, fields="title,city", leadIds=lead)) == 3


def test_deleted_leads_are_told_for_two_weeks_and_their_activities_are_gone(live: Live) -> None:
    lead = live.instance.add_lead({"firstName": "Ana", "lastName": "Lee"})
    token = live.token_since(NOON - HOUR)
    live.instance.delete(lead)
    (row,) = live.result(DELETED, nextPageToken=token)
    assert (row["leadId"], row["activityTypeId"], row["primaryAttributeValue"]) == (lead, DELETE, "Ana Lee")
    assert read(live, token, NEW_LEAD)[0] == []
    live.clock.advance(timedelta(days=14, seconds=1))
    fresh = str(live.log_in().json()["access_token"])
    late = live.call("GET", DELETED, token=fresh, params={"nextPageToken": token}).json()
    assert "result" not in late


def test_a_merge_is_a_deletion_of_the_loser_and_an_activity_of_the_winner(live: Live) -> None:
    winner, loser = live.instance.add_lead({}), live.instance.add_lead({"city": "Rome"})
    live.instance.happen(loser, VISIT)
    token = live.token_since(NOON - HOUR)
    live.instance.merge(winner, loser)
    assert [row["leadId"] for row in live.result(DELETED, nextPageToken=token)] == [loser]
    (merged,) = read(live, token, MERGE)[0]
    assert merged["leadId"] == winner
    assert {"name": "Merge IDs", "value": str(loser)} in merged["attributes"]
    assert [row["leadId"] for row in read(live, token, VISIT)[0]] == [winner]
    kinds = [row["activityTypeId"] for row in live.result(CHANGES, nextPageToken=token, fields="city")]
    assert CHANGE not in kinds


def test_shapes_drift(live: Live) -> None:
    live.instance.set_temper(Temper(drift=True))
    live.instance.add_lead({})
    (row,), _ = read(live, live.token_since(NOON - HOUR), NEW_LEAD)
    assert "id" not in row
    assert row["activityDate"] == "2026-11-20T12:00:00+0000"


def test_a_custom_activity_is_refused_in_words_of_its_own(live: Live) -> None:
    lead, type = live.instance.add_lead({}), live.instance.log.add_type("leadScored", "Lead Scored")
    scored = {
        "leadId": lead,
        "activityDate": "2026-11-20T12:00:00Z",
        "activityTypeId": type,
        "primaryAttributeValue": "A",
    }
    rows = live.post("/rest/v1/activities/external.json", {"input": [scored, scored | {"leadId": 5}]})["result"]
    assert rows[0]["status"] == "added"
    assert rows[1] == {"status": "skipped", "errors": [{"code": "1004", "message": "Lead not found"}]}
    assert read(live, live.token_since(NOON - HOUR), type)[0][0]["marketoGUID"] == rows[0]["marketoGUID"]


def test_old_activities_are_purged(live: Live) -> None:
    lead = live.instance.add_lead({})
    live.instance.happen(lead, VISIT, at=NOON - timedelta(days=91))
    assert live.order("purge", days=90) == {"gone": 1}
    assert read(live, live.token_since(NOON - timedelta(days=100)), VISIT)[0] == []


def test_usage_and_errors_are_counted_by_user_and_code(live: Live) -> None:
    live.order("usage", calls=200)
    live.get("/rest/v1/leads.json")
    live.call("GET", "/rest/v1/leads.json", token="wrong")
    live.call("DELETE", "/rest/v1/leads.json")
    (used,) = live.result("/rest/v1/stats/usage.json")
    assert used["date"] == "2026-11-20"
    assert {user["userId"]: user["count"] for user in used["users"]}["leadgauge@acme.test"] == 1, "601 and 605 are free"
    assert used["total"] == 201
    (failed,) = live.result("/rest/v1/stats/errors.json")
    assert failed["errors"] == [{"errorCode": code, "count": 1} for code in ("601", "605", "701")]
    assert len(live.result("/rest/v1/stats/usage/last7days.json")) == 7
    assert len(live.result("/rest/v1/stats/errors/last7days.json")) == 7


def test_somebody_works_in_the_vendors_own_pages(live: Live) -> None:
    one = live.order("lead", add={"email": "a@acme.test"})["id"]
    two = live.order("lead", add={"email": "b@acme.test"})["id"]
    assert live.order("lead", id=one, change={"title": "CTO"})["changed"]
    live.order("activity", lead=one, type=VISIT, value="acme.test/pricing")
    assert live.order("lead", id=one, merge=[two]) == {"id": one}
    assert live.order("field", name="acmeScore", label="Acme Score", type="score")["exists"]
    live.sync({"id": one, "acmeScore": 7})
    assert live.order("field", name="acmeScore", remove=True) == {"name": "acmeScore", "exists": False}
    assert reasons(live.sync({"id": one, "acmeScore": 8})) == ["1006"]
    campaign = live.order("campaign", name="Hot", rule="once")["id"]
    assert live.instance.campaigns[campaign].rule == "once"
    assert [write["changed"] for write in live.call("GET", "/sandbox/writes").json()] == [True]
    assert live.order("lead", id=one, delete=True)["deleted"]
    refused = live.call("POST", "/sandbox/lead", json={"id": one, "delete": True})
    assert (refused.status_code, "there is no" in refused.json()["error"]) == (400, True)


def test_the_hostile_profile_switches_everything_on_and_off(live: Live) -> None:
    live.order("profile", name="hostile", seed=3)
    temper = live.call("GET", "/sandbox/temper").json()
    assert (temper["limits"]["rate_20s"], temper["drift"], temper["scan"]) == (100, True, 40)
    live.order("profile", name="calm")
    assert live.instance.temper == Temper()
    set_by_hand = Temper(lag=5.0, bulk=False)
    assert live.order("temper", **set_by_hand.describe()) == set_by_hand.describe()
    assert live.call("POST", "/sandbox/temper", json={"nope": 1}).status_code == 400


def test_people_are_seeded_from_plain_dicts(live: Live) -> None:
    people = [{"email": "a@acme.test", "at": NOON - HOUR, "activities": [{"type": VISIT, "at": NOON - MINUTE}]}, {}]
    one, two = live.instance.seed_from(people)
    rows, _ = read(live, live.token_since(NOON - 2 * HOUR), VISIT, NEW_LEAD)
    assert [(row["leadId"], row["activityTypeId"]) for row in rows] == [(one, NEW_LEAD), (one, VISIT), (two, NEW_LEAD)]
