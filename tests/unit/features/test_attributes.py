from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.features.making import DAY, NOW, AttributeRow, facts, value
from worker.features.attributes import FREE_MAIL
from worker.features.catalogue import Attribute, AttributeType, Catalogue
from worker.features.frame import build

CATALOGUE = Catalogue.shipped().extended({"renewal": Attribute(AttributeType.DATE, "Renewal")})


def as_known(name: str, *rows: AttributeRow) -> Any:
    return build(facts(rows), CATALOGUE, [name]).people.get_column(name).item()


def test_the_latest_value_of_a_record_holds() -> None:
    assert as_known("title", value("title", "CTO", at=NOW - DAY), value("title", "Dev", at=NOW - 9 * DAY)) == "CTO"


def test_a_cleared_field_is_missing_and_no_older_value_comes_back() -> None:
    assert as_known("title", value("title", "CTO", at=NOW - 9 * DAY), value("title", None)) is None


def test_a_field_cleared_in_one_record_leaves_the_value_of_another() -> None:
    old, cleared = value("title", "CTO", record=10, at=NOW - 9 * DAY), value("title", None, record=10)
    assert as_known("title", old, cleared, value("title", "CIO", record=11, at=NOW - 30 * DAY)) == "CIO"


def test_of_several_records_the_latest_value_holds() -> None:
    rows = [value("title", "CTO", record=11, at=NOW - 3 * DAY), value("title", "CIO", record=10, at=NOW - 5 * DAY)]
    assert as_known("title", *rows) == "CTO"


def test_what_happened_at_once_goes_by_when_it_was_known_and_then_by_the_lower_record() -> None:
    first = value("title", "A", record=12, known=NOW - DAY)
    later = value("title", "B", record=11, known=NOW)
    assert as_known("title", first, later) == "B"
    assert as_known("title", value("title", "B", record=12), value("title", "B", record=11)) == "B"


def test_an_account_speaks_only_where_the_persons_own_records_are_silent() -> None:
    account = value("employees", "5000", rank=1, record=90, at=NOW)
    own = value("employees", "12", at=NOW - 300 * DAY)
    assert as_known("employees", account, own) == 12
    assert as_known("employees", account, own, value("employees", None)) == 5000


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("employees", "1000", 1000.0),
        ("employees", " 2.5e3 ", 2500.0),
        ("employees", "-3", -3.0),
        ("employees", "1,000", None),
        ("employees", "many", None),
        ("employees", "nan", None),
        ("employees", "inf", None),
        ("employees", "1e999", None),
        ("employees", "", None),
        ("title", "  Head of IT ", "Head of IT"),
        ("title", "   ", None),
        ("has_phone", "true", True),
        ("has_phone", "True", True),
        ("has_phone", "Yes", True),
        ("has_phone", "1", True),
        ("has_phone", "FALSE", False),
        ("has_phone", "0", False),
        ("has_phone", "perhaps", None),
        ("renewal", "2025-03-04", datetime(2025, 3, 4, tzinfo=UTC)),
        ("renewal", "2025-03-04T05:06:07Z", datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)),
        ("renewal", "2025-03-04T05:06:07.250+02:00", datetime(2025, 3, 4, 3, 6, 7, 250_000, tzinfo=UTC)),
        ("renewal", "2025-03-04 05:06:07+00:00", datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)),
        ("renewal", "2025-03-04T05:06:07", datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)),
        ("renewal", "next spring", None),
    ],
)
def test_text_is_read_as_the_attributes_type_or_is_missing(name: str, text: str, expected: object) -> None:
    assert as_known(name, value(name, text)) == expected


@pytest.mark.parametrize(
    ("domain", "free"), [("gmail.com", True), ("GMX.de", True), ("acme.example", False), (None, None)]
)
def test_free_mail_is_derived_from_the_domain(domain: str | None, free: bool | None) -> None:
    assert as_known("free_mail", value("email_domain", domain)) is free


def test_the_list_of_free_mailboxes_is_lower_case_and_without_repeats() -> None:
    assert list(FREE_MAIL) == sorted({domain.lower().strip() for domain in FREE_MAIL})
    assert len(FREE_MAIL) > 80


@pytest.mark.parametrize("name", ["title", "all", "person_id", "Big", "has space", "x" * 64, ""])
def test_a_custom_attribute_needs_a_name_of_its_own(name: str) -> None:
    with pytest.raises(ValueError, match="custom attribute"):
        Catalogue.shipped().extended({name: Attribute(AttributeType.TEXT, "Custom")})
