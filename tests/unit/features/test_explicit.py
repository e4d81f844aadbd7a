from __future__ import annotations

from typing import Any

import pytest

from tests.unit.features.making import DAY, NOW, ActivityRow, AttributeRow, act, facts, value
from worker.features.features import Features
from worker.features.matrix import matrix
from worker.features.timelines import months
from worker.features.words import read_table

SHIPPED = Features.shipped()


def told(names: list[str], *values: AttributeRow, acts: tuple[ActivityRow, ...] = ()) -> tuple[Any, ...]:
    return matrix(facts(values, acts), SHIPPED.only(names)).row(0)[2:]


def test_a_budget_has_a_size_and_an_age() -> None:
    names = ["budget_stated", "budget_log", "budget_age_days"]
    assert told(names, value("budget", "1000", at=NOW - 9 * DAY)) == (True, pytest.approx(3), 9)
    assert told(names, value("budget", "0")) == (False, None, 1)
    assert told(names) == (False, None, None)


def test_the_age_is_that_of_the_value_that_holds() -> None:
    rows = [value("timeline", "This year", at=NOW - 50 * DAY), value("timeline", "This month", at=NOW - 2 * DAY)]
    assert told(["timeline_months", "timeline_age_days"], *rows) == (1, 2)


def test_a_need_is_stated_in_a_field_or_by_asking() -> None:
    names = ["need_source", "need_age_days"]
    asked = act("demo_request", at=NOW - 4 * DAY)
    assert told(names, value("need", "Faster quotes"), acts=(asked,)) == ("field:need", 1)
    assert told(names, acts=(asked,)) == ("activity:demo_request", 4)
    assert told(names, acts=(act("page_view"),)) == (None, None)


@pytest.mark.parametrize(
    ("stated", "title", "expected"),
    [
        ("Decision maker", None, ("decides", "field:authority")),
        ("Influencer", "CEO", ("influences", "field:authority")),
        ("User", None, ("user", "field:authority")),
        ("Unknown", "CEO", ("unknown", "field:authority")),
        ("Not a decision maker", None, ("user", "field:authority")),
        ("Entscheiderin", None, ("decides", "field:authority")),
        ("ЛПР", None, ("decides", "field:authority")),
        ("Цыц", "CEO", ("decides", "field:title")),
        (None, "CEO", ("decides", "field:title")),
        (None, "Head of IT", ("decides", "field:title")),
        (None, "Analyst", (None, None)),
        (None, None, (None, None)),
    ],
)
def test_authority_is_as_stated_and_else_inferred_from_the_title(
    stated: str | None, title: str | None, expected: tuple[str | None, str | None]
) -> None:
    rows = [value(name, text) for name, text in (("authority", stated), ("title", title)) if text]
    assert told(["authority", "authority_source"], *rows) == expected


def test_of_budget_authority_need_and_timeline_the_known_ones_are_counted() -> None:
    rows = [
        value("budget", "5000"), value("title", "CEO"), value("need", "Speed"), value("timeline", "Q?"),
    ]  # fmt: skip
    assert told(["bant_known"], *rows) == (3,)
    assert told(["bant_known"], value("timeline", "2 weeks")) == (1,)
    assert told(["bant_known"]) == (0,)


@pytest.mark.parametrize("row", read_table("timelines.csv"), ids=lambda row: f"{row['language']}: {row['phrase']}")
def test_every_row_of_the_table_is_read(row: dict[str, str]) -> None:
    expected = None if row["months"] == "none" else float(row["months"])
    assert months(row["phrase"].upper() + "!") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0-3 months", 3),
        ("3 to 6 months", 6),
        ("3 bis 6 Monate", 6),
        ("de 3 à 6 mois", 6),
        ("6+ months", 12),
        ("> 6 months", 12),
        ("More than 6 months", 12),
        ("< 3 months", 3),
        ("within 6 weeks", 1.5),
        ("90 days", 3),
        ("1 year", 12),
        ("2 ans", 24),
        ("2 Quartale", 6),
        ("через 2 месяца", 2),
        ("5 лет", 60),
        ("3 miesiące", 3),
        ("1,5 maanden", 1.5),
        ("1.5 mesi", 1.5),
        ("6m", 6),
        ("200 years", 60),
        ("Ce mois-ci", 1),
        ("budget 5000 EUR", None),
        ("2025", None),
        ("soon", None),
        ("", None),
    ],
)
def test_a_timeline_is_read_in_months(text: str, expected: float | None) -> None:
    assert months(text) == (None if expected is None else pytest.approx(expected))
