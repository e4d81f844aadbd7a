from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from sandbox.mixpanel.limits import VENDORS_LIMITS, Limits
from sandbox.mixpanel.project import TOKEN
from tests.contract.sandbox_mixpanel.practice import LOGIN, NOON, Live, Serve, change, event

DAY, HOUR = timedelta(days=1), timedelta(hours=1)

# -- /engage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "good", "bad"),
    [
        ({"strict": "", "verbose": ""}, "1", "0"),
        ({"strict": ""}, '{"status":1,"error":null}', '{"status":0,"error":"$distinct_id: missing or not allowed"}'),
    ],
)
def test_a_failed_update_has_the_status_200(live: Live, asked: dict[str, str], good: str, bad: str) -> None:
    fine, wrong = change("u1", set={"plan": "pro"}), change("null", set={"plan": "pro"})
    answers = [live.engage(fine, **asked), live.engage(wrong, **asked), live.engage(wrong, fine, **asked)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert [answer.text for answer in answers] == [good, bad, good], "one that is valid is enough for a yes"


def test_strict_names_each_record_that_failed_and_does_the_others(live: Live) -> None:
    answer = live.engage(change("u1", set={"a": 1}), change("", set={"a": 1}), change("u3"), change("u4", set={"a": 1}))
    assert answer.status_code == 200
    assert [failed["index"] for failed in answer.json()["failed_records"]] == [1, 2]
    assert set(live.project.profiles) == {"u1", "u4"}


def test_a_wrong_token_is_accepted_in_silence(live: Live) -> None:
    answer = live.engage(change("u1", "another", set={"a": 1}))
    assert (answer.status_code, answer.json()) == (200, {"status": 1, "error": None})
    assert not live.project.profiles


def test_an_unknown_id_makes_a_profile(live: Live) -> None:
    live.engage(change("u1", set={"a": 1}, ip="0"), ip="0")
    assert live.project.profiles["u1"].properties == {"a": 1, "$last_seen": "2026-11-20T12:00:00"}


@pytest.mark.parametrize(
    ("update", "asked", "moved"),
    [({}, {}, True), ({}, {"ip": "0"}, False), ({"ip": "0"}, {}, False)],
)
def test_a_profile_moves_to_where_the_caller_is_unless_it_says_no(
    live: Live, update: dict[str, str], asked: dict[str, str], moved: bool
) -> None:
    live.engage(change("u1", set={"a": 1}, **update), **asked)
    assert ("$city" in live.project.profiles["u1"].properties) is moved


def test_an_update_that_leaves_time_alone_is_no_visit(live: Live) -> None:
    live.project.put("u1")
    live.clock.advance(HOUR)
    live.engage(change("u1", set={"a": 1}, ignore_time=True, ip="0"))
    assert live.project.profiles["u1"].properties["$last_seen"] == "2026-11-20T12:00:00"
    live.engage(change("u1", set={"a": 2}, ip="0"))
    assert live.project.profiles["u1"].properties["$last_seen"] == "2026-11-20T13:00:00"


def test_every_operation(live: Live) -> None:
    operations: list[dict[str, Any]] = [
        {"set": {"n": 1, "tags": ["a"], "gone": 1}}, {"set_once": {"n": 9, "first": "x"}}, {"add": {"n": 2}},
        {"append": {"tags": "b"}}, {"union": {"tags": ["b", "c"]}}, {"remove": {"tags": "a"}}, {"unset": ["gone"]},
    ]  # fmt: skip
    for each in operations:
        assert live.engage(change("u1", ip="0", ignore_time=True, **each)).json()["status"] == 1
    assert live.project.profiles["u1"].properties == {"n": 3, "tags": ["b", "c"], "first": "x"}
    live.engage(change("u1", delete=""))
    assert not live.project.profiles
    assert [write["changed"] for write in live.project.writes] == [True] * 8


def test_a_text_is_kept_up_to_255_bytes(live: Live) -> None:
    live.engage(change("u1", set={"a": "Ж" * 255}))
    assert live.project.profiles["u1"].properties["a"] == "Ж" * 127


def test_a_profile_is_full_at_2000_properties(live: Live) -> None:
    live.project.put("u1")
    live.project.fill("u1")
    assert live.engage(change("u1", set={"new": 1})).json()["failed_records"][0]["index"] == 0
    assert live.engage(change("u1", set={"junk 1": 5})).json()["status"] == 1


def test_no_more_than_2000_records_and_2_mb_in_a_request(live: Live) -> None:
    assert live.engage(*(change(f"u{n}", set={"a": 1}) for n in range(2_000))).json()["status"] == 1
    assert live.engage(*(change(f"u{n}", set={"a": 1}) for n in range(2_001))).status_code == 400
    answer = live.engage(*(change(f"u{n}", set={"a": "x" * 700_000}) for n in range(3)))
    assert (answer.status_code, answer.json()["error"]) == (413, "request exceeds max limit of 2097152 bytes")


def test_an_update_of_a_megabyte_is_refused(live: Live) -> None:
    assert live.engage(change("u1", set={"a": "x" * 1_000_000})).json()["failed_records"][0]["field"] == "$set"


def test_profiles_take_no_compression_and_a_form_will_do(live: Live) -> None:
    packed = gzip.compress(json.dumps([change("u1", set={"a": 1})]).encode())
    assert live.post("/engage", {}, packed, headers={"Content-Encoding": "gzip"}).text == "0"
    assert live.wire.post(
        f"{live.url}/engage", data={"data": json.dumps(change("u1", set={"a": 1}))}, verify=live.ca, timeout=10
    ).text == "1"  # fmt: skip
    assert set(live.project.profiles) == {"u1"}


def test_groups_have_profiles_of_their_own(live: Live) -> None:
    group = {"$token": TOKEN, "$group_key": "Company", "$group_id": "Acme", "$set": {"score": 87}}
    assert live.engage(group, {**group, "$group_id": ""}, path="/groups").json()["failed_records"][0]["index"] == 1
    assert live.project.groups == {("Company", "Acme"): {"score": 87}}


# -- /import ----------------------------------------------------------------------------------------------------------


def test_a_partly_wrong_import_is_a_400_of_which_the_rest_is_taken_in(live: Live) -> None:
    answer = live.bring_in(event(id="i-1"), event(id="not allowed"), event(at=1), event(id="i-2"))
    body = answer.json()
    assert (answer.status_code, body["num_records_imported"]) == (400, 2)
    assert [(each["index"], each["field"]) for each in body["failed_records"]] == [
        (1, "properties.$insert_id"), (2, "properties.time"),
    ]  # fmt: skip
    assert len(live.project.events) == 2
    assert live.bring_in(event(id="i-3")).json() == {"code": 200, "num_records_imported": 1, "status": "OK"}


@pytest.mark.parametrize("id", ["", "x" * 37, "a_b", "a.b", "null", "00000000-0000-0000-0000-000000000000"])
def test_an_insert_id_is_36_letters_digits_and_hyphens_and_says_something(live: Live, id: str) -> None:
    assert live.bring_in(event(id=id)).status_code == 400


def test_no_event_is_more_than_an_hour_ahead(live: Live) -> None:
    ahead = NOON.timestamp() + 3_500
    assert live.bring_in(event(at=ahead)).status_code == 200
    assert live.bring_in(event(at=(ahead + 200) * 1000)).status_code == 400


def test_an_import_takes_lines_compression_and_the_token_and_nobody_else(live: Live) -> None:
    lines = "\n".join(json.dumps(event(id=f"i-{n}")) for n in range(3))
    headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
    packed = gzip.compress(lines.encode())
    assert live.post("/import", {"strict": "1"}, packed, auth=(TOKEN, ""), headers=headers).status_code == 200
    assert len(live.project.events) == 3
    assert live.bring_in(event(), auth=("nobody", "x")).status_code == 401
    assert live.bring_in(*(event(id=f"i-{n}") for n in range(2_001))).status_code == 400


# -- query/engage -----------------------------------------------------------------------------------------------------


def test_a_query_is_paged_by_a_session_whose_pages_do_not_shift(serve: Serve) -> None:
    live = serve(page_size=2)
    live.project.seed_from([{"distinct_id": f"u{n}", "n": n} for n in range(5)])
    first = live.query().json()
    assert (first["page"], first["page_size"], first["total"], first["status"]) == (0, 2, 5, "ok")
    live.project.delete("u0")
    live.project.put("a0")
    rest = [live.query(session_id=first["session_id"], page=str(page)).json() for page in (1, 2)]
    assert [row["$distinct_id"] for page in (first, *rest) for row in page["results"]] == ["u0", "u1", "u2", "u3", "u4"]
    assert "total" not in rest[0], "only the first page tells"
    assert live.query(session_id="1-gone", page="1").status_code == 400


def test_profiles_are_found_by_id_and_shown_in_part(live: Live) -> None:
    live.project.seed_from([{"distinct_id": f"u{n}", "n": n, "m": n} for n in range(3)])
    found = live.query(distinct_ids=["u2", "nobody"], output_properties=["n"]).json()
    assert found["results"] == [{"$distinct_id": "u2", "$properties": {"n": 2}}]
    assert live.query(distinct_id="u1").json()["total"] == 1


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ('properties["n"] >= 1', ["u1", "u2"]),
        ('properties["$last_seen"] >= "2026-11-20T13:00:00"', ["u2"]),
        ('properties["n"] == 0 or properties["name"] == "B" and not properties["n"] == 2', ["u0", "u1"]),
        ('properties["name"] in ["A", "C"]', ["u0", "u2"]),
        ('defined(properties["only"])', ["u2"]),
        ('not (properties["n"] < 2)', ["u2"]),
        ('properties["name"] > 3', []),
        ("", ["u0", "u1", "u2"]),
    ],
)
def test_where_says_which(live: Live, where: str, found: list[str]) -> None:
    live.project.seed_from([{"distinct_id": "u0", "n": 0, "name": "A"}, {"distinct_id": "u1", "n": 1, "name": "B"}])
    live.clock.advance(HOUR)
    live.project.put("u2", n=2, name="C", only="x")
    assert [row["$distinct_id"] for row in live.query(where=where).json()["results"]] == found


