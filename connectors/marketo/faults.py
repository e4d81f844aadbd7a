"""What Marketo's refusals mean, as tables. Source of the codes: the page "Error codes" of the vendor's REST API; what
it does not say was observed in public integrations.

A refusal comes in one of three places: as an HTTP status, in `errors` of an answer with status 200 and
`success: false`, or with one record of a result.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from connectors.errors import AuthFailed, CrmError, Misconfigured, ProtocolViolation, QuotaExhausted, Transient
from connectors.http import Answer
from connectors.records import WriteOutcome


class Meaning(Enum):
    """Which of our errors a code is."""

    SOON = "soon"
    DAY = "day"  # until midnight, US Central
    TOKEN = "token"  # noqa: S105 - no secret: a new one may do
    SETUP = "setup"
    UNKNOWN = "unknown"  # nobody can tell what was done
    REJECTED = "rejected"


def _soon(seconds: float | None = None) -> tuple[Meaning, timedelta | None]:
    return Meaning.SOON, None if seconds is None else timedelta(seconds=seconds)


CODES: Mapping[str, tuple[Meaning, timedelta | None]] = {
    # "6xx codes always indicate that a request failed completely and were not executed."
    "500": (Meaning.UNKNOWN, None),
    "502": (Meaning.UNKNOWN, None),  # "Likely a timeout"
    "600": (Meaning.REJECTED, None),  # no token in the header: observed
    "601": (Meaning.TOKEN, None),
    "602": (Meaning.TOKEN, None),
    "603": (Meaning.SETUP, None),
    "604": _soon(),
    "605": (Meaning.REJECTED, None),
    "606": _soon(5),  # 100 calls in 20 seconds, by all integrations
    "607": (Meaning.DAY, None),
    "608": _soon(),
    "609": (Meaning.REJECTED, None),
    "610": (Meaning.REJECTED, None),
    "611": _soon(),
    "612": (Meaning.REJECTED, None),
    "613": (Meaning.REJECTED, None),
    "614": _soon(60),  # the subscription cannot be reached: being moved, as a rule
    "615": _soon(1),  # 10 calls at once, by all integrations
    "616": (Meaning.SETUP, None),
    "701": (Meaning.REJECTED, None),
    "702": (Meaning.REJECTED, None),
    "703": (Meaning.SETUP, None),
    "704": (Meaning.REJECTED, None),
    "709": (Meaning.REJECTED, None),
    "713": _soon(),
    "719": _soon(),
    "1003": (Meaning.REJECTED, None),
    "1006": (Meaning.SETUP, None),
    "1013": (Meaning.REJECTED, None),
    "1016": _soon(60),  # too many imports queued
    "1019": _soon(60),  # an import is in progress
    "1029": _soon(300),  # too many exports queued, or the day's 500 MB of them are used up
    "1035": (Meaning.SETUP, None),  # the subscription has no such filter of exports
}
"""Code of an answer with `success: false` -> meaning, and the wait where one is known. One that is not listed is
rejected."""

STATUS: Mapping[int, tuple[Meaning, timedelta | None]] = {
    401: (Meaning.TOKEN, None),
    403: (Meaning.SETUP, None),
    404: (Meaning.REJECTED, None),
    408: (Meaning.UNKNOWN, None),
    413: (Meaning.REJECTED, None),  # more than 1 MB: whoever sent it sends less
    429: _soon(20),
}
"""HTTP status -> meaning; 5xx are of no known outcome, others rejected. 414 is mended by the session."""

FIX: Mapping[str, str] = {
    "603": "the role of the API-only user lacks a permission, or the allowlist of addresses lacks this machine's",
    "616": "the subscription is not of the type that this needs",
    "703": "the feature is not enabled for the subscription",
    "1006": "provision creates the missing field (`leadgauge provision`); or name another one in the configuration",
    "1035": "the subscription does not allow this filter of exports",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one record, and what a person does about it."""

    outcome: WriteOutcome
    fix: str = "look at the lead in Marketo"
    retry_after: timedelta | None = None


LATER = timedelta(minutes=1)

