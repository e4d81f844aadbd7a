"""Single records: list, read, create, update, archive, merge, erase; and the search endpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from sandbox.hubspot import search
from sandbox.hubspot.bodies import Malformed, as_object, objects_in
from sandbox.hubspot.call import Call
from sandbox.hubspot.instants import iso
from sandbox.hubspot.portal import EmailTaken, InvalidProperties, NotFound
from sandbox.hubspot.records import Record
from sandbox.hubspot.schema import PRIMARY_TYPES, TYPES, ObjectType, association_types, object_type
from sandbox.hubspot.values import checked
from sandbox.hubspot.wire import Refusal, answer, bare_problem, invalid_properties, no_content

PAGE = 100
HISTORY_PAGE = 50
CONTENT_SCOPES = frozenset({"sales-email-read"})
"""Without it, what sales e-mails say is left out of every answer."""


class View:
    """How the records of one answer are shown: which properties, which histories."""

    def __init__(self, call: Call, kind: ObjectType, properties: Sequence[str], history: Sequence[str] = ()) -> None:
        schema, portal = call.portal.schemas[kind.name], call.portal
        hidden = kind.content if call.scopes.isdisjoint(CONTENT_SCOPES) else frozenset()
        stamps = {"hs_object_id", kind.created, kind.modified, *hidden}
        self._names = [*sorted({name for name in properties or kind.defaults if schema.get(name)} - stamps)]
        self._history = [name for name in history if schema.get(name) and name not in hidden]
        self._omits = portal.dice.random() < portal.temper.omit_empty
        self._kind = kind

    def show(self, record: Record) -> dict[str, Any]:
        """A record as JSON: asked-for properties (unknown and hidden ones left out, empty ones mostly null), stamps."""
        id_, created, modified, value = str(record.id), iso(record.created), iso(record.modified), record.values.get
        properties = {name: value(name) for name in self._names}
        if self._omits:
            properties = {name: text for name, text in properties.items() if text is not None}
        properties |= {self._kind.created: created, self._kind.modified: modified, "hs_object_id": id_}
        body: dict[str, Any] = {"id": id_, "properties": properties}
        if self._history:
            body["propertiesWithHistory"] = {
                name: [_version(version) for version in record.history(name)] for name in self._history
            }
        body |= {"createdAt": created, "updatedAt": modified, "archived": record.archived_at is not None}
        if record.archived_at is not None:
            body["archivedAt"] = iso(record.archived_at)
        return body


def shown(call: Call, record: Record, properties: Sequence[str]) -> dict[str, Any]:
    """One record with the given properties, or the type's default ones."""
    return View(call, record.kind, properties).show(record)


def _version(version: tuple[str, int, str, str]) -> dict[str, Any]:
    value, at, source_type, source_id = version
    shown = {"value": value, "timestamp": iso(at), "sourceType": source_type, "sourceId": source_id}
    user = source_id.removeprefix("userId:")
    return {**shown, "updatedByUserId": int(user)} if user != source_id and user.isdecimal() else shown


def _full(call: Call, kind: ObjectType, records: Iterable[Record]) -> list[dict[str, Any]]:
    """Records as list and read show them, with their page and, when asked for, their associations."""
    view = View(call, kind, call.names("properties"), call.names("propertiesWithHistory"))
    page = f"https://{call.settings.pages}/contacts/{call.portal.portal_id}/record/{kind.type_id}"
    others = _asked_types(call)
    bodies = []
    for record in records:
        body = view.show(record)
        body["url"] = f"{page}/{record.id}"
        links = {other.name: {"results": rows} for other in others if (rows := _links(call, record, other))}
        if links:
            body["associations"] = links
        bodies.append(body)
    return bodies


def _asked_types(call: Call) -> list[ObjectType]:
    kinds = []
    for name in call.names("associations"):
        kind = object_type(name)
        if kind is None:
            raise Refusal(400, f"Unable to infer object type from: {name}", "VALIDATION_ERROR")
        kinds.append(kind)
    return kinds


