from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mixpanel.mapping import EVENTS, EventMapper, anonymous
from connectors.mixpanel.session import records
from connectors.mixpanel.values import instant, rendered, score_fields, seconds, since_epoch
from connectors.records import ScoreField, Value
from tests.unit.connectors.mixpanel.test_mixpanel_settings import settings

NAMES = {field: f"lead_gauge_{field.value}" for field in ScoreField}
UTC_ZONE, PACIFIC = ZoneInfo("UTC"), ZoneInfo("America/Los_Angeles")
REASONS = ScoreField.REASONS
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=255)


def kept(text: str) -> str:
    """As Mixpanel keeps a text."""
    return text.encode()[:255].decode(errors="ignore")


def held(values: dict[ScoreField, Value], before: dict[str, Any]) -> dict[str, Any]:
    """What a profile holds after an update."""
    given, taken = rendered(values, NAMES, before)
    after = before | {name: kept(value) if isinstance(value, str) else value for name, value in given.items()}
    return {name: value for name, value in after.items() if name not in taken}


@given(TEXT, TEXT)
def test_reasons_of_up_to_255_characters_are_held_whole_whatever_stood_there(before: str, text: str) -> None:
    profile = held({REASONS: text}, held({REASONS: before}, {}))
    if len(text.encode()) <= 3 * 252:  # a part may end up to three bytes early, to keep a character whole
        assert score_fields(profile, NAMES).get(REASONS, "") == text


@given(
    st.integers(0, 100), st.floats(0, 100).map(lambda x: round(x, 1)),
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 - made aware below
)  # fmt: skip
def test_what_is_written_is_read_as_it_was(score: int, percent: float, at: datetime) -> None:
    at = at.replace(tzinfo=UTC, microsecond=0)
    values: dict[ScoreField, Value] = {
        ScoreField.SCORE: score, ScoreField.PROBABILITY: percent, ScoreField.SCORED_AT: at, ScoreField.GRADE: "A1",
    }  # fmt: skip
    assert score_fields(held(values, {}), NAMES) == values
    assert score_fields(held(dict.fromkeys(values), held(values, {})), NAMES) == {}


@pytest.mark.parametrize(
    ("raw", "shown"),
    [("many", "many"), ([1], "[1]"), (True, "True"), ("2026-11-23", datetime(2026, 11, 23, tzinfo=UTC))],
)
def test_what_somebody_put_in_a_field_s_place_is_shown_as_it_is(raw: Any, shown: Value) -> None:
    field = ScoreField.SCORED_AT if isinstance(shown, datetime) else ScoreField.SCORE
    assert score_fields({NAMES[field]: raw}, NAMES) == {field: shown}


@pytest.mark.parametrize(
    ("raw", "zone", "at"),
    [
        ("2026-03-02T09:30:15", UTC_ZONE, "2026-03-02T09:30:15Z"),
        ("2026-03-02 09:30:15", PACIFIC, "2026-03-02T17:30:15Z"),
        ("2026-03-02T09:30:15+01:00", PACIFIC, "2026-03-02T08:30:15Z"),
        ("2026-03-02", UTC_ZONE, "2026-03-02T00:00:00Z"),
        (1_772_443_815, UTC_ZONE, "2026-03-02T09:30:15Z"),
        (1_772_443_815_000, UTC_ZONE, "2026-03-02T09:30:15Z"),
        (1_772_443_815, PACIFIC, "2026-03-02T17:30:15Z"),
        ("yesterday", UTC_ZONE, None), (None, UTC_ZONE, None), (True, UTC_ZONE, None), (1e300, UTC_ZONE, None),
    ],
)  # fmt: skip
def test_stamps(raw: Any, zone: ZoneInfo, at: str | None) -> None:
    assert instant(raw, zone) == (datetime.fromisoformat(at) if at else None)


@given(st.integers(1_000_000_000, 2_000_000_000))
def test_an_instant_asked_for_is_the_instant_told(number: int) -> None:
    for zone in (UTC_ZONE, ZoneInfo("Asia/Kolkata")):
        assert seconds(since_epoch(number, zone), zone) == number


@pytest.mark.parametrize(
    ("id", "properties", "nobody"),
    [
        ("u1", {}, False), ("$device:a-b", {}, True), ("", {}, True), ("a-b", {"$device_id": "a-b"}, True),
        ("a-b", {"$device_id": "a-b", "$user_id": "a-b"}, False), ("u1", {"$device_id": "a-b"}, False),
    ],
)  # fmt: skip
def test_who_is_nobody_yet(id: str, properties: dict[str, str], nobody: bool) -> None:
    assert anonymous(id, properties) is nobody


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("$identify", None), ("Viewed Pricing", "pricing_page_view"), ("Checkout started", "pricing_page_view"),
        ("Watched demo video", "demo_video_view"), ("Demo requested", "demo_request"),
        ("Trial Started", "demo_request"), ("Joined webinar", "webinar_attendance"),
        ("Webinar signup", "webinar_registration"), ("Download e-book", "content_download"),
        ("Unsubscribed", "unsubscribe"), ("Email opened", "email_open"), ("Clicked email", "email_click"),
        ("Signed Up", "form_submission"), ("$mp_web_page_view", "page_view"), ("Moved the mouse", None),
        ("Upgraded", "deal:won"), ("Internal page view", None),
    ],
)  # fmt: skip
def test_what_an_event_means(name: str, kind: str | None) -> None:
    own = [{"pattern": "^upgraded$", "outcome": "won"}, {"pattern": "internal", "skip": True}]
    row = {"event": name, "properties": {"time": 1_772_443_815_000, "distinct_id": "u1"}}
    assert [held.kind for held in EventMapper(settings(events=own)).held([row])] == ([kind] if kind else [])


def test_every_shipped_pattern_is_tested() -> None:
    assert len(EVENTS) == 12


@pytest.mark.parametrize(
    "row",
    [
        {}, {"event": "Page view"}, {"event": "Page view", "properties": 3},
        {"event": "Page view", "properties": {"distinct_id": "u1"}},
        {"event": "Page view", "properties": {"distinct_id": "u1", "time": "soon"}},
        {"event": "Page view", "properties": {"distinct_id": "u1", "time": 1e300}},
        {"event": "Page view", "properties": {"time": 1}},
    ],
)  # fmt: skip
def test_an_event_that_is_none_is_left_out(row: dict[str, Any]) -> None:
    assert list(EventMapper(settings()).held([row])) == []


def test_an_address_is_told_by_its_path() -> None:
    properties = {"distinct_id": "u1", "time": 1, "$current_url": "https://acme.test/plans?email=ann@acme.test"}
    own = [{"pattern": "page view", "kind": "page_view", "detail": "$current_url"}]
    (found,) = EventMapper(settings(events=own)).held([{"event": "Page view", "properties": properties}])
    assert found.detail == "/plans"


@given(st.lists(st.integers(1, 40), min_size=1), st.lists(st.text(max_size=20), max_size=8))
def test_records_come_whole_however_the_bytes_are_cut(cuts: list[int], texts: list[str]) -> None:
    import json

    raw = b"".join(json.dumps({"event": text}).encode() + b"\n" for text in texts)
    pieces, at, turn = [], 0, 0
    while at < len(raw):
        pieces.append(raw[at : at + cuts[turn % len(cuts)]])
        at, turn = at + cuts[turn % len(cuts)], turn + 1
    assert len(list(records("app", iter(pieces)))) == len(texts)
