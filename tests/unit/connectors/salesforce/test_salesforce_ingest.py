"""The CSV of an ingest job, and what its rows' errors say."""

from __future__ import annotations

import csv
from io import StringIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.salesforce.faults import Fault, verdict
from connectors.salesforce.ingest import NULL, fault_of_row, files, fits

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
VALUES = st.one_of(st.none(), st.booleans(), st.integers(-99, 999), st.sampled_from([0.5, 12.3]), TEXTS)
BODIES = st.lists(st.dictionaries(st.sampled_from(["A__c", "B__c", "C__c"]), VALUES), min_size=1, max_size=12)


def read(file: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(file.decode(), newline=""), strict=True))


def cell(value: Any) -> str:
    if value is None or value == "":
        return NULL
    return str(value).lower() if isinstance(value, bool) else str(value)


@given(bodies=BODIES, largest=st.integers(60, 400))
def test_every_value_arrives_in_order_in_files_that_are_small_enough(
    bodies: list[dict[str, Any]], largest: int
) -> None:
    records = [{"attributes": {"type": "Lead"}, "id": f"{n:018}", **body} for n, body in enumerate(bodies)]
    made = list(files(records, largest))
    rows = [row for file in made for row in read(file)]
    names = {name for body in bodies for name in body}
    expected = [
        {"Id": record["id"], **{name: cell(body[name]) if name in body else "" for name in names}}
        for record, body in zip(records, bodies, strict=True)
    ]
    assert rows == expected
    assert all(len(file) <= largest or len(read(file)) == 1 for file in made)
    assert all(file.endswith(b"\r\n") for file in made)


def test_a_text_that_reads_as_null_does_not_fit() -> None:
    assert not fits({"id": "1", "A__c": NULL})
    assert fits({"id": "1", "A__c": None, "B__c": "#N/A too"})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            "FIELD_CUSTOM_VALIDATION_EXCEPTION:Budget required:Budget__c --",
            Fault("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Budget required", ("Budget__c",)),
        ),
        ("ENTITY_IS_DELETED:entity is deleted:--", Fault("ENTITY_IS_DELETED", "entity is deleted")),
        ("UNABLE_TO_LOCK_ROW:try again: 001 is held:A__c B__c --", Fault(
            "UNABLE_TO_LOCK_ROW", "try again: 001 is held", ("A__c", "B__c"))),
        ("INVALID_FIELD:no such column: X", Fault("INVALID_FIELD", "no such column: X")),
        ("SOMETHING", Fault("SOMETHING", "")),
        ("", Fault("UNKNOWN_EXCEPTION", "")),
        ("DUPLICATE_VALUE:held by a.b@example.com:--", Fault("DUPLICATE_VALUE", "held by <address>")),
    ],
)  # fmt: skip
def test_what_a_row_error_says(text: str, fault: Fault) -> None:
    assert fault_of_row(text) == fault


def test_a_row_that_a_job_did_not_come_to_is_for_later() -> None:
    assert str(verdict(Fault("UNPROCESSED", "")).outcome) == "retry"
