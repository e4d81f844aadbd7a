"""What HubSpot's refusals mean, as tables.

Sources: the error handling and usage guides on developers.hubspot.com; bodies that users and staff posted in the
HubSpot developer Slack (github.com/hubspotdev/devslackarchive); the retry policy of HubSpot's own Node SDK; the
classification in Airbyte's source-hubspot and RudderStack's hs destination.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from connectors.errors import AuthFailed, CrmError, Misconfigured, ProtocolViolation, QuotaExhausted, Transient
from connectors.hubspot.wire import Answer
from connectors.records import WriteOutcome
from connectors.transport import retry_after


class Meaning(Enum):
    """Which of our errors a status is."""

    SOON = Transient
    AUTH = AuthFailed
    SETUP = Misconfigured
    REJECTED = ProtocolViolation


def _soon(seconds: float | None = None) -> tuple[Meaning, timedelta | None]:
    return Meaning.SOON, None if seconds is None else timedelta(seconds=seconds)


STATUS: Mapping[int, tuple[Meaning, timedelta | None]] = {
    400: (Meaning.REJECTED, None),
    401: (Meaning.AUTH, None),  # after one renewal, where there is something to renew
    403: (Meaning.SETUP, None),
    404: (Meaning.REJECTED, None),
    405: (Meaning.REJECTED, None),
    408: _soon(),
    409: (Meaning.REJECTED, None),
    414: (Meaning.REJECTED, None),
    415: (Meaning.REJECTED, None),
    423: _soon(2),  # "Locked": a lock of two seconds on a hot record
    477: _soon(60),  # the account is being moved to another region; Retry-After says how long, up to 24 hours
    500: _soon(),
    502: _soon(),
    503: _soon(),
    504: _soon(),
    520: _soon(),
    521: _soon(),  # 52x are Cloudflare's: the origin was not reached, or did not answer in 100 s and may have written
    522: _soon(),
    523: _soon(),
    524: _soon(),
    525: _soon(300),  # TLS between Cloudflare and HubSpot: no use in knocking at once
    526: _soon(300),
    530: (Meaning.AUTH, None),  # a malformed token never gets past Cloudflare (Airbyte source-hubspot, BEHAVIOR.md)
}
"""Status -> meaning, and the wait where HubSpot names none. 429 has a table of its own."""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One kind of 429: found by policy, or in the message. `wait` None: until the account's midnight."""

    policy: str
    message: str
    wait: timedelta | None


RATE_LIMITS: tuple[RateLimit, ...] = (
    RateLimit("DAILY", "daily limit", None),
    RateLimit("TEN_SECONDLY_ROLLING", "ten_secondly_rolling limit", timedelta(seconds=10)),
    RateLimit("SECONDLY", "secondly limit", timedelta(seconds=1)),  # also without a policy, with category RATE_LIMITS
)
"""In order: the second message ends like the third. `Retry-After` is not always sent with them, and wins when it is."""

OTHER_LIMIT = timedelta(seconds=10)

ROW_ERRORS: Mapping[str, WriteOutcome] = {
    "OBJECT_NOT_FOUND": WriteOutcome.GONE,
    "VALIDATION_ERROR": WriteOutcome.REFUSED,
    "CONFLICT": WriteOutcome.RETRY,
    "OBJECT_ALREADY_EXISTS": WriteOutcome.REFUSED,
    "RATE_LIMITS": WriteOutcome.RETRY,
    "INTERNAL_ERROR": WriteOutcome.RETRY,
}
"""`category` of one row in the `errors` of a batch -> outcome; one not listed is tried again."""

VALIDATION: Mapping[str, str] = {
    "PROPERTY_DOESNT_EXIST": "create it, or name another under `fields` (was it archived?)",
    "READ_ONLY_VALUE": "map another property: HubSpot computes this one",
    "INVALID_OPTION": "add the option to the property, or map another property",
    "INVALID_DATE": "map a property of type datetime",
    "INVALID_LONG": "map a property of type number",
    "INVALID_INTEGER": "map a property of type number",
    "INVALID_EMAIL": "correct the record's e-mail address in HubSpot",
}
"""`code` of a validation error -> what a person does about it."""

