"""What the practice project gives, its cohorts, and its profiles."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.contract.sandbox_amplitude.practice import Live, Serve, event, identify

HOUR = timedelta(hours=1)


def test_an_export_is_a_zip_of_gzipped_lines_by_the_hour_of_upload(live: Live) -> None:
    live.send(identify("u", set={"plan": "free"}))
    live.send(event("u", "Came", insert_id="i-1", event_properties={"page": "/"}, time=1_772_000_000_000))
    live.clock.advance(HOUR)
    live.send(event("u", "Left"))
    live.clock.advance(4 * HOUR)
    found = live.exported("20260302T12", "20260302T13")
    assert list(found) == ["153957/153957_2026-03-02_12#0.json.gz", "153957/153957_2026-03-02_13#0.json.gz"]
    (came,), (left,) = found.values()
    assert (came["user_id"], came["event_type"], came["$insert_id"]) == ("u", "Came", "i-1")
    assert (came["user_properties"], came["event_properties"]) == ({"plan": "free"}, {"page": "/"})
    assert came["server_upload_time"] == "2026-03-02 12:00:00.000000"
    assert came["event_time"] == "2026-02-25 06:13:20.000000"
    assert left["$insert_id"] is None
    assert left["uuid"] != came["uuid"]


def test_hours_are_inclusive_and_those_without_events_are_a_404(live: Live) -> None:
    live.send(event("u"))
    live.clock.advance(5 * HOUR)
    assert len(live.exported("20260302T10", "20260302T12")) == 1
    answer = live.get("/api/2/export", start="20260302T10", end="20260302T11")
    assert answer.status_code == 404


def test_an_hour_can_be_exported_two_hours_after_its_end(live: Live) -> None:
    live.send(event("u"))
    live.clock.advance(3 * HOUR - timedelta(seconds=1))
    assert live.get("/api/2/export", start="20260302T12", end="20260302T12").status_code == 404
    live.clock.advance(timedelta(seconds=1))
    assert len(live.exported("20260302T12", "20260302T12")) == 1


def test_what_is_uploaded_later_may_show_later(live: Live) -> None:
    live.project.delay = HOUR
    live.send(event("u"))
    live.clock.advance(3 * HOUR)
    assert live.get("/api/2/export", start="20260302T12", end="20260302T12").status_code == 404
    live.clock.advance(HOUR)
    assert len(live.exported("20260302T12", "20260302T12")) == 1


@pytest.mark.parametrize(("limits", "status"), [({"export_bytes": 10}, 400), ({"export_hours": 1}, 504), ({}, 200)])
def test_too_large_an_export_is_a_400_or_a_504(serve: Serve, limits: dict[str, int], status: int) -> None:
    live = serve(**limits)
    live.send(event("u"))
    live.clock.advance(5 * HOUR)
    assert live.get("/api/2/export", start="20260302T11", end="20260302T12").status_code == status


@pytest.mark.parametrize("range", [("2026-03-02", "20260302T12"), ("20250101T00", "20260302T12"), ("", "")])
def test_no_more_than_a_year_is_exported_and_only_by_hours(live: Live, range: tuple[str, str]) -> None:
    assert live.get("/api/2/export", start=range[0], end=range[1]).status_code == 400


@pytest.mark.parametrize("path", ["/api/2/export", "/api/3/cohorts", "/api/2/usersearch"])
def test_the_analytics_host_wants_both_keys(live: Live, path: str) -> None:
    assert live.wire.get(live.url + path).status_code == 401
    assert live.wire.get(live.url + path, auth=(live.server.api_key, "wrong")).status_code == 401
    assert live.wire.get(f"{live.url}{path}?api_key={live.server.api_key}").status_code == 401


def made(live: Live, **more: Any) -> str:
    body = {
        "name": "Hot", "app_id": live.server.app_id, "id_type": "BY_USER_ID", "ids": ["u", "nobody"],
        "owner": "ann@acme.test", "published": True, **more,
    }  # fmt: skip
    answer = live.post("/api/3/cohorts/upload", body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["cohortId"])


def test_a_cohort_is_made_of_known_users_and_listed(live: Live) -> None:
    live.send(event("u"), event("v"))
    id = made(live)
    (cohort,) = live.get("/api/3/cohorts").json()["cohorts"]
    assert (cohort["id"], cohort["name"], cohort["size"], cohort["appId"]) == (id, "Hot", 1, live.server.app_id)
    assert made(live, ids=["v"], existing_cohort_id=id) == id, "which replaces its members"
    assert live.project.cohorts[id].members == {"v"}


@pytest.mark.parametrize(
    "more",
    [{"ids": []}, {"owner": ""}, {"app_id": 1}, {"skip_invalid_ids": False}, {"existing_cohort_id": "none"}],
)
def test_a_cohort_that_is_not_made_says_why(live: Live, more: dict[str, Any]) -> None:
    live.send(event("u"))
    body = {
        "name": "Hot", "app_id": live.server.app_id, "id_type": "BY_USER_ID", "ids": ["u", "nobody"],
        "owner": "ann@acme.test", "published": True, **more,
    }  # fmt: skip
    answer = live.post("/api/3/cohorts/upload", body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
    assert live.project.cohorts == {}


def test_members_are_added_and_removed_by_user_id_or_number(live: Live) -> None:
    live.send(event("u"), event("v"))
    id = made(live)
    number = str(live.project.users["v"].number)
    body = {
        "cohort_id": id, "skip_invalid_ids": True,
        "memberships": [
            {"ids": ["u", "nobody"], "id_type": "BY_NAME", "operation": "REMOVE"},
            {"ids": [number], "id_type": "BY_ID", "operation": "ADD"},
        ],
    }  # fmt: skip
    answer = live.post("/api/3/cohorts/membership", body)
    assert [its["skipped_ids"] for its in answer.json()["memberships_result"]] == [["nobody"], []]
    assert live.project.cohorts[id].members == {"v"}
    assert live.post("/api/3/cohorts/membership", {**body, "cohort_id": "none"}).status_code == 400


def test_only_so_many_ids_are_taken_at_once(serve: Serve) -> None:
    live = serve(cohort_ids=2)
    live.send(event("u"))
    body = {"cohort_id": made(live), "memberships": [{"ids": ["u"] * 3, "id_type": "BY_NAME", "operation": "ADD"}]}
    assert live.post("/api/3/cohorts/membership", body).status_code == 400


def test_users_are_found_by_what_their_id_begins_with(live: Live) -> None:
    live.send(event("ann"), event("bob"))
    for text in ("a", "ann", str(live.project.users["ann"].number)):
        matches = live.get("/api/2/usersearch", user=text).json()["matches"]
        assert [match["user_id"] for match in matches] == ["ann"]


def test_users_are_erased_by_a_job_that_runs_later(live: Live) -> None:
    live.send(event("u"), event("v"))
    number = live.project.users["u"].number
    body = {"amplitude_ids": [number], "requester": "ann", "ignore_invalid_id": False}
    assert live.post("/api/2/deletions/users", {**body, "user_ids": ["nobody"]}).status_code == 400
    assert live.post("/api/2/deletions/users", body).json()["day"] == "2026-03-12"
    days = {"start_day": "2026-03-01", "end_day": "2026-03-31"}
    for wait, status in ((0, "staging"), (7, "submitted"), (3, "done")):
        live.clock.advance(timedelta(days=wait))
        (job,) = live.get("/api/2/deletions/users", **days).json()
        assert (job["status"], job["amplitude_ids"][0]["amplitude_id"]) == (status, number)
    assert set(live.project.users) == {"v"}
    assert [each.row["user_id"] for each in live.project.events] == ["v"]
    assert live.get("/api/2/deletions/users", start_day="2026-03-01", end_day="2026-03-11").json() == []


@pytest.mark.parametrize("days", [("", ""), ("2026-01-01", "2026-12-31"), ("20260101", "tomorrow")])
def test_jobs_are_told_for_half_a_year_at_most(live: Live, days: tuple[str, str]) -> None:
    assert live.get("/api/2/deletions/users", start_day=days[0], end_day=days[1]).status_code == 400


def test_a_profile_shows_what_a_user_holds(live: Live) -> None:
    live.send(identify("u", set={"score": 7}))
    shown = live.profile("u", get_amp_props="true").json()["userData"]
    assert (shown["user_id"], shown["amp_props"]) == ("u", {"score": 7})
    assert live.profile("u").json()["userData"]["amp_props"] is None, "unless it is asked for"
    unknown = live.profile("nobody")
    assert unknown.json() == {"error": "User id and device id not seen before"}


@pytest.mark.parametrize(
    ("authorization", "said"),
    [("", "Missing Api-Key in Authorization header"), ("Api-Key wrong", "Invalid Api-Key"), ("Bearer x", "Missing")],
)
def test_a_profile_is_for_the_secret_key(live: Live, authorization: str, said: str) -> None:
    answer = live.profile("u", authorization)
    assert answer.status_code == 401
    assert answer.text.startswith(said)


def test_profiles_are_limited_by_the_minute(serve: Serve) -> None:
    live = serve(profiles_per_minute=2)
    live.send(event("u"))
    assert [live.profile("u").status_code for _ in range(3)] == [200, 200, 429]
    live.clock.advance(timedelta(minutes=1))
    assert live.profile("u").status_code == 200


def test_in_the_eu_there_are_no_profiles(serve: Serve) -> None:
    live = serve(eu=True)
    live.send(event("u"))
    assert live.profile("u").status_code == 404
    assert live.get("/api/3/cohorts").status_code == 200
