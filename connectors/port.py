"""What the application asks of a CRM, and nothing of how a vendor does it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from connectors.records import (
    AccountRecord,
    Activity,
    AttributeChange,
    Author,
    Deletion,
    FieldWrite,
    LeadRecord,
    Outcome,
    RecordRef,
    ScoreField,
    Value,
    WriteResult,
)

Cursor = Mapping[str, Any]
"""Where a stream stands: JSON, written and read by the connector alone."""


BUCKETS = ("hot", "warm", "nurture", "cold", "unscored")
"""What `ScoreField.BUCKET` holds by the shipped policy."""

Note = Callable[[Cursor], None]
"""Stores a parcel: JSON that names work which goes on at the CRM. Whatever it raises stops the push."""


def unnoted(parcel: Cursor) -> None:
    """For a caller that asks for no more records in a push than are answered at once."""


Known = Callable[[Sequence[RecordRef]], Mapping[RecordRef, datetime]]
"""Of rows of people and accounts, the versions that are stored: `modified_at` of those that are."""


def nothing_known(refs: Sequence[RecordRef]) -> Mapping[RecordRef, datetime]:
    """For a caller that stores nothing."""
    return {}


class Tier(StrEnum):
    """How far a read goes. CRMs commit late and index late, so no single bound is both quick and sure.

    COMPLETE stops below the instant up to which the CRM shows everything, and its cursor may be stored.
    FAST reads from the stored cursor up to now, and its cursor must be thrown away. What it read before it need not
    read again: how far it looked is in the last page of each look, and may be given to the next one.
    """

    COMPLETE = "complete"
    FAST = "fast"


@dataclass(frozen=True, slots=True)
class Stream:
    """One thing to poll. `every` is how often the fast tier looks when the API budget allows; `tiers` which it has."""

    name: str
    every: timedelta
    tiers: frozenset[Tier] = frozenset(Tier)


@dataclass(frozen=True, slots=True)
class Page:
    """What one call to `pull` brought. `done` says that the window is drained; until then pull again with `cursor`.

    `backfill` says that the facts were not seen as they happened: they are known since the CRM recorded them, not
    since now. `looked`: how far the fast tier looked, once it is done.
    """

    cursor: Cursor
    done: bool
    leads: Sequence[LeadRecord] = ()
    accounts: Sequence[AccountRecord] = ()
    activities: Sequence[Activity] = ()
    outcomes: Sequence[Outcome] = ()
    deletions: Sequence[Deletion] = ()
    history: Sequence[AttributeChange] = ()
    backfill: bool = False
    looked: Cursor | None = None
    fields: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        parts = (self.leads, self.accounts, self.activities, self.outcomes, self.deletions, self.history)
        return sum(map(len, parts))


@dataclass(frozen=True, slots=True)
class Census:
    """One page of the rows that an object has now, by reference and in no order. `done`: there are no more.

    `stamps`, in the order of `refs`, are those that `pull` brings as `modified_at`; none where the CRM has none.
    """

    refs: Sequence[RecordRef]
    cursor: Cursor
    done: bool
    stamps: Sequence[datetime] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that a person has to put right. `code` is stable; `fix` is the next thing to do."""

    code: str
    where: str
    what: str
    fix: str
    fatal: bool = True


@dataclass(frozen=True, slots=True)
class Quota:
    """The CRM's daily allowance as it was last told to us. Calls, not records; everyone's."""

    used: int
    limit: int


