"""SOQL: the grammar and the tree it gives. What names mean is decided in `binding`, so this knows no schema."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken, VisitError

from sandbox.salesforce.faults import ApiError, at_position, malformed_query
from sandbox.salesforce.spans import FIXED

LONGEST_QUERY = 100_000
LONGEST_STRING = 4_000

# AND and OR cannot be mixed, nor NOT stand beside them, without parentheses: as in the vendor's own grammar.
_GRAMMAR = r"""
start: query
query: _SELECT items _FROM NAME [NAME] [where] [group] [order] [limit] [offset]
items: _item ("," _item)*
_item: selected | "(" query ")"
selected: expression [NAME]
?expression: path | call
path: NAME ("." NAME)*
call: NAME "(" [path] ")"

where: _WHERE _condition
_condition: _operand | conjunction | disjunction | negation
conjunction: _operand (_AND _operand)+
disjunction: _operand (_OR _operand)+
negation: _NOT _operand
_operand: "(" _condition ")" | comparison | membership
comparison: expression OPERATOR value | expression LIKE value
membership: expression IN list_or_query -> member
          | expression _NOT IN list_or_query -> not_member
          | expression INCLUDES values -> includes
          | expression EXCLUDES values -> excludes
?list_or_query: values | "(" query ")"
values: "(" value ("," value)* ")"
?value: STRING -> string
      | NUMBER -> number
      | DATETIME -> datetime
      | DATE -> date
      | SPAN -> span
      | NAME -> word

group: _GROUP _BY expression ("," expression)*
order: _ORDER _BY ordering ("," ordering)*
ordering: expression [ASC | DESC] [_NULLS (FIRST | LAST)]
limit: _LIMIT NUMBER
offset: _OFFSET NUMBER

