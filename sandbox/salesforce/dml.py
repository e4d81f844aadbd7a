"""Saving records on behalf of an API user: everything that can refuse a row, in the order the vendor asks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sandbox.salesforce import ids
from sandbox.salesforce.automation import FlowFailure
from sandbox.salesforce.constraints import refusal
from sandbox.salesforce.faults import ApiError, RowError
from sandbox.salesforce.schema import FieldType, SObject
from sandbox.salesforce.table import Row
from sandbox.salesforce.values import stored

if TYPE_CHECKING:
    from sandbox.salesforce.org import Org

_DESERIALISED_AS = {FieldType.CURRENCY: "double", FieldType.PERCENT: "double", FieldType.DATETIME: "datetime"}


@dataclass(frozen=True, slots=True)
class Saved:
    """The outcome of one row. `created` is told for upserts only."""

    id: str | None
    errors: tuple[RowError, ...] = ()
    created: bool | None = None

    @property
    def success(self) -> bool:
        return not self.errors

    def as_json(self) -> dict[str, Any]:
        """The row as collections report it; a failed row may come without its id."""
        body: dict[str, Any] = {} if self.id is None or self.errors else {"id": self.id}
        body |= {"success": self.success, "errors": [error.as_json() for error in self.errors]}
        if self.created is not None:
            body["created"] = self.created
        return body


@dataclass(frozen=True, slots=True)
class Write:
    """One row to save: fields in stored form; `id` None for a new record."""

    sobject: SObject
    id: str | None
    fields: Mapping[str, Any]
    operation: str = "update"


Order = Write | Saved | Callable[[], Write | Saved]
"""A row to save, one refused already, or what tells which once the rows before it have been saved."""


def read_fields(org: Org, sobject: SObject, raw: Mapping[str, Any]) -> dict[str, Any]:
    """JSON fields in stored form, `attributes` and `Id` left out. Raises ApiError for the whole request: an unknown (or
    hidden) column, or a value that does not deserialise, spoils it all."""
    values: dict[str, Any] = {}
    for name, value in raw.items():
        if name.lower() in ("attributes", "id"):
            continue
        field = org.access.field(sobject, name)
        if field is None:
            message = f"No such column '{name}' on sobject of type {sobject.name}"
            raise ApiError(400, "INVALID_FIELD", message)
        try:
            values[field.name] = stored(field, value)
        except ValueError:
            kind = _DESERIALISED_AS.get(field.type, str(field.type))
            raise ApiError(
                400,
                "JSON_PARSER_ERROR",
                f"Cannot deserialize instance of {kind} from {_json_kind(value)} value {value} or request may be"
                " missing a required field",
            ) from None
        if field.type is FieldType.BOOLEAN and values[field.name] is None:
            values[field.name] = False
    return values


def _json_kind(value: Any) -> str:
    if isinstance(value, bool):
        return f"VALUE_{str(value).upper()}"
    if isinstance(value, (dict, list)):
        return "START_OBJECT" if isinstance(value, dict) else "START_ARRAY"
    return {int: "VALUE_NUMBER_INT", float: "VALUE_NUMBER_FLOAT"}.get(type(value), "VALUE_STRING")


MOST_PASSES = 3
_ROLLED_BACK = RowError(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
)
# The text is the Apex Developer Guide's; the code is not documented.
_TOO_MANY_RETRIES = RowError(
    "UNKNOWN_EXCEPTION", "Too many batch retries in the presence of Apex triggers and partial failures."
)

_OVERRUN = "System.LimitException: Apex CPU time limit exceeded"


class Saver:
    """Saves rows as the integration user. `auto_assign`: whether an active lead assignment rule runs (the default)."""

    def __init__(self, org: Org, *, auto_assign: bool = True) -> None:
        self._org = org
        self._auto_assign = auto_assign

    def save_all(self, writes: Iterable[Order], *, all_or_none: bool) -> list[Saved]:
        """Save rows one by one, in order. Where all or none is asked for, one refused row undoes the others; else, if
        flows have seen rows of which some were refused, all is undone and the others are saved again, so flows run
        again for them: three passes at most (Apex Developer Guide, "Bulk DML Exception Handling")."""
        results: dict[int, Saved] = {}
        left = dict(enumerate(writes))
        results |= self._overrun(left)
        left = {n: write for n, write in left.items() if n not in results}
        for attempt in range(1, MOST_PASSES + 1):
            try:
                with self._org.transaction():
                    saved = {n: self._one(write) for n, write in left.items()}
                    refused = {n: one for n, one in saved.items() if not one.success}
                    if refused and (all_or_none or (len(refused) < len(saved) and self._fires_flows(left))):
                        raise _RolledBack
                results |= saved
                break
            except _RolledBack:
                results |= saved if all_or_none or attempt == MOST_PASSES else refused
                left = {n: write for n, write in left.items() if n not in refused}
                if all_or_none or attempt == MOST_PASSES:
                    undone = _ROLLED_BACK if all_or_none else _TOO_MANY_RETRIES
                    results |= {n: replace(saved[n], id=None, errors=(undone,)) for n in left}
                    break
        return [results[n] for n in sorted(results)]

    def _overrun(self, writes: Mapping[int, Order]) -> dict[int, Saved]:
        """The updates whose trigger runs into a limit of Apex, which fails all rows of the object."""
        by_object: dict[str, dict[int, str]] = {}
        for n, write in writes.items():
            if isinstance(write, Write) and write.id is not None and write.operation == "update":
                by_object.setdefault(write.sobject.name, {})[n] = write.id
        return {
            n: _refused(id, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"{object}Trigger: {_OVERRUN}")
            for object, rows in by_object.items() if self._org.automation.overruns(object, set(rows.values()))
            for n, id in rows.items()
        }  # fmt: skip

    def _fires_flows(self, writes: Mapping[int, Order]) -> bool:
        """Whether any row is of an object with a flow. Those by external id are of the object of their neighbours."""
        objects = {flow.object for flow in self._org.automation.flows}
        return any(isinstance(write, Write) and write.sobject.name in objects for write in writes.values()) or (
            bool(objects) and any(callable(write) for write in writes.values())
        )

    def save(self, write: Order) -> Saved:
        """Save one row."""
        return self.save_all([write], all_or_none=False)[0]

    def _one(self, order: Order) -> Saved:
        write = order() if callable(order) else order
        if isinstance(write, Saved):
            return write
        if write.operation == "delete" and write.id is not None:
            return self._delete(write, write.id)
        try:
            with self._org.transaction():
                saved = self._insert(write) if write.id is None else self._update(write, write.id)
        except FlowFailure as failure:
            saved = Saved(write.id, (RowError("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", str(failure)),))
        return saved if write.operation != "upsert" else replace(saved, created=write.id is None and saved.success)

    def _insert(self, write: Write) -> Saved:
        org, sobject = self._org, write.sobject
        if not sobject.createable:
            return _refused(
                None, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type cannot be inserted: {sobject.label}"
            )
        missing = [
            field.name for field in sobject.fields.values() if field.required and write.fields.get(field.name) is None
        ]
        if missing:
            error = RowError(
                "REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", tuple(missing)
            )
            return Saved(None, (error,))
        errors = self._errors(write, {}, forbidden=lambda field: not field.createable)
        if errors:
            return Saved(None, errors)
        fields = self._assigned(write)
        id = org.insert(sobject.name, fields, by=org.integration_user)
        self._finish(write, id, {})
        return Saved(id)

    def _update(self, write: Write, id: str) -> Saved:
        org, sobject = self._org, write.sobject
        before = _writable(org, sobject, id)
        if isinstance(before, Saved):
            return before
        errors = self._errors(write, before, forbidden=lambda field: not field.updateable)
        if errors:
            return Saved(id, errors)
        org.update(sobject.name, id, self._assigned(write), by=org.integration_user)
        self._finish(write, id, before)
        return Saved(id)

    def _delete(self, write: Write, id: str) -> Saved:
        org = self._org
        before = _writable(org, write.sobject, id, deleting=True)
        if isinstance(before, Saved):
            return before
        if not write.sobject.deletable:
            return _refused(id, "INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id")
        org.delete(write.sobject.name, id, by=org.integration_user, purge=write.fields.get("purge", False))
        org.log_write(write.sobject.name, id, {"IsDeleted": False}, {"IsDeleted": True})
        return Saved(id)

    def _errors(self, write: Write, before: Row, *, forbidden: Callable[[Any], bool]) -> tuple[RowError, ...]:
        org, sobject = self._org, write.sobject
        closed = [
            name
            for name in write.fields
            if forbidden(sobject.fields[name]) or not org.access.editable(sobject, sobject.fields[name])
        ]
        if closed:
            message = (
                f"Unable to create/update fields: {', '.join(closed)}. Please check the security settings of this field"
                " and verify that it is read/write for your profile or permission set."
            )
            return (RowError("INVALID_FIELD_FOR_INSERT_UPDATE", message, tuple(closed)),)
        refusals = (
            refusal(org, sobject, write.id, sobject.fields[name], value) for name, value in write.fields.items()
        )
        errors = tuple(error for error in refusals if error is not None)
        if errors:
            return errors[:1]
        rule = org.automation.violation(sobject.name, {**before, **write.fields})
        if rule is None:
            return ()
        return (RowError("FIELD_CUSTOM_VALIDATION_EXCEPTION", rule.message, (rule.field,) if rule.field else ()),)

    def _assigned(self, write: Write) -> Mapping[str, Any]:
        """The fields with the owner that the assignment rule gives a lead, on create and on update alike."""
        if write.sobject.name != "Lead" or not self._auto_assign:
            return write.fields
        owner = self._org.automation.next_lead_owner()
        return write.fields if owner is None else {**write.fields, "OwnerId": owner}

    def _finish(self, write: Write, id: str, before: Row) -> None:
        org, name = self._org, write.sobject.name
        after = org.current(name, id) or {}
        org.log_write(
            name, id, {key: before.get(key) for key in write.fields}, {key: after.get(key) for key in write.fields}
        )
        for flow in org.automation.flows:
            if flow.object == name:
                flow.run(org, before or None, after)


class _RolledBack(Exception):
    """Leaves the transaction of a pass that is undone."""


def _refused(id: str | None, code: str, message: str) -> Saved:
    return Saved(id, (RowError(code, message),))


def _writable(org: Org, sobject: SObject, id: str, *, deleting: bool = False) -> Row | Saved:
    """The present version of a row that may be written, or its refusal."""
    row = org.current(sobject.name, id)
    if row is None or not org.access.shares(sobject, row):
        return _refused(None, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    if row.get("IsDeleted"):
        return _refused(None, "ENTITY_IS_DELETED", "entity is deleted")
    if not org.access.shares(sobject, row, writing=True):
        return _refused(id, "INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id")
    if org.automation.is_locked(id):
        message = f"unable to obtain exclusive access to this record or 1 records: {id}"
        return _refused(id, "UNABLE_TO_LOCK_ROW", message)
    if not sobject.updateable and not deleting:
        return _refused(id, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type cannot be updated: {sobject.label}")
    locked = sobject.name == "Lead" and row.get("IsConverted") and not org.access.edits_converted_leads
    if locked and not deleting:
        return _refused(id, "CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
    return row


def target(org: Org, sobject: SObject, raw_id: Any) -> str | Saved:
    """The 18-character id of a row to write, or the row's refusal."""
    id = ids.normalise(raw_id)
    if id is None:
        return _refused(None, "MALFORMED_ID", f"bad id {raw_id}")
    if not id.startswith(sobject.prefix):
        return _refused(None, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
    return id


def upsert(org: Org, sobject: SObject, key: str, value: Any, fields: Mapping[str, Any]) -> Write | Saved:
    """The insert or update that an upsert by external id means right now. Raises ApiError if `key` is no such field."""
    field = org.access.field(sobject, key)
    if field is None or not field.external_id:
        message = f"Field name provided, {key} is not an External ID or indexed field for {sobject.name}"
        raise ApiError(400, "INVALID_FIELD", message)
    if value is None:
        return Saved(None, (RowError("MISSING_ARGUMENT", f"{field.name} not specified"),), created=False)
    wanted = stored(field, value)
    matches = [
        id
        for id in org.tables[sobject.name].having(field.name, [wanted])
        if (row := org.current(sobject.name, id)) and row.get(field.name) == wanted and not row.get("IsDeleted")
    ]
    if len(matches) > 1:
        message = f"{field.name}: more than one record found for external id field: {matches}"
        return Saved(None, (RowError("DUPLICATE_EXTERNAL_ID", message),), created=False)
    return Write(sobject, matches[0] if matches else None, {**fields, field.name: wanted}, "upsert")
