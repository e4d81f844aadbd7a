"""Ways to reach a practice Salesforce that listens on a real socket over TLS."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce

from sandbox.clock import Clock
from sandbox.salesforce.org import Org
from sandbox.salesforce.service import Service

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOST = "acme.my.salesforce.com"
KEY, SECRET = "3MVG9practice", "practice-secret"
USERNAME, PASSWORD = "leadgauge@practice.example", "practice"
VERSION = "62.0"


class Rerouted(HTTPAdapter):
    """Sends every request to one address, whatever host it is meant for, and keeps the host it was meant for."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        super().__init__()

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        meant = urlsplit(str(request.url))
        request.headers["Host"] = meant.netloc
        request.url = meant._replace(scheme=self._target.scheme, netloc=self._target.netloc).geturl()
        return super().send(request, *args, **kwargs)


@dataclass(frozen=True, slots=True)
class Practice:
    """A running practice org: its inside, and ways to it from outside."""

    org: Org
    clock: Clock
    service: Service
    address: str
    ca: Path
    private_key: str
    sessions: list[requests.Session] = field(default_factory=list)

    def session(self) -> requests.Session:
        """A session for which the whole internet is this org."""
        session = requests.Session()
        session.verify = str(self.ca)
        session.trust_env = False  # REQUESTS_CA_BUNDLE would win over verify
        session.mount("https://", Rerouted(self.address))
        self.sessions.append(session)
        return session

    def client(self) -> Any:
        """simple-salesforce, logged in by client credentials; untyped, as its annotations do not cover its own use."""
        return Salesforce(
            consumer_key=KEY, consumer_secret=SECRET, domain="acme.my", session=self.session(), version=VERSION
        )

    def token(self) -> str:
        answer = self.session().post(
            f"https://{HOST}/services/oauth2/token",
            {"grant_type": "client_credentials", "client_id": KEY, "client_secret": SECRET},
        )
        return str(answer.json()["access_token"])

    def api(self) -> Api:
        session = self.session()
        session.headers["Authorization"] = f"Bearer {self.token()}"
        return Api(session)


@dataclass(frozen=True, slots=True)
class Api:
    """Plain HTTP calls below the version path."""

    session: requests.Session

    def __call__(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        url = path if path.startswith("/services") else f"/services/data/v{VERSION}/{path}"
        return self.session.request(method, f"https://{HOST}{url}", timeout=20, **kwargs)
