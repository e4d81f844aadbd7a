"""Reading a YAML file that people write by hand: every mistake at once, each with its line and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from typing import NoReturn, ParamSpec, TypeVar

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

LARGEST = 128 * 1024
DEEPEST = 20
_SHOWN = 20

_NUMBER = re.compile(r"[-+]?\d{1,15}(\.\d{1,15})?")
_DURATION = re.compile(r"(\d{1,4})([hdw])")
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_LONGEST = timedelta(days=3650)
_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "timestamp", "value"))

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Mistake:
    """Where (from 1), what is wrong there, and what would be right."""

    line: int
    column: int
    what: str
    allowed: str


class RulesError(ValueError):
    """The rule file cannot be used. `mistakes` are in the order of the file; the text names file, line and remedy."""

    def __init__(self, file: str, mistakes: Sequence[Mistake]) -> None:
        super().__init__(file, mistakes)
        self.file = file
        self.mistakes = tuple(sorted(mistakes, key=lambda mistake: (mistake.line, mistake.column)))

    def __str__(self) -> str:
        lines = [f"{self.file}:{m.line}:{m.column}: {m.what}; {m.allowed}" for m in self.mistakes[:_SHOWN]]
        if more := len(self.mistakes) - _SHOWN:
            lines += [f"{self.file}: and {more} more"] if more > 0 else []
        return "\n".join(lines)


class Refused(Exception):
    """A node was refused and its mistake noted; whoever reads a list goes on with the next element."""


class _Loader(yaml.SafeLoader):
    """Composes nodes only: nothing is constructed, and what could grow (aliases, depth) is refused."""

    depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.MarkedYAMLError(problem="anchors and aliases are not allowed", problem_mark=event.start_mark)
        if self.depth >= DEEPEST:
            raise yaml.MarkedYAMLError(problem=f"nested more than {DEEPEST} deep", problem_mark=event.start_mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def line_at(root: Node, place: Sequence[str | int]) -> int:
    """The line of what names and numbers lead to, or of the last thing on the way that there is: of a mapping or a list
    that of the first thing in it."""
    here = root
    for name in place:
        found = _child(here, name)
        if found is None:
            break
        here = found
    return line_of(here)


def _child(node: Node, name: str | int) -> Node | None:
    found: Node | None = None
    if isinstance(node, MappingNode):
        key, value = next((pair for pair in node.value if pair[0].value == str(name)), (None, None))
        found = value if isinstance(value, MappingNode | SequenceNode) else key
    elif isinstance(node, SequenceNode) and isinstance(name, int) and name < len(node.value):
        found = node.value[name]
    return found


def line_of(node: Node) -> int:
    """From 1."""
    return int(node.start_mark.line) + 1


class Document:
    """The nodes of one file and the mistakes found in it so far.

    The readers take a node and return its value or note a mistake and raise `Refused`. A value is read as the type that
    is expected there, so the country NO stays text and 010 is ten.
    """

    def __init__(self, text: str, file: str) -> None:
        """Raises `RulesError` for what is not one YAML document of plain values, or is too large or too deep."""
        self.file = file
        self.mistakes: list[Mistake] = []
        if len(text) > LARGEST:
            raise RulesError(file, [Mistake(1, 1, "the file is too large", f"at most {LARGEST} characters")])
        try:
            root = _Loader(text).get_single_node()
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            what = error.problem or error.context or "not valid YAML"
            raise RulesError(file, [Mistake(line, column, what, "write plain YAML")]) from None
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            raise RulesError(file, [Mistake(line, 1, "a character that YAML forbids", "remove it")]) from None
        if root is None:
            raise RulesError(file, [Mistake(1, 1, "the file is empty", "start with 'version: 1'")])
        self.root = root

    def note(self, node: Node, what: str, allowed: str) -> None:
        """Note a mistake and go on."""
        self.mistakes.append(Mistake(node.start_mark.line + 1, node.start_mark.column + 1, what, allowed))

    def refuse(self, node: Node, what: str, allowed: str) -> NoReturn:
        """Note a mistake that leaves nothing to go on with."""
        self.note(node, what, allowed)
        raise Refused

    def attempt(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """What `read` returns, or None where it refused."""
        try:
            return read(*args, **kwargs)
        except Refused:
            return None

    def entries(self, node: Node, where: str) -> list[tuple[ScalarNode, Node]]:
        """Keys and values of a mapping; a key that stands twice is a mistake."""
        if not isinstance(node, MappingNode):
            self.refuse(node, f"{where} must be a mapping", "write 'key: value' pairs")
        seen: set[str] = set()
        entries = []
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                self.refuse(key, f"a key of {where} must be a word", "write 'key: value' pairs")
            if key.value in seen:
                self.note(key, f"{key.value!r} stands twice in {where}", "keep one of them")
                continue
            seen.add(key.value)
            entries.append((key, value))
        return entries

    def fields(self, node: Node, where: str, required: Sequence[str], optional: Sequence[str]) -> dict[str, Node]:
        """A mapping with known keys."""
        entries = self.entries(node, where)
        known = (*required, *optional)
        found = {self.known(key, key.value, known, f"key of {where}"): value for key, value in entries}
        fields = {name: value for name, value in found.items() if name is not None}
        if len(fields) < len(entries):
            raise Refused
        if missing := [name for name in required if name not in fields]:
            self.refuse(node, f"{where} lacks {', '.join(missing)}", "add it")
        return fields

    def known(self, node: Node, word: str, allowed: Collection[str], what: str) -> str | None:
        """`word` if it is allowed; otherwise None, and the mistake is noted with the nearest allowed word."""
        if word in allowed:
            return word
        near = get_close_matches(word, list(allowed), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        self.note(node, f"unknown {what}: {word!r}{hint}", f"allowed: {', '.join(allowed)}")
        return None

    def items(self, node: Node, where: str, most: int) -> list[Node]:
        """The elements of a list that is not empty."""
        if not isinstance(node, SequenceNode) or not node.value:
            self.refuse(node, f"{where} must be a list", "write '- element' lines or [a, b]")
        if len(node.value) > most:
            self.refuse(node, f"{where} has {len(node.value)} elements", f"at most {most}")
        return list(node.value)

    def one_or_more(self, node: Node, where: str, most: int = 500) -> list[Node]:
        """The elements of a list, or the node itself where a single value stands."""
        return self.items(node, where, most) if isinstance(node, SequenceNode) else [node]

    def scalar(self, node: Node, where: str) -> str:
        """The characters of a single value."""
        if not isinstance(node, ScalarNode) or node.tag not in _PLAIN_TAGS:
            self.refuse(node, f"{where} must be a single value", "a word, a number, or text in quotes")
        return str(node.value)

    def text(self, node: Node, where: str, longest: int = 200) -> str:
        text = self.scalar(node, where).strip()
        if not text or len(text) > longest or not text.isprintable():
            self.refuse(node, f"{where} is not usable text", f"1 to {longest} printable characters")
        return text

    def choice(self, node: Node, where: str, allowed: Iterable[str]) -> str:
        word = self.known(node, self.scalar(node, where), tuple(allowed), where)
        if word is None:
            raise Refused
        return word

    def number(self, node: Node, where: str, low: float, high: float) -> float:
        text = self.scalar(node, where)
        if not _NUMBER.fullmatch(text) or not low <= float(text) <= high:
            self.refuse(node, f"{where} is {text!r}", f"a number from {low:g} to {high:g}")
        return float(text)

    def count(self, node: Node, where: str, high: int) -> int:
        number = self.number(node, where, 1, high)
        if not number.is_integer():
            self.refuse(node, f"{where} is {number:g}", f"a whole number from 1 to {high}")
        return int(number)

    def duration(self, node: Node, where: str) -> timedelta:
        text = self.scalar(node, where)
        match = _DURATION.fullmatch(text)
        span = int(match[1]) * _UNITS[match[2]] if match else timedelta(0)
        if not timedelta(0) < span <= _LONGEST:
            self.refuse(
                node, f"{where} is {text!r}", f"hours, days or weeks such as 12h, 30d, 6w; at most {_LONGEST.days}d"
            )
        return span
