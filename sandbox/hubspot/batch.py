"""Batches of records. A batch is refused as a whole, or each record has an outcome, or it silently has none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from sandbox.hubspot.bodies import as_object, names_in
from sandbox.hubspot.call import Call
from sandbox.hubspot.objects import Draft, View, archive_all, conflict, draft, make, shown, writable, write
from sandbox.hubspot.portal import EmailTaken
from sandbox.hubspot.records import Record
from sandbox.hubspot.wire import Refusal, missing, no_content

MOST = 100
MOST_WITH_HISTORY = 50


def _refuse_duplicates(ids: list[str]) -> None:
    twice = [id_ for id_, times in Counter(ids).items() if times > 1]
    if twice:
        message = f"Duplicate IDs found in batch input: [{', '.join(twice)}]. IDs must be unique"
        raise Refusal(400, message, "VALIDATION_ERROR", context={"ids": twice})


def _shown_all(call: Call, records: list[Record], names: Sequence[str], history: Sequence[str] = ()) -> list[Any]:
    """Results come in the order of ids, not of the inputs."""
    view = View(call, call.kind, names, history)
    return [view.show(record) for record in sorted(records, key=lambda record: record.id)]


def read(call: Call) -> Response:
    """Live (or archived) records by id or e-mail; the unknown ones share one error row."""
    kind, body, started = call.kind, call.fields, call.portal.now_ms()
    inputs = call.inputs(MOST)
    history = names_in(body.get("propertiesWithHistory"), "propertiesWithHistory")
    names = names_in(body.get("properties"), "properties")
    if history and len(inputs) > MOST_WITH_HISTORY:
        message = (
            "The maximum number of inputs supported in a batch request for property histories is "
            f"{MOST_WITH_HISTORY}. Please reduce the number of items and try again"
        )
        raise Refusal(400, message, "VALIDATION_ERROR")
    by_email = body.get("idProperty") == "email" and kind.name == "contacts"
    found: dict[int, Record] = {}
    absent: list[str] = []
    for id_ in dict.fromkeys(str(entry.get("id", "")) for entry in inputs):
        if by_email:
            record = call.portal.contact_by_email(id_)
        elif call.flag("archived"):
            record = call.portal.exact(kind.name, id_, archived=True)
        else:
            record = call.portal.get(kind.name, id_)
        if record is None:
            absent.append(id_)
        else:
            found[record.id] = record
    results = _shown_all(call, list(found.values()), names, history)
    return call.outcome(started, results, [missing(kind, absent)] if absent else [])


def update(call: Call) -> Response:
    """Each input ends one of five ways.

    Written; in the 207's error row (no such record); absent from `results` without an error (its record was merged
    away, or it was addressed by e-mail, or the input has no id or properties); or the whole batch is a 400 (a bad
    property, an id twice, more than 100 inputs, addressing by a property whose values are not unique). See
    hubspot-api-nodejs issue 548 and rudder-transformer pull requests 5147 and 5167.
    """
    kind, started = call.kind, call.portal.now_ms()
    inputs = call.inputs(MOST)
    for by in {str(entry["idProperty"]) for entry in inputs if entry.get("idProperty") is not None}:
        _require_unique(call, by, email=False)
    inputs = [entry for entry in inputs if entry.get("id") and isinstance(entry.get("properties"), dict)]
    _refuse_duplicates([str(entry["id"]) for entry in inputs])
    checked = [writable(call, kind, entry["properties"]) for entry in inputs]
    found = [_addressed(call, entry) for entry in inputs]
    _refuse_taken(call, [(record, properties) for record, properties in zip(found, checked, strict=True) if record])
    absent: list[dict[str, Any]] = []
    for entry, record, properties in zip(inputs, found, checked, strict=True):
        if record is not None:
            write(call, record, properties)
        elif str(entry["id"]).isdecimal() and not call.portal.was_merged(kind.name, str(entry["id"])):
            absent.append(entry)
    names = sorted({name for record, properties in zip(found, checked, strict=True) if record for name in properties})
    traces = [str(entry["objectWriteTraceId"]) for entry in absent if entry.get("objectWriteTraceId")]
    errors = [missing(kind, [str(entry["id"]) for entry in absent], objectWriteTraceId=traces)] if absent else []
    return call.outcome(started, _shown_all(call, [record for record in found if record], names), errors)


def _addressed(call: Call, entry: dict[str, Any]) -> Record | None:
    by = entry.get("idProperty")
    if by is not None:
        return _holder(call, str(by), str(entry["id"]))
    return call.portal.exact(call.kind.name, str(entry["id"]))


def _require_unique(call: Call, name: str, *, email: bool) -> None:
    """Raises `Refusal` unless `name` addresses records; a contact's e-mail does so for upserts only (`email`)."""
    definition = call.schema.get(name)
    if definition is None or not definition.unique or (name == "email" and not email):
        portal, type_id = call.portal.portal_id, call.kind.type_id
        message = f"Unable to perform update/upsert by non-unique {type_id} property {name} in portal ID {portal}"
        raise Refusal(400, message, "VALIDATION_ERROR")


