"""`python -m worker.setup.reference > docs/configuration.md`: every setting as a page, told by what validates it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, TypeAdapter

from connectors.files.mapping import Mappings
from worker.lifecycle.policy import Policy
from worker.settings import Settings

Schema = Mapping[str, Any]

_HEAD = """# Configuration reference

Every setting, its default and its bounds. This page is made from the code that validates them
(`python -m worker.setup.reference > docs/configuration.md`), and a test keeps it true. To begin with, let `leadgauge
init` write the file, and read [setting up](setup.md); most settings never need a change.

- [leadgauge.yaml](#leadgaugeyaml): accounts, servers, keys, goals
- [The policy](#the-policy): thresholds, buckets, stages, promotion
- [The mapping file](#the-mapping-file) of a folder of exports

`[]` in a name stands for each entry of a list, `NAME` for a name of your own. A **time** is seconds (`90`) or ISO 8601
(`PT90S`, `PT2H`, `P30D`). A **secret's place** is `{env: NAME}` or `{file: PATH}`: the secret itself is never written
down. Whatever is not listed here is refused, with what is near it.
"""
_CHAPTERS: Sequence[tuple[str, type[BaseModel], str]] = (
    ("leadgauge.yaml", Settings, """\
Read from the file that `LEADGAUGE_CONFIG` names, else from `leadgauge.yaml` in the working directory. Each setting of
the first table may also be a variable, `LEADGAUGE_` and its name in capitals (lists and mappings as JSON), or a file
under `/run/secrets` that is named so in small letters. A variable comes before a file there, and both before the YAML
file. `leadgauge doctor` looks whether all of it works."""),
    ("The policy", Policy, """\
It lives in the database, in revisions, one line of them for each goal: `leadgauge policy set mql.enter=75`, a draft, a
file, or the console ([stages, buckets and the policy](lifecycle.md)). A file may hold some of the settings; what it
does not mention stays. `leadgauge policy show` prints what is in force."""),
    ("The mapping file", Mappings, """\
What the files and columns of a source of kind `files` mean ([an example](connectors.md#files))."""),
)  # fmt: skip
_FORMATS = {"password": "secret text", "path": "path", "duration": "time", "date-time": "instant", "date": "date"}
_SHORT = 10
"""More words than this are listed in a place of their own."""


def page() -> str:
    """The text of docs/configuration.md."""
    parts, words = [_HEAD], dict[str, Sequence[str]]()
    for title, model, about in _CHAPTERS:
        chapter = _Chapter(model.model_json_schema())
        parts += [f"## {title}\n\n{about}\n", *chapter.tables()]
        words |= chapter.words
    parts.append("## Words\n")
    parts += [f"### {name}\n\n{_codes(sorted(listed))}\n" for name, listed in sorted(words.items())]
    return "\n".join(parts)


class _Chapter:
    """One document: a table of its settings, then one for each model in it, headed by where it was found first."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._models: Mapping[str, Schema] = root.get("$defs", {})
        self._titles: dict[str, str] = {}
        self.words: dict[str, Sequence[str]] = {}
        self._walk("", root)

    def tables(self) -> Iterator[str]:
        yield self._table(self._root)
        for name, title in self._titles.items():
            about = " ".join(self._models[name].get("description", "").split())
            yield "\n\n".join(filter(None, (f"### {title}", about, self._table(self._models[name]))))

    def _walk(self, place: str, schema: Schema, within: str = "") -> None:
        """Give each model its title, as in "`sources[].auth`, type `jwt_bearer`". One that is taken already, by a model
        of another kind of source, says of which kind this is."""
        for setting, its in schema["properties"].items():
            several = "[]" if "items" in its else ".NAME" if its.get("type") == "object" else ""
            here, tag = f"{place}{setting}{several}", its.get("items", its).get("discriminator", {}).get("propertyName")
            for name in self._inner(its):
                if name not in self._titles:
                    kind = f", {tag} `{self._kind(name, tag)}`" if tag else ""
                    title = f"`{here}`{kind}"
                    self._titles[name] = f"{title}{within}" if title in self._titles.values() else title
                    self._walk(f"{here}.", self._models[name], kind or within)

    def _inner(self, schema: object) -> Iterator[str]:
        """The models that a schema refers to."""
        if isinstance(schema, Mapping):
            if (name := _referred(schema)) and name != "SecretRef" and "properties" in self._models[name]:
                yield name
            for part in (value for key, value in schema.items() if key != "discriminator"):
                yield from self._inner(part)
        elif isinstance(schema, list):
            for part in schema:
                yield from self._inner(part)

    def _kind(self, model: str, tag: str) -> str:
        return str(self._models[model]["properties"][tag]["const"])

    def _table(self, schema: Schema) -> str:
        required = schema.get("required", ())
        rows = [(_codes([name]), *self._row(its, name in required)) for name, its in schema["properties"].items()]
        head = ("setting", "takes", "default", "")[: 4 if any(row[3] for row in rows) else 3]
        lines = [" | ".join(row[: len(head)]) for row in (head, ("---",) * len(head), *rows)]
        return "".join(f"| {line} |\n".replace("  |", " |") for line in lines)

    def _row(self, its: Schema, required: bool) -> tuple[str, str, str]:
        about = " ".join(its.get("description", "").split()).replace("|", "\\|")
        sentence = f"{about[0].upper()}{about[1:].removesuffix('.')}." if about else ""
        return self._takes(its), "**required**" if required else _default(its), sentence

    def _takes(self, its: Schema) -> str:
        """What may be written, in words."""
        if name := _referred(its):
            return self._refers(name)
        if "discriminator" in its:
            tag, names = its["discriminator"]["propertyName"], map(_referred, its["oneOf"])
            return ", ".join(_link(self._titles[name], self._kind(name, tag)) for name in names)
        if "anyOf" in its:
            return " or ".join(self._takes(part) for part in its["anyOf"] if part.get("type") != "null")
        if "const" in its or "enum" in its:
            return _codes(its.get("enum", [its.get("const")]))
        match its["type"]:
            case "array":
                return f"list: {self._takes(its['items'])}"
            case "object":
                return self._mapping(its)
            case "integer":
                return f"whole number{_bounds(its)}"
            case "number":
                return f"number{_bounds(its)}"
            case "boolean":
                return "`true`, `false`"
        return _FORMATS.get(its.get("format", ""), "text")

    def _mapping(self, its: Schema) -> str:
        values = [its.get("additionalProperties"), *its.get("patternProperties", {}).values()]
        told = next((self._takes(value) for value in values if isinstance(value, Mapping) and value), "anything")
        names = self._takes(its["propertyNames"]) if "$ref" in its.get("propertyNames", {}) else "name"
        return f"mapping: {names} -> {told}"

    def _refers(self, name: str) -> str:
        words = self._models[name].get("enum")
        if name == "SecretRef":
            return "a secret's place"
        if words is None:
            return _link(self._titles[name], self._titles[name])
        if len(words) <= _SHORT:
            return _codes(words)
        title = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()
        self.words[title] = words
        return _link(title, title.lower())


def _default(its: Schema) -> str:
    held = its.get("default")
    if held in (None, [], {}) or ("$ref" in its and isinstance(held, dict)):
        return ""
    if any(part.get("format") == "duration" for part in (its, *its.get("anyOf", ()))):
        return _codes([_span(TypeAdapter(timedelta).validate_python(held))])
    if isinstance(held, dict) and None in held.values():
        held = {name: value for name, value in held.items() if value is not None}
    return _codes(held if isinstance(held, list) else [held])


def _bounds(its: Schema) -> str:
    """As in ", 1 to 1,024" or ", above 0"."""
    least, above, most = (its.get(name) for name in ("minimum", "exclusiveMinimum", "maximum"))
    if least is not None and most is not None:
        return f", {least:,.15g} to {most:,.15g}"
    told = [
        f"{word} {bound:,}" for word, bound in (("from", least), ("above", above), ("to", most)) if bound is not None
    ]
    return f", {' '.join(told)}" if told else ""


def _span(time: timedelta) -> str:
    """In ISO 8601, in the largest unit that it is a whole number of."""
    seconds = round(time.total_seconds())
    units = (("P{}D", 86_400), ("PT{}H", 3600), ("PT{}M", 60), ("PT{}S", 1))
    return next(unit.format(seconds // length) for unit, length in units if not seconds % length)


def _referred(schema: Schema) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _codes(values: Sequence[object]) -> str:
    texts = [value if isinstance(value, str) else json.dumps(value) for value in values]
    return ", ".join(f"`{text}`".replace("|", "\\|").replace("\t", "\\t") for text in texts)


def _link(title: str, text: str) -> str:
    anchor = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
    return f"[{text.replace('`', '')}](#{anchor})"


if __name__ == "__main__":
    sys.stdout.write(page())
