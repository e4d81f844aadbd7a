"""What scoring may see of a record, in one spelling whatever the CRM."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from connectors.records import LeadRecord, RecordRef, RecordState, Value
from worker.people import inputs


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("", None),
        (True, "true"),
        (False, "false"),
        (2000, "2000"),
        (2000.0, "2000"),
        (0.1, "0.1"),
        (1e300, "1e+300"),
        (float("inf"), "inf"),
        ("Größe", "Größe"),
        (date(2026, 11, 23), "2026-11-23"),
        (datetime(2026, 11, 23, 1, tzinfo=UTC), "2026-11-23T01:00:00+00:00"),
    ],
)
def test_one_spelling_a_value(value: Value, text: str | None) -> None:
    assert inputs.as_text(value) == text


def test_the_domain_is_an_input_and_the_address_is_not() -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    record = LeadRecord(
        RecordRef("s", "Lead", "1"),
        RecordState.OPEN,
        now,
        now,
        "Ann@Example.com",
        "Ann Lee",
        attributes={"title": "CTO"},
    )
    assert inputs.of_lead(record) == {"title": "CTO", "email_domain": "example.com"}
    assert "Ann" not in repr(record)


def test_changes_name_what_was_set_and_what_was_emptied() -> None:
    assert list(inputs.changes({"a": "1", "b": "2", "c": "3"}, {"b": "2", "c": "4", "d": "5"})) == [
        ("a", None),
        ("c", "4"),
        ("d", "5"),
    ]
