"""A Mixpanel project as a `Crm`."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

from connectors.errors import Misconfigured
from connectors.examination import Examination
from connectors.mixpanel.check import Checker
from connectors.mixpanel.events import Events
from connectors.mixpanel.mapping import PROFILES, ProfileMapper
from connectors.mixpanel.profiles import Profiles
from connectors.mixpanel.push import PUSH_SIZE, Writer
from connectors.mixpanel.session import Session
from connectors.mixpanel.settings import STREAMS, MixpanelSettings
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
from connectors.quota import Gate
from connectors.records import Author, FieldWrite, RecordRef, ScoreField, Value, WriteOutcome, WriteResult
from connectors.tokens import Tokens
from connectors.transport import Clock, Observer, wall
from connectors.understood import Misused, understood


def open_mixpanel(
    settings: MixpanelSettings, *, gate: Gate, tokens: Tokens, observer: Observer,
    sleep: Callable[[float], None] = time.sleep, clock: Clock = wall,
) -> Crm:  # fmt: skip
    """The project that `settings` describe. Makes no call yet; there is nothing to log in to.

    Raises `Misconfigured` when the CA bundle cannot be read.
    """
    return MixpanelCrm(settings, Session(settings, gate=gate, observer=observer, sleep=sleep, clock=clock), tokens)


class MixpanelCrm:
    """One project: profiles and events."""

    provable = True

    def __init__(self, settings: MixpanelSettings, session: Session, tokens: Tokens) -> None:
        self._settings, self._session = settings, session
        mapper = ProfileMapper(settings)
        self._profiles = Profiles(settings, session, mapper)
        self._events = Events(settings, session)
        self._writer = Writer(session, mapper)
        self._checker = Checker(settings, session, mapper, tokens)
        self._streams = [name for name in STREAMS if name not in settings.without]

    @property
    def source(self) -> str:
        return self._settings.name

    @property
    def streams(self) -> Sequence[Stream]:
        """One tier: what shows late is found by reading the last stretch again, at every look."""
        every = {"profiles": self._settings.timings.profiles, "events": self._settings.timings.events}
        return [Stream(name, every[name], frozenset({Tier.COMPLETE})) for name in self._streams]

    @property
    def writable(self) -> frozenset[ScoreField]:
        return frozenset(self._settings.mapped)

    def push_size(self, waiting: int) -> int:
        return PUSH_SIZE

    def check(self, buckets: Collection[str] = BUCKETS) -> Sequence[Problem]:
        """A property holds whatever is written to it, so `buckets` need no place."""
        return self._checker.check()

    def examine(self, buckets: Collection[str] = BUCKETS) -> Examination:
        """See `connectors.examination.Examining`."""
        return self._checker.examine()

    def pull(
        self, stream: str, cursor: Cursor | None, tier: Tier, known: Known = nothing_known, looked: Cursor | None = None
    ) -> Page:
        if stream not in self._streams:
            raise Misconfigured(self.source, f"there is no stream {stream!r}; there are {', '.join(self._streams)}")
        with understood(self.source):
            return self._profiles.pull(cursor) if stream == "profiles" else self._events.pull(cursor)

    def size(self, stream: str) -> int | None:
        """Nobody counts events but who exports them."""
        with understood(self.source):
            return self._profiles.size() if stream == "profiles" else None

    def window(self, stream: str, since: datetime, until: datetime) -> Cursor | None:
        return self._profiles.window(since, until) if stream == "profiles" else self._events.window(since, until)

    @property
    def objects(self) -> Sequence[str]:
        return [PROFILES] if "profiles" in self._streams else []

    def census(self, object: str, cursor: Cursor | None) -> Census:
        with understood(self.source):
            return self._profiles.census(object, cursor)

    def fetch(self, refs: Sequence[RecordRef], *, binned: bool = False) -> Page:
        with understood(self.source):
            return self._profiles.fetch(refs)

    def push(self, writes: Sequence[FieldWrite], note: Note = unnoted) -> Sequence[WriteResult]:
        if len(writes) > PUSH_SIZE:
            raise Misused(f"at most {PUSH_SIZE} records in a push, not {len(writes)}")
        with understood(self.source):
            return self._writer.push(writes)

    def collect(self, parcel: Cursor, refs: Sequence[RecordRef], *, call_off: bool = False) -> Sequence[WriteResult]:
        """Mixpanel answers every batch at once, so nothing is known of a parcel."""
        return [WriteResult(ref, WriteOutcome.UNRESOLVED) for ref in refs]

    def read_back(self, refs: Sequence[RecordRef]) -> Mapping[RecordRef, Mapping[ScoreField, Value]]:
        with understood(self.source):
            return self._writer.read_back(refs)

    def authors(self, changed: Mapping[RecordRef, Collection[ScoreField]]) -> Mapping[RecordRef, Author]:
        """Mixpanel keeps no history of properties."""
        return {}

    def location(self, ref: RecordRef) -> str | None:
        """A profile's page lies in a workspace, which the API does not tell."""
        return None

    def quota(self) -> Quota | None:
        """There is no day's allowance."""
        return None

    def close(self) -> None:
        self._session.close()
