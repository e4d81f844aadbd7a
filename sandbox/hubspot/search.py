"""Search: the request's limits, and the choice of rows from the index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sandbox.hubspot.bodies import Malformed, names_in, objects_in, whole_in
from sandbox.hubspot.filters import (
    BadFilter,
    Filter,
    comparable,
    matches_text,
    narrowed,
    predicate,
    reader,
)
from sandbox.hubspot.index import Row, SearchIndex
from sandbox.hubspot.portal import Portal
from sandbox.hubspot.schema import ObjectType, Schema

LIMIT = 200
DEFAULT_LIMIT = 10
REACH = 10_000
"""No row at this offset or beyond is ever served (CRM search guide, "Limits")."""
GROUPS, FILTERS_A_GROUP, FILTERS, QUERY_LENGTH = 5, 6, 18, 3_000

_SEARCHED: dict[str, tuple[str, ...]] = {
    "contacts": ("firstname", "lastname", "email", "hs_additional_emails", "phone", "company"),
    "companies": ("name", "domain", "website", "phone"),
    "deals": ("dealname", "pipeline", "dealstage"),
}


class BeyondLimits(ValueError):
    """The request asks for more than search serves; the vendor answers with a bare 400."""


@dataclass(frozen=True, slots=True)
class Query:
    """A search request within the vendor's limits."""

    groups: tuple[tuple[Filter, ...], ...]
    sort: str | None
    descending: bool
    text: str
    limit: int
    after: int
    properties: tuple[str, ...]

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Query:
        """Raises `Malformed` and `BeyondLimits`."""
        raw = body.get("filterGroups") or ([{"filters": body["filters"]}] if body.get("filters") else None)
        groups = tuple(
            tuple(map(Filter.parse, objects_in(group.get("filters"), "filters")))
            for group in objects_in(raw, "filterGroups")
        )
        limit = whole_in(body.get("limit"), "limit", DEFAULT_LIMIT)
        after = whole_in(body.get("after"), "after", 0)
        text, sorts = str(body.get("query") or ""), body.get("sorts") or []
        properties = names_in(body.get("properties"), "properties")
        if not isinstance(sorts, list):
            raise Malformed("Cannot deserialize value of type `java.util.ArrayList` from `sorts`")
        if (
            len(groups) > GROUPS
            or sum(map(len, groups)) > FILTERS
            or any(len(group) > FILTERS_A_GROUP for group in groups)
            or not 0 < limit <= LIMIT
            or not 0 <= after < REACH
            or len(text) > QUERY_LENGTH
            or len(sorts) > 1
        ):
            raise BeyondLimits
        sort, descending = _sort(sorts[0]) if sorts else (None, False)
        return cls(groups, sort, descending, text, limit, after, properties)


def _sort(raw: Any) -> tuple[str, bool]:
    """A sort rule: an object, or a property name with a minus for descending order."""
    if isinstance(raw, dict) and raw.get("propertyName"):
        return str(raw["propertyName"]), raw.get("direction") == "DESCENDING"
    if isinstance(raw, str) and raw:
        return raw.removeprefix("-"), raw.startswith("-")
    raise Malformed("Cannot construct instance of `Sort`")


def find(portal: Portal, kind: ObjectType, query: Query) -> tuple[int, list[int]]:
    """(rows that match, ids of the page asked for). Raises `BadFilter` for what the properties do not allow."""
    index, schema = portal.index(kind.name), portal.schemas[kind.name]
    if query.sort is not None and schema.get(query.sort) is None:
        raise BadFilter(f'Property "{query.sort}" does not exist')
    stop = query.after + query.limit
    if len(query.groups) == 1 and not query.text and query.sort == "hs_object_id" and not query.descending:
        span, rest = narrowed(kind, query.groups[0])
        if not rest:
            return index.count(span), list(islice(index.ids(span), query.after, stop))
    rows = list(_matching(portal, kind, schema, index, query))
    _order(rows, schema, query)
    return len(rows), [row.id for row in rows[query.after : stop]]


def _matching(portal: Portal, kind: ObjectType, schema: Schema, index: SearchIndex, query: Query) -> Iterator[Row]:
    def linked(id_: int, type_: str) -> list[int]:
        record = portal.exact(kind.name, str(id_))
        return [other for other, _ in portal.live_links(record, type_)] if record is not None else []

    searched = _SEARCHED.get(kind.name, ())
    seen: set[int] = set()
    for group in query.groups or ((),):
        span, rest = narrowed(kind, group)
        test = predicate(schema, rest, linked)
        for row in map(index.row, index.ids(span)):
            if row is None or row.id in seen or not test(row):
                continue
            if query.text and not matches_text(row, searched, query.text):
                continue
            seen.add(row.id)
            yield row


def _order(rows: list[Row], schema: Schema, query: Query) -> None:
    """Sort in place; by default oldest creation first. Rows without a value come last, ties by id."""
    if query.sort is None:
        rows.sort(key=lambda row: (row.created, row.id))
        return
    definition, read = schema.get(query.sort), reader(schema.kind, query.sort)
    assert definition is not None
    keyed = []
    empty = []
    for row in rows:
        text = read(row)
        key = comparable(definition, text) if text is not None else None
        if key is None:
            empty.append(row)
        else:
            keyed.append((key, row.id, row))
    keyed.sort(key=lambda entry: entry[:2], reverse=query.descending)
    rows[:] = [row for _, _, row in keyed] + sorted(empty, key=lambda row: row.id)
