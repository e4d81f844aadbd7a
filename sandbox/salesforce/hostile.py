"""What an org does to its clients under the profile `hostile`: a bad day on the wire and in the org at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sandbox.salesforce.fields import text

if TYPE_CHECKING:
    from sandbox.salesforce.org import Org

_HTML = "<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>"
_CONCURRENT = [
    {
        "message": "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
        "errorCode": "REQUEST_LIMIT_EXCEEDED",
    }
]
_UNKNOWN = [{"message": "An unexpected error occurred. Please include this ErrorId", "errorCode": "UNKNOWN_EXCEPTION"}]
_DATA = "^/services/data/"
_LOGIN = "^/services/oauth2/token"


def _rule(path: str, probability: float, method: str = "*", **effect: Any) -> Mapping[str, Any]:
    return {"method": method, "path": path, "probability": probability, "effect": effect}


# The statuses are those the vendor's edge and app servers are known to give (developer documentation, "Status Codes and
# Error Responses"; 420 and 406: reports of API users). Together they spoil about every eighth call.
RULES: tuple[Mapping[str, Any], ...] = (
    _rule(_DATA, 0.010, status=500, json=_UNKNOWN),
    _rule(_DATA, 0.010, status=502, html=_HTML.format("Bad Gateway")),
    _rule(_DATA, 0.015, status=503, html=_HTML.format("Service Unavailable")),
    _rule(_DATA, 0.005, status=504, html=_HTML.format("Gateway Timeout")),
    _rule(_DATA, 0.005, status=420, html=_HTML.format("No route")),
    _rule(_DATA, 0.005, status=406),
    _rule(_DATA, 0.005, status=429, html=_HTML.format("Too Many Requests"), headers={"Retry-After": "1"}),
    _rule(_DATA, 0.005, status=520, html=_HTML.format("Web server is returning an unknown error")),
    _rule(_DATA, 0.005, status=403, json=_CONCURRENT),
    _rule(_DATA, 0.005, "GET", status=200, html=_HTML.format("Login | Salesforce")),
    _rule(_DATA, 0.010, reset_before=True),
    _rule(_DATA, 0.010, reset_after=True),
    _rule(_DATA + r".*/composite/", 0.030, "PATCH", reset_after=True),
    _rule(_DATA, 0.010, "GET", cut_body=0.5),
    _rule(_DATA, 0.010, "GET", drip=0.02),
    _rule(_DATA, 0.010, delay=0.5),
    _rule(_LOGIN, 0.050, status=503, html=_HTML.format("Service Unavailable")),
    _rule(_LOGIN, 0.050, reset_after=True),
)
SWITCHES: Mapping[str, Any] = {
    "page_rows": 211,
    "calls_per_session": 25,
    "moves": True,
    "wide_limit_header": True,
    "date_skew": 150.0,
    "late_counters": True,
    "empty_results": True,
    "decimal_ints": True,
    "nul_bytes": True,
    "bulk_fails_after": 3,
    "stragglers": 0.1,
    "straggle_seconds": 10.0,
}
INDEX_LAG = timedelta(seconds=2)
REMOVED = ("Lead", "Industry")
SHORTENED = ("Lead", "Lead_Score_Reasons__c", 120)
ADDED = ("Lead", "Added_While_Running__c")


def bite(org: Org, on: bool) -> None:
    """Switch the misbehaviour of the org's own API on, or off again. The schema drifts meanwhile (a field goes, one
    comes, one is shortened) and is as before afterwards; rows with a value in the lost field get a new stamp then."""
    if on == (org.undrifted is not None):
        return
    org.behaviour.calm()
    if on:
        org.behaviour.change(SWITCHES)
        org.undrifted = (org.visibility, _drift(org))
        org.visibility = max(INDEX_LAG, org.visibility)
    else:
        assert org.undrifted is not None
        org.visibility, fields = org.undrifted
        org.undrifted = None
        _undrift(org, fields)


def _drift(org: Org) -> dict[tuple[str, str], Any]:
    """Change fields; returns those that were changed or lost, as they were."""
    kept: dict[tuple[str, str], Any] = {}
    object, name = REMOVED
    field = org.schema[object].field(name)
    if field is not None:
        kept[REMOVED] = field
        org.drop_field(object, field.name)
    object, name, length = SHORTENED
    field = org.schema[object].field(name)
    if field is not None and field.length > length:
        kept[object, name] = field
        org.add_field(object, replace(field, length=length))
    if org.schema[ADDED[0]].field(ADDED[1]) is None:
        org.add_field(ADDED[0], text(ADDED[1]))
    return kept


def _undrift(org: Org, fields: Mapping[tuple[str, str], Any]) -> None:
    for (object, _), field in fields.items():
        org.add_field(object, field)
    if REMOVED not in fields:
        return
    object, name = REMOVED
    for row in [row for row in org.tables[object].current.values() if row.get(name) is not None]:
        org.revise(object, row["Id"], {}, at=org.clock.now(), by=org.admin, modified=False)
