"""What is due, as wake-ups. One carries no work: whoever gets it asks the database, and a lost one is sent again."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from connectors.port import Stream
from worker.store import alerts, outbox, people, readings, scores, streams
from worker.store.streams import Role
from worker.sync.reconcile import CENSUS_EVERY


@dataclass(frozen=True, slots=True)
class Pull:
    source: str
    stream: str


@dataclass(frozen=True, slots=True)
class Push:
    source: str


@dataclass(frozen=True, slots=True)
class Rescore:
    partition: int


@dataclass(frozen=True, slots=True)
class Reconcile:
    source: str


def register(
    connection: Connection, sources: Mapping[str, Sequence[Stream]], now: datetime, dry_runs: Collection[str] = ()
) -> None:
    """Make sure that every configured stream has its row."""
    rows = [(source, stream.name, Role.PULL, now) for source, its in sources.items() for stream in its]
    for source in sources:
        rows += [(source, streams.PUSH, Role.PUSH, now), (source, streams.CENSUS, Role.CENSUS, now + CENSUS_EVERY)]
    streams.ensure(connection, rows)
    streams.note_dry_runs(connection, dry_runs)


WakeUp = Pull | Push | Reconcile | Rescore


def plan(
    connection: Connection,
    sources: Sequence[str],
    scales: Sequence[people.Scale],
    partitions: int,
    verify_after: timedelta,
    now: datetime,
    held: Collection[str] = (),
) -> Iterator[WakeUp]:
    """Everything that is due at `now`; the score history gets its partitions in passing. `held`: sources that nothing
    is written to."""
    scores.ensure_partitions(connection, now)
    readings.hasten(connection, sources, now)
    for source, stream, role in streams.due(connection, sources, now):
        yield Reconcile(source) if role is Role.CENSUS else Pull(source, stream)
    if not streams.loading(connection, sources):
        for partition in people.due_partitions(connection, scales, partitions, now):
            yield Rescore(partition)
    told = set(alerts.due_sources(connection, now)) - set(held)
    due = outbox.due_sources(connection, sources, now, now - verify_after, held)
    for source in sorted(told.union(due)):
        if source in sources:
            yield Push(source)
