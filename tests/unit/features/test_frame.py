from __future__ import annotations

from datetime import datetime

import polars as pl
import pytest

from tests.unit.features.making import DAY, NOW, act, facts, value
from worker.features.catalogue import Catalogue
from worker.features.facts import Facts
from worker.features.frame import build

SHIPPED = Catalogue.shipped()


@pytest.mark.parametrize(
    ("occurred", "known", "visible"),
    [
        (NOW, NOW, True),
        (NOW - DAY, NOW - DAY, True),
        (NOW + DAY, NOW - DAY, False),  # a due date, say
        (NOW - DAY, NOW + DAY, False),  # learnt later
    ],
)
def test_a_fact_is_seen_once_it_has_both_happened_and_become_known(
    occurred: datetime, known: datetime, visible: bool
) -> None:
    rows = [value("title", "CTO", at=occurred, known=known)], [act("page_view", at=occurred, known=known)]
    frame = build(facts(*rows), NOW, SHIPPED, ["title"])
    assert frame.people.get_column("title").item() == ("CTO" if visible else None)
    assert len(frame.activities) == visible


def test_people_come_in_order_and_only_those_who_existed() -> None:
    made = facts(people=(3, 1, 2))
    late = made.people.with_columns(created_at=pl.when(person_id=2).then(NOW + DAY).otherwise("created_at"))
    frame = build(Facts(late, made.attributes, made.activities), NOW, SHIPPED, ["title", "free_mail"])
    assert frame.people.get_column("person_id").to_list() == [1, 3]
    assert frame.people.columns == ["person_id", "free_mail", "title"]


def test_dictionary_encoded_words_are_as_good_as_text() -> None:
    made = facts([value("title", "CTO")], [act("page_view", detail="/a"), act("page_view", detail="/a", source="b")])
    encoded = Facts(
        made.people,
        made.attributes.with_columns(pl.col("name").cast(pl.Enum(["title"]))),
        made.activities.with_columns(pl.col("kind", "detail", "source").cast(pl.Categorical)),
    )
    plain, coded = (build(each, NOW, SHIPPED, ["title", "budget"]) for each in (made, encoded))
    assert plain.people.equals(coded.people)
    assert plain.activities.equals(coded.activities.with_columns(pl.col("detail").cast(pl.String)))


def test_an_instant_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        build(facts(), NOW.replace(tzinfo=None), SHIPPED, ())


def test_an_attribute_outside_the_catalogue_is_refused() -> None:
    with pytest.raises(ValueError, match="shoe_size"):
        build(facts(), NOW, SHIPPED, ["shoe_size"])


def test_a_frame_of_the_wrong_shape_is_refused_by_column() -> None:
    made = facts()
    with pytest.raises(TypeError, match=r"activities\.known_at.*Datetime"):
        Facts(made.people, made.attributes, made.activities.with_columns(pl.col("known_at").cast(pl.Int64)))
    with pytest.raises(TypeError, match=r"people\.created_at: found None"):
        Facts(made.people.drop("created_at"), made.attributes, made.activities)
