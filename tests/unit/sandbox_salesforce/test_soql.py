from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.clock import Clock
from sandbox.salesforce.execution import run
from sandbox.salesforce.faults import ApiError
from sandbox.salesforce.org import Org
from sandbox.salesforce.spans import span
from tests.unit.sandbox_salesforce.conftest import NOON


def _records(org: Org, soql: str, *, all_rows: bool = False) -> list[dict[str, Any]]:
    result = run(org, soql, all_rows=all_rows)
    if result.projection is None:
        return result.records or []
    return [result.projection.shape("/v")(row) for row in result.rows]


@pytest.fixture
def people(org: Org, clock: Clock) -> dict[str, str]:
    """Three leads an hour apart, the last one with a task and a campaign membership."""
    rows: list[tuple[str, dict[str, Any]]] = [
        ("Ada", {"Email": "Ada@One.example", "Budget__c": 100, "Rating": "Hot"}),
        ("Bob", {"Budget__c": 20.5, "Rating": "Cold", "Demo_Completed__c": True}),
        ("Cy", {"Email": "cy@two.example", "Company": "O'Neil 50%"}),
    ]
    made = {}
    for hours, (name, fields) in enumerate(rows):
        at = clock.now() - timedelta(hours=2 - hours)
        made[name] = org.insert("Lead", {"LastName": name, "Company": "Acme", **fields}, at=at)
    org.insert("Task", {"WhoId": made["Cy"], "Subject": "Call"})
    campaign = org.insert("Campaign", {"Name": "Webinar"})
    org.insert("CampaignMember", {"CampaignId": campaign, "LeadId": made["Cy"]})
    return made


@pytest.mark.parametrize(
    ("where", "names"),
    [
        ("LastName = 'ada'", "Ada"),
        ("LastName != 'ada'", "Bob Cy"),
        ("Rating = null", "Cy"),
        ("Rating != null", "Ada Bob"),
        ("Rating != 'Hot'", "Bob Cy"),
        ("Budget__c > 20", "Ada Bob"),
        ("Budget__c <= 20.5", "Bob"),
        ("Demo_Completed__c = false", "Ada Cy"),
        ("Email IN ('ADA@one.example', 'x@y.example')", "Ada"),
        ("Email NOT IN ('ada@one.example')", "Bob Cy"),
        ("Rating IN (null, 'hot')", "Ada Cy"),
        ("LastName LIKE '_o%'", "Bob"),
        (r"Company LIKE '%50\%'", "Cy"),
        (r"Company = 'O\'Neil 50%'", "Cy"),
        ("CreatedDate < 2026-03-02T10:30:00Z", "Ada"),
        ("CreatedDate >= 2026-03-02T12:00:00+01:00", "Bob Cy"),
        ("CreatedDate = 2026-03-02T11:00:00.000Z", "Bob"),
        ("CreatedDate = TODAY", "Ada Bob Cy"),
        ("CreatedDate > YESTERDAY AND CreatedDate < TOMORROW", "Ada Bob Cy"),
        ("CreatedDate = LAST_N_DAYS:3 AND Rating = 'Hot'", "Ada"),
        ("CreatedDate < TODAY", ""),
        ("Owner.Name = 'org administrator' AND (Rating = 'Hot' OR Rating = 'Cold')", "Ada Bob"),
        ("(NOT Rating = 'Hot') AND Owner.Type = 'User'", "Bob Cy"),
        ("Id IN (SELECT LeadId FROM CampaignMember WHERE Campaign.Name = 'Webinar')", "Cy"),
        ("Id NOT IN (SELECT LeadId FROM CampaignMember)", "Ada Bob"),
        ("DAY_ONLY(CreatedDate) = 2026-03-02 AND CALENDAR_YEAR(CreatedDate) = 2026", "Ada Bob Cy"),
    ],
)
def test_conditions(org: Org, people: dict[str, str], where: str, names: str) -> None:
    found = _records(org, f"SELECT LastName FROM Lead WHERE {where} ORDER BY LastName")
    assert [record["LastName"] for record in found] == names.split()


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("Rating", "Cy Bob Ada"),
        ("Rating NULLS LAST", "Bob Ada Cy"),
        ("Rating DESC", "Cy Ada Bob"),
        ("CreatedDate DESC", "Cy Bob Ada"),
        ("CreatedDate ASC, Id", "Ada Bob Cy"),
        ("Company, LastName DESC", "Bob Ada Cy"),
        ("Id DESC LIMIT 1 OFFSET 1", "Bob"),
    ],
)
def test_orders(org: Org, people: dict[str, str], order: str, names: str) -> None:
    found = _records(org, f"SELECT LastName FROM Lead ORDER BY {order}")
    assert [record["LastName"] for record in found] == names.split()


