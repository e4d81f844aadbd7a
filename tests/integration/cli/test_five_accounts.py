"""Two CRMs, Marketo, Amplitude and Mixpanel of one company: who is one person there is one here, and all show it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
import redis
import requests
from pydantic import TypeAdapter

from connectors.catalog import AnySettings, SourceSettings
from tests.integration.cli.product import Product, hubspot, salesforce, secrets
from tests.integration.sandbox.sandbox_process import Sandbox, running
from worker import embedded

BESIDE = ("marketo", "amplitude", "mixpanel")
ALL = ("salesforce", "hubspot", *BESIDE)
CONTRACT = {"marketo": "leadGauge{}", "amplitude": "lead_gauge_{}", "mixpanel": "lead_gauge_{}"}
"""How the three name a score field."""
CAMPAIGN, REQUESTED = 3712, "Leadgauge: marketing qualified"
"""The practice Marketo's campaign that may be requested."""


def beside(sandbox: Sandbox) -> list[dict[str, Any]]:
    """The three, with what they need to be quick: short histories, and limits that practice accounts do not have."""
    told, trust = sandbox.address, {"ca_bundle": sandbox.ca}
    url = told["amplitude"]["url"]
    marketo = {
        "kind": "marketo", "name": "marketo", "host": told["marketo"]["url"], "salesforce": "salesforce",
        "auth": {"client_id": told["marketo"]["client_id"], "client_secret": {"env": "SECRET_MARKETO"}},
        "since": told["marketo"]["since"], "timings": {"settle": 0, "overlap": 0}, "calls_per_20_seconds": 4000,
        "erase_deleted": True, "alert": {"campaign": CAMPAIGN, "entering": "warm"},
    }  # fmt: skip
    amplitude = {
        "kind": "amplitude", "name": "amplitude", "hosts": {"ingest": url, "analytics": url, "profile": url},
        "project": told["amplitude"]["project"],
        "api_key": {"env": "SECRET_AMPLITUDE_KEY"}, "secret_key": {"env": "SECRET_AMPLITUDE"},
        "timings": {"history": "P240D", "window": "P240D"}, "profiles_per_minute": 6000,
        "events": [{"pattern": "plans", "kind": "pricing_page_view"}, {"pattern": "^used", "kind": "page_view"},
                   {"pattern": "^upgraded", "outcome": "won", "amount": "price"}],
        "cohorts": {bucket: f"Leadgauge {bucket}" for bucket in ("hot", "warm")},
    }  # fmt: skip
    mixpanel = {
        "kind": "mixpanel", "name": "mixpanel", "project_id": told["mixpanel"]["project_id"],
        "hosts": dict.fromkeys(("ingest", "export", "query"), told["mixpanel"]["url"]),
        "auth": {"user": told["mixpanel"]["user"], "secret": {"env": "SECRET_MIXPANEL"},
                 "token": {"env": "SECRET_MIXPANEL_TOKEN"}},
        "exports_per_hour": 60_000, "queries_per_hour": 60_000, "timings": {"history": "P20D"},
        "events": [{"pattern": "^used", "kind": "page_view"}],
    }  # fmt: skip
    return [source | trust for source in (marketo, amplitude, mixpanel)]


@dataclass
class Company:
    """The practice accounts, and the command on them; `first` is what its first pass told."""

    sandbox: Sandbox
    product: Product
    first: Mapping[str, Any]

    def rows(self, query: str, *values: object) -> list[Any]:
        with psycopg.connect(self.product.environment["LEADGAUGE_DATABASE_URL"].replace("+psycopg", "")) as database:
            return database.execute(query, values).fetchall()

    def sync(self, code: int = 0) -> dict[str, Any]:
        """A pass, and what it told."""
        ended = self.product.run("sync", "--once", "--json")
        assert ended.code == code, ended.said
        return dict(json.loads(ended.out))

    def people(self, account: str) -> dict[str, dict[str, Any]]:
        """By id, as the account shows them."""
        return {each["id"]: each for each in self.sandbox.call(account, "GET", "/sandbox/people").json()}

    def shown(self, account: str, key: str, field: str = "score") -> Any:
        """A score field of somebody's in one of the three."""
        name = CONTRACT[account].format(field.capitalize() if account == "marketo" else field)
        return self.people(account)[key]["fields"].get(name)

    def order(self, account: str, path: str, **body: Any) -> None:
        answer = self.sandbox.call(account, "POST", f"/sandbox/{path}", body)
        assert answer.status_code == 200, answer.text

    def keys(self, person: int) -> dict[str, str]:
        """The key of a person's record, by account."""
        query = "SELECT source, key FROM subject s JOIN record r ON r.subject_id = s.id WHERE person_id = %s"
        return dict(self.rows(query, person))

    def someone(self, *accounts: str, where: str = "true") -> int:
        """Somebody with one open record in each of these accounts."""
        found = self.rows(
            f"""SELECT person_id FROM subject s JOIN record r ON r.subject_id = s.id JOIN score c USING (person_id)
                WHERE {where} GROUP BY person_id
                HAVING array_agg(source) @> %s::text[] AND count(*) = count(DISTINCT source) AND every(state = 'open')
                ORDER BY person_id LIMIT 1""",
            list(accounts),
        )
        assert found, "nobody is in all of them"
        return int(found[0][0])


