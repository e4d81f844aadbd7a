"""Which attributes exist, of which type, and what people call them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import polars as pl

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")

RESERVED = frozenset({"all", "any", "not", "did", "person_id", "count", "last"})
"""Words with a meaning of their own beside attribute names, in rules and in frames."""


class AttributeType(StrEnum):
    """How an attribute's text is read. What cannot be read counts as missing."""

    NUMBER = "number"  # finite, with a decimal point; no thousands separators
    TEXT = "text"  # surrounding space is dropped; empty is missing
    FLAG = "flag"  # true/false, yes/no, 1/0, in any case
    DATE = "date"  # ISO 8601 date or instant; without a zone it is UTC

    @property
    def dtype(self) -> pl.DataType:
        return _DTYPES[self]


_DTYPES: Mapping[AttributeType, pl.DataType] = {
    AttributeType.NUMBER: pl.Float64(),
    AttributeType.TEXT: pl.String(),
    AttributeType.FLAG: pl.Boolean(),
    AttributeType.DATE: pl.Datetime("us", "UTC"),
}


@dataclass(frozen=True, slots=True)
class Attribute:
    """`derived_from` names the attribute that this one is computed from; None for one that a CRM holds."""

    type: AttributeType
    label: str
    derived_from: str | None = None


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Attribute name -> what it is."""

    attributes: Mapping[str, Attribute]

    @classmethod
    def shipped(cls) -> Self:
        """The attributes that every connector delivers under the same name, and what is derived from them."""
        return cls(_SHIPPED)

    def extended(self, custom: Mapping[str, Attribute]) -> Catalogue:
        """This catalogue and `custom` fields. Raises `ValueError` for a name that is taken, reserved or malformed."""
        for name in custom:
            if not _NAME.fullmatch(name) or name in RESERVED:
                raise ValueError(
                    f"custom attribute {name!r}: a name is at most 63 of a-z, 0-9 and _, starts with a letter, "
                    f"and is none of {', '.join(sorted(RESERVED))}"
                )
            if name in self.attributes:
                raise ValueError(f"custom attribute {name!r}: the name is taken; choose another")
        return Catalogue({**self.attributes, **custom})


_SHIPPED: Mapping[str, Attribute] = {
    "title": Attribute(AttributeType.TEXT, "Job title"),
    "company": Attribute(AttributeType.TEXT, "Company"),
    "industry": Attribute(AttributeType.TEXT, "Industry"),
    "employees": Attribute(AttributeType.NUMBER, "Employees"),
    "annual_revenue": Attribute(AttributeType.NUMBER, "Annual revenue"),
    "country": Attribute(AttributeType.TEXT, "Country"),
    "website": Attribute(AttributeType.TEXT, "Website"),
    "lead_source": Attribute(AttributeType.TEXT, "Lead source"),
    "status": Attribute(AttributeType.TEXT, "Status"),
    "lifecycle_stage": Attribute(AttributeType.TEXT, "Lifecycle stage"),
    "owner": Attribute(AttributeType.TEXT, "Owner"),
    "has_phone": Attribute(AttributeType.FLAG, "Has a phone number"),
    "opted_out": Attribute(AttributeType.FLAG, "Opted out of e-mail"),
    "bounced": Attribute(AttributeType.FLAG, "E-mail bounces"),
    "budget": Attribute(AttributeType.NUMBER, "Budget"),
    "timeline": Attribute(AttributeType.TEXT, "Buying timeline"),
    "need": Attribute(AttributeType.TEXT, "Need"),
    "authority": Attribute(AttributeType.TEXT, "Authority"),
    "page_views": Attribute(AttributeType.NUMBER, "Page views"),
    "email_domain": Attribute(AttributeType.TEXT, "E-mail domain"),
    "free_mail": Attribute(AttributeType.FLAG, "Free e-mail provider", derived_from="email_domain"),
}
