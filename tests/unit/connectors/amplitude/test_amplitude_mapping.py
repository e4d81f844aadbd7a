"""Whatever an event holds, what comes of it are sound facts, or nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.amplitude.mapping import LONGEST_ID, OWN, Mapper
from connectors.amplitude.settings import AmplitudeSettings
from connectors.records import RecordRef, ScoreField

SETTINGS = AmplitudeSettings.model_validate(
    {
        "kind": "amplitude", "name": "app", "project": 1, "api_key": {"env": "A"}, "secret_key": {"env": "B"},
        "attributes": {"plan": "plan", "seats": "seats"},
        "events": [{"pattern": "view", "kind": "page_view"}, {"pattern": ".", "outcome": "won", "amount": "price"}],
    }
)  # fmt: skip
WHOLE: dict[str, Any] = {
    "user_id": "u-1", "amplitude_id": 7, "event_type": "View", "event_id": 1, "uuid": "x-1", "$insert_id": "i-1",
    "event_time": "2026-03-02 09:00:00.000000", "server_upload_time": "2026-03-02 09:00:01.000000",
    "user_creation_time": "2026-03-01 00:00:00.000000", "user_properties": {"plan": "free", "email": "a@acme.test"},
    "event_properties": {"price": 9},
}  # fmt: skip
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
SOME = st.sampled_from([*WHOLE, *OWN[:2]])


@given(st.dictionaries(SOME, ANY, max_size=4), st.dictionaries(st.sampled_from(["plan", "seats", "email"]), ANY))
def test_no_value_of_a_field_breaks_a_page(spoilt: dict[str, Any], properties: dict[str, Any]) -> None:
    mapper = Mapper(SETTINGS)
    event = {**WHOLE, "user_properties": properties, **spoilt}
    leads, (acts, deals) = mapper.users([event, WHOLE]), mapper.facts([event, WHOLE])
    assert all(len(lead.ref.id) <= LONGEST_ID and lead.created_at <= lead.modified_at for lead in leads)
    assert all(isinstance(value, str | int | float | bool) for lead in leads for value in lead.attributes.values())
    assert 1 <= len(acts) + len(deals) <= 2
    assert mapper.ref("u-1") in {lead.ref for lead in leads}, "the sound event is read all the same"


def test_an_event_that_comes_twice_is_one() -> None:
    acts, deals = Mapper(SETTINGS).facts([WHOLE, {**WHOLE, "uuid": "x-2"}, {**WHOLE, "$insert_id": None}])
    assert [act.ref for act in acts] == [RecordRef("app", "events", "7:i-1"), RecordRef("app", "events", "x-1")]
    assert deals == []


def test_the_latest_uploaded_event_shows_how_a_user_is() -> None:
    later = {**WHOLE, "event_id": 2, "user_properties": {"plan": "pro"}}
    earlier = {**WHOLE, "server_upload_time": "2026-03-02 08:00:00", "event_id": 9, "user_properties": {"plan": "old"}}
    for events in ([WHOLE, later, earlier], [earlier, later, WHOLE]):
        (lead,) = Mapper(SETTINGS).users(events)
        assert lead.attributes["plan"] == "pro"


@pytest.mark.parametrize(
    ("told", "created"),
    [
        ("2026-03-01 00:00:00.000000", "2026-03-01T00:00:00+00:00"),
        ("2026-03-05 00:00:00.000000", "2026-03-02T09:00:01+00:00"),
        (None, "2026-03-02T09:00:01+00:00"),
        ("yesterday", "2026-03-02T09:00:01+00:00"),
    ],
)
def test_a_user_is_as_old_as_amplitude_says_and_no_younger_than_their_event(told: str | None, created: str) -> None:
    (lead,) = Mapper(SETTINGS).users([{**WHOLE, "user_creation_time": told}])
    assert lead.created_at.isoformat() == created


@pytest.mark.parametrize(("price", "amount"), [
    (9, 9.0), ("49.90", 49.9), (True, None), ("much", None), ([9], None), (float("inf"), None), ("nan", None),
    (10**400, None), (None, None),
])  # fmt: skip
def test_an_amount_is_a_number(price: Any, amount: float | None) -> None:
    _, (deal,) = Mapper(SETTINGS).facts([{**WHOLE, "event_type": "Bought", "event_properties": {"price": price}}])
    assert deal.amount == amount


@pytest.mark.parametrize("raw", [10**30, float("nan"), ["hot"], {"a": 1}])
def test_what_nobody_wrote_of_us_is_shown_as_text(raw: Any) -> None:
    assert Mapper(SETTINGS).written({"lead_gauge_score": raw}) == {ScoreField.SCORE: str(raw)}


def test_what_is_left_out_is_counted_once(caplog: pytest.LogCaptureFixture) -> None:
    mapper = Mapper(SETTINGS)
    mapper.users([{**WHOLE, "user_properties": {"plan": ["a"]}}, {**WHOLE, "user_id": "x" * 300}])
    mapper.report_unread()
    mapper.report_unread()
    assert [record.properties for record in caplog.records] == [{"plan": 1, "user_id": 1}]  # type: ignore[attr-defined]
