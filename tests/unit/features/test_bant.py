from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from connectors.records import ActivityKind
from tests.unit.features.making import DAY, NOW, ActivityRow, AttributeRow, act, facts, value
from worker.features.bant import ASKED, INFERRED, STATED, Item, evidence
from worker.features.catalogue import Catalogue
from worker.features.facts import Facts
from worker.features.words import fold, read_table

SHIPPED = Catalogue.shipped()


def one(*rows: AttributeRow | ActivityRow) -> tuple[Any, ...]:
    """All that is told of the only item that anything tells of."""
    return told(made(*rows)).row(0)[1:]


def made(*rows: AttributeRow | ActivityRow) -> Facts:
    kinds = {kind.value for kind in ActivityKind}
    return facts(
        [row for row in rows if row[1] not in kinds],  # type: ignore[misc]
        [row for row in rows if row[1] in kinds],  # type: ignore[misc]
    )


def told(known: Facts) -> pl.DataFrame:
    return evidence(known, SHIPPED)


def test_a_field_tells_its_value_where_it_is_from_and_how_old_it_is() -> None:
    stated = value("budget", "5000", at=NOW - 2 * DAY)
    assert one(stated) == ("budget", "5000", True, "field:budget", 2.0, pytest.approx(STATED, abs=0.01))


@pytest.mark.parametrize(
    ("row", "item", "said", "met"),
    [
        (value("budget", "0"), "budget", "0", False),
        (value("budget", "1250.5"), "budget", "1250.5", True),
        (value("timeline", "This quarter"), "timeline", "This quarter", True),
        (value("timeline", "No timeline"), "timeline", "No timeline", False),
        (value("need", "Faster quotes"), "need", "Faster quotes", True),
        (value("authority", "Influencer"), "authority", "influences", False),
        (value("authority", "Unknown"), "authority", "unknown", False),
    ],
)
def test_what_speaks_against_a_purchase_is_told_and_not_met(row: AttributeRow, item: str, said: str, met: bool) -> None:
    assert one(row)[:4] == (item, said, met, f"field:{row[1]}")


@pytest.mark.parametrize("kind", ASKED)
def test_who_asks_for_something_has_a_need(kind: ActivityKind) -> None:
    asked = act(kind.value, at=NOW - timedelta(hours=12), detail="Contact us")
    assert one(asked) == ("need", "Contact us", True, f"activity:{kind.value}", 0.5, ASKED[kind])


def test_the_newest_act_tells_and_a_field_more_than_any() -> None:
    acts = [act("demo_request", at=NOW - 9 * DAY), act("inbound_call", at=NOW - 3 * DAY)]
    assert one(*acts)[1:4] == ("inbound_call", True, "activity:inbound_call")
    assert one(*acts, value("need", "Speed", at=NOW - 90 * DAY))[3:5] == ("field:need", 90.0)


def test_a_title_tells_of_authority_where_no_field_does() -> None:
    assert one(value("title", "Head of IT"))[:4] == ("authority", "decides", True, "field:title")
    assert one(value("title", "Head of IT"))[5] == INFERRED
    assert one(value("title", "Head of IT"), value("authority", "User"))[:4] == (
        "authority", "user", False, "field:authority",
    )  # fmt: skip
    assert told(made(value("title", "Analyst"))).is_empty()


def test_evidence_fades() -> None:
    assert one(value("need", "Speed", at=NOW - 365 * DAY))[5] == pytest.approx(STATED / 2, abs=0.01)


def test_all_of_everybody_by_person_and_item() -> None:
    rows = [value(name, text, person=person) for person in (2, 1)
            for name, text in (("timeline", "Now"), ("need", "Speed"), ("title", "CEO"), ("budget", "9"))]  # fmt: skip
    found = told(facts(rows, people=(2, 1)))
    items = [item.value for item in Item]
    assert found.select("person_id", pl.col("item").cast(pl.String)).rows() == [(p, i) for p in (1, 2) for i in items]


def test_what_was_cleared_or_is_not_known_yet_tells_nothing() -> None:
    cleared = [value("budget", "9", at=NOW - 3 * DAY), value("budget", None)]
    assert told(
        made(*cleared, value("need", "Speed", known=NOW + DAY), act("demo_request", known=NOW + DAY))
    ).is_empty()


@pytest.mark.parametrize("row", read_table("authority.csv"), ids=lambda row: f"{row['language']}: {row['phrase']}")
def test_every_phrase_of_the_table_is_read(row: dict[str, str]) -> None:
    phrase = row["phrase"].replace("* ", " ").strip("* ")
    assert fold(phrase) == phrase
    stated = {"not", "non", "не"} & set(phrase.split())
    text = f"{phrase} x" if stated else phrase.upper()
    assert one(value("authority", text))[1] == row["authority"]
