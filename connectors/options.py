"""Options that several kinds of source share, checked the same way wherever they are given."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from connectors.quota import DEFAULT_SHARES, Lane, ordered
from connectors.records import EACH_GOAL, ScoreField


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as problem:
        raise ValueError(f"{pattern!r} is not a regular expression: {problem}") from None
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]
"""A regular expression, as text."""


def _over_the_shares(given: Any) -> Any:
    return {**DEFAULT_SHARES, **given} if isinstance(given, Mapping) else given


Share = Annotated[float, Field(gt=0, le=1)]
Shares = Annotated[Mapping[Lane, Share], BeforeValidator(_over_the_shares), AfterValidator(ordered)]
"""How much of the day's calls may be gone when a lane stops; lanes that are not named keep the shipped share."""


def known_streams(without: frozenset[str], streams: Collection[str]) -> frozenset[str]:
    """`without`, if there are such streams. Raises `ValueError` otherwise."""
    if unknown := sorted(without - set(streams)):
        raise ValueError(f"no stream is called {', '.join(unknown)}; there are {', '.join(streams)}")
    return without


def further(
    fields: Mapping[ScoreField, str | None],
    contract: Mapping[ScoreField, str | None],
    suffixes: Mapping[str, str],
    named: Callable[[str, str], str],
) -> Mapping[ScoreField, str | None]:
    """`fields` with those of further goals, by the contract's names and a suffix each unless `fields` names them. What
    is left out for the primary goal is left out for all."""
    names = {
        field.of(goal): named(name, suffix)
        for goal, suffix in suffixes.items()
        for field, name in contract.items()
        if name is not None and field in EACH_GOAL and fields.get(field) is not None and field.of(goal) not in fields
    }
    return {**fields, **names}
