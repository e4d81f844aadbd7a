"""Looking at an account thoroughly, when a person asks: more calls than `check`, and more than what stops the work."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, runtime_checkable

from connectors.port import BUCKETS, Problem, Quota

LONGEST_SKEW = timedelta(minutes=2)
"""Clocks that differ by more give ages and windows that are visibly wrong."""
LOW_QUOTA = 0.8
"""Share of the day's calls that may be gone before it is a problem."""


@dataclass(frozen=True, slots=True)
class Examination:
    """What an account is like. `account` tells a person which one it is, `identity` is the same for the same account
    only; `objects` are the records that these credentials see (None: nobody could count them, a `+` behind a capped
    count is the teller's business); `ahead`: the CRM's clock before ours."""

    account: str = ""
    identity: str = ""
    objects: Mapping[str, int | None] = field(default_factory=dict)
    quota: Quota | None = None
    ahead: timedelta | None = None
    problems: Sequence[Problem] = ()


@runtime_checkable
class Examining(Protocol):
    """A `Crm` that can be examined."""

    def examine(self, buckets: Collection[str] = BUCKETS) -> Examination:
        """All that `check` finds, and more; writes nothing, raises for no problem. Some dozens of calls."""


COUNTED = 10_000
"""No object is counted further: it costs the CRM more than the figure is worth."""
