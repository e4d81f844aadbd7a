"""What attributes were before: from LeadHistory and ContactHistory, where the org tracks fields.

Salesforce names a tracked lookup by its relationship (`Owner`), and writes two rows for each of its changes, one with
names and one with ids; of long texts and multi-picklists it keeps that they changed, but no values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from connectors.quota import Lane
from connectors.records import AttributeChange, RecordRef
from connectors.salesforce import windows
from connectors.salesforce.bulk import reader
from connectors.salesforce.describe import Field
from connectors.salesforce.mapping import Records, Row
from connectors.salesforce.session import Session
from connectors.salesforce.values import instant, soql_instant
from connectors.salesforce.windows import Carry

PARENTS: Mapping[str, str] = {"LeadHistory": "Lead", "ContactHistory": "Contact"}
STAMP = "CreatedDate"
"""History is only ever added to, and has no SystemModstamp."""
KEPT = timedelta(days=540)
"""Salesforce keeps field history for 18 months ("Field History Tracking" help page): of an older record the first
change that is left need not be the first there was."""
_WITHOUT_VALUES = frozenset({"textarea", "multipicklist", "encryptedstring"})
_ID = re.compile(r"[a-zA-Z0-9]{15}(?:[a-zA-Z0-9]{3})?")


class Disordered(Exception):
    """The pieces of a bulk query are not in the order that was asked for."""


def stamp_of(object: str) -> str:
    """The field that orders the rows of any object by when they were last written."""
    return STAMP if object in PARENTS else windows.STAMP


def order(object: str) -> str:
    """SOQL: the order in which the changes of one record follow each other."""
    return f"{PARENTS[object]}Id, {STAMP}, Id"


def columns(object: str) -> tuple[str, ...]:
    """The fields to ask for of a history object."""
    parent = PARENTS[object]
    return (
        "Id", f"{parent}Id", f"{parent}.CreatedDate", "Field", "DataType", "OldValue", "NewValue", "CreatedDate",
        "IsDeleted",
    )  # fmt: skip


class _Tracked(NamedTuple):
    """An attribute and the field that it is read from."""

    attribute: str
    field: Field


class Histories:
    """Reads the histories of one org."""

    def __init__(self, source: str, session: Session, records: Records) -> None:
        self._source = source
        self._session = session
        self._records = records

    def changes(self, object: str, rows: Sequence[Row], lane: Lane) -> Iterator[AttributeChange]:
        """The changes of mapped fields, for rows in the order (CreatedDate, Id).

        The first change of a field also tells the value before it, which held since the record was made. (Where the
        field came to be tracked later, that is an assumption.)
        """
        parent = PARENTS[object]
        tracked = self._tracked(parent, lane)
        told = _telling(rows, tracked)
        if told:
            yield from self._told(parent, told, tracked, self._begun(object, told, tracked, lane))

    def ordered(
        self, object: str, rows: Sequence[Row], carry: Carry | None, lane: Lane
    ) -> tuple[list[AttributeChange], Carry | None]:
        """The same for a piece of a bulk query in `order`, in which a record's changes follow each other: whether one
        is the first is seen without asking. `carry` is where the piece before was cut; returns where this one is.

        Raises `Disordered`.
        """
        parent = PARENTS[object]
        keys = [(str(row[f"{parent}Id"]), str(row[STAMP])) for row in rows]
        if any(later < key for key, later in pairwise([*([(carry.record, carry.at)] if carry else []), *keys])):
            raise Disordered(object)
        tracked = self._tracked(parent, lane)
        begun = {(carry.record, name) for name in carry.fields} if carry else set()
        changes = list(self._told(parent, _telling(rows, tracked), tracked, begun))
        if keys:
            record, at = keys[-1]
            carry = Carry(record, at, tuple(sorted(name for of, name in begun if of == record)))
        return changes, carry

    def _told(
        self, parent: str, rows: Sequence[Row], tracked: Mapping[str, list[_Tracked]], begun: set[tuple[str, str]]
    ) -> Iterator[AttributeChange]:
        """`begun`: the records' fields that changed before; those of the rows are added."""
        oldest = self._session.now() - KEPT
        for row in rows:
            ref, made = RecordRef(self._source, parent, row[f"{parent}Id"]), _made(row, parent)
            sides = [("NewValue", instant(row[STAMP]))]
            if made is not None and made > oldest and (ref.id, row["Field"]) not in begun:
                sides.insert(0, ("OldValue", made))
            begun.add((ref.id, row["Field"]))
            for attribute, field in tracked[row["Field"]]:
                for column, since in sides:
                    raw = row.get(column)
                    if isinstance(raw, str) and raw and (read := reader(field.type)):
                        raw = read(raw)  # a bulk query tells every value as text
                    value = self._records.value(parent, attribute, field.name, raw, field.type)
                    if value is None and raw not in (None, ""):
                        continue  # unreadable, which is not the same as emptied
                    yield AttributeChange(ref, attribute, value, since, since)

    def _tracked(self, parent: str, lane: Lane) -> dict[str, list[_Tracked]]:
        fields = self._session.describe(parent, lane=lane).fields
        tracked: dict[str, list[_Tracked]] = {}
        for attribute, name in self._records.attributes(parent).items():
            field = fields.get(name)
            if field is not None and field.type not in _WITHOUT_VALUES:
                for called in {field.name, field.relationship or field.name}:
                    tracked.setdefault(called, []).append(_Tracked(attribute, field))
        return tracked

    def _begun(
        self, object: str, rows: Sequence[Row], tracked: Mapping[str, list[_Tracked]], lane: Lane
    ) -> set[tuple[str, str]]:
        """The fields of these rows' records that had changed before the first of the rows."""
        parent, first = PARENTS[object], _key(rows[0])
        older = {row[f"{parent}Id"] for row in rows if (made := _made(row, parent)) is not None and made <= first[0]}
        if not older:
            return set()
        known = self._session.describe(object, lane=lane).fields
        asked = [name for name in columns(object) if name in known]
        names = ", ".join(f"'{name}'" for name in sorted({row["Field"] for row in rows}))
        soql = (
            f"SELECT {', '.join(asked)} FROM {object} WHERE {parent}Id IN {{ids}}"
            f" AND CreatedDate <= {soql_instant(first[0])} AND Field IN ({names})"
        )
        return {
            (row[f"{parent}Id"], row["Field"])
            for row in self._session.query_ids(soql, older, lane=lane)
            if _key(row) < first and _tells(row, tracked[row["Field"]][0].field)
        }


def _telling(rows: Sequence[Row], tracked: Mapping[str, list[_Tracked]]) -> list[Row]:
    return [row for row in rows if row["Field"] in tracked and _tells(row, tracked[row["Field"]][0].field)]


def _tells(row: Row, field: Field) -> bool:
    """Whether the row holds values, and for a lookup the ids and not the names."""
    if row.get("IsDeleted"):
        return False
    values = [str(row[name]) for name in ("OldValue", "NewValue") if row.get(name) is not None]
    if field.type != "reference":
        return bool(values)
    kind = row.get("DataType")
    return kind == "EntityId" if kind else bool(values) and all(_ID.fullmatch(value) for value in values)


def _made(row: Row, parent: str) -> datetime | None:
    """When the record was made; not known of one that this user does not see."""
    record = row.get(parent)
    return instant(record["CreatedDate"]) if record and record.get("CreatedDate") else None


def _key(row: Row) -> tuple[datetime, str]:
    return instant(row["CreatedDate"]), row["Id"]
