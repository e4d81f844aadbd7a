from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.features.making import DAY, NOW, ActivityRow, act, facts, value
from worker.features.features import Features
from worker.features.matrix import matrix

SHIPPED = Features.shipped()
MINUTE = timedelta(minutes=1)


def seen(name: str, *activities: ActivityRow) -> Any:
    return matrix(facts(activities=activities), SHIPPED.only([name])).get_column(name).item()


def ago(days: float, kind: str = "page_view", detail: str | None = None, source: str = "org") -> ActivityRow:
    return act(kind, at=NOW - days * DAY, detail=detail, source=source)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("page_views_7d", 1), ("page_views_30d", 2), ("page_views_90d", 3), ("pricing_views_90d", 0), ("acts_90d", 4)],
)
def test_acts_are_counted_over_windows_that_end_at_the_instant(name: str, expected: int) -> None:
    assert seen(name, ago(1), ago(7), ago(30), ago(90), ago(2, "email_open"), ago(3, "sales_call")) == expected


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("pricing_page_view", "pricing_views_90d"),
        ("careers_page_view", "careers_views_90d"),
        ("content_download", "downloads_90d"),
        ("form_submission", "forms_90d"),
        ("demo_request", "demo_requests_90d"),
        ("demo_video_view", "demo_videos_90d"),
        ("webinar_registration", "webinar_registrations_90d"),
        ("webinar_attendance", "webinars_attended_90d"),
        ("event_attendance", "events_attended_90d"),
        ("campaign_response", "campaign_responses_90d"),
        ("email_open", "mails_opened_90d"),
        ("email_click", "mails_clicked_90d"),
        ("email_reply", "mails_answered_90d"),
        ("unsubscribe", "unsubscribes_90d"),
        ("inbound_call", "inbound_calls_90d"),
        ("email_delivery", "mails_delivered_90d"),
        ("sales_email", "sales_emails_90d"),
        ("sales_call", "sales_calls_90d"),
        ("meeting", "meetings_90d"),
        ("note", "notes_90d"),
        ("task", "tasks_90d"),
    ],
)
def test_every_kind_has_a_count_of_its_own(kind: str, name: str) -> None:
    assert seen(name, ago(1, kind), ago(2, kind), ago(3, "campaign_send")) == 2


@pytest.mark.parametrize(("days", "weight"), [(0, 1.0), (14, 0.5), (28, 0.25), (140, 2**-10)])
def test_an_act_weighs_half_after_every_half_life(days: float, weight: float) -> None:
    assert seen("pricing_views_decayed", ago(days, "pricing_page_view")) == pytest.approx(weight, abs=1e-8)


def test_the_same_act_of_two_crms_counts_once() -> None:
    assert seen("page_views_7d", ago(1), ago(1, source="portal")) == 1


def test_half_an_hour_of_silence_ends_a_visit() -> None:
    start = NOW - DAY
    views = [act("page_view", at=start + minutes * MINUTE) for minutes in (0, 30, 60, 91, 95)]
    assert seen("sessions_30d", *views) == 2
    assert seen("minutes_on_site_30d", *views) == 60 + 4


def test_what_the_source_says_of_the_length_of_views_counts_where_it_is_longer() -> None:
    start = NOW - DAY
    views = [act("page_view", at=start, duration=600.0), act("page_view", at=start + MINUTE, duration=30.0)]
    assert seen("minutes_on_site_30d", *views) == 10.5
    assert seen("minutes_on_site_30d", act("page_view", at=start)) == 0


def test_a_visit_counts_by_when_it_began() -> None:
    views = [act("page_view", at=NOW - 30 * DAY + minutes * MINUTE) for minutes in (-10, 10)]
    assert seen("sessions_30d", *views) == 0
    assert seen("sessions_90d", *views) == 1


def test_pages_are_told_apart_by_their_path() -> None:
    views = [ago(1, detail="/a"), ago(2, detail="/a"), ago(3, detail="/b"), ago(4), ago(91, detail="/c")]
    assert seen("distinct_pages_90d", *views) == 2


def test_active_days_are_counted_back_from_the_instant() -> None:
    assert seen("active_days_30d", ago(0.1), ago(0.9), ago(1.1), ago(29.9), ago(30.1), ago(2, "note")) == 3
    assert seen("active_days_90d", ago(0.1), ago(30.1), ago(89.9), ago(90)) == 3


@pytest.mark.parametrize(
    ("recent", "before", "trend"), [(0, 0, 0.0), (3, 3, 0.0), (3, 1, 1.0), (1, 3, -1.0), (0, 7, -3.0)]
)
def test_the_trend_compares_a_month_with_the_one_before(recent: int, before: int, trend: float) -> None:
    acts = [*(ago(1 + i) for i in range(recent)), *(ago(31 + i) for i in range(before)), ago(61)]
    assert seen("engagement_trend", *acts) == pytest.approx(trend)


def test_days_since() -> None:
    acts = [ago(2, "email_open"), ago(5), ago(1, "note")]
    assert seen("days_since_act", *acts) == 2
    assert seen("days_since_visit", *acts) == 5
    assert seen("days_since_sales", *acts) == 1
    assert seen("days_since_visit") is None


def test_the_first_source_is_the_crms_or_the_kind_of_the_first_act() -> None:
    acts = [ago(2, "form_submission", "Contact us"), ago(9, "webinar_registration", "Spring"), ago(20, "note")]
    names = ["first_source", "latest_source", "latest_campaign"]
    assert matrix(facts(activities=acts), SHIPPED.only(names)).row(0)[2:] == (
        "webinar_registration", "form_submission", "Contact us",
    )  # fmt: skip
    told = facts([value("lead_source", "Trade Show")], acts)
    assert matrix(told, SHIPPED.only(["first_source"])).row(0)[2] == "trade show"


def test_the_engagement_score_adds_up_behaviours_by_weight_and_age() -> None:
    assert seen("engagement_score") == 0
    opened, asked = seen("engagement_score", ago(0, "email_open")), seen("engagement_score", ago(0, "demo_request"))
    assert asked == pytest.approx(100 * (1 - 2.718281828 ** (-20 / 30)))
    assert 0 < opened < asked
    assert seen("engagement_score", ago(14, "demo_request")) == pytest.approx(100 * (1 - 2.718281828 ** (-10 / 30)))
    many = [ago(i / 100, "demo_request") for i in range(50)]
    assert asked < seen("engagement_score", *many) <= 100


def test_the_first_act_after_the_record_was_made_is_timed() -> None:
    made, name = NOW - 10 * DAY, "hours_to_first_act"

    def hours(*activities: ActivityRow) -> Any:
        return matrix(facts(activities=activities, since=made), SHIPPED.only([name])).get_column(name).item()

    assert hours(ago(12), ago(9.5), ago(8), ago(9.9, "note")) == pytest.approx(12)
    assert hours(ago(12)) is None


def test_the_lead_ages_and_fields_change() -> None:
    rows = [value("title", "CTO", at=NOW - 3 * DAY), value("status", "Working"), value("employees", "9", rank=1)]
    table = matrix(facts(rows, since=NOW - 100 * DAY), SHIPPED.only(["lead_age_days", "days_since_change"]))
    assert table.row(0)[2:] == (100, 3)
