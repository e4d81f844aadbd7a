"""One request and its answer, through the HTTP layer of hubspot-api-client.

The SDK's generated methods are not used: their paths are the numbered versions only, they build a connection pool for
every access to an API object, and reading their models costs 40 times what json costs. Its client takes any path.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hubspot import Client
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NameResolutionError, NewConnectionError

from connectors.errors import Misconfigured, Transient
from connectors.escapes import storable
from connectors.hubspot.settings import HubspotSettings

TIMEOUT = (5, 30)
"""Seconds to connect and to read. HubSpot's own edge gives up after 100."""

Query = Sequence[tuple[str, str | int]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; `body` is None when it was not JSON (error pages of the edge are HTML)."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Wire:
    """A connection pool to one host, certificates always verified. Not shared between processes."""

    def __init__(self, settings: HubspotSettings) -> None:
        self._source, self._host = settings.name, settings.host
        # Both host and base_url: generated APIs read the one, Client.api_request the other. Without retry=False urllib3
        # sends a GET that timed out four times, past every budget (github.com/HubSpot/hubspot-api-python/issues/331).
        client = Client.create(host=settings.host, base_url=settings.host, retry=False)
        self._api = client.crm.contacts.batch_api.api_client
        context = ssl.create_default_context()
        if settings.ca_bundle is not None:
            try:
                context.load_verify_locations(settings.ca_bundle)
            except OSError as problem:
                raise Misconfigured(
                    settings.name, f"ca_bundle {settings.ca_bundle} is no readable PEM file"
                ) from problem
        self._api.rest_client.pool_manager.connection_pool_kw["ssl_context"] = context

    def send(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        query: Query = (),
        body: Any = None,
        form: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer, whatever its status. Raises `Transient` without one, `Misconfigured` for a certificate."""
        headers = {"Accept": "application/json", "User-Agent": self._api.user_agent}
        headers["Content-Type"] = "application/json" if form is None else "application/x-www-form-urlencoded"
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            # `request`, not `call_api`: that one decodes the body of every error, and a TLS failure has none.
            response = self._api.request(
                method, self._host + path, query_params=list(query), headers=headers, body=body,
                post_params=dict(form) if form else None, _preload_content=False, _request_timeout=TIMEOUT,
            )  # fmt: skip
            return Answer(response.status, response.headers, _json(response.data))
        except HTTPError as problem:
            raise self._unanswered(problem) from problem
        except Exception as problem:  # each generated package has an ApiException of its own, without a common parent
            status = getattr(problem, "status", None)
            if status is None:
                raise
            if status == 0:  # what the SDK makes of an SSLError
                raise self._distrusted(problem) from problem
            return Answer(status, getattr(problem, "headers", None) or {}, _json(getattr(problem, "body", None)))

    def close(self) -> None:
        self._api.rest_client.pool_manager.clear()

    def _unanswered(self, problem: HTTPError) -> Transient:
        if isinstance(problem, NameResolutionError):
            return Transient(self._source, f"{self._host} cannot be found: check host and the name service")
        if isinstance(problem, NewConnectionError | ConnectTimeoutError):
            return Transient(self._source, f"{self._host} cannot be reached: check host, network and firewall")
        return Transient(self._source, f"{self._host} did not answer in full ({type(problem).__name__})")

    def _distrusted(self, problem: Exception) -> Misconfigured | Transient:
        if "CERTIFICATE_VERIFY_FAILED" in str(getattr(problem, "reason", "")):
            fix = "if a private authority signed it, name its PEM file as ca_bundle"
            return Misconfigured(self._source, f"the certificate of {self._host} is not trusted: {fix}")
        return Transient(self._source, f"the TLS connection to {self._host} failed")


def _json(raw: bytes | str | None) -> Any:
    try:
        return json.loads(storable(raw.encode() if isinstance(raw, str) else raw)) if raw else None
    except ValueError:
        return None
