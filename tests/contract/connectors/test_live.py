"""The reading laws over a real org or portal, by `make contract-live`: some pages of every stream, and no write.

Runs where the variables of an account are set, and never where `CI` is. See docs/connectors.md.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from pydantic import TypeAdapter

from connectors.catalog import SourceSettings, open_crm
from connectors.errors import Misconfigured
from connectors.port import Crm, Page, Tier
from connectors.quota import OpenGate
from connectors.records import AccountRecord, LeadRecord, Outcome, RecordRef
from connectors.tokens import MemoryTokens

PAGES = 3
"""Of a stream: an org may hold millions of rows, and its calls are its owner's."""
pytestmark = [pytest.mark.live, pytest.mark.timeout(900)]


@dataclass(frozen=True, slots=True)
class Account:
    """A kind of CRM, the variables that must be set, and what they say."""

    kind: str
    needs: Sequence[str]

    def settings(self) -> dict[str, Any]:
        here: dict[str, Any] = {"kind": self.kind, "name": "live"}
        if bundle := os.environ.get("LIVE_CA_BUNDLE"):
            here["ca_bundle"] = bundle
        if self.kind == "salesforce":
            auth = {"type": "client_credentials", "consumer_key": os.environ["LIVE_SALESFORCE_CONSUMER_KEY"]}
            auth["consumer_secret"] = {"env": "LIVE_SALESFORCE_CONSUMER_SECRET"}  # type: ignore[assignment]
            return {**here, "login_url": os.environ["LIVE_SALESFORCE_URL"], "auth": auth}
        host = {"host": os.environ["LIVE_HUBSPOT_URL"]} if "LIVE_HUBSPOT_URL" in os.environ else {}
        return {**here, **host, "auth": {"type": "token", "token": {"env": "LIVE_HUBSPOT_TOKEN"}}}


ACCOUNTS = (
    Account("salesforce", ["LIVE_SALESFORCE_URL", "LIVE_SALESFORCE_CONSUMER_KEY", "LIVE_SALESFORCE_CONSUMER_SECRET"]),
    Account("hubspot", ["LIVE_HUBSPOT_TOKEN"]),
)


class Opener:
    """Opens connectors on one account, as processes do that share their tokens."""

    def __init__(self, account: Account) -> None:
        self._settings: Any = TypeAdapter[Any](SourceSettings).validate_python(account.settings())
        self._tokens = MemoryTokens()
        self._opened: list[Crm] = []

    def __call__(self) -> Crm:
        crm = open_crm(self._settings, gate=OpenGate(), tokens=self._tokens, observer=lambda exchange: None)
        self._opened.append(crm)
        return crm

    def close(self) -> None:
        for crm in self._opened:
            crm.close()


@pytest.fixture(scope="module", params=ACCOUNTS, ids=lambda account: account.kind)
def opener(request: pytest.FixtureRequest) -> Iterator[Opener]:
    if os.environ.get("CI"):
        pytest.skip("a real account is never read in CI")
    if missing := [name for name in request.param.needs if not os.environ.get(name)]:
        pytest.skip(f"no real {request.param.kind} account: {', '.join(missing)} not set")
    made = Opener(request.param)
    yield made
    made.close()


@pytest.fixture
def crm(opener: Opener) -> Crm:
    return opener()


def some(crm: Crm, stream: str, tier: Tier = Tier.COMPLETE, cursor: Any = None) -> list[Page]:
    """Some pages, the cursor through JSON between them."""
    pages: list[Page] = []
    while len(pages) < PAGES and not (pages and pages[-1].done):
        pages.append(crm.pull(stream, cursor, tier))
        cursor = json.loads(json.dumps(pages[-1].cursor))
    return pages


def facts(page: Page) -> list[Any]:
    return [*page.leads, *page.accounts, *page.activities, *page.outcomes]


def names(page: Page) -> set[RecordRef]:
    return {fact.ref for fact in facts(page)}


def test_the_account_is_fit(crm: Crm) -> None:
    problems = [problem for problem in crm.check() if problem.fatal]
    assert problems == [], "\n".join(f"{each.where}: {each.what}; {each.fix}" for each in problems)


def test_rows_are_whole(crm: Crm) -> None:
    for stream in crm.streams:
        for page in some(crm, stream.name):
            assert all(ref.source == crm.source and ref.id for ref in names(page))
            assert page.backfill or not names(page), f"{stream.name}: a first load says that it is one"
            rows: list[LeadRecord | AccountRecord | Outcome] = [*page.leads, *page.accounts, *page.outcomes]
            for row in rows:
                assert row.created_at.utcoffset() == row.modified_at.utcoffset() == timedelta(0)
            for act in page.activities:
                assert act.people, f"{act.ref}: an activity of nobody"
                assert act.occurred_at.utcoffset() == act.recorded_at.utcoffset() == timedelta(0)
            emails = [lead.email for lead in page.leads if lead.email]
            assert not any(email in repr(page) for email in emails[:20]), "a page shows a person"


def test_a_page_read_again_is_the_same_page(crm: Crm) -> None:
    for stream in crm.streams:
        first, again = (crm.pull(stream.name, None, Tier.COMPLETE) for _ in range(2))
        lost = names(first) - names(again) - {gone.ref for gone in again.deletions}
        assert not lost, f"{stream.name}: rows of the first reading are not in the second"


def test_a_new_process_goes_on_where_another_stopped(opener: Opener) -> None:
    for stream in opener().streams:
        pages = some(opener(), stream.name)
        for before, after in pairwise(pages):
            other = opener().pull(stream.name, json.loads(json.dumps(before.cursor)), Tier.COMPLETE)
            assert names(after) - {gone.ref for gone in other.deletions} <= names(other), stream.name


def test_the_fast_tier_reads_from_the_cursor_on(crm: Crm) -> None:
    for stream in crm.streams:
        if Tier.FAST in stream.tiers:
            cursor = crm.pull(stream.name, None, Tier.COMPLETE).cursor
            assert not any(page.backfill for page in some(crm, stream.name, Tier.FAST, cursor))


def test_a_census_names_rows_that_can_be_fetched_and_read_back(crm: Crm) -> None:
    for object in crm.objects:
        refs = list(crm.census(object, None).refs)[:5]
        assert all((ref.source, ref.object) == (crm.source, object) for ref in refs)
        page = crm.fetch(refs)
        found = {row.ref for row in page.leads} | {row.ref for row in page.accounts}
        assert found | {gone.ref for gone in page.deletions} == set(refs)
        people = [lead.ref for lead in page.leads]
        if people:
            assert crm.read_back(people).keys() == set(people)


def test_the_daily_allowance_is_learnt(crm: Crm) -> None:
    some(crm, crm.streams[0].name)
    quota = crm.quota()
    assert quota is None or 0 < quota.used <= quota.limit


def test_a_stream_that_there_is_not_is_an_error_of_the_caller(crm: Crm) -> None:
    with pytest.raises((LookupError, Misconfigured)):
        crm.pull("no such stream", None, Tier.COMPLETE)
