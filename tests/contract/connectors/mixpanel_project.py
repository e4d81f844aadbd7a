"""A practice Mixpanel project behind a `Host`, and the hands of those who use the product and its analytics."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.mixpanel.crm import MixpanelCrm, open_mixpanel
from connectors.mixpanel.settings import MixpanelSettings
from connectors.port import Crm
from connectors.quota import Gate, OpenGate
from connectors.records import RecordRef
from connectors.tokens import MemoryTokens, Tokens
from connectors.transport import Exchange
from sandbox.clock import Clock
from sandbox.mixpanel.app import build_app
from sandbox.mixpanel.project import Project
from tests.contract.connectors.crm_practice import START, Populated, Practice
from tests.contract.connectors.practice import Host

SOURCE = "app"
SECRET, TOKEN = "PRACTICE_MIXPANEL_SECRET", "PRACTICE_MIXPANEL_TOKEN"
"""Environment variables that must hold the service account's secret and the project's token."""
PATTERNS = [
    {"pattern": "^Exported", "kind": "content_download", "detail": "format"},
    {"pattern": "^Upgraded$", "outcome": "won", "amount": "price"},
]


class PracticeProject(Practice):
    """`project` is the store of the practice server, `calls` are the requests of every connector that is opened."""

    people_stream = "profiles"

    def __init__(self, host: Host, spool: Path, **project: Any) -> None:
        self.clock = Clock(START)
        self.clock.hold(START)
        self.host, self.spool = host, spool
        self.project = Project(self.clock, **project)
        self.faults = host.show(build_app(self.project), self.clock)
        self.calls: list[Exchange] = []
        self.slept: list[float] = []
        self.own_clock = self.clock.now
        """Of the machine that connectors run on."""
        self._opened: list[Crm] = []
        self._numbers = itertools.count(1)

    def settings(self, **changes: Any) -> MixpanelSettings:
        url, (user,) = self.host.url, self.project.accounts
        given: dict[str, Any] = {
            "kind": "mixpanel",
            "name": SOURCE,
            "region": self.project.region,
            "hosts": {"ingest": url, "export": url, "query": url},
            "project_id": self.project.id,
            "auth": {"user": user, "secret": {"env": SECRET}, "token": {"env": TOKEN}},
            "ca_bundle": self.host.ca,
            "attributes": {"plan": "Plan", "employees": "Seats"},
            "events": PATTERNS,
            "spool": self.spool,
        }
        return MixpanelSettings.model_validate({**given, **changes})

    def open(
        self, *, gate: Gate | None = None, page_size: int | None = None, tokens: Tokens | None = None, **settings: Any
    ) -> MixpanelCrm:
        if page_size:
            self.project.page_size = page_size
        crm = open_mixpanel(
            self.settings(**({"page_size": page_size} if page_size else {}), **settings),
            gate=gate or OpenGate(), tokens=tokens or MemoryTokens(), observer=self.calls.append,
            sleep=self.slept.append, clock=self.own_clock,
        )  # fmt: skip
        assert isinstance(crm, MixpanelCrm)
        self._opened.append(crm)
        return crm

    def open_with_wrong_credentials(self) -> Crm:
        (user,) = self.project.accounts
        return self.open(auth={"user": user, "secret": {"env": "PATH"}, "token": {"env": TOKEN}})

    def open_nowhere(self) -> Crm:
        return self.open(hosts=dict.fromkeys(("ingest", "export", "query"), "https://localhost:1"))

    def close(self) -> None:
        for crm in self._opened:
            crm.close()

    def ref(self, id: str) -> RecordRef:
        return RecordRef(SOURCE, "profiles", id)

    def populate(self) -> Populated:
        one, two = self.add_people(2)
        self.project.put(one.id, **{"$phone": "+49 1", "$name": "Ann", "Seats": 12})
        self.project.put("$device:d-1", **{"$email": "nobody@acme.test"})
        now, act = self.clock.now() - timedelta(days=1), self.project.add_event
        act("Viewed pricing", now, one.id, "i-1")
        act("Viewed pricing", now, one.id, "i-1")  # sent again: an export shows both
        act("Exported report", now, two.id, format="csv")
        act("Upgraded", now, two.id, price="49.90")
        act("Moved the mouse", now, two.id)
        act("Viewed pricing", now, "$device:d-1")
        return Populated(frozenset({one, two}), frozenset(), activities=2, outcomes=frozenset())

    def add_people(self, count: int) -> list[RecordRef]:
        made = [f"u{next(self._numbers)}" for _ in range(count)]
        for id in made:
            self.project.put(id, **{"$email": f"{id}@acme.test", "Plan": "free", "$country_code": "DE"})
        return [self.ref(id) for id in made]

    def add_person_seen_late(self, delay: timedelta) -> RecordRef:
        self.project.lag = delay
        (ref,) = self.add_people(1)
        self.project.lag = timedelta(0)
        return ref

    def edit(self, ref: RecordRef) -> None:
        self.project.put(ref.id, Plan="pro")

    def delete(self, ref: RecordRef) -> None:
        self.project.delete(ref.id)

    def erase(self, ref: RecordRef) -> None:
        self.project.delete(ref.id)

    def merge(self, winner: RecordRef, loser: RecordRef) -> RecordRef:
        pytest.skip("Mixpanel tells of no merged profiles")

    def forbid_writes(self, ref: RecordRef) -> None:
        self.project.fill(ref.id)

    def remove_score_field(self) -> str:
        pytest.skip("a profile takes any property")

    def writes(self) -> Sequence[Mapping[str, Any]]:
        return list(self.project.writes)