@pytest.mark.parametrize("where", ["properties[", 'properties["a"] ==', "drop table", 'properties["a"] = 1', "(true"])
def test_what_is_no_expression_is_refused(live: Live, where: str) -> None:
    live.project.put("u1")
    assert live.query(where=where).status_code == 400


def test_what_is_written_may_show_late(serve: Serve) -> None:
    live = serve(lag=timedelta(seconds=30))
    live.engage(change("u1", set={"a": 1}))
    assert live.query().json()["total"] == 0
    live.clock.advance(timedelta(seconds=30))
    assert live.query().json()["total"] == 1


@pytest.mark.parametrize(
    ("asked", "status"),
    [({"auth": ("nobody", "x")}, 401), ({"auth": None}, 401), ({"project_id": "7"}, 403)],
)
def test_whoever_reads_must_be_a_service_account_of_the_project(live: Live, asked: dict[str, Any], status: int) -> None:
    assert live.query(**asked).status_code == status


# -- export -----------------------------------------------------------------------------------------------------------


def test_an_export_has_whole_days_with_doubles_in_no_order(live: Live) -> None:
    add = live.project.add_event
    for n in range(20):
        add("Signed up", NOON - n * HOUR, f"u{n}", f"i-{n}")
    add("Signed up", NOON, "u0", "i-0")
    rows = live.events()
    times = [row["properties"]["time"] for row in rows]
    assert len(rows) == 14, "the 13 of the day, one of them twice"
    assert times != sorted(times)
    assert max(times) == NOON.timestamp()
    assert len(live.events("2026-11-19", "2026-11-20")) == 21
    assert live.events(time_in_ms="true")[0]["properties"]["time"] > 10**12


