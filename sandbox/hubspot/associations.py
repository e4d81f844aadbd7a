"""Links between records, v4: read, made and removed singly and in batches."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from sandbox.hubspot.bodies import Malformed, as_object, objects_in
from sandbox.hubspot.call import Call
from sandbox.hubspot.portal import NotFound
from sandbox.hubspot.records import Record
from sandbox.hubspot.schema import ASSOCIATION_TYPES, PRIMARY_TYPES, ObjectType, association_types
from sandbox.hubspot.wire import Refusal, answer, no_content

MOST_READ = 1_000
MOST_WRITTEN = 2_000
PAGE = 500

Link = tuple[int, tuple[int, ...]]


def labels(call: Call) -> Response:
    """The association types between two object types."""
    source, target = _pair(call)
    return answer({"results": [_type(type_) for type_ in sorted(association_types(source.name, target.name))]})


def page(call: Call) -> Response:
    """One record's links to another object type."""
    source, target = call.kind, call.kind_of("to")
    record = call.portal.get(source.name, call.path["id"])
    if record is None:
        raise Refusal(404, "resource not found")
    held, following = _page(call, record, target, call.query.get("after"), call.whole("limit", PAGE, PAGE))
    body: dict[str, Any] = {"results": [_link(link) for link in held]}
    if following:
        body["paging"] = call.next_page(following)
    return answer(body)


def _page(
    call: Call, record: Record, target: ObjectType, after: str | None, limit: int
) -> tuple[list[Link], str | None]:
    """Links from offset `after` on, and the offset of the next page."""
    links = call.portal.live_links(record, target.name)
    start = int(after) if after and after.isdecimal() else 0
    stop = start + limit
    return links[start:stop], str(stop) if stop < len(links) else None


def _link(link: Link) -> dict[str, Any]:
    id_, types = link
    return {"toObjectId": id_, "associationTypes": [_type(type_) for type_ in types]}


def _type(type_: int) -> dict[str, Any]:
    label = "Primary" if type_ in PRIMARY_TYPES.values() else None
    return {"category": "HUBSPOT_DEFINED", "typeId": type_, "label": label}


def _pair(call: Call) -> tuple[ObjectType, ObjectType]:
    source, target = call.kind_of("type"), call.kind_of("to")
    if (source.name, target.name) not in ASSOCIATION_TYPES:
        raise Refusal(400, f"No association types exist from {source.name} to {target.name}", "VALIDATION_ERROR")
    return source, target


def batch_read(call: Call) -> Response:
    """Links of up to 1,000 records, 500 a record and page; a record without any has an error row instead."""
    source, target = _pair(call)
    started = call.portal.now_ms()
    results: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for entry in call.inputs(MOST_READ):
        id_ = str(entry.get("id", ""))
        record = call.portal.get(source.name, id_)
        held, following = _page(call, record, target, entry.get("after"), PAGE) if record else ([], None)
        if not held:
            errors.append(_none_found(source, target, id_))
            continue
        row: dict[str, Any] = {"from": {"id": id_}, "to": [_link(link) for link in held]}
        if following:
            row["paging"] = {"next": {"after": following, "link": ""}}
        results.append(row)
    return call.outcome(started, results, errors)


def _none_found(source: ObjectType, target: ObjectType, id_: str) -> dict[str, Any]:
    return {
        "status": "error",
        "category": "OBJECT_NOT_FOUND",
        "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND",
        "message": f"No {target.singular} is associated with {source.singular} {id_}.",
        "context": {"fromObjectId": [id_], "fromObjectType": [source.singular], "toObjectType": [target.singular]},
    }


def batch_create(call: Call) -> Response:
    """Links with the types given, for each input or, with a missing record, none of them."""
    return _batch_link(call, default=False)


def batch_create_default(call: Call) -> Response:
    """Links with the vendor's default types."""
    return _batch_link(call, default=True)