def test_parents_children_and_aliases(org: Org, people: dict[str, str]) -> None:
    soql = (
        "SELECT l.Id, CreatedBy.Name, ConvertedContact.Account.Name,"
        " (SELECT Subject, Who.Type FROM Tasks ORDER BY CreatedDate DESC LIMIT 5), (SELECT Status FROM CampaignMembers)"
        " FROM Lead l ORDER BY l.LastName"
    )
    ada, _, cy = _records(org, soql)
    assert ada["CreatedBy"]["attributes"]["type"] == "User"
    assert (ada["ConvertedContact"], ada["Tasks"]) == (None, None)
    assert (cy["Tasks"]["totalSize"], cy["Tasks"]["done"]) == (1, True)
    assert cy["Tasks"]["records"][0]["Who"]["Type"] == "Lead"
    assert cy["CampaignMembers"]["records"][0]["Status"] == "Sent"


def test_aggregates(org: Org, people: dict[str, str]) -> None:
    (totals,) = _records(org, "SELECT COUNT(Id), MAX(CreatedDate) newest, AVG(Budget__c), COUNT(Rating) FROM Lead")
    assert totals == {
        "attributes": {"type": "AggregateResult"}, "expr0": 3, "newest": "2026-03-02T12:00:00.000+0000", "expr1": 60.25,
        "expr2": 2,
    }  # fmt: skip
    groups = _records(org, "SELECT Company, COUNT(Id) n FROM Lead GROUP BY Company ORDER BY COUNT(Id) DESC")
    assert [(group["Company"], group["n"]) for group in groups] == [("Acme", 2), ("O'Neil 50%", 1)]
    by_day = _records(org, "SELECT DAY_ONLY(CreatedDate) day, COUNT(Id) n FROM Lead GROUP BY DAY_ONLY(CreatedDate)")
    assert [(group["day"], group["n"]) for group in by_day] == [("2026-03-02", 3)]
    assert run(org, "SELECT COUNT() FROM Lead WHERE Rating = 'Hot'").total == 1
    assert _records(org, "SELECT SUM(Budget__c) s FROM Lead WHERE Rating = 'none'")[0]["s"] is None


def test_all_fields_need_a_limit(org: Org, people: dict[str, str]) -> None:
    (record,) = _records(org, "SELECT FIELDS(ALL) FROM Lead LIMIT 1")
    assert {"Lead_Score__c", "SystemModstamp"} <= record.keys()
    assert "Lead_Score__c" not in _records(org, "SELECT FIELDS(STANDARD) FROM Lead")[0]
    with pytest.raises(ApiError, match="LIMIT of at most 200"):
        run(org, "SELECT FIELDS(ALL) FROM Lead LIMIT 201")


@pytest.mark.parametrize(
    ("soql", "code", "words"),
    [
        ("", "MALFORMED_QUERY", "<EOF>"),
        ("SELECT FROM Lead", "MALFORMED_QUERY", "unexpected token"),
        ("SELECT Id FROM Lead WHERE a = 1 AND b = 2 OR c = 3", "MALFORMED_QUERY", "unexpected token: 'OR'"),
        ("SELECT Id FROM Lead WHERE NOT a = 1 AND b = 2", "MALFORMED_QUERY", "unexpected token: 'AND'"),
        ("SELECT Id FROM Lead FOR VIEW", "MALFORMED_QUERY", "unexpected token: 'VIEW'"),
        ("SELECT Id, id FROM Lead", "MALFORMED_QUERY", "duplicate field selected: Id"),
        ("SELECT LastName n FROM Lead", "MALFORMED_QUERY", "only aggregate expressions use field aliasing"),
        ("SELECT Id, COUNT(Id) FROM Lead", "MALFORMED_QUERY", "must be grouped or aggregated: Id"),
        ("SELECT TYPEOF(Who) FROM Task", "MALFORMED_QUERY", "unexpected token"),
        ("SELECT Id FROM Lead WHERE CreatedDate = SOMEDAY", "MALFORMED_QUERY", "unexpected token: 'SOMEDAY'"),
        ("SELECT Id FROM Lead WHERE Nope.Name = 'x'", "INVALID_FIELD", "Didn't understand relationship 'Nope'"),
        ("SELECT Owner.Budget__c FROM Lead", "INVALID_FIELD", "No such column 'Budget__c' on entity 'Name'"),
        ("SELECT Id FROM Lead WHERE Budget__c = '5'", "INVALID_FIELD", "must be of type double and should not be"),
        ("SELECT Id FROM Lead WHERE LastName = 5", "INVALID_FIELD", "must be of type string and should be enclosed"),
        ("SELECT Id FROM Lead WHERE Id > 'x'", "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: x"),
        ("SELECT Id, (SELECT Id FROM Nopes) FROM Lead", "INVALID_TYPE", "Didn't understand relationship 'Nopes'"),
    ],
)
def test_refusals(org: Org, soql: str, code: str, words: str) -> None:
    with pytest.raises(ApiError) as refused:
        run(org, soql)
    assert (refused.value.status, refused.value.code) == (400, code)
    assert words in refused.value.message


