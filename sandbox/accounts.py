"""How to log in to the practice accounts, with keys that are made on first use and kept beside the world."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from sandbox.companion import Companion, Keys
from sandbox.hubspot.settings import ALL_SCOPES, HubspotServer
from sandbox.salesforce.settings import SalesforceServer
from sandbox.tls import signing_key, write_private

API_VERSION = "62.0"
PORTAL_ID = 9001


@dataclass(frozen=True, slots=True)
class Accounts:
    """How to log in: the servers' side of it, and the clients' (`address`, for sandbox.json)."""

    salesforce: SalesforceServer
    hubspot: HubspotServer
    keys: Mapping[str, Keys] = field(repr=False)
    address: Mapping[str, Any] = field(repr=False)


def accounts_on(directory: Path, ports: Mapping[str, int], beside: Mapping[str, Companion]) -> Accounts:
    """Accounts on these ports, with keys that are made on first use and kept in `directory`."""
    path, private_key = directory / "credentials.json", directory / "salesforce.key"
    if not path.exists():
        made: dict[str, Any] = {
            "consumer_key": f"3MVG9{secrets.token_urlsafe(48)}",
            "consumer_secret": secrets.token_hex(32).upper(),
            "token": f"pat-na1-{secrets.token_hex(16)}",
            **{name: companion.fresh_keys() for name, companion in beside.items()},
        }
        write_private(path, orjson.dumps(made))
    keys: dict[str, Any] = orjson.loads(path.read_bytes())
    urls = {crm: f"https://localhost:{port}" for crm, port in ports.items()}
    salesforce = SalesforceServer(
        base_url=urls["salesforce"],
        other_url=f"https://127.0.0.1:{ports['salesforce']}",
        consumer_key=keys["consumer_key"],
        consumer_secret=keys["consumer_secret"],
        jwt_public_key_pem=signing_key(private_key),
    )
    hubspot = HubspotServer(base_url=urls["hubspot"], tokens={keys["token"]: ALL_SCOPES})
    address = {
        "salesforce": {
            "url": urls["salesforce"],
            "login_url": urls["salesforce"],
            "consumer_key": keys["consumer_key"],
            "consumer_secret": keys["consumer_secret"],
            "username": salesforce.username,
            "private_key_file": str(private_key),
            "api_version": API_VERSION,
        },
        "hubspot": {"url": urls["hubspot"], "token": keys["token"], "portal_id": PORTAL_ID},
        **{name: companion.address(urls[name], keys[name]) for name, companion in beside.items()},
    }
    return Accounts(salesforce, hubspot, {name: keys[name] for name in beside}, address)
