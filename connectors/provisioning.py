"""Making what the field contract needs in a CRM: what a connector that can do it promises, and how it tells."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from connectors.port import BUCKETS


class Deed(StrEnum):
    """What became of one thing that is needed."""

    THERE = "there"
    MADE = "made"
    WOULD = "would be made"  # by a run that is not dry
    BY_HAND = "by hand"  # no API does it, or none should: `note` says how
    FAILED = "failed"  # `note` says why


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that the contract needs, such as a field: where and what it is, and what became of it."""

    where: str
    what: str
    deed: Deed
    note: str = ""


@runtime_checkable
class Provisioning(Protocol):
    """A `Crm` that can make fields."""

    def provision(
        self, *, dry_run: bool, user: str | None = None, buckets: Collection[str] = BUCKETS
    ) -> Iterator[Step]:
        """Make whatever of the contract is missing, and tell of each thing as it is dealt with.

        Only ever adds: what is there stays as it is, whoever made it. Safe to repeat, and to end anywhere. What cannot
        be done is told and stops nothing else; raises for none of it. `user`: the vendor's id of the user that writes
        scores, where that is not the one who provisions. `buckets`: what `ScoreField.BUCKET` will hold.
        """

    def user(self) -> str | None:
        """The vendor's id of the user that these credentials act for, where there is such a thing; logs in to learn
        it. Raises `CrmError`."""
