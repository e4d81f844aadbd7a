"""A client of a practice project that sends what it is told to, right or wrong."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import requests

from sandbox.amplitude.project import Project
from sandbox.amplitude.settings import AmplitudeServer
from sandbox.clock import Clock

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Live:
    """A running project, what is in it, and its time."""

    url: str
    server: AmplitudeServer
    project: Project
    clock: Clock
    wire: requests.Session

    @property
    def keys(self) -> tuple[str, str]:
        return self.server.api_key, self.server.secret_key

    def send(self, *events: dict[str, Any], path: str = "/batch", **body: Any) -> requests.Response:
        """An upload; `body` is merged into it."""
        given = {"api_key": self.server.api_key, "events": list(events), "options": {"min_id_length": 1}, **body}
        return self.wire.post(self.url + path, json=given)

    def get(self, path: str, **query: str) -> requests.Response:
        return self.wire.get(self.url + path, params=query, auth=self.keys)

    def post(self, path: str, body: dict[str, Any]) -> requests.Response:
        return self.wire.post(self.url + path, json=body, auth=self.keys)

    def profile(self, user: str, authorization: str | None = None, **query: str) -> requests.Response:
        headers = {"Authorization": f"Api-Key {self.server.secret_key}" if authorization is None else authorization}
        return self.wire.get(f"{self.url}/v1/userprofile", params={"user_id": user, **query}, headers=headers)

    def exported(self, start: str, end: str) -> dict[str, list[dict[str, Any]]]:
        """The rows of an export, by the name of their file."""
        answer = self.get("/api/2/export", start=start, end=end)
        assert answer.status_code == 200, answer.text
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            return {
                name: [json.loads(line) for line in gzip.decompress(archive.read(name)).splitlines()]
                for name in archive.namelist()
            }


class Serve(Protocol):
    def __call__(self, **settings: Any) -> Live: ...


def event(user: str, type: str = "Came", **more: Any) -> dict[str, Any]:
    return {"user_id": user, "event_type": type, **more}


def identify(user: str, insert_id: str | None = None, **properties: Any) -> dict[str, Any]:
    """An `$identify` event; `properties` are operations, without their `$`."""
    operations = {f"${name}": values for name, values in properties.items()}
    unique = {} if insert_id is None else {"insert_id": insert_id}
    return event(user, "$identify", user_properties=operations, **unique)
