"""What is fuzzed, by name. Each opens what it needs, and then tries one malformed input at a time."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from tests.fuzz import answers, documents
from tests.fuzz.answers import Try

TARGETS: Mapping[str, Callable[[], AbstractContextManager[Try]]] = {
    "Salesforce's answers": answers.salesforce,
    "HubSpot's answers": answers.hubspot,
    "configuration": documents.configuration,
    "rules and wording": documents.rule_files,
    "policies": documents.policies,
    "exported files": documents.tables,
    "spreadsheets": documents.spreadsheets,
    "command lines": documents.command_lines,
}


@dataclass(frozen=True, slots=True)
class Crash:
    """An input that brought about what it must not; `seed` makes it again."""

    target: str
    seed: int
    what: str


@dataclass(slots=True)
class Tried:
    """What came of the inputs of a target: so many, of which some were refused with a named error; and what crashed."""

    count: int = 0
    refused: int = 0
    crashes: list[Crash] = field(default_factory=list)


def run(target: str, count: int, first: int) -> Tried:
    """Try the inputs of the seeds from `first` on."""
    tried = Tried()
    with TARGETS[target]() as attempt:
        for seed in range(first, first + count):
            tried.count += 1
            try:
                tried.refused += attempt(random.Random(f"{target} {seed}"))
            except Exception as problem:
                what = f"{type(problem).__name__}: {' '.join(str(problem).split())[:300]}"
                tried.crashes.append(Crash(target, seed, what))
    return tried
