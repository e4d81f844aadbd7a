"""How a portal behaves on a bad day: late and disordered search, enforced limits, writers of its own."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class IndexLag:
    """How long a write takes to show in search, in seconds: `least` to `most`, in a share `tail` up to `longest`.

    Observed by users of the vendor's forum: usually seconds, 7 and 22 seen, "several minutes" for new contacts.
    """

    least: float = 0.5
    most: float = 30.0
    tail: float = 0.03
    longest: float = 300.0

    def __post_init__(self) -> None:
        if not (0 <= self.least <= self.most <= self.longest and 0 <= self.tail <= 1):
            raise ValueError(f"{self} needs 0 <= least <= most <= longest and a tail from 0 to 1")

    def draw(self, dice: random.Random) -> int:
        """Milliseconds."""
        late = dice.random() < self.tail
        low, high = (self.most, self.longest) if late else (self.least, self.most)
        return round(1000 * dice.uniform(low, high))


@dataclass(frozen=True, slots=True)
class Limits:
    """Calls let in: per 10 seconds and token, of these by the association endpoints, searches a second, calls a day.

    None is no limit. Searches and the day are counted for the whole portal.
    """

    rate_10s: int | None = None
    association_10s: int | None = None
    search_per_second: int | None = None
    daily: int | None = None


VENDORS_LIMITS = Limits(rate_10s=190, association_10s=150, search_per_second=5, daily=625_000)
"""Those of a private app in a Professional account (vendor's usage guidelines)."""


@dataclass(frozen=True, slots=True)
class Temper:
    """The default is a portal on its best day.

    `omit_empty`: share of answers that leave empty properties out instead of showing null; the vendor's pages describe
    both. `given_up`: share of writes that are done too slowly for Cloudflare, which answers 524 in place of the API.
    `noise` and `moves`: writes a minute of the analytics roll-ups, and of lifecycle stages, by the portal itself.
    """

    lag: IndexLag | None = None
    limits: Limits | None = None
    omit_empty: float = 0.0
    given_up: float = 0.0
    noise: float = 0.0
    moves: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.omit_empty <= 1 and 0 <= self.given_up <= 1) or self.noise < 0 or self.moves < 0:
            raise ValueError("omit_empty and given_up must lie between 0 and 1, noise and moves must not be negative")

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Self:
        """From JSON. Raises `ValueError` that names what is allowed."""
        values = _known(cls, given)
        if values.get("lag") is not None:
            values["lag"] = IndexLag(**{name: float(x) for name, x in _known(IndexLag, values["lag"]).items()})
        if values.get("limits") is not None:
            values["limits"] = Limits(**_known(Limits, values["limits"]))
        return cls(**values)

    def describe(self) -> dict[str, Any]:
        """As JSON-able values; `parse` reads them back."""
        return asdict(self)


def _known(kind: type, given: Any) -> dict[str, Any]:
    names = sorted(field.name for field in fields(kind))
    if not isinstance(given, Mapping) or set(given) - set(names):
        raise ValueError(f"{kind.__name__} must be an object with keys among {names}")
    return dict(given)
