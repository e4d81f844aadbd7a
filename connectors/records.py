"""The values that cross the edge, in the field's terms and free of any vendor's.

Times are aware UTC. Everything that may hold a person's data is kept out of `repr`, and so out of logs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

Value = str | int | float | bool | datetime | date | None
"""A scalar as a CRM holds it: text, number, flag, instant or calendar date."""


class RecordRef(NamedTuple):
    """One row of one CRM account. `source` is the configured name of the account; `object` is the vendor's own name.

    The object `email` is a reference by address: some vendors' events know a person by e-mail only. A tuple, because a
    first load makes, hashes and compares millions of them.
    """

    source: str
    object: str
    id: str

    def __str__(self) -> str:
        return f"{self.source}/{self.object}/{self._shown}"

    def __repr__(self) -> str:
        return f"RecordRef(source={self.source!r}, object={self.object!r}, id={self._shown!r})"

    @property
    def _shown(self) -> str:
        """An address is a person's data: it stays out of logs and messages, also where it serves as an id."""
        return "***" if self.object == EMAIL or "@" in self.id else self.id


EMAIL = "email"


class Cause(StrEnum):
    """Who causes a fact. What sales causes is downstream of the decision that a score is for."""

    PROSPECT = "prospect"
    SALES = "sales"
    SYSTEM = "system"


class ActivityKind(StrEnum):
    """What a person did, or what was done to them. `cause` says which."""

    cause: Cause

    def __new__(cls, value: str, cause: Cause) -> ActivityKind:
        member = str.__new__(cls, value)
        member._value_ = value
        member.cause = cause
        return member

    PAGE_VIEW = "page_view", Cause.PROSPECT
    PRICING_PAGE_VIEW = "pricing_page_view", Cause.PROSPECT
    CAREERS_PAGE_VIEW = "careers_page_view", Cause.PROSPECT
    CONTENT_DOWNLOAD = "content_download", Cause.PROSPECT
    FORM_SUBMISSION = "form_submission", Cause.PROSPECT
    DEMO_REQUEST = "demo_request", Cause.PROSPECT
    DEMO_VIDEO_VIEW = "demo_video_view", Cause.PROSPECT
    WEBINAR_REGISTRATION = "webinar_registration", Cause.PROSPECT
    WEBINAR_ATTENDANCE = "webinar_attendance", Cause.PROSPECT
    EVENT_ATTENDANCE = "event_attendance", Cause.PROSPECT
    CAMPAIGN_RESPONSE = "campaign_response", Cause.PROSPECT
    EMAIL_OPEN = "email_open", Cause.PROSPECT
    EMAIL_CLICK = "email_click", Cause.PROSPECT
    EMAIL_REPLY = "email_reply", Cause.PROSPECT
    UNSUBSCRIBE = "unsubscribe", Cause.PROSPECT
    INBOUND_CALL = "inbound_call", Cause.PROSPECT
    EMAIL_DELIVERY = "email_delivery", Cause.SYSTEM
    EMAIL_BOUNCE = "email_bounce", Cause.SYSTEM
    CAMPAIGN_SEND = "campaign_send", Cause.SYSTEM
    SALES_EMAIL = "sales_email", Cause.SALES
    SALES_CALL = "sales_call", Cause.SALES
    MEETING = "meeting", Cause.SALES
    NOTE = "note", Cause.SALES
    TASK = "task", Cause.SALES


class RecordState(StrEnum):
    """Where a person's record stands in its CRM. Scores are written to open records only."""

    OPEN = "open"
    CONVERTED = "converted"
    CUSTOMER = "customer"
    DISQUALIFIED = "disqualified"


