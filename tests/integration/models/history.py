"""A history from which something can be learnt: leads who look at prices buy more often, and some of them bought."""

from __future__ import annotations

import math
import random
from datetime import datetime, timedelta

from connectors.port import Page
from connectors.records import (
    Activity,
    ActivityKind,
    LeadRecord,
    Outcome,
    OutcomeStatus,
    RecordRef,
    RecordState,
)

SOURCE = "crm"


def history(people: int, now: datetime, *, days: int = 500, seed: int = 0, honest: bool = True) -> Page:
    """People who came over `days`; each looked at prices some times in the first days, and bought by a chance that
    grows with it (`honest`), within 60 days. Nobody buys in the first week, so that there is a time to be scored."""
    chance = random.Random(seed)
    leads, looks, deals = [], [], []
    for n in range(people):
        ref = RecordRef(SOURCE, "Lead", f"{n:05}")
        born = now - timedelta(days=chance.uniform(1, days))
        country = chance.choice(("DE", "US", "FR"))
        interest = chance.gauss(0, 1)
        leads.append(LeadRecord(ref, RecordState.OPEN, born, born, attributes={"country": country}))
        for look in range(min(12, int(math.exp(interest)))):
            at = born + timedelta(days=chance.uniform(0, 6))
            looks.append(
                Activity(RecordRef(SOURCE, "Visit", f"{n}-{look}"), ActivityKind.PRICING_PAGE_VIEW, (ref,), at, at)
            )
        won = 1 / (1 + math.exp(2.2 - 1.3 * (interest if honest else 0) - (country == "DE")))
        at = born + timedelta(days=chance.uniform(7, 60))
        if chance.random() < won and at < now:
            deals.append(
                Outcome(
                    RecordRef(SOURCE, "Opportunity", f"{n}"), OutcomeStatus.WON, "Closed Won", at, at, closed_at=at,
                    amount=1000.0, people=(ref,),
                )
            )  # fmt: skip
    return Page(cursor={}, done=True, leads=leads, activities=looks, outcomes=deals, backfill=True)
