"""One call, from the budget to the answer: gate, credentials, request, retries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, TypeVar

from connectors.errors import CrmError, Misconfigured, Transient
from connectors.escapes import storable
from connectors.http import Answer, Http
from connectors.mixpanel.faults import A_MINUTE, Full, Rejected, failure
from connectors.mixpanel.settings import MixpanelSettings
from connectors.quota import Gate, Lane
from connectors.transport import Clock, Observer, attempt

T = TypeVar("T")
Row = Mapping[str, Any]

ENGAGE, QUERY, EXPORT = "/engage", "/api/query/engage", "/api/2.0/export"
SLOW = 120.0
"""Seconds that a query or the beginning of an export may take."""
SKEW = timedelta(minutes=5)
"""Mixpanel's clock is believed to be ahead of this machine's by so much at most."""
IDS = 1_000
"""Profiles that are asked for by id at once: a page of answers."""
_LONGEST = 4_000_000  # bytes of a record that came in pieces


class Session:
    """Calls to one project. Raises `CrmError`s only; what fails soon is tried again within 20 seconds."""

    def __init__(
        self, settings: MixpanelSettings, *, gate: Gate, observer: Observer, sleep: Callable[[float], None],
        clock: Clock,
    ) -> None:  # fmt: skip
        self.source, self.settings = settings.name, settings
        self._gate, self.sleep, self._clock = gate, sleep, clock
        self.http = Http(settings.name, observer, clock, ca_bundle=settings.ca_bundle)

    @cached_property
    def _login(self) -> tuple[str, str]:
        """Read by the first call, so that a secret that cannot be read is a failure of that call."""
        return self.settings.auth.user, self._secret(self.settings.auth.secret.read)

    @cached_property
    def token(self) -> str:
        return self._secret(self.settings.auth.token.read)

    def _secret(self, read: Callable[[], str]) -> str:
        try:
            return read()
        except LookupError as problem:
            raise Misconfigured(self.source, str(problem)) from None

    def now(self) -> datetime:
        """Mixpanel's time, by the `Date` of its last answer, at most `SKEW` ahead of ours."""
        return self._clock() + min(self.http.ahead, SKEW)

    def query(self, form: Mapping[str, str], lane: Lane, *, bucket: str = "query") -> Mapping[str, Any]:
        """A page of profiles. Raises `Rejected` for a question that Mixpanel does not take, such as a `session_id`
        that it has forgotten."""
        asked: dict[str, Any] = {"params": {"project_id": self.settings.project_id}, "data": dict(form)}

        def sent() -> Mapping[str, Any]:
            answer = self._send("POST", self.settings.places.query, QUERY, bucket, lane, auth=self._login, **asked)
            body = answer.body
            if body is None:
                raise Transient(self.source, f"{QUERY}: the answer was cut off or is not JSON")
            if not isinstance(body, Mapping) or body.get("status") != "ok" or not isinstance(body.get("results"), list):
                raise Rejected(self.source, f"{QUERY}: Mixpanel answered neither profiles nor why there are none", 200)
            return body

        return attempt(sent, sleep=self.sleep)

    def profiles(
        self, ids: Sequence[str], lane: Lane, wanted: Sequence[str] | None = None, *, bucket: str = "query"
    ) -> dict[str, Mapping[str, Any]]:
        """The properties of the profiles that there are, by distinct id."""
        found: dict[str, Mapping[str, Any]] = {}
        for start in range(0, len(ids), IDS):
            asked = ids[start : start + IDS]
            form = {"distinct_ids": json.dumps(list(asked))}
            if wanted is not None:
                form["output_properties"] = json.dumps(list(wanted))
            body = self.query(form, lane, bucket=bucket)
            found |= held(body)
            while more(body) and any(id not in found for id in asked):
                at = {"session_id": str(body["session_id"]), "page": str(body["page"] + 1)}
                body = self.query({**form, **at}, lane, bucket=bucket)
                found |= held(body)
        return {id: found[id] for id in ids if id in found}

    def export(
        self, asked: Mapping[str, str], take: Callable[[Iterator[Row]], T], lane: Lane, *, bucket: str = "export"
    ) -> T:
        """What `take` makes of the events, as they come in; it is called anew where they were cut off."""
        params = {"project_id": str(self.settings.project_id), "time_in_ms": "true", **asked}
        url = self.settings.places.export + EXPORT

        def sent() -> T:
            self._enter(bucket, lane)
            self._enter("pace", lane)
            with self.http.streamed("GET", url, endpoint=EXPORT, timeout=SLOW, params=params, auth=self._login) as (
                answer,
                pieces,
            ):
                if answer.status != 200:
                    raise self._failure(EXPORT, answer)
                return take(records(self.source, pieces))

        return attempt(sent, sleep=self.sleep)

    def engage(self, updates: Sequence[Mapping[str, Any]], lane: Lane) -> Any:
        """What Mixpanel says of updates of profiles. Safe to send again: they set values. Raises `Rejected` for what
        is too large."""
        params = {"strict": "1", "verbose": "1", "ip": "0"}  # or every profile moves to where this machine is

        def sent() -> Any:
            try:
                answer = self._send(
                    "POST", self.settings.places.ingest, ENGAGE, "ingest", lane, params=params, json=list(updates)
                )
            except Full as full:  # counted by the minute: worth a try within the next seconds
                raise Transient(self.source, full.message) from full
            if answer.body is None:
                raise Transient(self.source, f"{ENGAGE}: the answer was cut off or is not JSON")
            return answer.body

        try:
            return attempt(sent, sleep=self.sleep)
        except Transient as problem:
            if isinstance(problem.__cause__, Full):
                raise Full(self.source, problem.message, A_MINUTE) from None
            raise

    def close(self) -> None:
        self.http.close()

    def _send(self, method: str, host: str, endpoint: str, bucket: str, lane: Lane, **request: Any) -> Answer:
        self._enter(bucket, lane)
        answer = self.http.send(method, host + endpoint, endpoint=endpoint, timeout=SLOW, **request)
        if answer.status != 200:
            raise self._failure(endpoint, answer)
        return answer

    def _failure(self, endpoint: str, answer: Answer) -> CrmError:
        error = failure(self.source, endpoint, answer)
        if isinstance(error, Full) and error.retry_after is None and endpoint != ENGAGE:
            return Full(self.source, error.message, A_MINUTE)  # counted by the hour: no use in knocking at once
        return error

    def _enter(self, bucket: str, lane: Lane) -> None:
        try:
            self._gate.enter(self.source, bucket, lane)
        except Transient as problem:
            what = f"no free place for a {bucket} call: Mixpanel allows a project 60 queries and 60 exports an hour"
            raise Full(self.source, what, problem.retry_after) from problem


def held(body: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The profiles of a page, by distinct id."""
    return {str(row["$distinct_id"]): row["$properties"] for row in body["results"]}


def more(body: Mapping[str, Any]) -> bool:
    """Whether there is a further page: this one is full ("Query Profiles")."""
    return bool(body["results"]) and len(body["results"]) >= body["page_size"]


def records(source: str, pieces: Iterator[bytes]) -> Iterator[Row]:
    """Events out of lines of JSON. A record that was split over several lines is put together again (seen by Airbyte).

    Raises `Transient` for an export that ended before its end: in the midst of a record, or with a line that says so.
    """
    cut = Transient(source, f"{EXPORT}: the export ended before its end")
    rest = begun = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if not line.strip() and not begun:
                continue
            row = _row(line)
            if row is None:
                begun += line
                row = _row(begun)
            if row is not None:
                begun = b""
                yield row
            elif len(begun) > _LONGEST:
                raise cut
    last = (begun + rest).strip()
    if last:
        row = _row(last)
        if row is None:
            raise cut
        yield row


def _row(line: bytes) -> Row | None:
    try:
        row = json.loads(storable(line))
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
