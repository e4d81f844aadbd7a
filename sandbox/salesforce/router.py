"""One API call as the handlers see it, whether it came alone or inside a composite request."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from sandbox.salesforce.faults import ApiError, not_found

if TYPE_CHECKING:
    from sandbox.salesforce.schema import SObject
    from sandbox.salesforce.service import Service

JSON = "application/json;charset=UTF-8"
CSV = "text/csv"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer; `body` is JSON data, bytes, or None for an empty body."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media: str = JSON


@dataclass(frozen=True, slots=True)
class Call:
    """A request below `/services/data/vXX.X`. Header names are lower-case; `args` are the parts the route captured,
    `user` who makes it."""

    service: Service
    method: str
    version: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    content: bytes = b""
    args: tuple[str, ...] = ()
    user: str = ""

    @property
    def base(self) -> str:
        return f"/services/data/v{self.version}"

    @property
    def auto_assign(self) -> bool:
        """Assignment rules run unless the header says FALSE."""
        return self.headers.get("sforce-auto-assign", "true").strip().lower() != "false"

    def json(self) -> dict[str, Any]:
        """The body as a JSON object. Raises ApiError (JSON_PARSER_ERROR)."""
        try:
            body = orjson.loads(self.content)
        except orjson.JSONDecodeError as error:
            message = f"Unexpected character or end of input at [line:{error.lineno}, column:{error.colno}]"
            raise ApiError(400, "JSON_PARSER_ERROR", message) from None
        if not isinstance(body, dict):
            message = "Cannot deserialize instance of the request from START_ARRAY value [line:1, column:1]"
            raise ApiError(400, "JSON_PARSER_ERROR", message)
        return body

    def flag(self, name: str) -> bool:
        return self.params.get(name, "").lower() == "true"

    def sobject(self, name: str) -> SObject:
        """The object named in the path. Raises ApiError (404)."""
        sobject = self.service.org.sobject(name)
        if sobject is None or not self.service.org.access.object_readable(sobject):
            raise not_found()
        return sobject


Handler = Callable[[Call], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """A path pattern (matched whole, in any case) and its handlers by method."""

    pattern: re.Pattern[str]
    handlers: Mapping[str, Handler]


def route(pattern: str, **handlers: Handler) -> Route:
    """`{}` in the pattern stands for one path segment; keyword names are methods."""
    expression = pattern.replace("{}", "([^/]+)")
    return Route(
        re.compile(expression, re.IGNORECASE), {method.upper(): handler for method, handler in handlers.items()}
    )


class Router:
    """Finds the handler of a call. The first pattern that fits wins."""

    def __init__(self, routes: list[Route]) -> None:
        self._routes = routes

    def dispatch(self, call: Call) -> Reply:
        """Answer a call; refusals become replies."""
        try:
            return self._handle(call)
        except ApiError as refusal:
            return Reply(refusal.status, refusal.body)

    def _handle(self, call: Call) -> Reply:
        method = call.params.get("_HttpMethod", call.method).upper() if call.method == "POST" else call.method
        for entry in self._routes:
            found = entry.pattern.fullmatch(call.path.strip("/"))
            if found is None:
                continue
            handler = entry.handlers.get("GET" if method == "HEAD" else method)
            if handler is None:
                allowed = ",".join(entry.handlers)
                message = f"HTTP Method '{method}' not allowed. Allowed are {allowed}"
                raise ApiError(405, "METHOD_NOT_ALLOWED", message)
            return handler(
                Call(
                    call.service,
                    method,
                    call.version,
                    call.path,
                    call.params,
                    call.headers,
                    call.content,
                    found.groups(),
                    call.user,
                )
            )
        raise not_found()
