"""Rows as facts: people, what they did, and deals."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any

from connectors.files.flaw import Flaw
from connectors.files.mapping import ATTRIBUTE_TYPES, Activities, Leads, Mappings, Outcomes, Table
from connectors.files.source import Line
from connectors.files.values import Unreadable, Values
from connectors.records import EMAIL, Activity, ActivityKind, LeadRecord, Outcome, OutcomeStatus, RecordRef
from connectors.records import RecordState as State

LEADS = "leads"
STREAMS = (LEADS, "activities", "outcomes")
_KINDS = {kind.value: kind for kind in ActivityKind}
_MISSING = ("is empty", "every row needs one")


@dataclass(slots=True)
class Facts:
    """What rows said."""

    leads: list[LeadRecord] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)


class Reading(ABC):
    """Reads the rows of one table. `left_out` counts, by column, what had to be left out, and where it first was."""

    def __init__(self, source: str, stream: str, path: Path, table: Table, mappings: Mappings) -> None:
        self.left_out: Counter[str] = Counter()
        self.first_left_out: dict[str, Flaw] = {}
        self.source, self.stream, self.path, self.table = source, stream, path, table
        self.values = Values(table, mappings.zone)
        self._columns = table.mapped
        self._positions = {name: position for position, name in enumerate(table.mapped)}

    @abstractmethod
    def add(self, facts: Facts, line: Line, id: str, since: datetime | None) -> None:
        """Add the facts of a row known as `id`. `since`: it changed in the file by then, None if it did not.

        Raises `Flaw` for a cell that the row cannot do without.
        """

    def id(self, line: Line) -> str | None:
        """The row's id; None where the table has no column for it."""
        return str(self.needed(line, "id", self.values.key)) if "id" in self._positions else None

    def ref(self, id: str) -> RecordRef:
        return RecordRef(self.source, self.stream, id)

    def raw(self, line: Line, name: str) -> Any:
        """The cell, None where nothing is known or no column is mapped."""
        position = self._positions.get(name)
        if position is None or self.values.null(line.cells[position]):
            return None
        return line.cells[position]

    def needed(self, line: Line, name: str, read: Any) -> Any:
        raw = self.raw(line, name)
        if raw is None:
            raise self.flaw(line, name, *_MISSING)
        return self._read(line, name, raw, read)

    def known(self, line: Line, name: str, read: Any) -> Any:
        """None where nothing is known."""
        raw = self.raw(line, name)
        return None if raw is None else self._read(line, name, raw, read)

    def flaw(self, line: Line, name: str, what: str, allowed: str) -> Flaw:
        return Flaw(self.path, what, allowed, row=line.place.row, column=self._columns[name])

    def leave_out(self, column: str, flaw: Flaw) -> None:
        self.left_out[column] += 1
        self.first_left_out.setdefault(column, flaw)

    def _read(self, line: Line, name: str, raw: Any, read: Any) -> Any:
        try:
            return read(raw)
        except Unreadable as problem:
            raise self.flaw(line, name, problem.what, problem.allowed) from None


class LeadRows(Reading):
    """One person a row. Without a column that tells when it changed, a row stands as it is since it was created."""

    table: Leads

    def add(self, facts: Facts, line: Line, id: str, since: datetime | None) -> None:
        created = self.needed(line, "created_at", self.values.instant)
        modified = self.known(line, "modified_at", self.values.instant)
        attributes = {}
        for name, column in self.table.attributes.items():
            try:
                value = self.values.typed(
                    self.raw(line, f"attributes.{name}"), column.type or ATTRIBUTE_TYPES.get(name)
                )
            except Unreadable as odd:
                self.leave_out(column.column, self.flaw(line, f"attributes.{name}", odd.what, odd.allowed))
                continue
            if value is not None:
                attributes[name] = value
        if "phone" in self._positions:
            attributes["has_phone"] = self.raw(line, "phone") is not None
        email = self.known(line, "email", self.values.text)
        facts.leads.append(
            LeadRecord(
                ref=self.ref(id),
                state=self._state(line),
                created_at=created,
                modified_at=max(filter(None, (modified or created, since))),
                email=email.lower() if email else None,
                name=self.known(line, "name", self.values.text),
                attributes=attributes,
            )
        )

    def _state(self, line: Line) -> State:
        text = self.known(line, "state", self.values.text)
        return self.table.states.get(text, State.OPEN) if text is not None else State.OPEN


