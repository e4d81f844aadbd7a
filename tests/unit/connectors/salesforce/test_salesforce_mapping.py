from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.errors import ProtocolViolation
from connectors.port import Tier
from connectors.records import OutcomeStatus, RecordRef
from connectors.salesforce.describe import description
from connectors.salesforce.facts import Assembly
from connectors.salesforce.mapping import Records
from connectors.salesforce.pull import Reader
from tests.unit.connectors.salesforce_stub import Asked, Reply, Stub, described, described_field

STAMP = "2026-03-02T09:00:00.000+0000"
ROW = {"Id": "X", "CreatedDate": STAMP, "LastModifiedDate": "2026-03-20T12:00:00.000+0000", "SystemModstamp": STAMP}
LEAD = description(described("Lead", described_field("Founded__c", "date"), described_field("Seen__c", "datetime")))


def test_a_value_of_another_type_is_left_out_and_counted(stub: Stub) -> None:
    records = Records(stub.settings())
    read = records.person(LEAD, {**ROW, "NumberOfEmployees": "many", "AnnualRevenue": "1e7", "Lead_Score__c": "high"})
    assert read.attributes == {"annual_revenue": 1e7, "has_phone": False}
    assert read.written == {}
    assert records.unreadable == {"Lead.NumberOfEmployees": 1, "Lead.Lead_Score__c": 1}


def test_a_custom_attribute_has_its_fields_own_type(stub: Stub) -> None:
    records = Records(stub.settings(attributes={"founded": "Founded__c", "seen": "Seen__c"}))
    read = records.person(LEAD, {**ROW, "Founded__c": "2001-02-03", "Seen__c": STAMP})
    assert read.attributes["founded"].isoformat() == "2001-02-03"  # type: ignore[union-attr]
    assert read.attributes["seen"] == datetime(2026, 3, 2, 9, tzinfo=UTC)


DEALS: list[tuple[dict[str, Any], OutcomeStatus, str | None]] = [
    ({}, OutcomeStatus.OPEN, None),
    ({"CloseDate": "2026-03-10"}, OutcomeStatus.OPEN, None),
    ({"IsClosed": True, "IsWon": True, "LastStageChangeDate": "2026-03-09T08:00:00.000+0000"}, OutcomeStatus.WON,
     "2026-03-09T08:00:00+00:00"),
    ({"IsClosed": True, "IsWon": False, "CloseDate": "2026-03-10"}, OutcomeStatus.LOST, "2026-03-10T23:59:59+00:00"),
    # A close date ahead of the record's last edit was typed: the deal was closed by then.
    ({"IsClosed": True, "IsWon": True, "CloseDate": "2026-06-30"}, OutcomeStatus.WON, "2026-03-20T12:00:00+00:00"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "status", "closed"), DEALS, ids=[str(n) for n in range(len(DEALS))])
def test_a_deal_closes_when_its_stage_says_so(
    stub: Stub, row: dict[str, Any], status: OutcomeStatus, closed: str | None
) -> None:
    read = Records(stub.settings()).outcome({**ROW, "CloseDate": "2026-03-10", "StageName": "S", **row}, [])
    assert (read.status, read.closed_at and read.closed_at.isoformat()) == (status, closed)


def test_a_deals_people_are_named_once(stub: Stub) -> None:
    read = Records(stub.settings()).outcome({**ROW, "ContactId": "C1"}, ["C2", "C1"])
    assert read.people == (RecordRef("acme", "Contact", "C1"), RecordRef("acme", "Contact", "C2"))


@pytest.mark.parametrize("odd", [0, "", ["001"], {"Id": "001"}])
def test_what_is_no_id_is_nobodys(stub: Stub, odd: Any) -> None:
    with pytest.raises(TypeError, match="an id of Account is no text"):
        Records(stub.settings()).outcome({**ROW, "AccountId": odd}, [])


def reader_of(stub: Stub) -> Reader:
    settings, session = stub.settings(), stub.session()
    return Reader(settings, session, Assembly(settings, session))


def test_a_row_that_cannot_be_placed_in_time_is_a_matter_for_a_developer(stub: Stub) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path.endswith("/describe"):
            return Reply(200, described("Lead", replicateable=False))
        return Reply(200, {"records": [{**ROW, "SystemModstamp": "soon"}], "done": True})

    stub.answer = answer
    with pytest.raises(ProtocolViolation, match="leads: not a datetime"):
        reader_of(stub).pull("leads", None, Tier.COMPLETE)


def test_where_salesforce_cannot_tell_what_is_in_flight_the_window_stays_ten_minutes_behind(stub: Stub) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path.endswith("/describe"):
            return Reply(200, described("Lead", replicateable=False))
        return Reply(200, {"records": [], "done": True}, {"Date": "Mon, 02 Mar 2026 09:30:00 GMT"})

    stub.answer = answer
    reader = reader_of(stub)
    reader.pull("leads", None, Tier.COMPLETE)  # hears the server's time
    assert reader.pull("leads", None, Tier.COMPLETE).cursor["since"].startswith("2026-03-02T09:20:0")
