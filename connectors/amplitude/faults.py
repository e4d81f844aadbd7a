"""What Amplitude's refusals mean, as tables.

Sources: the pages of the Batch Event Upload, HTTP V2, Identify, Export, Behavioral Cohorts, User Profile and Dashboard
REST APIs on amplitude.com/docs/apis; `events_with_invalid_id_lengths` is what Amplitude's own SDKs read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from connectors.errors import AuthFailed, CrmError, Misconfigured, ProtocolViolation, Transient
from connectors.http import Answer
from connectors.records import WriteOutcome

SHORT = timedelta(seconds=15)
"""How long to leave a user or a device alone that sends too much (Batch Event Upload, code 429 explained)."""
DAY = timedelta(days=1)

STATUS: Mapping[int, type[CrmError]] = {
    400: ProtocolViolation,
    401: AuthFailed,
    403: Misconfigured,  # keys of another project or region (seen by Airbyte's source-amplitude), the plan, a firewall
    404: ProtocolViolation,
    405: ProtocolViolation,
    408: Transient,
    413: ProtocolViolation,
    414: ProtocolViolation,
    429: Transient,
}
"""Status -> which of our errors it is; those from 500 on are over soon, others are not understood."""

FIXES: Mapping[type[CrmError], str] = {
    AuthFailed: "put the project's API key and secret key in their place, and look whether `region` is the project's",
    Misconfigured: "look whether the keys are this project's and `region` too, whether the plan has this API, and "
    "whether a firewall is in between",
}


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with one event of a request."""

    outcome: WriteOutcome
    code: str
    message: str
    wait: timedelta | None = None


NAMED: Mapping[str, Flaw] = {
    "events_with_missing_fields": Flaw(
        WriteOutcome.REFUSED, "MISSING_FIELD", "Amplitude misses a field of the event; report it"
    ),
    "events_with_invalid_fields": Flaw(
        WriteOutcome.REFUSED, "INVALID_FIELD", "Amplitude does not take a value; name other properties under `fields`"
    ),
    "events_with_invalid_id_lengths": Flaw(
        WriteOutcome.REFUSED, "INVALID_ID", "Amplitude does not take the user's id; it takes no placeholders"
    ),
    "silenced_events": Flaw(
        WriteOutcome.REFUSED, "SILENCED", "Amplitude takes no more events of this user; ask its support why"
    ),
    "throttled_events": Flaw(WriteOutcome.RETRY, "THROTTLED", "the user gets too many events at once", SHORT),
}
"""Which key of a 400 or 429 names events by their place in the request, and what becomes of those."""
DAILY = Flaw(WriteOutcome.RETRY, "DAILY_QUOTA", "the user has had 500,000 events within 24 hours", DAY)


def flaws(body: Any, users: Sequence[str]) -> dict[int, Flaw]:
    """By place in the request, the events that kept it from being taken. `users`: whose each is."""
    if not isinstance(body, Mapping):
        return {}
    over = body.get("exceeded_daily_quota_users") or {}
    found = {place: DAILY for place, user in enumerate(users) if user in over}
    for key, flaw in NAMED.items():
        for place in _places(body.get(key)):
            if 0 <= place < len(users):
                found.setdefault(place, flaw)
    return found


def _places(named: Any) -> Iterable[int]:
    """A list of places, or such a list for each field."""
    lists = named.values() if isinstance(named, Mapping) else [named or ()]
    return [place for each in lists for place in each if isinstance(place, int)]


def failure(source: str, endpoint: str, answer: Answer) -> CrmError:
    """The error that an answer is which is no success. Quotes nothing of it."""
    if key_refused(answer):
        return AuthFailed(source, f"{endpoint}: Amplitude does not know the API key; {FIXES[AuthFailed]}")
    kind = STATUS.get(answer.status, Transient if answer.status >= 500 else ProtocolViolation)
    said = f"{endpoint}: Amplitude answered {answer.status}"
    if kind is Transient:
        return Transient(source, said, answer.wait or (SHORT if answer.status == 429 else None))
    return kind(source, f"{said}; {FIXES[kind]}" if kind in FIXES else said)


def key_refused(answer: Answer) -> bool:
    """Whether a 400 is about the API key: where it is in the body there is no 401."""
    body = answer.body
    if answer.status != 400 or not isinstance(body, Mapping):
        return False
    return body.get("missing_field") == "api_key" or "api key" in str(body.get("error") or "").lower()
