from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.unit.features.making import DAY, NOW, ActivityRow, act, facts
from worker.features.catalogue import Catalogue
from worker.features.frame import build

AT = NOW - DAY


def seen(*rows: ActivityRow) -> list[tuple[Any, ...]]:
    frame = build(facts(activities=rows, people=(1, 2)), Catalogue.shipped(), ())
    return sorted(frame.activities.select("person_id", "kind", "n").rows())


def test_the_same_act_in_two_crms_counts_once() -> None:
    assert seen(act("page_view", source="org"), act("page_view", source="portal")) == [(1, "page_view", 1)]


def test_two_alike_acts_of_one_crm_are_two() -> None:
    assert sum(n for *_, n in seen(act("page_view"), act("page_view"))) == 2


def test_alike_acts_count_as_often_as_in_the_crm_that_has_most() -> None:
    rows = [act("page_view", source="org")] * 2 + [act("page_view", source="portal")] * 3
    assert seen(*rows) == [(1, "page_view", 3)]


def test_crms_may_differ_in_precision_below_the_second() -> None:
    precise = act("page_view", source="portal", at=AT + timedelta(milliseconds=480))
    assert seen(act("page_view", at=AT), precise) == [(1, "page_view", 1)]


def test_acts_that_differ_in_person_kind_second_or_detail_are_different() -> None:
    rows = [
        act("page_view"),
        act("page_view", source="portal", person=2),
        act("email_open", source="portal"),
        act("page_view", source="portal", at=AT + timedelta(seconds=1)),
        act("page_view", source="portal", detail="/pricing"),
    ]
    assert len(seen(*rows)) == 5


def test_a_kind_nobody_knows_is_left_out() -> None:
    assert seen(act("page_view"), act("telepathy")) == [(1, "page_view", 1)]


def test_a_second_before_1970_is_floored_like_any_other() -> None:
    early = datetime(1969, 12, 31, 23, 59, 58, 700_000, tzinfo=UTC)
    rows = [
        act("event_attendance", at=early),
        act("event_attendance", at=early.replace(microsecond=0), source="portal"),
    ]
    assert seen(*rows) == [(1, "event_attendance", 1)]