def test_hidden_objects_and_fields_look_missing(org: Org) -> None:
    org.access.hidden.add("Lead.Email")
    org.access.hidden_objects.add("Campaign")
    with pytest.raises(ApiError, match="No such column 'Email'"):
        run(org, "SELECT Id FROM Lead WHERE Email = 'a@b.example'")
    with pytest.raises(ApiError, match="sObject type 'Campaign' is not supported"):
        run(org, "SELECT Id FROM Campaign")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(seconds=st.lists(st.integers(0, 4), max_size=30), page=st.integers(1, 7), deleted=st.sets(st.integers(0, 29)))
def test_walking_by_keyset_finds_every_row_once(clock: Clock, seconds: list[int], page: int, deleted: set[int]) -> None:
    org = Org(clock)
    ids = [org.insert("Campaign", {"Name": "x"}, at=clock.now() - timedelta(seconds=second)) for second in seconds]
    for n in deleted & set(range(len(ids))):
        org.delete("Campaign", ids[n], at=clock.now() - timedelta(seconds=seconds[n]))
    walked: list[str] = []
    stamp, last = "1970-01-01T00:00:00.000+0000", "000000000000000AAA"
    while True:
        soql = (
            "SELECT Id, SystemModstamp FROM Campaign"
            f" WHERE (SystemModstamp = {stamp} AND Id > '{last}') OR SystemModstamp > {stamp}"
            f" ORDER BY SystemModstamp, Id LIMIT {page}"
        )
        rows = run(org, soql, all_rows=True).rows
        if not rows:
            break
        walked += [row["Id"] for row in rows]
        stamp, last = rows[-1]["SystemModstamp"], rows[-1]["Id"]
    assert sorted(walked) == sorted(ids)
    assert len(set(walked)) == len(walked)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(
    values=st.lists(st.tuples(st.integers(0, 3), st.sampled_from(["a", "b", None])), max_size=12),
    low=st.integers(0, 3), high=st.integers(0, 3), email=st.sampled_from(["a", "b"]), either=st.booleans(),
)  # fmt: skip
def test_an_index_never_changes_the_answer(
    clock: Clock, values: list[tuple[int, str | None]], low: int, high: int, email: str, either: bool
) -> None:
    org, expected = Org(clock), []
    for second, name in values:
        at = NOON - timedelta(seconds=second)
        address = name and f"{name}@x.example"
        id = org.insert("Lead", {"LastName": "L", "Company": "C", "Email": address}, at=at)
        ranged, named = low <= second < high, name == email
        if (ranged or named) if either else (ranged and named):
            expected.append(id)
    from_, to = (f"{(NOON - timedelta(seconds=n)):%Y-%m-%dT%H:%M:%SZ}" for n in (high, low))
    word = "OR" if either else "AND"
    soql = (
        f"SELECT Id FROM Lead WHERE (SystemModstamp > {from_} AND SystemModstamp <= {to})"
        f" {word} Email = '{email}@X.example' ORDER BY Id"
    )
    assert [row["Id"] for row in run(org, soql).rows] == expected


@pytest.mark.parametrize(
    ("literal", "first", "after"),
    [
        ("TODAY", date(2026, 3, 4), date(2026, 3, 5)),
        ("LAST_N_DAYS:7", date(2026, 2, 25), date(2026, 3, 5)),
        ("THIS_WEEK", date(2026, 3, 1), date(2026, 3, 8)),
        ("LAST_MONTH", date(2026, 2, 1), date(2026, 3, 1)),
        ("NEXT_N_MONTHS:2", date(2026, 4, 1), date(2026, 6, 1)),
        ("LAST_QUARTER", date(2025, 10, 1), date(2026, 1, 1)),
        ("N_DAYS_AGO:3", date(2026, 3, 1), date(2026, 3, 2)),
        ("LAST_N_YEARS:2", date(2024, 1, 1), date(2026, 1, 1)),
    ],
)
def test_relative_dates(literal: str, first: date, after: date) -> None:
    assert span(literal, date(2026, 3, 4)) == (first, after)


def test_days_are_those_of_the_orgs_zone(org: Org, clock: Clock) -> None:
    late = NOON.replace(hour=23, minute=30) - timedelta(days=1)  # 00:30 of today in Berlin
    org.insert("Lead", {"LastName": "Late", "Company": "Acme"}, at=late)
    assert run(org, "SELECT COUNT() FROM Lead WHERE CreatedDate = TODAY").total == 1
    org.update("Organization", org.id, {"TimeZoneSidKey": "UTC"})
    assert run(org, "SELECT COUNT() FROM Lead WHERE CreatedDate = TODAY").total == 0
