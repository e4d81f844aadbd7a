"""Scores out: profiles that are there get their properties set, and one outcome each.

An update of a profile that is not there would make one, also of somebody whose data were deleted. So it is looked first
which are there: a query for a thousand, as the read-back that proves the writes is another.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from connectors.mixpanel.faults import Full, Rejected, refused
from connectors.mixpanel.mapping import LAST_SEEN, MARKER, PROFILES, ProfileMapper
from connectors.mixpanel.session import IDS, Session
from connectors.mixpanel.values import rendered, score_fields
from connectors.quota import Lane
from connectors.records import FieldWrite, RecordRef, ScoreField, Value, WriteOutcome, WriteResult

PUSH_SIZE = IDS
"""Profiles of a push: what one query tells of. Each is at most two updates of the 2,000 that a request may carry."""
MOST_BYTES = 1_900_000
"""Of a request: the guide says 10 MB, the refusal 2 MB."""

MOST_APART = 64
"""Batches of a push that are halved: enough to find six among a thousand."""

Update = tuple[RecordRef, Mapping[str, Any]]


class Writer:
    """Writes to profiles, by distinct id."""

    def __init__(self, session: Session, mapper: ProfileMapper) -> None:
        self._session, self._mapper = session, mapper

    def push(self, writes: Sequence[FieldWrite]) -> list[WriteResult]:
        """One result per write, in order. Two writes for one profile are one: the later value counts."""
        foreign: dict[RecordRef, WriteResult] = {}
        wanted: dict[RecordRef, dict[ScoreField, Value]] = {}
        for write in writes:
            if write.ref.object != PROFILES or write.ref.source != self._session.source or write.ref.id == MARKER:
                what = "scores are written to this project's profiles only"
                foreign[write.ref] = WriteResult(write.ref, WriteOutcome.REFUSED, "WRONG_OBJECT", what)
            else:
                wanted.setdefault(write.ref, {}).update(write.values)
        results = foreign | (self._written(wanted) if wanted else {})
        return [results[write.ref] for write in writes]

    def _written(self, wanted: Mapping[RecordRef, Mapping[ScoreField, Value]]) -> dict[RecordRef, WriteResult]:
        asked = [LAST_SEEN, *self._mapper.written]
        try:
            there = self._session.profiles([ref.id for ref in wanted], Lane.WRITE, asked)
        except Full as full:  # nothing was sent: each may be written later, and none need be read back
            return {ref: _later(ref, "FULL", full) for ref in wanted}
        results = {ref: WriteResult(ref, WriteOutcome.GONE, "NO_PROFILE", "the profile is gone") for ref in wanted}
        results |= {ref: WriteResult(ref, WriteOutcome.WRITTEN) for ref in wanted if ref.id in there}
        updates = [each for ref in wanted if ref.id in there for each in self._updates(ref, wanted[ref], there[ref.id])]
        return results | self._sent(updates)

    def read_back(self, refs: Sequence[RecordRef]) -> dict[RecordRef, Mapping[ScoreField, Value]]:
        """The score fields as queries show them."""
        mine = {ref.id: ref for ref in refs if ref.object == PROFILES and ref.source == self._session.source}
        found = self._session.profiles(list(mine), Lane.WRITE, self._mapper.written) if mine else {}
        return {mine[id]: score_fields(properties, self._mapper.names) for id, properties in found.items()}

    def _updates(
        self, ref: RecordRef, values: Mapping[ScoreField, Value], there: Mapping[str, Any]
    ) -> Iterator[Update]:
        given, taken = rendered(values, self._mapper.names, there)
        if given:
            yield ref, update(self._session.token, ref.id, "$set", given)
        if taken:
            yield ref, update(self._session.token, ref.id, "$unset", taken)

    def _sent(self, updates: Sequence[Update]) -> dict[RecordRef, WriteResult]:
        """Those that were not written, and why. A batch that is refused without a word of which record is halved: the
        one that is refused alone is it."""
        waiting, failed, apart = deque(batches(updates)), dict[RecordRef, WriteResult](), 0
        while waiting:
            batch = waiting.popleft()
            wrong = self._refused(batch)
            if wrong is not None:
                failed |= {batch[place][0]: _refused(batch[place][0], part) for place, part in wrong.items()}
            elif len(batch) == 1:
                failed[batch[0][0]] = _refused(batch[0][0], "not named")
            elif apart == MOST_APART:
                failed |= {ref: _later(ref, "UNNAMED") for ref, _ in batch}
            else:
                apart, half = apart + 1, len(batch) // 2
                waiting.extendleft((batch[half:], batch[:half]))
        return failed

    def _refused(self, batch: Sequence[Update]) -> Mapping[int, str] | None:
        try:
            body = self._session.engage([each for _, each in batch], Lane.WRITE)
        except Rejected:
            return None
        return refused(self._session.source, body, len(batch))


def update(token: str, id: str, operation: str, what: Any) -> dict[str, Any]:
    """One update. It leaves `$last_seen` alone: nobody was seen."""
    return {"$token": token, "$distinct_id": id, "$ignore_time": True, operation: what}


def batches(updates: Sequence[Update]) -> Iterator[list[Update]]:
    """In requests that are not too large."""
    batch: list[Update] = []
    size = 0
    for each in updates:
        its = len(json.dumps(each[1]).encode()) + 2
        if batch and size + its > MOST_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += its
    if batch:
        yield batch


def _refused(ref: RecordRef, part: str) -> WriteResult:
    what = f"Mixpanel refuses it in: {part}; has the profile 2,000 properties? Delete some that nobody uses"
    return WriteResult(ref, WriteOutcome.REFUSED, "INVALID", what)


def _later(ref: RecordRef, code: str, full: Full | None = None) -> WriteResult:
    what = full.message if full else "Mixpanel refuses many records and names none; the rest is tried later"
    return WriteResult(ref, WriteOutcome.RETRY, code, what, (full and full.retry_after) or timedelta(hours=1))
