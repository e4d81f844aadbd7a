"""The marketing calendar: what was sent to whom, and the Salesforce campaigns that hold the members."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.world.people import HISTORY
from sandbox.world.vocabulary import SITE, CampaignKind


@dataclass(frozen=True, slots=True)
class Mailing:
    """One marketing e-mail; about `share` of the contacts are in its segment."""

    number: int
    name: str
    sent_at: datetime
    share: float
    links: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Campaign:
    """One Salesforce campaign, open for responses from `starts_at` on."""

    number: int
    name: str
    kind: CampaignKind
    starts_at: datetime


@dataclass(frozen=True, slots=True)
class Calendar:
    """Everything marketing did within the history."""

    mailings: tuple[Mailing, ...]
    campaigns: tuple[Campaign, ...]

    def campaign(self, kind: CampaignKind, at: datetime) -> Campaign:
        """The newest campaign of that kind that had begun at `at`; the oldest one if none had."""
        of_kind = [campaign for campaign in self.campaigns if campaign.kind is kind]
        return next((each for each in reversed(of_kind) if each.starts_at <= at), of_kind[0])


def make_calendar(now: datetime, dice: random.Random) -> Calendar:
    """A mailing about every 20 days, and a campaign of each kind every 30."""
    start = now - HISTORY
    mailings = []
    for number in range(12):
        sent_at = (start + timedelta(days=20 * number + dice.randrange(3, 15))).replace(hour=9, minute=0, second=0)
        links = (f"{SITE}/blog/issue-{number}", f"{SITE}/customers", f"{SITE}/product")
        mailings.append(Mailing(4100 + number, f"Newsletter {number + 1}", sent_at, dice.uniform(0.3, 0.6), links))
    campaigns: list[Campaign] = []
    for kind in CampaignKind:
        for round_number in range(8):
            begins = start + timedelta(days=30 * round_number)
            campaigns.append(Campaign(len(campaigns), f"{kind.value} {begins:%Y-%m}", kind, begins))
    return Calendar(tuple(mailings), tuple(campaigns))