def _links(call: Call, record: Record, other: ObjectType) -> list[dict[str, str]]:
    """The v3 form: one row per association type, the unlabelled one named so where there is a labelled one."""
    pair = (record.kind.name, other.name)
    name = f"{record.kind.singular}_to_{other.singular}"
    plain = f"{name}_unlabeled" if pair in PRIMARY_TYPES else name
    return [
        {"id": str(id_), "type": name if type_ == PRIMARY_TYPES.get(pair) else plain}
        for id_, types in call.portal.live_links(record, other.name)
        for type_ in types
    ]


def list_page(call: Call) -> Response:
    kind = call.kind
    most = HISTORY_PAGE if call.names("propertiesWithHistory") else PAGE
    limit = call.whole("limit", 10, most)
    after = call.query.get("after", "0")
    if not after.isdecimal():
        raise Refusal(400, "Invalid value for query param after", "VALIDATION_ERROR")
    if call.flag("archived"):
        held = [record for record in call.portal.archived(kind.name) if record.id >= int(after)]
        records, following = held[:limit], held[limit].id if len(held) > limit else None
    else:
        records, following = call.portal.page(kind.name, int(after), limit)
    body: dict[str, Any] = {"results": _full(call, kind, records)}
    if following is not None:
        body["paging"] = call.next_page(following)
    return answer(body)


def read(call: Call) -> Response:
    record = _addressed(call, archived=call.flag("archived"))
    return answer(_full(call, record.kind, [record])[0])


def _addressed(call: Call, *, archived: bool = False) -> Record:
    """The record of the path, by id (an old merged one finds the survivor) or by `idProperty`. Raises `Refusal`."""
    kind, id_, by = call.kind, call.path["id"], call.query.get("idProperty")
    record: Record | None
    if by == "email" and kind.name == "contacts":
        record = call.portal.contact_by_email(id_)
    elif by not in (None, "hs_object_id"):
        record = _unique(call, kind, str(by), id_)
    elif archived:
        record = call.portal.exact(kind.name, id_, archived=True)
    else:
        record = call.portal.get(kind.name, id_)
    if record is None:
        raise Refusal(404, "resource not found")
    return record


def _unique(call: Call, kind: ObjectType, name: str, value: str) -> Record | None:
    definition = call.portal.schemas[kind.name].get(name)
    if definition is None or not definition.unique:
        raise Refusal(400, f"{name} is not a unique property of {kind.name}", "VALIDATION_ERROR")
    return next((record for record in call.portal.objects(kind.name) if record.values.get(name) == value), None)


@dataclass(frozen=True, slots=True)
class Draft:
    """A checked record to be made: values, and links as (type, id, association types)."""

    properties: dict[str, str]
    links: tuple[tuple[str, str, tuple[int, ...]], ...]


def create(call: Call) -> Response:
    record = make(call, call.kind, draft(call, call.kind, call.fields))
    return answer(shown(call, record, sorted(record.values)), 201)


def draft(call: Call, kind: ObjectType, entry: Mapping[str, Any]) -> Draft:
    """What `entry` asks for. Raises `Refusal`."""
    properties = writable(call, kind, entry.get("properties"))
    try:
        links = tuple(_wanted_link(call, kind, raw) for raw in objects_in(entry.get("associations"), "associations"))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Malformed("Cannot build PublicAssociationsForObject") from None
    return Draft(properties, links)


def make(call: Call, kind: ObjectType, wanted: Draft) -> Record:
    """Make a record with its links. Raises `Refusal` for an address that another contact has."""
    try:
        id_ = call.portal.create(kind.name, wanted.properties, source=call.source)
    except EmailTaken as taken:
        raise conflict(kind, taken) from None
    call.portal.log_write(kind.name, id_, dict.fromkeys(wanted.properties), wanted.properties)
    for to_type, to_id, types in wanted.links:
        call.portal.associate(kind.name, id_, to_type, to_id, types=types)
    record = call.portal.exact(kind.name, id_)
    assert record is not None
    return record