@pytest.fixture(scope="module")
def company(
    module_database_url: str, servers: embedded.Addresses, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Company]:
    with running(
        tmp_path_factory.mktemp("five"), "--people", "40", "--seed", "3", "--with", ",".join(BESIDE)
    ) as sandbox:
        told = sandbox.address
        hidden = secrets(sandbox) | {
            "SECRET_MARKETO": told["marketo"]["client_secret"],
            "SECRET_AMPLITUDE_KEY": told["amplitude"]["api_key"],
            "SECRET_AMPLITUDE": told["amplitude"]["secret_key"],
            "SECRET_MIXPANEL": told["mixpanel"]["secret"],
            "SECRET_MIXPANEL_TOKEN": told["mixpanel"]["token"],
        }
        addresses = {"LEADGAUGE_DATABASE_URL": module_database_url, "LEADGAUGE_REDIS_URL": servers.redis_url}
        sources = [salesforce(sandbox), hubspot(sandbox, salesforce="salesforce"), *beside(sandbox)]
        at_home(servers.redis_url, sources)
        product = Product(
            tmp_path_factory.mktemp("command"), addresses | hidden, {"sources": sources}, list(hidden.values())
        )
        made = Company(sandbox, product, {})
        made.first = made.sync()
        yield made


def at_home(redis_url: str, sources: Sequence[Mapping[str, Any]]) -> None:
    """A Redis that has known the accounts for some time: a new one lets every window pass once, up to five minutes."""
    with redis.Redis.from_url(redis_url) as counters:
        for source in sources:
            windows = TypeAdapter[AnySettings](SourceSettings).validate_python(source).budget.windows
            counters.hset(f"quota:{{{source['name']}}}", mapping={f"born:{window}": 1 for window in windows})


def test_all_five_show_the_score_of_one_person_and_every_write_is_proved(company: Company) -> None:
    assert company.first["sent"] == company.first["verified"] > 100
    assert dict(company.rows("SELECT DISTINCT source, state FROM ledger")) == dict.fromkeys(ALL, "verified")
    person = company.someone("marketo", "amplitude", "mixpanel", "salesforce")
    keys = company.keys(person)
    (score, bucket, stage), *_ = company.rows("SELECT score, bucket, stage FROM score WHERE person_id = %s", person)
    for account in BESIDE:
        for field, value in {"score": score, "bucket": bucket, "stage": stage}.items():
            assert company.shown(account, keys[account], field) == value, (account, field)
    addresses = {company.people(account)[keys[account]]["email"].lower() for account in BESIDE}
    assert len(addresses) == 1, "the records of one person have one address"
    with company.sandbox.salesforce() as org:
        (held,) = (
            found["records"][0]
            for found in (org.query(f"SELECT Email, Lead_Score__c FROM {kind} WHERE Id = '{keys['salesforce']}'")
                          for kind in ("Lead", "Contact"))
            if found["totalSize"]
        )  # fmt: skip
    assert (held["Lead_Score__c"], held["Email"].lower()) == (score, *addresses)


def test_a_touch_is_read_from_where_it_was_left_and_a_deal_from_the_product(company: Company) -> None:
    kinds: dict[str, set[str]] = {}
    for source, kind in company.rows("SELECT DISTINCT source, kind FROM activity"):
        kinds.setdefault(source, set()).add(kind)
    assert kinds["marketo"] >= {"page_view", "pricing_page_view", "content_download", "email_open", "demo_request"}
    assert kinds["amplitude"] == {"page_view", "pricing_page_view"}
    assert kinds["mixpanel"] >= {"page_view"}


def test_a_second_pass_writes_nothing(company: Company) -> None:
    again = company.sync()
    assert (again["scored"], again["sent"], again["unproved"]) == (0, 0, 0)


