"""What pages say of the fields that their rows were read with, and what it costs to know."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from connectors.hubspot.objects import unshown
from connectors.port import Page, Tier
from connectors.records import RecordRef
from sandbox.hubspot.temper import Temper
from tests.contract.connectors.crm_contract import NOW_ON, drain, people
from tests.contract.connectors.hubspot_portal import PracticePortal
from tests.contract.connectors.salesforce_org import PracticeOrg


def only(pages: list[Page], object: str) -> frozenset[str]:
    """What all pages with rows say alike."""
    (said,) = {page.fields[object] for page in pages if page.leads or page.accounts}
    return said


@pytest.mark.parametrize("bulk_from", [2000, 1], ids=["pages", "bulk"])
def test_salesforce_rows_tell_the_fields_that_were_asked_for(org: PracticeOrg, bulk_from: int) -> None:
    lead = org.lead(Title="CFO", Industry="Energy")
    org.org.insert("Account", {"Name": "Acme"})
    org.clock.advance(NOW_ON)
    org.org.access.hidden |= {"Lead.Industry", "Lead.Lead_Score__c"}
    crm = org.open(bulk_from=bulk_from)
    said = only(drain(crm, "leads", None), "Lead")
    assert {"title=Title", "Email"} <= said
    assert not said & {"industry=Industry", "Lead_Score__c"}
    org.org.access.hidden -= {"Lead.Industry", "Lead.Lead_Score__c"}
    crm.look_again("Lead")
    assert crm.fetch([lead]).fields == {"Lead": said | {"industry=Industry", "Lead_Score__c"}}
    assert "industry=Industry" in only(drain(crm, "accounts", None), "Account")
    assert not any(page.fields for page in drain(crm, "tasks", None)), "what is never read anew need not tell"
    other = org.open(disqualified=["Dead"])
    assert "disqualified=Dead" in other.fetch([lead]).fields["Lead"], "it decides what a row is read as, too"


NAMES = ("email", "jobtitle", "plan")


@pytest.mark.parametrize(
    ("rows", "lacking", "empty_shown"),
    [
        ([{"email": "a", "jobtitle": None, "plan": None}], (), True),
        ([{"email": "a", "jobtitle": None}], ("plan",), True),
        ([{"email": "a"}, {"email": None, "jobtitle": None}], ("plan",), True),
        ([{"email": None, "plan": "d"}, {"email": None, "jobtitle": None}], ("jobtitle", "plan"), True),
        ([{"email": "a", "jobtitle": "b"}, {"email": "c", "plan": "d"}], (), False),
        ([{"email": "a", "jobtitle": "b"}], ("plan",), False),
        ([{}], NAMES, False),
    ],
)
def test_what_hubspot_rows_tell_of_their_properties(
    rows: list[Any], lacking: tuple[str, ...], empty_shown: bool
) -> None:
    assert unshown(NAMES, [{"properties": row} for row in rows]) == (frozenset(lacking), empty_shown)


def test_hubspot_rows_tell_what_is_archived_and_once_is_asked(practice: PracticePortal) -> None:
    (ref,) = practice.add_people(1)
    company = practice.portal.create("companies", {"name": "Acme"})
    practice.clock.advance(NOW_ON)
    crm = practice.open()
    said = only(drain(crm, "contacts", None), "contacts")
    assert {"title=jobtitle", "email"} <= said
    practice.portal.schemas["contacts"].archive("jobtitle", 1)
    practice.site.calls.clear()
    for _ in range(3):
        assert crm.fetch([ref]).fields == {"contacts": said - {"title=jobtitle"}}
    fetched = crm.fetch([RecordRef(ref.source, "companies", company)])
    assert "employees=numberofemployees" in fetched.fields["companies"]
    assert [each for each in practice.site.endpoints() if "properties" in each] == ["/crm/v3/properties/contacts"]
    other = practice.open(disqualified_statuses=["DEAD"])
    assert "disqualified=DEAD" in other.fetch([ref]).fields["contacts"]


def test_where_hubspot_leaves_out_what_is_empty_its_definitions_are_asked(practice: PracticePortal) -> None:
    (ref,) = practice.add_people(1)
    crm = practice.open()
    said = crm.fetch([ref]).fields["contacts"]
    practice.portal.set_temper(Temper(omit_empty=1))
    assert crm.fetch([ref]).fields == {"contacts": said}
    schema = practice.portal.schemas["contacts"]
    held = schema.get("jobtitle")
    assert held is not None
    schema.archive("jobtitle", 1)
    assert crm.fetch([ref]).fields == {"contacts": said - {"title=jobtitle"}}, "not by what is kept for a while"
    schema.put(replace(held, updated_at=practice.portal.now_ms()))
    assert crm.fetch([ref]).fields == {"contacts": said - {"title=jobtitle"}}, "it may be back since the row was read"
    practice.clock.advance(NOW_ON)
    assert crm.fetch([ref]).fields == {"contacts": said}


def test_a_property_that_is_back_is_read_by_its_type(practice: PracticePortal) -> None:
    schema = practice.portal.schemas["contacts"]
    visits = schema.get("hs_analytics_num_visits")
    assert visits is not None
    (id,) = practice.site.people(1, hs_analytics_num_visits="40")
    practice.clock.advance(NOW_ON)
    crm = practice.open(attributes={"visits": visits.name})
    cursor = drain(crm, "contacts", None)[-1].cursor
    schema.archive(visits.name, 1)
    practice.portal.update("contacts", id, {"jobtitle": "CEO"})
    practice.clock.advance(NOW_ON)
    assert "visits" not in people(drain(crm, "contacts", cursor))[0].attributes
    schema.put(visits)
    practice.portal.update("contacts", id, {"jobtitle": "CFO"})
    (row,) = people(drain(crm, "contacts", cursor, Tier.FAST))
    assert row.attributes["visits"] == 40.0, "the definitions that are held lack it"
