from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.records import Value, WriteOutcome
from connectors.salesforce.describe import Field, description
from connectors.salesforce.faults import verdict
from connectors.salesforce.push import Unfit, shaped
from connectors.salesforce.values import Unreadable, day_end, day_start, instant, soql_instant, typed
from tests.unit.connectors.salesforce_stub import described, described_field

BERLIN = ZoneInfo("Europe/Berlin")


def vendor_field(type: str = "string", **more: Any) -> Field:
    return description(described("Lead", described_field("Score__c", type, **more))).fields["Score__c"]


def test_instants_are_aware_utc_in_whole_seconds() -> None:
    assert instant("2026-01-02T03:04:05.000+0000") == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert instant("2026-01-02T03:04:05.999+02:00") == datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)
    assert instant("2026-01-02T03:04:05Z").tzinfo is UTC


@given(
    st.integers(-(10**9), 10**10).map(
        lambda seconds: datetime(2000, 1, 1, 1, 1, 1, 5, UTC) + timedelta(seconds=seconds)
    )
)
def test_instants_survive_the_way_out_and_back(at: datetime) -> None:
    assert instant(soql_instant(at)) == at.replace(microsecond=0)


def test_a_literal_is_utc_whatever_the_zone() -> None:
    at = datetime(2026, 3, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert soql_instant(at) == "2026-02-28T23:00:00Z"


@pytest.mark.parametrize(
    ("day", "start", "end"),
    [
        ("2026-01-15", "2026-01-14T23:00:00Z", "2026-01-15T22:59:59Z"),
        ("2026-03-29", "2026-03-28T23:00:00Z", "2026-03-29T21:59:59Z"),  # a day of 23 hours
        ("2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T22:59:59Z"),  # a day of 25 hours
    ],
)
def test_a_day_is_a_day_of_the_orgs_zone(day: str, start: str, end: str) -> None:
    assert (soql_instant(day_start(day, BERLIN)), soql_instant(day_end(day, BERLIN))) == (start, end)


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", None, 5, "2026-01-02T03:04:05", "9999-12-31"])
def test_what_is_no_time_is_unreadable(text: Any) -> None:
    with pytest.raises(Unreadable):
        instant(text)
    with pytest.raises(Unreadable):
        day_end(text if text != "2026-01-02T03:04:05" else "x", BERLIN)


READ: list[tuple[Any, type | None, str, Value]] = [
    (12.0, int, "", 12),
    ("1200", int, "", 1200),
    (1.25e7, float, "currency", 12_500_000.0),
    (True, bool, "", True),
    ("false", bool, "", False),
    (5, str, "", "5"),
    ("", str, "", None),
    (None, int, "", None),
    ("2026-01-02", None, "date", date(2026, 1, 2)),
    ("2026-01-02T03:04:05.000+0000", None, "datetime", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
    (3.5, None, "double", 3.5),
    ({"city": "Oslo"}, None, "address", None),
]


@pytest.mark.parametrize(("raw", "wanted", "vendor", "value"), READ, ids=[repr(row[:3]) for row in READ])
def test_values_are_read_as_their_type(raw: Any, wanted: type | None, vendor: str, value: Value) -> None:
    read = typed(raw, wanted, vendor)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("raw", "wanted", "vendor"),
    [("many", int, ""), (True, int, ""), ("nan", float, ""), (float("inf"), float, ""), ("maybe", bool, ""),
     ("x", None, "date"), ("x", datetime, "")],
)  # fmt: skip
def test_values_of_another_type_are_unreadable(raw: Any, wanted: type | None, vendor: str) -> None:
    with pytest.raises(Unreadable):
        typed(raw, wanted, vendor)


SHAPED: list[tuple[Value, Field, Any]] = [
    (None, vendor_field(), None),
    ("ab", vendor_field(length=1), "a"),
    ("🦊üx", vendor_field(length=2), "🦊ü"),
    ("long", vendor_field(length=0), "long"),
    (71, vendor_field("double", precision=3, scale=0), 71),
    (71.5, vendor_field("double", precision=3, scale=0), 72),
    (12.34, vendor_field("double", precision=4, scale=1), 12.3),
    (12.25, vendor_field("double", precision=4, scale=1), 12.2),
    (100, vendor_field("double", precision=3, scale=0), 100),
    (100.0, vendor_field("percent", precision=4, scale=1), 100.0),
    (-5, vendor_field("int"), -5),
    (71, vendor_field("string"), "71"),
    ("hot", vendor_field("picklist", restrictedPicklist=True, picklistValues=[{"value": "hot"}]), "hot"),
    ("odd", vendor_field("picklist", picklistValues=[{"value": "hot", "active": True}]), "odd"),
    (datetime(2026, 1, 2, 3, 4, 5, 999, tzinfo=UTC), vendor_field("datetime"), "2026-01-02T03:04:05Z"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "into", "sent"), SHAPED, ids=[f"{n}-{row[1].type}" for n, row in enumerate(SHAPED)])
def test_values_are_shaped_to_their_field(value: Value, into: Field, sent: Any) -> None:
    result = shaped(value, into)
    assert result == sent
    assert type(result) is type(sent)


UNFIT: list[tuple[Value, Field, str]] = [
    (100, vendor_field("double", precision=2, scale=0), "NUMBER_OUTSIDE_VALID_RANGE"),
    (99.95, vendor_field("double", precision=3, scale=1), "NUMBER_OUTSIDE_VALID_RANGE"),  # rounds up to 100.0
    (float("nan"), vendor_field("double", precision=3), "NUMBER_OUTSIDE_VALID_RANGE"),
    (float("inf"), vendor_field("double", precision=3), "NUMBER_OUTSIDE_VALID_RANGE"),
    ("warm", vendor_field("picklist", restrictedPicklist=True, picklistValues=[{"value": "warm", "active": False}]),
     "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "into", "code"), UNFIT, ids=[f"{row[0]}-{row[2]}" for row in UNFIT])
def test_what_cannot_be_shaped_fails_as_salesforce_would_say(value: Value, into: Field, code: str) -> None:
    with pytest.raises(Unfit) as raised:
        shaped(value, into)
    assert raised.value.fault.code == code
    assert raised.value.fault.fields == ("Score__c",)
    assert verdict(raised.value.fault).outcome is WriteOutcome.REFUSED


@given(
    value=st.floats(-1e6, 1e6) | st.integers(-(10**6), 10**6),
    precision=st.integers(1, 12),
    scale=st.integers(0, 4),
)
def test_a_number_that_is_sent_fits_its_field(value: float, precision: int, scale: int) -> None:
    into = vendor_field("double", precision=max(precision, scale + 1), scale=scale)
    try:
        sent = shaped(value, into)
    except Unfit:
        assert abs(value) > 10 ** (into.precision - scale) - 1
    else:
        assert abs(sent - value) <= 0.5 * 10**-scale * 1.000001
        assert abs(sent) < 10 ** (into.precision - scale)
        assert sent == round(sent, scale)