@dataclass(frozen=True)
class Day:
    """What people did since, each to somebody else: a score and a title edited in Marketo, acts in the product on a
    phone, a lead erased in Marketo and the same user in Amplitude. By person, the keys of before; then a pass."""

    edited: int
    promoted: int
    warmed: int
    erased: int
    keys: Mapping[int, Mapping[str, str]]
    scores: Mapping[int, int]


UNTOUCHED = """c.score BETWEEN 34 AND 49 AND NOT EXISTS (
    SELECT FROM activity a JOIN subject o ON o.id = a.subject_id
    WHERE o.person_id = s.person_id AND a.kind IN ('pricing_page_view', 'demo_request'))"""


@pytest.fixture(scope="module")
def day(company: Company) -> Day:
    warmed = company.someone(*BESIDE, where=UNTOUCHED)
    edited = company.someone("marketo", "hubspot", where=f"person_id <> {warmed}")
    promoted = company.someone("marketo", "salesforce", where=f"person_id NOT IN ({warmed}, {edited})")
    erased = company.someone("hubspot", *BESIDE, where=f"person_id NOT IN ({warmed}, {edited}, {promoted})")
    people = (warmed, edited, promoted, erased)
    keys = {person: company.keys(person) for person in people}
    scores = dict(company.rows("SELECT person_id, score FROM score WHERE person_id = ANY(%s)", list(people)))
    company.order("marketo", "lead", id=int(keys[edited]["marketo"]), change={"leadGaugeScore": 3})
    company.order("marketo", "lead", id=int(keys[promoted]["marketo"]), change={"title": "Gardener"})
    for event in ("Requested demo", "Viewed plans page", "Attended webinar"):
        company.order("mixpanel", "activity", user=keys[warmed]["mixpanel"], event=event)
    company.order("marketo", "lead", id=int(keys[erased]["marketo"]), delete=True)
    told = company.sandbox.address["amplitude"]
    asked = requests.post(
        f"{told['url']}/api/2/deletions/users", auth=(told["api_key"], told["secret_key"]), timeout=20,
        json={"user_ids": [keys[erased]["amplitude"]], "requester": "dpo"}, verify=company.sandbox.ca,
    )  # fmt: skip
    assert asked.status_code == 200, asked.text
    assert company.sync(code=1)["unproved"] == 1, "the edited score, which needs a person"
    return Day(edited, promoted, warmed, erased, keys, scores)


def test_a_score_that_a_person_set_in_marketo_is_found_told_and_left_to_them(company: Company, day: Day) -> None:
    query = "SELECT state, code FROM ledger WHERE person_id = %s AND source = 'marketo'"
    assert company.rows(query, day.edited) == [("drifted", "SET_BY_USER")]
    assert company.shown("marketo", day.keys[day.edited]["marketo"]) == 3
    assert "marketo" in company.product.run("ledger", "list", "--state", "drifted").out


def test_a_title_that_marketing_has_put_right_is_read(company: Company, day: Day) -> None:
    told = company.rows(
        """SELECT value FROM attribute a JOIN subject s ON s.id = a.subject_id
           WHERE s.source = 'marketo' AND s.key = %s AND name = 'title' ORDER BY a.known_at DESC LIMIT 1""",
        day.keys[day.promoted]["marketo"],
    )
    assert told == [("Gardener",)]


def test_acts_in_the_product_warm_a_lead_move_a_user_and_request_the_campaign_once(company: Company, day: Day) -> None:
    keys = day.keys[day.warmed]
    (bucket,) = company.rows("SELECT bucket FROM score WHERE person_id = %s", day.warmed)[0]
    assert bucket == "warm"
    assert company.people("amplitude")[keys["amplitude"]]["segments"] == ["Leadgauge warm"]
    assert company.people("marketo")[keys["marketo"]]["segments"] == [REQUESTED]
    assert company.sync(code=1)["sent"] == 0
    assert company.people("marketo")[keys["marketo"]]["segments"] == [REQUESTED]


def test_who_is_erased_in_an_account_goes_with_that_record_and_stays_with_the_others(
    company: Company, day: Day
) -> None:
    before, left = day.keys[day.erased], company.keys(day.erased)
    assert before.keys() - left.keys() == {"marketo", "amplitude"}
    gone = company.rows(
        """SELECT count(*) FROM activity a JOIN subject s ON s.id = a.subject_id
           WHERE s.person_id = %s AND a.source IN ('marketo', 'amplitude')""",
        day.erased,
    )
    assert gone == [(0,)]
    assert company.shown("mixpanel", left["mixpanel"]) is not None