class ScoreField(StrEnum):
    """The field contract: what Leadgauge writes, by names that do not depend on the CRM.

    These are the primary goal's. Any other goal has those of `EACH_GOAL` under its own name: `upgrade.score` is a field
    whose `goal` is `upgrade` and whose `kind` is `SCORE`. A field of the CRM's own that may follow the stage goes by
    the vendor's name, as in `crm:lifecyclestage`. Iteration gives the primary goal's.
    """

    SCORE = "score"  # int, 0-100
    PROBABILITY = "probability"  # float, percent with one decimal
    BUCKET = "bucket"  # hot, warm, nurture, cold, unscored
    ACTION = "action"  # text, 80
    GRADE = "grade"  # A1-C3
    STAGE = "stage"
    MQL_DATE = "mql_date"  # datetime, whole seconds
    REASONS = "reasons"  # text, 255
    BANT = "bant"  # text, 80
    STATUS = "status"  # coded: scored, or why not
    VERSION = "version"  # text, 40
    SCORED_AT = "scored_at"  # datetime, whole seconds

    @property
    def goal(self) -> str:
        """Whose field it is; empty for the primary goal."""
        return self.value.rpartition(".")[0]

    @property
    def kind(self) -> ScoreField:
        """Which field of the contract it is, whoever's."""
        return ScoreField(self.value.rpartition(".")[2])

    @property
    def native(self) -> bool:
        """Whether it is a field of the CRM's own, in which people write too."""
        return self.value.startswith(_OWN)

    @property
    def vendor(self) -> str:
        """The vendor's name of a native field."""
        return self.value.removeprefix(_OWN)

    @classmethod
    def follower(cls, name: str) -> ScoreField:
        """The native field that the vendor calls so."""
        return cls(_OWN + name)

    def of(self, goal: str) -> ScoreField:
        """The same field of a goal; empty: of the primary one."""
        return ScoreField(f"{goal}.{self.kind.value}" if goal else self.kind.value)

    @classmethod
    def _missing_(cls, value: object) -> ScoreField | None:
        """A further goal's field, or a native one, made when it is first named and the same object from then on, as
        `enum.Flag` does."""
        if not isinstance(value, str):
            return None
        goal, _, kind = value.rpartition(".")
        if not _NATIVE.fullmatch(value) and (not _GOAL.fullmatch(goal) or kind not in EACH_GOAL):
            return None
        made = str.__new__(cls, value)
        made._name_ = made._value_ = value
        known: dict[object, ScoreField] = cls._value2member_map_  # type: ignore[assignment]
        return known.setdefault(value, made)


_OWN = "crm:"
_NATIVE = re.compile(_OWN + r"[A-Za-z]\w{0,79}")
_GOAL = re.compile(r"[a-z][a-z0-9_]{0,30}")
EACH_GOAL = frozenset(ScoreField) - {ScoreField.STAGE, ScoreField.MQL_DATE, ScoreField.BANT}
"""What every goal has: a person has one stage, whatever goals there are."""


@dataclass(frozen=True, slots=True)
class LeadRecord:
    """A person's record: a Salesforce Lead or Contact, a HubSpot contact.

    `attributes` are by canonical name (`title`, `country`, ...; custom ones by their configured name), null left out.
    `same_as` are records that the CRM itself says are the same person (conversion, merge, a sync's id property).
    `written` is our own field contract as the CRM holds it now, so that a write that comes back is recognised; if
    `past`, as it was at `modified_at`, which may prove a write of before and contradicts none.
    """

    ref: RecordRef
    state: RecordState
    created_at: datetime
    modified_at: datetime
    email: str | None = field(default=None, repr=False)
    name: str | None = field(default=None, repr=False)
    account: RecordRef | None = None
    same_as: tuple[RecordRef, ...] = ()
    attributes: Mapping[str, Value] = field(default_factory=dict, repr=False)
    written: Mapping[ScoreField, Value] = field(default_factory=dict, repr=False)
    modified_by: str | None = None
    past: bool = False


@dataclass(frozen=True, slots=True)
class AttributeChange:
    """A value that an attribute took on (None: was emptied) at an instant, as the CRM's own history tells.

    `recorded_at` is when the CRM wrote it down: the same instant, unless the history can be backdated.
    """

    ref: RecordRef
    name: str
    value: Value = field(repr=False)
    occurred_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """A company: Salesforce Account, HubSpot company. Attributes by canonical name, null left out."""

    ref: RecordRef
    created_at: datetime
    modified_at: datetime
    name: str | None = field(default=None, repr=False)
    attributes: Mapping[str, Value] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Activity:
    """Something that happened, once, to one or more people (a meeting has several).

    `ref` names the vendor's row, or is derived from it where one row holds several facts; a fact that is pulled twice
    has the same `ref`. `recorded_at` is the CRM's own record time. `detail` is what rules may match on: a page's path,
    a form's or campaign's name.
    """

    ref: RecordRef
    kind: ActivityKind
    people: tuple[RecordRef, ...]
    occurred_at: datetime
    recorded_at: datetime
    detail: str | None = None
    duration: timedelta | None = None


