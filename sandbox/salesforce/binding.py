"""What the names of a query mean: paths and functions bound to fields the user may see, literals to stored values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

from sandbox.salesforce import fields
from sandbox.salesforce.faults import ApiError, at_position, malformed_query
from sandbox.salesforce.schema import NUMERIC, Field, FieldType, SObject
from sandbox.salesforce.soql import Expression, Literal, Name, Path
from sandbox.salesforce.spans import span
from sandbox.salesforce.table import Row
from sandbox.salesforce.values import Unreadable, instant, stamp, stored

if TYPE_CHECKING:
    from sandbox.salesforce.org import Org

Getter = Callable[[Row], Any]
DEEPEST = 5
"""Levels of parents that a path may climb."""

# What can be asked of a parent that may be of several kinds (Who, Owner).
NAME_FIELDS: dict[str, Field] = {
    field.name.lower(): field
    for field in (
        Field(name="Id", type=FieldType.ID), fields.text("Name"), fields.text("Type", 40), fields.text("FirstName", 40),
        fields.text("LastName", 80), fields.email(), fields.text("Title", 128), fields.phone(), fields.text("Username"),
        fields.flag("IsActive"), fields.text("Alias", 8),
    )
}  # fmt: skip
DATE_PARTS: dict[str, tuple[Callable[[datetime], Any], Field]] = {
    "DAY_ONLY": (lambda at: at.date().isoformat(), fields.day("DAY_ONLY")),
    "CALENDAR_YEAR": (lambda at: at.year, fields.whole("CALENDAR_YEAR")),
    "CALENDAR_MONTH": (lambda at: at.month, fields.whole("CALENDAR_MONTH")),
    "DAY_IN_MONTH": (lambda at: at.day, fields.whole("DAY_IN_MONTH")),
    "HOUR_IN_DAY": (lambda at: at.hour, fields.whole("HOUR_IN_DAY")),
}
# How describe's types are called in messages about criteria.
_CRITERION_TYPES = {FieldType.DATETIME: "dateTime", FieldType.PERCENT: "double", FieldType.CURRENCY: "double"}


@dataclass(frozen=True, slots=True)
class Bound:
    """An expression that can be evaluated: `names` is the path in the schema's case, `get` gives the stored value."""

    names: tuple[str, ...]
    field: Field
    get: Getter

    @property
    def direct(self) -> bool:
        """Whether this is a plain field of the queried object itself."""
        return len(self.names) == 1 and self.names[0] == self.field.name


