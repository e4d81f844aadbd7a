"""One call, from the budget to the answer: gate, keys, request, retries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property
from typing import IO, Any

from connectors.amplitude.faults import failure
from connectors.amplitude.settings import AmplitudeSettings
from connectors.errors import Misconfigured, ProtocolViolation, Transient
from connectors.http import Answer, Http
from connectors.quota import Gate, Lane
from connectors.secret import SecretRef
from connectors.transport import Clock, Observer, attempt, wall

BATCH, EXPORT, SEARCH, PROFILE = "/batch", "/api/2/export", "/api/2/usersearch", "/v1/userprofile"
DELETIONS = "/api/2/deletions/users"
COHORTS, UPLOAD, MEMBERSHIP = "/api/3/cohorts", "/api/3/cohorts/upload", "/api/3/cohorts/membership"

SLOW = 120.0
"""Seconds that Amplitude may take to begin an export; it gives up by itself before (504)."""
NOT_SEEN = "not seen before"
"""What the User Profile API says of a user whom it does not know."""


class Session:
    """Calls to one project. Every method raises `CrmError`s only; what fails soon is tried again within 20 seconds."""

    def __init__(
        self, settings: AmplitudeSettings, *, gate: Gate, observer: Observer, sleep: Callable[[float], None],
        clock: Clock = wall,
    ) -> None:  # fmt: skip
        self.source = settings.name
        self._settings, self._gate, self._sleep = settings, gate, sleep
        self._http = Http(settings.name, observer, clock, ca_bundle=settings.ca_bundle)
        self._heard = False

    def now(self, lane: Lane) -> datetime:
        """Amplitude's time: which hours have closed is told by its clock, not by ours. Asks for it once."""
        if not self._heard:
            with suppress(Misconfigured):  # that has told the time, too
                self.cohorts(lane)
        return self._http.now()

    def batch(self, events: Sequence[Mapping[str, Any]], lane: Lane = Lane.WRITE) -> Answer:
        """The answer to an upload where it is about the events: 200, 400, 413, 429. Ids of any length are allowed."""
        body = {"api_key": self._api_key, "events": list(events), "options": {"min_id_length": 1}}
        return self._answer("ingest", "POST", BATCH, lane, {400, 413, 429}, json=body)

    def export(self, first: datetime, last: datetime, into: IO[bytes], lane: Lane) -> Answer:
        """Write the zip of the hours from `first` to `last`, both included, into a file. 200; 404: there is nothing;
        400, 504: too much for one export."""

        def fetched() -> Answer:
            into.seek(0)
            into.truncate()
            self._gate.enter(self.source, "analytics", lane)
            hours = {"start": f"{first:%Y%m%dT%H}", "end": f"{last:%Y%m%dT%H}"}
            asked: dict[str, Any] = {"endpoint": EXPORT, "timeout": SLOW, "params": hours, "auth": self.keys()}
            with self._http.streamed("GET", f"{self._host('analytics')}{EXPORT}", **asked) as (answer, pieces):
                self._heard = True
                for piece in pieces:
                    into.write(piece)
            return self._checked(EXPORT, answer, {400, 404, 504})

        return attempt(fetched, sleep=self._sleep)

    def cohorts(self, lane: Lane) -> Sequence[Mapping[str, Any]]:
        """All cohorts that can be discovered."""
        found: Sequence[Mapping[str, Any]] = self._analytics("GET", COHORTS, lane)["cohorts"]
        return found

    def upload(self, cohort: Mapping[str, Any], lane: Lane) -> str:
        """The id of a cohort that is made so."""
        return str(self._analytics("POST", UPLOAD, lane, json=cohort)["cohortId"])

    def membership(self, cohort: str, changes: Sequence[Mapping[str, Any]], lane: Lane) -> None:
        """Add users to a cohort and take others out; those that it has or lacks already stay so."""
        body = {"cohort_id": cohort, "memberships": changes, "skip_invalid_ids": True}
        self._analytics("POST", MEMBERSHIP, lane, json=body)

    def search(self, text: str, lane: Lane) -> Sequence[Mapping[str, Any]]:
        """Users whose id begins so, or whose number it is."""
        answer = self._analytics("GET", SEARCH, lane, "search", params={"user": text})
        found: Sequence[Mapping[str, Any]] = answer["matches"]
        return found

    def deletions(self, first: datetime, last: datetime, lane: Lane) -> Sequence[Mapping[str, Any]]:
        """Jobs that erase users, of those days."""
        days = {"start_day": f"{first:%F}", "end_day": f"{last:%F}"}
        answer = self._answer("analytics", "GET", DELETIONS, lane, set(), auth=self.keys(), params=days)
        if not isinstance(answer.body, list):
            raise ProtocolViolation(self.source, f"the answer to {DELETIONS} is no JSON list")
        return answer.body

    def profile(self, user: str, lane: Lane) -> Mapping[str, Any] | None:
        """The properties that a user holds; None for one whom Amplitude has not seen."""
        asked = {"user_id": user, "get_amp_props": "true"}
        headers = {"Authorization": f"Api-Key {self._secret_key}"}
        answer = self._answer("profile", "GET", PROFILE, lane, {400, 404}, params=asked, headers=headers)
        body = answer.body
        if isinstance(body, Mapping) and NOT_SEEN in str(body.get("error")):
            return None
        if answer.status != 200:
            raise failure(self.source, PROFILE, answer)
        properties: Mapping[str, Any] = self._json(PROFILE, body)["userData"]["amp_props"] or {}
        return properties

    @property
    def ahead(self) -> float:
        """Seconds by which Amplitude's clock is before this machine's."""
        return self._http.ahead.total_seconds()

    def close(self) -> None:
        self._http.close()

    def _analytics(self, method: str, path: str, lane: Lane, bucket: str = "analytics", **request: Any) -> Any:
        answer = self._answer("analytics", method, path, lane, set(), bucket, auth=self.keys(), **request)
        return self._json(path, answer.body)

    def _answer(
        self, host: str, method: str, path: str, lane: Lane, told: set[int], bucket: str | None = None, **request: Any
    ) -> Answer:
        """The answer, if it is a success or one of those that the caller wants to be `told`."""

        def sent() -> Answer:
            self._gate.enter(self.source, bucket or host, lane)
            answer = self._http.send(method, f"{self._host(host)}{path}", endpoint=path, **request)
            self._heard = True
            if answer.status == 200 and answer.body is None:
                raise Transient(self.source, f"the answer to {path} was cut off or is not JSON")
            return self._checked(path, answer, told)

        return attempt(sent, sleep=self._sleep)

    def _checked(self, path: str, answer: Answer, told: set[int]) -> Answer:
        if answer.status == 200 or answer.status in told:
            return answer
        raise failure(self.source, path, answer)

    def _json(self, path: str, body: Any) -> Any:
        if not isinstance(body, Mapping):
            raise ProtocolViolation(self.source, f"the answer to {path} is no JSON object")
        return body

    def _host(self, name: str) -> str:
        if (host := self._settings.host(name)) is None:
            raise Misconfigured(self.source, f"there is no {name} host in the region {self._settings.region}")
        return host

    def keys(self) -> tuple[str, str]:
        """API key and secret key. Raises `Misconfigured` for one that cannot be read."""
        return self._api_key, self._secret_key

    @cached_property
    def _api_key(self) -> str:
        """Read by the first call, so that a secret that cannot be read is a failure of that call."""
        return self._read("api_key", self._settings.api_key)

    @cached_property
    def _secret_key(self) -> str:
        return self._read("secret_key", self._settings.secret_key)

    def _read(self, name: str, secret: SecretRef) -> str:
        try:
            return secret.read()
        except LookupError as problem:
            raise Misconfigured(self.source, f"{name}: {problem}") from None
