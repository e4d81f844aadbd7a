"""A HubSpot account as a `Crm`."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from connectors.errors import CrmError, Misconfigured
from connectors.examination import Examination
from connectors.hubspot.alerts import Alerts
from connectors.hubspot.authors import Authors
from connectors.hubspot.check import Checker
from connectors.hubspot.events import EmailEvents, EventStream, FormSubmissions
from connectors.hubspot.examine import Examiner
from connectors.hubspot.inventory import Inventory
from connectors.hubspot.mapping import RecordMapper
from connectors.hubspot.provision import Provision
from connectors.hubspot.pull import Kit, ObjectStream, Reader
from connectors.hubspot.push import PUSH_SIZE, Writer
from connectors.hubspot.removals import Removals
from connectors.hubspot.schema import Schemas
from connectors.hubspot.session import Session
from connectors.hubspot.settings import HubspotSettings
from connectors.hubspot.stages import OwnProperties
from connectors.hubspot.values import millis
from connectors.hubspot.windows import between
from connectors.looked import Looked
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

OBJECTS = ("contacts", "companies", "deals", "calls", "emails", "meetings", "notes", "tasks")
# Of the record pages that there are: engagements have none of their own.
TYPE_IDS: Mapping[str, str] = {"contacts": "0-1", "companies": "0-2", "deals": "0-3"}


def open_hubspot(
    settings: HubspotSettings, *, gate: Gate, tokens: Tokens, observer: Observer,
    sleep: Callable[[float], None] = time.sleep, clock: Clock = wall,
) -> Crm:  # fmt: skip
    """The account that `settings` describe. Makes no call yet.

    Raises `Misconfigured` when the CA bundle cannot be read.
    """
    session = Session(settings, gate=gate, tokens=tokens, observer=observer, sleep=sleep, clock=clock)
    return HubspotCrm(settings, session)


class HubspotCrm:
    """One account: contacts, companies, deals, engagements, form submissions, marketing e-mail events."""

    provable = True

    def __init__(self, settings: HubspotSettings, session: Session) -> None:
        self._settings, self._session = settings, session
        mapper = RecordMapper(settings)
        schemas = Schemas(session, settings.timings.schema_age)
        kit = Kit(settings, session, mapper, schemas)
        objects = {type: ObjectStream(kit, type) for type in OBJECTS}
        contacts = objects["contacts"]
        readers: dict[str, Reader] = {**objects}
        readers["form_submissions"] = EventStream(kit, FormSubmissions(kit))
        readers["email_events"] = EventStream(kit, EmailEvents(kit))
        readers["removals"] = Removals(kit, contacts)
        self._readers = {name: reader for name, reader in readers.items() if name not in settings.without}
        self._inventory = Inventory(kit, {type: objects[type] for type in OBJECTS if type in self._readers})
        own = OwnProperties(settings, schemas, contacts.reader)
        self._writer = Writer(session, mapper, schemas, contacts.reader, own)
        self._checker = Checker(session, mapper, schemas, own, tuple(self._readers))
        counted = {type: objects[type].reader for type in TYPE_IDS if type in self._readers}
        self._examiner = Examiner(settings, session, self._checker, counted, tuple(self._readers))
        self._authors = Authors(mapper, contacts.reader)
        self._alerts = Alerts(session, contacts.reader, objects["tasks"].reader)
        self._names = frozenset(mapper.contract)

    @property
    def source(self) -> str:
        return self._settings.name

    @property
    def streams(self) -> Sequence[Stream]:
        timings = self._settings.timings
        slow = frozenset({Tier.COMPLETE})
        return [
            Stream(name, timings.every_slow, slow) if name == "removals" else Stream(name, timings.every)
            for name in self._readers
        ]

    @property
    def writable(self) -> frozenset[ScoreField]:
        return self._names

    def push_size(self, waiting: int) -> int:
        return PUSH_SIZE

    def check(self, buckets: Collection[str] = BUCKETS) -> Sequence[Problem]:
        with understood(self.source):
            return self._checker.check(buckets)

    def examine(self, buckets: Collection[str] = BUCKETS) -> Examination:
        """See `connectors.examination.Examining`."""
        return self._examiner.examine(buckets)

    def provision(
        self, *, dry_run: bool, user: str | None = None, buckets: Collection[str] = BUCKETS
    ) -> Iterator[Step]:
        """See `connectors.provisioning.Provisioning`."""
        return Provision(self._settings, self._session, buckets).steps(dry_run=dry_run)

    def user(self) -> None:
        """A key or an app acts for itself, and everybody may edit what it provisions."""

    def pull(
        self, stream: str, cursor: Cursor | None, tier: Tier, known: Known = nothing_known, looked: Cursor | None = None
    ) -> Page:
        reader = self._readers.get(stream)
        if reader is None:
            raise Misconfigured(self.source, f"there is no stream {stream!r}; there are {', '.join(self._readers)}")
        if isinstance(reader, ObjectStream):
            return self._understood(lambda: reader.pull(cursor, tier, known, Looked.of(looked)))
        return self._understood(lambda: reader.pull(cursor, tier, looked=Looked.of(looked)))

    def size(self, stream: str) -> int | None:
        reader = self._readers.get(stream)
        if not isinstance(reader, ObjectStream):
            return None
        return self._understood(lambda: reader.reader.total(Lane.BACKFILL), Lane.BACKFILL)

    def window(self, stream: str, since: datetime, until: datetime) -> Cursor | None:
        return None if stream == "removals" else between(millis(since), millis(until)).dump()

    @property
    def objects(self) -> Sequence[str]:
        return [type for type in ("contacts", "companies") if type in self._readers]

    def census(self, object: str, cursor: Cursor | None) -> Census:
        return self._understood(lambda: self._inventory.census(object, cursor), Lane.REFRESH)

    def fetch(self, refs: Sequence[RecordRef], *, binned: bool = False) -> Page:
        if len({ref.object for ref in refs}) > 1:
            raise ValueError("the rows to fetch are of more than one object")
        return self._understood(lambda: self._inventory.fetch(refs, binned=binned), Lane.REFRESH)

    def push(self, writes: Sequence[FieldWrite], note: Note = unnoted) -> Sequence[WriteResult]:
        if len(writes) > PUSH_SIZE:
            raise ValueError(f"at most {PUSH_SIZE} records in a push, not {len(writes)}")
        return self._understood(lambda: self._writer.push(writes)) if writes else []

    def collect(self, parcel: Cursor, refs: Sequence[RecordRef], *, call_off: bool = False) -> Sequence[WriteResult]:
        """HubSpot answers every batch at once, so nothing is known of a parcel."""
        return [WriteResult(ref, WriteOutcome.UNRESOLVED) for ref in refs]

    def read_back(self, refs: Sequence[RecordRef]) -> Mapping[RecordRef, Mapping[ScoreField, Value]]:
        return self._understood(lambda: self._writer.read_back(refs))

    def alert(self, alerts: Sequence[Alert]) -> Sequence[AlertResult]:
        """See `connectors.alerts.Alerting`."""
        return self._understood(lambda: self._alerts.make(alerts), Lane.WRITE)

    def authors(self, changed: Mapping[RecordRef, Collection[ScoreField]]) -> Mapping[RecordRef, Author]:
        return self._understood(lambda: self._authors.of(changed), Lane.WRITE)

    def location(self, ref: RecordRef) -> str | None:
        """None also when HubSpot cannot be asked for the address of its pages now; it is asked once."""
        type_id = TYPE_IDS.get(ref.object)
        try:
            account = self._session.account()
        except CrmError:
            return None
        if account is None or type_id is None:
            return None
        return f"https://{account.ui}/contacts/{account.portal}/record/{type_id}/{ref.id}"

    def quota(self) -> Quota | None:
        return self._session.quota

    def close(self) -> None:
        self._session.close()

    def _understood(self, call: Callable[[], T], lane: Lane = Lane.INBOUND) -> T:
        """`call()`; an answer that lacks what it must have is HubSpot's, and is said so without quoting it."""
        with understood(self.source):
            self._session.account(lane)
            return call()
