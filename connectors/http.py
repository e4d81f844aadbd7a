"""HTTP for vendors that are reached without an SDK: one request and its answer, and nothing retried.

Their SDKs keep batches in memory, retry without end, swallow refusals, or do not survive a fork; what has to be proved
record by record cannot go through them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import requests

from connectors.errors import Misconfigured, ProtocolViolation, Transient
from connectors.escapes import storable
from connectors.transport import Clock, Exchange, Observer, TimeoutAdapter, retry_after


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, whatever its status. `wait` is what `Retry-After` asks for."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)
    wait: timedelta | None = None

    @property
    def body(self) -> Any:
        """The content as JSON; None where it is none."""
        try:
            return json.loads(storable(self.content)) if self.content else None
        except ValueError:
            return None


class Http:
    """Connections of one source, certificates always verified. Not shared between processes."""

    def __init__(self, source: str, observer: Observer, clock: Clock, *, ca_bundle: Path | None = None) -> None:
        """Raises `Misconfigured` for a `ca_bundle` that cannot be read."""
        self._source, self._observer, self._clock = source, observer, clock
        self._session = requests.Session()
        try:
            self._session.mount("https://", TimeoutAdapter(ca_bundle=ca_bundle))
        except OSError:
            raise Misconfigured(source, f"ca_bundle {ca_bundle} is no readable PEM file") from None
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        """The vendor's time, by the `Date` of its last answer."""
        return self._clock() + self.ahead

    def send(self, method: str, url: str, *, endpoint: str, timeout: float | None = None, **request: Any) -> Answer:
        """The answer to a request, in full. `endpoint` names it in errors and metrics: no ids, nobody's data. `request`
        is as requests takes it: `params`, `json`, `data`, `headers`, `auth`.

        Raises `Transient` without an answer, `Misconfigured` for a certificate that is not trusted.
        """
        with self._asked(method, url, endpoint, timeout, request) as response:
            content = self._whole(response, endpoint)
            return Answer(response.status_code, response.headers, content, self._wait(response))

    @contextmanager
    def streamed(
        self, method: str, url: str, *, endpoint: str, timeout: float | None = None, **request: Any
    ) -> Iterator[tuple[Answer, Iterator[bytes]]]:
        """An answer whose content is read as it comes, in pieces; those may raise `Transient`. One that is no success
        is read at once."""
        with self._asked(method, url, endpoint, timeout, {**request, "stream": True}) as response:
            good = response.status_code == 200
            content = b"" if good else self._whole(response, endpoint)
            answer = Answer(response.status_code, response.headers, content, self._wait(response))
            yield answer, self._pieces(response, endpoint) if good else iter(())

    def close(self) -> None:
        self._session.close()

    @contextmanager
    def _asked(
        self, method: str, url: str, endpoint: str, timeout: float | None, request: dict[str, Any]
    ) -> Iterator[requests.Response]:
        host, started, status = urlsplit(url).netloc, monotonic(), None
        # A token must not follow to another host, nor may what a .netrc says take its place.
        wanted: dict[str, Any] = {"allow_redirects": False, "timeout": timeout, "auth": _as_given} | request
        try:
            response = self._session.request(method, url, **wanted)
            status = response.status_code
        except requests.exceptions.SSLError as problem:
            if "CERTIFICATE_VERIFY_FAILED" in str(problem):
                fix = "its certificate is not trusted; name the authority in ca_bundle"
                raise Misconfigured(self._source, f"{host}: {fix}") from None
            raise Transient(self._source, f"{endpoint}: the TLS connection broke") from None
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError):
            raise Transient(self._source, f"{endpoint}: the answer was cut off") from None
        except (requests.ConnectionError, requests.Timeout) as problem:
            raise Transient(self._source, f"{host} cannot be reached ({type(problem).__name__})") from None
        except requests.RequestException as problem:
            raise ProtocolViolation(self._source, f"{endpoint} at {host}: {type(problem).__name__}") from None
        finally:
            self._observer(Exchange(self._source, method, endpoint, status, monotonic() - started))
        with suppress(KeyError, ValueError, TypeError):  # without a readable Date the last one stands
            self.ahead = parsedate_to_datetime(response.headers["Date"]) - self._clock()
        with response:
            yield response

    def _whole(self, response: requests.Response, endpoint: str) -> bytes:
        return b"".join(self._pieces(response, endpoint))

    def _pieces(self, response: requests.Response, endpoint: str) -> Iterator[bytes]:
        try:
            yield from response.iter_content(65_536)
        except requests.RequestException as problem:
            raise Transient(self._source, f"{endpoint}: the answer was cut off ({type(problem).__name__})") from None

    def _wait(self, response: requests.Response) -> timedelta | None:
        return retry_after(response.headers, self.now())


def _as_given(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
