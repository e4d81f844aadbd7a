"""What rows of the activity log mean, type by type."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.marketo.activities import DONE, SENT, ActivityMapper, guid
from connectors.records import Activity, ActivityKind, RecordRef
from tests.unit.connectors.marketo.test_marketo_settings import settings

WHO = RecordRef("acme", "leads", "7")


def read(type: str, primary: str | None = None, changes: dict[str, Any] | None = None, **told: Any) -> Activity | None:
    attributes = [{"name": name.replace("_", " "), "value": value} for name, value in told.items()]
    row = {"marketoGUID": "102988", "leadId": 7, "activityDate": "2023-01-16T23:32:19Z", "attributes": attributes}
    if primary is not None:
        row["primaryAttributeValue"] = primary
    return ActivityMapper(settings(**(changes or {}))).activity(row, type, WHO)


def test_a_call_asks_for_ten_types_at_most() -> None:
    assert len(DONE) <= 10
    assert len(SENT) <= 10
    assert not set(DONE) & set(SENT)


@pytest.mark.parametrize(
    ("type", "primary", "told", "kind", "detail"),
    [
        ("Visit Webpage", "acme.test/pricing", {"Webpage_URL": "/pricing"}, "pricing_page_view", "/pricing"),
        ("Visit Webpage", "acme.test/jobs/", {}, "careers_page_view", "/jobs/"),
        ("Visit Webpage", "https://acme.test", {}, "page_view", "/"),
        ("Visit Webpage", "localhost/x.html", {"Webpage_URL": "/x.html"}, "page_view", "/x.html"),
        ("Visit Webpage", "http://[", {}, "page_view", "/"),
        ("Fill Out Form", "Request a demo", {"Client_IP_Address": "10.0.0.1"}, "demo_request", "Request a demo"),
        ("Fill Out Form", "Contact us", {}, "form_submission", "Contact us"),
        ("Open Email", "News", {"Is_Bot_Activity": False}, "email_open", "News"),
        ("Click Email", "News", {"Link": "https://acme.test/pricing?mkt_tok=x"}, "email_click", "/pricing"),
        ("Click Sales Email", "Hello", {}, "email_click", "Hello"),
        ("Unsubscribe Email", "News", {}, "unsubscribe", "News"),
        ("Send Email", "News", {}, "campaign_send", "News"),
        ("Email Delivered", "News", {}, "email_delivery", "News"),
        ("Email Bounced Soft", "News", {}, "email_bounce", "News"),
        ("Send Sales Email", "Hello", {}, "sales_email", "Hello"),
        ("Change Status in Progression", "Webinar", {"New_Status": "Attended"}, "webinar_attendance", "Webinar"),
        ("Change Status in Progression", "Webinar", {"New_Status": "Registered"}, "webinar_registration", "Webinar"),
        ("Change Status in Progression", "Fair", {"New_Status": "Visited Booth"}, "event_attendance", "Fair"),
        ("Change Status in Progression", "Nurture", {"New_Status": "Engaged", "Success": "true"}, "campaign_response",
         "Nurture"),
        ("Interesting Moment", "Web", {"Description": "Attended webinar on scoring"}, "webinar_attendance", None),
    ],
)  # fmt: skip
def test_what_a_row_means(type: str, primary: str, told: dict[str, Any], kind: str, detail: str | None) -> None:
    found = read(type, primary, **told)
    at = datetime(2023, 1, 16, 23, 32, 19, tzinfo=UTC)
    ref = RecordRef("acme", "activities", "102988")
    assert found is not None
    assert found == Activity(ref, found.kind, (WHO,), at, at, detail)
    assert found.kind.value == kind


@pytest.mark.parametrize(
    ("type", "told"),
    [
        ("Open Email", {"Is_Bot_Activity": True}),
        ("Click Sales Email", {"Is_Bot_Activity": "true"}),
        ("Interesting Moment", {"Description": "Came by"}),
        ("Change Status in Progression", {"New_Status": "Member", "Success": False}),
        ("Change Status in Progression", {"New_Status": "Member"}),
    ],
)
def test_what_says_nothing_of_a_person_is_left_out(type: str, told: dict[str, Any]) -> None:
    assert read(type, "Nurture", **told) is None


def test_configured_patterns_come_first() -> None:
    changes = {
        "pages": [{"pattern": "^/pricing", "kind": "content_download"}],
        "forms": [{"pattern": "contact", "kind": "demo_request"}],
        "campaigns": [{"pattern": "came by", "kind": "event_attendance"}],
    }
    pricing = read("Visit Webpage", "acme.test/pricing", changes)
    contact = read("Fill Out Form", "Contact us", changes)
    moment = read("Interesting Moment", "Web", changes, Description="Came by")
    assert [found and found.kind for found in (pricing, contact, moment)] == [
        ActivityKind.CONTENT_DOWNLOAD, ActivityKind.DEMO_REQUEST, ActivityKind.EVENT_ATTENDANCE
    ]  # fmt: skip


def test_a_row_goes_by_its_global_id_and_older_ones_by_their_number() -> None:
    assert guid({"id": 7, "marketoGUID": "7a"}) == "7a"
    assert guid({"id": 7}) == "7"
