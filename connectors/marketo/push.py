"""Scores out: one batch, one outcome a record, and what Marketo holds afterwards.

Leads are updated by id and never made (`updateOnly`). An answer that was lost is made good by sending again: values are
set, and the same ones twice change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.errors import Misconfigured
from connectors.marketo.faults import FIX, NO_FIELD, Rejected, field_of, reason, verdict
from connectors.marketo.leads import LEADS_PATH, LeadReader
from connectors.marketo.mapping import LEADS, LeadMapper
from connectors.marketo.merges import Merges
from connectors.marketo.session import Session, rows
from connectors.marketo.values import render, score_fields
from connectors.quota import Lane
from connectors.records import FieldWrite, RecordRef, ScoreField, Value, WriteOutcome, WriteResult

PUSH_SIZE = 300
TOO_LARGE = "413"
ONE_OF_THEM = frozenset({TOO_LARGE, "1001", "1003"})
"""Refusals of a whole request that a smaller one may not meet."""


class Writer:
    """Writes to the leads of one instance."""

    def __init__(self, session: Session, mapper: LeadMapper, leads: LeadReader, merges: Merges) -> None:
        self._session, self._mapper, self._leads, self._merges = session, mapper, leads, merges

    def push(self, writes: Sequence[FieldWrite]) -> list[WriteResult]:
        """One result per write, in order. Two writes for one record are one update: the later value counts.

        Raises `Misconfigured` for a field that does not exist, because then no record can succeed.
        """
        wanted: dict[RecordRef, dict[str, Any]] = {}
        for write in writes:
            if self._mine(write.ref):
                wanted.setdefault(write.ref, {}).update(self._rendered(write.values))
        results = self._sent(list(wanted.items()))
        if lost := [ref for ref, result in results.items() if result.outcome is WriteOutcome.GONE]:
            self._merges.refresh(Lane.WRITE)
            results |= {ref: moved for ref in lost if (moved := self._moved(ref)) is not None}
        why = "scores are written to this instance's leads only"
        return [
            results.get(write.ref) or WriteResult(write.ref, WriteOutcome.REFUSED, "WRONG_OBJECT", why)
            for write in writes
        ]

    def read_back(self, refs: Sequence[RecordRef]) -> dict[RecordRef, Mapping[ScoreField, Value]]:
        """The score fields as they are now. A lead that lives under another id is absent."""
        mine = {ref.id: ref for ref in refs if self._mine(ref)}
        fields = self._mapper.written(Lane.WRITE)
        found = self._leads.read(mine, fields, Lane.WRITE)
        return {mine[id]: score_fields(row, self._mapper.contract) for row in found if (id := str(row["id"])) in mine}

    def _mine(self, ref: RecordRef) -> bool:
        return ref.object == LEADS and ref.source == self._session.source and ref.id.isdecimal()

    def _rendered(self, values: Mapping[ScoreField, Value]) -> dict[str, Any]:
        names = self._mapper.contract
        return {names[field]: render(value) for field, value in values.items() if field in names}

    def _sent(self, updates: Sequence[tuple[RecordRef, Mapping[str, Any]]]) -> dict[RecordRef, WriteResult]:
        if not updates:
            return {}
        body = {
            "action": "updateOnly", "lookupField": "id",
            "input": [{"id": int(ref.id), **values} for ref, values in updates],
        }  # fmt: skip
        try:
            answer = self._session.post(LEADS_PATH, body, lane=Lane.WRITE)
        except Rejected as refusal:
            if refusal.code not in ONE_OF_THEM:
                raise
            if len(updates) == 1:
                ref, judged = updates[0][0], verdict(refusal.code)
                return {ref: WriteResult(ref, WriteOutcome.REFUSED, refusal.code, judged.fix)}
            half = len(updates) // 2
            return self._sent(updates[:half]) | self._sent(updates[half:])
        found = rows(self._session.source, answer)
        if len(found) != len(updates):
            why = "Marketo's answer has another number of records than was sent"
            return {ref: WriteResult(ref, WriteOutcome.UNRESOLVED, "NO_RESULT", why) for ref, _ in updates}
        return {ref: self._result(ref, row) for (ref, _), row in zip(updates, found, strict=True)}

    def _result(self, ref: RecordRef, row: Mapping[str, Any]) -> WriteResult:
        """Rows come in the order of the input; one that was skipped may carry no id."""
        if row.get("id") is not None and str(row["id"]) != ref.id:
            return WriteResult(ref, WriteOutcome.UNRESOLVED, "OTHER_RESULT", "Marketo's answer is of another lead")
        if row.get("status") in ("updated", "created"):
            return WriteResult(ref, WriteOutcome.WRITTEN)
        code, message = reason(row)
        if code == NO_FIELD:
            name = field_of(message) or "of the contract"
            raise Misconfigured(self._session.source, f"there is no lead field {name}: {FIX[NO_FIELD]}")
        judged = verdict(code)
        named = f"field {name}: " if (name := field_of(message)) else ""
        return WriteResult(ref, judged.outcome, code, named + judged.fix, retry_after=judged.retry_after)

    def _moved(self, ref: RecordRef) -> WriteResult | None:
        survivor = self._merges.survivor(ref.id)
        if survivor is None:
            return None
        moved = self._mapper.ref(survivor)
        return WriteResult(ref, WriteOutcome.MOVED, "MERGED", "the lead was merged into another", moved_to=moved)
