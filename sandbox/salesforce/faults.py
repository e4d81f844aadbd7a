"""What the API says when it refuses: a code from the vendor's list, its message, and the HTTP status around it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


class ApiError(Exception):
    """A refusal of the whole request. The body is a list with one object, except from the token endpoint."""

    def __init__(self, status: int, code: str, message: str, fields: Sequence[str] | None = None) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message
        self.fields = fields

    @property
    def body(self) -> list[dict[str, Any]]:
        entry: dict[str, Any] = {"message": self.message, "errorCode": self.code}
        if self.fields is not None:
            entry["fields"] = list(self.fields)
        return [entry]


@dataclass(frozen=True, slots=True)
class RowError:
    """Why one row was refused. Collections call the code `statusCode`, single-row calls `errorCode`."""

    code: str
    message: str
    fields: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {"statusCode": self.code, "message": self.message, "fields": list(self.fields)}


def not_found(message: str = "The requested resource does not exist") -> ApiError:
    return ApiError(404, "NOT_FOUND", message)


def malformed_query(message: str) -> ApiError:
    return ApiError(400, "MALFORMED_QUERY", message)


def at_position(text: str, line: int, column: int, message: str) -> str:
    """The vendor's way of pointing into a query: up to the line, a caret, the position, the message."""
    shown = text.splitlines()[line - 1] if text else ""
    return f"\n{shown}\n{' ' * (column - 1)}^\nERROR at Row:{line}:Column:{column}\n{message}"