_SELECT: "SELECT"i
_FROM: "FROM"i
_WHERE: "WHERE"i
_AND: "AND"i
_OR: "OR"i
_NOT: "NOT"i
_GROUP: "GROUP"i
_ORDER: "ORDER"i
_BY: "BY"i
_NULLS: "NULLS"i
_LIMIT: "LIMIT"i
_OFFSET: "OFFSET"i
IN: "IN"i
LIKE: "LIKE"i
INCLUDES: "INCLUDES"i
EXCLUDES: "EXCLUDES"i
ASC: "ASC"i
DESC: "DESC"i
FIRST: "FIRST"i
LAST: "LAST"i
OPERATOR: "!=" | "<>" | "<=" | ">=" | "=" | "<" | ">"
STRING: /'(\\.|[^'\\])*'/s
DATETIME.4: /\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:?\d{2})/i
DATE.3: /\d{4}-\d{2}-\d{2}/
NUMBER.2: /[+-]?\d+(\.\d*)?/
SPAN.2: /[a-z][a-z0-9_]*:\d+/i
NAME: /[a-z_][a-z0-9_]*/i
%import common.WS
%ignore WS
"""


@dataclass(frozen=True, slots=True)
class Name:
    """A word of the query and where it stands, for the error message."""

    text: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Path:
    """A field, possibly of a parent: `Owner.Name`."""

    names: tuple[Name, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """A function: an aggregate, a date part, or FIELDS()."""

    function: Name
    argument: Path | None


Expression = Path | Call


@dataclass(frozen=True, slots=True)
class Selected:
    expression: Expression
    alias: str | None


@dataclass(frozen=True, slots=True)
class Literal:
    """`kind` is string, number, datetime, date, boolean, null or span (a relative date such as LAST_N_DAYS:7)."""

    kind: str
    value: Any


@dataclass(frozen=True, slots=True)
class Comparison:
    """`operator` is one of = != < <= > >= LIKE IN NOT IN INCLUDES EXCLUDES."""

    left: Expression
    operator: str
    right: Literal | tuple[Literal, ...] | Query


@dataclass(frozen=True, slots=True)
class Logical:
    """`operator` is AND, OR or NOT."""

    operator: str
    parts: tuple[Condition, ...]


Condition = Comparison | Logical


@dataclass(frozen=True, slots=True)
class Ordering:
    expression: Expression
    descending: bool
    nulls_last: bool


@dataclass(frozen=True, slots=True)
class Query:
    items: tuple[Selected | Query, ...]
    object: Name
    alias: str | None
    where: Condition | None
    group: tuple[Expression, ...]
    order: tuple[Ordering, ...]
    limit: int | None
    offset: int
    text: str = ""


# "Reserved Keywords" of the SOQL and SOSL reference, but for GROUP, which names an object too; and the literals.
RESERVED = FIXED.keys() | {
    "AND", "ASC", "DESC", "EXCLUDES", "FALSE", "FIRST", "FROM", "HAVING", "IN", "INCLUDES", "LAST", "LIKE", "LIMIT",
    "NOT", "NULL", "NULLS", "OR", "SELECT", "TRUE", "USING", "WHERE", "WITH",
}  # fmt: skip
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_WORDS = {"true": Literal("boolean", True), "false": Literal("boolean", False), "null": Literal("null", None)}


class _Misplaced(Exception):
    """A reserved word where a name should be, or a name where a value should be."""

    def __init__(self, token: Token) -> None:
        super().__init__(str(token))
        self.token = token


def _name(token: Token) -> Name:
    if token.upper() in RESERVED:
        raise _Misplaced(token)
    return Name(str(token), token.line or 1, token.column or 1)


@v_args(inline=True)
class _Builder(Transformer[Token, Any]):
    """Turns the parse into the tree while parsing."""

    def start(self, query: Query) -> Query:
        return query

    def query(self, items: Any, name: Token, alias: Token | None, *clauses: Any) -> Query:
        where, group, order, limit, offset = clauses
        named, known_as = _name(name), alias and _name(alias).text
        return Query(items, named, known_as, where, group or (), order or (), limit, offset or 0)

    def items(self, *items: Any) -> Any:
        return items

    def selected(self, expression: Expression, alias: Token | None) -> Selected:
        return Selected(expression, alias and _name(alias).text)

    def path(self, *names: Token) -> Path:
        return Path(tuple(map(_name, names)))

    def call(self, function: Token, argument: Path | None) -> Call:
        return Call(_name(function), argument)

    def where(self, condition: Condition) -> Condition:
        return condition

    def conjunction(self, *parts: Condition) -> Logical:
        return Logical("AND", parts)

    def disjunction(self, *parts: Condition) -> Logical:
        return Logical("OR", parts)

    def negation(self, part: Condition) -> Logical:
        return Logical("NOT", (part,))

    def comparison(self, left: Expression, operator: Token, right: Literal) -> Comparison:
        return Comparison(left, str(operator).upper().replace("<>", "!="), right)

    def member(self, left: Expression, _: Token, right: Any) -> Comparison:
        return Comparison(left, "IN", right)

    def not_member(self, left: Expression, _: Token, right: Any) -> Comparison:
        return Comparison(left, "NOT IN", right)

    def includes(self, left: Expression, _: Token, right: Any) -> Comparison:
        return Comparison(left, "INCLUDES", right)

    def excludes(self, left: Expression, _: Token, right: Any) -> Comparison:
        return Comparison(left, "EXCLUDES", right)

    def values(self, *values: Literal) -> tuple[Literal, ...]:
        return values

    def string(self, token: Token) -> Literal:
        # A backslash before % or _ is left for LIKE, which gives it its meaning.
        text = re.sub(
            r"\\([^%_])", lambda found: _ESCAPES.get(found[1].lower(), found[1]), token[1:-1], flags=re.DOTALL
        )
        if len(text) > LONGEST_STRING:
            raise malformed_query(f"string literal too long: {len(text)} (max {LONGEST_STRING})")
        return Literal("string", text)

    def number(self, token: Token) -> Literal:
        return Literal("number", float(token))

    def datetime(self, token: Token) -> Literal:
        return Literal("datetime", str(token).upper())

    def date(self, token: Token) -> Literal:
        return Literal("date", str(token))

    def span(self, token: Token) -> Literal:
        return Literal("span", str(token).upper())

    def word(self, token: Token) -> Literal:
        if token.lower() in _WORDS:
            return _WORDS[token.lower()]
        if token.upper() not in FIXED:
            raise _Misplaced(token)
        return Literal("span", token.upper())

    def group(self, *expressions: Expression) -> Any:
        return expressions

    def order(self, *orderings: Ordering) -> Any:
        return orderings

    def ordering(self, expression: Expression, direction: Token | None, nulls: Token | None) -> Ordering:
        return Ordering(expression, (direction or "").lower() == "desc", (nulls or "").lower() == "last")

    def limit(self, number: Token) -> int:
        return int(float(number))

    def offset(self, number: Token) -> int:
        return int(float(number))


_PARSER = Lark(_GRAMMAR, parser="lalr", lexer="contextual", transformer=_Builder(), maybe_placeholders=True)


@lru_cache(maxsize=1024)
def parse(text: str) -> Query:
    """The tree of a query. Raises ApiError (MALFORMED_QUERY) that points at the first token that does not fit."""
    if len(text) > LONGEST_QUERY:
        raise malformed_query("SOQL statements cannot be longer than 100000 characters.")
    try:
        query: Query = _PARSER.parse(text)  # type: ignore[assignment]
    except VisitError as error:
        if isinstance(error.orig_exc, ApiError):
            raise error.orig_exc from None
        raise
    except _Misplaced as found:
        token = found.token
        message = at_position(text, token.line or 1, token.column or 1, f"unexpected token: '{token}'")
        raise malformed_query(message) from None
    except UnexpectedInput as error:
        raise malformed_query(_explained(text, error)) from None
    return replace(query, text=text)


def _explained(text: str, error: UnexpectedInput) -> str:
    if isinstance(error, UnexpectedToken) and error.token.type != "$END":
        return at_position(text, error.line, error.column, f"unexpected token: '{error.token}'")
    if isinstance(error, UnexpectedCharacters):
        return at_position(text, error.line, error.column, f"unexpected token: '{error.char}'")
    return "unexpected token: '<EOF>'"
