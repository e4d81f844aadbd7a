"""COUNT, SUM, MIN, MAX, AVG and GROUP BY."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.salesforce.binding import Bound, Scope
from sandbox.salesforce.faults import ApiError, malformed_query
from sandbox.salesforce.schema import NUMERIC
from sandbox.salesforce.soql import Call, Expression, Ordering, Query, Selected
from sandbox.salesforce.table import Row

MOST_GROUPS = 2000

Fold = Callable[[list[Any]], Any]
_FOLDS: dict[str, Fold] = {
    "COUNT": len,
    "COUNT_DISTINCT": lambda values: len({value.casefold() if isinstance(value, str) else value for value in values}),
    "MIN": lambda values: min(values, default=None),
    "MAX": lambda values: max(values, default=None),
    "SUM": lambda values: float(sum(values)) if values else None,
    "AVG": lambda values: float(sum(values)) / len(values) if values else None,
}


def is_aggregate(query: Query) -> bool:
    return bool(query.group) or any(isinstance(item, Selected) and _fold_of(item.expression) for item in query.items)


def is_plain_count(query: Query) -> bool:
    """`SELECT COUNT() FROM ...`, whose answer is totalSize alone."""
    item = query.items[0]
    return (
        len(query.items) == 1
        and isinstance(item, Selected)
        and isinstance(item.expression, Call)
        and item.expression.argument is None
        and item.expression.function.text.upper() == "COUNT"
    )


def _fold_of(expression: Expression) -> str | None:
    if isinstance(expression, Call) and expression.function.text.upper() in _FOLDS:
        return expression.function.text.upper()
    return None


@dataclass(frozen=True, slots=True)
class Column:
    """One value of a group's record: a grouped expression (`group` is its position) or the fold of a field."""

    key: str
    fold: Fold | None
    bound: Bound | None
    group: int | None


class Aggregation:
    """A bound aggregate query. Raises ApiError for expressions that are neither grouped nor aggregated."""

    def __init__(self, scope: Scope, query: Query) -> None:
        self._scope = scope
        self._groups = [scope.bind(expression) for expression in query.group]
        self._query = query
        self._columns: list[Column] = []
        for item in query.items:
            if isinstance(item, Query):
                raise malformed_query("Aggregate queries cannot contain nested queries")
            self._columns.append(self._column(item.expression, item.alias))

    def records(self, rows: Iterable[Row]) -> list[dict[str, Any]]:
        """One record a group, in the query's order."""
        groups: dict[tuple[Any, ...], list[Row]] = {}
        for row in rows:
            groups.setdefault(tuple(bound.get(row) for bound in self._groups), []).append(row)
        if not self._groups and not groups:
            groups[()] = []
        found = list(groups.items())
        for ordering in reversed(self._query.order):
            found = self._sorted(found, ordering)
        start, limit = self._query.offset, self._query.limit
        found = found[start : None if limit is None else start + limit]
        if len(found) > MOST_GROUPS:
            raise ApiError(
                400, "EXCEEDED_ID_LIMIT",
                "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch",
            )  # fmt: skip
        return [self._record(key, members) for key, members in found]

    def _column(self, expression: Expression, alias: str | None) -> Column:
        fold = _fold_of(expression)
        if fold is None or not isinstance(expression, Call):
            bound = self._scope.bind(expression)
            position = next((n for n, group in enumerate(self._groups) if group.names == bound.names), None)
            if position is None:
                message = f"Field must be grouped or aggregated: {'.'.join(bound.names)}"
                raise malformed_query(message)
            unnamed = isinstance(expression, Call)
            return Column(alias or (self._unnamed() if unnamed else bound.names[-1]), None, bound, position)
        key = alias or self._unnamed()
        if expression.argument is None:
            return Column(key, _FOLDS[fold], None, None)
        bound = self._scope.bind(expression.argument)
        if fold in ("SUM", "AVG") and bound.field.type not in NUMERIC:
            raise malformed_query(f"field {bound.names[-1]} does not support aggregate operator {fold}")
        return Column(key, _FOLDS[fold], bound, None)

    def _unnamed(self) -> str:
        return f"expr{sum(column.key.startswith('expr') for column in self._columns)}"

    def _value(self, column: Column, key: Sequence[Any], members: list[Row]) -> Any:
        if column.group is not None:
            return key[column.group]
        if column.bound is None or column.fold is None:
            return len(members)
        get = column.bound.get
        return column.fold([value for row in members if (value := get(row)) is not None])

    def _record(self, key: Sequence[Any], members: list[Row]) -> dict[str, Any]:
        values = {column.key: self._value(column, key, members) for column in self._columns}
        return {"attributes": {"type": "AggregateResult"}, **values}

    def _sorted(
        self, groups: list[tuple[tuple[Any, ...], list[Row]]], ordering: Ordering
    ) -> list[tuple[tuple[Any, ...], list[Row]]]:
        column = self._column(ordering.expression, "order")
        valued = [(self._value(column, *group), group) for group in groups]
        nulls = [group for value, group in valued if value is None]
        others = sorted(
            ((value, group) for value, group in valued if value is not None),
            key=lambda pair: pair[0], reverse=ordering.descending,
        )  # fmt: skip
        rest = [group for _, group in others]
        return rest + nulls if ordering.nulls_last else nulls + rest
