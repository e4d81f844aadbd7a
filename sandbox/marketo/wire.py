"""The vendor's envelope: HTTP 200 for nearly everything, and what is wrong inside it."""

from __future__ import annotations

import itertools
from typing import Any

import orjson
from starlette.responses import Response

JSON = "application/json;charset=UTF-8"
_numbers = itertools.count(0x14272D07D78)


class Refusal(Exception):
    """The whole request failed: HTTP 200 with `success: false`. Codes are text."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


class HttpRefusal(Exception):
    """One of the few that are told by HTTP status, in plain text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(status, text)
        self.status, self.text = status, text


def answer(result: list[Any] | None = None, **more: Any) -> Response:
    """Success. `result` None: there is none in the body at all."""
    body: dict[str, Any] = {"requestId": request_id(), "success": True, **more}
    if result is not None:
        body["result"] = result
    return Response(orjson.dumps(body), media_type=JSON)


def refused(code: str, message: str) -> Response:
    body = {"requestId": request_id(), "success": False, "errors": [{"code": code, "message": message}]}
    return Response(orjson.dumps(body), media_type=JSON)


def request_id() -> str:
    """Like `e42b#14272d07d78`; no two are the same."""
    number = next(_numbers)
    return f"{number * 2654435761 % 65536:x}#{number:x}"


def skipped(code: str, message: str, *, key: str = "reasons", **more: Any) -> dict[str, Any]:
    """A record that was left alone. `key`: endpoints differ in what they call the reasons."""
    return {**more, "status": "skipped", key: [{"code": code, "message": message}]}
