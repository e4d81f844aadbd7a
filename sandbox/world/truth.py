"""The ground truth: why people of the practice world buy. Written down, so that a model can be judged against it.

Every day a person who has not bought decides to buy with the hazard

    h(t) = exp(log_hazard(traits, evidence(t)) + luck)

    log_hazard = base
               + fit         industry + size + seniority + country (+ free-mail)
               + engagement  saturating in visits, opens, clicks, with thresholds for content and webinars
               + intent      pricing page (first view, and again from the third), demo request, contact, demo video
               + timing      a near-term timeline or a budget told in a form, days of silence, a fresh record
               + interplay   demo request x senior buyer; pricing x mid-size or larger company; content without any
                             intent x staff (readers, students); careers page without intent (job seekers)

`luck` is normal with mean 0, drawn once a person, and seen by nobody. Bots' opens and clicks move nothing. Competitors,
employees and customers never buy. The deal is won some weeks after the decision (`sandbox.world.sales`).

All of it but luck can be read in the CRMs, so `log_hazard` at an instant is the best ranking that any model may hope
for. Over snapshots at random instants its own AUC against "wins within 60 days", and within 90, lies between .72 and
.82 (tested).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Seniority(StrEnum):
    """Level of a job title."""

    C_LEVEL = "c_level"
    VP = "vp"
    DIRECTOR = "director"
    MANAGER = "manager"
    STAFF = "staff"


class Touch(StrEnum):
    """What a prospect does of their own accord; the only things that evidence is made of."""

    VISIT = "visit"
    PRICING = "pricing"
    CAREERS = "careers"
    DEMO_VIDEO = "demo_video"
    CONTENT = "content"
    WEBINAR = "webinar"
    TRADE_FAIR = "trade_fair"
    OPEN = "open"
    CLICK = "click"
    CONTACT = "contact"
    DEMO_REQUEST = "demo_request"


WINDOW_DAYS = MappingProxyType(
    {
        Touch.VISIT: 30.0,
        Touch.PRICING: 21.0,
        Touch.CAREERS: 90.0,
        Touch.DEMO_VIDEO: 45.0,
        Touch.CONTENT: 60.0,
        Touch.WEBINAR: 60.0,
        Touch.TRADE_FAIR: 60.0,
        Touch.OPEN: 30.0,
        Touch.CLICK: 30.0,
        Touch.CONTACT: 45.0,
        Touch.DEMO_REQUEST: 45.0,
    }
)
"""How long a touch counts, days."""

LONGEST_WINDOW_DAYS = max(WINDOW_DAYS.values())


@dataclass(frozen=True, slots=True)
class Traits:
    """What a person is: constant over the history."""

    industry: str
    employees: int
    seniority: Seniority
    country: str
    free_mail: bool
    eligible: bool
    """False for competitors, employees and customers of the vendor."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a person's behaviour at an instant: touches within their windows, and what forms told."""

    counts: Mapping[Touch, int]
    silence_days: float
    """Since the last touch other than an opened mail; `inf` before the first."""
    age_days: float
    near_term: bool
    """A form told a timeline of this month or this quarter."""
    budget_told: bool


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Log-hazard per day. The product never sees them."""

    base: float = -10.30
    industry: dict[str, float] = field(
        default_factory=lambda: {
            "Software": 0.45,
            "Manufacturing": 0.25,
            "Financial services": 0.35,
            "Logistics": 0.10,
            "Healthcare": 0.0,
            "Retail": -0.15,
            "Public sector": -0.40,
            "Education": -0.60,
        }
    )
    size_over: tuple[tuple[int, float], ...] = ((10, 0.35), (50, 0.30), (200, 0.25), (5000, -0.30))
    """(employees, step): a step for every threshold passed; the giants buy elsewhere."""
    seniority: dict[Seniority, float] = field(
        default_factory=lambda: {
            Seniority.C_LEVEL: 0.40,
            Seniority.VP: 0.55,
            Seniority.DIRECTOR: 0.45,
            Seniority.MANAGER: 0.10,
            Seniority.STAFF: -0.45,
        }
    )
    country: dict[str, float] = field(
        default_factory=lambda: {"Germany": 0.20, "Austria": 0.20, "Switzerland": 0.25, "Kazakhstan": -0.35}
    )
    free_mail: float = -0.60
    visits: float = 0.25
    """Times log(1 + visits)."""
    opens: float = 0.10
    """Times log(1 + opens)."""
    clicks: float = 0.20
    """Times log(1 + clicks)."""
    content: float = 0.30
    second_content: float = 0.20
    webinar: float = 0.35
    trade_fair: float = 0.30
    pricing: float = 0.50
    pricing_again: float = 0.40
    """On top, from the third view on."""
    demo_video: float = 0.35
    demo_request: float = 0.70
    contact: float = 0.50
    near_term: float = 0.50
    budget_told: float = 0.40
    silence_per_week: float = -0.07
    """For at most `silence_weeks`."""
    silence_weeks: float = 8.0
    fresh: float = 0.25
    """Record younger than 30 days."""
    senior_demo: float = 0.60
    sized_pricing: float = 0.35
    staff_reader: float = -0.50
    job_seeker: float = -0.80
    luck_deviation: float = 1.05


TRUTH = Coefficients()
NEVER = -math.inf
MID_SIZE = 50
_SENIOR = frozenset({Seniority.C_LEVEL, Seniority.VP, Seniority.DIRECTOR})


def fit(traits: Traits, truth: Coefficients = TRUTH) -> float:
    """The constant part: who the person is."""
    total = truth.industry.get(traits.industry, 0.0) + truth.seniority[traits.seniority]
    total += truth.country.get(traits.country, 0.0)
    total += sum(step for employees, step in truth.size_over if traits.employees > employees)
    return total + (truth.free_mail if traits.free_mail else 0.0)


def engagement(evidence: Evidence, truth: Coefficients = TRUTH) -> float:
    """How much of our marketing the person has taken in."""
    counts = evidence.counts
    content = counts.get(Touch.CONTENT, 0)
    total = truth.visits * math.log1p(counts.get(Touch.VISIT, 0))
    total += truth.opens * math.log1p(counts.get(Touch.OPEN, 0))
    total += truth.clicks * math.log1p(counts.get(Touch.CLICK, 0))
    total += truth.content * (content >= 1) + truth.second_content * (content >= 2)
    total += truth.webinar * (counts.get(Touch.WEBINAR, 0) >= 1)
    return total + truth.trade_fair * (counts.get(Touch.TRADE_FAIR, 0) >= 1)


def intent(evidence: Evidence, truth: Coefficients = TRUTH) -> float:
    """What only someone who thinks of buying does."""
    counts = evidence.counts
    pricing = counts.get(Touch.PRICING, 0)
    total = truth.pricing * (pricing >= 1) + truth.pricing_again * (pricing >= 3)
    total += truth.demo_video * (counts.get(Touch.DEMO_VIDEO, 0) >= 1)
    total += truth.demo_request * (counts.get(Touch.DEMO_REQUEST, 0) >= 1)
    return total + truth.contact * (counts.get(Touch.CONTACT, 0) >= 1)


def timing(evidence: Evidence, truth: Coefficients = TRUTH) -> float:
    """Whether now is the moment."""
    total = truth.near_term * evidence.near_term + truth.budget_told * evidence.budget_told
    total += truth.silence_per_week * min(evidence.silence_days / 7, truth.silence_weeks)
    return total + truth.fresh * (evidence.age_days < 30)


def interplay(traits: Traits, evidence: Evidence, truth: Coefficients = TRUTH) -> float:
    """What no sum of single columns can say."""
    counts = evidence.counts
    pricing, demo = counts.get(Touch.PRICING, 0), counts.get(Touch.DEMO_REQUEST, 0)
    intending = pricing or demo or counts.get(Touch.CONTACT, 0)
    total = truth.senior_demo * (demo >= 1 and traits.seniority in _SENIOR)
    total += truth.sized_pricing * (pricing >= 1 and traits.employees > MID_SIZE)
    if not intending:
        total += truth.staff_reader * (counts.get(Touch.CONTENT, 0) >= 1 and traits.seniority is Seniority.STAFF)
        total += truth.job_seeker * (counts.get(Touch.CAREERS, 0) >= 1)
    return total


def moving(traits: Traits, evidence: Evidence, truth: Coefficients = TRUTH) -> float:
    """The part that changes with time: everything but base and fit."""
    if not evidence.counts:
        return timing(evidence, truth)
    return (
        engagement(evidence, truth)
        + intent(evidence, truth)
        + timing(evidence, truth)
        + interplay(traits, evidence, truth)
    )


def log_hazard(traits: Traits, evidence: Evidence, truth: Coefficients = TRUTH) -> float:
    """Noiseless log-hazard per day; `NEVER` for those who cannot buy."""
    if not traits.eligible:
        return NEVER
    return truth.base + fit(traits, truth) + moving(traits, evidence, truth)


def propensity(traits: Traits, evidence: Evidence, days: float, truth: Coefficients = TRUTH) -> float:
    """Noiseless probability of deciding within `days` if the evidence stayed as it is."""
    return -math.expm1(-math.exp(log_hazard(traits, evidence, truth)) * days)
