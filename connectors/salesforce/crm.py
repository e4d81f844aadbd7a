"""One Salesforce org as a `Crm`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from connectors.port import Census, Cursor, Note, Page, Problem, Quota, Stream, Tier, unnoted
from connectors.quota import Gate
from connectors.records import FieldWrite, RecordRef, ScoreField, Value, WriteResult
from connectors.salesforce.census import Register
from connectors.salesforce.check import Check
from connectors.salesforce.facts import Assembly
from connectors.salesforce.pull import Reader
from connectors.salesforce.push import Writer
from connectors.salesforce.session import Session
from connectors.salesforce.settings import SalesforceSettings
from connectors.tokens import Tokens
from connectors.transport import Observer


class SalesforceCrm:
    """See `connectors.port.Crm`. Calls nothing before its first method is called."""

    def __init__(self, settings: SalesforceSettings, session: Session) -> None:
        self._settings = settings
        self._session = session
        assembly = Assembly(settings, session)
        self._reader = Reader(settings, session, assembly)
        self._register = Register(settings, session, assembly)
        self._writer = Writer(settings, session)

    @property
    def source(self) -> str:
        return self._settings.name

    @property
    def streams(self) -> Sequence[Stream]:
        return self._reader.streams

    @property
    def writable(self) -> frozenset[ScoreField]:
        return frozenset(self._settings.mapped)

    def check(self) -> Sequence[Problem]:
        return list(Check(self._settings, self._session).problems())

    def pull(self, stream: str, cursor: Cursor | None, tier: Tier) -> Page:
        return self._reader.pull(stream, cursor, tier)

    def size(self, stream: str) -> int | None:
        return self._reader.size(stream)

    @property
    def objects(self) -> Sequence[str]:
        return self._register.objects

    def census(self, object: str, cursor: Cursor | None) -> Census:
        return self._register.census(object, cursor)

    def fetch(self, refs: Sequence[RecordRef]) -> Page:
        return self._register.fetch(refs)

    def push_size(self, waiting: int) -> int:
        return self._writer.push_size(waiting)

    def push(self, writes: Sequence[FieldWrite], note: Note = unnoted) -> Sequence[WriteResult]:
        return self._writer.push(writes, note)

    def collect(self, parcel: Cursor, refs: Sequence[RecordRef]) -> Sequence[WriteResult] | None:
        return self._writer.collect(parcel, refs)

    def read_back(self, refs: Sequence[RecordRef]) -> Mapping[RecordRef, Mapping[ScoreField, Value]]:
        return self._writer.read_back(refs)

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
) -> SalesforceCrm:
    """The org that `settings` describe; open it in the process that uses it."""
    return SalesforceCrm(settings, Session(settings, gate=gate, tokens=tokens, observer=observer, sleep=sleep))
