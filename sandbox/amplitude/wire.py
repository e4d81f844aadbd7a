"""Answers and refusals of a practice project."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response


class Refusal(Exception):
    """An error answer: JSON, or a bare text."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(status)
        self.status, self.body = status, body

    def response(self) -> Response:
        if isinstance(self.body, str):
            return Response(self.body, self.status, media_type="text/html;charset=utf-8")
        return answer(self.body, self.status)


def answer(data: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(data), status, media_type="application/json")


def bad(error: str, **more: Any) -> Refusal:
    """A 400 of the ingestion hosts."""
    return Refusal(400, {"code": 400, "error": error, **more})