def _batch_link(call: Call, *, default: bool) -> Response:
    source, target = _pair(call)
    started = call.portal.now_ms()
    wanted = [
        (*_ends(entry), () if default else _types(entry.get("types"), source, target))
        for entry in call.inputs(MOST_WRITTEN)
    ]
    for from_id, to_id, _ in wanted:
        _require(call, source, from_id)
        _require(call, target, to_id)
    results = [_made(call, source, target, *link) for link in wanted]
    return call.outcome(started, results, [], 200 if default else 201)


def _ends(entry: dict[str, Any]) -> tuple[str, str]:
    try:
        return str(entry["from"]["id"]), str(entry["to"]["id"])
    except (KeyError, TypeError):
        raise Malformed("Cannot build PublicAssociationMultiPost, some of required attributes are not set") from None


def _types(raw: Any, source: ObjectType, target: ObjectType) -> tuple[int, ...]:
    """The association types asked for. Raises `Refusal` for one that does not stand between the two object types."""
    try:
        types = tuple(int(type_["associationTypeId"]) for type_ in raw)
    except (KeyError, TypeError, ValueError):
        raise Malformed("Cannot build AssociationSpec, some of required attributes are not set") from None
    known = association_types(source.name, target.name)
    if not types or not known.issuperset(types):
        message = f"One or more association types in {list(types)} are not valid from {source.name} to {target.name}"
        raise Refusal(400, message, "VALIDATION_ERROR")
    return types


def _require(call: Call, kind: ObjectType, id_: str) -> None:
    if call.portal.get(kind.name, id_) is None:
        raise Refusal(404, f"No {kind.singular} with ID {id_} exists", "OBJECT_NOT_FOUND")


def _made(
    call: Call, source: ObjectType, target: ObjectType, from_id: str, to_id: str, types: tuple[int, ...]
) -> dict[str, Any]:
    call.portal.associate(source.name, from_id, target.name, to_id, types=types)
    call.portal.log_write(source.name, from_id, {"associated": None}, {"associated": f"{target.name}/{to_id}"})
    return {
        "fromObjectTypeId": source.type_id,
        "fromObjectId": int(from_id),
        "toObjectTypeId": target.type_id,
        "toObjectId": int(to_id),
        "labels": ["Primary"] if set(types) & set(PRIMARY_TYPES.values()) else [],
    }


def create(call: Call) -> Response:
    """Link two records with the types in the body."""
    source, target = _pair(call)
    types = _types(call.body, source, target)
    return answer(_single(call, source, target, types), 201)


def create_default(call: Call) -> Response:
    """Link two records with the vendor's default types."""
    source, target = _pair(call)
    made = _single(call, source, target, ())
    return answer({"status": "COMPLETE", "results": [made]})


def _single(call: Call, source: ObjectType, target: ObjectType, types: tuple[int, ...]) -> dict[str, Any]:
    _require(call, source, call.path["id"])
    _require(call, target, call.path["to_id"])
    return _made(call, source, target, call.path["id"], call.path["to_id"], types)


def archive(call: Call) -> Response:
    source, target = _pair(call)
    _unlink(call, source, target, call.path["id"], call.path["to_id"])
    return no_content()


def batch_archive(call: Call) -> Response:
    """Remove links; `to` is a list here."""
    source, target = _pair(call)
    for entry in call.inputs(MOST_WRITTEN):
        from_id = str(as_object(entry.get("from"), "from").get("id", ""))
        for to in objects_in(entry.get("to"), "to"):
            _unlink(call, source, target, from_id, str(to.get("id", "")))
    return no_content()


def _unlink(call: Call, source: ObjectType, target: ObjectType, from_id: str, to_id: str) -> None:
    """Remove a link, silently where there is none."""
    try:
        call.portal.dissociate(source.name, from_id, target.name, to_id)
    except NotFound:
        return
    call.portal.log_write(source.name, from_id, {"associated": f"{target.name}/{to_id}"}, {"associated": None})