SCOPE_FIX = "grant it to the key or app, and reinstall the app if it is one"


class Denied(Misconfigured):
    """These credentials may not do this."""


class Rejected(ProtocolViolation):
    """The request was understood and turned down; `body` is HubSpot's envelope. Those who can read it catch it."""

    def __init__(self, source: str, message: str, status: int, body: Mapping[str, Any]) -> None:
        super().__init__(source, message)
        self.args = (source, message, status, body)
        self.status = status
        self.body = body


def failure(source: str, answer: Answer, now: datetime, midnight: datetime) -> CrmError:
    """The error that an answer of 3xx to 5xx is. `midnight` is when the account's day ends."""
    body = answer.body if isinstance(answer.body, Mapping) else {}
    asked = retry_after(answer.headers, now)
    if answer.status == 429:
        return _limited(source, body, asked, midnight)
    meaning, wait = STATUS.get(answer.status, _soon() if answer.status >= 500 else (Meaning.REJECTED, None))
    said = f"HubSpot answered {answer.status}{_category(body)}{_correlation(answer, body)}"
    match meaning:
        case Meaning.SOON:
            return Transient(source, said, asked if asked is not None else wait)
        case Meaning.AUTH:
            return AuthFailed(source, f"{said}: it does not accept the token; put a valid one in its place")
        case Meaning.SETUP:
            scopes = ", ".join(missing_scopes(body))
            if scopes:
                return Denied(source, f"{said}: the scope {scopes} is missing; {SCOPE_FIX}")
            return Denied(source, f"{said}: these credentials may not do this; check the scopes of the key or app")
        case Meaning.REJECTED:
            codes = ", ".join(sorted({code for code, _ in validation_errors(body)}))
            return Rejected(source, said + (f" ({codes})" if codes else ""), answer.status, body)


def _limited(source: str, body: Mapping[str, Any], asked: timedelta | None, midnight: datetime) -> CrmError:
    policy, message = str(body.get("policyName") or ""), str(body.get("message") or "")
    kind = next((limit for limit in RATE_LIMITS if limit.policy == policy), None) or next(
        (limit for limit in RATE_LIMITS if limit.message in message.lower()), None
    )
    if kind is not None and kind.wait is None:
        return QuotaExhausted(source, "the account's calls of the day are used up (all its apps together)", midnight)
    wait = kind.wait if kind is not None and kind.wait is not None else OTHER_LIMIT
    return Transient(
        source, f"HubSpot's rate limit ({policy or 'no policy named'})", asked if asked is not None else wait
    )


def missing_scopes(body: Mapping[str, Any]) -> list[str]:
    """The scopes that a 403 with category MISSING_SCOPES asks for."""
    return sorted(
        {
            scope
            for error in body.get("errors") or ()
            for scope in (error.get("context") or {}).get("requiredGranularScopes") or ()
        }
    )


_INSTEAD_OF_ERRORS = re.compile(r'"error":"(\w+)".*?"name":"(\w+)"')


def validation_errors(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(code, property) of what a 400 complains of; property is empty where none is named.

    Newer paths list them in `errors`; older ones hide a JSON array in the text of `message` [HubSpot developer Slack].
    """
    listed = [error for error in body.get("errors") or () if error.get("code")]
    for error in listed:
        names = (error.get("context") or {}).get("propertyName") or [""]
        yield from ((str(error["code"]), str(name)) for name in names)
    if not listed:
        yield from _INSTEAD_OF_ERRORS.findall(str(body.get("message") or ""))


def _category(body: Mapping[str, Any]) -> str:
    return f" {category}" if (category := body.get("category")) else ""


def _correlation(answer: Answer, body: Mapping[str, Any]) -> str:
    """Their support asks for it."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    correlation = headers.get("x-hubspot-correlation-id") or body.get("correlationId")
    return f" [correlation id {correlation}]" if correlation else ""