RECORDS: Mapping[str, Verdict] = {
    "1001": Verdict(WriteOutcome.REFUSED, "map a field whose type fits the value"),
    "1002": Verdict(WriteOutcome.REFUSED, "a field that the instance requires is empty: fill it in Marketo"),
    "1003": Verdict(WriteOutcome.REFUSED, "map a field that takes such a value"),
    "1004": Verdict(WriteOutcome.GONE, "the lead is gone"),
    "1005": Verdict(WriteOutcome.REFUSED),
    "1007": Verdict(WriteOutcome.REFUSED, "several leads answer to one id: merge them in Marketo"),
    "1008": Verdict(WriteOutcome.REFUSED, "give the API-only user the workspace of the lead's partition"),
    "1009": Verdict(WriteOutcome.REFUSED, "give the API-only user the workspace of the lead's partition"),
    "1010": Verdict(WriteOutcome.REFUSED, "the lead lies in another partition: give the API-only user its workspace"),
    "1011": Verdict(WriteOutcome.REFUSED, "map another field: Marketo does not take this one"),
    "1021": Verdict(WriteOutcome.REFUSED, "map a field of the lead: this one is of its company"),
    "1022": Verdict(WriteOutcome.RETRY, "the lead is in use", LATER),
    "1023": Verdict(WriteOutcome.REFUSED, "the lead cannot be changed: look at it in Marketo"),
    "1076": Verdict(WriteOutcome.RETRY, "the lead is being merged", LATER),
}
"""Code of a record that was skipped -> what became of it; one that is not listed is refused, and said with its code."""

NO_FIELD = "1006"
"""Of a record it says nothing: the field is missing for all."""


class Denied(Misconfigured):
    """These credentials may not do this."""


class Rejected(ProtocolViolation):
    """The request was understood and turned down with this code. Those who know what it means there catch it."""

    def __init__(self, source: str, message: str, code: str) -> None:
        super().__init__(source, message)
        self.args = (source, message, code)
        self.code = code


class Untold(Transient):
    """There is no answer that says whether the request was carried out."""


class TokenRefused(AuthFailed):
    """The token is not valid (any more)."""


def flaw(answer: Answer) -> str | None:
    """The code of what is wrong with an answer as a whole: the HTTP status, or the first of `errors`; None for a good
    one."""
    if not 200 <= answer.status < 300:
        return str(answer.status)
    body = answer.body
    if not isinstance(body, Mapping) or body.get("success") is not False:
        return None
    return reason(body)[0]


def reason(row: Mapping[str, Any]) -> tuple[str, str]:
    """(code, message) of the first complaint. Leads call the list `reasons`, custom activities `errors`, the vendor's
    own specification `reason`."""
    for name in ("reasons", "errors", "reason"):
        listed = row.get(name)
        first = listed[0] if isinstance(listed, Sequence) and not isinstance(listed, str) and listed else listed
        if isinstance(first, Mapping) and first.get("code"):
            return str(first["code"]), str(first.get("message") or "")
    return "UNKNOWN", ""


def failure(source: str, endpoint: str, answer: Answer, midnight: datetime) -> CrmError:
    """The error that an answer is for which `flaw` is not None. `midnight`: when the day of calls ends. Quotes no
    message of Marketo's: it may hold values."""
    code = flaw(answer) or "UNKNOWN"
    by_status = not 200 <= answer.status < 300
    unknown = (Meaning.UNKNOWN, None) if by_status and answer.status >= 500 else (Meaning.REJECTED, None)
    meaning, wait = STATUS.get(answer.status, unknown) if by_status else CODES.get(code, unknown)
    said = f"Marketo answered {code} to {endpoint}{_request(answer)}"
    match meaning:
        case Meaning.SOON:
            return Transient(source, said, answer.wait if answer.wait is not None else wait)
        case Meaning.UNKNOWN:
            return Untold(source, said, answer.wait)
        case Meaning.DAY:
            return QuotaExhausted(source, "the subscription's calls of the day are used up, by all its apps", midnight)
        case Meaning.TOKEN:
            return TokenRefused(source, f"{said}: it does not accept the token")
        case Meaning.SETUP:
            return Denied(source, f"{said}: {FIX.get(code, FIX['603'])}{_named(code, answer)}")
        case Meaning.REJECTED:
            return Rejected(source, said, code)


def verdict(code: str) -> Verdict:
    return RECORDS.get(code, Verdict(WriteOutcome.REFUSED))


def quota_of(answer: Answer) -> int | None:
    """The day's calls that the message of a 607 names: "Daily quota '50000' reached"; None where it names none."""
    body = answer.body if isinstance(answer.body, Mapping) else {}
    found = re.search(r"\d{4,}", reason(body)[1])
    return int(found[0]) if found else None


_FIELD = re.compile(r"[Ff]ield\s+\W([A-Za-z]\w{0,99})\W")


def field_of(message: str) -> str:
    """The field that a message names, if any: names of fields are the operator's own, and no person's data."""
    found = _FIELD.search(message)
    return found[1] if found else ""


def _named(code: str, answer: Answer) -> str:
    name = field_of(reason(answer.body)[1]) if code == NO_FIELD and isinstance(answer.body, Mapping) else ""
    return f" (field {name})" if name else ""


def _request(answer: Answer) -> str:
    """Their support asks for it."""
    body = answer.body
    told = body.get("requestId") if isinstance(body, Mapping) else None
    return f" [request {told}]" if isinstance(told, str) and re.fullmatch(r"[\w#-]{1,60}", told) else ""
