"""Forms, submissions and marketing e-mail events: the endpoints without a dated path."""

from __future__ import annotations

from datetime import timedelta

from tests.contract.sandbox_hubspot.practice import NOON, Live

NOON_MS = int(NOON.timestamp() * 1000)


def test_submissions_come_newest_first_in_pages_of_at_most_fifty(live: Live) -> None:
    guid = live.portal.add_form("Contact us")
    for n in range(60):
        at = NOON + timedelta(seconds=n)
        live.portal.submit_form(guid, {"email": f"p{n}@acme.test", "note": "hi"}, "https://x.test/contact", at=at)
    url = f"/form-integrations/v1/submissions/forms/{guid}"
    assert len(live.get(url).json()["results"]) == 20
    assert live.get(f"{url}?limit=51").status_code == 400
    page = live.get(f"{url}?limit=50").json()
    newest = page["results"][0]
    assert (newest["submittedAt"], newest["pageUrl"]) == (NOON_MS + 59_000, "https://x.test/contact")
    assert newest["values"][0] == {"name": "email", "value": "p59@acme.test", "objectTypeId": "0-1"}
    rest = live.get(f"{url}?limit=50&after={page['paging']['next']['after']}").json()
    assert "paging" not in rest
    ids = [sent["conversionId"] for sent in page["results"] + rest["results"]]
    assert len(set(ids)) == 60


def test_email_events_of_a_window_include_both_ends(live: Live) -> None:
    for second in range(5):
        live.portal.email_event(
            "CLICK", "a@acme.test", campaign=7, url="https://x.test", at=NOON + timedelta(seconds=second)
        )
    url = f"/email/public/v1/events?startTimestamp={NOON_MS + 1_000}&endTimestamp={NOON_MS + 3_000}"
    page = live.get(f"{url}&limit=2").json()
    assert page["hasMore"] is True
    assert page["events"][0] == {
        "id": page["events"][0]["id"],
        "created": NOON_MS + 3_000,
        "type": "CLICK",
        "recipient": "a@acme.test",
        "portalId": 9001,
        "appId": 113,
        "appName": "Batch",
        "emailCampaignId": 7,
        "url": "https://x.test",
        "filteredEvent": False,
    }
    rest = live.get(f"{url}&limit=2&offset={page['offset']}").json()
    assert (rest["hasMore"], [event["created"] for event in rest["events"]]) == (False, [NOON_MS + 1_000])
    assert live.get(f"{url}&limit=1001").status_code == 400
    assert live.get(f"{url}&eventType=OPEN").json()["events"] == []


def test_forms_are_listed_in_pages(live: Live) -> None:
    guids = [live.portal.add_form(name, at=NOON + timedelta(seconds=n)) for n, name in enumerate(("A", "B", "C"))]
    page = live.get("/marketing/v3/forms?limit=2").json()
    rest = live.get(f"/marketing/v3/forms?limit=2&after={page['paging']['next']['after']}").json()
    assert [form["id"] for form in page["results"] + rest["results"]] == guids
    assert live.get(f"/marketing/v3/forms/{guids[0]}").json()["name"] == "A"
    assert live.get("/marketing/v3/forms/none").status_code == 404
