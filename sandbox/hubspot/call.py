"""A request that was let in, as the endpoints see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.responses import Response

from sandbox.hubspot.auth import Gate
from sandbox.hubspot.bodies import Malformed, as_object, objects_in
from sandbox.hubspot.instants import iso
from sandbox.hubspot.limits import Meter
from sandbox.hubspot.paths import Family
from sandbox.hubspot.portal import Portal
from sandbox.hubspot.records import Source
from sandbox.hubspot.schema import ObjectType, Schema, object_type
from sandbox.hubspot.settings import ALL_SCOPES, HubspotServer
from sandbox.hubspot.unrest import Unrest
from sandbox.hubspot.wire import Refusal, answer


@dataclass(frozen=True, slots=True)
class Server:
    """What all requests of one server share."""

    portal: Portal
    settings: HubspotServer
    gate: Gate
    meter: Meter
    unrest: Unrest


@dataclass(frozen=True, slots=True)
class Call:
    """Who asks is settled, the body is parsed (JSON, or the fields of a form)."""

    server: Server
    family: Family
    path: Mapping[str, str]
    query: QueryParams
    url_path: str
    body: Any = field(default=None, repr=False)
    scopes: frozenset[str] = ALL_SCOPES

    @property
    def portal(self) -> Portal:
        return self.server.portal

    @property
    def settings(self) -> HubspotServer:
        return self.server.settings

    @property
    def kind(self) -> ObjectType:
        """The object type named in the path. Raises `Refusal`."""
        return self.kind_of("type")

    def kind_of(self, name: str) -> ObjectType:
        kind = object_type(self.path[name])
        if kind is None:
            raise Refusal(400, f"Unable to infer object type from: {self.path[name]}", "VALIDATION_ERROR")
        return kind

    @property
    def schema(self) -> Schema:
        return self.portal.schemas[self.kind.name]

    @property
    def source(self) -> Source:
        """What the history of a property shows for a write of this call."""
        return ("INTEGRATION", str(self.settings.app_id))

    @property
    def fields(self) -> dict[str, Any]:
        """The body as an object. Raises `Malformed`."""
        return as_object(self.body, "body")

    def inputs(self, most: int) -> list[dict[str, Any]]:
        """The objects of a batch. Raises `Malformed` for no list, `Refusal` for too many."""
        if "inputs" not in self.fields:
            raise Malformed("Cannot build BatchInput, some of required attributes are not set [inputs]")
        inputs = objects_in(self.fields["inputs"], "inputs")
        if len(inputs) > most:
            message = f"The maximum number of inputs supported in a batch request is {most}. Got {len(inputs)}"
            raise Refusal(400, message, "VALIDATION_ERROR")
        return inputs

    def names(self, parameter: str) -> list[str]:
        """A list given as comma-separated text, as a repeated parameter, or both."""
        return [name for text in self.query.getlist(parameter) for name in text.split(",") if name]

    def flag(self, parameter: str) -> bool:
        return self.query.get(parameter, "").lower() == "true"

    def whole(self, parameter: str, default: int, most: int | None = None) -> int:
        """A whole number from 1 to `most`. Raises `Refusal`."""
        text = self.query.get(parameter)
        if text is None:
            return default
        if not text.isdecimal() or int(text) < 1:
            raise Refusal(400, f"Invalid value for query param {parameter}", "VALIDATION_ERROR")
        if most is not None and int(text) > most:
            raise Refusal(400, f"The maximum value of query param {parameter} is {most}", "VALIDATION_ERROR")
        return int(text)

    def next_page(self, after: object) -> dict[str, Any]:
        """The `paging` object that points at `after`."""
        query = [(name, value) for name, value in self.query.multi_items() if name != "after"]
        link = f"{self.settings.base_url}{self.url_path}?{urlencode([*query, ('after', str(after))])}"
        return {"next": {"after": str(after), "link": link}}

    def outcome(self, started: int, results: list[Any], errors: list[Any], status: int = 200) -> Response:
        """A batch's answer: partial failure is a 207 in the old path families and a plain 200 in the dated ones."""
        body: dict[str, Any] = {"status": "COMPLETE", "results": results}
        if errors:
            body |= {"numErrors": len(errors), "errors": errors}
            status = 200 if self.family is Family.DATED else 207
        body |= {"startedAt": iso(started), "completedAt": iso(self.portal.now_ms())}
        return answer(body, status)
