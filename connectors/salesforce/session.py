"""One org's API: simple-salesforce for the requests' shape, ours for tokens, quota, retries and limits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote_plus

import requests
from simple_salesforce.api import Salesforce
from simple_salesforce.format import format_soql

from connectors.errors import AuthFailed, CrmError, Misconfigured, ProtocolViolation, Transient
from connectors.port import Quota
from connectors.quota import Gate, Lane
from connectors.salesforce.describe import Description, description
from connectors.salesforce.login import Grant, Login
from connectors.salesforce.settings import BUCKET, SalesforceSettings
from connectors.salesforce.wire import SessionRefused, Wire
from connectors.tokens import Tokens
from connectors.transport import Clock, Observer, attempt, wall

T = TypeVar("T")

WRITE_HEADERS = {
    # Without it Salesforce runs the active assignment rules on updates of leads and accounts too, so that writing a
    # score would hand leads to other owners (REST API guide, "Assignment Rule Header").
    "Sforce-Auto-Assign": "FALSE",
    # An alerting duplicate rule must not stop a score.
    "Sforce-Duplicate-Rule-Header": "allowSave=true",
}
_URI_BYTES = 12_000
"""A query travels in the URI; 16,384 bytes are the limit for URI and headers together."""


@dataclass(frozen=True, slots=True)
class Rows:
    """An answer to a query. `complete`: the server had no more; a short page alone does not say so."""

    records: Sequence[dict[str, Any]]
    complete: bool


@dataclass(slots=True)
class _Client:
    grant: Grant
    sdk: Salesforce
    proven: bool = False


class Session:
    """Calls to one org. Every method raises `CrmError`s only, retries what is transient for at most 20 seconds and
    enters the gate before each request. One refresh of a refused token, then `AuthFailed`."""

    def __init__(
        self,
        settings: SalesforceSettings,
        *,
        gate: Gate,
        tokens: Tokens,
        observer: Observer,
        sleep: Callable[[float], None],
        clock: Clock = wall,
    ) -> None:
        self.source = settings.name
        self._settings = settings
        self._gate = gate
        self._sleep = sleep
        self._wire = Wire(settings, observer, self._told, clock)
        self._login = Login(settings, self._wire, tokens)
        self._client: _Client | None = None
        self._described: dict[str, tuple[datetime, Description | Misconfigured]] = {}
        self._asking = False

    def query(self, soql: str, *, lane: Lane, everything: bool = False) -> Rows:
        """Run a query; `everything` includes deleted, merged and archived rows (queryAll)."""
        answer = self._call(lane, "GET", "queryAll" if everything else "query", params={"q": soql})
        try:
            return Rows(answer["records"], bool(answer["done"]))
        except (KeyError, TypeError):
            raise ProtocolViolation(self.source, "a query was answered without records") from None

    def query_ids(
        self, soql: str, ids: Iterable[str], *, lane: Lane, everything: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Run `soql`, which holds one `{ids}`, over any number of ids: as few requests as the URI's limit allows."""
        wanted = sorted(set(ids))
        room = _URI_BYTES - len(quote_plus(soql))
        size = max(1, min(self._settings.page_size, room // len(quote_plus(format_soql("{},", "0" * 18)))))
        for start in range(0, len(wanted), size):
            path = "queryAll" if everything else "query"
            yield from self._drain(path, format_soql(soql, ids=wanted[start : start + size]), lane)

    def _drain(self, path: str, soql: str, lane: Lane) -> Iterator[dict[str, Any]]:
        answer = self._call(lane, "GET", path, params={"q": soql})
        try:
            while True:
                yield from answer["records"]
                if answer["done"]:
                    return
                path = str(answer["nextRecordsUrl"]).split("/", 4)[4]  # after /services/data/vNN.N/
                answer = self._call(lane, "GET", path)
        except (KeyError, TypeError, IndexError):
            raise ProtocolViolation(self.source, "a query was answered without records") from None

    def count(self, object: str, *, up_to: int, lane: Lane, everything: bool = True) -> int:
        """How many rows an object has, by default with deleted and archived ones; counts no further than `up_to`."""
        path, soql = "queryAll" if everything else "query", f"SELECT COUNT() FROM {object} LIMIT {up_to}"
        answer = self._call(lane, "GET", path, params={"q": soql})
        return int(answer.get("totalSize") or 0) if isinstance(answer, dict) else 0

    def tooling(self, soql: str, *, lane: Lane) -> Sequence[dict[str, Any]]:
        """All rows of a query of the Tooling API, which knows the org's own set-up."""
        return list(self._drain("tooling/query", soql, lane))

    def get(self, path: str, *, lane: Lane) -> Any:
        """A resource below the API version's root."""
        return self._call(lane, "GET", path)

    def post(self, path: str, body: Mapping[str, Any], *, lane: Lane) -> Any:
        """Create one. It may be created twice when an answer is lost."""
        return self._call(lane, "POST", path, json=body)

    def patch(self, path: str, body: Mapping[str, Any], *, lane: Lane) -> Any:
        """Change one. It may be asked for twice when an answer is lost."""
        return self._call(lane, "PATCH", path, json=body)

    def upload(self, path: str, content: bytes, *, lane: Lane) -> None:
        """Put a CSV there. It may be sent twice when an answer is lost."""

        def send(client: _Client) -> None:
            headers = {**client.sdk.headers, "Content-Type": "text/csv; charset=UTF-8"}
            self._wire.request("PUT", client.sdk.base_url + path, data=content, headers=headers)

        attempt(lambda: self._once(lane, send), sleep=self._sleep)

    def download(
        self, path: str, params: Mapping[str, str], read: Callable[[requests.Response], T], *, lane: Lane
    ) -> T:
        """What `read` makes of a CSV answer as it streams in. `read` begins anew when the answer breaks off, or when
        it raises `Transient` itself."""

        def send(client: _Client) -> T:
            headers = {**client.sdk.headers, "Accept": "text/csv"}
            url = client.sdk.base_url + path
            try:
                with self._wire.request("GET", url, params=params, headers=headers, stream=True) as response:
                    return read(response)
            except requests.RequestException as problem:
                raise Transient(self.source, f"{path}: the answer was cut off ({type(problem).__name__})") from None

        return attempt(lambda: self._once(lane, send), sleep=self._sleep)

    def wait(self, seconds: float) -> None:
        """Let time pass, as between attempts."""
        if seconds:
            self._sleep(seconds)

    def changed(self, object: str, what: str, start: datetime, end: datetime, *, lane: Lane) -> dict[str, Any]:
        """The replication call `updated` or `deleted`. Salesforce cuts both ends to the minute."""
        params = {
            "start": f"{start.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "end": f"{end.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        }
        answer = self._call(lane, "GET", f"sobjects/{object}/{what}/", params=params)
        if not isinstance(answer, dict):
            raise ProtocolViolation(self.source, f"sobjects/{object}/{what} was answered without an object")
        return answer

    def update(self, records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Update up to 200 records at once, each for itself; one result per record in the same order."""
        body = {"allOrNone": False, "records": records}
        answer = self._call(Lane.WRITE, "PATCH", "composite/sobjects", json=body, headers=WRITE_HEADERS)
        if not isinstance(answer, list) or len(answer) != len(records):
            raise ProtocolViolation(self.source, f"{len(records)} updates were not answered by as many results")
        return answer

    def create(self, records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Create up to 200 records at once, each for itself; one result per record in the same order. Tried once: where
        an answer is lost, `Transient` is raised and nobody can tell what was created."""
        body = {"allOrNone": False, "records": records}

        def send(client: _Client) -> Any:
            try:
                return client.sdk.restful("composite/sobjects", method="POST", json=body, headers=WRITE_HEADERS)
            except requests.JSONDecodeError:
                raise Transient(self.source, "composite/sobjects answered with a body that is no JSON") from None

        answer = self._once(Lane.WRITE, send)
        if not isinstance(answer, list) or len(answer) != len(records):
            raise ProtocolViolation(self.source, f"{len(records)} creations were not answered by as many results")
        return answer

    def describe(self, object: str, *, lane: Lane) -> Description:
        """Fields and permissions of an object as this user sees them; kept for `describe_for`, as is its absence.

        Raises `Misconfigured` for an object that this user cannot see.
        """
        now = self._wire.clock()
        at, known = self._described.get(object, (now, None))
        if known is None or abs(now - at) > self._settings.describe_for:
            try:
                known = description(self._call(lane, "GET", f"sobjects/{object}/describe"))
            except Misconfigured as absent:
                known = absent
            self._described[object] = (now, known)
        if isinstance(known, Misconfigured):
            raise Misconfigured(known.source, known.message)
        return known

    def readable(self, object: str, *, lane: Lane) -> bool:
        """Whether this user can see the object at all."""
        try:
            self.describe(object, lane=lane)
        except Misconfigured:
            return False
        return True

    def forget(self, object: str) -> None:
        """Describe `object` anew next time: what we knew of it has proved wrong."""
        self._described.pop(object, None)

    def usage(self, *, lane: Lane) -> Quota:
        """The day's calls, asked for. Raises `Misconfigured` without the View Setup permission."""
        answer = self._call(lane, "GET", "limits")
        try:
            daily = answer["DailyApiRequests"]
            return Quota(int(daily["Max"]) - int(daily["Remaining"]), int(daily["Max"]))
        except (KeyError, TypeError, ValueError):
            raise ProtocolViolation(self.source, "limits does not tell the day's calls") from None

    def versions(self) -> list[str]:
        """The API versions that the login host offers; needs no token."""

        def ask() -> list[str]:
            try:
                answer = self._wire.get(f"{self._settings.login_url}/services/data/").json()
                return [str(each["version"]) for each in answer]
            except (SessionRefused, requests.JSONDecodeError, KeyError, TypeError):
                raise Misconfigured(self.source, f"{self._settings.login_url} is no Salesforce host") from None

        return attempt(ask, sleep=self._sleep)

    def now(self) -> datetime:
        """The server's time, within about a second; asks for it if no answer has told it yet."""
        if self._wire.now() is None:
            with suppress(Misconfigured, ProtocolViolation):  # any answer tells the time
                self.versions()
        return self._wire.now() or self._wire.clock()

    def instance(self) -> str | None:
        """The host that the last login gave, if there was one."""
        return self._client.grant.instance if self._client else None

    def user(self) -> str:
        """The id of the user that we act for; empty where no login has told it."""
        return self._client.grant.user if self._client else ""

    def quota(self) -> Quota | None:
        """The daily allowance as the last answers told it."""
        return self._wire.quota

    def close(self) -> None:
        """Close the connections. Tokens are not revoked: other processes use them."""
        self._wire.close()

    def _call(self, lane: Lane, method: str, path: str, **kwargs: Any) -> Any:
        def send(client: _Client) -> Any:
            try:
                return client.sdk.restful(path, method=method, **kwargs)
            except requests.JSONDecodeError:
                raise Transient(self.source, f"{path} answered with a body that is no JSON") from None

        return attempt(lambda: self._once(lane, send), sleep=self._sleep)

    def _once(self, lane: Lane, send: Callable[[_Client], T]) -> T:
        client = self._client or self._connect(None)
        while True:
            self._gate.enter(self.source, BUCKET, lane)
            try:
                answer = send(client)
            except SessionRefused:
                if client.grant.ours and not client.proven:
                    self._client = None
                    raise AuthFailed(
                        self.source,
                        "a token just issued is refused; check the app's scopes (api), IP ranges and API access",
                    ) from None
                client = self._connect(client.grant)
            else:
                client.proven = True
                self._listen(lane)
                return answer

    def _listen(self, lane: Lane) -> None:
        """Answers tell the day's calls as a rule. Where they have not for a while the org is asked, if it lets us."""
        if self._asking or abs(self._wire.clock() - self._wire.heard_at) < self._settings.usage_age:
            return
        self._asking = True  # the call below comes by here, too
        with suppress(CrmError):
            self._wire.hear(self.usage(lane=lane))
        self._asking, self._wire.heard_at = False, self._wire.clock()

    def _connect(self, refused: Grant | None) -> _Client:
        grant = self._login.grant(refused)
        # The SDK freezes its addresses when it is made, and a login may name another instance.
        sdk = Salesforce(
            session_id=grant.token,
            instance_url=grant.instance,
            session=self._wire,
            version=self._settings.api_version,
            object_pairs_hook=dict,
        )
        del sdk.headers["X-PrettyPrint"]  # the SDK asks for indented JSON
        self._client = _Client(grant, sdk)
        return self._client

    def _told(self, quota: Quota) -> None:
        self._gate.learn(self.source, quota.used, quota.limit, None)
