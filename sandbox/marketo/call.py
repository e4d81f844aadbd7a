"""A request that was let in, as the endpoints see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.marketo.identity import Gate
from sandbox.marketo.instance import Instance
from sandbox.marketo.jobs import Jobs
from sandbox.marketo.limits import Meter
from sandbox.marketo.settings import MarketoServer, Service
from sandbox.marketo.wire import Refusal

MOST = 300
"""Records a call, and rows a page (vendor's page Leads)."""


@dataclass(frozen=True, slots=True)
class Server:
    """What all requests of one server share."""

    instance: Instance
    settings: MarketoServer
    gate: Gate
    meter: Meter
    jobs: Jobs


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks is settled; `params` are of the query, and of the form where that stands in for it; `body` is JSON."""

    server: Server
    service: Service
    path: Mapping[str, str]
    params: Mapping[str, list[str]] = field(repr=False)
    body: Any = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    url: str = ""

    @property
    def instance(self) -> Instance:
        return self.server.instance

    def one(self, name: str, default: str = "") -> str:
        return self.params.get(name, [default])[0]

    def needed(self, name: str) -> str:
        """Raises `Refusal`."""
        if not self.one(name):
            raise Refusal("701", f"{name} cannot be blank")
        return self.one(name)

    def each(self, name: str, most: int | None = None) -> list[str]:
        """A list, given as comma-separated text, as a repeated parameter, or both. Raises `Refusal` for too many."""
        values = [value for text in self.params.get(name, ()) for value in text.split(",") if value]
        if most is not None and len(values) > most:
            raise Refusal("1003", f"{name} takes at most {most} values")
        return values

    def wholes(self, name: str, most: int | None = None) -> list[int]:
        """The same, of whole numbers. Raises `Refusal`."""
        values = self.each(name, most)
        if wrong := next((value for value in values if not value.isdecimal()), None):
            raise Refusal("1001", f"Invalid value '{wrong}'. Required of type 'integer'")
        return [int(value) for value in values]

    def size(self, name: str = "batchSize", default: int = MOST, most: int = MOST) -> int:
        """Rows a page; what is more than the most is taken for the most."""
        text = self.one(name) or str(default)
        if not text.isdecimal():
            raise Refusal("1001", f"Invalid value '{text}'. Required of type 'integer'")
        return min(max(1, int(text)), most)

    @property
    def start(self) -> int:
        """The number in a token of a list of rows, 0 without a token. Raises `Refusal`."""
        text = self.one("nextPageToken", "0===").removesuffix("===")
        if not text.isdecimal():
            raise Refusal("1003", "Invalid nextPageToken")
        return int(text)

    @property
    def given(self) -> dict[str, Any]:
        """The body as an object. Raises `Refusal`."""
        if not isinstance(self.body, dict):
            raise Refusal("609", "Invalid JSON")
        return self.body

    def inputs(self, most: int = MOST) -> list[dict[str, Any]]:
        """The records of the body. Raises `Refusal` for none, for what are none, and for too many."""
        records = self.given.get("input")
        if not records:
            raise Refusal("701", "input cannot be blank")
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise Refusal("609", "Invalid JSON")
        if len(records) > most:
            raise Refusal("1003", f"input takes at most {most} records")
        return records

    def fields(self, default: tuple[str, ...], name: str = "fields") -> list[str]:
        """Names of lead fields. Raises `Refusal` for an unknown one."""
        names = self.each(name) or list(default)
        if wrong := next((one for one in names if self.instance.schema.get(one) is None), None):
            raise Refusal("1006", f"Field '{wrong}' not found")
        return names

    def id(self, name: str = "id") -> int:
        """A number in the path. Raises `Refusal`."""
        text = self.path[name]
        if not text.isdecimal():
            raise Refusal("610", "Requested resource not found")
        return int(text)
