"""What an object looks like to this user: the part of `describe` that reading and writing depend on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `length` in characters; `values` are the active picklist values with their labels, binding where
    `restricted`; `relationship` is what a lookup is called in paths."""

    name: str
    label: str
    type: str
    length: int
    precision: int
    scale: int
    updateable: bool
    restricted: bool
    values: Mapping[str, str]
    relationship: str | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """One object. A field that security hides is absent, like one that does not exist. `record_types`: the names of
    those that records may be of, by id; none where there is only the one that every org has."""

    name: str
    fields: Mapping[str, Field]
    updateable: bool
    replicateable: bool
    record_types: Mapping[str, str] = field(default_factory=dict)


def description(raw: Mapping[str, Any]) -> Description:
    """Read a `describe` answer, which is some hundred kilobytes, down to what is used."""
    return Description(
        name=str(raw["name"]),
        fields={str(each["name"]): _field(each) for each in raw["fields"]},
        updateable=bool(raw.get("updateable")),
        replicateable=bool(raw.get("replicateable")),
        record_types={
            str(each["recordTypeId"]): str(each.get("name") or each["recordTypeId"])
            for each in raw.get("recordTypeInfos") or ()
            if each.get("active", True) and each.get("available", True) and not each.get("master")
        },
    )


def _field(raw: Mapping[str, Any]) -> Field:
    return Field(
        name=str(raw["name"]),
        label=str(raw.get("label") or raw["name"]),
        type=str(raw["type"]),
        length=int(raw.get("length") or 0),
        precision=int(raw.get("precision") or 0),
        scale=int(raw.get("scale") or 0),
        updateable=bool(raw.get("updateable")),
        restricted=bool(raw.get("restrictedPicklist")),
        values={
            str(each["value"]): str(each.get("label") or each["value"])
            for each in raw.get("picklistValues") or ()
            if each.get("active", True)
        },
        relationship=raw.get("relationshipName"),
    )
