"""The parts of a policy: what RevOps sets, each with its shipped value and its bounds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Points = Annotated[int, Field(ge=0, le=100)]
Days = Annotated[float, Field(ge=0, le=3650, allow_inf_nan=False)]
Of4 = Annotated[int, Field(ge=0, le=4)]
Word = Annotated[str, Field(min_length=1, max_length=255)]
Attribute = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
UNSCORED = "unscored"


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Bucket(Part):
    """Scores from `at_least` up to the next bucket, and what sales does about them."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    at_least: Points
    action: str = Field(max_length=80)


BUCKETS = (
    Bucket(name="hot", at_least=90, action="Call immediately"),
    Bucket(name="warm", at_least=70, action="Call this week"),
    Bucket(name="nurture", at_least=50, action="E-mail cadence"),
    Bucket(name="cold", at_least=0, action="Marketing content only"),
)


class Mql(Part):
    """A person becomes marketing qualified at `enter` and stays so until below `leave`.

    The score must have held for `dwell_days`: reached `enter` and not fallen below `leave` since. After a person ceased
    to be marketing qualified, `cooldown_days` pass before they can be again, and they become so at most `max_entries`
    times in any `window_days`. `required`: attributes that must be filled; `bant`: how many of the four must be known.
    """

    enter: Points = 70
    leave: Points = 60
    dwell_days: Days = 0
    cooldown_days: Days = 14
    max_entries: int = Field(default=3, ge=1, le=100)
    window_days: int = Field(default=365, ge=1, le=3650)
    required: tuple[Attribute, ...] = ()
    bant: Of4 = 0

    @model_validator(mode="after")
    def _leave_is_not_above_enter(self) -> Self:
        if self.leave > self.enter:
            raise ValueError(f"mql.leave ({self.leave}) must not be above mql.enter ({self.enter})")
        return self


class Sales(Part):
    """What sales says in the CRM, in the words of its own fields (a lead's status, a lifecycle stage; any case).

    `accepted`: a rep works the lead. `confirmed`: it is sales qualified; a `meeting` held says so too, if wanted, and
    `bant` of the four must be known. `deals`: an open deal makes an opportunity of the people on it (`contacts`), or of
    all people of its account. `rejected`: the lead goes back; what the attribute `reason` holds is the feedback.
    """

    accepted: tuple[Word, ...] = (
        "Working", "Working - Contacted", "Contacted", "IN_PROGRESS", "ATTEMPTED_TO_CONTACT", "CONNECTED",
    )  # fmt: skip
    confirmed: tuple[Word, ...] = ("Qualified", "SQL", "OPEN_DEAL", "salesqualifiedlead")
    rejected: tuple[Word, ...] = ("Rejected", "Recycled", "BAD_TIMING")
    meeting: bool = True
    deals: Literal["contacts", "account"] = "contacts"
    bant: Of4 = 0
    reason: Attribute | None = None

    @model_validator(mode="after")
    def _one_meaning_a_word(self) -> Self:
        seen: dict[str, str] = {}
        for meaning in ("accepted", "confirmed", "rejected"):
            for word in getattr(self, meaning):
                if (other := seen.setdefault(word.casefold(), meaning)) != meaning:
                    raise ValueError(f"{word!r} stands under both sales.{other} and sales.{meaning}; keep one")
        return self

    def meaning(self, word: str) -> str | None:
        """`accepted`, `confirmed` or `rejected`; None for a word that says none of it."""
        return self._meanings.get(word.casefold().strip())

    @cached_property
    def _meanings(self) -> Mapping[str, str]:
        return {
            listed.casefold(): meaning
            for meaning in ("accepted", "confirmed", "rejected")
            for listed in getattr(self, meaning)
        }


class Recycling(Part):
    """A lead with whom nothing happened for `silence_days` while it was marketing or sales qualified is recycled, and
    what sales said longer ago than that counts no more (0: never)."""

    silence_days: Days = 90


class Human(Part):
    """A stage that a person set in the CRM is kept until they clear the field, or for `release_days` (0: for good)."""

    release_days: Days = 0


class Materiality(Part):
    """A score is written when it moved by `points`, or when the record's last write is `max_age_days` old."""

    points: int = Field(default=3, ge=0, le=100)
    max_age_days: int = Field(default=30, ge=1, le=3650)


