"""The words of reasons: a catalogue of sentences in YAML, in English and Russian, which a file of one's own can change.

A sentence has blanks in braces. Which ones there are is fixed for each sentence, and a wrong one is refused.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from yaml.nodes import MappingNode, Node

from worker.scoring.document import Document, Refused, RulesError
from worker.scoring.rules import LONGEST_SAY, Ruleset, blanks
from worker.scoring.rules import load as load_rules
from worker.scoring.rules import shipped as shipped_rules

LANGUAGES = ("en", "ru")

TEXTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "base": (),
        "handover": ("model", "rules", "conversions"),
        "clip": (),
        "group_most": ("group", "most"),
        "group_least": ("group", "least"),
        "group_between": ("group", "least", "most"),
        "rule_cap": ("most",),
        "counted": ("count", "last"),
        "counted_some": ("count", "counted", "last"),
        "excluded": ("why",),
        "more": ("count",),
        "often": ("times",),
        "seldom": ("times",),
        "unknown": (),
        "yes": (),
        "no": (),
        "feature": ("label", "value"),
        "machines": ("count",),
        "bant": ("known",),
        "bant_ask": ("known", "question"),
        "ask_budget": (),
        "ask_authority": (),
        "ask_need": (),
        "ask_timeline": (),
    }
)
"""The sentences that are nobody's own, and the blanks that each may have."""

_CODE = re.compile(r"[a-z]+(_[a-z]+)+")
_OF_FEATURE = ("value", "date", "label")
_FORMS = ("say", "none", "little", "missing")


@dataclass(frozen=True, slots=True)
class Saying:
    """What is said of a feature: `missing` where nothing is known, `none` where it is 0 or no, `little` where it is
    below a half, else `say`; what is not given is said as `say`."""

    say: str
    none: str | None = None
    little: str | None = None
    missing: str | None = None


@dataclass(frozen=True, slots=True)
class Wording:
    """`texts` by the names in `TEXTS`; `values`: how a value, a group's label or a reason for no score is said;
    `features` by name; `rules`: (what the shipped rule says, what is said instead) by the rule's id."""

    language: str
    thousands: str
    texts: Mapping[str, str]
    values: Mapping[str, str] = field(default_factory=dict)
    features: Mapping[str, Saying] = field(default_factory=dict)
    rules: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    link: str = ""
    """What a person's number is put behind to make the address of their page; empty: nothing leads there."""

    def linked(self, text: str, person: int, limit: int = 255) -> str:
        """Reasons with the address of the person's page behind them, where there is room for it."""
        whole = f"{text}; {self.link}{person}"
        return whole if text and self.link and len(whole) <= limit else text

    def text(self, name: str, **filled: str) -> str:
        return self.texts[name].format_map(filled)

    def value(self, word: str) -> str:
        """A word of ours as people say it."""
        return self.values.get(word) or (word.replace("_", " ") if _CODE.fullmatch(word) else word)

    def of_rule(self, id: str, say: str) -> str:
        """What a rule or guardrail says, in this language where it still says what the shipped one does."""
        original, translated = self.rules.get(id, (None, say))
        return translated if original == say else say

    def number(self, value: float) -> str:
        """As people write it: whole, or with up to two decimals."""
        text = f"{value:,.2f}".rstrip("0").rstrip(".")
        return "0" if text == "-0" else text.replace(",", self.thousands)


@cache
def shipped(language: str = "en") -> Wording:
    """The catalogue that comes with the product. Raises `ValueError` for a language that it has not."""
    if language not in LANGUAGES:
        raise ValueError(f"language is {language!r}; there are {', '.join(LANGUAGES)}")
    name = f"wording.{language}.yaml"
    text = files("worker.scoring").joinpath(name).read_text(encoding="utf-8")
    wording = _read(Document(text, name), Wording(language, ",", {}), None)
    return wording if language == "en" else replace(wording, rules=_paired(wording.rules))


def load(text: str, file: str, language: str, features: Collection[str]) -> Wording:
    """The shipped catalogue with the sentences of `text` in place of its own. Raises `RulesError` with every mistake in
    `text`; `features` are the names that there are."""
    return _read(Document(text, file), shipped(language), features)


def _paired(rules: Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    """Translations beside what they translate: the sentences of the shipped rules, whose ids they name."""
    from worker.features.catalogue import Catalogue

    ruleset: Ruleset = load_rules(shipped_rules(), "default_rules.yaml", Catalogue.shipped())
    says = {rule.id: rule.say for rule in ruleset.rules} | {guard.id: guard.say for guard in ruleset.guardrails}
    return {id: (says[id], said) for id, (_, said) in rules.items()}


def _read(document: Document, base: Wording, features: Collection[str] | None) -> Wording:
    """`base` with what the document says. `features` None: any name may stand there."""
    wording = document.attempt(_sections, document, base, features)
    if wording is None or document.mistakes:
        raise RulesError(document.file, document.mistakes)
    return wording


def _sections(document: Document, base: Wording, features: Collection[str] | None) -> Wording:
    sections = ("thousands", "texts", "values", "features", *(("rules",) if features is None else ()))
    fields = document.fields(document.root, "the file", ("version",), sections)
    document.choice(fields["version"], "version", ("1",))
    texts, values, said, rules = {}, {}, {}, {}
    for key, node in document.entries(fields["texts"], "texts") if "texts" in fields else ():
        if document.known(key, key.value, tuple(TEXTS), "sentence"):
            texts[key.value] = document.attempt(_sentence, document, node, key.value, TEXTS[key.value])
    for key, node in document.entries(fields["values"], "values") if "values" in fields else ():
        values[key.value] = document.attempt(document.text, node, key.value, 40)
    for key, node in document.entries(fields["features"], "features") if "features" in fields else ():
        if features is None or document.known(key, key.value, features, "feature"):
            said[key.value] = document.attempt(_saying, document, node, key.value)
    for key, node in document.entries(fields["rules"], "rules") if "rules" in fields else ():
        rules[key.value] = ("", document.text(node, key.value, LONGEST_SAY))
    return replace(
        base,
        thousands=document.scalar(fields["thousands"], "thousands") if "thousands" in fields else base.thousands,
        texts={**base.texts, **{name: text for name, text in texts.items() if text}},
        values={**base.values, **{name: text for name, text in values.items() if text}},
        features={**base.features, **{name: saying for name, saying in said.items() if saying}},
        rules=rules or base.rules,
    )


def _saying(document: Document, node: Node, name: str) -> Saying:
    """A sentence, or a mapping of its forms."""
    if not isinstance(node, MappingNode):
        return Saying(_sentence(document, node, name, _OF_FEATURE))
    fields = document.fields(node, name, ("say",), _FORMS[1:])
    forms = {form: document.attempt(_sentence, document, its, f"{name}.{form}", _OF_FEATURE)
             for form, its in fields.items()}  # fmt: skip
    if forms["say"] is None:
        raise Refused
    return Saying(forms["say"], forms.get("none"), forms.get("little"), forms.get("missing"))


def _sentence(document: Document, node: Node, name: str, allowed: tuple[str, ...]) -> str:
    text = document.text(node, name, LONGEST_SAY)
    try:
        named = blanks(text)
    except ValueError:
        document.refuse(node, f"a blank in {name} cannot be read", "write {name}; a brace itself is doubled: {{ or }}")
    for blank in named:
        if blank not in allowed:
            words = ", ".join(f"{{{each}}}" for each in allowed) or "none"
            document.refuse(node, f"{name} has no blank {{{blank}}}", f"allowed: {words}")
    return text
