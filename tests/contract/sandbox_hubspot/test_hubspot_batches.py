"""What may become of a batch: every outcome that a connector has to tell apart."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.sandbox_hubspot.practice import Live


def update(live: Live, objects: str, *inputs: dict[str, Any]) -> Any:
    return live.post(f"{objects}/contacts/batch/update", {"inputs": list(inputs)})


def scored(id_: str, score: str = "87", **more: Any) -> dict[str, Any]:
    return {"id": id_, "properties": {"lead_gauge_score": score}, **more}


def score(live: Live, id_: str) -> str | None:
    record = live.portal.get("contacts", id_)
    assert record is not None
    return record.read("lead_gauge_score")


def partial(objects: str) -> int:
    """The status of a batch that failed in part: the dated paths know no 207."""
    return 207 if "/v3/" in objects else 200


def test_all_written(live: Live, objects: str) -> None:
    ids = [live.contact(f"p{n}@acme.test") for n in range(100)]
    done = update(live, objects, *(scored(id_) for id_ in reversed(ids)))
    assert done.status_code == 200
    body = done.json()
    assert (body["status"], "errors" in body, "numErrors" in body) == ("COMPLETE", False, False)
    assert [one["id"] for one in body["results"]] == ids
    assert body["results"][0]["properties"] == {
        "createdate": "2026-11-20T12:00:00Z",
        "hs_object_id": ids[0],
        "lastmodifieddate": "2026-11-20T12:00:00Z",
        "lead_gauge_score": "87",
    }
    assert {score(live, id_) for id_ in ids} == {"87"}


def test_missing_records_share_one_error_row_and_the_rest_is_written(live: Live, objects: str) -> None:
    person, gone = live.contact(), live.contact("bo@acme.test")
    live.portal.archive("contacts", gone)
    done = update(
        live,
        objects,
        scored("999999", objectWriteTraceId="row-1"),
        scored(person, objectWriteTraceId="row-2"),
        scored(gone, objectWriteTraceId="row-3"),
    )
    assert done.status_code == partial(objects)
    body = done.json()
    assert [one["id"] for one in body["results"]] == [person]
    assert body["numErrors"] == 1
    assert body["errors"] == [
        {
            "status": "error",
            "category": "OBJECT_NOT_FOUND",
            "message": (
                "Could not get some CONTACT objects, they may be deleted or not exist. Check that ids are valid."
            ),
            "context": {"ids": ["999999", gone], "objectWriteTraceId": ["row-1", "row-3"]},
        }
    ]
    assert score(live, person) == "87"


def test_a_merged_id_is_absent_without_an_error(live: Live, objects: str) -> None:
    first, second, third = (live.contact(f"{name}@acme.test") for name in "abc")
    merged = live.portal.merge("contacts", first, second)
    done = update(live, objects, scored(first), scored(third))
    assert done.status_code == 200
    assert [one["id"] for one in done.json()["results"]] == [third]
    assert "errors" not in done.json()
    assert score(live, merged) is None


@pytest.mark.parametrize(
    "broken",
    [
        {"id": "ana@acme.test", "properties": {"lead_gauge_score": "87"}},
        {"properties": {"lead_gauge_score": "87"}},
        {"id": "9001"},
    ],
)
def test_a_swallowed_input_answers_200_with_nothing(live: Live, objects: str, broken: dict[str, Any]) -> None:
    person = live.contact()
    done = update(live, objects, broken)
    assert done.status_code == 200
    assert (done.json()["status"], done.json()["results"], "errors" in done.json()) == ("COMPLETE", [], False)
    assert score(live, person) is None


def test_addressing_by_email_is_refused(live: Live, objects: str) -> None:
    live.contact()
    refused = update(live, objects, scored("ana@acme.test", idProperty="email"))
    assert refused.status_code == 400
    assert refused.json()["message"] == (
        "Unable to perform update/upsert by non-unique 0-1 property email in portal ID 9001"
    )


@pytest.mark.parametrize(
    ("property_", "value", "code"),
    [
        ("lead_scor", "1", "PROPERTY_DOESNT_EXIST"),
        ("num_notes", "1", "READ_ONLY_VALUE"),
        ("lead_gauge_bucket", "lukewarm", "INVALID_OPTION"),
        ("lead_gauge_score", "1,000", "INVALID_INTEGER"),
        ("lead_gauge_scored_at", "soon", "INVALID_LONG"),
    ],
)
def test_one_bad_property_rejects_the_whole_batch(
    live: Live, objects: str, property_: str, value: str, code: str
) -> None:
    good, bad = live.contact(), live.contact("bo@acme.test")
    refused = update(live, objects, scored(good), {"id": bad, "properties": {property_: value}})
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["code"] == code
    assert refused.json()["errors"][0]["context"] == {"propertyName": [property_]}
    assert bad not in refused.text
    assert score(live, good) is None


def test_an_id_twice_rejects_the_whole_batch(live: Live, objects: str) -> None:
    person = live.contact()
    refused = update(live, objects, scored(person, "1"), scored(person, "2"))
    assert refused.status_code == 400
    assert refused.json()["message"] == f"Duplicate IDs found in batch input: [{person}]. IDs must be unique"
    assert score(live, person) is None


def test_too_many_inputs_reject_the_whole_batch(live: Live, objects: str) -> None:
    refused = update(live, objects, *(scored(str(n)) for n in range(101)))
    assert (refused.status_code, refused.json()["category"]) == (400, "VALIDATION_ERROR")


def test_an_address_of_another_contact_rejects_the_whole_batch(live: Live, objects: str) -> None:
    first, second = live.contact(), live.contact("bo@acme.test")
    refused = update(live, objects, scored(first), {"id": second, "properties": {"email": "ana@acme.test"}})
    assert (refused.status_code, refused.json()["category"]) == (409, "CONFLICT")
    assert refused.json()["message"] == f"Contact already exists. Existing ID: {first}"
    assert score(live, first) is None


def test_an_empty_value_clears(live: Live, objects: str) -> None:
    person = live.contact(lead_gauge_score="5")
    assert update(live, objects, scored(person, "")).json()["results"][0]["properties"]["lead_gauge_score"] is None


def test_reading_tells_the_missing_from_the_found(live: Live, objects: str) -> None:
    first, second = live.contact(), live.contact("bo@acme.test")
    body = {"inputs": [{"id": second}, {"id": "999998"}, {"id": first}, {"id": "999999"}], "properties": ["email"]}
    read = live.post(f"{objects}/contacts/batch/read", body)
    assert read.status_code == partial(objects)
    assert [one["id"] for one in read.json()["results"]] == [first, second]
    assert (read.json()["numErrors"], read.json()["errors"][0]["context"]["ids"]) == (1, ["999998", "999999"])
    by_email = {"inputs": [{"id": "bo@acme.test"}], "idProperty": "email", "properties": []}
    assert live.post(f"{objects}/contacts/batch/read", by_email).json()["results"][0]["id"] == second


def test_histories_are_read_fifty_at_a_time(live: Live, objects: str) -> None:
    ids = [{"id": live.contact(f"p{n}@acme.test")} for n in range(51)]
    body = {"inputs": ids, "propertiesWithHistory": ["email"], "properties": []}
    refused = live.post(f"{objects}/contacts/batch/read", body)
    assert refused.status_code == 400
    assert refused.json()["message"] == (
        "The maximum number of inputs supported in a batch request for property histories is 50. "
        "Please reduce the number of items and try again"
    )
    read = live.post(f"{objects}/contacts/batch/read", {**body, "inputs": ids[:50]})
    assert read.json()["results"][0]["propertiesWithHistory"]["email"][0]["value"] == "p0@acme.test"


def test_the_recycle_bin_is_read_apart(live: Live, objects: str) -> None:
    person = live.contact()
    live.portal.archive("contacts", person)
    body = {"inputs": [{"id": person}], "properties": []}
    assert live.post(f"{objects}/contacts/batch/read", body).json()["results"] == []
    assert live.post(f"{objects}/contacts/batch/read?archived=true", body).json()["results"][0]["archived"] is True


def test_making_is_all_or_nothing(live: Live, objects: str) -> None:
    known = live.contact()
    inputs = [{"properties": {"email": email}} for email in ("new@acme.test", "ana@acme.test")]
    refused = live.post(f"{objects}/contacts/batch/create", {"inputs": inputs})
    assert refused.status_code == 409
    assert refused.json()["message"] == f"Contact already exists. Existing ID: {known}"
    assert live.portal.count("contacts") == 1
    made = live.post(f"{objects}/contacts/batch/create", {"inputs": inputs[:1]})
    assert (made.status_code, made.json()["results"][0]["properties"]["email"]) == (201, "new@acme.test")


def test_with_trace_ids_each_is_made_for_itself(live: Live, objects: str) -> None:
    live.contact()
    inputs = [
        {"properties": {"email": email}, "objectWriteTraceId": email} for email in ("new@acme.test", "ana@acme.test")
    ]
    done = live.post(f"{objects}/contacts/batch/create", {"inputs": inputs})
    assert done.status_code == partial(objects)
    assert [one["properties"]["email"] for one in done.json()["results"]] == ["new@acme.test"]
    error = done.json()["errors"][0]
    assert (error["category"], error["context"]) == ("CONFLICT", {"objectWriteTraceId": ["ana@acme.test"]})


def test_an_upsert_says_what_is_new(live: Live, objects: str) -> None:
    known = live.contact()
    inputs = [
        {"id": email, "idProperty": "email", "properties": {"jobtitle": "CEO"}}
        for email in ("ANA@acme.test", "new@acme.test")
    ]
    done = live.post(f"{objects}/contacts/batch/upsert", {"inputs": inputs}).json()["results"]
    assert [(one["id"] == known, one["new"], one["properties"]["jobtitle"]) for one in done] == [
        (True, False, "CEO"),
        (False, True, "CEO"),
    ]
    by_phone = {"inputs": [{"id": "123", "idProperty": "phone", "properties": {}}]}
    assert live.post(f"{objects}/contacts/batch/upsert", by_phone).status_code == 400


def test_archiving_skips_what_is_not_there(live: Live, objects: str) -> None:
    person = live.contact()
    done = live.post(f"{objects}/contacts/batch/archive", {"inputs": [{"id": person}, {"id": "999999"}]})
    assert done.status_code == 204
    assert live.portal.count("contacts") == 0
