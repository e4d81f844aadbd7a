"""What holds for any facts and every feature that comes with the product."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.records import ActivityKind, Cause
from tests.unit.features.making import (
    DAY,
    NOW,
    ActivityRow,
    AttributeRow,
    ColleagueRow,
    act,
    colleague,
    facts,
    value,
    with_colleagues,
)
from worker.features.catalogue import Attribute, AttributeType, Catalogue
from worker.features.facts import INSTANT, Facts
from worker.features.feature import FeatureType
from worker.features.features import Features
from worker.features.matrix import matrix

CATALOGUE = Catalogue.shipped().extended(
    {
        "renewal": Attribute(AttributeType.DATE, "Renewal", feature=True),
        "plan": Attribute(AttributeType.TEXT, "Plan", cause=Cause.PROSPECT, stable=True, feature=True),
        "seats": Attribute(AttributeType.NUMBER, "Seats", feature=True),
        "beta": Attribute(AttributeType.FLAG, "Beta", feature=True),
        "shoe_size": Attribute(AttributeType.NUMBER, "Shoe size"),
    }
)
FEATURES = Features.of(CATALOGUE)
PEOPLE = (1, 2, 3, 4, 5, 6, 7, 9)
ACCOUNTS = {1: 70, 2: 70, 3: 71, 7: 71}

instants = st.integers(-200 * 86_400, 20 * 86_400).map(lambda seconds: NOW + timedelta(seconds=seconds))
persons = st.sampled_from(PEOPLE)
held = st.sampled_from(
    [
        *(("title", text) for text in ("CTO", "Vertriebsleiterin", "?", None)),
        *(("employees", text) for text in ("1200", "0", "-1", "many")),
        *(("annual_revenue", text) for text in ("1e6", "1e999")),
        *(("country", text) for text in ("Germany", "Deutschland", "US", "Atlantis")),
        *(("email_domain", text) for text in ("gmail.com", "acme.com", "mailinator.com")),
        *(("website", text) for text in ("https://www.acme.com/about", "nowhere")),
        *(("timeline", text) for text in ("This quarter", "3-6 months", "no idea")),
        *(("budget", text) for text in ("20000", "0", None)),
        *(("authority", text) for text in ("Decision maker", "Unknown")),
        ("industry", "COMPUTER_SOFTWARE"),
        ("lead_source", "Web"),
        ("need", "Replace a spreadsheet"),
        ("status", "Working"),
        ("page_views", "12"),
        ("renewal", "2025-07-01"),
        ("plan", "Gold"),
        ("seats", "12.5"),
        ("beta", "yes"),
    ]
)
moments = st.one_of(instants, st.integers(0, 15).map(lambda seconds: NOW - DAY + timedelta(seconds=seconds)))
"""Anywhen, or so close together that scanners and visits show."""


@st.composite
def values(draw: st.DrawFn) -> AttributeRow:
    at = draw(instants)
    known = at + timedelta(days=draw(st.integers(0, 40)))
    until = draw(st.none() | st.integers(1, 30).map(lambda days: known + days * DAY))
    rank, record = draw(st.integers(0, 1)), draw(st.integers(10, 12))
    return value(*draw(held), person=draw(persons), at=at, known=known, rank=rank, record=record, until=until)


@st.composite
def acts(draw: st.DrawFn) -> ActivityRow:
    at = draw(moments)
    return act(
        draw(st.sampled_from(list(ActivityKind))).value,
        person=draw(persons),
        at=at,
        known=at + draw(st.integers(0, 2)) * DAY,
        detail=draw(st.sampled_from([None, "/pricing", "/a", "/b", "Whitepaper: X"])),
        source=draw(st.sampled_from(["org", "portal"])),
        until=draw(st.none() | st.just(NOW - timedelta(hours=1))),
        duration=draw(st.none() | st.floats(0, 4000)),
    )


@st.composite
def others(draw: st.DrawFn) -> ColleagueRow:
    at = draw(moments)
    return colleague(
        draw(persons | st.just(8)),
        account=draw(st.sampled_from([70, 71])),
        at=at,
        known=at + draw(st.integers(0, 2)) * DAY,
    )


Rows = tuple[list[AttributeRow], list[ActivityRow], list[ColleagueRow]]
rows = st.tuples(st.lists(values(), max_size=40), st.lists(acts(), max_size=80), st.lists(others(), max_size=20))
few = settings(deadline=None, max_examples=5)
"""An example holds many people."""


def made(given: Rows, as_of: datetime | Mapping[int, datetime] = NOW) -> Facts:
    return with_colleagues(facts(*given[:2], people=PEOPLE, as_of=as_of), given[2], ACCOUNTS)


@given(rows)
@few
def test_columns_are_typed_as_declared_and_numbers_are_finite(given: Rows) -> None:
    table = matrix(made(given), FEATURES)
    assert table.columns == ["person_id", "as_of", *(feature.name for feature in FEATURES)]
    assert table.get_column("person_id").to_list() == list(PEOPLE)
    for feature in FEATURES:
        column = table.get_column(feature.name)
        assert column.dtype == feature.type.dtype
        if feature.type is FeatureType.NUMBER:
            assert all(math.isfinite(number) and math.copysign(1, number or 1) for number in column.drop_nulls())


@given(rows, st.randoms(use_true_random=False))
@few
def test_the_order_of_facts_changes_nothing(given: Rows, random: Random) -> None:
    shuffled: Rows = (list(given[0]), list(given[1]), list(given[2]))
    for each in shuffled:
        random.shuffle(each)
    assert matrix(made(given), FEATURES).equals(matrix(made(shuffled), FEATURES))


@given(rows, rows, st.integers(1, 10**13), st.randoms(use_true_random=False))
@few
def test_what_happened_or_became_known_or_was_retracted_after_the_instant_changes_nothing(
    given: Rows, later: Rows, microseconds: int, random: Random
) -> None:
    after = NOW + timedelta(microseconds=microseconds)

    def late(row: tuple[Any, ...], *places: int) -> Any:
        """It happened after the instant, or became known then."""
        place = random.choice(places)
        return (*row[:place], after, *row[place + 1 :])

    gone: list[ActivityRow] = [(*row[:6], row[6] or after, row[7]) for row in given[1]]
    more: Rows = (
        [*given[0], *(late(row, 3, 4) for row in later[0])],
        [*gone, *(late(row, 3, 4) for row in later[1])],
        [*given[2], *(late(row, 2, 3) for row in later[2])],
    )
    assert matrix(made(given), FEATURES).equals(matrix(made(more), FEATURES))


@given(rows)
@few
def test_what_was_retracted_by_the_instant_changes_nothing(given: Rows) -> None:
    gone: list[ActivityRow] = [(*row[:6], NOW, row[7]) for row in given[1]]
    cleared: list[AttributeRow] = [(*row[:7], NOW) for row in given[0]]
    left: list[ColleagueRow] = [(*row[:4], NOW) for row in given[2]]
    nothing = matrix(made(([], [], [])), FEATURES)
    assert matrix(made((cleared, gone, left)), FEATURES).equals(nothing)


@given(rows, st.lists(instants, min_size=len(PEOPLE), max_size=len(PEOPLE)), st.sets(persons, min_size=1, max_size=3))
@few
def test_a_row_alone_is_the_row_in_company(given: Rows, at: list[datetime], some: set[int]) -> None:
    together = made(given, dict(zip(PEOPLE, at, strict=True)))
    table = matrix(together, FEATURES)
    for person in some:
        alone = replace(
            together,
            people=together.people.filter(person_id=person),
            attributes=together.attributes.filter(person_id=person),
            activities=together.activities.filter(person_id=person),
        )
        assert matrix(alone, FEATURES).equals(table.filter(person_id=person))


@given(rows)
@few
def test_a_column_alone_is_the_column_in_company(given: Rows) -> None:
    table = matrix(made(given), FEATURES)
    names = ["custom_plan", "days_since_change", "bot_acts_filtered", "engaged_colleagues_30d", "page_views_30d"]
    assert matrix(made(given), FEATURES.only(names)).equals(table.select("person_id", "as_of", *names))


@given(rows)
@few
def test_machine_acts_count_when_they_are_to(given: Rows) -> None:
    counting, names = (
        Features.of(CATALOGUE, bots_count=True),
        ["mails_opened_90d", "mails_clicked_90d", "page_views_90d"],
    )
    without, table = matrix(made(given), FEATURES), matrix(made(given), counting)
    assert table.get_column("bot_acts_filtered").to_list() == [0.0] * len(PEOPLE)
    assert table.select(pl.sum_horizontal(names)).equals(
        without.select(pl.sum_horizontal([*names, "bot_acts_filtered"]).alias(names[0]))
    )


def test_who_has_no_record_yet_has_no_row() -> None:
    known = facts(people=(1, 2), as_of={1: NOW, 2: NOW - 2000 * DAY})
    assert matrix(known, FEATURES).get_column("person_id").to_list() == [1]


def test_nobody_has_a_table_of_the_same_shape() -> None:
    empty, one = matrix(facts(people=()), FEATURES), matrix(facts(), FEATURES)
    assert empty.is_empty()
    assert empty.schema == one.schema


def test_words_may_be_dictionary_encoded() -> None:
    plain = facts([value("title", "CTO")], [act("page_view", detail="/a"), act("form_submission", detail="Contact us")])
    coded = Facts(
        plain.people,
        plain.attributes.with_columns(pl.col("name").cast(pl.Categorical)),
        plain.activities.with_columns(pl.col("kind", "detail", "source").cast(pl.Categorical)),
    )
    assert matrix(plain, FEATURES).equals(matrix(coded, FEATURES))


def test_ids_need_not_be_dense() -> None:
    sparse = facts(activities=[act("page_view", person=p) for p in (3, 10**12, 4)], people=(10**12, 3))
    assert matrix(sparse, FEATURES).select("person_id", "page_views_7d").rows() == [(3, 1.0), (10**12, 1.0)]


@pytest.mark.parametrize("at", [datetime(1901, 1, 1, tzinfo=UTC), datetime(2190, 1, 1, tzinfo=UTC)])
def test_odd_clocks_break_nothing(at: datetime) -> None:
    known = facts(activities=[act("page_view", at=at, detail="/a"), act("page_view", at=at)], as_of=max(at, NOW))
    row = matrix(known, FEATURES).row(0, named=True)
    assert row["acts_90d"] == (2 if at > NOW else 0)
    assert matrix(known, FEATURES).schema["as_of"] == INSTANT