class Scope:
    """The names that one object's queries may use. `text` is the whole query, for messages that point into it."""

    def __init__(self, org: Org, sobject: SObject, text: str, alias: str | None = None) -> None:
        self.org = org
        self.sobject = sobject
        self.text = text
        self._alias = (alias or "").lower()

    def bind(self, expression: Expression) -> Bound:
        """Raises ApiError (INVALID_FIELD, MALFORMED_QUERY) for what the user cannot see or the vendor does not know."""
        if isinstance(expression, Path):
            return self._path(expression)
        name = expression.function.text.upper()
        if name not in DATE_PARTS or expression.argument is None:
            raise self.refused(
                expression.function, "MALFORMED_QUERY", f"unexpected token: '{expression.function.text}'"
            )
        return self._date_part(name, expression.argument)

    def refused(self, name: Name, code: str, message: str) -> ApiError:
        return ApiError(400, code, at_position(self.text, name.line, name.column, message))

    def no_such_column(self, name: Name, entity: str) -> ApiError:
        return self.refused(
            name,
            "INVALID_FIELD",
            f"No such column '{name.text}' on entity '{entity}'. If you are attempting to use a custom field, be sure"
            " to append the '__c' after the custom field name. Please reference your WSDL or the describe call for the"
            " appropriate names.",
        )

    def _path(self, path: Path) -> Bound:
        steps = list(path.names)
        if len(steps) > 1 and steps[0].text.lower() in (self._alias, self.sobject.name.lower()):
            del steps[0]
        if len(steps) > DEEPEST + 1:
            raise malformed_query(f"Cannot relate more than {DEEPEST} levels")
        return self._climb(self.sobject, steps, ())

    def _climb(self, sobject: SObject, steps: list[Name], passed: tuple[str, ...]) -> Bound:
        access = self.org.access
        if len(steps) == 1:
            field = access.field(sobject, steps[0].text)
            if field is None:
                raise self.no_such_column(steps[0], sobject.name)
            name, missing = field.name, False if field.type is FieldType.BOOLEAN else None
            return Bound((*passed, name), field, lambda row: row.get(name, missing))
        reference = sobject.parent(steps[0].text)
        if reference is None or not access.readable(sobject, reference):
            raise self.refused(
                steps[0], "INVALID_FIELD",
                f"Didn't understand relationship '{steps[0].text}' in field path. If you are attempting to use a custom"
                " relationship, be sure to append the '__r' after the custom relationship name. Please reference your"
                " WSDL or the describe call for the appropriate names.",
            )  # fmt: skip
        passed = (*passed, reference.relationship or "")
        if reference.polymorphic:
            return self._of_name(reference, steps[1:], passed)
        parent = self.org.schema[reference.reference_to[0]]
        above = self._climb(parent, steps[1:], passed)
        table, key = self.org.table(parent.name), reference.name

        def get(row: Row) -> Any:
            found = table.visible.get(row.get(key, ""))
            return None if found is None else above.get(found)

        return Bound(above.names, above.field, get)

    def _of_name(self, reference: Field, steps: list[Name], passed: tuple[str, ...]) -> Bound:
        field = NAME_FIELDS.get(steps[0].text.lower())
        if field is None or len(steps) > 1:
            raise self.no_such_column(steps[0], "Name")
        org, key, name = self.org, reference.name, field.name
        for target in reference.reference_to:
            org.table(target)

        def get(row: Row) -> Any:
            id = row.get(key)
            kind = org.kind(id) if id else None
            found = org.tables[kind].visible.get(id) if kind and id else None
            if found is None:
                return None
            if name == "Type":
                return found.get("Type", kind) if kind == "Group" else kind
            return found.get(name)

        return Bound((*passed, name), field, get)

    def _date_part(self, name: str, argument: Path) -> Bound:
        inner = self._path(argument)
        if inner.field.type not in (FieldType.DATETIME, FieldType.DATE):
            raise malformed_query(f"{name}({'.'.join(inner.names)}) needs a date or dateTime field")
        part, field = DATE_PARTS[name]

        def get(row: Row) -> Any:
            value = inner.get(row)
            return None if value is None else part(datetime.fromisoformat(value))

        return Bound((f"{name}({'.'.join(inner.names)})",), replace(field, name="expr"), get)

    # -- literals ----------------------------------------------------------------------------------------------------

    def operand(self, bound: Bound, literal: Literal) -> Any:
        """The literal as stored values of the field compare with it; a (low, high) pair for a relative date."""
        field = bound.field
        if literal.kind == "null":
            return None
        if literal.kind == "span":
            return self._span(bound, literal.value)
        if not _fits(field, literal):
            raise self._criterion(bound, literal)
        if field.type is FieldType.DATETIME:
            return stamp(instant(literal.value))
        if field.type in NUMERIC:
            return literal.value
        if field.type in (FieldType.ID, FieldType.REFERENCE):
            try:
                return stored(field, literal.value)
            except Unreadable:
                raise ApiError(400, "INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {literal.value}") from None
        if isinstance(literal.value, str) and literal.kind == "string":
            return literal.value.casefold()
        return literal.value

    def _span(self, bound: Bound, text: str) -> tuple[str, str]:
        zone = self.org.zone()
        days = span(text, self.org.clock.now().astimezone(zone).date())
        if days is None:
            raise malformed_query(f"unexpected token: '{text}'")
        if bound.field.type is FieldType.DATE:
            return days[0].isoformat(), days[1].isoformat()
        if bound.field.type is FieldType.DATETIME:
            low, high = (datetime.combine(day, time(), tzinfo=zone).astimezone(UTC) for day in days)
            return stamp(low), stamp(high)
        raise self._criterion(bound, Literal("date", text))

    def _criterion(self, bound: Bound, literal: Literal) -> ApiError:
        kind = _CRITERION_TYPES.get(bound.field.type, str(bound.field.type))
        wanted = f"must be of type {kind}"
        if literal.kind == "string":
            wanted += " and should not be enclosed in quotes"
        elif kind in ("string", "picklist", "email", "phone", "url", "id", "reference", "textarea"):
            wanted += " and should be enclosed in quotes"
        message = f"value of filter criterion for field '{bound.names[-1]}' {wanted}"
        return ApiError(400, "INVALID_FIELD", message)


def _fits(field: Field, literal: Literal) -> bool:
    if field.type is FieldType.BOOLEAN:
        return literal.kind == "boolean"
    if field.type in NUMERIC:
        return literal.kind == "number"
    if field.type in (FieldType.DATE, FieldType.DATETIME):
        return literal.kind == str(field.type)
    return literal.kind == "string"
