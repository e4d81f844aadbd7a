"""The hands that a contract lays on a practice CRM, and how it reads pages."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.port import Census, Crm, Cursor, Page, Tier
from connectors.quota import Gate, Lane, OpenGate
from connectors.records import Deletion, LeadRecord, RecordRef, ScoreField, Value
from sandbox.clock import Clock
from sandbox.faults import Faults

START = datetime(2026, 3, 2, 9, 30, 15, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NOW_ON = timedelta(minutes=20)
"""Longer than any connector lags behind."""

VALUES: Mapping[ScoreField, Value] = {
    ScoreField.SCORE: 92,
    ScoreField.PROBABILITY: 12.3,
    ScoreField.BUCKET: "hot",
    ScoreField.ACTION: "Call immediately",
    ScoreField.GRADE: "A1",
    ScoreField.STAGE: "mql",
    ScoreField.MQL_DATE: datetime(2026, 2, 28, 23, 59, 59, tzinfo=UTC),
    ScoreField.REASONS: "Pricing page +15; “Größe” +20; no budget -10",
    ScoreField.BANT: "3/4, missing: budget",
    ScoreField.STATUS: "scored",
    ScoreField.VERSION: "rules-1",
    ScoreField.SCORED_AT: datetime(2026, 3, 2, 9, 30, 15, tzinfo=UTC),
}
"""Every field of the contract, with what vendors stumble over: accents, signs, the last second of a day."""


@dataclass(frozen=True, slots=True)
class Populated:
    """What was made in the practice CRM, by what a pull must show."""

    people: frozenset[RecordRef]
    accounts: frozenset[RecordRef]
    activities: int
    outcomes: frozenset[RecordRef]


class Practice(ABC):
    """A practice CRM and the hands that an admin or a rep would lay on it. All instants are the held clock's."""

    clock: Clock
    faults: Faults
    people_stream: str

    @abstractmethod
    def open(self, *, gate: Gate | None = None, page_size: int | None = None, **settings: Any) -> Crm:
        """A connector on it, which does not wait between attempts; closed by the fixture."""

    @abstractmethod
    def open_with_wrong_credentials(self) -> Crm: ...

    @abstractmethod
    def open_nowhere(self) -> Crm:
        """A connector whose host nobody listens on."""

    @abstractmethod
    def populate(self) -> Populated:
        """Some of everything: people with a phone and without, an account, a deal, an activity of every stream."""

    @abstractmethod
    def add_people(self, count: int) -> list[RecordRef]:
        """People made in the same instant, as by an import."""

    @abstractmethod
    def add_person_seen_late(self, delay: timedelta) -> RecordRef:
        """A person stamped now and visible to readers only after `delay`."""

    @abstractmethod
    def edit(self, ref: RecordRef) -> None:
        """A change by a person, to a field that is read."""

    @abstractmethod
    def delete(self, ref: RecordRef) -> None: ...

    @abstractmethod
    def erase(self, ref: RecordRef) -> None:
        """What an admin does when a person asks to be forgotten."""

    @abstractmethod
    def merge(self, winner: RecordRef, loser: RecordRef) -> RecordRef:
        """Merge, and say who stays: the winner, or in some CRMs a new record."""

    @abstractmethod
    def forbid_writes(self, ref: RecordRef) -> None:
        """Let the CRM refuse updates of this one record; FieldWrite is otherwise fine. Skips where no CRM does so."""

    @abstractmethod
    def remove_score_field(self) -> str:
        """Take the field for `ScoreField.SCORE` out of the CRM and return its name there."""

    @abstractmethod
    def writes(self) -> Sequence[Mapping[str, Any]]:
        """Every write that came in over the API, with `changed`."""


class Learning(OpenGate):
    """A gate without limits that remembers what it was told."""

    def __init__(self) -> None:
        self.entered: list[Lane] = []
        self.told: list[tuple[int, int]] = []

    def enter(self, source: str, bucket: str, lane: Lane, cost: int = 1) -> None:
        self.entered.append(lane)

    def learn(self, source: str, used: int, limit: int, resets_at: datetime | None = None) -> None:
        self.told.append((used, limit))


def drain(crm: Crm, stream: str, cursor: Cursor | None, tier: Tier = Tier.COMPLETE) -> list[Page]:
    """All pages of a window. Cursors go through JSON, as they do between processes."""
    pages: list[Page] = []
    while not pages or not pages[-1].done:
        page = crm.pull(stream, cursor, tier)
        cursor = json.loads(json.dumps(page.cursor))
        pages.append(page)
        assert len(pages) < 1000, "the window never ends"
    return pages


def roll(crm: Crm, object: str) -> list[RecordRef]:
    """A whole census. Its cursors go through JSON, too."""
    pages: list[Census] = []
    while not pages or not pages[-1].done:
        pages.append(crm.census(object, json.loads(json.dumps(pages[-1].cursor)) if pages else None))
        assert len(pages) < 1000, "the census never ends"
    return [ref for page in pages for ref in page.refs]


def people(pages: Sequence[Page]) -> list[LeadRecord]:
    return [record for page in pages for record in page.leads]


def refs(pages: Sequence[Page]) -> list[RecordRef]:
    return [record.ref for record in people(pages)]


def deletions(pages: Sequence[Page]) -> dict[RecordRef, Deletion]:
    return {gone.ref: gone for page in pages for gone in page.deletions}