def _holder(call: Call, name: str, value: str) -> Record | None:
    if name == "email" and call.kind.name == "contacts":
        return call.portal.contact_by_email(value)
    return next((record for record in call.portal.objects(call.kind.name) if record.values.get(name) == value), None)


def _refuse_taken(call: Call, wanted: list[tuple[Record | None, dict[str, str]]]) -> None:
    """Raises `Refusal` (the first conflict only) where a write would give two contacts the same address."""
    if call.kind.name != "contacts":
        return
    emails = [properties["email"] for _, properties in wanted if properties.get("email")]
    _refuse_duplicates(emails)
    for record, properties in wanted:
        holder = call.portal.contact_by_email(properties.get("email", ""))
        if holder is not None and holder is not record:
            raise conflict(call.kind, EmailTaken(str(holder.id)))


def create(call: Call) -> Response:
    """All or nothing; with a trace id on every input, each input for itself (vendor's batch create guide)."""
    kind, started = call.kind, call.portal.now_ms()
    inputs = call.inputs(MOST)
    if inputs and all(entry.get("objectWriteTraceId") for entry in inputs):
        return _create_each(call, inputs, started)
    drafts = [draft(call, kind, entry) for entry in inputs]
    _refuse_taken(call, [(None, wanted.properties) for wanted in drafts])
    made = [make(call, kind, wanted) for wanted in drafts]
    return call.outcome(started, [shown(call, record, sorted(record.values)) for record in made], [], 201)


def _create_each(call: Call, inputs: list[dict[str, Any]], started: int) -> Response:
    made: list[Record] = []
    errors: list[dict[str, Any]] = []
    for entry in inputs:
        try:
            made.append(make(call, call.kind, draft(call, call.kind, entry)))
        except Refusal as refusal:
            body = {name: value for name, value in refusal.body.items() if name != "correlationId"}
            errors.append({**body, "context": {"objectWriteTraceId": [str(entry["objectWriteTraceId"])]}})
    return call.outcome(started, [shown(call, record, sorted(record.values)) for record in made], errors, 201)


def upsert(call: Call) -> Response:
    """Contacts by e-mail, others by a property with unique values: written where found (`new: false`), else made."""
    kind, started = call.kind, call.portal.now_ms()
    inputs = call.inputs(MOST)
    for by in {str(entry.get("idProperty") or "") for entry in inputs}:
        _require_unique(call, by, email=True)
    _refuse_duplicates([str(entry.get("id", "")).lower() for entry in inputs])
    drafts = [_keyed(call, entry) for entry in inputs]
    results: list[dict[str, Any]] = []
    for entry, wanted in zip(inputs, drafts, strict=True):
        record = _holder(call, str(entry["idProperty"]), str(entry.get("id", "")))
        new = record is None
        if record is None:
            record = make(call, kind, wanted)
        else:
            write(call, record, {name: wanted.properties[name] for name in entry.get("properties") or ()})
        results.append({**shown(call, record, sorted(wanted.properties)), "new": new})
    return call.outcome(started, results, [])


def _keyed(call: Call, entry: dict[str, Any]) -> Draft:
    """The draft of an upsert: the properties, and the key they are found by."""
    key = {str(entry["idProperty"]): str(entry.get("id", ""))}
    return draft(call, call.kind, {"properties": {**key, **as_object(entry.get("properties") or {}, "properties")}})


def archive(call: Call) -> Response:
    archive_all(call, call.kind, [str(entry.get("id", "")) for entry in call.inputs(MOST)])
    return no_content()
