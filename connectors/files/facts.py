"""Rows as facts: people, what they did, and deals."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any

from connectors.files.flaw import Flaw
from connectors.files.mapping import (
    ATTRIBUTE_TYPES,
    Accounts,
    Activities,
    AttributeColumn,
    Described,
    Erasures,
    Leads,
    Mappings,
    Outcomes,
    Table,
)
from connectors.files.source import Line, stamp
from connectors.files.values import Unreadable, Values
from connectors.records import (
    EMAIL,
    AccountRecord,
    Activity,
    ActivityKind,
    Deletion,
    LeadRecord,
    Outcome,
    OutcomeStatus,
    RecordRef,
    Value,
)
from connectors.records import RecordState as State

LEADS, ACCOUNTS, ERASURES = "leads", "accounts", "erasures"
STREAMS = (LEADS, ACCOUNTS, "activities", "outcomes", ERASURES)
Locate = Callable[[int], tuple[Path, int]]
"""From a row's number in a table to its file and its number there."""
_KINDS = {kind.value: kind for kind in ActivityKind}
_REMEMBERED = 1000
"""Texts of an attribute whose meaning is kept: most have few, and reading one is what costs."""
_MISSING = ("is empty", "every row needs one")


@dataclass(slots=True)
class Facts:
    """What rows said."""

    leads: list[LeadRecord] = field(default_factory=list)
    accounts: list[AccountRecord] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    deletions: list[Deletion] = field(default_factory=list)


class Reading(ABC):
    """Reads the rows of one table. `left_out` counts, by column, what had to be left out, and where it first was."""

    def __init__(self, source: str, stream: str, locate: Locate, table: Table, mappings: Mappings) -> None:
        self.left_out: Counter[str] = Counter()
        self.first_left_out: dict[str, Flaw] = {}
        self.source, self.stream, self.locate, self.table = source, stream, locate, table
        self.values = Values(table, mappings.zone)
        self._columns = table.mapped
        self._positions = {name: position for position, name in enumerate(table.mapped)}
        columns = table.attributes if isinstance(table, Described) else {}
        self._attributes: list[tuple[str, AttributeColumn, int, dict[str, Value]]] = [
            (name, column, self._positions[f"attributes.{name}"], {}) for name, column in columns.items()
        ]

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

    def attributes(self, line: Line) -> dict[str, Value]:
        """What is known of the table's attributes; a value of another type is left out."""
        known: dict[str, Value] = {}
        for name, column, position, seen in self._attributes:
            cell = line.cells[position]
            value = seen.get(cell) if isinstance(cell, str) else None
            if value is None:
                try:
                    value = self.values.typed(cell, column.type or ATTRIBUTE_TYPES.get(name))
                except Unreadable as odd:
                    self.leave_out(column.column, self.flaw(line, f"attributes.{name}", odd.what, odd.allowed))
                    continue
                if isinstance(cell, str) and value is not None and len(seen) < _REMEMBERED:
                    seen[cell] = value
            if value is not None:
                known[name] = value
        return known

    def flaw(self, line: Line, name: str, what: str, allowed: str) -> Flaw:
        path, row = self.locate(line.place.row)
        return Flaw(path, what, allowed, row=row, column=self._columns[name])

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
        attributes = self.attributes(line)
        if "phone" in self._positions:
            attributes["has_phone"] = self.raw(line, "phone") is not None
        email = self.known(line, "email", self.values.text)
        account = self.known(line, "account", self.values.key)
        facts.leads.append(
            LeadRecord(
                ref=self.ref(id),
                state=self._state(line),
                created_at=created,
                modified_at=max(filter(None, (modified or created, since))),
                email=email.lower() if email else None,
                name=self.known(line, "name", self.values.text),
                account=RecordRef(self.source, ACCOUNTS, account) if account else None,
                attributes=attributes,
            )
        )

    def _state(self, line: Line) -> State:
        text = self.known(line, "state", self.values.text)
        return self.table.states.get(text, State.OPEN) if text is not None else State.OPEN


class AccountRows(Reading):
    """One company a row."""

    table: Accounts

    def add(self, facts: Facts, line: Line, id: str, since: datetime | None) -> None:
        created = self.needed(line, "created_at", self.values.instant)
        modified = self.known(line, "modified_at", self.values.instant)
        facts.accounts.append(
            AccountRecord(
                ref=self.ref(id),
                created_at=created,
                modified_at=max(filter(None, (modified or created, since))),
                name=self.known(line, "name", self.values.text),
                attributes=self.attributes(line),
            )
        )


class ErasureRows(Reading):
    """One person a row. Without a time, as soon as the file was exported."""

    table: Erasures

    def add(self, facts: Facts, line: Line, id: str, since: datetime | None) -> None:
        at = self.known(line, "erased_at", self.values.instant) or since or stamp(self.locate(line.place.row)[0]).at
        facts.deletions.append(Deletion(RecordRef(self.source, LEADS, id), at, erased=True))


class ActivityRows(Reading):
    """One act a row, of one person, known by lead or by e-mail address. Some types are deals."""

    table: Activities

    def __init__(self, source: str, stream: str, locate: Locate, table: Activities, mappings: Mappings) -> None:
        super().__init__(source, stream, locate, table, mappings)
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


_ROWS: Mapping[str, type[Reading]] = {
    LEADS: LeadRows,
    ACCOUNTS: AccountRows,
    "activities": ActivityRows,
    "outcomes": OutcomeRows,
    ERASURES: ErasureRows,
}


def reading(source: str, stream: str, locate: Locate, mappings: Mappings) -> Reading:
    """What reads the table of this stream."""
    return _ROWS[stream](source, stream, locate, mappings.tables[stream], mappings)


def digest(cells: Sequence[Any], version: str) -> bytes:
    """Of a row's content under one version of the mapping."""
    return blake2b(repr((version, list(cells))).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def content(cells: Sequence[Any]) -> str:
    """An id for a row that has none: the same content, the same id."""
    return blake2b(repr(list(cells)).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
