"""The hands of an admin, or of a person on the website, on a practice Marketo instance."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import requests

from connectors.marketo.crm import MarketoCrm, open_marketo
from connectors.marketo.provision import definition
from connectors.marketo.settings import MarketoSettings
from connectors.port import Crm
from connectors.quota import Gate, OpenGate
from connectors.records import RecordRef, ScoreField
from connectors.tokens import MemoryTokens, Tokens
from connectors.transport import Exchange
from sandbox.clock import Clock
from sandbox.marketo import log
from sandbox.marketo.app import build_app
from sandbox.marketo.instance import Instance
from sandbox.marketo.settings import CLIENT_ID, MarketoServer, Service
from tests.contract.connectors.crm_practice import START, Populated, Practice
from tests.contract.connectors.practice import Host

SOURCE = "acme-mkto"
SECRET, VARIABLE, WRONG = "practice", "PRACTICE_MARKETO_SECRET", "WRONG_MARKETO_SECRET"
"""The service's secret, and the environment variables that must hold it and another one."""


class PracticeInstance(Practice):
    """A practice instance with the fields of the contract; `instance` is its store. `calls` are the requests of every
    connector opened here, `slept` what they waited."""

    people_stream = "leads"

    def __init__(self, host: Host, server: MarketoServer | None = None) -> None:
        self.host = host
        self.clock = Clock(START)
        self.clock.hold(START)
        self.instance = Instance(self.clock)
        server = server or MarketoServer(services={CLIENT_ID: Service(SECRET)})
        self.faults = host.show(build_app(self.instance, server), self.clock)
        for field in ScoreField:
            made = definition(f"leadGauge{field.value.title().replace('_', '')}", field)
            self.instance.schema.add(made["name"], made["displayName"], made["dataType"], by_api=True)
        self.calls: list[Exchange] = []
        self.slept: list[float] = []
        self._opened: list[Crm] = []
        self._numbers = itertools.count(1)

    def settings(self, **changes: Any) -> MarketoSettings:
        given: dict[str, Any] = {
            "kind": "marketo",
            "name": SOURCE,
            "host": self.host.url,
            "auth": {"client_id": CLIENT_ID, "client_secret": {"env": VARIABLE}},
            "ca_bundle": self.host.ca,
            "since": START - timedelta(days=40),
        }
        return MarketoSettings.model_validate({**given, **changes})

    def open(
        self, *, gate: Gate | None = None, page_size: int | None = None, tokens: Tokens | None = None, **settings: Any
    ) -> MarketoCrm:
        size = {} if page_size is None else {"page_size": page_size, "bulk_page_size": page_size}
        crm = open_marketo(
            self.settings(**size, **settings),
            gate=gate or OpenGate(),
            tokens=tokens or MemoryTokens(),
            observer=self.calls.append,
            sleep=self.slept.append,
        )
        self._opened.append(crm)
        assert isinstance(crm, MarketoCrm)
        return crm

    def open_with_wrong_credentials(self) -> Crm:
        return self.open(auth={"client_id": CLIENT_ID, "client_secret": {"env": WRONG}})

    def open_nowhere(self) -> Crm:
        return self.open(host="https://localhost:1")

    def close(self) -> None:
        for crm in self._opened:
            crm.close()

    def temper(self, **changes: Any) -> None:
        self.instance.set_temper(replace(self.instance.temper, **changes))

    def tokens(self, **order: Any) -> int:
        """`revoke`: all are invalid; `doubt`: so many calls with a good one are refused. How many were issued ever."""
        answer = requests.post(f"{self.host.url}/sandbox/tokens", json=order, verify=str(self.host.ca), timeout=10)
        return int(answer.json()["issued"])

    def endpoints(self) -> list[str]:
        return [exchange.endpoint for exchange in self.calls]

    def ref(self, id: int | str) -> RecordRef:
        return RecordRef(SOURCE, "leads", str(id))

    def add(self, **values: Any) -> RecordRef:
        """A new lead."""
        return self.ref(self.instance.add_lead({"email": f"p{next(self._numbers)}@acme.test", **values}))

    def populate(self) -> Populated:
        one = self.add(firstName="Ann", lastName="Bee", phone="+49 1", title="CTO", company="Acme")
        two = self.add(mobilePhone=None, leadSource="Web")
        first, second = int(one.id), int(two.id)
        happen = self.instance.happen
        happen(first, log.VISIT, primary=71, value="acme.test/pricing", attributes={"Webpage URL": "/pricing"})
        happen(first, log.FORM, primary=5, value="Whitepaper download", attributes={"Client IP Address": "10.0.0.1"})
        happen(second, log.SEND, primary=9, value="Newsletter")
        happen(second, log.DELIVERED, primary=9, value="Newsletter")
        happen(second, log.OPEN, primary=9, value="Newsletter", attributes={"Is Bot Activity": False})
        happen(second, log.OPEN, primary=9, value="Newsletter", attributes={"Is Bot Activity": True})
        happen(second, log.CLICK, primary=9, value="Newsletter", attributes={"Link": "https://acme.test/pricing?x=1"})
        happen(first, log.MOMENT, value="Web", attributes={"Description": "Attended webinar on scoring"})
        happen(first, log.MOMENT, value="Web", attributes={"Description": "Came by"})
        happen(second, log.ADD_TO_LIST, primary=1, value="Everybody")
        return Populated(people=frozenset({one, two}), accounts=frozenset(), activities=7, outcomes=frozenset())

    def add_people(self, count: int) -> list[RecordRef]:
        return [self.add() for _ in range(count)]

    def add_person_seen_late(self, delay: timedelta) -> RecordRef:
        self.instance.visibility = delay
        ref = self.add()
        self.instance.visibility = timedelta(0)
        return ref

    def edit(self, ref: RecordRef) -> None:
        self.instance.change(int(ref.id), {"title": "CEO"})

    def delete(self, ref: RecordRef) -> None:
        self.instance.delete(int(ref.id))

    def erase(self, ref: RecordRef) -> None:
        self.delete(ref)

    def merge(self, winner: RecordRef, loser: RecordRef) -> RecordRef:
        return self.ref(self.instance.merge(int(winner.id), int(loser.id)))

    def forbid_writes(self, ref: RecordRef) -> None:
        lead = self.instance.lead(int(ref.id))
        assert lead is not None
        lead.partition = "Europe"

    def remove_score_field(self) -> str:
        self.instance.schema.remove("leadGaugeScore")
        return "leadGaugeScore"

    def writes(self) -> Sequence[Mapping[str, Any]]:
        return list(self.instance.writes)