class OutcomeStatus(StrEnum):
    OPEN = "open"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A deal: Salesforce Opportunity, HubSpot deal. `closed_at` is set once it is won or lost."""

    ref: RecordRef
    status: OutcomeStatus
    stage: str
    created_at: datetime
    modified_at: datetime
    closed_at: datetime | None = None
    amount: float | None = None
    account: RecordRef | None = None
    people: tuple[RecordRef, ...] = ()


@dataclass(frozen=True, slots=True)
class Deletion:
    """A row that is gone: deleted, merged into another, or erased on a person's request (`erased`). `unseen`: no query
    shows it, and the CRM does not say why; it may be gone for good or hidden from us. `binned`: it lies in the CRM's
    recycle bin, from where it may come back or go for good."""

    ref: RecordRef
    deleted_at: datetime
    merged_into: RecordRef | None = None
    erased: bool = False
    unseen: bool = False
    binned: bool = False


@dataclass(frozen=True, slots=True)
class FieldWrite:
    """Score fields that a record shall hold. `trace` names the ledger row in the vendor's own logs where it can.

    `over` has for each native field the value that it may replace: where the CRM holds another one by now, somebody set
    it since, and it stays.
    """

    ref: RecordRef
    values: Mapping[ScoreField, Value] = field(repr=False)
    trace: str = ""
    over: Mapping[ScoreField, Value] = field(default_factory=dict, repr=False)

    @property
    def natives(self) -> Sequence[ScoreField]:
        """The native fields among the values."""
        return [name for name in self.values if name.native]

    def without(self, fields: Collection[ScoreField]) -> FieldWrite:
        """The same but for these."""
        return replace(self, values={name: value for name, value in self.values.items() if name not in fields})


@dataclass(frozen=True, slots=True)
class Follower:
    """A native field of an object that follows the stage: the option that says so, what it shall hold in which stage,
    the values that nobody chose, and the attribute that tells since when it holds what it holds, if one is read."""

    field: ScoreField
    object: str
    option: str
    attribute: str | None
    stages: Mapping[str, str]
    replaces: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Alert:
    """A task for whoever owns a record. `mark` stands in its text and in no other's, so that it is found again;
    `tried`: it may have been made before, at `sent_at` if that is known."""

    ref: RecordRef
    mark: str
    subject: str
    text: str = field(repr=False)
    due_on: date
    since: datetime
    tried: bool = False
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AlertResult:
    """What became of it: `WRITTEN` with the task that there is now, by the `ref` of the `Activity` that it is while
    nobody has done it; or why there is none."""

    outcome: WriteOutcome
    made: RecordRef | None = None
    code: str | None = None
    message: str | None = None
    retry_after: timedelta | None = None


class AuthorKind(StrEnum):
    """What sort of writer changed a field, in words for people."""

    PERSON = "user"
    AUTOMATION = "flow"
    IMPORT = "import"
    INTEGRATION = "integration"
    UNKNOWN = "something unknown"


@dataclass(frozen=True, slots=True)
class Author:
    """Who changed a field last. `who` is the vendor's id of the user, flow or app, never a name."""

    kind: AuthorKind
    who: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.who}".strip()


class WriteOutcome(StrEnum):
    """What became of one record of a batch."""

    WRITTEN = "written"  # the CRM said yes; only a read-back proves it
    RETRY = "retry"  # the same write can succeed later
    MOVED = "moved"  # the record lives on as `moved_to` (merged or converted)
    GONE = "gone"  # deleted, or no longer visible
    REFUSED = "refused"  # cannot succeed until a person changes something
    UNRESOLVED = "unresolved"  # under way, or nobody can tell: only a read-back shows it


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The answer for one record. `code` is the vendor's own, `message` says what and how to mend it.

    `kept`: native fields that were left as they are, each with the reason; the rest of the record is as `outcome` says.
    """

    ref: RecordRef
    outcome: WriteOutcome
    code: str | None = None
    message: str | None = None
    retry_after: timedelta | None = None
    moved_to: RecordRef | None = None
    kept: Mapping[ScoreField, str] = field(default_factory=dict)
