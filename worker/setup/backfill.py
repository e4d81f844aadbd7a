"""The first read of CRM accounts in the foreground, or one more from the beginning; beside workers or without any.

Every slice is under the stream's lease, so that no two processes read the same, and every page is stored with its
cursor: whoever goes on, goes on from there. Calls are the backfill lane's, the first to stop when the day runs short.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from connectors.errors import AuthFailed, CrmError, Misconfigured, ProtocolViolation
from connectors.quota import Lane
from worker.bootstrap import Process
from worker.settings import ConfigurationError
from worker.store import streams
from worker.store.streams import Load, Role, StreamStatus
from worker.sync.pull import pull

Key = tuple[str, str]
"""A source and one of its streams."""


@dataclass(slots=True)
class Backfill:
    """What is still to be read to its end. `since`: by stream, the instant that its complete read must have begun
    after; `seen`: facts that this process read; `problems`: by source, what a person must put right; `held`: streams
    that were to begin anew and are being read by a worker."""

    process: Process
    left: list[Key]
    since: dict[Key, datetime] = field(default_factory=dict)
    seen: dict[Key, int] = field(default_factory=dict)
    problems: dict[str, CrmError] = field(default_factory=dict)
    held: list[Key] = field(default_factory=list)

    def step(self) -> bool:
        """Read one stream for a slice; False where none is due, or others have those that are."""
        for key in list(self.left):
            source, name = key
            crm = self.process.crm(source)
            spec = next(stream for stream in crm.streams if stream.name == name)
            self.left.remove(key)
            self.left.append(key)  # the next slice is another stream's, and so another CRM's in time
            pulled = pull(self.process.holder, crm, spec, pace=partial(self.process.pace, source))
            if pulled is None:
                continue
            self.seen[key] = self.seen.get(key, 0) + pulled.seen
            if isinstance(pulled.problem, AuthFailed | Misconfigured | ProtocolViolation):
                self.problems[source] = pulled.problem
                self.left = [other for other in self.left if other[0] != source]
            return True
        return False

    def look(self) -> None:
        """Take out what has been read to its end, by whomever."""
        standing = {key: its for key, its in self._standing() if its.complete_at is not None}
        self.left = [
            key for key in self.left
            if key not in standing or (key in self.since and _at(standing[key]) < self.since[key])
        ]  # fmt: skip

    def loads(self) -> dict[Key, Load]:
        """First reads that are under way, by anybody."""
        with self.process.engine.connect() as connection:
            return {(its.source, its.name): its for its in streams.loads(connection, self.process.sources)}

    def next_due(self) -> datetime | None:
        """When the next of what is left can be gone on with; None where nothing is left."""
        left = set(self.left)
        return min(
            (max(its.due_at, its.lease_until or its.due_at) for key, its in self._standing() if key in left),
            default=None,
        )

    def calls_left(self) -> Iterator[tuple[str, int, datetime | None]]:
        """By source that calls are counted of: those that a backfill may still make today, and until when it rests."""
        for source in dict.fromkeys(source for source, _ in self.left):
            standing = self.process.standing(source)
            lots = [lot for lot in standing.lots if lot.lane == Lane.BACKFILL] if standing else []
            yield from ((source, lot.left, lot.parked_until) for lot in lots)

    def _standing(self) -> Iterator[tuple[Key, StreamStatus]]:
        with self.process.engine.connect() as connection:
            rows = streams.status(connection)
        yield from (((row.source, row.name), row) for row in rows if row.role is Role.PULL)


def begin(process: Process, sources: Collection[str], names: Collection[str], *, again: bool) -> Backfill:
    """What there is to read. `again`: from the beginning, also where it was read; what is stored stays, scores go on,
    and news waits until it is through. Raises `ConfigurationError` for a stream that no source has."""
    assert process.registered
    known = {(source, stream.name) for source in process.sources for stream in process.crm(source).streams}
    if strange := sorted(set(names) - {name for _, name in known}):
        there = ", ".join(sorted({name for source, name in known if source in sources}))
        raise ConfigurationError(f"no stream is called {strange[0]}; there are {there}")
    wanted = sorted(key for key in known if key[0] in sources and (not names or key[1] in names))
    made = Backfill(process, wanted)
    if again:
        now = process.now()
        with process.engine.begin() as connection:
            made.left = [key for key in wanted if streams.read_again(connection, *key, now)]
        made.since, made.held = dict.fromkeys(made.left, now), [key for key in wanted if key not in made.left]
    made.look()
    return made


def _at(its: StreamStatus) -> datetime:
    assert its.complete_at is not None
    return its.complete_at
