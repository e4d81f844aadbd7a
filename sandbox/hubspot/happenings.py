"""What happened to records, as the store tells those who listen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sandbox.hubspot.records import Source
from sandbox.hubspot.schema import ObjectType


@dataclass(frozen=True, slots=True)
class Happening:
    """One change of one record. `name` is the vendor's: creation, deletion, restore, merge, propertyChange, ...

    `properties`: new values of those that changed, `""` for a cleared one; for a merge those that were moved. `merged`:
    the old ids. `other`: the far end of an association, `removed` or made, and whether it is the primary company.
    """

    name: str
    kind: ObjectType
    id: int
    at: int
    source: Source
    properties: Mapping[str, str]
    merged: tuple[int, ...] = ()
    other: tuple[ObjectType, int] | None = None
    removed: bool = False
    primary: bool = False


Listener = Callable[[Happening], None]


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """The values of `after` that differ, and `""` for those that are gone."""
    moved = {name: value for name, value in after.items() if before.get(name) != value}
    return moved | {name: "" for name in before if name not in after}
