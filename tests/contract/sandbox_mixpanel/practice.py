"""What the tests drive: a practice project that listens on loopback over TLS."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import requests

from sandbox.clock import Clock
from sandbox.mixpanel.project import ACCOUNT, ACCOUNT_SECRET, TOKEN, Project

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LOGIN = (ACCOUNT, ACCOUNT_SECRET)
Serve = Callable[..., "Live"]


@dataclass(slots=True)
class Live:
    """A project and the wire to it."""

    url: str
    ca: str
    project: Project
    clock: Clock
    wire: requests.Session = field(repr=False)

    def engage(self, *updates: Mapping[str, Any], path: str = "/engage", **asked: str) -> requests.Response:
        """Profiles' updates, strict and verbose unless asked otherwise; empty values leave a parameter out."""
        params = {name: value for name, value in {"strict": "1", "verbose": "1", **asked}.items() if value}
        return self.post(path, params, json.dumps(updates))

    def post(self, path: str, params: Mapping[str, str], data: str | bytes, **request: Any) -> requests.Response:
        return self.wire.post(self.url + path, params=params, data=data, verify=self.ca, timeout=10, **request)

    def query(self, project_id: str | None = None, **asked: Any) -> requests.Response:
        auth, headers = asked.pop("auth", LOGIN), asked.pop("headers", None)
        params = {"project_id": project_id or str(self.project.id)}
        form = {name: value if isinstance(value, str) else json.dumps(value) for name, value in asked.items()}
        return self.wire.post(
            f"{self.url}/api/query/engage",
            params=params, data=form, auth=auth, headers=headers, verify=self.ca, timeout=10,
        )  # fmt: skip

    def export(self, since: str = "2026-11-20", until: str = "2026-11-20", **asked: str) -> requests.Response:
        params = {"project_id": str(self.project.id), "from_date": since, "to_date": until, **asked}
        return self.wire.get(f"{self.url}/api/2.0/export", params=params, auth=LOGIN, verify=self.ca, timeout=10)

    def events(self, *args: str, **asked: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.export(*args, **asked).text.splitlines()]

    def bring_in(self, *events: Mapping[str, Any], auth: tuple[str, str] = LOGIN, **request: Any) -> requests.Response:
        params = {"strict": "1", "project_id": str(self.project.id)}
        return self.post("/import", params, json.dumps(events), auth=auth, **request)


def change(id: str, token: str = TOKEN, **update: Any) -> dict[str, Any]:
    """An update of a profile: operations by their names without $."""
    return {"$token": token, "$distinct_id": id, **{f"${name}": value for name, value in update.items()}}


def event(name: str = "Signed up", *, at: float = NOON.timestamp(), who: str = "u1", id: str = "i-1") -> dict[str, Any]:
    return {"event": name, "properties": {"time": at, "distinct_id": who, "$insert_id": id}}
