"""SELECT as JSON and as CSV: rows in stored form become records with `attributes`, parents and child lists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox.salesforce.binding import Bound, Scope
from sandbox.salesforce.faults import ApiError, malformed_query
from sandbox.salesforce.schema import FieldType
from sandbox.salesforce.soql import Call, Name, Path, Query, Selected
from sandbox.salesforce.table import Row

Record = dict[str, Any]
Shape = Callable[[Row], Record]
MOST_WITH_ALL_FIELDS = 200

Children = Callable[[Row, str], Record | None]
"""(parent row, base URL) -> the child result, or None where there is none."""


@dataclass(frozen=True, slots=True)
class Dirt:
    """What has been seen in Bulk CSV: whole numbers as `12.0`, long texts that end with a NUL."""

    decimal_ints: bool = False
    nul_bytes: bool = False


@dataclass(slots=True)
class Branch:
    """What is selected of one record: plain fields with what null means for them, and parents below them."""

    fields: dict[str, Bound] = field(default_factory=dict)
    parents: dict[str, Branch] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Projection:
    """What one query selects of its rows."""

    scope: Scope
    columns: tuple[Bound, ...]
    children: dict[str, Children]

    def shape(self, base: str) -> Shape:
        """A function from row to JSON record; `base` is the path of the API version, for the attributes' URLs."""
        root = Branch()
        for bound in self.columns:
            _place(root, bound)
        plain = [
            (name, False if bound.field.type is FieldType.BOOLEAN else None) for name, bound in root.fields.items()
        ]
        kind = self.scope.sobject.name
        url = f"{base}/sobjects/{kind}/"
        parents = [(name, _parent_shape(self.scope, branch, base, (name,))) for name, branch in root.parents.items()]
        children = list(self.children.items())

        def shaped(row: Row) -> Record:
            record: Record = {"attributes": {"type": kind, "url": url + row["Id"]}}
            for name, missing in plain:
                record[name] = row.get(name, missing)
            for name, parent in parents:
                record[name] = parent(row)
            for name, child in children:
                record[name] = child(row, base)
            return record

        return shaped

    def header(self) -> list[str]:
        return [".".join(bound.names) for bound in self.columns]

    def cells(self, row: Row, dirt: Dirt) -> list[str]:
        """The row as CSV cells of the Bulk API: instants with Z, booleans in lower case, null as nothing."""
        return [_cell(bound.field.type, bound.get(row), dirt) for bound in self.columns]


def project(scope: Scope, query: Query, child: Callable[[Scope, Query], tuple[str, Children]]) -> Projection:
    """Bind the SELECT list. `child` binds a subquery of it. Raises ApiError."""
    columns: dict[tuple[str, ...], Bound] = {}
    children: dict[str, Children] = {}
    for item in query.items:
        if isinstance(item, Query):
            name, run = child(scope, item)
            children[name] = run
            continue
        for bound in _selected(scope, item, query):
            if bound.names in columns:
                raise malformed_query(f"duplicate field selected: {'.'.join(bound.names)}")
            columns[bound.names] = bound
    return Projection(scope, tuple(columns.values()), children)


def _selected(scope: Scope, item: Selected, query: Query) -> list[Bound]:
    expression = item.expression
    if item.alias is not None:
        raise malformed_query("only aggregate expressions use field aliasing")
    if isinstance(expression, Call):
        if expression.function.text.upper() != "FIELDS" or expression.argument is None:
            raise scope.refused(expression.function, "MALFORMED_QUERY", "unexpected token: '('")
        return _all_fields(scope, expression.argument, query)
    return [scope.bind(expression)]


def _all_fields(scope: Scope, argument: Path, query: Query) -> list[Bound]:
    group = argument.names[0].text.upper()
    if group not in ("ALL", "STANDARD", "CUSTOM"):
        raise malformed_query(f"Unknown FIELDS() group: {argument.names[0].text}")
    if group != "STANDARD" and (query.limit is None or query.limit > MOST_WITH_ALL_FIELDS):
        raise malformed_query(
            "The SOQL FIELDS function must have a LIMIT of at most 200 for queries that include custom fields"
        )
    return [
        scope.bind(Path((Name(field.name, 1, 1),)))
        for field in scope.org.access.fields(scope.sobject)
        if group == "ALL" or field.custom == (group == "CUSTOM")
    ]


def _place(root: Branch, bound: Bound) -> None:
    branch = root
    for step in bound.names[:-1]:
        branch = branch.parents.setdefault(step, Branch())
    branch.fields[bound.names[-1]] = bound


def _parent_shape(scope: Scope, branch: Branch, base: str, path: tuple[str, ...]) -> Callable[[Row], Record | None]:
    """A parent record, read through the getters of its fields; null where the reference is empty."""
    id = scope.bind(Path(tuple(Name(name, 1, 1) for name in (*path, "Id"))))
    polymorphic = _is_name(scope, path)
    org = scope.org
    fields = list(branch.fields.items())
    parents = [(name, _parent_shape(scope, inner, base, (*path, name))) for name, inner in branch.parents.items()]

    def shaped(row: Row) -> Record | None:
        found = id.get(row)
        if found is None:
            return None
        kind = org.kind(found)
        record: Record = {
            "attributes": {"type": "Name" if polymorphic else kind, "url": f"{base}/sobjects/{kind}/{found}"}
        }
        for name, bound in fields:
            record[name] = bound.get(row)
        for name, parent in parents:
            record[name] = parent(row)
        return record

    return shaped


def _is_name(scope: Scope, path: tuple[str, ...]) -> bool:
    sobject = scope.sobject
    for step in path:
        reference = sobject.parent(step)
        if reference is None or reference.polymorphic:
            return True
        sobject = scope.org.schema[reference.reference_to[0]]
    return False


def _cell(kind: FieldType, value: Any, dirt: Dirt) -> str:
    if value is None:
        return ""
    if dirt.decimal_ints and kind is FieldType.INT:
        return f"{value}.0"
    if dirt.nul_bytes and kind is FieldType.TEXTAREA and len(value) % 2:
        return f"{value}\0"
    if kind is FieldType.DATETIME:
        return f"{value[:23]}Z"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def refuse_for_bulk(query: Query, projection: Projection) -> None:
    """Raises ApiError for what the Bulk API cannot query: child lists, aggregates and OFFSET."""
    if projection.children or query.group or query.offset:
        message = "Aggregate relationship queries, GROUP BY and OFFSET are not supported in Bulk Query"
        raise ApiError(400, "API_ERROR", message)
