"""What a portal does to its clients under the profile `hostile`, and the vendor's own words for each failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sandbox.hubspot.portal import Portal
from sandbox.hubspot.schema import Option
from sandbox.hubspot.temper import VENDORS_LIMITS, IndexLag, Temper
from sandbox.hubspot.unrest import batch_job
from sandbox.hubspot.wire import cloudflare

_API = "^/(crm|marketing|form-integrations|email|account-info)/"
_WRITES = "/(batch/(update|create|upsert)|merge|gdpr-delete)$"


def _problem(message: str, category: str, **more: Any) -> dict[str, Any]:
    correlation = "3f0c2d1e-0000-4000-8000-000000000000"
    return {"status": "error", "message": message, "correlationId": correlation, "category": category, **more}


def _edge(status: int, reason: str) -> dict[str, Any]:
    return {"status": status, "html": cloudflare(status, reason)}


def _limited(limit: str, **body: str) -> dict[str, Any]:
    message = f"You have reached your {limit} limit."
    return {"status": 429, "json": {"status": "error", "message": message, "correlationId": "", **body}}


EFFECTS: Mapping[str, Mapping[str, Any]] = {
    "unauthorized": {
        "status": 401,
        "json": _problem("The OAuth token used to make this call expired 3 second(s) ago.", "EXPIRED_AUTHENTICATION"),
    },
    "forbidden": {
        "status": 403,
        "json": _problem(
            "This app hasn't been granted all required scopes to make this call.",
            "MISSING_SCOPES",
            errors=[
                {
                    "message": "One or more of the following scopes are required.",
                    "context": {"requiredGranularScopes": ["crm.objects.contacts.write"]},
                }
            ],
        ),
    },
    "locked": {"status": 423, "json": _problem("Resource is locked, wait 2 seconds before retrying.", "LOCKED")},
    # A portal that is being moved between data centres; up to a day (vendor's error handling guide).
    "migrating": {
        "status": 477,
        "headers": {"Retry-After": "3"},
        "json": _problem("This account is currently being migrated between data hosting locations.", "MIGRATION"),
    },
    "internal": {"status": 500, "json": _problem("internal error", "INTERNAL_ERROR")},
    "bad_gateway": _edge(502, "Bad gateway"),
    "unavailable": _edge(503, "Service unavailable"),
    "gateway_timeout": _edge(504, "Gateway time-out"),
    "server_down": _edge(521, "Web server is down"),
    "unreachable": _edge(523, "Origin is unreachable"),
    # Cloudflare gives up after 100 s.
    "timeout": {"delay": 100, **_edge(524, "A timeout occurred")},
    "malformed_token": _edge(530, "Origin DNS error"),
    # Other apps of the portal use up what all share; the vendor's words for each limit, one of them without its name.
    "ten_seconds_used_up": _limited("ten_secondly_rolling", errorType="RATE_LIMIT", policyName="TEN_SECONDLY_ROLLING"),
    "searches_used_up": _limited("secondly", errorType="RATE_LIMIT", policyName="SECONDLY"),
    "searches_used_up_unnamed": _limited("secondly", category="RATE_LIMITS"),
    "day_used_up": _limited("daily", errorType="RATE_LIMIT", policyName="DAILY"),
    "slow": {"delay": 1.5},
    "reset": {"reset_before": True},
    # The write happened, its answer never arrived.
    "answer_lost": {"reset_after": True},
    "truncated": {"cut_body": 0.6},
}
"""Name -> effect of a fault rule: what clients of the vendor have seen, to be put into a rule by a test."""


def _rule(name: str, probability: float, path: str = _API, **changes: Any) -> dict[str, Any]:
    return {"path": path, "probability": probability, "effect": {**EFFECTS[name], **changes}}


RULES: tuple[Mapping[str, Any], ...] = (
    _rule("answer_lost", 0.02, _WRITES),
    _rule("locked", 0.01, _WRITES),
    _rule("migrating", 0.002),
    _rule("internal", 0.01),
    _rule("bad_gateway", 0.01),
    _rule("unavailable", 0.01),
    _rule("gateway_timeout", 0.005),
    _rule("server_down", 0.003),
    _rule("unreachable", 0.003),
    _rule("timeout", 0.003, delay=4),  # Shorter than the real one, so that a run of minutes meets it often.
    _rule("ten_seconds_used_up", 0.005),
    _rule("searches_used_up", 0.01, "/search$"),
    _rule("searches_used_up_unnamed", 0.01, "/search$"),
    _rule("slow", 0.02),
    _rule("reset", 0.01),
    _rule("truncated", 0.01),
)
"""About one call in ten fails. Refused credentials and a used-up day are not among them: clients rightly stop there."""

HOSTILE = Temper(lag=IndexLag(), limits=VENDORS_LIMITS, omit_empty=0.5, given_up=0.01, noise=60.0, moves=2.0)

_DRIFTED = "salesforceleadid"
_NEW_OPTION = Option("Recycled", "RECYCLED", 99)


def bite(portal: Portal, on: bool) -> None:
    """Switch the misbehaviour of the portal's own API on, or off again.

    On: search lags and is out of order, the vendor's limits are enforced, the portal writes by itself, all contacts
    get one and the same stamp, a property is archived and another gets an option. Off: search has caught up, and the
    property is back; what was written stays.
    """
    portal.set_temper(HOSTILE if on else Temper())
    schema, now = portal.schemas["contacts"], portal.now_ms()
    status = schema.get("hs_lead_status")
    if on:
        batch_job(portal, "contacts")
        if schema.get(_DRIFTED):
            schema.archive(_DRIFTED, now)
        if status is not None and _NEW_OPTION not in status.options:
            schema.put(replace(status, options=(*status.options, _NEW_OPTION), updated_at=now))
        return
    portal.settle()
    gone = next((one for one in schema.archived() if one.name == _DRIFTED), None)
    if gone is not None:
        schema.put(replace(gone, archived_at=None, updated_at=now))