class ActivityRows(Reading):
    """One act a row, of one person, known by lead or by e-mail address. Some types are deals."""

    table: Activities

    def __init__(self, source: str, stream: str, path: Path, table: Activities, mappings: Mappings) -> None:
        super().__init__(source, stream, path, table, mappings)
        self._rules = [(re.compile(rule.pattern, re.IGNORECASE), rule) for rule in table.types]
        self._meanings: dict[str, ActivityKind | OutcomeStatus | None] = {}

    def add(self, facts: Facts, line: Line, id: str, since: datetime | None) -> None:
        type = self.needed(line, "type", self.values.text)
        if type not in self._meanings:
            self._meanings[type] = self._meaning(line, type)
        meaning = self._meanings[type]
        if meaning is None:
            return
        at = self.needed(line, "occurred_at", self.values.instant)
        recorded = self.known(line, "recorded_at", self.values.instant) or at
        person = self._person(line)
        if isinstance(meaning, OutcomeStatus):
            amount = self.known(line, "amount", self.values.number)
            closed = None if meaning is OutcomeStatus.OPEN else at
            facts.outcomes.append(
                Outcome(
                    self.ref(id), meaning, type, at, max(recorded, since or recorded), closed, amount, None, (person,)
                )
            )
            return
        seconds = self.known(line, "seconds", self.values.number)
        facts.activities.append(
            Activity(
                ref=self.ref(id),
                kind=meaning,
                people=(person,),
                occurred_at=at,
                recorded_at=recorded,
                detail=self.known(line, "detail", self.values.text) or type,
                duration=None if seconds is None else self._duration(line, seconds),
            )
        )

    def _meaning(self, line: Line, type: str) -> ActivityKind | OutcomeStatus | None:
        for pattern, rule in self._rules:
            if pattern.search(type):
                return rule.kind or rule.outcome
        if type.lower() in _KINDS:
            return _KINDS[type.lower()]
        allowed = f"add a rule under activities.types (skip: true leaves them out); kinds: {', '.join(ActivityKind)}"
        self.leave_out(self._columns["type"], self.flaw(line, "type", "no rule says what this type means", allowed))
        return None

    def _person(self, line: Line) -> RecordRef:
        lead = self.known(line, "lead", self.values.key)
        if lead is not None:
            return RecordRef(self.source, LEADS, lead)
        if "email" not in self._positions:
            raise self.flaw(line, "lead", *_MISSING)
        return RecordRef(self.source, EMAIL, self.needed(line, "email", self.values.text).lower())

    def _duration(self, line: Line, seconds: float) -> timedelta:
        try:
            return timedelta(seconds=seconds)
        except OverflowError:
            raise self.flaw(line, "seconds", "is out of range", "a number of seconds") from None


class OutcomeRows(Reading):
    """One deal a row. Without a column for its beginning, it began as it ended."""

    table: Outcomes

    def add(self, facts: Facts, line: Line, id: str, since: datetime | None) -> None:
        text = self.needed(line, "status", self.values.text)
        status = self.table.statuses.get(text)
        if status is None:
            allowed = f"one of {', '.join(map(repr, self.table.statuses))}, or map it under outcomes.statuses"
            raise self.flaw(line, "status", "is no known status", allowed)
        at = self.needed(line, "occurred_at", self.values.instant)
        facts.outcomes.append(
            Outcome(
                ref=self.ref(id),
                status=status,
                stage=self.known(line, "stage", self.values.text) or text,
                created_at=self.known(line, "created_at", self.values.instant) or at,
                modified_at=max(at, since or at),
                closed_at=None if status is OutcomeStatus.OPEN else at,
                amount=self.known(line, "amount", self.values.number),
                people=(RecordRef(self.source, LEADS, self.needed(line, "lead", self.values.key)),),
            )
        )


def reading(source: str, stream: str, path: Path, mappings: Mappings) -> Reading:
    """What reads the table of this stream."""
    table = mappings.tables[stream]
    if isinstance(table, Leads):
        return LeadRows(source, stream, path, table, mappings)
    if isinstance(table, Activities):
        return ActivityRows(source, stream, path, table, mappings)
    assert isinstance(table, Outcomes)
    return OutcomeRows(source, stream, path, table, mappings)


def digest(cells: Sequence[Any], version: str) -> bytes:
    """Of a row's content under one version of the mapping."""
    return blake2b(repr((version, list(cells))).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def content(cells: Sequence[Any]) -> str:
    """An id for a row that has none: the same content, the same id."""
    return blake2b(repr(list(cells)).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
