"""What Mixpanel's refusals mean, as tables.

Sources: the Ingestion, Query and Raw Event Export APIs (docs.mixpanel.com/reference), "Rate Limits"; what Airbyte's
source-mixpanel was answered.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import Enum
from typing import Any

from connectors.errors import AuthFailed, CrmError, Misconfigured, ProtocolViolation, Transient
from connectors.http import Answer

A_MINUTE = timedelta(minutes=1)
"""The longest wait that Mixpanel recommends after a 429, which names none."""


class Meaning(Enum):
    """Which of our errors a status is."""

    SOON = Transient
    AUTH = AuthFailed
    SETUP = Misconfigured
    REJECTED = ProtocolViolation


STATUS: Mapping[int, tuple[Meaning, str]] = {
    400: (Meaning.REJECTED, "it does not take this request"),
    401: (Meaning.AUTH, "it does not accept the service account: check user, secret and region"),
    402: (Meaning.SETUP, "the project's plan has no API of this kind"),  # seen by Airbyte
    403: (Meaning.SETUP, "the service account may not do this in the project: check project_id and its role"),
    404: (Meaning.SETUP, "there is no such address: check region and hosts"),
    408: (Meaning.SOON, "it took too long"),
    413: (Meaning.REJECTED, "the request is too large"),
    500: (Meaning.SOON, "it failed"),
    502: (Meaning.SOON, "it failed"),  # to be met like a 429 ("Import Events")
    503: (Meaning.SOON, "it failed"),  # the same
    504: (Meaning.SOON, "it took too long"),
}
"""Status -> meaning and what to do. 429 is `Full`."""


class Full(Transient):
    """A limit of the project is reached; nothing was done."""


class Rejected(ProtocolViolation):
    """The request was understood and turned down. Those who can make another one catch it."""

    def __init__(self, source: str, message: str, status: int) -> None:
        super().__init__(source, message)
        self.args = (source, message, status)
        self.status = status


def failure(source: str, endpoint: str, answer: Answer) -> CrmError:
    """The error that an answer of 3xx to 5xx is. Its words are not quoted: they may repeat what was asked for."""
    if answer.status == 429:
        return Full(source, f"{endpoint}: Mixpanel's rate limit, which all of the project's users share", answer.wait)
    otherwise = (Meaning.SOON, "it failed") if answer.status >= 500 else (Meaning.REJECTED, "not a known answer")
    meaning, what = STATUS.get(answer.status, otherwise)
    said = f"{endpoint}: Mixpanel answered {answer.status}: {what}"
    match meaning:
        case Meaning.SOON:
            return Transient(source, said, answer.wait)
        case Meaning.AUTH:
            return AuthFailed(source, said)
        case Meaning.SETUP:
            return Misconfigured(source, said)
        case Meaning.REJECTED:
            return Rejected(source, said, answer.status)


GOOD: tuple[Any, ...] = (1, 200, "OK", "ok")
"""`status` and `code` where all is well."""


def refused(source: str, body: Any, sent: int) -> Mapping[int, str] | None:
    """The places of the records that an answer of /engage refuses, each with the part that is wrong; None: it refuses
    something and does not say what. Such an answer has the status 200, and no documented shape.

    Raises `ProtocolViolation` for what cannot be read: nobody can say then what was written.
    """
    if body == 0 and not isinstance(body, bool):  # without `verbose`, as a proxy may leave it: none was valid
        return None
    if not isinstance(body, Mapping):  # 1 says that one was valid
        raise ProtocolViolation(source, "/engage did not say what became of each record")
    named = body.get("failed_records")
    if named is not None and not isinstance(named, list):
        raise ProtocolViolation(source, "/engage: failed_records is no list")
    if named:
        places = {_place(source, each, sent): _part(each) for each in named}
        if len(places) < len(named):
            raise ProtocolViolation(source, "/engage refuses a record twice")
        return places
    told = [body[name] for name in ("status", "code") if name in body]
    if told and all(value in GOOD for value in told) and not body.get("error"):
        return {}
    if 0 in told or 400 in told or body.get("error"):
        return None
    raise ProtocolViolation(source, "/engage answered neither yes nor no")


def _place(source: str, record: Any, sent: int) -> int:
    index = record.get("index") if isinstance(record, Mapping) else None
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < sent:
        raise ProtocolViolation(source, "/engage refuses a record that was not sent")
    return index


def _part(record: Mapping[str, Any]) -> str:
    """Which part is wrong, by its name; the message may quote its value."""
    return str(record.get("field") or "not named")[:80]
