from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import QuotaExhausted, Transient
from connectors.port import Cursor, Page, Tier
from connectors.quota import Lane
from connectors.records import RecordRef
from connectors.salesforce.crm import SalesforceCrm
from sandbox.profiles import Bites, Profile
from sandbox.salesforce.hostile import RULES, bite
from sandbox.salesforce.objects import LEAD_SOURCES
from tests.contract.connectors.crm_contract import NOW_ON, Learning, drain, people, refs
from tests.contract.connectors.crm_practice import roll
from tests.contract.connectors.practice import Host
from tests.contract.connectors.salesforce_org import SECRET, PracticeOrg

STREAMS = ("leads", "contacts", "accounts", "tasks", "events", "campaign_members")
ODD = ('two\nlines, "quoted"', "null", "N/A", "line\u2028separator", "a\rreturn", "  blanks  ", "Größe €", "x" * 200)


@pytest.fixture
def bulk(host: Host, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PracticeOrg]:
    monkeypatch.setenv("SF_SECRET", SECRET)
    org = PracticeOrg(host, directory, bulk_from=1)
    yield org
    org.close()


def facts(pages: list[Page]) -> dict[str, Any]:
    parts = ("leads", "accounts", "activities", "deletions")
    return {str(fact.ref): fact for page in pages for part in parts for fact in getattr(page, part)}


def furnish(org: PracticeOrg) -> None:
    """Rows with every type and every oddity of a value, deleted and archived ones among them."""
    made = org.populate()
    leads = [org.lead(Title=text, Company=text, Industry=None) for text in ODD]
    org.lead(NumberOfEmployees=0, AnnualRevenue=12_500_000.0, HasOptedOutOfEmail=True, LeadSource=LEAD_SOURCES[0])
    org.lead(Phone="0", Lead_Score__c=71, Lead_Score_Probability__c=12.5, Lead_Scored_At__c=org.clock.now())
    org.merge(leads[0], leads[1])
    org.delete(leads[2])
    campaign = org.org.insert("Campaign", {"Name": 'Guide, "2026"', "Type": None})
    org.org.insert("CampaignMember", {"CampaignId": campaign, "LeadId": leads[3].id, "Status": "Sent"})
    org.org.insert("Event", {"WhoId": min(made.people).id, "IsAllDayEvent": True, "ActivityDate": "2026-03-05"})
    org.clock.advance(timedelta(days=400))
    org.org.convert(leads[4].id)


def test_bulk_and_rest_bring_the_same_records(bulk: PracticeOrg) -> None:
    furnish(bulk)
    bulk.clock.advance(NOW_ON)
    extra = {"budget": "Budget__c", "bounced_at": "EmailBouncedDate", "made": "CreatedDate"}
    given: dict[str, Any] = {"attributes": extra}
    asked: list[str] = []
    by_bulk = bulk.open(observer=lambda exchange: asked.append(exchange.endpoint), **given)
    by_rest = bulk.open(bulk_from=10**6, **given)
    for stream in STREAMS:
        asked.clear()
        loaded, read = drain(by_bulk, stream, None), drain(by_rest, stream, None)
        assert facts(loaded) == facts(read) != {}
        assert "jobs/query/{id}/results" in asked
        assert "query" not in asked
        assert loaded[-1].cursor["since"] == read[-1].cursor["since"]
        assert all(page.backfill for page in loaded)


def test_a_small_stream_is_no_job(bulk: PracticeOrg) -> None:
    bulk.add_people(4)
    bulk.clock.advance(NOW_ON)
    asked: list[str] = []
    crm = bulk.open(bulk_from=5, observer=lambda exchange: asked.append(exchange.endpoint))
    assert len(people(drain(crm, "leads", None))) == 4
    bulk.add_people(1)
    bulk.clock.advance(NOW_ON)
    assert not [path for path in asked if path.startswith("jobs")]
    drain(crm, "leads", None)
    assert [path for path in asked if path.startswith("jobs")]


def test_a_load_killed_at_any_page_goes_on_without_reading_again(bulk: PracticeOrg) -> None:
    made = bulk.add_people(23)
    bulk.clock.advance(NOW_ON)
    served = 0

    def count(exchange: Any) -> None:
        nonlocal served
        served += exchange.endpoint.endswith("/results")

    cursors: list[Cursor | None] = [None]
    whole: list[Page] = []
    while not whole or not whole[-1].done:
        whole.append(bulk.open(page_size=5, observer=count).pull("leads", cursors[-1], Tier.COMPLETE))
        cursors.append(json.loads(json.dumps(whole[-1].cursor)))
    assert sorted(refs(whole)) == sorted(made)
    assert served == 5
    for number, cursor in enumerate(cursors[:-1]):
        if cursor is not None:
            rest = drain(bulk.open(page_size=5), "leads", cursor)
            assert refs(rest) == refs(whole[number:])
            assert rest[-1].cursor == whole[-1].cursor


