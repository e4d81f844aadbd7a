"""How an instance behaves on a bad day: late activities, short pages, drifting shapes, enforced limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Limits:
    """Calls in 20 seconds, at once and a day, and bytes of exports a day, of the whole instance. None is no limit."""

    rate_20s: int | None = None
    concurrent: int | None = None
    daily: int | None = None
    export_bytes: int | None = None


VENDORS_LIMITS = Limits(rate_20s=100, concurrent=10, daily=50_000, export_bytes=500_000_000)
"""Vendor's pages REST API and Bulk Extract."""


@dataclass(frozen=True, slots=True)
class Temper:
    """The default is an instance on its best day.

    `lag`: an activity shows up to so many seconds after it happened. `scan`: rows of the log that one call looks
    through, whether they are of the wanted types or not. `drift`: shapes as other endpoints, pages and years of the
    API have them: `reason` and `errors` for `reasons`, instants with `+0000`, activities without `id`, empty fields
    left out. `latency`: seconds between what a call did and its answer. `others`: calls of other integrations under
    way. `ended`: share of calls that find their token ended before its time, so that there is another.
    `export_seconds`: how long a bulk job works; `failing`: share of them that fail. `bulk`, `updated_filter`: whether
    the subscription has bulk extract at all, and its filter updatedAt.
    """

    limits: Limits | None = None
    lag: float = 0.0
    scan: int = 1000
    drift: bool = False
    latency: float = 0.0
    others: int = 0
    ended: float = 0.0
    export_seconds: float = 0.0
    failing: float = 0.0
    bulk: bool = True
    updated_filter: bool = False

    def __post_init__(self) -> None:
        if (
            min(self.lag, self.latency, self.others, self.export_seconds) < 0
            or not (0 <= self.failing <= 1 and 0 <= self.ended <= 1)
            or self.scan < 1
        ):
            raise ValueError("nothing may be negative, scan is at least 1, failing lies between 0 and 1")

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Self:
        """From JSON. Raises `ValueError` that names what is allowed."""
        values = _known(cls, given)
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
