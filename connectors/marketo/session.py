"""One call, from the budget to the answer: gate, token, request, the three places of an error, retries."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from connectors.errors import CrmError, ProtocolViolation, QuotaExhausted, Transient
from connectors.http import Answer, Http
from connectors.marketo.bearer import Bearer
from connectors.marketo.faults import CODES, STATUS, Denied, Meaning, Untold, failure, flaw, quota_of
from connectors.marketo.settings import MarketoSettings
from connectors.port import Quota
from connectors.quota import Gate, Lane
from connectors.tokens import Tokens
from connectors.transport import Clock, Observer, attempt

CENTRAL = ZoneInfo("America/Chicago")
"""The quota of a day ends at midnight there ("Error codes", 607)."""
USAGE = "/rest/v1/stats/usage.json"
LONGEST_URL = 7_500
"""Bytes; beyond 8 KB Marketo answers 414, and takes the query as the body of a POST."""

TIMEOUTS: Mapping[str, float] = {
    "/rest/v1/leads.json": 100,
    "/rest/v1/activities/pagingtoken.json": 310,
    "/rest/v1/activities.json": 100,
    "/rest/v1/activities/leadchanges.json": 100,
    "/rest/v1/activities/deletedleads.json": 100,
}
"""Seconds to wait for an answer: longer than Marketo works at it before it gives up (90 for leads, 300 for a paging
token: "Error codes", 604)."""

_IDS = re.compile(r"/(?:\d+|[0-9a-f]{8}-[0-9a-f-]{27})(?=[/.])")


def endpoint(path: str) -> str:
    """The path without ids, for metrics and messages."""
    return _IDS.sub("/{id}", path)


class Session:
    """Calls to one instance. Every method raises `CrmError`s only; what fails soon is tried again within 20 seconds."""

    def __init__(
        self, settings: MarketoSettings, *, gate: Gate, tokens: Tokens, observer: Observer,
        sleep: Callable[[float], None], clock: Clock,
    ) -> None:  # fmt: skip
        self.source = settings.name
        self.quota: Quota | None = None
        self._host, self._gate, self._sleep, self._clock = settings.host, gate, sleep, clock
        self._http = Http(settings.name, observer, clock, ca_bundle=settings.ca_bundle)
        self._bearer = Bearer(settings, tokens, self._http, self.midnight)
        self._limit, self._quiet = settings.daily_calls, settings.timings.usage_age
        self._heard_at: datetime | None = None
        self._asking = False

    def get(self, path: str, params: Mapping[str, Any], *, lane: Lane) -> Mapping[str, Any]:
        """The body of an answer to a read."""
        return self._call("GET", path, lane, params=params)

    def post(self, path: str, body: Mapping[str, Any] | None = None, *, lane: Lane) -> Mapping[str, Any]:
        """The body of the answer to what may be sent more than once."""
        return self._call("POST", path, lane, json=body)

    def once(self, path: str, body: Mapping[str, Any], *, lane: Lane) -> Mapping[str, Any]:
        """The body of the answer to what must not be done twice. Raises `Untold` where nobody knows whether it was;
        any other error says that it was not."""
        return self._call("POST", path, lane, json=body, once=True)

    def file(self, path: str, start: int, length: int, *, lane: Lane) -> bytes:
        """A part of an exported file. Raises `Rejected` with the code 404 for one that is not there (any more)."""

        def sent() -> bytes:
            answer = self._asked("GET", path, lane, headers={"Range": f"bytes={start}-{start + length - 1}"})
            if answer.status == 206:
                return answer.content
            if answer.status == 200 and flaw(answer) is None:  # it knows no ranges
                return answer.content[start : start + length]
            raise self._failure(path, answer)

        return attempt(sent, sleep=self._sleep)

    def now(self) -> datetime:
        """Marketo's time, by the `Date` of its last answer."""
        return self._http.now()

    @property
    def ahead(self) -> timedelta:
        """How far its clock is before ours."""
        return self._http.ahead

    def midnight(self) -> datetime:
        """When the day of calls ends."""
        tomorrow = self.now().astimezone(CENTRAL).date() + timedelta(days=1)
        return datetime.combine(tomorrow, time(), CENTRAL).astimezone(UTC)

    def usage(self, lane: Lane) -> Quota:
        """The day's calls, of all integrations and with this one. Marketo tells what is used and not of how many."""
        told = rows(self.source, self.get(USAGE, {}, lane=lane))
        return Quota((int(told[0]["total"]) if told else 0) + 1, self._limit)

    def greet(self, lane: Lane) -> None:
        """Hear Marketo's time and the day's calls before anything else, once."""
        if self._heard_at is None:
            try:
                self._hear(self.usage(lane))
            except Denied:
                self._heard_at = self._clock()

    def close(self) -> None:
        self._http.close()

    def _call(self, method: str, path: str, lane: Lane, *, once: bool = False, **request: Any) -> Mapping[str, Any]:
        def sent() -> Mapping[str, Any]:
            answer = self._asked(method, path, lane, **request)
            if flaw(answer) is not None:
                raise self._failure(path, answer)
            if not isinstance(answer.body, Mapping):
                raise Untold(self.source, f"the answer to {endpoint(path)} was cut off or is no JSON object")
            return answer.body

        body = sent() if once else attempt(sent, sleep=self._sleep)
        self._listen(lane)
        return body

    def _asked(self, method: str, path: str, lane: Lane, **request: Any) -> Answer:
        """The answer, after one more login where the token was refused."""
        token = self._bearer.token()
        answer = self._exchange(method, path, lane, token, request)
        if _meaning(answer) is Meaning.TOKEN:
            answer = self._exchange(method, path, lane, self._bearer.renew(token), request)
        return answer

    def _exchange(self, method: str, path: str, lane: Lane, token: str, request: Mapping[str, Any]) -> Answer:
        self._gate.enter(self.source, "general", lane)
        params = request.get("params") or {}
        if method == "GET" and len(path) + len(urlencode(params)) + len(self._host) > LONGEST_URL:
            return self._by_form(path, token, params)
        answer = self._send(method, path, token, request)
        if answer.status == 414 and method == "GET":
            self._gate.enter(self.source, "general", lane)
            return self._by_form(path, token, params)
        return answer

    def _by_form(self, path: str, token: str, params: Mapping[str, Any]) -> Answer:
        return self._send("POST", path, token, {"params": {"_method": "GET"}, "data": dict(params)})

    def _send(self, method: str, path: str, token: str, request: Mapping[str, Any]) -> Answer:
        sent = {name: value for name, value in request.items() if name != "headers" and value is not None}
        headers = {"Authorization": f"Bearer {token}", **(request.get("headers") or {})}
        if method == "POST" and not sent:
            headers["Content-Type"] = "application/json"  # 612 otherwise, of a request without a body, too
        try:
            return self._http.send(
                method, self._host + path, endpoint=endpoint(path), timeout=TIMEOUTS.get(path), headers=headers, **sent
            )
        except Transient as problem:
            raise Untold(problem.source, problem.message, problem.retry_after) from None

    def _failure(self, path: str, answer: Answer) -> CrmError:
        error = failure(self.source, endpoint(path), answer, self.midnight())
        if isinstance(error, QuotaExhausted):
            self._limit = quota_of(answer) or self._limit
            self._hear(Quota(self._limit, self._limit))
        return error

    def _listen(self, lane: Lane) -> None:
        """Ask for the day's calls now and then: no other answer tells them."""
        if self._asking or self._heard_at is None or abs(self._clock() - self._heard_at) < self._quiet:
            return
        self._asking = True  # the call below comes by here, too
        with suppress(CrmError, KeyError, IndexError, TypeError, ValueError):
            self._hear(self.usage(lane))
        self._asking, self._heard_at = False, self._clock()

    def _hear(self, told: Quota) -> None:
        self.quota, self._heard_at = told, self._clock()
        self._gate.learn(self.source, told.used, told.limit, self.midnight())


def _meaning(answer: Answer) -> Meaning | None:
    code = flaw(answer)
    table: Mapping[Any, tuple[Meaning, timedelta | None]] = CODES if 200 <= answer.status < 300 else STATUS
    return table.get(code if table is CODES else answer.status, (None, None))[0] if code is not None else None


def rows(source: str, body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows of an answer; none where it has no `result`, as when nothing was found. Raises `ProtocolViolation`."""
    found = body.get("result")
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(row, Mapping) for row in found):
        raise ProtocolViolation(source, "the result of an answer is no list of objects")
    return found
