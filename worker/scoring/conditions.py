"""What a rule may ask about a person: attributes and acts, joined by all, any and not.

A question about a missing value is answered no, so that `not` of it is yes.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import polars as pl
from yaml.nodes import MappingNode, Node

from connectors.records import ActivityKind, Cause
from worker.features.catalogue import AttributeType, Catalogue
from worker.scoring.document import Document, Refused


class Operator(StrEnum):
    MISSING = "missing"
    PRESENT = "present"
    TRUE = "true"
    FALSE = "false"
    EQUALS = "equals"
    IN = "in"
    CONTAINS = "contains"
    CONTAINS_WORD = "contains_word"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    BETWEEN = "between"
    IN_LAST = "in_last"
    IN_NEXT = "in_next"


_O = Operator
TEXT_OPERATORS = (_O.EQUALS, _O.IN, _O.CONTAINS, _O.CONTAINS_WORD)
_OPERATORS: Mapping[AttributeType, tuple[Operator, ...]] = {
    AttributeType.NUMBER: (_O.EQUALS, _O.IN, _O.AT_LEAST, _O.AT_MOST, _O.BETWEEN),
    AttributeType.TEXT: TEXT_OPERATORS,
    AttributeType.FLAG: (),
    AttributeType.DATE: (_O.AT_LEAST, _O.AT_MOST, _O.BETWEEN, _O.IN_LAST, _O.IN_NEXT),
}
_WORDS: Mapping[AttributeType, tuple[Operator, ...]] = {
    AttributeType.FLAG: (_O.TRUE, _O.FALSE, _O.MISSING, _O.PRESENT),
}
_ANY_WORDS = (_O.MISSING, _O.PRESENT)

_KINDS = {kind.value: kind for kind in ActivityKind}

Operand = float | str | datetime | timedelta


@dataclass(frozen=True, slots=True)
class Test:
    """One attribute under one operator. Text compares without regard to case; `contains_word` matches whole words."""

    __test__ = False  # not a test case for pytest

    attribute: str
    operator: Operator
    operands: tuple[Operand, ...] = ()


@dataclass(frozen=True, slots=True)
class Selector:
    """Which acts: of these kinds, with such a detail, younger than `within`, the newest of each `once_per` only.

    `once_per` cuts time into spans of that length since 1970 in UTC, so 1d is a calendar day there.
    """

    kinds: tuple[ActivityKind, ...]
    detail: tuple[Test, ...] = ()
    within: timedelta | None = None
    once_per: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Did:
    """The person did what `selector` selects, `at_least` so many times."""

    selector: Selector
    at_least: int = 1


@dataclass(frozen=True, slots=True)
class All:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: Condition


Condition = Test | Did | All | AnyOf | Not


def leaves(condition: Condition) -> Iterator[Test | Did]:
    """Every question about an attribute or an act in `condition`."""
    match condition:
        case All(parts) | AnyOf(parts):
            for part in parts:
                yield from leaves(part)
        case Not(part):
            yield from leaves(part)
        case _:
            yield condition


def read_condition(document: Document, node: Node, catalogue: Catalogue) -> Condition:
    """A mapping whose entries must all hold. Raises `Refused` once its mistakes are noted."""
    parts: list[Condition] = []
    before = len(document.mistakes)
    for key, value in document.entries(node, "the condition"):
        match key.value:
            case "all" | "any":
                nodes = document.items(value, f"'{key.value}'", 100)
                read = [document.attempt(read_condition, document, each, catalogue) for each in nodes]
                joined = tuple(part for part in read if part is not None)
                parts.append(All(joined) if key.value == "all" else AnyOf(joined))
            case "not":
                parts.append(Not(read_condition(document, value, catalogue)))
            case "did":
                parts.append(_read_did(document, value))
            case name:
                if document.known(key, name, (*catalogue.attributes, "all", "any", "not", "did"), "attribute"):
                    kind = catalogue.attributes[name].type
                    parts += document.attempt(_read_tests, document, value, name, kind) or ()
    if len(document.mistakes) > before:
        raise Refused
    if not parts:
        document.refuse(node, "the condition asks nothing", "write '{attribute: ..}' or '{did: ..}'")
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def read_selector(document: Document, node: Node, where: str, *more: str) -> tuple[Selector, dict[str, Node]]:
    """A selector, and the nodes of the keys in `more` that stand beside it."""
    fields = document.fields(node, where, (), ("activity", "caused_by", "detail", "within", "once_per", *more))
    if ("activity" in fields) == ("caused_by" in fields):
        document.refuse(node, f"{where} needs either activity or caused_by", "write one of them")
    kinds: set[ActivityKind] = set()
    if "activity" in fields:
        for each in document.one_or_more(fields["activity"], "activity"):
            kinds.add(_KINDS[document.choice(each, "activity", _KINDS)])
    else:
        cause = Cause(document.choice(fields["caused_by"], "caused_by", Cause))
        kinds = {kind for kind in ActivityKind if kind.cause is cause}
    selector = Selector(
        kinds=tuple(sorted(kinds)),
        detail=_read_tests(document, fields["detail"], "detail", AttributeType.TEXT) if "detail" in fields else (),
        within=document.duration(fields["within"], "within") if "within" in fields else None,
        once_per=document.duration(fields["once_per"], "once_per") if "once_per" in fields else None,
    )
    return selector, {name: fields[name] for name in more if name in fields}


def _read_did(document: Document, node: Node) -> Did:
    selector, more = read_selector(document, node, "'did'", "at_least")
    return Did(selector, document.count(more["at_least"], "at_least", 1000) if "at_least" in more else 1)


def _read_tests(document: Document, node: Node, name: str, kind: AttributeType) -> tuple[Test, ...]:
    """`missing`, `present`, for a flag `true` or `false`, or a mapping of operators which must all hold."""
    words = _WORDS.get(kind, _ANY_WORDS)
    operators = _OPERATORS[kind]
    if not isinstance(node, MappingNode):
        word = document.scalar(node, name).lower()
        if word not in words:
            mappings = f", or a mapping such as {{{operators[0]}: ...}} of {', '.join(operators)}" if operators else ""
            document.refuse(node, f"{name} is {word!r}", f"allowed: {', '.join(words)}{mappings}")
        return (Test(name, Operator(word)),)
    entries = document.entries(node, name)
    if not entries:
        document.refuse(node, f"{name} asks nothing", f"allowed: {', '.join((*operators, *words))}")
    tests = []
    for key, value in entries:
        if document.known(key, key.value, operators or words, f"operator for {name} (a {kind})"):
            operator = Operator(key.value)
            tests.append(Test(name, operator, _read_operands(document, value, name, operator, kind)))
    if len(tests) < len(entries):
        raise Refused
    return tuple(tests)


def _read_operands(
    document: Document, node: Node, name: str, operator: Operator, kind: AttributeType
) -> tuple[Operand, ...]:
    where = f"{name}.{operator}"
    if operator in (_O.IN_LAST, _O.IN_NEXT):
        return (document.duration(node, where),)
    if operator in (_O.IN, _O.BETWEEN):
        nodes = document.items(node, where, 500)
    elif operator in (_O.CONTAINS, _O.CONTAINS_WORD):
        nodes = document.one_or_more(node, where)
    else:
        nodes = [node]
    operands = tuple(_read_operand(document, each, where, kind) for each in nodes)
    if operator is _O.BETWEEN and (len(operands) != 2 or operands[0] > operands[1]):  # type: ignore[operator]
        document.refuse(node, f"{where} is not a range", "two values, the lower one first; both are included")
    return operands


def _read_operand(document: Document, node: Node, where: str, kind: AttributeType) -> Operand:
    match kind:
        case AttributeType.NUMBER:
            return document.number(node, where, -1e15, 1e15)
        case AttributeType.DATE:
            text = document.scalar(node, where)
            try:
                instant = datetime.fromisoformat(text)
            except ValueError:
                document.refuse(node, f"{where} is {text!r}", "a date such as 2025-06-30")
            return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        case _:
            return fold(document.text(node, where))


def fold(text: str) -> str:
    """Text as it is compared. `_folded` does the same to a column."""
    return unicodedata.normalize("NFKC", text).lower()


def _folded(column: pl.Expr) -> pl.Expr:
    return column.cast(pl.String).str.normalize("NFKC").str.to_lowercase()


def holds(test: Test) -> pl.Expr:
    """Whether `test` holds, never null, over a frame with a column of that name, and `as_of` for a test of a date."""
    return _answer(test, pl.col(test.attribute)).fill_null(False)


def _answer(test: Test, column: pl.Expr) -> pl.Expr:
    operands, as_of = test.operands, pl.col("as_of")
    match test.operator:
        case Operator.MISSING:
            return column.is_null()
        case Operator.PRESENT:
            return column.is_not_null()
        case Operator.TRUE:
            return column
        case Operator.FALSE:
            return ~column
        case Operator.EQUALS | Operator.IN:
            return (_folded(column) if isinstance(operands[0], str) else column).is_in(operands)
        case Operator.CONTAINS:
            return _folded(column).str.contains_any([str(word) for word in operands])
        case Operator.CONTAINS_WORD:
            return _folded(column).str.contains("|".join(_whole_word(str(word)) for word in operands))
        case Operator.AT_LEAST:
            return column >= operands[0]
        case Operator.AT_MOST:
            return column <= operands[0]
        case Operator.BETWEEN:
            return (column >= operands[0]) & (column <= operands[1])
        case Operator.IN_LAST:
            return (column > as_of - pl.lit(operands[0])) & (column <= as_of)
        case Operator.IN_NEXT:
            return (column >= as_of) & (column < as_of + pl.lit(operands[0]))


def _whole_word(word: str) -> str:
    """A pattern for `word` where it is not part of a longer word; C++ and R&D are words too."""
    before = r"\b" if word[0].isalnum() else ""
    after = r"\b" if word[-1].isalnum() else ""
    return f"{before}{pl.escape_regex(word)}{after}"
