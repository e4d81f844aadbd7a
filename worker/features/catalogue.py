"""Which attributes exist, of which type, and what people call them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import polars as pl

from connectors.records import Cause

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")

RESERVED = frozenset({"all", "any", "not", "did", "person_id", "as_of", "count", "last"})
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
    """`derived_from` names the attribute that this one is computed from; None for one that a CRM holds.

    `cause` says who fills it (None: nobody has said). `stable`: a record's earliest known value is taken to have held
    since the record was made, where there is no history to know better: an assumption. `feature`: a field of the
    user's own from which a model may learn.
    """

    type: AttributeType
    label: str
    derived_from: str | None = None
    cause: Cause | None = None
    stable: bool = False
    feature: bool = False


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


_PROSPECT, _SALES, _SYSTEM = Cause
_SHIPPED: Mapping[str, Attribute] = {
    "title": Attribute(AttributeType.TEXT, "Job title", cause=_PROSPECT, stable=True),
    "company": Attribute(AttributeType.TEXT, "Company", cause=_PROSPECT, stable=True),
    "industry": Attribute(AttributeType.TEXT, "Industry", cause=_SYSTEM, stable=True),
    "employees": Attribute(AttributeType.NUMBER, "Employees", cause=_SYSTEM, stable=True),
    "annual_revenue": Attribute(AttributeType.NUMBER, "Annual revenue", cause=_SYSTEM, stable=True),
    "country": Attribute(AttributeType.TEXT, "Country", cause=_PROSPECT, stable=True),
    "website": Attribute(AttributeType.TEXT, "Website", cause=_PROSPECT, stable=True),
    "lead_source": Attribute(AttributeType.TEXT, "Lead source", cause=_SYSTEM, stable=True),
    "status": Attribute(AttributeType.TEXT, "Status", cause=_SALES),
    "lifecycle_stage": Attribute(AttributeType.TEXT, "Lifecycle stage", cause=_SALES),
    "owner": Attribute(AttributeType.TEXT, "Owner", cause=_SALES),
    "has_phone": Attribute(AttributeType.FLAG, "Has a phone number"),  # from a form, an import, or a rep's search
    "opted_out": Attribute(AttributeType.FLAG, "Opted out of e-mail", cause=_PROSPECT),
    "bounced": Attribute(AttributeType.FLAG, "E-mail bounces", cause=_SYSTEM),
    "budget": Attribute(AttributeType.NUMBER, "Budget"),  # told in a form, or asked for by sales
    "timeline": Attribute(AttributeType.TEXT, "Buying timeline"),
    "need": Attribute(AttributeType.TEXT, "Need"),
    "authority": Attribute(AttributeType.TEXT, "Authority"),
    "page_views": Attribute(AttributeType.NUMBER, "Page views", cause=_PROSPECT),
    "email_domain": Attribute(AttributeType.TEXT, "E-mail domain", cause=_PROSPECT, stable=True),
    "free_mail": Attribute(
        AttributeType.FLAG, "Free e-mail provider", derived_from="email_domain", cause=_PROSPECT, stable=True
    ),
}