def test_an_export_can_be_of_some_events_and_since_an_instant(live: Live) -> None:
    for n, name in enumerate(("A", "B", "A")):
        live.project.add_event(name, NOON - n * HOUR, "u1")
    assert len(live.events(event='["A"]')) == 2
    since = int((NOON - HOUR).timestamp())
    assert len(live.events(where=f'properties["$time"]>=datetime({since})')) == 2
    assert len(live.events(limit="1")) == 1


@pytest.mark.parametrize(
    "asked",
    [{"until": "2026-11-21"}, {"since": "yesterday"}, {"limit": "100001"}, {"where": "("}],
)
def test_an_export_that_cannot_be_is_refused(live: Live, asked: dict[str, str]) -> None:
    assert live.export(**asked).status_code == 400


def test_odd_exports(serve: Serve) -> None:
    split, cut = serve(split_lines=True), None
    for n in range(6):
        split.project.add_event("A", NOON, f"u{n}")
    assert len(split.export().text.splitlines()) == 8
    cut = serve(terminated_early=True)
    for n in range(6):
        cut.project.add_event("A", NOON, f"u{n}")
    assert cut.export().text.splitlines()[-1] == "terminated early"
    assert cut.export().status_code == 200


# -- limits and regions -----------------------------------------------------------------------------------------------


