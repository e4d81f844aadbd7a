"""The rep's pages and the sandbox's own controls."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
import requests

from tests.contract.sandbox_hubspot.practice import Live, Serve


class _Text(HTMLParser):
    """The words that a page shows, and where its links lead."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href" and value]

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())


def shown(live: Live, path: str) -> _Text:
    page = live.get(path)
    assert page.headers["content-type"].startswith("text/html")
    return _Text(page.text)


def test_people_are_listed_by_score(live: Live) -> None:
    unscored = live.contact(firstname="Una")
    low = live.contact("b@acme.test", firstname="Lo", lead_gauge_score="9", lead_gauge_bucket="cold")
    high = live.contact("c@acme.test", firstname="Hi", lead_gauge_score="91", lead_gauge_bucket="hot")
    links = [link for link in shown(live, "/sandbox/").links if "/record/" in link]
    assert links == [f"/sandbox/record/contacts/{id_}" for id_ in (high, low, unscored)]
    assert [link for link in shown(live, "/sandbox/?q=una").links if "/record/" in link] == [
        f"/sandbox/record/contacts/{unscored}"
    ]


def test_the_list_has_pages(live: Live) -> None:
    for n in range(51):
        live.contact(f"p{n}@acme.test")
    first = shown(live, "/sandbox/")
    assert "?q=&page=2" in first.links
    assert len([link for link in shown(live, "/sandbox/?page=2").links if "/record/" in link]) == 1
    assert "Nobody here answers" in " ".join(shown(live, "/sandbox/?q=zzz").words)


def test_a_record_shows_score_fields_and_what_happened(live: Live) -> None:
    person = live.contact(
        firstname="Ana", lastname="Ruiz", company="Acme", lead_gauge_score="91", lead_gauge_bucket="hot",
        lead_gauge_action="Call immediately", lead_gauge_stage="mql", lead_gauge_reasons="Pricing page +15; CEO +10",
        lead_gauge_scored_at="2026-11-20T11:59:00Z",
    )  # fmt: skip
    company = live.portal.create("companies", {"name": "Acme Ltd"})
    live.portal.associate("contacts", person, "companies", company)
    for kind in ("pricing_page_view", "demo_request", "email_clicked", "meeting"):
        live.post("/sandbox/activity", {"email": "ana@acme.test", "kind": kind})
    page = shown(live, f"/sandbox/record/contacts/{person}")
    for words in (
        "Ana Ruiz", "91", "hot", "Call immediately", "mql", "Pricing page +15", "CEO +10", "20 Nov 2026 11:59 UTC",
        "Acme Ltd", "https://www.gaugewright.example/pricing", "Demo request", "Click", "Intro meeting",
    ):  # fmt: skip
        assert words in page.words, words
    assert f"/sandbox/record/companies/{company}" in page.links
    assert "Acme Ltd" in shown(live, f"/sandbox/record/companies/{company}").words


def test_what_people_type_is_shown_and_never_run(live: Live) -> None:
    attack = "<script>alert(1)</script>"
    person = live.contact(firstname=attack, lead_gauge_reasons=attack, jobtitle='"><img src=x>')
    for path in ("/sandbox/", f"/sandbox/record/contacts/{person}", "/sandbox/?q=%3Cscript%3Ealert(1)%3C/script%3E"):
        page = shown(live, path)
        assert "script" not in page.tags
        assert "img" not in page.tags
    assert attack in " ".join(shown(live, "/sandbox/").words)


def test_a_record_that_is_not_there_is_a_page_of_its_own(live: Live) -> None:
    assert live.get("/sandbox/record/contacts/999999").status_code == 404
    assert live.get("/sandbox/record/unicorns/1").status_code == 404


@pytest.mark.parametrize(
    ("kind", "moved"),
    [
        ("page_view", "hs_analytics_num_page_views"),
        ("pricing_page_view", "hs_analytics_num_page_views"),
        ("content_download", "num_conversion_events"),
        ("form_submission", "num_conversion_events"),
        ("demo_request", "num_conversion_events"),
        ("email_opened", "hs_email_open"),
        ("email_clicked", "hs_email_click"),
        ("meeting", "num_notes"),
        ("call", "num_contacted_notes"),
    ],
)
def test_an_activity_happens_now(live: Live, kind: str, moved: str) -> None:
    person = live.contact()
    made = live.post("/sandbox/activity", {"email": "Ana@acme.test", "kind": kind})
    assert (made.status_code, made.json()["id"], made.json()["object"]) == (200, person, "contacts")
    record = live.portal.get("contacts", person)
    assert record is not None
    assert record.read(moved) == "1"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"email": "ana@acme.test", "kind": "dance"}, 400),
        ({"email": "nobody@acme.test", "kind": "meeting"}, 404),
        (["meeting"], 400),
    ],
)
def test_an_impossible_activity_is_refused(live: Live, body: object, status: int) -> None:
    live.contact()
    assert live.post("/sandbox/activity", body).status_code == status


@pytest.mark.parametrize("type_", ["0-1", "contacts"])
def test_a_link_to_a_record_as_the_vendor_makes_it_leads_to_its_page(live: Live, type_: str) -> None:
    person = live.contact(firstname="Ana", lastname="Acme")
    details = live.get("/account-info/v3/details").json()
    link = f"https://{details['uiDomain']}/contacts/{details['portalId']}/record/{type_}/{person}"
    assert live.get(f"/crm/v3/objects/contacts/{person}").json()["url"].endswith(f"/record/0-1/{person}")
    page = requests.get(link, verify=live.ca, timeout=10)
    assert (page.status_code, page.url) == (200, f"{live.url}/sandbox/record/contacts/{person}")
    assert "Ana Acme" in page.text


def test_a_link_to_the_vendors_own_pages_may_be_asked_for(serve: Serve) -> None:
    live = serve(ui_domain="app.hubspot.com")
    person = live.contact()
    url = live.get(f"/crm/v3/objects/contacts/{person}").json()["url"]
    assert url == f"https://app.hubspot.com/contacts/9001/record/0-1/{person}"
