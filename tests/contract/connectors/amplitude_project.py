"""A practice Amplitude project behind a `Host`, and the hands of those who use the product and its analytics."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from connectors.amplitude.crm import AmplitudeCrm, open_amplitude
from connectors.amplitude.session import Session
from connectors.amplitude.settings import AmplitudeSettings
from connectors.port import Crm
from connectors.quota import Gate, OpenGate
from connectors.records import RecordRef
from connectors.tokens import MemoryTokens
from connectors.transport import Clock as Telling
from connectors.transport import Exchange
from sandbox.amplitude.app import build_app
from sandbox.amplitude.project import Cohort, Project
from sandbox.amplitude.settings import AmplitudeServer
from sandbox.clock import Clock
from tests.contract.connectors.crm_practice import START, Populated, Practice
from tests.contract.connectors.practice import Host

SOURCE = "app"
API_KEY, SECRET_KEY = "PRACTICE_AMPLITUDE_API_KEY", "PRACTICE_AMPLITUDE_SECRET_KEY"
"""Environment variables that must hold the server's keys."""
PATTERNS = [
    {"pattern": "^Viewed pricing$", "kind": "pricing_page_view"},
    {"pattern": "^Exported", "kind": "content_download"},
    {"pattern": "^Upgraded$", "outcome": "won", "amount": "price"},
]
COHORTS = {"hot": "Leadgauge hot", "warm": "Leadgauge warm"}


class SlowClock(Clock):
    """What is done in minutes elsewhere takes hours: an export shows the events of an hour two hours after its end."""

    def advance(self, by: timedelta) -> None:
        super().advance(24 * by)


class PracticeProject(Practice):
    """`project` is the store of the practice server, `calls` are the requests of every connector that is opened."""

    people_stream = "events"

    def __init__(self, host: Host, **server: Any) -> None:
        self.clock = SlowClock(START)
        self.clock.hold(START)
        self.host, self.server = host, AmplitudeServer(**server)
        self.project = Project(self.clock, self.server.export_latency, self.server.updates_per_hour)
        for number, name in enumerate(COHORTS.values()):
            self.project.cohorts[f"c{number}"] = Cohort(f"c{number}", name, "ann@acme.test", set())
        self.show()
        self.calls: list[Exchange] = []
        self._opened: list[Crm | Session] = []
        self._numbers = itertools.count(1)

    def show(self) -> None:
        """Put it on the host."""
        self.faults = self.host.show(build_app(self.project, self.server), self.clock)

    def settings(self, **changes: Any) -> AmplitudeSettings:
        url = self.host.url
        given: dict[str, Any] = {
            "kind": "amplitude",
            "name": SOURCE,
            "region": "eu" if self.server.eu else "us",
            "hosts": {"ingest": url, "analytics": url, **({} if self.server.eu else {"profile": url})},
            "project": self.server.app_id,
            "api_key": {"env": API_KEY},
            "secret_key": {"env": SECRET_KEY},
            "ca_bundle": self.host.ca,
            "timings": {"history": "P2D"},
            "attributes": {"plan": "plan"},
            "events": PATTERNS,
            "cohorts": COHORTS,
            "cohort_owner": "ann@acme.test",
        }
        return AmplitudeSettings.model_validate({**given, **changes})

    def open(
        self, *, gate: Gate | None = None, page_size: int | None = None, clock: Telling | None = None, **settings: Any
    ) -> AmplitudeCrm:
        crm = open_amplitude(
            self.settings(**({"page_size": page_size} if page_size else {}), **settings),
            gate=gate or OpenGate(), tokens=MemoryTokens(), observer=self.calls.append, sleep=lambda _: None,
            clock=clock or self.clock.now,
        )  # fmt: skip
        assert isinstance(crm, AmplitudeCrm)
        self._opened.append(crm)
        return crm

    def session(self) -> Session:
        session = Session(
            self.settings(), gate=OpenGate(), observer=self.calls.append, sleep=lambda _: None, clock=self.clock.now
        )
        self._opened.append(session)
        return session

    def open_with_wrong_credentials(self) -> Crm:
        return self.open(api_key={"env": "PATH"})

    def open_nowhere(self) -> Crm:
        nowhere = "https://localhost:1"
        return self.open(hosts={"ingest": nowhere, "analytics": nowhere, "profile": nowhere})

    def close(self) -> None:
        for crm in self._opened:
            crm.close()

    def ref(self, user: str) -> RecordRef:
        return RecordRef(SOURCE, "users", user)

    def act(self, user: str | None, type: str, **event: Any) -> None:
        """Somebody uses the product now."""
        self.project.track(user, {"event_type": type, **event})

    def populate(self) -> Populated:
        one, two = self.add_people(2)
        self.act(one.id, "Viewed pricing", insert_id="i-1")
        self.act(one.id, "Viewed pricing", insert_id="i-1")  # an old client that sent it again after a week
        self.act(two.id, "Exported report", event_properties={"format": "csv"})
        self.act(two.id, "Upgraded", insert_id="i-2", event_properties={"price": "49.90"})
        self.act(two.id, "Moved the mouse")
        self.act(None, "Viewed pricing", device_id="d-1")
        number = self.project.users[two.id].number
        deal = RecordRef(SOURCE, "events", f"{number}:i-2")
        return Populated(frozenset({one, two}), frozenset(), activities=2, outcomes=frozenset({deal}))

    def add_people(self, count: int) -> list[RecordRef]:
        made = [f"u{next(self._numbers)}" for _ in range(count)]
        for user in made:
            self.act(user, "Signed up", user_properties={"email": f"{user}@acme.test", "plan": "free"})
        return [self.ref(user) for user in made]

    def add_person_seen_late(self, delay: timedelta) -> RecordRef:
        self.project.delay = 24 * delay
        (ref,) = self.add_people(1)
        self.project.delay = timedelta(0)
        return ref

    def edit(self, ref: RecordRef) -> None:
        self.act(ref.id, "Changed the plan", user_properties={"plan": "pro"})

    def delete(self, ref: RecordRef) -> None:
        del self.project.users[ref.id]

    def erase(self, ref: RecordRef) -> None:
        self.project.forget(ref.id)

    def merge(self, winner: RecordRef, loser: RecordRef) -> RecordRef:
        pytest.skip("Amplitude's export tells of no merged users")

    def forbid_writes(self, ref: RecordRef) -> None:
        self.project.silenced.add(ref.id)

    def remove_score_field(self) -> str:
        """User properties come with the first write; what can be missing is a cohort."""
        self.project.cohorts.pop("c0")
        return COHORTS["hot"]

    def writes(self) -> Sequence[Mapping[str, Any]]:
        return [write for write in self.project.writes if any("lead_gauge" in name for name in write["after"])]
