"""Named profiles: everything that a CRM is known to do to its clients, switched on and off at once.

Each CRM brings a table of fault rules (`RULES`, what happens on the wire) and a hook (`bite`, what its own API does).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.faults import Faults

CALM, HOSTILE = "calm", "hostile"
NAMES = (CALM, HOSTILE)

Bite = Callable[[bool], None]
"""`bite(on)`: switch the misbehaviour of the CRM's own API on, or off again."""


@dataclass(frozen=True, slots=True)
class Bites:
    """What one CRM has against its clients."""

    rules: Sequence[Mapping[str, Any]]
    bite: Bite


class Profile:
    """The profile that one server is under; calm at first."""

    def __init__(self, bites: Bites, faults: Faults) -> None:
        self._bites = bites
        self._faults = faults
        self._name = CALM
        self._seed = 0

    def apply(self, name: str, seed: int = 0) -> None:
        """Come under `name`; the same seed spoils the same requests of the same sequence. Fault rules that were there,
        whoever made them, are gone. Raises `ValueError` for an unknown name."""
        if name not in NAMES:
            raise ValueError(f"profile {name!r} is not among {', '.join(NAMES)}")
        hostile = name == HOSTILE
        self._faults.clear()
        if hostile:
            self._faults.add([{**rule, "seed": seed + number} for number, rule in enumerate(self._bites.rules)])
        self._bites.bite(hostile)
        self._name, self._seed = name, seed

    def describe(self) -> dict[str, Any]:
        """Its name and seed."""
        return {"name": self._name, "seed": self._seed}