def test_what_changes_while_a_job_is_read_comes_with_the_next_window(bulk: PracticeOrg) -> None:
    first, *_ = bulk.add_people(12)
    bulk.clock.advance(NOW_ON)
    crm = bulk.open(page_size=5)
    begun = crm.pull("leads", None, Tier.COMPLETE)
    bulk.clock.advance(NOW_ON)
    bulk.edit(first)
    (new,) = bulk.add_people(1)
    bulk.clock.advance(NOW_ON)
    pages = drain(crm, "leads", begun.cursor)
    assert set(refs(drain(crm, "leads", pages[-1].cursor))) == {first, new}


def test_a_job_that_is_gone_is_begun_again(bulk: PracticeOrg) -> None:
    made = bulk.add_people(12)
    bulk.clock.advance(NOW_ON)
    crm = bulk.open(page_size=5)
    cursor = crm.pull("leads", None, Tier.COMPLETE).cursor
    cursor = crm.pull("leads", cursor, Tier.COMPLETE).cursor
    bulk.clock.advance(timedelta(days=8))  # jobs live for seven
    assert set(refs(drain(bulk.open(page_size=5), "leads", cursor))) == set(made)


@pytest.mark.parametrize(
    "effect",
    [
        {"status": 200, "json": {"id": "750", "state": "Failed", "errorMessage": "InternalServerError"}},
        {"status": 200, "json": {"id": "750", "state": "Aborted"}},
        {"status": 404, "json": [{"errorCode": "NOT_FOUND", "message": "gone"}]},
    ],
    ids=["failed", "aborted", "missing"],
)
def test_jobs_that_keep_coming_to_nothing_give_way_to_queries(bulk: PracticeOrg, effect: dict[str, Any]) -> None:
    made = bulk.add_people(12)
    bulk.clock.advance(NOW_ON)
    bulk.faults.add([{"method": "GET", "path": "/jobs/query/", "effect": effect}])
    pages = drain(bulk.open(page_size=5), "leads", None)
    assert sorted(refs(pages)) == sorted(made)
    assert bulk.faults.describe()[0]["applied"] == 2


def test_where_bulk_is_refused_queries_do(bulk: PracticeOrg) -> None:
    made = bulk.add_people(3)
    bulk.clock.advance(NOW_ON)
    refusal = {"status": 400, "json": [{"errorCode": "INVALIDENTITY", "message": "not supported by the Bulk API"}]}
    bulk.faults.add([{"method": "POST", "path": "/jobs/query", "effect": refusal}])
    assert sorted(refs(drain(bulk.open(), "leads", None))) == sorted(made)


def test_a_piece_that_breaks_off_is_read_again_and_only_that(bulk: PracticeOrg) -> None:
    made = bulk.add_people(60)
    bulk.clock.advance(NOW_ON)
    asked: list[str] = []
    crm = bulk.open(page_size=25, observer=lambda exchange: asked.append(exchange.endpoint))
    cursor = crm.pull("leads", None, Tier.COMPLETE).cursor
    bulk.faults.add([{"path": "/results", "skip": 1, "count": 1, "effect": {"cut_body": 0.5}}])
    pages = drain(crm, "leads", cursor)
    assert sorted(refs(pages)) == sorted(made)
    assert asked.count("jobs/query/{id}/results") == 4
    assert asked.count("jobs/query") == 1


def test_a_job_that_takes_long_is_waited_for_between_pulls(bulk: PracticeOrg) -> None:
    made = bulk.add_people(3)
    bulk.clock.advance(NOW_ON)
    running = {"status": 200, "json": {"id": "750", "state": "InProgress"}}
    bulk.faults.add([{"method": "GET", "path": "/jobs/query/", "count": 8, "effect": running}])
    pages = drain(bulk.open(), "leads", None)
    assert [len(page) for page in pages[:-1]] == [0] * (len(pages) - 1)
    assert [page.cursor["job"][2] for page in pages[:-1]] == [0, 1, 2, 3]  # six looks, then one a pull
    assert sorted(refs(pages)) == sorted(made)


def test_an_outage_while_loading_is_raised_and_the_cursor_stands(bulk: PracticeOrg) -> None:
    made = bulk.add_people(12)
    bulk.clock.advance(NOW_ON)
    crm = bulk.open(page_size=5)
    cursor = crm.pull("leads", crm.pull("leads", None, Tier.COMPLETE).cursor, Tier.COMPLETE).cursor
    bulk.faults.add([{"effect": {"status": 503, "html": "<html>", "headers": {"Retry-After": "3600"}}}])
    with pytest.raises(Transient):
        crm.pull("leads", cursor, Tier.COMPLETE)
    bulk.faults.clear()
    assert len(refs(drain(crm, "leads", cursor))) == len(made) - 5


