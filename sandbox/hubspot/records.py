"""One CRM record: current values, their history, and the links to other records."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from sandbox.hubspot.instants import iso
from sandbox.hubspot.schema import TYPES, ObjectType

Source = tuple[str, str]
"""(sourceType, sourceId) of a property version."""

CRM_UI: Source = ("CRM_UI", "userId:1")
LONGEST_SHARED = 20
"""Values shorter than this are mostly options and numbers, the same in many records."""
_Members = TypeVar("_Members", bound=tuple[Any, ...])


class Version(NamedTuple):
    """A value a property had from `at` (epoch ms) on."""

    value: str
    at: int
    source_type: str
    source_id: str


_UNCHANGED: Mapping[str, list[Version]] = {}
"""The stored versions of the many records that nobody has changed: one empty table, replaced and never written to."""


@dataclass(slots=True)
class Record:
    """A live or archived record.

    `values` is replaced, never changed in place, so that the search index may keep an older one. Versions are stored
    only once a property has changed: until then its one version is the creation. `key` names the record in the links
    of others, which share it: most of a large portal are activities with a link or two.
    """

    kind: ObjectType
    id: int
    created: int
    modified: int
    source: Source
    values: dict[str, str] = field(default_factory=dict)
    archived_at: int | None = None
    versions: Mapping[str, list[Version]] = field(default_factory=lambda: _UNCHANGED)
    links: dict[tuple[str, int], tuple[int, ...]] = field(default_factory=dict)
    key: tuple[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.key = (self.kind.name, self.id)

    def read(self, name: str) -> str | None:
        """The value as the wire shows it; None when empty."""
        if name == "hs_object_id":
            return str(self.id)
        if name == self.kind.modified:
            return iso(self.modified)
        if name == self.kind.created:
            return iso(self.created)
        return self.values.get(name)

    def history(self, name: str) -> list[Version]:
        """Versions of a property, newest first."""
        known = self.versions.get(name)
        if known is not None:
            return known
        value = self.read(name)
        return [] if value is None else [Version(value, self.created, *self.source)]

    def write(self, values: Mapping[str, str], at: int, source: Source) -> None:
        """Set values as of `at` and move the modified stamp forward. `""` clears.

        A value equal to the one then in force adds no version. A write dated before the newest version takes its place
        in the history and leaves the current value alone.
        """
        current = dict(self.values)
        for name, value in values.items():
            versions = self.history(name)
            place = next((n for n, version in enumerate(versions) if version.at <= at), len(versions))
            if (versions[place].value if place < len(versions) else "") == value:
                continue
            kept = [*versions[:place], Version(value, at, *source), *versions[place:]]
            self.versions = {**self.versions, name: kept[: self.kind.history]}
            if place == 0:
                if value:
                    current[name] = value
                else:
                    current.pop(name, None)
        self.values = current
        self.modified = max(self.modified, at)

    def linked(self, to_type: str) -> list[int]:
        """Ids of linked records of one type, ascending."""
        return sorted(other for kind, other in self.links if kind == to_type)

    def dump(self) -> list[Any]:
        versions = {name: [tuple(version) for version in known] for name, known in self.versions.items()}
        links = [[kind, other, types] for (kind, other), types in self.links.items()]
        return [
            self.kind.name, self.id, self.created, self.modified, self.source, self.values, self.archived_at, versions,
            links,
        ]  # fmt: skip

    @classmethod
    def load(cls, row: Iterable[Any]) -> Record:
        kind, id_, created, modified, source, values, archived_at, versions, links = row
        return cls(
            TYPES[kind], id_, created, modified, _shared((source[0], source[1])),
            {name: sys.intern(value) if len(value) < LONGEST_SHARED else value for name, value in values.items()},
            archived_at,
            {name: [Version(*version) for version in known] for name, known in versions.items()} or _UNCHANGED,
            {(sys.intern(to), other): _shared(tuple(types)) for to, other, types in links},
        )  # fmt: skip


@lru_cache(4096)
def _shared(members: _Members) -> _Members:
    """One object for the same few sources and link types, however many records are loaded."""
    return members


def merged_versions(records: Iterable[Record], names: Iterable[str], cap: int) -> dict[str, list[Version]]:
    """The histories of several records as one, newest first."""
    held = list(records)
    return {
        name: sorted((v for record in held for v in record.history(name)), key=lambda v: v.at, reverse=True)[:cap]
        for name in names
    }
