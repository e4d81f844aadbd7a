from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.features.making import DAY, NOW, ActivityRow, act, facts
from worker.features.catalogue import Catalogue
from worker.features.features import Features
from worker.features.matrix import matrix

START = NOW - DAY + timedelta(seconds=7)  # not on a whole minute


def left_out(*activities: ActivityRow) -> float:
    people = sorted({activity[0] for activity in activities})
    table = matrix(facts(activities=activities, people=people), Features.shipped().only(["bot_acts_filtered"]))
    return float(table.get_column("bot_acts_filtered").sum())


def at(seconds: float, kind: str = "email_click", link: str | None = "/a", person: int = 1) -> ActivityRow:
    return act(kind, at=START + timedelta(seconds=seconds), detail=link, person=person)


def test_many_links_within_two_seconds_are_a_machines() -> None:
    assert left_out(at(0, link="/a"), at(1, link="/b"), at(2, link="/c")) == 3


def test_a_click_of_the_same_machine_on_a_link_again_goes_with_the_rest() -> None:
    assert left_out(at(0, link="/a"), at(0, link="/a"), at(1, link="/b"), at(2, link="/c")) == 4


@pytest.mark.parametrize(
    "acts",
    [
        [at(0, link="/a"), at(1, link="/b")],
        [at(0, link="/a"), at(1, link="/a"), at(2, link="/a")],
        [at(0, link="/a"), at(1, link="/b"), at(3, link="/c")],
        [at(0, link=None), at(1, link=None), at(2, link=None)],
        [at(0, link="/a"), at(1, link="/b"), at(2, link="/c", person=2)],
        [at(0, link="/a"), at(1, link="/b"), at(2, "page_view", "/c")],
    ],
    ids=["two links", "one link thrice", "three seconds", "no links", "two people", "a click is no view"],
)
def test_what_a_person_can_do_is_a_persons(acts: list[ActivityRow]) -> None:
    assert left_out(*acts) == 0


def test_a_person_before_and_after_a_machine_stays() -> None:
    burst = [at(0, link="/a"), at(1, link="/b"), at(1, link="/c")]
    assert left_out(at(-60, link="/a"), *burst, at(3600, link="/b")) == 3


def test_a_crawler_of_pages_is_a_machine() -> None:
    views = [at(0, "page_view", "/a"), at(0, "pricing_page_view", "/pricing"), at(1, "page_view", "/b")]
    assert left_out(*views) == 3


@pytest.mark.parametrize(
    ("kind", "after", "machine"),
    [
        ("email_open", 0, True),
        ("email_open", 3, True),
        ("email_open", 4, False),
        ("email_click", 10, True),
        ("email_click", 11, False),
        ("email_click", -1, False),
        ("page_view", 0, False),
    ],
)
@pytest.mark.parametrize("delivery", ["email_delivery", "campaign_send"])
def test_nobody_reads_a_mail_the_moment_it_comes(kind: str, after: int, machine: bool, delivery: str) -> None:
    assert left_out(at(0, delivery, None), at(after, kind)) == machine


def test_another_persons_mail_is_no_evidence() -> None:
    assert left_out(at(0, "email_delivery", None, person=2), at(1, "email_open")) == 0


@pytest.mark.parametrize("second", [0, 59])
def test_what_is_known_to_the_minute_or_the_day_only_is_no_evidence(second: int) -> None:
    moment = START.replace(second=second)
    links = [act("email_click", at=moment, detail=link) for link in ("/a", "/b", "/c")]
    assert left_out(act("email_delivery", at=moment), *links) == 0
    assert left_out(*links, act("email_click", at=moment + timedelta(seconds=1), detail="/d")) == 4


def test_the_filter_can_be_turned_off_and_the_features_say_so() -> None:
    counting = Features.of(Catalogue.shipped(), bots_count=True)
    acts = [at(0, link="/a"), at(1, link="/b"), at(2, link="/c")]
    names = ["mails_clicked_7d", "bot_acts_filtered"]
    assert matrix(facts(activities=acts), Features.shipped().only(names)).row(0)[2:] == (0, 3)
    assert matrix(facts(activities=acts), counting.only(names)).row(0)[2:] == (3, 0)
    units = {each.name: each.unit for each in counting}
    assert units["mails_clicked_7d"] == "acts, machines' too"
    assert units["forms_7d"] == "acts"