def test_a_session_that_ends_while_loading_is_renewed(bulk: PracticeOrg) -> None:
    made = bulk.add_people(12)
    bulk.clock.advance(NOW_ON)
    crm: SalesforceCrm = bulk.open(page_size=5)
    begun = crm.pull("leads", None, Tier.COMPLETE)
    bulk.clock.advance(timedelta(hours=13))
    assert sorted(refs(drain(crm, "leads", begun.cursor))) == sorted(made)


def test_a_load_in_bulk_is_a_backfill(bulk: PracticeOrg) -> None:
    bulk.add_people(3)
    bulk.clock.advance(NOW_ON)
    gate = Learning()
    drain(bulk.open(gate=gate), "leads", None)
    assert set(gate.entered) == {Lane.BACKFILL}


@pytest.mark.parametrize("stream", ["leads", "tasks", "lead_history"])
def test_nothing_is_lost_or_doubled_in_a_load_on_a_bad_day(bulk: PracticeOrg, stream: str) -> None:
    leads = bulk.add_people(400)
    for lead in leads:
        bulk.org.insert("Task", {"WhoId": lead.id, "TaskSubtype": "Call", "Status": "Completed"})
        bulk.clock.advance(timedelta(seconds=1))
        bulk.org.update("Lead", lead.id, {"Status": "Working - Contacted"})
    bulk.clock.advance(NOW_ON)
    calm = drain(bulk.open(bulk_from=10**6), stream, None)
    profile = Profile(Bites(RULES, lambda on: bite(bulk.org, on)), bulk.faults)
    profile.apply("hostile", seed=3)
    pages: list[Page] = []
    cursor: Cursor | None = None
    crm = bulk.open(page_size=40)
    for _ in range(400):
        try:
            pages.append(crm.pull(stream, cursor, Tier.COMPLETE))
        except (Transient, QuotaExhausted):  # the caller comes again
            continue
        cursor = json.loads(json.dumps(pages[-1].cursor))
        if pages[-1].done:
            break
    profile.apply("calm")
    assert pages[-1].done
    assert told(pages) == told(calm) != set()


def told(pages: list[Page]) -> set[str]:
    """What was brought: rows by reference, changes by record, attribute and instant."""
    changes = {f"{each.ref} {each.name} {each.occurred_at}" for page in pages for each in page.history}
    return changes | facts(pages).keys()


# -- the census --------------------------------------------------------------------------------------------------------


def counted_in_bulk(org: PracticeOrg, **given: Any) -> tuple[SalesforceCrm, list[str]]:
    asked: list[str] = []
    crm = org.open(bulk_census_from=10, observer=lambda exchange: asked.append(exchange.endpoint), **given)
    return crm, asked


def test_a_large_census_is_a_bulk_query_of_the_living_rows(bulk: PracticeOrg) -> None:
    gone, winner, loser, *rest = bulk.add_people(30)
    bulk.delete(gone)
    bulk.merge(winner, loser)
    bulk.clock.advance(NOW_ON)
    crm, asked = counted_in_bulk(bulk, bulk_census_page_size=12)
    assert sorted(roll(crm, "Lead")) == sorted([winner, *rest])
    assert asked.count("jobs/query") == 1
    assert asked.count("jobs/query/{id}/results") == 3
    assert asked.count("query") == 1, "the count"
    assert roll(crm, "Account") == []
    assert asked.count("jobs/query") == 1, "few rows are no job"


def test_a_census_goes_on_in_another_process_where_it_was(bulk: PracticeOrg) -> None:
    made = bulk.add_people(30)
    found: list[RecordRef] = []
    cursor: Cursor | None = None
    for _ in range(100):
        page = counted_in_bulk(bulk, bulk_census_page_size=7)[0].census("Lead", cursor)
        found += page.refs
        cursor = json.loads(json.dumps(page.cursor))
        if page.done:
            break
    assert sorted(found) == sorted(made)


@pytest.mark.parametrize(
    ("path", "effect"),
    [
        ("/jobs/query$", {"status": 400, "json": [{"errorCode": "INVALIDENTITY", "message": "not supported"}]}),
        ("/jobs/query/[^/]+$", {"status": 200, "json": {"id": "750", "state": "Failed"}}),
        ("/results", {"status": 404, "json": [{"errorCode": "NOT_FOUND", "message": "gone"}]}),
    ],
    ids=["refused", "failed", "gone"],
)
def test_a_census_that_bulk_does_not_answer_is_paged(bulk: PracticeOrg, path: str, effect: dict[str, Any]) -> None:
    made = bulk.add_people(30)
    bulk.faults.add([{"path": path, "effect": effect}])
    crm, asked = counted_in_bulk(bulk, page_size=10)
    assert sorted(roll(crm, "Lead")) == sorted(made)
    assert asked.count("query") == 5, "the count, three pages and the end"


def test_a_census_in_bulk_is_a_refresh(bulk: PracticeOrg) -> None:
    bulk.add_people(30)
    gate = Learning()
    roll(counted_in_bulk(bulk, gate=gate)[0], "Lead")
    assert set(gate.entered) == {Lane.REFRESH}
