"""What an instance does to its clients under the profile `hostile`, and the vendor's own words for each failure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sandbox.marketo.instance import Instance
from sandbox.marketo.temper import VENDORS_LIMITS, Temper

_API = "^/(rest|bulk)/"
_WRITES = r"/(leads|trigger|external|merge|delete|enqueue)\.json$"


def _inside(code: str, message: str) -> dict[str, Any]:
    """HTTP 200, and the failure in the body."""
    body = {"requestId": "e42b#14272d07d78", "success": False, "errors": [{"code": code, "message": message}]}
    return {"status": 200, "json": body}


def _page(status: int, title: str) -> dict[str, Any]:
    return {"status": status, "html": f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"}


EFFECTS: Mapping[str, Mapping[str, Any]] = {
    "gateway": _inside("502", "Bad Gateway"),
    "token_invalid": _inside("601", "Access token invalid"),
    "token_expired": _inside("602", "Access token expired"),
    "denied": _inside("603", "Access denied"),
    "timed_out": _inside("604", "Request timed out"),
    "rate": _inside("606", "Max rate limit '100' exceeded with in '20' secs"),
    "quota": _inside("607", "Daily quota reached"),
    "unavailable": _inside("608", "API Temporarily Unavailable"),
    "system_error": _inside("611", "System error"),
    "unreachable": _inside("614", "Invalid Subscription"),
    "concurrent": _inside("615", "Concurrent access limit reached"),
    "transient": _inside("713", "Transient Error"),
    "bad_gateway": _page(502, "502 Bad Gateway"),
    "service_unavailable": _page(503, "503 Service Temporarily Unavailable"),
    "gateway_timeout": _page(504, "504 Gateway Time-out"),
    "slow": {"delay": 1.5},
    "reset": {"reset_before": True},
    # The write happened, its answer never arrived.
    "answer_lost": {"reset_after": True},
    "truncated": {"cut_body": 0.6},
}
"""Name -> effect of a fault rule: what clients of the vendor have seen, to be put into a rule by a test."""


def _rule(name: str, probability: float, path: str = _API, **more: Any) -> dict[str, Any]:
    return {"path": path, "probability": probability, "effect": EFFECTS[name], **more}


RULES: tuple[Mapping[str, Any], ...] = (
    _rule("answer_lost", 0.02, _WRITES, method="POST"),
    _rule("timed_out", 0.01),
    _rule("rate", 0.005),
    _rule("concurrent", 0.01),
    _rule("unavailable", 0.005),
    _rule("system_error", 0.01),
    _rule("unreachable", 0.005),
    _rule("transient", 0.01),
    _rule("gateway", 0.01),
    _rule("bad_gateway", 0.01),
    _rule("service_unavailable", 0.005),
    _rule("gateway_timeout", 0.005),
    _rule("slow", 0.01),
    _rule("reset", 0.01),
    _rule("truncated", 0.01),
)
"""About one call in nine fails. A denied one and a used-up day are not among them: clients rightly stop there. Nor is
a good token called invalid, which only its end mends; tokens do end early (`Temper.ended`)."""

HOSTILE = Temper(
    limits=VENDORS_LIMITS, lag=60.0, scan=40, drift=True, others=5, ended=0.01, export_seconds=90.0, failing=0.1
)


def bite(instance: Instance, on: bool) -> None:
    """Switch the misbehaviour of the instance's own API on, or off again; what was written stays."""
    instance.set_temper(HOSTILE if on else Temper())
