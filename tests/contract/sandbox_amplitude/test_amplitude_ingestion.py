"""What the practice project takes, and what it says to what it does not."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.contract.sandbox_amplitude.practice import Live, Serve, event, identify


def held(live: Live, user: str) -> dict[str, Any]:
    return live.project.users[user].properties


def test_identify_takes_a_form_with_one_or_several(live: Live) -> None:
    for given in (
        {"user_id": "u", "user_properties": {"a": 1}},
        [{"user_id": "u", "user_properties": {"$set": {"b": 2}}}],
    ):
        form = {"api_key": live.server.api_key, "identification": json.dumps(given)}
        assert (answer := live.wire.post(f"{live.url}/identify", data=form)).status_code == 200
        assert answer.text == "success"
    assert held(live, "u") == {"a": 1, "b": 2}


def test_identify_reads_no_json(live: Live) -> None:
    body = {"api_key": live.server.api_key, "identification": [{"user_id": "u", "user_properties": {"a": 1}}]}
    answer = live.wire.post(f"{live.url}/identify", json=body)
    assert (answer.status_code, answer.text) == (400, "missing_event")
    assert live.wire.get(f"{live.url}/identify").status_code == 414


def test_an_upload_is_json_and_reads_no_form(live: Live) -> None:
    form = {"api_key": live.server.api_key, "events": json.dumps([event("u")])}
    assert live.wire.post(f"{live.url}/batch", data=form).status_code == 400
    answer = live.send(event("u"), identify("u", set={"score": 1}))
    assert answer.json() | {"payload_size_bytes": 0, "server_upload_time": 0} == {
        "code": 200, "events_ingested": 2, "payload_size_bytes": 0, "server_upload_time": 0,
    }  # fmt: skip
    assert held(live, "u") == {"score": 1}


def test_operations(live: Live) -> None:
    live.send(identify("u", set={"a": 1, "b": "x", "c": 5, "d": [1]}))
    live.send(
        identify("u", setOnce={"a": 2, "e": 3}, unset={"b": "-"}, add={"c": 2}, append={"d": 2}, prepend={"d": 0})
    )
    assert held(live, "u") == {"a": 1, "c": 7, "d": [0, 1, 2], "e": 3}


def test_operations_cannot_be_mixed_with_properties(live: Live) -> None:
    mixed = event("u", "$identify", user_properties={"$set": {"a": 1}, "b": 2})
    answer = live.send(identify("u", set={"c": 3}), mixed)
    assert answer.status_code == 400
    assert answer.json()["events_with_invalid_fields"] == {"user_properties": [1]}
    assert "u" not in live.project.users, "the whole request is refused"


def test_long_texts_are_cut(live: Live) -> None:
    live.send(identify("u", set={"a": "x" * 2000}))
    assert len(held(live, "u")["a"]) == 1024


def test_a_user_that_is_not_known_is_made(live: Live) -> None:
    live.send(identify("ghost", set={"a": 1}))
    assert live.profile("ghost", get_amp_props="true").json()["userData"]["amp_props"] == {"a": 1}


def test_short_ids_are_refused_unless_they_are_allowed(live: Live) -> None:
    answer = live.send(event("long enough"), event("u"), options={})
    assert answer.status_code == 400
    assert answer.json()["events_with_invalid_id_lengths"] == {"user_id": [1]}
    assert live.send(event("u")).status_code == 200


def test_a_short_id_beside_a_device_is_dropped_from_the_event(live: Live) -> None:
    assert live.send(event("u", device_id="device-1"), options={}).status_code == 200
    assert [stored.row["user_id"] for stored in live.project.events] == [None]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"api_key": None}, {"missing_field": "api_key"}),
        ({"events": []}, {"missing_field": "events"}),
        ({"api_key": "wrong"}, {"error": "Invalid API key: wrong"}),
    ],
)
def test_what_the_request_lacks_is_named(live: Live, body: dict[str, Any], error: dict[str, str]) -> None:
    answer = live.send(event("u"), **body)
    assert answer.status_code == 400
    assert error.items() <= answer.json().items()


def test_bad_events_are_named_by_their_place_and_nothing_is_taken(live: Live) -> None:
    events = [event("u"), event("u", time="2026-03-02T12:00:00Z"), {"user_id": "u"}, {"event_type": "Came"}]
    answer = live.send(*events)
    assert answer.status_code == 400
    assert answer.json()["events_with_invalid_fields"] == {"time": [1]}
    assert answer.json()["events_with_missing_fields"] == {"event_type": [2], "user_id": [3]}
    assert live.project.events == []


def test_the_http_api_names_the_first_offender_only(live: Live) -> None:
    answer = live.send(event("u", time="a"), event("u", time="b"), {"user_id": "u"}, path="/2/httpapi")
    assert answer.json()["events_with_missing_fields"] == {"event_type": [2]}
    assert "events_with_invalid_fields" not in answer.json()


@pytest.mark.parametrize(("path", "limit"), [("/batch", "batch_bytes"), ("/2/httpapi", "http_bytes")])
def test_too_much_is_a_413(serve: Serve, path: str, limit: str) -> None:
    live = serve(**{limit: 1000})
    assert live.send(*[event("u")] * 5, path=path).status_code == 200
    answer = live.send(*[event("u")] * 50, path=path)
    assert (answer.status_code, answer.json()) == (413, {"code": 413, "error": "Payload too large"})
    assert serve(batch_events=10).send(*[event("u")] * 11, path=path).status_code == 413


def test_a_429_names_the_events_of_users_that_are_too_fast(serve: Serve) -> None:
    live = serve(batch_rate=1)  # on average over 30 seconds
    answer = live.send(event("calm"), *[event("busy")] * 31, event("calm"))
    assert answer.status_code == 429
    told = answer.json()
    assert (told["eps_threshold"], told["throttled_users"]) == (1, {"busy": 31})
    assert told["throttled_events"] == list(range(1, 32))
    assert live.project.events == []
    assert live.send(event("calm"), *[event("busy")] * 30).status_code == 200
    assert live.send(event("busy")).status_code == 429
    live.clock.advance(timedelta(seconds=30))
    assert live.send(event("busy")).status_code == 200


def test_a_429_names_users_over_their_day(serve: Serve) -> None:
    live = serve(daily_events=3)
    live.send(*[event("busy")] * 3)
    told = live.send(event("busy"), event("calm")).json()
    assert (told["exceeded_daily_quota_users"], told["throttled_events"]) == ({"busy": 4}, [])
    live.clock.advance(timedelta(days=1))
    assert live.send(event("busy")).status_code == 200


def test_the_http_api_is_stricter_with_one_user(serve: Serve) -> None:
    assert serve(http_rate=1).send(*[event("u")] * 31, path="/2/httpapi").status_code == 429


def test_silenced_events_are_named(live: Live) -> None:
    live.project.silenced.add("bot")
    answer = live.send(event("u"), event("bot"))
    assert (answer.status_code, answer.json()["silenced_events"]) == (400, [1])


def test_the_same_insert_id_is_taken_once_in_seven_days(live: Live) -> None:
    live.send(identify("u", "one", set={"a": 1}))
    live.send(identify("u", "two", set={"a": 2}))
    assert live.send(identify("u", "one", set={"a": 1})).json()["events_ingested"] == 1, "and nobody is told"
    assert held(live, "u") == {"a": 2}
    live.send(identify("v", "one", set={"a": 3}))
    assert held(live, "v") == {"a": 3}, "of another user it is another one"
    live.clock.advance(timedelta(days=7))
    live.send(identify("u", "one", set={"a": 1}))
    assert held(live, "u") == {"a": 1}


def test_property_updates_beyond_those_of_an_hour_are_dropped_in_silence(serve: Serve) -> None:
    live = serve(updates_per_hour=3)
    for score in range(5):
        assert live.send(identify("u", set={"score": score})).status_code == 200
    assert held(live, "u") == {"score": 2}
    live.clock.advance(timedelta(hours=1))
    live.send(identify("u", set={"score": 9}))
    assert held(live, "u") == {"score": 9}
