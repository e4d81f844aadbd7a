"""Bulk extracts: states, files, limits, and who may see them."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from datetime import timedelta
from typing import Any

import pytest

from sandbox.marketo.log import DELETE, VISIT
from sandbox.marketo.settings import CLIENT_ID, Service
from sandbox.marketo.temper import Limits, Temper
from tests.contract.sandbox_marketo.practice import SECRET, Live, Serve, codes

LEADS, ACTIVITIES = "/bulk/v1/leads/export", "/bulk/v1/activities/export"
NOVEMBER = {"createdAt": {"startAt": "2026-11-01T00:00:00Z", "endAt": "2026-12-01T00:00:00Z"}}
MINUTE = timedelta(minutes=1)


def create(live: Live, base: str = LEADS, filter: Any = NOVEMBER, **more: Any) -> Any:
    return live.post(f"{base}/create.json", {"fields": ["id", "email"], "filter": filter, **more})


def started(live: Live, base: str = LEADS, **more: Any) -> str:
    """The path of a job that was put into the queue."""
    path = f"{base}/{create(live, base, **more)['result'][0]['exportId']}"
    assert live.post(f"{path}/enqueue.json")["result"][0]["status"] == "Queued"
    return path


def rows(live: Live, path: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(live.call("GET", f"{path}/file.json").content.decode())))


def test_leads_are_extracted_by_when_they_were_made(live: Live) -> None:
    inside = live.instance.add_lead({"email": "a@acme.test", "title": 'CTO, "chief"', "doNotCall": False})
    live.instance.add_lead({"email": "b@acme.test"}, at=live.clock.now() - timedelta(days=40))
    job = create(live, fields=["id", "email", "title", "city", "doNotCall"], columnHeaderNames={"id": "Marketo Id"})
    (made,) = job["result"]
    assert made["status"] == "Created"
    path = f"{LEADS}/{made['exportId']}"
    live.post(f"{path}/enqueue.json")
    (state,) = live.result(f"{path}/status.json")
    assert (state["status"], state["numberOfRecords"]) == ("Completed", 1)
    content = live.call("GET", f"{path}/file.json").content
    assert state["fileSize"] == len(content)
    assert state["fileChecksum"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert rows(live, path) == [
        {
            "Marketo Id": str(inside),
            "email": "a@acme.test",
            "title": 'CTO, "chief"',
            "city": "null",
            "doNotCall": "false",
        }
    ]


def test_a_part_of_a_file_is_read_by_range(live: Live) -> None:
    live.instance.add_lead({"email": "a@acme.test"})
    path = started(live)
    whole = live.call("GET", f"{path}/file.json").content
    part = live.call("GET", f"{path}/file.json", headers={"Range": "bytes=3-9"})
    assert (part.status_code, part.content) == (206, whole[3:10])
    assert part.headers["Content-Range"] == f"bytes 3-9/{len(whole)}"
    rest = live.call("GET", f"{path}/file.json", headers={"Range": "bytes=10-"})
    assert rest.content == whole[10:]


def test_the_state_changes_once_a_minute_and_two_jobs_run_at_once(live: Live) -> None:
    live.instance.set_temper(Temper(export_seconds=90))
    paths = [started(live) for _ in range(3)]

    def states() -> list[str]:
        return [live.result(f"{path}/status.json")[0]["status"] for path in paths]

    assert states() == ["Processing", "Processing", "Queued"]
    live.clock.advance(timedelta(seconds=100))
    assert states() == ["Processing", "Processing", "Queued"], "as of a whole minute"
    live.clock.advance(timedelta(seconds=20))
    assert states() == ["Completed", "Completed", "Processing"]
    live.clock.advance(2 * MINUTE)
    assert states() == ["Completed"] * 3


def test_a_file_that_is_not_ready_or_too_old_is_a_plain_404(live: Live) -> None:
    live.instance.set_temper(Temper(export_seconds=90))
    path = started(live)
    answer = live.call("GET", f"{path}/file.json")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/plain; charset=utf-8")
    live.clock.advance(2 * MINUTE)
    assert live.call("GET", f"{path}/file.json").status_code == 200
    live.clock.advance(timedelta(days=8))
    token = str(live.log_in().json()["access_token"])
    assert live.call("GET", f"{path}/file.json", token=token).status_code == 404


def test_ten_jobs_fit_into_the_queue(live: Live) -> None:
    live.instance.set_temper(Temper(export_seconds=90))
    paths = [started(live) for _ in range(10)]
    full = live.post(f"{LEADS}/{create(live)['result'][0]['exportId']}/enqueue.json")
    assert full["errors"] == [{"code": "1029", "message": "Too many jobs in queue"}]
    assert live.post(f"{paths[0]}/cancel.json")["result"][0]["status"] == "Cancelled"
    assert live.result(f"{paths[0]}/status.json")[0]["status"] == "Canceled"
    started(live)
    assert codes(live.post(f"{paths[1]}/enqueue.json")) == ["1029"]


def test_the_bytes_of_a_day_are_counted(serve: Serve) -> None:
    live = serve(limits=Limits(export_bytes=10))
    live.instance.add_lead({"email": "a@acme.test"})
    live.call("GET", f"{started(live)}/file.json")
    assert create(live)["errors"] == [{"code": "1029", "message": "Export daily quota exceeded"}]
    live.clock.advance(timedelta(days=1))
    live._token = ""
    assert create(live)["success"]


def test_a_job_may_fail(live: Live) -> None:
    live.instance.set_temper(Temper(failing=1.0))
    path = started(live)
    assert live.result(f"{path}/status.json")[0]["status"] == "Failed"
    assert live.call("GET", f"{path}/file.json").status_code == 404


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ({"filter": {"createdAt": {"startAt": "2026-10-01T00:00:00Z", "endAt": "2026-12-01T00:00:00Z"}}}, "1003"),
        ({"filter": {"updatedAt": NOVEMBER["createdAt"]}}, "1035"),
        ({"filter": {"smartListId": 7}}, "1035"),
        ({"filter": {**NOVEMBER, "staticListId": 7}}, "1003"),
        ({"filter": {"staticListId": 7}}, "1013"),
        ({"filter": {}}, "1002"),
        ({"fields": []}, "1002"),
        ({"fields": ["nope"]}, "1006"),
        ({"format": "XML"}, "1003"),
    ],
)
def test_orders_that_cannot_be_obeyed(live: Live, order: dict[str, Any], code: str) -> None:
    assert codes(create(live, **order)) == [code]


def test_the_filter_updated_at_sees_changes_of_any_field_where_it_is_enabled(live: Live) -> None:
    live.instance.schema.add("acmeScore", "Acme Score", "score")
    live.instance.set_temper(Temper(updated_filter=True))
    old = live.clock.now() - timedelta(days=60)
    one, _ = live.instance.add_lead({}, at=old), live.instance.add_lead({}, at=old)
    live.sync({"id": one, "acmeScore": 1})
    found = rows(live, started(live, filter={"updatedAt": NOVEMBER["createdAt"]}))
    assert [row["id"] for row in found] == [str(one)]


def test_a_subscription_may_have_no_bulk_extract(live: Live) -> None:
    live.instance.set_temper(Temper(bulk=False))
    assert codes(create(live)) == ["703"]


def test_jobs_belong_to_the_user_who_made_them(serve: Serve) -> None:
    other = "99999999-2222-3333-4444-555555555555"
    live = serve(services={CLIENT_ID: Service(SECRET), other: Service("other", user="other@acme.test")})
    path = started(live)
    assert [row["status"] for row in live.result(f"{LEADS}.json", status="Completed,Failed")] == ["Completed"]
    token = str(live.log_in(client=other, secret="other").json()["access_token"])
    assert codes(live.call("GET", f"{path}/status.json", token=token).json()) == ["1013"]
    assert "result" in live.call("GET", f"{LEADS}.json", token=token).json()
    assert live.call("GET", f"{LEADS}.json", token=token).json()["result"] == []


def test_activities_are_extracted_with_their_attributes_as_json(live: Live) -> None:
    lead = live.instance.add_lead({})
    live.instance.happen(lead, VISIT, primary=7, value="acme.test/pricing", attributes={"Webpage URL": "/pricing"})
    path = started(live, ACTIVITIES, fields=None, filter={**NOVEMBER, "activityTypeIds": [VISIT]})
    (row,) = rows(live, path)
    assert json.loads(row.pop("attributes")) == {"Webpage URL": "/pricing"}
    assert row.pop("marketoGUID")
    assert row == {
        "leadId": str(lead),
        "activityDate": "2026-11-20T12:00:00Z",
        "activityTypeId": "1",
        "campaignId": "null",
        "primaryAttributeValueId": "7",
        "primaryAttributeValue": "acme.test/pricing",
    }
    assert codes(create(live, ACTIVITIES, fields=None, filter={**NOVEMBER, "activityTypeIds": [DELETE]})) == ["1003"]
    assert codes(create(live, ACTIVITIES, fields=None, filter={"activityTypeIds": [VISIT]})) == ["1002"]
