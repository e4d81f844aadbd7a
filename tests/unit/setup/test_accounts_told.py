"""What is told of an account whatever its kind: whether it is on this machine, and where its secrets lie."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from connectors.catalog import AnySettings, SourceSettings
from connectors.secret import secrets_of
from worker.setup.gather import is_here

KEY = {"env": "KEY"}
ACCOUNTS: dict[str, dict[str, Any]] = {
    "salesforce": {"auth": {"type": "client_credentials", "consumer_key": "k", "consumer_secret": KEY}},
    "hubspot": {"auth": {"type": "token", "token": KEY}},
    "marketo": {"auth": {"client_id": "c", "client_secret": KEY}},
    "amplitude": {"project": 1, "api_key": KEY, "secret_key": KEY},
    "mixpanel": {"project_id": 1, "auth": {"user": "u", "secret": KEY, "token": KEY}},
    "files": {"directory": "data", "mapping": "mapping.yaml"},
}
HERE, THERE = "https://localhost:8443", "https://acme.example"


@pytest.mark.parametrize(
    ("kind", "address", "practice"),
    [
        ("salesforce", {"login_url": HERE}, True),
        ("salesforce", {"login_url": THERE}, False),
        ("hubspot", {"host": HERE}, True),
        ("hubspot", {}, False),
        ("marketo", {"host": HERE}, True),
        ("marketo", {"host": THERE}, False),
        ("amplitude", {"hosts": {"ingest": HERE, "analytics": HERE, "profile": HERE}}, True),
        ("amplitude", {}, False),
        ("mixpanel", {"hosts": {"ingest": HERE, "export": HERE, "query": HERE}}, True),
        ("mixpanel", {"region": "eu"}, False),
        ("files", {}, False),
    ],
)
def test_a_practice_account_goes_by_its_address(kind: str, address: dict[str, Any], practice: bool) -> None:
    given = {"kind": kind, "name": "account", **ACCOUNTS[kind], **address}
    assert is_here(TypeAdapter[AnySettings](SourceSettings).validate_python(given)) is practice


@pytest.mark.parametrize(
    ("kind", "places"),
    [
        ("salesforce", ["auth.consumer_secret"]),
        ("hubspot", ["auth.token"]),
        ("marketo", ["auth.client_secret"]),
        ("amplitude", ["api_key", "secret_key"]),
        ("mixpanel", ["auth.secret", "auth.token"]),
        ("files", []),
    ],
)
def test_the_secrets_of_every_kind_are_known_by_their_places(kind: str, places: list[str]) -> None:
    address = {"salesforce": {"login_url": HERE}, "marketo": {"host": HERE}}.get(kind, {})
    given = {"kind": kind, "name": "account", **ACCOUNTS[kind], **address}
    found = secrets_of(TypeAdapter[AnySettings](SourceSettings).validate_python(given))
    assert {name: ref.env for name, ref in found} == dict.fromkeys(places, "KEY")
