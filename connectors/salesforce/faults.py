"""What Salesforce's error codes mean to us: one table for whole calls, one for rows of a batch, one for logins.

Codes are from the "Status Codes and Error Responses" and "API Fault" pages of the REST and SOAP developer guides; where
a line rests on something else, it says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connectors.errors import AuthFailed, CrmError, Misconfigured, ProtocolViolation, QuotaExhausted, Transient
from connectors.records import WriteOutcome

BUSY = frozenset({406, 408, 420, 425, 429, 500, 502, 503, 504})
"""Statuses that pass. 420: the edge has no route yet; 406 with an empty body is transient in practice (both: Airbyte's
and singer's connectors retry them)."""

PROBE_AGAIN = timedelta(minutes=15)
"""The daily allowance is a rolling window: it comes back bit by bit, at no announced time."""
CONCURRENT_WAIT = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Fault:
    """One error as Salesforce worded it. Rows say `statusCode`, whole calls `errorCode`, logins `error`."""

    code: str
    message: str
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.message else self.code


def faults_of(body: str) -> tuple[Fault, ...]:
    """The errors in a body of any kind: a list, an object, a page of HTML or nothing. Never raises."""
    try:
        parsed: Any = json.loads(body)
    except ValueError:
        return ()
    return tuple(
        fault_of(item) for item in (parsed if isinstance(parsed, list) else [parsed]) if isinstance(item, dict)
    )


def fault_of(item: Mapping[str, Any]) -> Fault:
    """One error object. Messages of admins and vendors may quote a record, so addresses are blotted out."""
    code = item.get("errorCode") or item.get("statusCode") or item.get("error") or "UNKNOWN_EXCEPTION"
    text = str(item.get("message") or item.get("error_description") or "")
    fields = item.get("fields") or ()
    return Fault(str(code), blot(text), tuple(map(str, fields)) if isinstance(fields, Sequence) else ())


def blot(text: str) -> str:
    """`text` on one line, at most 300 characters, without e-mail addresses."""
    return re.sub(r"[^\s@<>'\"]+@[^\s@<>'\"]+", "<address>", " ".join(text.split()))[:300]


# --- whole calls ------------------------------------------------------------------------------------------------------

Build = Callable[[str, str], CrmError]


def _misconfigured(fix: str) -> Build:
    return lambda source, what: Misconfigured(source, f"{what}; {fix}")


def _busy(wait: timedelta | None = None) -> Build:
    return lambda source, what: Transient(source, what, wait)


CALL_FAULTS: Mapping[str, Build] = {
    # A column that field-level security hides looks exactly like one that does not exist.
    "INVALID_FIELD": _misconfigured(
        "create the field or grant the integration user access to it, or change the mapping"
    ),
    "INVALID_FIELD_FOR_INSERT_UPDATE": _misconfigured("grant the integration user edit access to the field"),
    "INVALID_TYPE": _misconfigured("grant the integration user read access to the object, or leave its stream out"),
    "NOT_FOUND": _misconfigured("grant the integration user read access to the object, or leave its stream out"),
    "INSUFFICIENT_ACCESS": _misconfigured("grant the permission to the integration user"),
    "INSUFFICIENT_ACCESS_OR_READONLY": _misconfigured("grant the permission to the integration user"),
    "FUNCTIONALITY_NOT_ENABLED": _misconfigured("enable the feature in the org, or leave its stream out"),
    "API_CURRENTLY_DISABLED": _misconfigured("enable the API for the integration user's profile"),
    "API_DISABLED_FOR_ORG": _misconfigured("the org's edition must include API access"),
    "UNSUPPORTED_API_VERSION": _misconfigured("set api_version to one that the org supports"),
    # Task and Event without View All Data: "exceeded 100000 distinct who/what's" (SOQL limits page).
    "OPERATION_TOO_LARGE": _misconfigured("give the integration user the View All Data permission"),
    "TXN_SECURITY_METERING_ERROR": _misconfigured("exempt the integration user from the transaction security policy"),
    "QUERY_TIMEOUT": _busy(),
    "SERVER_UNAVAILABLE": _busy(),
    "UNABLE_TO_LOCK_ROW": _busy(),
    "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE": _busy(timedelta(minutes=15)),
}


def call_error(
    source: str, status: int, faults: Sequence[Fault], *, endpoint: str, now: datetime, wait: timedelta | None
) -> CrmError:
    """The error to raise for an answer of 300 and above (401 excepted: that is the session's business)."""
    fault = faults[0] if faults else Fault("", "")
    what = f"{endpoint} answered {status}" + (f" {fault}" if fault.code else "")
    if fault.code == "REQUEST_LIMIT_EXCEEDED":
        # One code, two meanings: 25 long requests at once, or the day's allowance. Only the message tells.
        if "concurrent" in fault.message.lower():
            return Transient(source, what, wait or CONCURRENT_WAIT)
        return QuotaExhausted(source, what, now + max(PROBE_AGAIN, wait or PROBE_AGAIN))
    if fault.code in CALL_FAULTS:
        return CALL_FAULTS[fault.code](source, what)
    if status in BUSY or status > 504:  # 520 and its like: a proxy in front of the server has lost it
        return Transient(source, what, wait)
    if status == 410:
        return CALL_FAULTS["UNSUPPORTED_API_VERSION"](source, what)
    if status == 403:
        return Misconfigured(source, f"{what}; grant the integration user what the message names")
    return ProtocolViolation(source, what)


# --- logins -----------------------------------------------------------------------------------------------------------

LOGIN_FIXES: Mapping[str, str] = {
    "invalid_client_id": "consumer_key is not the key of an app of this org",
    "invalid_client": "consumer_key and consumer_secret do not belong together",
    "inactive_user": "the integration user is deactivated",
    "inactive_org": "the org is closed or suspended",
    "unsupported_grant_type": "enable this OAuth flow in the app",
    "invalid_grant": "check that the app allows this flow, that the user is pre-authorised (profile or permission set),"
    " that key, user name and audience are right, and that login_url is the org's My Domain for client credentials",
    "unauthorized_client": "the app does not allow this flow",
    "redirect_uri_mismatch": "the app's settings and this flow do not match",
}
LOGIN_BUSY = re.compile(r"rate|too many|try again|unavailable", re.IGNORECASE)


def login_error(source: str, status: int, faults: Sequence[Fault], wait: timedelta | None) -> CrmError:
    """The error to raise for a token endpoint's refusal, or for its silence."""
    fault = faults[0] if faults else Fault("", "")
    if status in BUSY or LOGIN_BUSY.search(f"{fault.code} {fault.message}"):
        # The login rate is limited per user; a user that exceeds it is locked out for an hour.
        return Transient(source, f"login answered {status} {fault}".rstrip(), wait or timedelta(seconds=60))
    fix = LOGIN_FIXES.get(fault.code, "check login_url and the credentials")
    return AuthFailed(source, f"login was refused with {status} {fault}; {fix}")


# --- rows of a batch --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a row. `lookup`: it may live on under another id, so ask before calling it gone."""

    outcome: WriteOutcome
    fix: str = ""
    retry_after: timedelta | None = None
    lookup: bool = False


_RETRY_SOON = Verdict(WriteOutcome.RETRY, retry_after=timedelta(seconds=30))
_GONE = Verdict(WriteOutcome.GONE, lookup=True)


def _refused(fix: str) -> Verdict:
    return Verdict(WriteOutcome.REFUSED, fix)


ROW_VERDICTS: Mapping[str, Verdict] = {
    # Another transaction holds the row or its parent: "retry is your best bet", github.com/jsforce/jsforce/issues/1018.
    "UNABLE_TO_LOCK_ROW": _RETRY_SOON,
    "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE": Verdict(
        WriteOutcome.RETRY, retry_after=timedelta(minutes=15)
    ),
    "REQUEST_LIMIT_EXCEEDED": Verdict(WriteOutcome.RETRY, retry_after=PROBE_AGAIN),
    "SERVER_UNAVAILABLE": _RETRY_SOON,
    "UNKNOWN_EXCEPTION": Verdict(WriteOutcome.RETRY, retry_after=timedelta(minutes=5)),
    "ALL_OR_NONE_OPERATION_ROLLED_BACK": _RETRY_SOON,
    "PROCESSING_HALTED": _RETRY_SOON,
    # Our own word for the rows that an ingest job lists as unprocessed when it ends.
    "UNPROCESSED": _RETRY_SOON,
    "CANNOT_UPDATE_CONVERTED_LEAD": Verdict(WriteOutcome.MOVED, lookup=True),
    "ENTITY_IS_DELETED": _GONE,
    "INVALID_CROSS_REFERENCE_KEY": _GONE,
    "NOT_FOUND": _GONE,
    # An approval process holds the record.
    "ENTITY_IS_LOCKED": Verdict(WriteOutcome.RETRY, retry_after=timedelta(hours=4)),
    "INVALID_OPERATION": Verdict(WriteOutcome.RETRY, retry_after=timedelta(hours=4)),
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": _refused("a validation rule refuses the record; exempt the integration user"),
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": _refused("a trigger or flow failed on the record; see its own message"),
    "CANNOT_EXECUTE_FLOW_TRIGGER": _refused("a flow failed on the record; see its own message"),
    "INVALID_FIELD": _refused("the field is missing or hidden; create it or grant access"),
    "INVALID_FIELD_FOR_INSERT_UPDATE": _refused("the field is read-only for the integration user; grant edit access"),
    "INSUFFICIENT_ACCESS_OR_READONLY": _refused(
        "sharing hides the record from edits; grant Modify All or a sharing rule"
    ),
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": _refused("the user may not use a record that this one refers to"),
    "STRING_TOO_LONG": _refused("the field is shorter than its description said; it will be read again"),
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": _refused("add the value to the picklist (and to the record type)"),
    "NUMBER_OUTSIDE_VALID_RANGE": _refused("widen the number field"),
    "REQUIRED_FIELD_MISSING": _refused("a required field of the record is empty; fill it in or relax the rule"),
    "DUPLICATES_DETECTED": _refused("a blocking duplicate rule refuses the record; merge it or exempt the user"),
    "DUPLICATE_VALUE": _refused("another record holds the same value of a unique field"),
    "INACTIVE_OWNER_OR_USER": _refused("the record's owner is deactivated; give it another"),
    "INVALID_TYPE_ON_FIELD_IN_RECORD": _refused("the mapped field has another type; map one of the right type"),
    "MALFORMED_ID": _refused("the id is none of this object; report it as a defect"),
}


OVERRUN = (
    # What a transaction may use up, counted over all of its rows (Apex developer guide, "Execution Governors and
    # Limits"; the words are those of System.LimitException, each but the first two with the number behind it).
    "Apex CPU time limit exceeded",
    "Apex heap size too large",
    "Too many SOQL queries",
    "Too many query rows",
    "Too many SOSL queries",
    "Too many DML statements",
    "Too many DML rows",
    "Too many callouts",
    "Too many future calls",
    "Too many queueable jobs added to the queue",
    "Too many Email Invocations",
    # Some rows failed, and the triggers failed others each time that the rest was tried again (the same guide, "Bulk
    # DML Exception Handling").
    "Too many batch retries in the presence of Apex triggers and partial failures",
)
"""Words in the message of a row that may be saved with fewer others, under whatever code."""


def overrun(fault: Fault) -> bool:
    """Whether a row failed for what was saved with it."""
    said = fault.message.lower()
    return any(words.lower() in said for words in OVERRUN)


def verdict(fault: Fault) -> Verdict:
    """What becomes of a row that failed so, if it was alone. A lock inside a trigger's or flow's message is a lock all
    the same."""
    if "UNABLE_TO_LOCK_ROW" in fault.message:
        return _RETRY_SOON
    if overrun(fault):
        return _refused("a trigger or flow uses up a limit of Apex for this record alone; have it mended")
    if fault.code.startswith("TXN_SECURITY"):
        return _refused("exempt the integration user from the transaction security policy")
    return ROW_VERDICTS.get(fault.code, _refused("Salesforce refuses the record"))
