"""A practice HubSpot behind a `Host`, with the connector's settings for it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from connectors.hubspot.crm import HubspotCrm
from connectors.hubspot.session import Session
from connectors.hubspot.settings import HubspotSettings
from connectors.quota import Gate, OpenGate
from connectors.tokens import MemoryTokens, Tokens
from connectors.transport import Exchange
from sandbox.clock import Clock
from sandbox.faults import Faults
from sandbox.hubspot.app import build_app
from sandbox.hubspot.portal import Portal
from sandbox.hubspot.settings import ALL_SCOPES, HubspotServer
from tests.contract.connectors.practice import Host

TOKEN = "pat-na1-practice"
VARIABLE = "PRACTICE_HUBSPOT_TOKEN"
"""The environment variable that must hold `TOKEN`."""
DAILY = 250_000
ANY_CLOCK = timedelta(days=36_500)
"""The practice clock is held and advanced at will."""


@dataclass
class Site:
    """An empty portal. `calls` are the requests of every connector opened here, `slept` what they waited."""

    host: Host
    clock: Clock = field(default_factory=Clock)
    server: Mapping[str, Any] = field(default_factory=dict)
    calls: list[Exchange] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.portal = Portal(self.clock)
        given = {"tokens": {TOKEN: ALL_SCOPES}, "daily": DAILY, **self.server}
        app = build_app(self.portal, HubspotServer(base_url=self.host.url, **given))
        self.faults: Faults = self.host.show(app, self.clock)
        self._opened: list[HubspotCrm | Session] = []
        self._numbers = itertools.count(1)

    def settings(self, **changes: Any) -> HubspotSettings:
        given: dict[str, Any] = {
            "kind": "hubspot",
            "name": "acme-hs",
            "host": self.host.url,
            "auth": {"type": "token", "token": {"env": VARIABLE}},
            "ca_bundle": self.host.ca,
            "timings": {"skew": ANY_CLOCK},
        }
        return HubspotSettings.model_validate({**given, **changes})

    def session(self, *, gate: Gate | None = None, tokens: Tokens | None = None, **changes: Any) -> Session:
        opened = Session(
            self.settings(**changes),
            gate=gate or OpenGate(),
            tokens=tokens or MemoryTokens(),
            observer=self.calls.append,
            sleep=self.slept.append,
        )
        self._opened.append(opened)
        return opened

    def open(self, *, gate: Gate | None = None, tokens: Tokens | None = None, **changes: Any) -> HubspotCrm:
        return HubspotCrm(self.settings(**changes), self.session(gate=gate, tokens=tokens, **changes))

    def close(self) -> None:
        for opened in self._opened:
            opened.close()

    def fault(self, path: str, *, count: int | None = None, **effect: Any) -> None:
        """Spoil the next answers to `path` (a regular expression)."""
        rule: dict[str, Any] = {"path": path, "effect": effect}
        self.faults.add([rule if count is None else {**rule, "count": count}])

    def people(self, number: int, **properties: str) -> list[str]:
        """Ids of new contacts."""
        return [
            self.portal.create("contacts", {"email": f"p{next(self._numbers)}@acme.test", **properties})
            for _ in range(number)
        ]

    def endpoints(self) -> list[str]:
        return [exchange.endpoint for exchange in self.calls]