class Scale(Part):
    """How a model's odds become points. `odds`: `reference_odds` have 50, and `pdo` points double them (`policy scale`
    proposes both). `probability`: 100 times the chance. `points`: rules alone, whatever models there are."""

    kind: Literal["odds", "probability", "points"] = "odds"
    pdo: float = Field(default=20.0, ge=2, le=100, allow_inf_nan=False)
    reference_odds: float = Field(default=0.05, ge=1e-6, le=1e3, allow_inf_nan=False)


class Hybrid(Part):
    """How rules hand over to a model: of n matured conversions behind it, it has n / (n + `conversions`) of the say, so
    that with `conversions` of them both have half (0: the model has all of it at once)."""

    conversions: int = Field(default=40, ge=0, le=1_000_000)


class Grades(Part):
    """Where the letter for fit and the digit for engagement (with timing) change, in points of these subtotals. No
    retraining moves them."""

    fit_a: float = Field(default=10, ge=-1000, le=1000, allow_inf_nan=False)
    fit_b: float = Field(default=-5, ge=-1000, le=1000, allow_inf_nan=False)
    engagement_1: float = Field(default=10, ge=-1000, le=1000, allow_inf_nan=False)
    engagement_2: float = Field(default=-5, ge=-1000, le=1000, allow_inf_nan=False)

    @model_validator(mode="after")
    def _a_is_above_b(self) -> Self:
        for better, worse in (("fit_a", "fit_b"), ("engagement_1", "engagement_2")):
            if getattr(self, better) <= getattr(self, worse):
                raise ValueError(f"grades.{better} must be above grades.{worse}")
        return self


class Capacity(Part):
    """How many leads sales can take: `reps` people, each `leads_a_week`. Weeks begin on Monday in `zone`."""

    reps: int = Field(default=0, ge=0, le=100_000)
    leads_a_week: float = Field(default=15, gt=0, le=10_000, allow_inf_nan=False)
    zone: str = "UTC"

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"no time zone is named {zone!r}; write it as in Europe/Berlin") from None
        return zone

    @property
    def leads(self) -> float:
        """Leads a week, of all reps."""
        return self.reps * self.leads_a_week


class Guard(Part):
    """Opt-in: so large a share of people, drawn by `seed`, keep their scores from sales' view, so that what the score
    does can be told from what sales does because of it."""

    share: float = Field(default=0, ge=0, le=0.2, allow_inf_nan=False)
    seed: int = Field(default=1, ge=0, le=2**31)


class Promotion(Part):
    """What a challenger must show before it may score people.

    Of leads that were held out: at least `min_conversions` that converted and `min_others` that did not; a calibration
    error (ECE) at most `calibration_slack` above the champion's. At most `max_moved` of the leads may change their
    bucket, unless the AUC gains `min_gain`. `automatic`: a challenger that passes replaces its champion by itself; the
    first model of a goal is always a person's decision.
    """

    automatic: bool = False
    min_conversions: int = Field(default=40, ge=1)
    min_others: int = Field(default=40, ge=1)
    calibration_slack: float = Field(default=0.01, ge=0, le=1)
    max_moved: float = Field(default=0.25, ge=0, le=1)
    min_gain: float = Field(default=0.01, ge=0, le=0.5)


class Retraining(Part):
    """When a challenger is trained unasked: every so many days (0: never), and when the champion's drift alerts."""

    every_days: int = Field(default=91, ge=0, le=3650)
    on_drift: bool = True


class Segments(Part):
    """What is otherwise for some people: `by` names an attribute, `of` has for a value of it the settings that differ,
    as in `of: {Germany: {mql: {enter: 75}}}`. Only `mql`, `recycling`, `buckets`, `bucket_hysteresis`, `materiality`
    and `capacity` may."""

    by: Attribute | None = None
    of: Mapping[Word, Mapping[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _by_something(self) -> Self:
        if self.of and self.by is None:
            raise ValueError("segments.by must name the attribute that tells the segments apart, as in `by: country`")
        for name, own in self.of.items():
            if foreign := sorted(set(own) - set(OWN)):
                raise ValueError(f"segments.of.{name}: {foreign[0]} is the same for all; allowed are {', '.join(OWN)}")
        return self


OWN = ("mql", "recycling", "buckets", "bucket_hysteresis", "materiality", "capacity")
"""The parts of a policy that a segment may have of its own. The scale is not among them: 70 means the same for all."""
