"""The HTTP below the SDK: simple-salesforce builds the requests, this sends them and reads what came of it.

It stands where the SDK expects a `requests.Session`. An answer that is not a success is raised as one of our errors
before the SDK sees it: the SDK's own handling loses the status of an HTML page, retries a 401 without the caller's
headers and, for single records, without end (github.com/simple-salesforce/simple-salesforce/issues/804).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import requests

from connectors.errors import CrmError, Misconfigured, ProtocolViolation, Transient
from connectors.escapes import storable
from connectors.port import Quota
from connectors.salesforce.faults import call_error, faults_of, login_error
from connectors.salesforce.settings import SalesforceSettings
from connectors.transport import Clock, Exchange, Observer, TimeoutAdapter, retry_after

_ID = re.compile(r"/[a-zA-Z0-9]{15}(?:[a-zA-Z0-9]{3})?(?=/|$)")
_USAGE = re.compile(r"(?:^|[;,\s])api-usage=(\d+)/(\d+)")


class SessionRefused(Exception):
    """401: the token is not accepted (expired, revoked, or for another host)."""


class Wire(requests.Session):
    """Sends requests with timeouts; knows the server's clock and the daily allowance from what came back."""

    def __init__(
        self, settings: SalesforceSettings, observer: Observer, told: Callable[[Quota], None], clock: Clock
    ) -> None:
        super().__init__()
        self.mount("https://", TimeoutAdapter(ca_bundle=settings.ca_bundle))
        self.quota: Quota | None = None
        self.clock = clock
        self.heard_at = clock()
        self._source = settings.name
        self._observer = observer
        self._told = told
        self._ahead: timedelta | None = None

    def now(self) -> datetime | None:
        """The server's time, from the `Date` of its last answer; None before the first."""
        return None if self._ahead is None else self.clock() + self._ahead

    def hear(self, quota: Quota) -> None:
        """Take the day as it was told."""
        self.quota, self.heard_at = quota, self.clock()
        self._told(quota)

    def request(self, method: str | bytes, url: str | bytes, *args: Any, **kwargs: Any) -> requests.Response:
        """Raises `SessionRefused` for 401 and a `CrmError` for everything else that is not a success."""
        endpoint = endpoint_of(str(url))
        response = self._exchange(str(method), str(url), endpoint, *args, **kwargs)
        if response.status_code == 401:
            response.close()  # a streamed one would keep its connection
            raise SessionRefused
        if response.status_code >= 300:
            raise self._error(response, endpoint)
        return response

    def log_in(self, url: str, form: Mapping[str, str], auth: requests.auth.AuthBase | None) -> dict[str, Any]:
        """The token endpoint's answer. Raises `AuthFailed` for a refusal."""
        response = self._exchange("POST", url, endpoint_of(url), data=form, auth=auth)
        if response.status_code == 200:
            try:
                answer = response.json()
            except requests.JSONDecodeError:
                raise Transient(self._source, "login answered 200 with a body that is no JSON") from None
            if isinstance(answer, dict):
                return answer
        raise login_error(self._source, response.status_code, faults_of(response.text), self._wait(response))

    def _exchange(self, method: str, url: str, endpoint: str, *args: Any, **kwargs: Any) -> requests.Response:
        started, status = monotonic(), None
        kwargs["allow_redirects"] = False  # a token must not follow to another host
        try:
            response = super().request(method, url, *args, **kwargs)
            status = response.status_code
        except requests.exceptions.SSLError as problem:
            if "CERTIFICATE_VERIFY_FAILED" in str(problem):
                fix = "its certificate is not trusted; name the authority in ca_bundle"
                raise Misconfigured(self._source, f"{_host(url)}: {fix}") from None
            raise Transient(self._source, f"{endpoint}: the TLS connection broke") from None
        except (requests.ConnectionError, requests.Timeout) as problem:
            raise Transient(self._source, f"{_host(url)} cannot be reached ({type(problem).__name__})") from None
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError):
            raise Transient(self._source, f"{endpoint}: the answer was cut off") from None
        except requests.RequestException as problem:
            raise ProtocolViolation(self._source, f"{endpoint} at {_host(url)}: {type(problem).__name__}") from None
        finally:
            self._observer(Exchange(self._source, method, endpoint, status, monotonic() - started))
        if not kwargs.get("stream"):
            response._content = storable(response.content)  # the SDK decodes it, and asks nobody
        self._learn(response.headers)
        return response

    def _learn(self, headers: Mapping[str, str]) -> None:
        with suppress(KeyError, ValueError, TypeError):  # without a readable Date the last one stands
            self._ahead = parsedate_to_datetime(headers["Date"]) - self.clock()
        # Newer orgs append api-bursts or per-app-api-usage; a pattern that wants the whole header sees nothing then.
        if usage := _USAGE.search(headers.get("Sforce-Limit-Info", "")):
            self.hear(Quota(used=int(usage[1]), limit=int(usage[2])))

    def _error(self, response: requests.Response, endpoint: str) -> CrmError:
        now = self.now() or self.clock()
        faults = faults_of(response.text)
        return call_error(
            self._source, response.status_code, faults, endpoint=endpoint, now=now, wait=self._wait(response)
        )

    def _wait(self, response: requests.Response) -> timedelta | None:
        return retry_after(response.headers, self.now() or self.clock())


def endpoint_of(url: str) -> str:
    """The path without version, ids and query: few distinct values and nobody's data."""
    path = re.sub(r"^/services/(?:data/(?:v[\d.]+/?)?)?", "", urlsplit(url).path)
    return _ID.sub("/{id}", "/" + path).strip("/") or "versions"


def _host(url: str) -> str:
    return urlsplit(url).netloc or url
