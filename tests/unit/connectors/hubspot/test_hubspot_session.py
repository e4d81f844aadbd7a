"""One call and all that can happen to it, over a real TLS socket."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import trustme

from connectors.errors import AuthFailed, Misconfigured, ProtocolViolation, QuotaExhausted, Transient
from connectors.hubspot.session import Session
from connectors.quota import Lane, OpenGate
from connectors.tokens import MemoryTokens
from sandbox.hubspot.settings import HubspotServer
from tests.contract.connectors.hubspot_site import Site

LIST = "/crm/v3/objects/contacts"
OAUTH = {
    "type": "oauth",
    "client_id": HubspotServer().client_id,
    "client_secret": {"env": "HS_SECRET"},
    "refresh_token": {"env": "HS_REFRESH"},
}


class Recorder(OpenGate):
    """Writes down what a gate is told."""

    def __init__(self) -> None:
        self.entered: list[tuple[str, Lane]] = []
        self.learnt: list[tuple[int, int, datetime | None]] = []
        self.narrowed: list[tuple[str, int]] = []

    def enter(self, source: str, bucket: str, lane: Lane, cost: int = 1) -> None:
        self.entered.append((bucket, lane))

    def learn(self, source: str, used: int, limit: int, resets_at: datetime | None = None) -> None:
        self.learnt.append((used, limit, resets_at))

    def narrow(self, source: str, bucket: str, limit: int) -> None:
        self.narrowed.append((bucket, limit))


def get(of: Session) -> Any:
    return of.get(LIST, lane=Lane.INBOUND)


@pytest.mark.parametrize(
    "effect",
    [
        {"status": 500, "json": {"status": "error", "category": "INTERNAL_ERROR"}},
        {"status": 502, "html": "<html>Bad gateway</html>"},
        {"status": 524, "html": "<html>A timeout occurred</html>"},
        {"reset_before": True},
        {"reset_after": True},
        {"cut_body": 0.5},
        {"status": 200, "html": '{"results": ['},
        {"status": 429, "json": {"message": "You have reached your secondly limit.", "policyName": "SECONDLY"}},
    ],
)
def test_what_passes_is_tried_again(site: Site, effect: dict[str, Any]) -> None:
    site.fault(LIST, count=2, **effect)
    assert "results" in get(site.session())
    assert len(site.calls) == 3


def test_it_is_tried_again_within_twenty_seconds_and_then_raised(site: Site) -> None:
    site.fault(LIST, status=503)
    with pytest.raises(Transient, match="503"):
        get(site.session())
    assert sum(site.slept) <= 20


@pytest.mark.parametrize("status", [400, 403, 404, 409, 414, 401, 530])
def test_what_does_not_pass_is_asked_once(site: Site, status: int) -> None:
    site.fault(LIST, status=status)
    with pytest.raises((ProtocolViolation, Misconfigured, AuthFailed)):
        get(site.session())
    assert len(site.calls) == 1


def test_every_call_passes_the_gate_and_names_its_bucket_and_lane(site: Site) -> None:
    gate = Recorder()
    opened = site.session(gate=gate)
    opened.get(LIST, lane=Lane.REFRESH)
    opened.post(f"{LIST}/search", {"limit": 1}, lane=Lane.BACKFILL)
    site.fault(LIST, count=1, status=500)
    opened.get(LIST, lane=Lane.WRITE)
    assert gate.entered == [
        ("general", Lane.REFRESH), ("search", Lane.BACKFILL), ("general", Lane.WRITE), ("general", Lane.WRITE)
    ]  # fmt: skip


def test_the_headers_teach_the_day_its_end_and_the_burst(site: Site) -> None:
    gate = Recorder()
    opened = site.session(gate=gate)
    opened.account()
    headers = {
        "X-HubSpot-RateLimit-Daily": "250000", "X-HubSpot-RateLimit-Daily-Remaining": "249000",
        "X-HubSpot-RateLimit-Max": "100", "X-HubSpot-RateLimit-Interval-Milliseconds": "10000",
    }  # fmt: skip
    site.fault(LIST, count=1, headers=headers)
    get(opened)
    used, limit, resets_at = gate.learnt[-1]
    assert (used, limit, opened.quota) == (1_000, 250_000, opened.quota)
    assert opened.quota is not None
    assert (opened.quota.used, opened.quota.limit) == (1_000, 250_000)
    assert gate.narrowed == [("general", 7)]
    assert resets_at is not None
    local = resets_at.astimezone(ZoneInfo("America/New_York"))
    assert (local.hour, local.minute, local.second) == (0, 0, 0)
    assert timedelta(0) < resets_at - datetime.now(UTC) <= timedelta(hours=25)


def test_a_spent_day_is_passed_on_to_everyone(site: Site) -> None:
    gate = Recorder()
    opened = site.session(gate=gate)
    opened.account()
    site.fault(LIST, count=1, headers={"X-HubSpot-RateLimit-Daily": "100", "X-HubSpot-RateLimit-Daily-Remaining": "1"})
    get(opened)
    site.fault(LIST, count=1, status=429, json={"message": "You have reached your daily limit.", "policyName": "DAILY"})
    with pytest.raises(QuotaExhausted) as raised:
        get(opened)
    assert gate.learnt[-1] == (100, 100, raised.value.resume_at)


def test_the_day_is_asked_for_where_searches_alone_do_not_tell_it(site: Site) -> None:
    gate = Recorder()
    opened = site.session(gate=gate, timings={"usage_age": 0})
    opened.post(f"{LIST}/search", {"limit": 1}, lane=Lane.REFRESH)
    assert site.endpoints()[1:] == ["/account-info/v3/api-usage/daily/private-apps"]
    assert gate.entered == [("search", Lane.REFRESH), ("general", Lane.REFRESH)]
    assert opened.quota is not None
    assert (opened.quota.used, opened.quota.limit) == (2, 250_000)
    assert gate.learnt[-1][:2] == (2, 250_000)
    patient = site.session()
    patient.post(f"{LIST}/search", {"limit": 1}, lane=Lane.REFRESH)
    assert patient.quota is None, "not asked for at every search"


@pytest.mark.parametrize("effect", [{"status": 403, "json": {}}, {"status": 200, "json": {"results": []}}], ids=str)
def test_a_day_that_is_not_told_stops_nothing(site: Site, effect: dict[str, Any]) -> None:
    site.fault("/api-usage/", **effect)
    opened = site.session(timings={"usage_age": 0})
    opened.post(f"{LIST}/search", {"limit": 1}, lane=Lane.REFRESH)
    assert opened.quota is None


def test_hubspot_s_clock_is_the_one_that_counts(site: Site) -> None:
    opened = site.session()
    site.fault(LIST, count=1, headers={"Date": "Mon, 23 Nov 2020 12:00:00 GMT"})
    get(opened)
    assert abs(opened.now() - datetime(2020, 11, 23, 12, tzinfo=UTC)) < timedelta(seconds=10)
    site.fault(LIST, count=1, headers={"Date": "soon"})
    get(opened)
    assert opened.now().year == 2020


def test_metrics_carry_no_ids(site: Site) -> None:
    opened = site.session()
    id = site.portal.create("contacts", {"email": "metrics@acme.test"})
    opened.get(f"{LIST}/{id}", lane=Lane.INBOUND)
    opened.get(f"/form-integrations/v1/submissions/forms/{site.portal.add_form('F')}", lane=Lane.INBOUND)
    assert site.endpoints() == [f"{LIST}/{{id}}", "/form-integrations/v1/submissions/forms/{id}"]
    assert [exchange.status for exchange in site.calls] == [200, 200]


def test_a_wrong_token_is_refused_without_a_second_try(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRACTICE_HUBSPOT_TOKEN", "pat-na1-wrong")
    with pytest.raises(AuthFailed) as raised:
        get(site.session())
    assert "pat-na1-wrong" not in str(raised.value)
    assert len(site.calls) == 1


def test_a_secret_that_is_not_there_is_said_by_the_first_call(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PRACTICE_HUBSPOT_TOKEN")
    opened = site.session()
    with pytest.raises(Misconfigured, match="PRACTICE_HUBSPOT_TOKEN"):
        get(opened)
    assert site.calls == []


def test_an_authority_that_nobody_named_is_not_trusted(site: Site, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="ca_bundle"):
        get(site.session(ca_bundle=None))
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    with pytest.raises(Misconfigured, match="ca_bundle"):
        get(site.session(ca_bundle=tmp_path / "other.pem"))
    with pytest.raises(Misconfigured, match=r"missing\.pem"):
        site.session(ca_bundle=tmp_path / "missing.pem")


@pytest.mark.parametrize("address", ["https://localhost:1", "https://nowhere.invalid"])
def test_an_unreachable_host_is_transient_and_named(site: Site, address: str) -> None:
    with pytest.raises(Transient, match=address):
        get(site.session(host=address))


def test_connections_are_kept(site: Site) -> None:
    opened = site.session()
    for _ in range(10):
        get(opened)
    pools = opened._wire._api.rest_client.pool_manager.pools
    assert len(pools) == 1
    assert pools.get(next(iter(pools.keys()))).num_connections == 1


class TestOAuth:
    @pytest.fixture(autouse=True)
    def _secrets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HS_SECRET", HubspotServer().client_secret)
        monkeypatch.setenv("HS_REFRESH", HubspotServer().refresh_token)

    def logins(self, site: Site) -> int:
        return sum(exchange.endpoint.endswith("/token") for exchange in site.calls)

    @pytest.mark.parametrize("paths", ["v3", "2026-09"])
    def test_one_login_serves_all_sessions(self, site: Site, paths: str) -> None:
        tokens = MemoryTokens()
        sessions = [site.session(tokens=tokens, auth=OAUTH, paths=paths) for _ in range(6)]
        threads = [threading.Thread(target=get, args=(opened,)) for opened in sessions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert self.logins(site) == 1
        assert sum(exchange.endpoint == LIST and exchange.status == 200 for exchange in site.calls) == 6

    def test_a_401_renews_once_and_goes_on(self, site: Site) -> None:
        opened = site.session(auth=OAUTH)
        get(opened)
        site.fault(LIST, count=1, status=401, json={"category": "EXPIRED_AUTHENTICATION"})
        assert "results" in get(opened)
        assert self.logins(site) == 2

    def test_a_fresh_token_that_is_refused_stops_it(self, site: Site) -> None:
        opened = site.session(auth=OAUTH)
        site.fault(LIST, status=401, json={"category": "EXPIRED_AUTHENTICATION"})
        with pytest.raises(AuthFailed):
            get(opened)
        assert self.logins(site) == 2

    def test_another_s_renewal_is_taken_over(self, site: Site) -> None:
        tokens = MemoryTokens()
        one, other = (site.session(tokens=tokens, auth=OAUTH) for _ in range(2))
        stale = one._bearer.token()
        fresh = one._bearer.renew(stale)
        assert other._bearer.renew(stale) == fresh
        assert self.logins(site) == 2

    @pytest.mark.parametrize(("variable", "told"), [("HS_REFRESH", "install the app"), ("HS_SECRET", "client_secret")])
    def test_a_refused_login_says_whose_fault_it_is(
        self, site: Site, monkeypatch: pytest.MonkeyPatch, variable: str, told: str
    ) -> None:
        monkeypatch.setenv(variable, "wrong-secret")
        with pytest.raises(AuthFailed, match=told) as raised:
            get(site.session(auth=OAUTH))
        assert "wrong-secret" not in str(raised.value)

    def test_a_login_that_fails_for_now_is_tried_again(self, site: Site) -> None:
        site.fault("/oauth/v3/token", count=1, status=503)
        assert "results" in get(site.session(auth=OAUTH))

    def test_a_refresh_token_that_comes_back_changed_is_the_next_one(self, site: Site) -> None:
        tokens = MemoryTokens()
        body = {"access_token": "short", "expires_in": 1800, "refresh_token": "another"}
        site.fault("/oauth/v3/token", count=1, status=200, json=body)
        opened = site.session(tokens=tokens, auth=OAUTH)
        assert opened._bearer.token() == "short"
        with pytest.raises(AuthFailed, match="install the app"):  # the practice portal knows the first one only
            opened._bearer.renew("short")

    def test_a_token_is_kept_until_shortly_before_it_ends(self, site: Site) -> None:
        stored: list[timedelta] = []

        class Watching(MemoryTokens):
            def put(self, key: str, value: str, ttl: timedelta) -> None:
                stored.append(ttl)

        site.session(tokens=Watching(), auth=OAUTH)._bearer.token()
        assert stored == [timedelta(minutes=28)]


def test_a_date_ahead_of_this_machine_s_clock_is_believed_up_to_the_skew(site: Site) -> None:
    opened = site.session(timings={"skew": timedelta(minutes=2)})
    for ahead, believed, disagrees in ((timedelta(minutes=1), 60, False), (timedelta(hours=3), 120, True)):
        site.fault(LIST, count=1, headers={"Date": format_datetime(datetime.now(UTC) + ahead, usegmt=True)})
        get(opened)
        assert abs((opened.now() - datetime.now(UTC)).total_seconds() - believed) < 5
        assert opened.disagrees is disagrees
