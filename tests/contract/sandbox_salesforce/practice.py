"""Ways to reach a practice Salesforce that listens on a real socket over TLS."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Mapping
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
HOST, OTHER_HOST = "acme.my.salesforce.com", "acme2.my.salesforce.com"
KEY, SECRET = "3MVG9practice", "practice-secret"
USERNAME, PASSWORD = "leadgauge@practice.example", "practice"
REFRESH = "5Aep861.practice"
VERSION = "62.0"


ENDED = frozenset({"JobComplete", "Failed", "Aborted"})


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

    def ask_token(self, form: Mapping[str, str], *, host: str = HOST) -> requests.Response:
        """POST to the token endpoint."""
        return self.session().post(f"https://{host}/services/oauth2/token", form, timeout=20)

    def control(self, path: str, order: Any) -> requests.Response:
        """POST an order under /sandbox/."""
        return self.session().post(f"https://{HOST}/sandbox/{path}", json=order, timeout=20)

    def lead(self, **fields: Any) -> str:
        return self.org.insert("Lead", {"LastName": "Ray", "Company": "Acme", **fields})

    def value(self, id: str, field: str) -> Any:
        """What a lead holds now."""
        row = self.org.get("Lead", id)
        assert row is not None
        return row[field]

    def api(self) -> Api:
        session = self.session()
        session.headers["Authorization"] = f"Bearer {self.token()}"
        return Api(session)


@dataclass(frozen=True, slots=True)
class Api:
    """Plain HTTP calls below the version path."""

    session: requests.Session
    host: str = HOST

    def __call__(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        url = path if path.startswith("/services") else f"/services/data/v{VERSION}/{path}"
        return self.session.request(method, f"https://{self.host}{url}", timeout=20, **kwargs)

    def update(self, *rows: dict[str, Any], **kwargs: Any) -> list[dict[str, Any]]:
        """The outcomes of a collections update of leads; each row has its `id` and fields."""
        records = [{"attributes": {"type": "Lead"}, **row} for row in rows]
        answer = self("PATCH", "composite/sobjects", json={"allOrNone": False, "records": records}, **kwargs)
        answer.raise_for_status()
        results: list[dict[str, Any]] = answer.json()
        return results

    def query(self, soql: str, resource: str = "query", **kwargs: Any) -> dict[str, Any]:
        """The first page."""
        page: dict[str, Any] = self("GET", resource, params={"q": soql}, **kwargs).json()
        return page

    def finished(self, path: str) -> dict[str, Any]:
        """The job at `path` once it has ended."""
        pause = threading.Event()
        for _ in range(2_000):
            job: dict[str, Any] = self("GET", path).json()
            if job["state"] in ENDED:
                return job
            pause.wait(0.005)
        raise AssertionError(f"the job at {path} did not end")

    def ingest(self, content: str, operation: str = "update") -> str:
        """The path of an ingest job of leads that is on its way."""
        job = self("POST", "jobs/ingest", json={"object": "Lead", "operation": operation}).json()
        path = f"jobs/ingest/{job['id']}"
        assert self("PUT", f"{path}/batches", data=content.encode()).status_code == 201
        self("PATCH", path, json={"state": "UploadComplete"}).raise_for_status()
        return path

    def download(self, soql: str) -> requests.Response:
        """All results of a Bulk query."""
        path = f"jobs/query/{self('POST', 'jobs/query', json={'operation': 'query', 'query': soql}).json()['id']}"
        assert self.finished(path)["state"] == "JobComplete"
        return self("GET", f"{path}/results")


def csv_rows(text: str) -> list[dict[str, str]]:
    """The rows of a CSV with a header."""
    return list(csv.DictReader(io.StringIO(text, newline="")))
