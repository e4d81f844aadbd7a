"""Bulk API 2.0 over plain HTTP."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.contract.sandbox_salesforce.practice import NOON, Api, Practice

DONE = {"JobComplete", "Failed", "Aborted"}


def _finished(api: Api, path: str) -> dict[str, Any]:
    """Poll a job until it has ended."""
    pause = threading.Event()
    for _ in range(2_000):
        job: dict[str, Any] = api("GET", path).json()
        if job["state"] in DONE:
            return job
        pause.wait(0.005)
    raise AssertionError(f"the job at {path} did not end")


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def _queried(api: Api, soql: str, operation: str = "query") -> str:
    job = api("POST", "jobs/query", json={"operation": operation, "query": soql}).json()
    assert job["state"] == "UploadComplete"
    path = f"jobs/query/{job['id']}"
    assert _finished(api, path)["state"] == "JobComplete"
    return path


def test_query_results_come_in_pieces_with_the_header_on_each(practice: Practice, api: Api) -> None:
    practice.clock.hold(NOON)
    for n in range(5):
        practice.org.insert("Lead", {"LastName": f"L{n}", "Company": 'A "B"\nC', "AnnualRevenue": 1250})
    path = _queried(api, "SELECT LastName, Company, AnnualRevenue, IsConverted, Email, CreatedDate FROM Lead")
    pieces, locator = [], None
    while locator != "null":
        params = {"maxRecords": "2", **({"locator": locator} if locator else {})}
        answer = api("GET", f"{path}/results", params=params)
        locator = answer.headers["Sforce-Locator"]
        assert int(answer.headers["Sforce-NumberOfRecords"]) == len(_rows(answer.text))
        pieces.append(answer.text)
    assert [piece.splitlines()[0] for piece in pieces] == [
        '"LastName","Company","AnnualRevenue","IsConverted","Email","CreatedDate"'
    ] * 3
    rows = [row for piece in pieces for row in _rows(piece)]
    assert rows[0] == {
        "LastName": "L0", "Company": 'A "B"\nC', "AnnualRevenue": "1250.0", "IsConverted": "false", "Email": "",
        "CreatedDate": "2026-03-02T12:00:00.000Z",
    }  # fmt: skip
    assert len(rows) == 5


def test_query_all_has_the_deleted_and_an_empty_result_its_header(practice: Practice, api: Api) -> None:
    id = practice.org.insert("Lead", {"LastName": "Ray", "Company": "Acme"})
    practice.org.delete("Lead", id)
    soql = "SELECT Id, IsDeleted FROM Lead"
    gone = api("GET", f"{_queried(api, soql, 'queryAll')}/results").text
    assert _rows(gone) == [{"Id": id, "IsDeleted": "true"}]
    nothing = api("GET", f"{_queried(api, soql)}/results")
    assert (nothing.text, nothing.headers["Sforce-Locator"]) == ('"Id","IsDeleted"\n', "null")


def test_a_query_job_can_be_aborted_and_deleted(practice: Practice, api: Api) -> None:
    practice.service.settings = replace(practice.service.settings, bulk_delay=600)
    job = api("POST", "jobs/query", json={"operation": "query", "query": "SELECT Id FROM Lead"}).json()
    path = f"jobs/query/{job['id']}"
    assert api("PATCH", path, json={"state": "Aborted"}).json()["state"] == "Aborted"
    assert api("GET", f"{path}/results").status_code == 400
    assert api("DELETE", path).status_code == 204
    assert api("GET", path).status_code == 404


def test_a_job_is_read_with_the_version_that_made_it_and_for_a_week(practice: Practice, api: Api) -> None:
    path = _queried(api, "SELECT Id FROM Lead")
    assert api("GET", f"/services/data/v63.0/{path}").status_code == 409
    practice.clock.advance(timedelta(days=8))
    assert practice.api()("GET", path).status_code == 404


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT COUNT(Id) FROM Lead", "API_ERROR"),
        ("SELECT Id, (SELECT Id FROM Tasks) FROM Lead", "API_ERROR"),
        ("SELECT Nope__c FROM Lead", "INVALID_FIELD"),
        ("SELECT Id FROM LeadStatus", "INVALIDENTITY"),
    ],
)
def test_what_bulk_cannot_query_is_refused_at_once(api: Api, soql: str, code: str) -> None:
    answer = api("POST", "jobs/query", json={"operation": "query", "query": soql})
    assert (answer.status_code, answer.json()[0]["errorCode"]) == (400, code)


def _ingest(api: Api, content: bytes | Iterator[bytes], **options: Any) -> tuple[str, dict[str, Any]]:
    order = {"object": "Lead", "operation": "update", "lineEnding": "LF", "contentType": "CSV", **options}
    job = api("POST", "jobs/ingest", json=order).json()
    assert job["state"] == "Open"
    uploaded = api("PUT", f"/{job['contentUrl']}", data=content, headers={"Content-Type": "text/csv"})
    assert uploaded.status_code == 201
    path = f"jobs/ingest/{job['id']}"
    assert api("PATCH", path, json={"state": "UploadComplete"}).json()["state"] == "UploadComplete"
    return path, _finished(api, path)


def test_an_empty_cell_leaves_and_na_clears(practice: Practice, api: Api) -> None:
    one, two = (
        practice.org.insert("Lead", {"LastName": n, "Company": "Acme", "Rating": "Hot", "Need__c": "CRM"}) for n in "AB"
    )
    practice.org.delete("Lead", two)
    lines = f'Id,Rating,Need__c\n{one},,#N/A\n{two},Cold,"two\nlines"\n'.encode()
    path, job = _ingest(api, iter([lines[:30], lines[30:]]))  # a chunked body
    assert (job["state"], job["numberRecordsProcessed"], job["numberRecordsFailed"]) == ("JobComplete", 2, 1)
    lead = practice.org.get("Lead", one)
    assert lead is not None
    assert (lead["Rating"], lead["Need__c"]) == ("Hot", None)
    (good,) = _rows(api("GET", f"{path}/successfulResults").text)
    assert good == {"sf__Id": one, "sf__Created": "false", "Id": one, "Rating": "", "Need__c": "#N/A"}
    (bad,) = _rows(api("GET", f"{path}/failedResults").text)
    assert (bad["sf__Id"], bad["sf__Error"]) == (two, "ENTITY_IS_DELETED:entity is deleted:--")
    assert bad["Need__c"] == "two\nlines"
    assert _rows(api("GET", f"{path}/unprocessedRecords").text) == []


def test_insert_upsert_and_delete(practice: Practice, api: Api) -> None:
    path, job = _ingest(api, b"LastName,Company\r\nA,Acme\r\nB,\r\n", operation="insert", lineEnding="CRLF")
    assert job["numberRecordsFailed"] == 1
    (made,) = _rows(api("GET", f"{path}/successfulResults").text)
    assert made["sf__Created"] == "true"
    _, job = _ingest(api, f"Id\n{made['sf__Id']}\n".encode(), operation="hardDelete")
    assert job["numberRecordsFailed"] == 0
    assert practice.org.get("Lead", made["sf__Id"]) is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"Id,Nope__c\n00Q,1\n", "InvalidBatch : Field name not found : Nope__c"),
        (b"Id,Rating\r\n00Q,Hot\r\n", "ClientInputError : LineEnding is invalid on user data"),
        (b"\xff\xfe", "ClientInputError"),
    ],
    ids=["unknown column", "other line ending", "not UTF-8"],
)
def test_a_file_that_cannot_be_read_fails_the_job(api: Api, content: bytes, words: str) -> None:
    _, job = _ingest(api, content)
    assert job["state"] == "Failed"
    assert words in job["errorMessage"]


def test_a_job_takes_one_upload_and_only_while_open(api: Api) -> None:
    job = api("POST", "jobs/ingest", json={"object": "Lead", "operation": "insert"}).json()
    path = f"jobs/ingest/{job['id']}"
    assert api("PUT", f"{path}/batches", data=b"LastName,Company\nA,B\n").status_code == 201
    assert api("PUT", f"{path}/batches", data=b"LastName,Company\nA,B\n").status_code == 400
    assert api("DELETE", path).status_code == 400
    assert api("PATCH", path, json={"state": "Aborted"}).json()["state"] == "Aborted"
    assert _rows(api("GET", f"{path}/unprocessedrecords").text) == []
    assert api("DELETE", path).status_code == 204