def test_60_queries_and_60_exports_an_hour(serve: Serve) -> None:
    live = serve(limits=VENDORS_LIMITS)
    assert {live.query().status_code for _ in range(60)} == {200}
    refused = live.query()
    assert (refused.status_code, refused.json()["status"]) == (429, "Too Many Requests")
    assert "retry-after" not in refused.headers
    live.clock.advance(HOUR)
    assert live.query().status_code == 200


def test_three_exports_a_second(serve: Serve) -> None:
    live = serve(limits=VENDORS_LIMITS)
    assert [live.export().status_code for _ in range(4)] == [200, 200, 200, 429]
    live.clock.advance(timedelta(seconds=1))
    assert live.export().status_code == 200


def test_so_many_bytes_a_minute(serve: Serve) -> None:
    live = serve(limits=Limits(ingested_per_minute=200))
    statuses = [live.engage(change("u1", set={"a": "x" * 50})).status_code for _ in range(3)]
    assert statuses == [200, 429, 429]
    live.clock.advance(timedelta(minutes=1))
    assert live.engage(change("u1", set={"a": 1})).status_code == 200


def test_so_many_queries_at_once(serve: Serve) -> None:
    live = serve(limits=Limits(queries_at_once=1), slow=0.5)
    with ThreadPoolExecutor(1) as other:
        first = other.submit(live.query)
        while not live.project.meter.running:
            assert not first.done()
        assert live.query().status_code == 429
        assert first.result().status_code == 200


@pytest.mark.parametrize(
    ("address", "status"),
    [("eu.mixpanel.com", 200), ("mixpanel.com", 401), ("in.mixpanel.com", 401), ("data-eu.mixpanel.com", 404)],
)
def test_a_project_lives_in_one_region(serve: Serve, address: str, status: int) -> None:
    live = serve(region="eu")
    assert live.query(headers={"Host": address}).status_code == status


def test_another_region_takes_updates_in_silence(serve: Serve) -> None:
    live = serve(region="eu")
    body = json.dumps([change("u1", set={"a": 1})])
    for address, known in (("api.mixpanel.com", set()), ("api-eu.mixpanel.com", {"u1"})):
        answer = live.post("/engage", {"verbose": "1"}, body, headers={"Host": address})
        assert answer.json() == {"status": 1, "error": None}
        assert set(live.project.profiles) == known


def test_answers_have_the_practice_clock_s_date(live: Live) -> None:
    assert live.query(auth=LOGIN).headers["Date"] == "Fri, 20 Nov 2026 12:00:00 GMT"
