"""What prospects do by themselves, and when they decide to buy.

A journey is simulated in seconds since 1970. Behaviour comes in episodes of research; the hazard of `truth` is
integrated over it, so that what was observable before the decision is what caused it.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sandbox.world.campaigns import Calendar
from sandbox.world.people import HISTORY, Person
from sandbox.world.truth import LONGEST_WINDOW_DAYS, WINDOW_DAYS, Coefficients, Evidence, Touch, fit, moving
from sandbox.world.vocabulary import AUTHORITIES, NEEDS, TIMELINES, CampaignKind, Form

DAY = 86_400.0
NEAR_TERM = frozenset(TIMELINES[:2])

_WINDOWS = {touch: days * DAY for touch, days in WINDOW_DAYS.items()}

SALESFORCE_CAMPAIGN: dict[Touch, CampaignKind] = {
    Touch.CONTENT: CampaignKind.WHITEPAPER,
    Touch.WEBINAR: CampaignKind.WEBINAR,
    Touch.TRADE_FAIR: CampaignKind.TRADE_FAIR,
    Touch.DEMO_VIDEO: CampaignKind.DEMO_VIDEO,
    Touch.PRICING: CampaignKind.PRICING_GUIDE,
    Touch.DEMO_REQUEST: CampaignKind.DEMO_REQUEST,
    Touch.CONTACT: CampaignKind.CONTACT_REQUEST,
}
"""Touches that Salesforce can hold. The rest needs a website or mail tracking, which only HubSpot has here."""

_SESSION: tuple[tuple[Touch, float], ...] = (
    (Touch.PRICING, 0.13),
    (Touch.CONTENT, 0.10),
    (Touch.WEBINAR, 0.05),
    (Touch.DEMO_VIDEO, 0.05),
    (Touch.CAREERS, 0.03),
    (Touch.TRADE_FAIR, 0.02),
    (Touch.CONTACT, 0.02),
    (Touch.DEMO_REQUEST, 0.025),
)
"""Chance of each touch within one session of research."""


class Step(NamedTuple):
    """A touch at an instant (seconds). `told` is what a form asked; `mailing` the e-mail it answers."""

    at: float
    touch: Touch
    told: dict[str, str]
    mailing: int = -1


@dataclass(frozen=True, slots=True)
class Journey:
    """A person's own behaviour, in order of time; `mailings` are the numbers of those they were sent."""

    steps: tuple[Step, ...]
    mailings: tuple[int, ...]
    decided_at: float | None
    opted_out_at: float | None


def make_journey(
    person: Person, calendar: Calendar, now: datetime, truth: Coefficients, dice: random.Random
) -> Journey:
    """The journey of `person` up to `now`."""
    start = max(person.created_at, now - HISTORY).timestamp()
    end = now.timestamp()
    steps = _research(person, start, end, dice)
    mailings, opted_out_at = _mailings(person, calendar, steps, dice)
    steps.sort(key=lambda step: step.at)
    steps = [step for step in steps if step.at < end]
    decided_at = _decision(person, steps, start, end, truth, dice)
    if decided_at is not None:
        steps = _after_decision(person, steps, decided_at, end, dice)
    return Journey(tuple(steps), mailings, decided_at, opted_out_at)


def evidence(steps: Sequence[Step], created_at: float, at: float) -> Evidence:
    """What was known at `at` (seconds): the one way in which the hazard and every test read a journey."""
    counts: dict[Touch, int] = {}
    last, near_term, budget_told = -math.inf, False, False
    for moment, touch, told, _ in steps:
        if moment > at:
            break
        if at - moment <= _WINDOWS[touch]:
            counts[touch] = counts.get(touch, 0) + 1
        if touch is not Touch.OPEN:
            last = moment
        if told:
            near_term = near_term or told.get("timeline") in NEAR_TERM
            budget_told = budget_told or "budget" in told
    return Evidence(
        counts=counts,
        silence_days=(at - last) / DAY,
        age_days=(at - created_at) / DAY,
        near_term=near_term,
        budget_told=budget_told,
    )


def tell(dice: random.Random, *, quote: bool) -> dict[str, str]:
    """What a visitor fills into the optional fields of a contact form."""
    told = {}
    if dice.random() < (0.7 if quote else 0.25):
        told["budget"] = str(1000 * dice.choice((5, 10, 15, 25, 40, 60, 100)))
    if dice.random() < (0.8 if quote else 0.4):
        told["timeline"] = dice.choices(TIMELINES, (2, 4, 3, 3))[0]
    if dice.random() < 0.5:
        told["need"] = dice.choice(NEEDS)
    if dice.random() < 0.3:
        told["authority"] = dice.choice(AUTHORITIES)
    return told


