"""The rule file: what it may say, and how it is read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib.resources import files
from string import Formatter

from yaml.nodes import Node

from worker.features.catalogue import Catalogue
from worker.scoring.conditions import Condition, Did, Selector, Test, leaves, read_condition, read_selector
from worker.scoring.document import Document, RulesError

__all__ = ["Count", "Group", "Guardrail", "Rule", "RulesError", "Ruleset", "blanks", "exact", "load", "shipped"]

MOST_COUNTED = 1000
"""No rule counts more acts of one person than this, whatever the file says."""

LONGEST_SAY = 80
MOST_BLANKS = 3

_ID = re.compile(r"[a-z][a-z0-9_]{0,39}")
BASE, HANDOVER, CLIP, GUARDRAIL, EXCLUDED = "base", "handover", "clip", "guardrail", "excluded"
"""The groups of lines that no group of the file gives. The first three are codes as well."""
_STEPS = 2**30


def exact(points: float) -> float:
    """The nearest multiple of 2**-30 (a billionth of a point). Sums of such points are exact, in any order."""
    return round(points * _STEPS) / _STEPS


@dataclass(frozen=True, slots=True)
class Group:
    """The points of a group's rules add up to no more than `most` and no less than `least`."""

    name: str
    label: str
    most: float | None = None
    least: float | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """Points for each act: the newest `at_most` of them, each worth half as much after every `half_life`."""

    selector: Selector
    at_most: int = MOST_COUNTED
    half_life: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """`points` once where `when` holds, or for each act that `each` counts (where `when` holds, if there is one).

    `max_points` bounds what the rule gives or takes. `say` is a sentence with `{attribute}`, `{count}`, `{last}` in it.
    """

    id: str
    group: str
    points: float
    say: str
    when: Condition | None = None
    each: Count | None = None
    max_points: float | None = None

    @property
    def asks(self) -> str:
        """The same for rules that hold for the same people, whatever they are called, give or say."""
        return hashlib.sha256(repr((self.when, self.each)).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Guardrail:
    """Where `when` holds: nobody is scored (`exclude` says why), or the score is held under `cap` or over `floor`."""

    id: str
    when: Condition
    say: str
    exclude: str | None = None
    cap: float | None = None
    floor: float | None = None


@dataclass(frozen=True, slots=True)
class Ruleset:
    """A valid rule file, with the catalogue that it was read against. `digest` identifies its text."""

    text: str
    digest: str
    catalogue: Catalogue
    base: float
    groups: Mapping[str, Group]
    rules: tuple[Rule, ...]
    guardrails: tuple[Guardrail, ...]

    @property
    def guards(self) -> Ruleset:
        """The guardrails alone: what holds where a model scores."""
        return replace(self, rules=(), groups={})

    @property
    def spoken(self) -> frozenset[str]:
        """The attributes that sentences name."""
        says = [*(rule.say for rule in self.rules), *(guard.say for guard in self.guardrails)]
        return frozenset(blank for say in says for blank in blanks(say)) & self.catalogue.attributes.keys()

    @property
    def attributes(self) -> frozenset[str]:
        """The attributes that conditions ask for and sentences name."""
        asked = {leaf.attribute for leaf in self._leaves() if isinstance(leaf, Test)}
        return self.spoken | asked

    @property
    def asked(self) -> tuple[Selector, ...]:
        """The acts that conditions ask for, each once, in the order of the file."""
        return tuple(dict.fromkeys(leaf.selector for leaf in self._leaves() if isinstance(leaf, Did)))

    def _leaves(self) -> list[Test | Did]:
        conditions = [*(rule.when for rule in self.rules if rule.when), *(guard.when for guard in self.guardrails)]
        return [leaf for condition in conditions for leaf in leaves(condition)]


def shipped() -> str:
    """The text of the rules that come with the product."""
    return files("worker.scoring").joinpath("default_rules.yaml").read_text(encoding="utf-8")


def load(text: str, file: str, catalogue: Catalogue) -> Ruleset:
    """Raises `RulesError` with every mistake in `text`; `file` is its name in the messages."""
    document = Document(text, file)
    ruleset = document.attempt(_read, document, text, catalogue)
    if ruleset is None or document.mistakes:
        raise RulesError(file, document.mistakes)
    return ruleset


def _read(document: Document, text: str, catalogue: Catalogue) -> Ruleset:
    fields = document.fields(document.root, "the file", ("version", "base", "groups", "rules"), ("guardrails",))
    document.choice(fields["version"], "version", ("1",))
    base = document.attempt(document.number, fields["base"], "base", 0, 100)
    groups = {}
    for key, value in document.entries(fields["groups"], "groups"):
        name = document.attempt(_read_id, document, key, "a group", (BASE, HANDOVER, CLIP, GUARDRAIL, EXCLUDED))
        if name and (group := document.attempt(_read_group, document, value, name)):
            groups[name] = group
    taken: list[str] = [BASE, HANDOVER, CLIP]
    rules = [
        document.attempt(_read_rule, document, node, groups, catalogue, taken)
        for node in document.items(fields["rules"], "rules", 200)
    ]
    guardrails = [
        document.attempt(_read_guardrail, document, node, catalogue, taken)
        for node in (document.items(fields["guardrails"], "guardrails", 100) if "guardrails" in fields else ())
    ]
    return Ruleset(
        text=text,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        catalogue=catalogue,
        base=exact(base or 0),
        groups=groups,
        rules=tuple(rule for rule in rules if rule),
        guardrails=tuple(guardrail for guardrail in guardrails if guardrail),
    )


def _read_id(document: Document, node: Node, where: str, taken: Sequence[str]) -> str:
    id = document.scalar(node, f"the id of {where}")
    if not _ID.fullmatch(id):
        document.refuse(node, f"{id!r} cannot name {where}", "1 to 40 of a-z, 0-9 and _, starting with a letter")
    if id in taken:
        document.refuse(node, f"the id {id!r} is taken", "choose another")
    return id


def _read_group(document: Document, node: Node, name: str) -> Group:
    fields = document.fields(node, f"group {name}", (), ("label", "max", "min"))
    return Group(
        name,
        document.text(fields["label"], "label", 40) if "label" in fields else _words(name),
        exact(document.number(fields["max"], "max", 0, 1000)) if "max" in fields else None,
        exact(document.number(fields["min"], "min", -1000, 0)) if "min" in fields else None,
    )


def _read_rule(
    document: Document, node: Node, groups: Mapping[str, Group], catalogue: Catalogue, taken: list[str]
) -> Rule:
    optional = ("when", "each", "half_life", "max_points", "say")
    fields = document.fields(node, "a rule", ("id", "group", "points"), optional)
    id = _read_id(document, fields["id"], "a rule", taken)
    taken.append(id)
    group = document.choice(fields["group"], "group", groups)
    points = document.number(fields["points"], "points", -100, 100)
    if points == 0:
        document.refuse(fields["points"], "points is 0", "a number other than 0; or leave the rule out")
    when = read_condition(document, fields["when"], catalogue) if "when" in fields else None
    each = _read_count(document, fields) if "each" in fields else None
    if when is None and each is None:
        document.refuse(node, f"rule {id} lacks when and each", "say when it gives points, or for each of which acts")
    if each is None and (alone := [name for name in ("half_life", "max_points") if name in fields]):
        document.refuse(fields[alone[0]], f"{alone[0]} needs 'each'", "remove it, or count acts with 'each'")
    return Rule(
        id=id,
        group=group,
        points=exact(points),
        say=_read_say(document, fields.get("say"), id, catalogue, ("count", "last") if each else ()),
        when=when,
        each=each,
        max_points=exact(document.number(fields["max_points"], "max_points", abs(points), 1000))
        if "max_points" in fields
        else None,
    )


def _read_count(document: Document, fields: Mapping[str, Node]) -> Count:
    selector, more = read_selector(document, fields["each"], "'each'", "at_most")
    return Count(
        selector,
        document.count(more["at_most"], "at_most", MOST_COUNTED) if "at_most" in more else MOST_COUNTED,
        document.duration(fields["half_life"], "half_life") if "half_life" in fields else None,
    )


def _read_guardrail(document: Document, node: Node, catalogue: Catalogue, taken: list[str]) -> Guardrail:
    effects = ("exclude", "cap", "floor")
    fields = document.fields(node, "a guardrail", ("id", "when"), (*effects, "say"))
    id = _read_id(document, fields["id"], "a guardrail", taken)
    taken.append(id)
    if sum(effect in fields for effect in effects) != 1:
        document.refuse(node, f"guardrail {id} needs exactly one effect", f"one of {', '.join(effects)}")
    return Guardrail(
        id=id,
        when=read_condition(document, fields["when"], catalogue),
        say=_read_say(document, fields.get("say"), id, catalogue, ()),
        exclude=_read_id(document, fields["exclude"], "a reason", ()) if "exclude" in fields else None,
        cap=exact(document.number(fields["cap"], "cap", 0, 100)) if "cap" in fields else None,
        floor=exact(document.number(fields["floor"], "floor", 0, 100)) if "floor" in fields else None,
    )


def blanks(say: str) -> list[str]:
    """The names between braces, in order. Raises `ValueError` for what is no plain `{name}`."""
    names = []
    for _, name, form, conversion in Formatter().parse(say):
        if name is not None:
            if form or conversion or not name.isidentifier():
                raise ValueError(name)
            names.append(name)
    return names


def _read_say(document: Document, node: Node | None, id: str, catalogue: Catalogue, more: tuple[str, ...]) -> str:
    if node is None:
        return _words(id)
    say = document.text(node, "say", LONGEST_SAY)
    try:
        names = blanks(say)
    except ValueError:
        document.refuse(node, "a blank in say cannot be read", "write {name}; a brace itself is doubled: {{ or }}")
    if len(names) > MOST_BLANKS:
        document.refuse(node, f"say has {len(names)} blanks", f"at most {MOST_BLANKS}, so that it fits into the CRM")
    for name in names:
        document.known(node, name, (*more, *catalogue.attributes), "blank in say")
    return say


def _words(id: str) -> str:
    return id.replace("_", " ").capitalize()
