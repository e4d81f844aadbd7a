"""Leads, fields, campaigns, lists: what else is said of them in the vendor's pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sandbox.marketo.log import REQUEST
from sandbox.marketo.settings import CLIENT_ID, Service
from sandbox.marketo.temper import Temper
from tests.contract.sandbox_marketo.practice import NOON, SECRET, Live, Serve, codes, reasons

LEADS = "/rest/v1/leads.json"
FIELDS = "/rest/v1/leads/schema/fields.json"
DAY = timedelta(days=1)


def test_wrong_credentials_are_401(live: Live) -> None:
    answer = live.log_in(secret="wrong")
    assert (answer.status_code, answer.json()["error"]) == (401, "unauthorized")


def test_an_unknown_path_is_610_and_a_wrong_method_605(live: Live) -> None:
    assert codes(live.get("/rest/v1/nope.json")) == ["610"]
    assert codes(live.call("DELETE", LEADS).json()) == ["605"]


def test_a_body_must_be_json_and_say_so(live: Live) -> None:
    assert codes(live.call("POST", LEADS, data=b"{}", headers={"Content-Type": "text/plain"}).json()) == ["612"]
    headers = {"Content-Type": "application/json"}
    assert codes(live.call("POST", LEADS, data=b"{", headers=headers).json()) == ["609"]
    assert codes(live.call("POST", "/rest/v1/leads/1/merge.json?leadId=2").json()) == ["612"], "without a body, too"


def test_a_role_without_the_right_is_603(serve: Serve) -> None:
    live = serve(services={CLIENT_ID: Service(SECRET, permissions=frozenset({"Read-Only Lead"}))})
    assert live.result(LEADS, filterType="id", filterValues="1") == []
    assert codes(live.sync({"id": 1})) == ["603"]


def test_leads_come_by_id_with_the_fields_that_were_asked_for(live: Live) -> None:
    one = live.instance.add_lead(
        {"email": "a@acme.test", "company": "Acme", "numberOfEmployees": 12, "doNotCall": True}
    )
    (row,) = live.result(LEADS, filterType="id", filterValues=one, fields="company,numberOfEmployees,doNotCall,title")
    assert row == {"id": one, "company": "Acme", "numberOfEmployees": 12, "doNotCall": True, "title": None}
    (row,) = live.result(LEADS, filterType="id", filterValues=f"{one},5")
    assert set(row) == {"id", "email", "updatedAt", "createdAt", "lastName", "firstName"}
    assert row["createdAt"] == "2026-11-20T12:00:00Z"
    assert codes(live.get(LEADS, filterType="id", filterValues=one, fields="nope")) == ["1006"]
    assert live.result(f"/rest/v1/lead/{one}.json", fields="email") == [{"id": one, "email": "a@acme.test"}]


def test_a_page_has_300_leads_and_a_filter_takes_as_many_values(live: Live) -> None:
    live.instance.schema.add("segment", "Segment", "string")
    ids = [live.instance.add_lead({"segment": "b2b"}) for _ in range(450)]
    first = live.get(LEADS, filterType="segment", filterValues="b2b", fields="id")
    assert len(first["result"]) == 300
    token = first["nextPageToken"]
    second = live.get(LEADS, filterType="segment", filterValues="b2b", fields="id", nextPageToken=token)
    assert [row["id"] for row in (*first["result"], *second["result"])] == ids
    assert "nextPageToken" not in second
    assert codes(live.get(LEADS, filterType="segment", filterValues="b2b", nextPageToken="?")) == ["1003"]
    assert codes(live.get(LEADS, filterType="id", filterValues=",".join(map(str, range(301))))) == ["1003"]


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"acmeScore": "87"}, "updated"),
        ({"acmeScore": 87.5}, "1001"),
        ({"acmeScore": "hot"}, "1001"),
        ({"acmeWhen": "2026-11-20T13:00:00+01:00"}, "updated"),
        ({"acmeWhen": "yesterday"}, "1001"),
        ({"title": "x" * 256}, "1003"),
        ({"company": "Other"}, "1021"),
        ({"createdAt": "2026-11-20T12:00:00Z"}, "1003"),
        ({"unsubscribed": "true"}, "updated"),
        ({"unsubscribed": "perhaps"}, "1001"),
    ],
)
def test_values_must_fit_their_fields(live: Live, record: dict[str, Any], expected: str) -> None:
    live.instance.schema.add("acmeScore", "Acme Score", "score")
    live.instance.schema.add("acmeWhen", "Acme When", "datetime")
    one = live.instance.add_lead({})
    assert reasons(live.sync({"id": one, **record})) == [expected]


def test_null_empties_a_field_and_what_is_not_named_stays(live: Live) -> None:
    one = live.instance.add_lead({"title": "CTO", "city": "Rome"})
    live.sync({"id": one, "title": None})
    assert live.result(LEADS, filterType="id", filterValues=one, fields="title,city")[0]["title"] is None
    assert live.instance.find("id", [str(one)])[0].values == {"city": "Rome"}


@pytest.mark.parametrize(
    ("action", "lookup", "record", "expected"),
    [
        ("createOnly", "email", {"email": "a@acme.test"}, "1005"),
        ("createOnly", "email", {"id": 1, "email": "new@acme.test"}, "1003"),
        ("createOnly", "email", {"email": "new@acme.test"}, "created"),
        ("createOrUpdate", "email", {"email": "a@acme.test", "title": "CTO"}, "updated"),
        ("createOrUpdate", "email", {"email": "new@acme.test"}, "created"),
        ("createDuplicate", "email", {"email": "a@acme.test"}, "created"),
        ("updateOnly", "email", {"email": "new@acme.test"}, "1004"),
        ("updateOnly", "sfdcLeadId", {"sfdcLeadId": "00Q1", "title": "CTO"}, "updated"),
    ],
)
def test_actions(live: Live, action: str, lookup: str, record: dict[str, Any], expected: str) -> None:
    live.instance.add_lead({"email": "a@acme.test", "sfdcLeadId": "00Q1"})
    assert reasons(live.sync(record, action=action, lookup=lookup)) == [expected]


def test_who_does_not_wait_is_told_nothing(live: Live) -> None:
    one = live.instance.add_lead({})
    assert "result" not in live.sync({"id": one, "title": "CTO"}, asyncProcessing=True)
    assert live.result(LEADS, filterType="id", filterValues=one, fields="title")[0]["title"] == "CTO"


def test_an_unsupported_key_is_1011_and_more_than_300_records_1003(live: Live) -> None:
    assert codes(live.sync({"title": "x"}, lookup="title")) == ["1011"]
    assert codes(live.sync(*[{"id": 1}] * 301)) == ["1003"]


def test_a_lead_of_another_partition_is_1008(live: Live) -> None:
    one = live.instance.add_lead({}, partition="EMEA")
    assert reasons(live.sync({"id": one, "title": "CTO"})) == ["1008"]


def test_updated_at_moves_with_standard_fields_only(live: Live) -> None:
    live.instance.schema.add("acmeScore", "Acme Score", "score")
    one = live.instance.add_lead({})
    live.clock.advance(timedelta(minutes=10))

    def updated_at() -> Any:
        return live.result(LEADS, filterType="id", filterValues=one)[0]["updatedAt"]

    live.sync({"id": one, "acmeScore": 1})
    assert updated_at() == "2026-11-20T12:00:00Z"
    live.sync({"id": one, "title": "CTO"})
    assert updated_at() == "2026-11-20T12:10:00Z"


def test_shapes_drift(live: Live) -> None:
    live.instance.set_temper(Temper(drift=True))
    one = live.instance.add_lead({"email": "a@acme.test"})
    rows = live.sync(*[{"id": 999}] * 30)["result"]
    assert {key for row in rows for key in row} == {"status", "reasons", "errors", "reason"}
    assert live.result(LEADS, filterType="id", filterValues=one, fields="email,title") == [
        {"id": one, "email": "a@acme.test"}
    ]


def test_fields_are_made_once_and_described(live: Live) -> None:
    field = {"displayName": "Acme Lead Score", "name": "acmeLeadScore", "dataType": "score"}
    assert live.post(FIELDS, {"input": [field]})["result"] == [{"name": "acmeLeadScore", "status": "created"}]
    bad = [
        field,
        field | {"name": "x", "displayName": "X", "dataType": "text"},
        field | {"name": "9", "displayName": "9"},
    ]
    assert reasons(live.post(FIELDS, {"input": [*bad, {"name": "y"}]})) == ["1017", "1003", "1003", "1002"]
    described = {row["rest"]["name"]: row for row in live.result("/rest/v1/leads/describe.json")}
    assert described["acmeLeadScore"]["dataType"] == "score"
    assert not described["acmeLeadScore"]["rest"]["readOnly"]
    assert described["createdAt"]["rest"]["readOnly"]
    (read,) = live.result(f"{FIELDS.removesuffix('.json')}/acmeLeadScore.json")
    assert (read["isCustom"], read["isHidden"]) == (True, False)
    assert ["acmeLeadScore"] not in live.result("/rest/v1/leads/describe2.json")[0]["searchableFields"]


def test_at_most_a_hundred_fields_are_made_over_the_api(live: Live) -> None:
    made = [{"displayName": f"F {n}", "name": f"f{n}", "dataType": "string"} for n in range(101)]
    assert reasons(live.post(FIELDS, {"input": made})) == ["created"] * 100 + ["1028"]


def test_the_type_of_a_field_stays_and_it_can_be_hidden(live: Live) -> None:
    live.instance.schema.add("acmeScore", "Acme Score", "score")
    path = f"{FIELDS.removesuffix('.json')}/acmeScore.json"
    assert reasons(live.post(path, {"input": [{"dataType": "string"}]})) == ["1003"]
    assert reasons(live.post(path, {"input": [{"isHidden": True}]})) == ["updated"]
    assert "acmeScore" not in {row["rest"]["name"] for row in live.result("/rest/v1/leads/describe.json")}
    listed = live.get(FIELDS, batchSize=5)
    assert (len(listed["result"]), listed["moreResult"]) == (5, True)


def test_a_deleted_lead_is_gone(live: Live) -> None:
    one = live.instance.add_lead({"email": "a@acme.test"})
    assert reasons(live.post("/rest/v1/leads/delete.json", {"input": [{"id": one}, {"id": 5}]})) == ["deleted", "1004"]
    assert live.result(LEADS, filterType="email", filterValues="a@acme.test") == []
    assert reasons(live.sync({"id": one, "title": "x"})) == ["1004"]


def test_the_winner_of_a_merge_keeps_its_values_and_takes_what_it_lacks(live: Live) -> None:
    winner = live.instance.add_lead({"email": "a@acme.test", "title": "CTO"})
    loser = live.instance.add_lead({"email": "b@acme.test", "title": "CEO", "city": "Rome"})
    assert live.post(f"/rest/v1/leads/{winner}/merge.json", leadIds=loser)["success"]
    (row,) = live.result(LEADS, filterType="id", filterValues=f"{winner},{loser}", fields="email,title,city")
    assert row == {"id": winner, "email": "a@acme.test", "title": "CTO", "city": "Rome"}
    assert codes(live.post(f"/rest/v1/leads/{winner}/merge.json", leadIds=loser)) == ["1004"]
    assert codes(live.post(f"/rest/v1/leads/{winner}/merge.json", leadId=winner)) == ["1003"]


def test_a_campaign_that_qualifies_once_runs_once_and_signs_what_its_flow_does(live: Live) -> None:
    lead = live.instance.add_lead({})
    id = live.instance.add_campaign("Hot", rule="once", sets={"leadStatus": "Hot"})
    path = f"/rest/v1/campaigns/{id}/trigger.json"
    body = {"input": {"leads": [{"id": lead}], "tokens": [{"name": "{{my.topReason}}", "value": "VP"}]}}
    assert [live.post(path, body)["result"] for _ in range(2)] == [[{"id": id}]] * 2
    assert live.instance.campaigns[id].runs == [(lead, NOON, {"{{my.topReason}}": "VP"})]
    token = live.token_since(NOON - DAY)
    (asked,) = live.result("/rest/v1/activities.json", nextPageToken=token, activityTypeIds=REQUEST, leadIds=lead)
    assert (asked["primaryAttributeValueId"], asked["primaryAttributeValue"]) == (id, "Hot")
    change = live.result("/rest/v1/activities/leadchanges.json", nextPageToken=token, fields="leadStatus")[-1]
    reason = {"name": "Reason", "value": "Changed by Smart Campaign Hot action Change Data Value"}
    assert reason in change["attributes"]
    assert codes(live.post(path, {"input": {"leads": [{"id": lead}, {"id": 5}]}})) == ["1004"]
    assert codes(live.post("/rest/v1/campaigns/1/trigger.json", body)) == ["1013"]


def test_campaigns_are_listed_by_both_apis(live: Live) -> None:
    assert live.get("/rest/asset/v1/smartCampaigns.json").keys() >= {"warnings", "errors"}
    batch, hot = live.instance.add_campaign("Batch", type="batch"), live.instance.add_campaign("Hot")
    (row,) = live.result("/rest/asset/v1/smartCampaigns.json", isActive="true", maxReturn=200)
    assert (row["id"], row["isRequestable"], row["status"]) == (hot, True, "Active")
    assert len(live.result("/rest/asset/v1/smartCampaigns.json", maxReturn=1, offset=1)) == 1
    assert live.result(f"/rest/asset/v1/smartCampaign/{batch}.json")[0]["isActive"] is False
    assert [row["id"] for row in live.result("/rest/v1/campaigns.json", isTriggerable="true")] == [hot]


def test_a_batch_campaign_is_scheduled_five_minutes_ahead_at_the_earliest(live: Live) -> None:
    id = live.instance.add_campaign("Batch", type="batch")
    path = f"/rest/v1/campaigns/{id}/schedule.json"
    assert live.post(path, {"input": {"runAt": "2026-11-20T12:01:00+0000"}})["result"] == [{"id": id}]
    assert live.instance.campaigns[id].scheduled == [NOON + timedelta(minutes=5)]
    assert codes(live.post(path, {"input": {"runAt": "2029-11-20T12:00:00Z"}})) == ["1042"]


def test_a_static_list_tells_what_became_of_each_lead(live: Live) -> None:
    one, two = live.instance.add_lead({}), live.instance.add_lead({})
    path = f"/rest/v1/lists/{live.instance.add_list('Hot leads', [two])}/leads"
    assert reasons(live.post(f"{path}.json", id=[one, 5])) == ["added", "1004"]
    assert [row["id"] for row in live.result(f"{path}.json", fields="id")] == [one, two]
    assert reasons(live.call("DELETE", f"{path}.json", params={"id": [two]}).json()) == ["removed"]
    assert [row["status"] for row in live.result(f"{path}/ismember.json", id=[one, two])] == ["memberof", "notmemberof"]
    assert [row["name"] for row in live.result("/rest/v1/lists.json")] == ["Hot leads"]
    assert codes(live.get("/rest/v1/lists/5/leads.json")) == ["1013"]
