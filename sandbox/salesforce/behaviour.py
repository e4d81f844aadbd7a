"""Switches for what the vendor is known to do and need not: all off, an org answers in its simplest form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(slots=True)
class Behaviour:
    """Change attributes at any time; the next call is answered accordingly."""

    page_rows: int = 0
    """At most so many rows a page of REST, whatever the client asked for; 0 for the org's own limit."""
    calls_per_session: int = 0
    """After so many calls a session is over, as when an administrator revokes it; 0 for never."""
    moves: bool = False
    """Every login finds the org on its other address; the old one answers 401."""
    refusal: str = ""
    """If set, no session is good for the API: 401 with this message, for a fresh token too."""
    wide_limit_header: bool = False
    """`Sforce-Limit-Info` with bursts and per-app usage behind the plain usage."""
    date_skew: float = 0.0
    """Seconds by which the `Date` of API answers is ahead of the org's clock."""
    late_counters: bool = False
    """The first answer that tells of a finished ingest job still has the counters of its last chunk but one."""
    empty_results: bool = False
    """Bulk results without rows have an empty body instead of a header."""
    decimal_ints: bool = False
    """Bulk query writes whole numbers as `12.0`."""
    nul_bytes: bool = False
    """Bulk query ends some long texts with a NUL."""
    bulk_fails_after: int = 0
    """Ingest jobs fail after so many chunks of 200, whose rows stay saved; 0 for never."""
    stragglers: float = 0.0
    """This share of transactions commits late: its rows appear under a stamp that readers have passed."""
    straggle_seconds: float = 20.0
    """How late such a transaction commits, at most."""

    def change(self, given: Mapping[str, Any]) -> None:
        """Set switches by name, all or none. Raises `ValueError` for an unknown one or a value of another type."""
        known = {name: type(value) for name, value in asdict(Behaviour()).items()}
        for name, value in given.items():
            if name not in known:
                raise ValueError(f"unknown switch {name!r}; there are {', '.join(known)}")
            if type(value) is not known[name] and not (known[name] is float and type(value) is int):
                raise ValueError(f"switch {name} takes a {known[name].__name__}, not {value!r}")
        for name, value in given.items():
            setattr(self, name, known[name](value))

    def calm(self) -> None:
        """Everything off."""
        self.change(asdict(Behaviour()))

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
