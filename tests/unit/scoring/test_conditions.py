from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType

import pytest

from tests.unit.features.making import DAY, NOW, act, facts, value
from tests.unit.scoring.writing import when
from worker.scoring.score import score_rules


def asked(condition: str, attributes: Mapping[str, str] = MappingProxyType({}), activities: Sequence[str] = ()) -> bool:
    made = facts([value(name, text) for name, text in attributes.items()], [act(kind) for kind in activities])
    return bool(score_rules(made, when(condition)).people.get_column("score").item() == 10)


@pytest.mark.parametrize(
    ("condition", "attributes", "expected"),
    [
        ("{employees: {equals: 50}}", {"employees": "50.0"}, True),
        ("{employees: {in: [1, 50]}}", {"employees": "50"}, True),
        ("{employees: {in: [1, 51]}}", {"employees": "50"}, False),
        ("{employees: {at_least: 50}}", {"employees": "50"}, True),
        ("{employees: {at_least: 50}}", {"employees": "49.9"}, False),
        ("{employees: {at_most: 50}}", {"employees": "50"}, True),
        ("{employees: {at_most: 50}}", {"employees": "51"}, False),
        ("{employees: {between: [10, 50]}}", {"employees": "50"}, True),
        ("{employees: {between: [10, 50]}}", {"employees": "9"}, False),
        ("{employees: {at_least: 10, at_most: 20}}", {"employees": "30"}, False),
        ("{country: {equals: germany}}", {"country": " GERMANY "}, True),
        ("{country: {equals: \uff27ermany}}", {"country": "Germany"}, True),  # full-width G
        ("{country: {in: [NO, DE]}}", {"country": "no"}, True),  # NO is no flag here
        ("{country: {in: [NO, DE]}}", {"country": "Norway"}, False),
        ("{company: {equals: 010}}", {"company": "010"}, True),
        ("{title: {contains: engineer}}", {"title": "Software Engineering Lead"}, True),
        ("{title: {contains: [a.b, c]}}", {"title": "axb"}, False),
        ("{title: {contains_word: cto}}", {"title": "Director"}, False),
        ("{title: {contains_word: cto}}", {"title": "Founder/CTO, EMEA"}, True),
        ("{title: {contains_word: [x, vice president]}}", {"title": "Vice President (Sales)"}, True),
        ("{title: {contains_word: c++}}", {"title": "Lead C++ developer"}, True),
        ("{title: {contains_word: директор}}", {"title": "Генеральный Директор"}, True),
        ("{title: {contains_word: директор}}", {"title": "Директорат"}, False),
        ("{has_phone: true}", {"has_phone": "yes"}, True),
        ("{has_phone: false}", {"has_phone": "no"}, True),
        ("{has_phone: false}", {"has_phone": "yes"}, False),
        ("{has_phone: missing}", {}, True),
        ("{budget: missing}", {"budget": "unclear"}, True),
        ("{budget: missing}", {"budget": "1"}, False),
        ("{budget: present}", {"budget": "1"}, True),
        ("{renewal: {at_least: 2025-01-01}}", {"renewal": "2025-01-01"}, True),
        ("{renewal: {at_most: 2025-01-01}}", {"renewal": "2025-01-01T00:00:01Z"}, False),
        ("{renewal: {in_next: 30d}}", {"renewal": "2025-06-30"}, True),
        ("{renewal: {in_next: 30d}}", {"renewal": "2025-05-30"}, False),
        ("{renewal: {in_last: 30d}}", {"renewal": "2025-05-30"}, True),
        ("{renewal: {in_last: 30d}}", {"renewal": "2025-06-30"}, False),
        ("{title: present, budget: missing}", {"title": "CTO"}, True),
        ("{title: present, budget: present}", {"title": "CTO"}, False),
        ("{all: [{title: present}, {budget: missing}]}", {"title": "CTO"}, True),
        ("{any: [{title: missing}, {budget: missing}]}", {"title": "CTO"}, True),
        ("{any: [{title: missing}, {budget: present}]}", {"title": "CTO"}, False),
        ("{not: {title: present}}", {"title": "CTO"}, False),
        ("{not: {not: {title: present}}}", {"title": "CTO"}, True),
    ],
)
def test_conditions_row_by_row(condition: str, attributes: dict[str, str], expected: bool) -> None:
    assert asked(condition, attributes) is expected


@pytest.mark.parametrize(
    "question",
    [
        "employees: {at_most: 5}",
        "has_phone: true",
        "has_phone: false",
        "country: {equals: de}",
        "renewal: {in_last: 9d}",
    ],
)
def test_a_question_about_a_missing_value_is_answered_no_and_its_opposite_yes(question: str) -> None:
    assert not asked(f"{{{question}}}")
    assert asked(f"{{not: {{{question}}}}}")


@pytest.mark.parametrize(
    ("condition", "activities", "expected"),
    [
        ("{did: {activity: page_view}}", ("page_view",), True),
        ("{did: {activity: page_view}}", ("email_open",), False),
        ("{did: {activity: page_view, at_least: 2}}", ("page_view",), False),
        ("{did: {activity: page_view, at_least: 2}}", ("page_view", "page_view"), True),
        ("{did: {activity: [page_view, email_open], at_least: 2}}", ("page_view", "email_open"), True),
        ("{did: {caused_by: prospect}}", ("email_delivery", "sales_call"), False),
        ("{did: {caused_by: sales}}", ("email_delivery", "sales_call"), True),
        ("{not: {did: {caused_by: prospect}}}", (), True),
    ],
)
def test_what_a_person_did_can_be_asked(condition: str, activities: tuple[str, ...], expected: bool) -> None:
    assert asked(condition, activities=activities) is expected


@pytest.mark.parametrize(("age", "expected"), [(timedelta(days=7, seconds=-1), True), (timedelta(days=7), False)])
def test_a_window_is_open_at_its_far_end(age: timedelta, expected: bool) -> None:
    made = facts(activities=[act("page_view", at=NOW - age)])
    people = score_rules(made, when("{did: {activity: page_view, within: 7d}}")).people
    assert (people.get_column("score").item() == 10) is expected


def test_what_a_person_did_is_asked_of_that_person() -> None:
    made = facts(activities=[act("page_view", person=2, at=NOW - DAY)], people=(1, 2))
    assert score_rules(made, when("{did: {activity: page_view}}")).people.get_column("score").to_list() == [0, 10]
