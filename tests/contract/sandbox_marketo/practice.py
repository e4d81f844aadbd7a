"""What the tests drive: a practice instance that listens on loopback over TLS."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests

from sandbox.clock import Clock
from sandbox.marketo.instance import Instance
from sandbox.marketo.settings import CLIENT_ID

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECRET = "practice"


@dataclass
class Live:
    """A running server and the instance behind it."""

    url: str
    ca: str
    instance: Instance
    clock: Clock
    session: requests.Session
    _token: str = ""

    def log_in(self, *, client: str = CLIENT_ID, secret: str = SECRET) -> requests.Response:
        given = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
        return self.session.get(f"{self.url}/identity/oauth/token", params=given, verify=self.ca, timeout=10)

    def call(self, method: str, path: str, *, token: str | None = None, **options: Any) -> requests.Response:
        """A raw request, with the service's token or another one."""
        if not self._token and token is None:
            self._token = str(self.log_in().json()["access_token"])
        headers = {"Authorization": f"Bearer {token or self._token}", **options.pop("headers", {})}
        address = self.url + path
        wanted = {"verify": self.ca, "timeout": 10, **options}
        return self.session.request(method, address, headers=headers, **wanted)

    def get(self, path: str, **params: Any) -> Any:
        """The parsed answer."""
        return self.call("GET", path, params=params).json()

    def post(self, path: str, body: Any = None, **params: Any) -> Any:
        content = b"" if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"}
        return self.call("POST", path, data=content, headers=headers, params=params).json()

    def result(self, path: str, **params: Any) -> Any:
        """Of a good answer."""
        answer = self.get(path, **params)
        assert answer["success"], answer
        return answer.get("result", [])

    def sync(self, *records: dict[str, Any], action: str = "updateOnly", lookup: str = "id", **more: Any) -> Any:
        return self.post("/rest/v1/leads.json", {"action": action, "lookupField": lookup, "input": [*records], **more})

    def token_since(self, at: datetime) -> str:
        since = at.isoformat()
        return str(self.get("/rest/v1/activities/pagingtoken.json", sinceDatetime=since)["nextPageToken"])

    def order(self, path: str, **body: Any) -> Any:
        """Obeyed by the sandbox, not by the vendor's API."""
        answer = self.call("POST", f"/sandbox/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()


Serve = Callable[..., Live]


def codes(answer: Any) -> list[str]:
    """Of a whole request that failed."""
    assert answer["success"] is False, answer
    return [error["code"] for error in answer["errors"]]


def reasons(answer: Any) -> list[str]:
    """Code or status of each record, in order."""
    assert answer["success"] is True, answer
    return [row["reasons"][0]["code"] if row["status"] == "skipped" else row["status"] for row in answer["result"]]
