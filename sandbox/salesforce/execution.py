"""Running a query: bind, pick an index, filter, order, cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from sandbox.salesforce.access import Sharing
from sandbox.salesforce.aggregation import Aggregation, is_aggregate, is_plain_count
from sandbox.salesforce.binding import Bound, Scope
from sandbox.salesforce.conditions import Node, Test, bounds, build, candidates
from sandbox.salesforce.faults import ApiError, malformed_query
from sandbox.salesforce.projection import Children, Projection, Record, project
from sandbox.salesforce.schema import SObject
from sandbox.salesforce.soql import Name, Path, Query, parse
from sandbox.salesforce.table import Row, Table

if TYPE_CHECKING:
    from sandbox.salesforce.org import Org

DEEPEST_OFFSET = 2000
INDEXED = ("SystemModstamp", "CreatedDate", "LastModifiedDate", "Id")
"""Fields with an ordered index over (value, Id)."""


@dataclass(frozen=True, slots=True)
class Result:
    """A snapshot of what matched. Of an aggregate query `records` are final; else `rows` are to be projected."""

    total: int
    rows: list[Row]
    projection: Projection | None
    records: list[Record] | None = None

    @property
    def columns(self) -> Projection:
        """The projection of the rows. Raises TypeError for an aggregate, which has none."""
        if self.projection is None:
            raise TypeError("an aggregate result has records, not columns")
        return self.projection


def run(org: Org, text: str, *, all_rows: bool = False) -> Result:
    """Answer a SOQL query; with `all_rows` deleted and archived records take part. Raises ApiError."""
    return run_parsed(org, parse(text), all_rows=all_rows)


def run_parsed(org: Org, query: Query, *, all_rows: bool) -> Result:
    """`run` for a query that is parsed already."""
    sobject = _queried(org, query)
    scope = Scope(org, sobject, query.text, query.alias)
    where = None if query.where is None else build(scope, query.where, _Subqueries(org, query.text, all_rows).values)
    if query.offset > DEEPEST_OFFSET:
        raise ApiError(400, "NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000")
    if is_plain_count(query):
        total = sum(1 for _ in _cut(_matching(scope, where, (), all_rows), query))
        return Result(total, [], None, records=[])
    if is_aggregate(query):
        aggregation = Aggregation(scope, query)
        records = aggregation.records(_matching(scope, where, (), all_rows))
        return Result(len(records), [], None, records)
    projection = project(scope, query, lambda outer, inner: _child(outer, inner, all_rows))
    order = tuple((scope.bind(by.expression), by.descending, by.nulls_last) for by in query.order)
    rows = list(_cut(_matching(scope, where, order, all_rows), query))
    return Result(len(rows), rows, projection)


Order = tuple[tuple[Bound, bool, bool], ...]


def _queried(org: Org, query: Query) -> SObject:
    sobject = org.sobject(query.object.text)
    if sobject is not None and org.access.object_readable(sobject):
        return sobject
    scope = Scope(org, next(iter(org.schema.values())), query.text)
    raise scope.refused(
        query.object,
        "INVALID_TYPE",
        f"sObject type '{query.object.text}' is not supported. If you are attempting to use a custom object, be sure to"
        " append the '__c' after the entity name. Please reference your WSDL or the describe call for the appropriate"
        " names.",
    )


def _cut(rows: Iterable[Row], query: Query) -> Iterator[Row]:
    stop = None if query.limit is None else query.offset + query.limit
    return islice(rows, query.offset, stop)


def _matching(scope: Scope, where: Node | None, order: Order, all_rows: bool) -> Iterator[Row]:
    """Rows that the user's query matches, in order. Lazy where an index gives the order, so LIMIT costs little."""
    table = scope.org.table(scope.sobject.name)
    test = _shared(scope, where)
    ids = candidates(where, table)
    if ids is not None:
        return iter(_ordered(list(_filtered(table, ids, test, all_rows)), order))
    lead = order[0][0].field.name if order and order[0][0].direct else ""
    by_index = lead in INDEXED and _index_gives(order, lead)
    field = lead if by_index else _narrowest(scope, where)
    if field is None:
        return iter(_ordered(list(_filtered(table, table.visible, test, all_rows)), order))
    ids = table.between(field, *bounds(where, field))
    if by_index:
        return _filtered(table, reversed(ids) if order[0][1] else ids, test, all_rows)
    return iter(_ordered(list(_filtered(table, ids, test, all_rows)), order))


def _shared(scope: Scope, where: Node | None) -> Test | None:
    """The condition, and that the record is shared with the user."""
    test, sobject, access = None if where is None else where.test, scope.sobject, scope.org.access
    if access.sharing.get(sobject.name, Sharing.PUBLIC) is not Sharing.PRIVATE:
        return test
    return lambda row: access.shares(sobject, row) and (test is None or test(row))


