"""Two CRMs in which everything that can happen to people happens at random: pages to apply, in the order of a clock."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from connectors.port import Page
from connectors.records import (
    EMAIL,
    AccountRecord,
    Activity,
    ActivityKind,
    AttributeChange,
    Deletion,
    LeadRecord,
    RecordRef,
    RecordState,
)

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
NAMES = ("Ann Lee", "Bob Ray", "Cid Poe", None)
COUNTRIES = ("Germany", "France", "Norway", "Spain")
TITLES = ("CTO", "VP Sales", "Analyst", "Buyer")
KINDS = (ActivityKind.PAGE_VIEW, ActivityKind.PRICING_PAGE_VIEW, ActivityKind.EMAIL_CLICK, ActivityKind.SALES_CALL)


@dataclass
class CrmWorld:
    """`people`: how many leads there may be in a source. `now` only moves on."""

    random: random.Random
    people: int
    now: datetime = START
    sources: list[str] = field(default_factory=lambda: ["org"])
    leads: dict[RecordRef, LeadRecord] = field(default_factory=dict)
    activities: dict[RecordRef, Activity] = field(default_factory=dict)
    serial: int = 0

    @property
    def accounts(self) -> int:
        """In a source: colleagues are few, however many people there are."""
        return max(6, self.people // 15)

    def first_read(self, source: str, leads: int, activities: int) -> Page:
        """What a CRM that has been there for a year brings when it is read for the first time."""
        if source not in self.sources:
            self.sources.append(source)
        created = [self._new_lead(source, self._ago(days=365)) for _ in range(leads)]
        return Page(
            {}, True, leads=created, accounts=[self._account(source, n) for n in range(self.accounts)],
            activities=[self._new_activity(self._ago(days=365)) for _ in range(activities)],
            history=[self._change(self.random.choice(created), self._ago(days=365)) for _ in range(activities // 4)],
            backfill=True,
        )  # fmt: skip

    def happen(self, events: int) -> Page:
        """One page in which a few things of any sort happened."""
        self.now += timedelta(seconds=self.random.choice((0, 1, 40, 700, 7000)))
        page = Page({}, True)
        for _ in range(events):
            page = self.random.choice(
                (self._born, self._edited, self._edited, self._acted, self._acted, self._acted, self._act_edited,
                 self._act_deleted, self._deleted, self._restored, self._merged, self._grown, self._remembered)
            )(page)  # fmt: skip
        return replace(page, backfill=self.random.random() < 0.1)

    def _born(self, page: Page) -> Page:
        if len(self.leads) >= self.people * len(self.sources):
            return self._edited(page)
        return self._with_lead(page, self._new_lead(self.random.choice(self.sources), self.now))

    def _edited(self, page: Page) -> Page:
        return self._with_lead(page, self._altered(self._lead()))

    def _acted(self, page: Page) -> Page:
        return replace(page, activities=[*page.activities, self._new_activity(self._ago(days=3))])

    def _act_edited(self, page: Page) -> Page:
        if any(activity.ref in self.activities for activity in page.activities) or not self.activities:
            return page
        old = self.random.choice(list(self.activities.values()))
        new = replace(old, detail=f"edit {self._next()}", duration=timedelta(seconds=self.random.randrange(900)))
        self.activities[new.ref] = new
        return replace(page, activities=[*page.activities, new])

    def _act_deleted(self, page: Page) -> Page:
        return self._gone(page, Deletion(self.random.choice(list(self.activities)), self.now))

    def _deleted(self, page: Page) -> Page:
        return self._gone(page, Deletion(self._lead().ref, self.now))

    def _restored(self, page: Page) -> Page:
        return self._with_lead(page, replace(self._lead(), modified_at=self.now + timedelta(seconds=1)))

    def _merged(self, page: Page) -> Page:
        kept, lost = self._lead(), self._lead()
        if kept.ref == lost.ref or kept.ref.source != lost.ref.source:
            return page
        return self._gone(page, Deletion(lost.ref, self.now, merged_into=kept.ref))

    def _grown(self, page: Page) -> Page:
        source = self.random.choice(self.sources)
        number = self.random.randrange(self.accounts)
        if self.random.random() < 0.2:
            return self._gone(page, Deletion(RecordRef(source, "Account", str(number)), self.now))
        return replace(page, accounts=[*page.accounts, self._account(source, number)])

    def _remembered(self, page: Page) -> Page:
        return replace(page, history=[*page.history, self._change(self._lead(), self._ago(days=20))])

    def _gone(self, page: Page, deletion: Deletion) -> Page:
        return replace(page, deletions=[*page.deletions, deletion])

    def _with_lead(self, page: Page, lead: LeadRecord) -> Page:
        self.leads[lead.ref] = lead
        return replace(page, leads=[*page.leads, lead])

    def _new_lead(self, source: str, created_at: datetime) -> LeadRecord:
        ref = RecordRef(source, "Lead", str(self._next()))
        self.leads[ref] = self._altered(LeadRecord(ref, RecordState.OPEN, created_at, max(created_at, START)))
        return replace(self.leads[ref], modified_at=created_at)

    def _altered(self, lead: LeadRecord) -> LeadRecord:
        """Something of it changed; others that share the address are one person with it, or no longer."""
        pick = self.random
        number = str(pick.randrange(self.accounts))
        account = RecordRef(lead.ref.source, "Account", number) if pick.random() < 0.7 else None
        elsewhere = [other for other in self.leads if other.source != lead.ref.source]
        return replace(
            lead,
            modified_at=self.now,
            state=pick.choice((RecordState.OPEN, RecordState.OPEN, RecordState.CONVERTED)),
            email=f"p{pick.randrange(self.people)}@x.com" if pick.random() < 0.5 else lead.email,
            name=pick.choice(NAMES),
            account=account if pick.random() < 0.3 else lead.account,
            same_as=(pick.choice(elsewhere),) if elsewhere and pick.random() < 0.1 else lead.same_as,
            attributes={"country": pick.choice(COUNTRIES), "title": pick.choice(TITLES)},
        )

    def _new_activity(self, at: datetime) -> Activity:
        lead = self._lead()
        who = (
            lead.ref if self.random.random() < 0.6 or not lead.email else RecordRef(lead.ref.source, EMAIL, lead.email)
        )
        ref = RecordRef(lead.ref.source, "Task", str(self._next()))
        self.activities[ref] = Activity(ref, self.random.choice(KINDS), (who,), at, at, detail="/pricing")
        return self.activities[ref]

    def _account(self, source: str, number: int) -> AccountRecord:
        ref = RecordRef(source, "Account", str(number))
        industry = self.random.choice(("Software", "Retail"))
        return AccountRecord(ref, START - timedelta(days=400), self.now, attributes={"industry": industry})

    def _change(self, lead: LeadRecord, at: datetime) -> AttributeChange:
        return AttributeChange(lead.ref, "country", self.random.choice(COUNTRIES), at, at)

    def _lead(self) -> LeadRecord:
        return self.random.choice(list(self.leads.values()))

    def _ago(self, days: int) -> datetime:
        return self.now - timedelta(seconds=self.random.randrange(days * 86_400))

    def _next(self) -> int:
        self.serial += 1
        return self.serial
