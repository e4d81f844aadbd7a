"""One Salesforce org as a `Crm`."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime

from connectors.examination import Examination
from connectors.looked import Looked
from connectors.port import (
    BUCKETS,
    Census,
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
from connectors.records import Alert, AlertResult, Author, FieldWrite, RecordRef, ScoreField, Value, WriteResult
from connectors.salesforce.alerts import Alerts
from connectors.salesforce.authors import Authors
from connectors.salesforce.census import Register
from connectors.salesforce.check import Check
from connectors.salesforce.examine import Examiner
from connectors.salesforce.facts import Assembly
from connectors.salesforce.provision import Provision
from connectors.salesforce.pull import Reader
from connectors.salesforce.push import Writer
from connectors.salesforce.session import Session
from connectors.salesforce.settings import SalesforceSettings
from connectors.tokens import Tokens
from connectors.transport import Clock, Observer, wall
from connectors.understood import understood


class SalesforceCrm:
    """See `connectors.port.Crm`. Calls nothing before its first method is called."""

    provable = True

    def __init__(self, settings: SalesforceSettings, session: Session) -> None:
        self._settings = settings
        self._session = session
        assembly = Assembly(settings, session)
        self._reader = Reader(settings, session, assembly)
        self._register = Register(settings, session, assembly)
        self._writer = Writer(settings, session)
        self._authors = Authors(settings, session)
        self._alerts = Alerts(session)

    @property
    def source(self) -> str:
        return self._settings.name

    @property
    def streams(self) -> Sequence[Stream]:
        return self._reader.streams

    @property
    def writable(self) -> frozenset[ScoreField]:
        return frozenset(self._settings.mapped)

    def check(self, buckets: Collection[str] = BUCKETS) -> Sequence[Problem]:
        with understood(self.source):
            return list(Check(self._settings, self._session, buckets).problems())

    def examine(self, buckets: Collection[str] = BUCKETS) -> Examination:
        """See `connectors.examination.Examining`."""
        return Examiner(self._settings, self._session).examine(buckets)

    def provision(
        self, *, dry_run: bool, user: str | None = None, buckets: Collection[str] = BUCKETS
    ) -> Iterator[Step]:
        """See `connectors.provisioning.Provisioning`."""
        return Provision(self._settings, self._session, user, tuple(buckets)).steps(dry_run=dry_run)

    def user(self) -> str | None:
        self._session.query("SELECT Id FROM Organization", lane=Lane.INBOUND)  # the login tells it
        return self._session.user() or None

    def pull(
        self, stream: str, cursor: Cursor | None, tier: Tier, known: Known = nothing_known, looked: Cursor | None = None
    ) -> Page:
        with understood(self.source):
            return self._reader.pull(stream, cursor, tier, Looked.of(looked))

    def size(self, stream: str) -> int | None:
        with understood(self.source):
            return self._reader.size(stream)

    def window(self, stream: str, since: datetime, until: datetime) -> Cursor | None:
        return self._reader.window(stream, since, until)

    @property
    def objects(self) -> Sequence[str]:
        return self._register.objects

    def census(self, object: str, cursor: Cursor | None) -> Census:
        with understood(self.source):
            return self._register.census(object, cursor)

    def fetch(self, refs: Sequence[RecordRef], *, binned: bool = False) -> Page:
        with understood(self.source):
            return self._register.fetch(refs, binned=binned)

    def look_again(self, object: str) -> None:
        """See `connectors.described.Described`."""
        self._session.forget(object)

    def push_size(self, waiting: int) -> int:
        return self._writer.push_size(waiting)

    def push(self, writes: Sequence[FieldWrite], note: Note = unnoted) -> Sequence[WriteResult]:
        with understood(self.source):
            return self._writer.push(writes, note)

    def collect(
        self, parcel: Cursor, refs: Sequence[RecordRef], *, call_off: bool = False
    ) -> Sequence[WriteResult] | None:
        with understood(self.source):
            return self._writer.collect(parcel, refs, call_off=call_off)

    def read_back(self, refs: Sequence[RecordRef]) -> Mapping[RecordRef, Mapping[ScoreField, Value]]:
        with understood(self.source):
            return self._writer.read_back(refs)

    def alert(self, alerts: Sequence[Alert]) -> Sequence[AlertResult]:
        """See `connectors.alerts.Alerting`."""
        with understood(self.source):
            return self._alerts.make(alerts)

    def authors(self, changed: Mapping[RecordRef, Collection[ScoreField]]) -> Mapping[RecordRef, Author]:
        with understood(self.source):
            return self._authors.of(changed)

    def location(self, ref: RecordRef) -> str | None:
        """The record's page. Before the first call no instance is known, and the login host forwards to it."""
        host = self._session.instance() or self._settings.login_url
        return f"{host}/{ref.id.partition('#')[0]}"

    def quota(self) -> Quota | None:
        return self._session.quota()

    def close(self) -> None:
        self._session.close()


def open_salesforce(
    settings: SalesforceSettings,
    *,
    gate: Gate,
    tokens: Tokens,
    observer: Observer,
    sleep: Callable[[float], None] = time.sleep,
    clock: Clock = wall,
) -> SalesforceCrm:
    """The org that `settings` describe; open it in the process that uses it."""
    session = Session(settings, gate=gate, tokens=tokens, observer=observer, sleep=sleep, clock=clock)
    return SalesforceCrm(settings, session)
