"""What can go wrong with a whole call, grouped by who acts and when.

A record that a CRM refuses is not an error here: it is a `WriteResult`. Every class takes positional arguments only,
so that an error survives the pipe between a Celery child and its parent (pickle calls `cls(*args)`).
"""

from __future__ import annotations

from datetime import datetime, timedelta


class CrmError(Exception):
    """A call to a CRM failed as a whole."""

    def __init__(self, source: str, message: str) -> None:
        super().__init__(source, message)
        self.source = source
        self.message = message

    def __str__(self) -> str:
        return f"{self.source}: {self.message}"


class Transient(CrmError):
    """Nobody acts: the same call will succeed soon. `retry_after` is what the CRM asked for, if it did."""

    def __init__(self, source: str, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(source, message)
        self.args = (source, message, retry_after)
        self.retry_after = retry_after


class QuotaExhausted(CrmError):
    """Nobody acts, and not soon: calls are over until `resume_at` (aware UTC)."""

    def __init__(self, source: str, message: str, resume_at: datetime) -> None:
        super().__init__(source, message)
        self.args = (source, message, resume_at)
        self.resume_at = resume_at


class AuthFailed(CrmError):
    """The operator acts: the CRM does not accept these credentials, or took them back."""


class Misconfigured(CrmError):
    """The operator or the CRM's admin acts: a field, an object, a scope or a permission is missing."""


class ProtocolViolation(CrmError):
    """A developer acts: the CRM answered in a way that this connector does not understand."""