def _narrowest(scope: Scope, where: Node | None) -> str | None:
    """An indexed field that the condition bounds, if any."""
    return next(
        (name for name in INDEXED if name in scope.sobject.fields and bounds(where, name) != (None, None)), None
    )


def _index_gives(order: Order, lead: str) -> bool:
    """Whether walking the index over (`lead`, Id) yields this order: `lead`, or `lead, Id`, in one direction."""
    directions = {descending for _, descending, _ in order}
    return len(directions) == 1 and all(bound.names == ("Id",) for bound, _, _ in order[1:])


def _filtered(table: Table, ids: Iterable[str], test: Test | None, all_rows: bool) -> Iterator[Row]:
    visible = table.visible
    for id in ids:
        row = visible.get(id)
        if row is None or (not all_rows and (row.get("IsDeleted") or row.get("IsArchived"))):
            continue
        if test is None or test(row):
            yield row


def _ordered(rows: list[Row], order: Order) -> list[Row]:
    """Sorted without regard to case; nulls first unless told otherwise."""
    for bound, descending, nulls_last in reversed(order):
        keyed = [(bound.get(row), row) for row in rows]
        nulls = [row for value, row in keyed if value is None]
        others = [
            (value.casefold() if _folds(bound, value) else value, row) for value, row in keyed if value is not None
        ]
        others.sort(key=lambda pair: pair[0], reverse=descending)
        rest = [row for _, row in others]
        rows = rest + nulls if nulls_last else nulls + rest
    return rows


def _folds(bound: Bound, value: Any) -> bool:
    return isinstance(value, str) and bound.field.type not in ("id", "reference", "datetime")


class _Subqueries:
    """`IN (SELECT ...)`: the values of one column of another query."""

    def __init__(self, org: Org, text: str, all_rows: bool) -> None:
        self._org, self._text, self._all_rows = org, text, all_rows

    def values(self, query: Query) -> Iterable[Any]:
        sobject = _queried(self._org, _with_text(query, self._text))
        scope = Scope(self._org, sobject, self._text, query.alias)
        projection = project(scope, query, _no_children)
        if len(projection.columns) != 1:
            raise malformed_query("semi join sub-selects can only query a single field")
        where = None if query.where is None else build(scope, query.where, self.values)
        get = projection.columns[0].get
        return (value for row in _matching(scope, where, (), self._all_rows) if (value := get(row)) is not None)


def _with_text(query: Query, text: str) -> Query:
    return replace(query, text=text)


def _no_children(scope: Scope, query: Query) -> tuple[str, Children]:
    raise malformed_query("Nesting of subqueries is not supported here")


def _child(scope: Scope, query: Query, all_rows: bool) -> tuple[str, Children]:
    """A subquery of SELECT: bind it once, run it per parent row over the index of its reference field."""
    org, wanted = scope.org, query.object
    found = next(
        (
            (sobject, field)
            for sobject in org.schema.values()
            for field in sobject.references()
            if (field.child or "").lower() == wanted.text.lower() and scope.sobject.name in field.reference_to
        ),
        None,
    )
    if found is None:
        raise _unknown_child(scope, wanted)
    sobject, reference = found
    inner = Scope(org, sobject, scope.text, query.alias)
    where = None if query.where is None else build(inner, query.where, _Subqueries(org, scope.text, all_rows).values)
    projection = project(inner, query, _no_children)
    order = tuple((inner.bind(by.expression), by.descending, by.nulls_last) for by in query.order)
    table, key = org.table(sobject.name), reference.name
    test = _shared(inner, where)

    def children(parent: Row, base: str) -> Record | None:
        rows = [
            row
            for row in _filtered(table, table.having(key, [parent["Id"]]), test, all_rows)
            if row.get(key) == parent["Id"]
        ]
        rows = list(_cut(_ordered(rows, order), query))
        if not rows:
            return None
        return {"totalSize": len(rows), "done": True, "records": list(map(projection.shape(base), rows))}

    return reference.child or "", children


def _unknown_child(scope: Scope, name: Name) -> ApiError:
    return scope.refused(
        name,
        "INVALID_TYPE",
        f"Didn't understand relationship '{name.text}' in FROM part of query call. If you are attempting to use"
        " a custom relationship, be sure to append the '__r' after the custom relationship name. Please reference your"
        " WSDL or the describe call for the appropriate names.",
    )


def read_fields(org: Org, sobject: SObject, names: Iterable[str]) -> Projection:
    """The projection of named fields, for reads by id. Raises ApiError (INVALID_FIELD)."""
    scope = Scope(org, sobject, "")
    columns: dict[tuple[str, ...], Bound] = {}
    for name in names:
        steps = tuple(Name(step, 1, 1) for step in name.strip().split("."))
        try:
            bound = scope.bind(Path(steps))
        except ApiError:
            message = f"No such column '{name}' on sobject of type {sobject.name}"
            raise ApiError(400, "INVALID_FIELD", message) from None
        columns[bound.names] = bound
    return Projection(scope, tuple(columns.values()), {})
