"""The mapping file: which files there are, how they are written, and what their columns mean."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from connectors.files.flaw import Flaw
from connectors.options import Pattern
from connectors.records import ActivityKind, OutcomeStatus, RecordState

Encoding = Literal[
    "utf-8", "utf-16-le", "utf-16-be", "cp1250", "cp1251", "cp1252", "iso-8859-1", "iso-8859-2", "iso-8859-15"
]
"""Those in which a place in the text is a place in the bytes; a byte order mark decides by itself."""
ValueType = Literal["text", "integer", "number", "flag", "date", "instant"]

ATTRIBUTE_TYPES: Mapping[str, ValueType] = {
    "employees": "integer",
    "page_views": "integer",
    "annual_revenue": "number",
    "budget": "number",
    "opted_out": "flag",
    "bounced": "flag",
    "has_phone": "flag",
}
"""Of the attributes that rules know by name; the others are text."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AttributeColumn(_Frozen):
    """Where an attribute is found. Without `type`: its own, else text (in Parquet: the column's)."""

    column: str
    type: ValueType | None = None


class Table(_Frozen):
    """One file and how it is written; `leads-*.csv` stands for all of that name, as one."""

    file: Path = Field(description="`leads-*.csv` stands for all of that name, as one")
    encoding: Encoding | None = Field(default=None, description="unset: UTF-8, or what a byte order mark says")
    separator: Literal[",", ";", "\t", "|"] | None = Field(
        default=None, description="unset: the one that shows columns"
    )
    quote: Annotated[str, Field(min_length=1, max_length=1)] = '"'
    decimal: Literal[".", ","] = "."
    dates: tuple[str, ...] = Field(default=(), description="strptime formats, tried in order; none: ISO 8601")
    nulls: tuple[str, ...] = Field(default=(), description="texts that mean nothing is known, beside the empty")
    duplicates: Literal["error", "last"] = Field(default="error", description="what an id that comes twice is")

    @property
    def mapped(self) -> Mapping[str, str]:
        """Column by what it is for."""
        columns: BaseModel = getattr(self, "columns")  # noqa: B009 - every kind of table has columns of its own
        return {name: column for name, column in columns if column is not None}


class Described(Table):
    """A table of things that have attributes: by canonical name, or any other that the configuration declares."""

    attributes: Mapping[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")], AttributeColumn] = Field(
        default_factory=dict, description="by the name that rules use; a column's name alone will do"
    )

    @field_validator("attributes", mode="before")
    @classmethod
    def _short_form(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            return given
        return {name: {"column": column} if isinstance(column, str) else column for name, column in given.items()}

    @property
    def mapped(self) -> Mapping[str, str]:
        return {**super().mapped, **{f"attributes.{name}": each.column for name, each in self.attributes.items()}}


class LeadColumns(_Frozen):
    id: str = "id"
    created_at: str = "created_at"
    modified_at: str | None = None
    email: str | None = None
    name: str | None = None
    phone: str | None = None
    state: str | None = None
    account: str | None = None


class Leads(Described):
    """People."""

    columns: LeadColumns = LeadColumns()
    states: Mapping[str, RecordState] = Field(default_factory=dict, description="by the state column's text; else open")

    @model_validator(mode="after")
    def _no_person_in_an_id(self) -> Leads:
        if self.columns.id in (self.columns.email, self.columns.name, self.columns.phone):
            raise ValueError(
                "columns.id: ids are shown in logs, so a name or an address cannot be one; add an id column"
            )
        return self


class AccountColumns(_Frozen):
    id: str = "id"
    created_at: str = "created_at"
    modified_at: str | None = None
    name: str | None = None


class Accounts(Described):
    """Companies. `leads.columns.account` says whose people are whose."""

    columns: AccountColumns = AccountColumns()


class ActivityColumns(_Frozen):
    """Of `lead` and `email` one at least is set: whose activity it is."""

    id: str | None = None
    lead: str | None = "lead_id"
    email: str | None = None
    type: str = "type"
    occurred_at: str = "occurred_at"
    recorded_at: str | None = None
    detail: str | None = None
    seconds: str | None = None
    amount: str | None = None

    @model_validator(mode="after")
    def _somebody(self) -> ActivityColumns:
        if self.lead is None and self.email is None:
            raise ValueError("one of lead and email must name a column: whose activity it is")
        return self


class TypeRule(_Frozen):
    """Types that match `pattern` (a regular expression, any case) are a `kind`, a deal (`outcome`) or left out."""

    pattern: Pattern
    kind: ActivityKind | None = None
    outcome: OutcomeStatus | None = None
    skip: bool = False

    @model_validator(mode="after")
    def _one_meaning(self) -> TypeRule:
        if (self.kind is not None) + (self.outcome is not None) + self.skip != 1:
            raise ValueError("say one of kind, outcome and skip: true")
        return self


class Activities(Table):
    """What people did. Rows without an id are known by their content, so it may be in any order."""

    columns: ActivityColumns = ActivityColumns()
    types: tuple[TypeRule, ...] = Field(default=(), description="looked at before the names of the kinds themselves")


class OutcomeColumns(_Frozen):
    id: str | None = None
    lead: str = "lead_id"
    status: str = "outcome"
    occurred_at: str = "occurred_at"
    created_at: str | None = None
    stage: str | None = None
    amount: str | None = None


class Outcomes(Table):
    """Deals."""

    columns: OutcomeColumns = OutcomeColumns()
    statuses: Mapping[str, OutcomeStatus] = Field(default_factory=lambda: {each.value: each for each in OutcomeStatus})


class ErasureColumns(_Frozen):
    id: str = "lead_id"
    erased_at: str | None = None


class Erasures(Table):
    """People who asked to be forgotten: all that is known of them goes, and stays away."""

    columns: ErasureColumns = ErasureColumns()


class Mappings(_Frozen):
    """The whole mapping file. Only `leads` must be there."""

    time_zone: str = Field(default="UTC", description="of times without one, and whose day a date means")
    leads: Leads
    accounts: Accounts | None = None
    activities: Activities | None = None
    outcomes: Outcomes | None = None
    erasures: Erasures | None = None

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError("not a time zone such as Europe/Berlin") from None
        return name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def tables(self) -> Mapping[str, Table]:
        """The tables that there are, by stream."""
        return {name: table for name, table in self if isinstance(table, Table)}


def load(file: Path) -> Mappings:
    """The mapping file. Raises `Flaw` that lists all of its mistakes."""
    try:
        mappings = Mappings.model_validate(yaml.safe_load(file.read_text(encoding="utf-8-sig")))
        mappings.model_dump_json()
    except FileNotFoundError:
        raise Flaw(file, "there is no mapping file", "write one; the least is `leads: {file: leads.csv}`") from None
    except OSError as problem:
        raise Flaw(file, f"cannot be read: {problem.strerror}", "make it readable") from None
    except UnicodeDecodeError:
        raise Flaw(file, "is not UTF-8", "save it as UTF-8") from None
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        row = None if mark is None else mark.line + 1
        raise Flaw(file, "is not YAML", "see docs/connectors.md for an example", row=row) from None
    except ValidationError as problem:
        found = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'the file'}: {each['msg']}" for each in problem.errors()
        )
        raise Flaw(file, found, "see docs/connectors.md for what is allowed") from None
    except ValueError:
        what = "holds half a character (an escape such as \\ud800), or a date that is none"
        raise Flaw(file, what, "write the character itself, and dates in quotes") from None
    return mappings
