"""One call, from the budget to the answer: gate, token, request, what the answer teaches, retries."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from typing import Any
from zoneinfo import ZoneInfo

from connectors.errors import CrmError, ProtocolViolation, QuotaExhausted, Transient
from connectors.hubspot.bearer import Bearer, open_bearer
from connectors.hubspot.faults import Denied, failure
from connectors.hubspot.paths import ACCOUNT, GRANTED, USAGE, Paths, endpoint
from connectors.hubspot.settings import BURST_SHARE, HubspotSettings, TokenAuth
from connectors.hubspot.values import millis
from connectors.hubspot.wire import Answer, Query, Wire
from connectors.port import Quota
from connectors.quota import Gate, Lane
from connectors.tokens import Tokens
from connectors.transport import Clock, Exchange, Observer, attempt, wall


@dataclass(frozen=True, slots=True)
class Account:
    """The HubSpot account itself: its number, the host of its pages and whose midnight ends its day."""

    portal: int
    ui: str
    zone: ZoneInfo


class Session:
    """Calls to one account. Every method raises `CrmError`s only; what fails soon is tried again within 20 seconds."""

    def __init__(
        self, settings: HubspotSettings, *, gate: Gate, tokens: Tokens, observer: Observer,
        sleep: Callable[[float], None], clock: Clock = wall,
    ) -> None:  # fmt: skip
        self.source, self.paths = settings.name, Paths(settings.paths)
        self.quota: Quota | None = None
        self._gate, self._observer, self._sleep, self._clock = gate, observer, sleep, clock
        self._wire = Wire(settings)
        self._static = isinstance(settings.auth, TokenAuth)
        self._open_bearer = partial(open_bearer, settings, tokens, self._token_call, self._failure)
        self._account: Account | None = None
        self._account_asked = False
        self.ahead = timedelta(0)
        self._skew = settings.timings.skew
        self._quiet = settings.timings.usage_age
        self._asking = False
        self._heard_at = clock()

    @cached_property
    def _bearer(self) -> Bearer:
        """Opened by the first call, so that a secret that cannot be read is a failure of that call."""
        return self._open_bearer()

    def get(self, path: str, query: Query = (), *, lane: Lane) -> Any:
        return self._call("GET", path, query, None, lane, "general")

    def post(self, path: str, body: Mapping[str, Any], query: Query = (), *, lane: Lane) -> Any:
        """The answer to a read or an idempotent write: it may be sent more than once."""
        return self._call("POST", path, query, body, lane, "search" if path.endswith("/search") else "general")

    def create(self, path: str, body: Mapping[str, Any], *, lane: Lane) -> Any:
        """The answer to a request that must not be sent twice. Where it is lost, `Transient` is raised and nobody can
        tell what was created."""
        return self._call("POST", path, (), body, lane, "general", once=True)

    def patch(self, path: str, body: Mapping[str, Any], *, lane: Lane) -> Any:
        """The answer to a change, which may be sent more than once."""
        return self._call("PATCH", path, (), body, lane, "general")

    def scopes(self, lane: Lane = Lane.INBOUND) -> frozenset[str] | None:
        """What the token was granted; None where HubSpot does not tell: of OAuth apps, and of some kinds of keys."""
        if not self._static:
            return None
        try:
            body = self.post(GRANTED, {"tokenKey": self._bearer.token()}, lane=lane)
            return frozenset(map(str, body["scopes"]))
        except (Denied, ProtocolViolation, KeyError, TypeError):
            return None

    def account(self, lane: Lane = Lane.INBOUND) -> Account | None:
        """Asked for once; None where the token may not see it."""
        if not self._account_asked:
            try:
                body = self.get(ACCOUNT, lane=lane)
                self._account = Account(int(body["portalId"]), str(body["uiDomain"]), ZoneInfo(str(body["timeZone"])))
            except (Denied, ProtocolViolation, KeyError, TypeError, ValueError):
                self._account = None
            self._account_asked = True
        return self._account

    def now(self) -> datetime:
        """HubSpot's time, by the `Date` of its last answer: windows are cut from stamps of its clock, not of ours.

        At most `skew` ahead of ours: a `Date` that runs ahead of the truth would move a cursor past rows that are yet
        to be written. One that lags moves it less far, which loses nothing.
        """
        return self._clock() + min(self.ahead, self._skew)

    @property
    def disagrees(self) -> bool:
        """Whether HubSpot's clock and this machine's differ by more than `skew`."""
        return abs(self.ahead) > self._skew

    def now_ms(self) -> int:
        return millis(self.now())

    def close(self) -> None:
        self._wire.close()

    def _call(
        self, method: str, path: str, query: Query, body: Any, lane: Lane, bucket: str, *, once: bool = False
    ) -> Any:
        def sent() -> Any:
            token = self._bearer.token()
            answer = self._exchange(method, path, query, body, token, lane, bucket)
            if answer.status == 401 and (fresh := self._bearer.renew(token)) is not None:
                answer = self._exchange(method, path, query, body, fresh, lane, bucket)
            if not 200 <= answer.status < 300:
                raise self._failure(answer)
            if answer.body is None and answer.status != 204:
                raise Transient(self.source, f"the answer to {method} {endpoint(path)} was cut off or is not JSON")
            return answer.body

        answer = sent() if once else attempt(sent, sleep=self._sleep)
        self._listen(lane)
        return answer

    def _listen(self, lane: Lane) -> None:
        """Ask for the day's calls where no answer has told them for a while, if HubSpot lets us."""
        if self._asking or abs(self._clock() - self._heard_at) < self._quiet:
            return
        self._asking = True  # the call below comes by here, too
        with suppress(CrmError, KeyError, IndexError, TypeError, ValueError):
            row = self.get(USAGE, lane=lane)["results"][0]
            self._hear(int(row["currentUsage"]), int(row["usageLimit"]))
        self._asking, self._heard_at = False, self._clock()

    def _hear(self, used: int, limit: int) -> None:
        self.quota, self._heard_at = Quota(used, limit), self._clock()
        self._gate.learn(self.source, used, limit, self._midnight() if self._account else None)

    def _exchange(self, method: str, path: str, query: Query, body: Any, token: str, lane: Lane, bucket: str) -> Answer:
        self._gate.enter(self.source, bucket, lane)
        return self._timed(method, path, lambda: self._wire.send(method, path, token=token, query=query, body=body))

    def _token_call(self, form: Mapping[str, str]) -> Answer:
        path = self.paths.token  # not gated: token calls are outside the limits, and without one nothing goes on
        return self._timed("POST", path, lambda: self._wire.send("POST", path, form=form))

    def _timed(self, method: str, path: str, send: Callable[[], Answer]) -> Answer:
        started, status = time.monotonic(), None
        try:
            answer = send()
            status = answer.status
        finally:
            took = time.monotonic() - started
            self._observer(Exchange(self.source, method, endpoint(path), status, took))
        self._learn(path, answer)
        return answer

    def _learn(self, path: str, answer: Answer) -> None:
        """Search answers carry no such headers, OAuth apps' answers none of the day."""
        headers = {name.lower(): value for name, value in answer.headers.items()}
        with suppress(KeyError, ValueError, TypeError):  # without a readable one the last stands
            self.ahead = parsedate_to_datetime(headers["date"]) - self._clock()
        limit = _number(headers.get("x-hubspot-ratelimit-daily"))
        remaining = _number(headers.get("x-hubspot-ratelimit-daily-remaining"))
        if limit and remaining is not None:
            self._hear(limit - remaining, limit)
        burst = _number(headers.get("x-hubspot-ratelimit-max"))
        interval = _number(headers.get("x-hubspot-ratelimit-interval-milliseconds"))
        if burst and interval and "/associations/" not in path:  # these tell a limit of their own
            self._gate.narrow(self.source, "general", max(1, int(burst * BURST_SHARE * 1000 / interval)))

    def _failure(self, answer: Answer) -> CrmError:
        error = failure(self.source, answer, self.now(), self._midnight())
        if isinstance(error, QuotaExhausted) and self.quota is not None:
            self.quota = Quota(self.quota.limit, self.quota.limit)
            self._gate.learn(self.source, self.quota.used, self.quota.limit, error.resume_at)
        return error

    def _midnight(self) -> datetime:
        """The end of the account's day; an hour from now while its time zone is not known."""
        now = self.now()
        if self._account is None:
            return now + timedelta(hours=1)
        tomorrow = now.astimezone(self._account.zone).date() + timedelta(days=1)
        return datetime.combine(tomorrow, clock_time(), self._account.zone).astimezone(UTC)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None
