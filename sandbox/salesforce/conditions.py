"""WHERE as something to evaluate: a tree of predicates, and what an index can make of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sandbox.salesforce.binding import Bound, Scope
from sandbox.salesforce.faults import ApiError, malformed_query
from sandbox.salesforce.schema import IDENTIFIERS, NUMERIC, FieldType
from sandbox.salesforce.soql import Comparison, Condition, Literal, Logical, Query
from sandbox.salesforce.table import LAST, Key, Row, Table

Test = Callable[[Row], bool]
_EXACT = IDENTIFIERS | NUMERIC | {FieldType.DATETIME, FieldType.DATE, FieldType.BOOLEAN}
Subquery = Callable[[Query], Iterable[Any]]
Bounds = tuple[Key | None, Key | None]
"""low <= (value, Id) < high; None is open."""


@dataclass(frozen=True, slots=True)
class Node:
    """A predicate. A leaf on a plain field keeps its parts, so that an index can answer it."""

    test: Test
    operator: str
    parts: tuple[Node, ...] = ()
    bound: Bound | None = None
    operand: Any = None


def build(scope: Scope, condition: Condition, subquery: Subquery) -> Node:
    """Bind a condition; `subquery` gives the values of `IN (SELECT ...)`. Raises ApiError."""
    if isinstance(condition, Comparison):
        return _leaf(scope, condition, subquery)
    parts = tuple(build(scope, part, subquery) for part in condition.parts)
    tests = [part.test for part in parts]
    return Node(_combined(condition, tests), condition.operator, parts)


def _combined(condition: Logical, tests: list[Test]) -> Test:
    if condition.operator == "NOT":
        inner = tests[0]
        return lambda row: not inner(row)
    if len(tests) == 2:
        one, other = tests
        if condition.operator == "AND":
            return lambda row: one(row) and other(row)
        return lambda row: one(row) or other(row)
    if condition.operator == "AND":
        return lambda row: all(test(row) for test in tests)
    return lambda row: any(test(row) for test in tests)


def _leaf(scope: Scope, comparison: Comparison, subquery: Subquery) -> Node:
    bound = scope.bind(comparison.left)
    if not bound.field.filterable:
        message = f"field '{bound.names[-1]}' can not be filtered in a query call"
        raise ApiError(400, "INVALID_FIELD", message)
    operator, right = comparison.operator, comparison.right
    if not isinstance(right, Literal):
        if isinstance(right, Query):
            values = {_folded(bound, value) for value in subquery(right)}
        else:
            values = {scope.operand(bound, literal) for literal in right}
        return Node(_membership(bound, operator, values), operator, bound=bound, operand=values)
    if operator == "LIKE":
        if right.kind != "string" or bound.field.type is FieldType.BOOLEAN:
            raise ApiError(400, "INVALID_FIELD", f"invalid operator on {bound.names[-1]} field")
        return Node(_like(bound, right.value), operator, bound=bound)
    operand = scope.operand(bound, right)
    if isinstance(operand, tuple):
        return _relative(bound, operator, operand)
    if operand is None and operator not in ("=", "!="):
        raise malformed_query(f"invalid operator '{operator}' with null on field '{bound.names[-1]}'")
    return Node(_comparison(bound, operator, operand), operator, bound=bound, operand=operand)


def _relative(bound: Bound, operator: str, days: tuple[str, str]) -> Node:
    """A comparison with a range of days: equal means inside, less means before its start, greater after its end."""
    low, high = days
    within = tuple(
        Node(_comparison(bound, op, at), op, bound=bound, operand=at) for op, at in ((">=", low), ("<", high))
    )
    first, second = (node.test for node in within)
    if operator == "=":
        return Node(lambda row: first(row) and second(row), "AND", within)
    if operator == "!=":
        return Node(lambda row: not (first(row) and second(row)), "!=")
    plain, at = {"<": ("<", low), ">=": (">=", low), ">": (">=", high), "<=": ("<", high)}[operator]
    return Node(_comparison(bound, plain, at), plain, bound=bound, operand=at)


def _folds(bound: Bound) -> bool:
    """Whether the field compares without regard to case: all text but ids."""
    return bound.field.type not in _EXACT


def _folded(bound: Bound, value: Any) -> Any:
    return value.casefold() if isinstance(value, str) and _folds(bound) else value


def _comparison(bound: Bound, operator: str, operand: Any) -> Test:
    get = bound.get
    if _folds(bound):
        plain = get

        def get(row: Row) -> Any:
            value = plain(row)
            return None if value is None else value.casefold()

    if operator == "=":
        return lambda row: get(row) == operand
    if operator == "!=":
        return lambda row: get(row) != operand
    if operator == "<":
        return lambda row: (value := get(row)) is not None and value < operand
    if operator == "<=":
        return lambda row: (value := get(row)) is not None and value <= operand
    if operator == ">":
        return lambda row: (value := get(row)) is not None and value > operand
    return lambda row: (value := get(row)) is not None and value >= operand


def _membership(bound: Bound, operator: str, values: set[Any]) -> Test:
    get = bound.get
    if operator in ("INCLUDES", "EXCLUDES"):
        wanted = [set(value.split(";")) for value in values if value is not None]

        def includes(row: Row) -> bool:
            chosen = set((get(row) or "").casefold().split(";"))
            return any(group <= chosen for group in wanted)

        return includes if operator == "INCLUDES" else lambda row: not includes(row)
    if _folds(bound):
        if operator == "IN":
            return lambda row: _folded(bound, get(row)) in values
        return lambda row: _folded(bound, get(row)) not in values
    if operator == "IN":
        return lambda row: get(row) in values
    return lambda row: get(row) not in values


def _like(bound: Bound, pattern: str) -> Test:
    parts = re.findall(r"\\[%_]|[%_]|[^%_\\]+|\\", pattern)
    wild = {"%": ".*", "_": "."}
    matches = re.compile(
        "".join(wild.get(part) or re.escape(part.removeprefix("\\")) for part in parts), re.IGNORECASE | re.DOTALL
    )
    get = bound.get
    return lambda row: (value := get(row)) is not None and matches.fullmatch(value) is not None


# -- what an index can make of it -------------------------------------------------------------------------------------


def candidates(node: Node | None, table: Table) -> list[str] | None:
    """Ids among which all matches are, if an equality or IN on an indexed field narrows it down to some; else None."""
    if node is None:
        return None
    if node.operator == "AND":
        found = [ids for part in node.parts if (ids := candidates(part, table)) is not None]
        return min(found, key=len, default=None)
    if node.operator == "OR":
        groups = [candidates(part, table) for part in node.parts]
        if any(group is None for group in groups):
            return None
        return list(dict.fromkeys(id for group in groups for id in group or ()))
    if node.bound is None or not node.bound.direct or node.operator not in ("=", "IN"):
        return None
    values = node.operand if node.operator == "IN" else {node.operand}
    field = node.bound.field
    if field.type is FieldType.ID:
        return [id for id in values if id is not None]
    if field.type in (FieldType.REFERENCE, FieldType.EMAIL) or field.external_id:
        return None if None in values else table.having(field.name, values)
    return None


def bounds(node: Node | None, field: str) -> Bounds:
    """The part of the index over (`field`, Id) outside of which nothing can match."""
    if node is None:
        return None, None
    if node.operator == "AND":
        low, high = None, None
        for part in node.parts:
            part_low, part_high = bounds(part, field)
            low = part_low if low is None else max(low, part_low or low)
            high = part_high if high is None else min(high, part_high or high)
        return _tightened(node, field, low, high)
    if node.operator == "OR":
        lows, highs = zip(*(bounds(part, field) for part in node.parts), strict=True)
        return (
            None if None in lows else min(low for low in lows if low is not None),
            None if None in highs else max(high for high in highs if high is not None),
        )
    if node.bound is None or not node.bound.direct or node.bound.field.name != field:
        return None, None
    return _edges(node.operator, node.operand)


def _edges(operator: str, value: Any) -> Bounds:
    before, after = (value, ""), (value, LAST)
    edges: dict[str, Bounds] = {
        "=": (before, after), ">": (after, None), ">=": (before, None), "<": (None, before), "<=": (None, after),
    }  # fmt: skip
    return (None, None) if value is None else edges.get(operator, (None, None))


def _tightened(node: Node, field: str, low: Key | None, high: Key | None) -> Bounds:
    """With one value left, as in `SystemModstamp = x AND Id > y`, the ids bound the range further."""
    if low is None or high is None or low[0] != high[0] or field == "Id":
        return low, high
    for part in node.parts:
        if part.bound is None or not part.bound.direct or part.bound.field.name != "Id":
            continue
        if part.operator in (">", ">="):
            low = max(low, (low[0], part.operand + ("\0" if part.operator == ">" else "")))
        elif part.operator in ("<", "<="):
            high = min(high, (high[0], part.operand + ("\0" if part.operator == "<=" else "")))
    return low, high