def _research(person: Person, start: float, end: float, dice: random.Random) -> list[Step]:
    steps: list[Step] = []
    if person.duplicate_of is not None:
        first = Touch.CONTENT if dice.random() < 0.6 else Touch.WEBINAR
        return [Step(start + 60, first, {})]
    rate = person.interest / (75 * DAY)
    began_here = person.created_at.timestamp() >= start
    at = start + 90 if began_here and dice.random() < 0.8 else start + dice.expovariate(rate)
    while at < end:
        heat = dice.lognormvariate(-0.1, 0.6)
        session, sessions = at, 1 + int(dice.expovariate(1 / (1.6 * heat)))
        for _ in range(min(sessions, 12)):
            steps += _session(person, session, heat, dice)
            session += dice.expovariate(1 / (2.5 * DAY)) + 3600
        at = session + dice.expovariate(rate)
    return steps


def _session(person: Person, at: float, heat: float, dice: random.Random) -> list[Step]:
    steps = [Step(at, Touch.VISIT, {})] if person.in_hubspot else []
    for touch, chance in _SESSION:
        if not _observable(person, touch) or dice.random() >= chance * heat:
            continue
        at += dice.uniform(40, 400)
        told: dict[str, str] = {}
        if touch is Touch.CONTACT:
            quote = dice.random() < 0.5
            told = {"form": Form.QUOTE if quote else Form.CONTACT, **tell(dice, quote=quote)}
        elif touch is Touch.DEMO_REQUEST:
            told = tell(dice, quote=False)
        steps.append(Step(at, touch, told))
    return steps


def _observable(person: Person, touch: Touch) -> bool:
    """A touch happens only where some CRM that knows the person can record it."""
    if touch is Touch.TRADE_FAIR:
        return person.in_salesforce
    return person.in_hubspot or touch in SALESFORCE_CAMPAIGN


def _mailings(
    person: Person, calendar: Calendar, steps: list[Step], dice: random.Random
) -> tuple[tuple[int, ...], float | None]:
    """Numbers of the mailings that the person was sent; adds what they opened and clicked to `steps`."""
    if not person.in_hubspot:
        return (), None
    received, opted_out_at = [], None
    eagerness = min(1.0, 0.10 + 0.14 * person.interest)
    for mailing in calendar.mailings:
        sent = mailing.sent_at
        if sent < person.created_at + timedelta(hours=1) or opted_out_at is not None:
            continue
        if dice.random() >= mailing.share:
            continue
        received.append(mailing.number)
        if dice.random() >= eagerness:
            continue
        opened = sent.timestamp() + dice.expovariate(1 / (0.6 * DAY)) + 120
        steps.append(Step(opened, Touch.OPEN, {}, mailing.number))
        if dice.random() < 0.22:
            clicked = opened + dice.uniform(5, 90)
            steps.append(Step(clicked, Touch.CLICK, {}, mailing.number))
            steps += [step for step in _session(person, clicked + 2, 0.8, dice) if step.touch is not Touch.TRADE_FAIR]
        elif dice.random() < 0.04:
            opted_out_at = opened + 20
    return tuple(received), opted_out_at


def _decision(
    person: Person, steps: list[Step], start: float, end: float, truth: Coefficients, dice: random.Random
) -> float | None:
    """When the integrated hazard reaches an exponential draw (time change of a Poisson process), if it does."""
    remaining = dice.expovariate(1.0)
    if not person.traits.eligible:
        return None
    created, at, seen = person.created_at.timestamp(), start, 0
    constant = truth.base + fit(person.traits, truth) + person.luck
    while at < end:
        while seen < len(steps) and steps[seen].at <= at:
            seen += 1
        quiet = at - steps[seen - 1].at if seen else math.inf
        stride = 4 * DAY if quiet < 14 * DAY else 15 * DAY if quiet < (LONGEST_WINDOW_DAYS + 1) * DAY else 60 * DAY
        stride = min(stride, (steps[seen].at if seen < len(steps) else end) - at, end - at)
        hazard = math.exp(constant + moving(person.traits, evidence(steps[:seen], created, at), truth)) / DAY
        if hazard * stride >= remaining:
            return at + remaining / hazard
        remaining -= hazard * stride
        at += stride
    return None


def _after_decision(
    person: Person, steps: list[Step], decided_at: float, end: float, dice: random.Random
) -> list[Step]:
    """A decided buyer sometimes asks for a demo or a quote, and soon has no reason to browse any more."""
    kept = [step for step in steps if step.at <= decided_at + 4 * DAY]
    if dice.random() < 0.25:
        at = decided_at + dice.uniform(600, DAY)
        told = {"form": Form.QUOTE, **tell(dice, quote=True)}
        kept.append(Step(at, Touch.CONTACT, told) if dice.random() < 0.4 else Step(at, Touch.DEMO_REQUEST, told))
    return sorted((step for step in kept if step.at < end), key=lambda step: step.at)
