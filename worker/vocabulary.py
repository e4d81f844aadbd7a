"""What this installation can speak of: attributes, features, the words of reasons, and rules over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from worker.settings import ConfigurationError, Settings, lines, told

if TYPE_CHECKING:
    from worker.features.catalogue import Catalogue
    from worker.features.features import Features
    from worker.scoring.rules import Ruleset
    from worker.scoring.wording import Wording


class Vocabulary:
    """The shipped and the configured; needs no server. Each part is read when it is first asked for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def catalogue(self) -> Catalogue:
        """The shipped and the configured attributes. Raises `ConfigurationError` for a name that cannot be one."""
        from worker.features.catalogue import Attribute, AttributeType, Catalogue

        custom = {
            name: Attribute(
                AttributeType(its.type), its.label or name, cause=its.cause, stable=its.stable, feature=its.feature
            )
            for name, its in self._settings.attributes.items()
        }
        try:
            return Catalogue.shipped().extended(custom)
        except ValueError as problem:
            raise ConfigurationError(f"{lines().at(('attributes',))}: attributes: {problem}") from None

    @cached_property
    def features(self) -> Features:
        """All that models may learn from: the shipped features, and the configured attributes that are declared so."""
        from worker.features.features import Features

        return Features.of(self.catalogue, bots_count=not self._settings.filter_bots)

    @cached_property
    def wording(self) -> Wording:
        """What reasons are said in, and where they lead. Raises `ConfigurationError` with every mistake of the
        configured file."""
        from worker.scoring.document import RulesError
        from worker.scoring.wording import load, shipped

        language, path, url = self._settings.language, self._settings.wording, self._settings.console_url
        if path is None:
            worded = shipped(language)
        else:
            try:
                worded = load(_text("wording", path), str(path), language, [its.name for its in self.features])
            except RulesError as mistakes:
                raise ConfigurationError(f"`wording`: {mistakes}") from None
        return replace(worded, link=f"{url}/leads/") if url else worded

    def read_rules(self, text: str, file: str) -> Ruleset:
        """Rules over the shipped and the configured attributes. Raises `RulesError`; `file` is for its text."""
        from worker.scoring.rules import load

        catalogue = self.catalogue
        for source in self._settings.sources:
            mapped: Mapping[str, object] = getattr(source, "attributes", {})
            if unknown := sorted(mapped.keys() - catalogue.attributes.keys()):
                what = f"no attribute is named {unknown[0]!r}; declare it under `attributes`, or map one of "
                what += ", ".join(sorted(catalogue.attributes))
                raise ConfigurationError(told(source.name, f"attributes.{unknown[0]}", what))
        return load(text, file, catalogue)

    def first_rules(self) -> str:
        """The rules that a new database begins with: those of the configured file, else the shipped ones, read once so
        that wrong ones are told. Raises `RulesError`, and `ConfigurationError` for a file that cannot be read."""
        from worker.scoring.rules import shipped

        path = self._settings.rules_file
        body = _text("rules_file", path) if path else shipped()
        self.read_rules(body, str(path or "the shipped rules"))
        return body

    @cached_property
    def no_rules(self) -> Ruleset:
        """Those of a goal that has none: no points, no guardrails."""
        from worker.scoring.rules import Ruleset

        return Ruleset("", "", self.catalogue, 0.0, {}, (), ())


def _text(setting: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        what = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"`{setting}` names {path}, which cannot be read: {what}") from None
