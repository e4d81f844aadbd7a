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
    frame = build(facts(*rows), SHIPPED, ["title"])
    assert frame.people.get_column("title").item() == ("CTO" if visible else None)
    assert len(frame.activities) == visible


def test_people_come_in_order_and_only_those_who_existed() -> None:
    made = facts(people=(3, 1, 2))
    late = made.people.with_columns(created_at=pl.when(person_id=2).then(NOW + DAY).otherwise("created_at"))
    frame = build(Facts(late, made.attributes, made.activities), SHIPPED, ["title", "free_mail"])
    assert frame.people.get_column("person_id").to_list() == [1, 3]
    assert frame.people.columns == ["person_id", "as_of", "free_mail", "title"]


def test_dictionary_encoded_words_are_as_good_as_text() -> None:
    made = facts([value("title", "CTO")], [act("page_view", detail="/a"), act("page_view", detail="/a", source="b")])
    encoded = Facts(
        made.people,
        made.attributes.with_columns(pl.col("name").cast(pl.Enum(["title"]))),
        made.activities.with_columns(pl.col("kind", "detail", "source").cast(pl.Categorical)),
    )
    plain, coded = (build(each, SHIPPED, ["title", "budget"]) for each in (made, encoded))
    assert plain.people.equals(coded.people)
    assert plain.activities.equals(coded.activities.with_columns(pl.col("detail").cast(pl.String)))


def test_a_fact_is_seen_until_it_is_retracted() -> None:
    made = facts([value("title", "CTO", until=NOW + DAY)], [act("page_view", until=NOW)])
    frame = build(made, SHIPPED, ["title"])
    assert frame.people.get_column("title").item() == "CTO"
    assert frame.activities.is_empty()


def test_everybody_is_seen_at_an_instant_of_their_own() -> None:
    rows = [value("title", "CTO", person=p) for p in (1, 2)], [act("page_view", person=p) for p in (1, 2)]
    frame = build(facts(*rows, people=(1, 2), as_of={1: NOW, 2: NOW - 2 * DAY}), SHIPPED, ["title"])
    assert frame.people.rows() == [(1, NOW, "CTO"), (2, NOW - 2 * DAY, None)]
    assert frame.activities.select("person_id", "age").rows() == [(1, 86_400.0)]


def test_a_person_asked_for_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="asked for twice"):
        build(facts(people=(2, 1, 2)), SHIPPED, ())


def test_an_instant_without_a_time_zone_is_refused() -> None:
    made = facts()
    naive = made.people.with_columns(pl.col("as_of").dt.replace_time_zone(None))
    with pytest.raises(TypeError, match=r"people\.as_of"):
        Facts(naive, made.attributes, made.activities)


def test_an_attribute_outside_the_catalogue_is_refused() -> None:
    with pytest.raises(ValueError, match="shoe_size"):
        build(facts(), SHIPPED, ["shoe_size"])


def test_a_frame_of_the_wrong_shape_is_refused_by_column() -> None:
    made = facts()
    with pytest.raises(TypeError, match=r"activities\.known_at.*Datetime"):
        Facts(made.people, made.attributes, made.activities.with_columns(pl.col("known_at").cast(pl.Int64)))
    with pytest.raises(TypeError, match=r"people\.created_at: found None"):
        Facts(made.people.drop("created_at"), made.attributes, made.activities)
