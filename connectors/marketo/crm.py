"""A Marketo instance as a `Crm`."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from connectors.errors import Misconfigured
from connectors.examination import Examination
from connectors.looked import Looked
from connectors.marketo.activities import ActivityTypes
from connectors.marketo.authors import Authors
from connectors.marketo.bulk import Exports
from connectors.marketo.campaign import Campaigns
from connectors.marketo.check import Checker
from connectors.marketo.examine import Examiner
from connectors.marketo.leads import LeadReader
from connectors.marketo.mapping import LEADS, LeadMapper
from connectors.marketo.merges import Merges
from connectors.marketo.provision import Provision
from connectors.marketo.pull import Kit, Leads, streams
from connectors.marketo.push import PUSH_SIZE, Writer
from connectors.marketo.roll import Roll
from connectors.marketo.schema import Schema
from connectors.marketo.session import Session
from connectors.marketo.settings import MarketoSettings
from connectors.marketo.trail import Trail, between
from connectors.port import (
    BUCKETS,
    Census,
    Crm,
    Cursor,
    Known,
    Note,
    Page,
    Problem,
    Quota,
    Stream,
    Tier,
    nothing_known,
    unnoted,
)
from connectors.provisioning import Step
from connectors.quota import Gate, Lane
from connectors.records import (
    Alert,
    AlertResult,
    Author,
    FieldWrite,
    RecordRef,
    ScoreField,
    Value,
    WriteOutcome,
    WriteResult,
)
from connectors.tokens import Tokens
from connectors.transport import Clock, Observer, wall
from connectors.understood import understood

T = TypeVar("T")


def open_marketo(
    settings: MarketoSettings, *, gate: Gate, tokens: Tokens, observer: Observer,
    sleep: Callable[[float], None] = time.sleep, clock: Clock = wall,
) -> Crm:  # fmt: skip
    """The instance that `settings` describe. Makes no call yet.

    Raises `Misconfigured` when the CA bundle cannot be read.
    """
    session = Session(settings, gate=gate, tokens=tokens, observer=observer, sleep=sleep, clock=clock)
    return MarketoCrm(settings, session)


class MarketoCrm:
    """One instance: its leads, and what they did."""

    def __init__(self, settings: MarketoSettings, session: Session) -> None:
        self._settings, self._session = settings, session
        self._schema = Schema(session, settings.timings.schema_age)
        mapper = LeadMapper(settings, self._schema)
        leads = LeadReader(session, settings.page_size)
        trail = Trail(session, settings.page_size)
        types = ActivityTypes(session, settings.timings.schema_age)
        merges = Merges(trail, types)
        roll = Roll(Exports(session, settings.bulk_page_size), leads, trail, types, settings.since)
        kit = Kit(settings, session, mapper, leads, trail, types, merges, roll)
        self._readers = streams(kit)
        self._leads = Leads(kit)
        self._writer = Writer(session, mapper, leads, merges)
        self._campaigns = Campaigns(settings.alert, session, leads, trail, types)
        self._authors = Authors(trail, mapper)
        self._checker = Checker(settings, session, mapper, self._schema, self._campaigns)
        self._names = frozenset(mapper.contract)

    @property
    def source(self) -> str:
        return self._settings.name

    @property
    def streams(self) -> Sequence[Stream]:
        """Deliveries are no hurry, and who is gone shows in complete reads alone."""
        timings, slow = self._settings.timings, frozenset({Tier.COMPLETE})
        return [
            Stream(name, timings.every_slow, slow)
            if name in ("removals", "deliveries")
            else Stream(name, timings.every)
            for name in self._readers
        ]

    @property
    def writable(self) -> frozenset[ScoreField]:
        return self._names

    @property
    def provable(self) -> bool:
        return True

    def push_size(self, waiting: int) -> int:
        return PUSH_SIZE

    def check(self, buckets: Collection[str] = BUCKETS) -> Sequence[Problem]:
        return self._checker.check(buckets)

    def examine(self, buckets: Collection[str] = BUCKETS) -> Examination:
        """See `connectors.examination.Examining`."""
        return Examiner(self._settings, self._session, self._checker).examine(buckets)

    def provision(
        self, *, dry_run: bool, user: str | None = None, buckets: Collection[str] = BUCKETS
    ) -> Iterator[Step]:
        """See `connectors.provisioning.Provisioning`."""
        return Provision(self._settings, self._session, self._schema).steps(dry_run=dry_run)

    def user(self) -> None:
        """A custom service acts for its API-only user, and every lead field that is made is everybody's."""

    def look_again(self, object: str) -> None:
        """See `connectors.described.Described`."""
        self._schema.forget()

    def pull(
        self, stream: str, cursor: Cursor | None, tier: Tier, known: Known = nothing_known, looked: Cursor | None = None
    ) -> Page:
        reader = self._readers.get(stream)
        if reader is None:
            raise Misconfigured(self.source, f"there is no stream {stream!r}; there are {', '.join(self._readers)}")
        return self._understood(lambda: reader.pull(cursor, tier, Looked.of(looked)))

    def size(self, stream: str) -> int | None:
        """Marketo counts nothing for anybody."""

    def window(self, stream: str, since: datetime, until: datetime) -> Cursor | None:
        return None if stream == "removals" else between(since, until).dump()

    @property
    def objects(self) -> Sequence[str]:
        return (LEADS,)

    def census(self, object: str, cursor: Cursor | None) -> Census:
        if object != LEADS:
            raise Misconfigured(self.source, f"there is no object {object!r}; there is {LEADS}")
        return self._understood(lambda: self._leads.census(cursor), Lane.REFRESH)

    def fetch(self, refs: Sequence[RecordRef], *, binned: bool = False) -> Page:
        """See `Crm.fetch`. Marketo has no recycle bin."""
        if not refs:
            return Page({}, done=True)
        if {ref.object for ref in refs} != {LEADS}:
            raise Misconfigured(self.source, f"there are no other objects than {LEADS}")
        return self._understood(lambda: self._leads.fetch(refs), Lane.REFRESH)

    def push(self, writes: Sequence[FieldWrite], note: Note = unnoted) -> Sequence[WriteResult]:
        if len(writes) > PUSH_SIZE:
            raise ValueError(f"at most {PUSH_SIZE} records in a push, not {len(writes)}")
        return self._understood(lambda: self._writer.push(writes), Lane.WRITE) if writes else []

    def collect(self, parcel: Cursor, refs: Sequence[RecordRef], *, call_off: bool = False) -> Sequence[WriteResult]:
        """Marketo answers every batch at once, so nothing is known of a parcel."""
        return [WriteResult(ref, WriteOutcome.UNRESOLVED) for ref in refs]

    def read_back(self, refs: Sequence[RecordRef]) -> Mapping[RecordRef, Mapping[ScoreField, Value]]:
        return self._understood(lambda: self._writer.read_back(refs), Lane.WRITE)

    def alert(self, alerts: Sequence[Alert]) -> Sequence[AlertResult]:
        """See `connectors.alerts.Alerting`: a request of the configured campaign for each lead."""
        with understood(self.source):
            return self._campaigns.make(alerts)

    def authors(self, changed: Mapping[RecordRef, Collection[ScoreField]]) -> Mapping[RecordRef, Author]:
        return self._understood(lambda: self._authors.of(changed), Lane.WRITE)

    def location(self, ref: RecordRef) -> str | None:
        """None where the address of the instance's pages is not configured: no call tells it."""
        if self._settings.ui is None or ref.object != LEADS:
            return None
        return f"{self._settings.ui}/leadDatabase/loadLeadDetail?leadId={ref.id}"

    def quota(self) -> Quota | None:
        return self._session.quota

    def close(self) -> None:
        self._session.close()

    def _understood(self, call: Callable[[], T], lane: Lane = Lane.INBOUND) -> T:
        """`call()`, by Marketo's clock; an answer that lacks what it must have is told without quoting it."""
        with understood(self.source):
            self._session.greet(lane)
            return call()
