"""An Amplitude project as a `Crm`."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from connectors.amplitude.check import Checker
from connectors.amplitude.cohorts import Cohorts
from connectors.amplitude.erasures import Erasures
from connectors.amplitude.mapping import USERS, Mapper
from connectors.amplitude.provision import Provision
from connectors.amplitude.pull import Events
from connectors.amplitude.push import LARGE, PUSH_SIZE, Writer
from connectors.amplitude.session import Session
from connectors.amplitude.settings import STREAMS, AmplitudeSettings
from connectors.errors import Misconfigured
from connectors.examination import Examination
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
from connectors.records import Author, Deletion, FieldWrite, RecordRef, ScoreField, Value, WriteOutcome, WriteResult
from connectors.tokens import Tokens
from connectors.transport import Clock, Observer, wall
from connectors.understood import Misused, understood


def open_amplitude(
    settings: AmplitudeSettings, *, gate: Gate, tokens: Tokens, observer: Observer,
    sleep: Callable[[float], None] = time.sleep, clock: Clock = wall,
) -> Crm:  # fmt: skip
    """The project that `settings` describe. Makes no call yet; there is nothing to log in to.

    Raises `Misconfigured` when the CA bundle cannot be read.
    """
    return AmplitudeCrm(settings, Session(settings, gate=gate, observer=observer, sleep=sleep, clock=clock))


class AmplitudeCrm:
    """One project: its users, what they did, and their scores."""

    def __init__(self, settings: AmplitudeSettings, session: Session) -> None:
        self._settings, self._session = settings, session
        mapper = Mapper(settings)
        self._cohorts = Cohorts(settings, session)
        self._events = Events(settings, session, mapper)
        self._erasures = Erasures(session, mapper)
        self._writer = Writer(settings, session, mapper, self._cohorts)
        self._checker = Checker(settings, session, self._cohorts)

    @property
    def source(self) -> str:
        return self._settings.name

    @property
    def streams(self) -> Sequence[Stream]:
        """What can be exported is settled, so there is one tier."""
        timings = self._settings.timings
        every = {"events": timings.every, "erasures": timings.every_slow}
        return [Stream(name, every[name], frozenset({Tier.COMPLETE})) for name in self._names]

    @property
    def _names(self) -> Sequence[str]:
        return [name for name in STREAMS if name not in self._settings.without]

    @property
    def writable(self) -> frozenset[ScoreField]:
        return frozenset(self._settings.mapped)

    @property
    def provable(self) -> bool:
        return self._settings.provable

    def push_size(self, waiting: int) -> int:
        return LARGE if waiting >= LARGE else PUSH_SIZE

    def check(self, buckets: Collection[str] = BUCKETS) -> Sequence[Problem]:
        return self._checker.check(buckets)

    def examine(self, buckets: Collection[str] = BUCKETS) -> Examination:
        """See `connectors.examination.Examining`. Nobody can count users."""
        problems = self.check(buckets)
        project = self._settings.project
        ahead = timedelta(seconds=self._session.ahead)
        return Examination(
            f"project {project} ({self._settings.region})", str(project), {USERS: None}, None, ahead, problems
        )

    def provision(
        self, *, dry_run: bool, user: str | None = None, buckets: Collection[str] = BUCKETS
    ) -> Iterator[Step]:
        """See `connectors.provisioning.Provisioning`."""
        return Provision(self._settings, self._session, self._cohorts).steps(dry_run=dry_run)

    def user(self) -> None:
        """Keys act for the project."""

    def pull(
        self, stream: str, cursor: Cursor | None, tier: Tier, known: Known = nothing_known, looked: Cursor | None = None
    ) -> Page:
        if stream not in self._names:
            raise Misconfigured(self.source, f"there is no stream {stream!r}; there are {', '.join(self._names)}")
        reader: Events | Erasures = self._events if stream == "events" else self._erasures
        with understood(self.source):
            return reader.pull(cursor)

    def size(self, stream: str) -> None:
        """To count events is to export them."""

    def window(self, stream: str, since: datetime, until: datetime) -> Cursor | None:
        """Whole hours of upload."""
        return self._events.between(since, until) if stream == "events" else None

    @property
    def objects(self) -> Sequence[str]:
        """Amplitude lists no users."""
        return ()

    def census(self, object: str, cursor: Cursor | None) -> Census:
        raise Misconfigured(self.source, "Amplitude has no list of users to compare with")

    def fetch(self, refs: Sequence[RecordRef], *, binned: bool = False) -> Page:
        """Which of these users Amplitude knows no more; nothing else can be read by reference."""
        if len({ref.object for ref in refs}) > 1:
            raise Misused("the rows to fetch are of more than one object")
        if not self.provable:
            return Page({}, done=True)
        with understood(self.source):
            there = self._writer.read_back(refs, Lane.REFRESH)
            now = self._session.now(Lane.REFRESH)
            gone = [Deletion(ref, now, unseen=True) for ref in refs if ref not in there]
            return Page({}, done=True, deletions=gone)

    def push(self, writes: Sequence[FieldWrite], note: Note = unnoted) -> Sequence[WriteResult]:
        if len(writes) > LARGE:
            raise ValueError(f"at most {LARGE} records in a push, not {len(writes)}")
        with understood(self.source):
            return self._writer.push(writes) if writes else []

    def collect(self, parcel: Cursor, refs: Sequence[RecordRef], *, call_off: bool = False) -> Sequence[WriteResult]:
        """Amplitude answers every upload at once, so nothing is known of a parcel."""
        return [WriteResult(ref, WriteOutcome.UNRESOLVED) for ref in refs]

    def read_back(self, refs: Sequence[RecordRef]) -> Mapping[RecordRef, Mapping[ScoreField, Value]]:
        with understood(self.source):
            return self._writer.read_back(refs)

    def authors(self, changed: Mapping[RecordRef, Collection[ScoreField]]) -> Mapping[RecordRef, Author]:
        """Amplitude does not say who set a property."""
        return {}

    def location(self, ref: RecordRef) -> str | None:
        """A user's page goes by the name of the organization, which no API tells."""
        return None

    def quota(self) -> Quota | None:
        """Amplitude counts no calls of a day."""
        return None

    def close(self) -> None:
        self._events.close()
        self._session.close()