def _wanted_link(call: Call, kind: ObjectType, raw: Mapping[str, Any]) -> tuple[str, str, tuple[int, ...]]:
    types = tuple(int(type_["associationTypeId"]) for type_ in raw["types"])
    to_type = next((to for to in TYPES if set(types) & association_types(kind.name, to)), None)
    to_id = str(raw["to"]["id"])
    if to_type is None or call.portal.get(to_type, to_id) is None:
        message = f"Invalid association from {kind.name}: record {to_id}, types {list(types)}"
        raise Refusal(400, message, "VALIDATION_ERROR")
    return to_type, to_id, types


def update(call: Call) -> Response:
    record = _addressed(call)
    properties = writable(call, call.kind, call.fields.get("properties"))
    write(call, record, properties)
    return answer(shown(call, record, sorted(properties)))


def writable(call: Call, kind: ObjectType, raw: Any) -> dict[str, str]:
    """Checked property values of a write. Raises `Refusal`."""
    values = as_object(raw, "properties")
    if unfit := [name for name, value in values.items() if not isinstance(value, str | int | float)]:
        raise Malformed(f"Cannot deserialize value of type `java.lang.String` of property {unfit[0]}")
    try:
        return checked(call.portal.schemas[kind.name], values, by_api=True)
    except InvalidProperties as problem:
        raise invalid_properties(call.portal.portal_id, problem) from None


def write(call: Call, record: Record, properties: Mapping[str, str]) -> None:
    """Write checked values and log what they changed. Raises `Refusal`."""
    kind = record.kind
    before = {name: record.read(name) for name in properties}
    try:
        call.portal.update(kind.name, str(record.id), properties, source=call.source)
    except EmailTaken as taken:
        raise conflict(kind, taken) from None
    after = {name: record.read(name) for name in properties}
    call.portal.log_write(kind.name, str(record.id), before, after)


def conflict(kind: ObjectType, taken: EmailTaken) -> Refusal:
    return Refusal(409, f"{kind.singular.capitalize()} already exists. Existing ID: {taken.existing}", "CONFLICT")


def archive(call: Call) -> Response:
    """204 whether or not there was such a record."""
    archive_all(call, call.kind, [call.path["id"]])
    return no_content()


def archive_all(call: Call, kind: ObjectType, ids: Iterable[str]) -> None:
    for id_ in ids:
        if call.portal.exact(kind.name, id_) is not None:
            call.portal.archive(kind.name, id_)
            call.portal.log_write(kind.name, id_, {"archived": False}, {"archived": True})


def merge(call: Call) -> Response:
    kind, body = call.kind, call.fields
    primary, other = str(body.get("primaryObjectId", "")), str(body.get("objectIdToMerge", ""))
    try:
        id_ = call.portal.merge(kind.name, primary, other)
    except NotFound:
        raise Refusal(404, "resource not found") from None
    except ValueError as problem:
        raise Refusal(400, str(problem), "VALIDATION_ERROR") from None
    call.portal.log_write(kind.name, id_, {"merged": None}, {"merged": f"{primary};{other}"})
    record = call.portal.exact(kind.name, id_)
    assert record is not None
    return answer(shown(call, record, ["hs_merged_object_ids", *kind.defaults]))


def gdpr_delete(call: Call) -> Response:
    """204 whether or not there was such a contact."""
    body = call.fields
    id_ = str(body.get("objectId", ""))
    if body.get("idProperty") == "email":
        record = call.portal.contact_by_email(id_)
        id_ = str(record.id) if record is not None else ""
    try:
        call.portal.gdpr_delete(id_)
    except NotFound:
        return no_content()
    call.portal.log_write("contacts", id_, {"erased": False}, {"erased": True})
    return no_content()


def search_page(call: Call) -> Response:
    """Rows match by the index's values and show the primary store's; a row gone from there is left out."""
    kind = call.kind
    try:
        query = search.Query.parse(call.fields)
        total, ids = search.find(call.portal, kind, query)
    except search.BeyondLimits:
        raise bare_problem() from None
    records = (call.portal.exact(kind.name, str(id_)) for id_ in ids)
    view = View(call, kind, query.properties)
    results = [view.show(record) for record in records if record is not None]
    body: dict[str, Any] = {"total": total, "results": results}
    if query.after + query.limit < total:
        body["paging"] = {"next": {"after": str(query.after + query.limit)}}
    return answer(body)
