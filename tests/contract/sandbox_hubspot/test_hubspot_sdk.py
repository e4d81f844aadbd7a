"""hubspot-api-client, unmodified but for the host, does its everyday calls."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hubspot import HubSpot
from hubspot.crm.associations.v4.models import AssociationSpec
from hubspot.crm.contacts.exceptions import ApiException, ForbiddenException, NotFoundException, UnauthorizedException

from tests.contract.sandbox_hubspot.practice import NOON, Live, Serve

WAIT = (5, 10)


def sdk(live: Live, token: str | None = None) -> Any:
    """The official client; host and base_url both, as its two halves read different ones."""
    access = token or live.token
    return HubSpot(access_token=access, host=live.url, base_url=live.url, ssl_ca_cert=live.ca, retry=False)


@pytest.fixture
def client(live: Live) -> Any:
    return sdk(live)


def test_pages_are_read_to_the_end(live: Live, client: Any) -> None:
    ids = [live.contact(f"p{n}@acme.test") for n in range(7)]
    first = client.crm.contacts.basic_api.get_page(limit=5, properties=["email"], _request_timeout=WAIT)
    assert [contact.id for contact in first.results] == ids[:5]
    assert first.results[0].properties["email"] == "p0@acme.test"
    assert first.results[0].created_at == NOON
    rest = client.crm.contacts.basic_api.get_page(limit=5, after=first.paging.next.after, _request_timeout=WAIT)
    assert [contact.id for contact in rest.results] == ids[5:]
    assert rest.paging is None
    assert len(client.crm.contacts.get_all()) == 7


def test_a_contact_is_made_read_written_and_archived(client: Any) -> None:
    basic = client.crm.contacts.basic_api
    made = basic.create({"properties": {"email": "Ana@Acme.test", "lead_gauge_score": "87"}}, _request_timeout=WAIT)
    assert made.properties["email"] == "ana@acme.test"
    read = basic.get_by_id(
        made.id, properties=["lead_gauge_score"], properties_with_history=["lead_gauge_score"], _request_timeout=WAIT
    )
    assert read.properties["lead_gauge_score"] == "87"
    assert read.properties_with_history["lead_gauge_score"][0].source_type == "INTEGRATION"
    assert basic.get_by_id("ana@acme.test", id_property="email", _request_timeout=WAIT).id == made.id
    written = basic.update(made.id, {"properties": {"lead_gauge_score": "12"}}, _request_timeout=WAIT)
    assert written.properties["lead_gauge_score"] == "12"
    basic.archive(made.id, _request_timeout=WAIT)
    with pytest.raises(NotFoundException):
        basic.get_by_id(made.id, _request_timeout=WAIT)
    assert [one.id for one in basic.get_page(archived=True, _request_timeout=WAIT).results] == [made.id]


def test_a_known_address_is_a_conflict(live: Live, client: Any) -> None:
    known = live.contact()
    with pytest.raises(ApiException) as refused:
        client.crm.contacts.basic_api.create({"properties": {"email": "ana@acme.test"}}, _request_timeout=WAIT)
    assert refused.value.status == 409
    assert f"Existing ID: {known}" in refused.value.body


def test_search_answers_a_keyset_query(live: Live, client: Any) -> None:
    ids = [live.contact(f"p{n}@acme.test") for n in range(5)]
    stamp = str(int(NOON.timestamp() * 1000))
    request = {
        "filterGroups": [
            {
                "filters": [
                    {"propertyName": "lastmodifieddate", "operator": "BETWEEN", "value": stamp, "highValue": stamp},
                    {"propertyName": "hs_object_id", "operator": "GT", "value": ids[1]},
                ]
            }
        ],
        "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
        "properties": ["email"],
        "limit": 2,
    }
    found = client.crm.contacts.search_api.do_search(request, _request_timeout=WAIT)
    assert (found.total, [one.id for one in found.results], found.paging.next.after) == (3, ids[2:4], "2")


def test_batches_are_read_and_written(live: Live, client: Any) -> None:
    ids = [live.contact(f"p{n}@acme.test") for n in range(3)]
    batch = client.crm.contacts.batch_api
    inputs = [{"id": id_, "properties": {"lead_gauge_score": str(n)}} for n, id_ in enumerate(ids)]
    done = batch.update({"inputs": inputs}, _request_timeout=WAIT)
    assert done.status == "COMPLETE"
    assert {one.id: one.properties["lead_gauge_score"] for one in done.results} == dict(zip(ids, "012", strict=True))
    read = batch.read(
        {"inputs": [{"id": ids[0]}, {"id": "99999999"}], "properties": ["email"], "propertiesWithHistory": []},
        _request_timeout=WAIT,
    )
    assert [one.id for one in read.results] == [ids[0]]
    assert (read.num_errors, read.errors[0].context["ids"]) == (1, ["99999999"])


def test_batches_are_made_upserted_and_archived(live: Live, client: Any) -> None:
    batch = client.crm.contacts.batch_api
    made = batch.create(
        {"inputs": [{"properties": {"email": f"p{n}@acme.test"}} for n in range(2)]}, _request_timeout=WAIT
    )
    assert len(made.results) == 2
    inputs = [
        {"id": email, "idProperty": "email", "properties": {"jobtitle": "CEO"}}
        for email in ("p0@acme.test", "new@acme.test")
    ]
    upserted = batch.upsert({"inputs": inputs}, _request_timeout=WAIT)
    assert [one.new for one in upserted.results] == [False, True]
    batch.archive({"inputs": [{"id": made.results[0].id}]}, _request_timeout=WAIT)
    assert live.portal.count("contacts") == 2


def test_merge_and_erasure(live: Live, client: Any) -> None:
    first, second = live.contact(), live.contact("bo@acme.test")
    basic = client.crm.contacts.basic_api
    merged = basic.merge({"primaryObjectId": first, "objectIdToMerge": second}, _request_timeout=WAIT)
    assert merged.id not in (first, second)
    assert basic.get_by_id(second, _request_timeout=WAIT).id == merged.id
    basic.purge({"objectId": merged.id}, _request_timeout=WAIT)
    assert live.portal.count("contacts") == 0


def test_associations_are_made_read_and_removed(live: Live, client: Any) -> None:
    person, company = live.contact(), live.portal.create("companies", {"name": "Acme"})
    four = client.crm.associations.v4
    four.basic_api.create_default("contacts", person, "companies", company, _request_timeout=WAIT)
    page = four.basic_api.get_page("contacts", person, "companies", _request_timeout=WAIT)
    assert [(int(one.to_object_id), [t.type_id for t in one.association_types]) for one in page.results] == [
        (int(company), [1, 279])
    ]
    read = four.batch_api.get_page("contacts", "companies", {"inputs": [{"id": person}]}, _request_timeout=WAIT)
    assert [(one._from.id, int(one.to[0].to_object_id)) for one in read.results] == [(person, int(company))]
    deal = live.portal.create("deals", {"dealname": "Acme"})
    spec = [AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=3)]
    four.basic_api.create("deals", deal, "contacts", person, spec, _request_timeout=WAIT)
    four.basic_api.archive("contacts", person, "companies", company, _request_timeout=WAIT)
    record = live.portal.get("contacts", person)
    assert record is not None
    assert live.portal.live_links(record, "deals") == [(int(deal), (4,))]
    assert live.portal.live_links(record, "companies") == []


def test_engagements_are_objects_like_others(live: Live, client: Any) -> None:
    call = client.crm.objects.calls.basic_api.create(
        {"properties": {"hs_timestamp": "2026-11-19T10:00:00Z", "hs_call_title": "Intro"}}, _request_timeout=WAIT
    )
    found = client.crm.objects.search_api.do_search(
        "calls",
        {"filterGroups": [{"filters": [{"propertyName": "hs_lastmodifieddate", "operator": "GT", "value": "0"}]}]},
        _request_timeout=WAIT,
    )
    assert [one.id for one in found.results] == [call.id]


def test_properties_are_provisioned(client: Any) -> None:
    properties = client.crm.properties
    properties.groups_api.create(
        "contacts", {"name": "more", "label": "More", "displayOrder": 3}, _request_timeout=WAIT
    )
    wanted = {
        "name": "lead_gauge_extra", "label": "Extra", "groupName": "more", "type": "enumeration", "fieldType": "select",
        "options": [{"label": "A", "value": "a", "displayOrder": 0, "hidden": False}],
    }  # fmt: skip
    made = properties.core_api.create("contacts", wanted, _request_timeout=WAIT)
    assert (made.options[0].value, made.modification_metadata.read_only_value) == ("a", False)
    with pytest.raises(Exception, match="409"):
        properties.core_api.create("contacts", wanted, _request_timeout=WAIT)
    score = properties.core_api.get_by_name("contacts", "lead_gauge_score", _request_timeout=WAIT)
    assert (score.type, score.group_name) == ("number", "lead_gauge")
    computed = properties.core_api.get_by_name("contacts", "num_notes", _request_timeout=WAIT)
    assert computed.modification_metadata.read_only_value
    batch = properties.batch_api.create(
        "contacts", {"inputs": [{**wanted, "name": "lead_gauge_more"}, wanted]}, _request_timeout=WAIT
    )
    assert ([one.name for one in batch.results], batch.num_errors) == (["lead_gauge_more"], 1)
    properties.core_api.update("contacts", "lead_gauge_extra", {"label": "Better"}, _request_timeout=WAIT)
    properties.core_api.archive("contacts", "lead_gauge_extra", _request_timeout=WAIT)
    names = {one.name: one.label for one in properties.core_api.get_all("contacts", _request_timeout=WAIT).results}
    assert "lead_gauge_more" in names
    assert "lead_gauge_extra" not in names


def test_pipelines_and_owners(live: Live, client: Any) -> None:
    owner = live.portal.add_owner("rep@portal.test", "Rep", "One")
    deals = client.crm.pipelines.pipelines_api.get_all("deals", _request_timeout=WAIT).results[0]
    won = {stage.id for stage in deals.stages if stage.metadata == {"isClosed": "true", "probability": "1.0"}}
    assert won == {"closedwon"}
    assert client.crm.owners.owners_api.get_by_id(owner, _request_timeout=WAIT).email == "rep@portal.test"
    assert [one.id for one in client.crm.owners.owners_api.get_page(_request_timeout=WAIT).results] == [owner]


def test_forms_are_listed(live: Live, client: Any) -> None:
    guid = live.portal.add_form("Contact us")
    forms = client.marketing.forms.forms_api.get_page(_request_timeout=WAIT)
    assert [(form.id, form.name) for form in forms.results] == [(guid, "Contact us")]


def test_what_the_client_does_not_cover_goes_through_its_plain_requests(
    live: Live, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", live.ca)
    details = client.api_request({"path": "/account-info/v3/details"}).json()
    assert (details["portalId"], details["timeZone"]) == (9001, "America/New_York")


def test_an_oauth_token_is_fetched_used_and_runs_out(live: Live) -> None:
    settings = live.settings
    api = sdk(live).oauth.tokens_api
    issued = api.create(
        grant_type="refresh_token", refresh_token=settings.refresh_token, client_id=settings.client_id,
        client_secret=settings.client_secret, _request_timeout=WAIT,
    )  # fmt: skip
    assert (issued.expires_in, issued.refresh_token) == (1800, settings.refresh_token)
    contacts = sdk(live, issued.access_token).crm.contacts.basic_api
    contacts.get_page(_request_timeout=WAIT)
    live.clock.advance(timedelta(seconds=1801))
    with pytest.raises(UnauthorizedException) as refused:
        contacts.get_page(_request_timeout=WAIT)
    assert "EXPIRED_AUTHENTICATION" in refused.value.body


def test_a_token_without_the_scope_is_forbidden(serve: Serve) -> None:
    live = serve(tokens={"pat-eu1-reader": frozenset({"crm.objects.contacts.read"})})
    contacts = sdk(live, "pat-eu1-reader").crm.contacts.basic_api
    contacts.get_page(_request_timeout=WAIT)
    with pytest.raises(ForbiddenException) as refused:
        contacts.create({"properties": {"email": "a@acme.test"}}, _request_timeout=WAIT)
    assert "crm.objects.contacts.write" in refused.value.body