class Crm(Protocol):
    """One configured CRM account.

    Every method raises `CrmError`s only. Nothing is retried for longer than 20 seconds inside a call; a wait beyond
    that is raised as `Transient.retry_after` or `QuotaExhausted.resume_at`. Not safe to share between processes:
    open one after the fork. One thread at a time calls it, which need not be the one that opened it: the next page is
    read while one is being stored.
    """

    @property
    def source(self) -> str: ...

    @property
    def streams(self) -> Sequence[Stream]: ...

    @property
    def writable(self) -> frozenset[ScoreField]:
        """The score fields that are mapped to a field of this CRM."""

    @property
    def provable(self) -> bool:
        """Whether the CRM can be asked what it holds. Where it cannot, nobody calls `read_back`, and a write that it
        accepted is proved only if a later pull happens to show it."""

    def push_size(self, waiting: int) -> int:
        """Records that one push may carry when so many wait to be written: more where the CRM takes many at once."""

    def check(self, buckets: Collection[str] = BUCKETS) -> Sequence[Problem]:
        """Look at credentials, objects, fields and permissions; returns all problems, never raises for one of them.
        `buckets`: what `ScoreField.BUCKET` will hold."""

    def pull(
        self, stream: str, cursor: Cursor | None, tier: Tier, known: Known = nothing_known, looked: Cursor | None = None
    ) -> Page:
        """Read one page at and after `cursor` (None: from the beginning of time). A row that is `known` in the version
        that was found need not be read, nor need the fast tier read what was stored before it had `looked` so far.

        Safe to repeat. Rows at a boundary may come twice, never zero times. Raises `Transient`, `QuotaExhausted`,
        `AuthFailed`, `Misconfigured`, `ProtocolViolation`.
        """

    def size(self, stream: str) -> int | None:
        """About how many rows a first read of the stream brings, to tell when it will be through; at most one call, in
        the lane of backfills. None where the CRM cannot say."""

    def window(self, stream: str, since: datetime, until: datetime) -> Cursor | None:
        """A cursor from which the complete tier reads what was last changed in [since, until), which has settled, and
        ends; in the lane of refreshes. None for a stream that cannot be read so."""

    @property
    def objects(self) -> Sequence[str]:
        """The vendor's objects of people and accounts, for `census` and `fetch`."""

    def census(self, object: str, cursor: Cursor | None) -> Census:
        """Page through the rows of an object as the primary store holds them: what no cursor sees (purges, erasures,
        sharing, late commits) is found by comparing them with what is known. In the lane of refreshes."""

    def fetch(self, refs: Sequence[RecordRef], *, binned: bool = False) -> Page:
        """Read rows of one object by reference, as `pull` would bring them (`done`, no cursor to store); those that are
        gone come as deletions.

        `binned`: all of them lay in the recycle bin when they were last seen. Those that still do may be left out, and
        one that nothing shows any more is gone for good: erased, where that is how the CRM erases a person.
        """

    def push(self, writes: Sequence[FieldWrite], note: Note = unnoted) -> Sequence[WriteResult]:
        """Set score fields, as many records as `push_size` says at most, one result per write and in their order.

        Safe to repeat: values are set, never added. Raises when the call as a whole failed; then any part of it may
        have been written. Where the CRM goes on by itself, `note` is called with the parcel before anything is sent and
        the results are `UNRESOLVED`: nothing else is to be pushed until `collect` has come to an end.
        """

    def collect(
        self, parcel: Cursor, refs: Sequence[RecordRef], *, call_off: bool = False
    ) -> Sequence[WriteResult] | None:
        """What became of the records of a parcel, in the order of `refs`; None while the CRM is still at it.

        Any process may ask, again and again, for some seconds each time. What was never begun is called off, what takes
        too long too, and with `call_off` whatever is under way; then some records are `UNRESOLVED`.
        """

    def read_back(self, refs: Sequence[RecordRef]) -> Mapping[RecordRef, Mapping[ScoreField, Value]]:
        """The mapped score fields as the CRM's primary store holds them, null left out; a gone record is absent."""

    def authors(self, changed: Mapping[RecordRef, Collection[ScoreField]]) -> Mapping[RecordRef, Author]:
        """Who changed these fields of records last, as far as the CRM tells: by its history where it keeps one, else by
        who changed the record last. A record that nothing is known of is absent."""

    def location(self, ref: RecordRef) -> str | None:
        """The address of the record's page for a person, if there is one."""

    def quota(self) -> Quota | None:
        """The daily allowance as the last answers told it; costs no call."""

    def close(self) -> None: ...
