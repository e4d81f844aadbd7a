from __future__ import annotations

from typing import Any

import pytest

from tests.unit.features.making import DAY, NOW, ColleagueRow, colleague, facts, with_colleagues
from worker.features.features import Features
from worker.features.matrix import matrix

FEATURES = Features.shipped().only(["engaged_colleagues_30d", "colleagues_active_days_30d"])
ACCOUNTS = {1: 70, 2: 70, 3: 71}


def engaged(*acts: ColleagueRow) -> dict[int, tuple[Any, ...]]:
    made = with_colleagues(facts(people=(1, 2, 3, 4), as_of={1: NOW, 2: NOW - 3 * DAY, 3: NOW, 4: NOW}), acts, ACCOUNTS)
    return {row[0]: row[2:] for row in matrix(made, FEATURES).rows()}


def test_each_person_sees_the_others_at_the_account_at_an_instant_of_their_own() -> None:
    acts = [
        colleague(2),
        colleague(2, at=NOW - 4 * DAY),
        colleague(8, at=NOW - 5 * DAY),
        colleague(1, at=NOW - 9 * DAY),
    ]
    assert engaged(*acts) == {1: (2, 3), 2: (2, 2), 3: (0, 0), 4: (None, None)}


def test_several_acts_of_a_colleague_on_a_day_are_one_day() -> None:
    acts = [colleague(8), colleague(8), colleague(8, at=NOW - DAY * 1.5), colleague(9)]
    assert engaged(*acts)[1] == (2, 2)


@pytest.mark.parametrize(
    ("act", "seen"),
    [
        (colleague(8, at=NOW - 30 * DAY), False),
        (colleague(8, at=NOW - 29.99 * DAY), True),
        (colleague(8, at=NOW - 29 * DAY, known=NOW), True),
        (colleague(8, at=NOW, known=NOW + DAY), False),
        (colleague(8, at=NOW + DAY, known=NOW), False),
        (colleague(8, until=NOW), False),
        (colleague(8, until=NOW + DAY), True),
        (colleague(8, account=71), False),
    ],
)
def test_only_what_was_known_of_the_last_month_counts(act: ColleagueRow, seen: bool) -> None:
    assert engaged(act)[1] == ((1, 1) if seen else (0, 0))


def test_without_facts_of_colleagues_nothing_is_known_of_them() -> None:
    assert matrix(facts(), FEATURES).row(0)[2:] == (None, None)
