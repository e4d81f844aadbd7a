"""From a page of rows to the facts they hold, with what other objects must add."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from connectors.port import Page
from connectors.quota import Lane
from connectors.records import AccountRecord, Activity, AttributeChange, Deletion, LeadRecord, Outcome
from connectors.salesforce import history
from connectors.salesforce.activities import COLUMNS, FACTS, Activities, is_email
from connectors.salesforce.describe import Description
from connectors.salesforce.mapping import Records, Row
from connectors.salesforce.session import Session
from connectors.salesforce.settings import SalesforceSettings
from connectors.salesforce.windows import Carry, Place

ROLE = "OpportunityContactRole"
READ_WITH = frozenset({"Lead", "Contact", "Account"})
"""Objects whose rows are kept as they were read last, so that what a later one shows besides is noticed."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What one page's rows amount to."""

    leads: list[LeadRecord] = field(default_factory=list)
    accounts: list[AccountRecord] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    deletions: list[Deletion] = field(default_factory=list)
    history: list[AttributeChange] = field(default_factory=list)
    fields: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def page(self, place: Place, *, done: bool, backfill: bool) -> Page:
        return Page(
            cursor=place.cursor(),
            done=done,
            leads=self.leads,
            accounts=self.accounts,
            activities=self.activities,
            outcomes=self.outcomes,
            deletions=self.deletions,
            history=self.history,
            backfill=backfill,
            fields=self.fields,
        )


class Assembly:
    """Makes facts of rows for one org."""

    def __init__(self, settings: SalesforceSettings, session: Session) -> None:
        self.records = Records(settings)
        self.activities = Activities(settings)
        self._histories = history.Histories(settings.name, session, self.records)
        self._session = session
        self._without = settings.without

    def columns(self, described: Description) -> list[str]:
        """What to ask for: as much of it as this user can see."""
        object = described.name
        if object in history.PARENTS:
            wanted = history.columns(object)
        elif object == ROLE:
            wanted = ("Id", "OpportunityId", "SystemModstamp", "IsDeleted")
        else:
            wanted = COLUMNS.get(object) or self.records.columns(object)
        return [name for name in wanted if "." in name or name in described.fields]

    def facts(self, object: str, rows: Sequence[Row], lane: Lane) -> Facts:
        """Facts of the rows of one object. Deleted rows become deletions, those of histories nothing; a role, there or
        gone, tells its deal anew."""
        if object in history.PARENTS:
            return Facts(history=list(self._histories.changes(object, rows, lane)))
        if object == ROLE:
            return Facts(outcomes=self._deals(rows, lane))
        facts = Facts(deletions=[gone for row in rows if row.get("IsDeleted") for gone in self._deletions(object, row)])
        living = [row for row in rows if not row.get("IsDeleted")]
        if rows and object in READ_WITH:
            facts = replace(facts, fields={object: self.records.shown(object, rows[0])})
        if not living:
            return facts
        described = self._session.describe(object, lane=lane)
        match object:
            case "Lead" | "Contact":
                facts.leads.extend(self.records.person(described, row) for row in living)
            case "Account":
                facts.accounts.extend(self.records.account(described, row) for row in living)
            case "Opportunity":
                facts.outcomes.extend(self._outcomes(living, lane))
            case _:
                facts.activities.extend(self._activities(object, living, lane))
        return facts

    def piece(self, object: str, rows: Sequence[Row], carry: Carry | None) -> tuple[Facts, Carry | None]:
        """Facts of a piece of a bulk query, and what the next one has to know of it. Raises `history.Disordered`."""
        if object not in history.PARENTS:
            return self.facts(object, rows, Lane.BACKFILL), None
        changes, carry = self._histories.ordered(object, rows, carry, Lane.BACKFILL)
        return Facts(history=changes), carry

    def _deletions(self, object: str, row: Row) -> Sequence[Deletion]:
        if object in FACTS:
            return list(self.activities.deletions(object, row))
        return [self.records.deletion(object, row)]

    def _outcomes(self, rows: Sequence[Row], lane: Lane) -> list[Outcome]:
        contacts: dict[str, list[str]] = defaultdict(list)
        if self._session.readable(ROLE, lane=lane):
            soql = "SELECT OpportunityId, ContactId FROM OpportunityContactRole WHERE OpportunityId IN {ids}"
            for role in self._session.query_ids(soql, (row["Id"] for row in rows), lane=lane):
                contacts[role["OpportunityId"]].append(role["ContactId"])
        return [self.records.outcome(row, contacts[row["Id"]]) for row in rows]

    def _deals(self, roles: Sequence[Row], lane: Lane) -> list[Outcome]:
        """A role that comes or goes moves no stamp of its deal."""
        columns = self.columns(self._session.describe("Opportunity", lane=lane))
        soql = f"SELECT {', '.join(columns)} FROM Opportunity WHERE Id IN {{ids}}"
        return self._outcomes(
            list(self._session.query_ids(soql, (row["OpportunityId"] for row in roles), lane=lane)), lane
        )

    def _shared(self, object: str, rows: Sequence[Row], lane: Lane) -> dict[str, list[str]]:
        """Who else tasks or events are shared with; the rows themselves name one person."""
        others: dict[str, list[str]] = defaultdict(list)
        shared = [row["Id"] for row in rows if (row.get("WhoCount") or 0) > 1]
        if shared and self._session.readable(f"{object}Relation", lane=lane):
            soql = f"SELECT {object}Id, RelationId FROM {object}Relation WHERE {object}Id IN {{ids}} AND IsWhat = false"
            for relation in self._session.query_ids(soql, shared, lane=lane):
                others[relation[f"{object}Id"]].append(relation["RelationId"])
        return others

    def _activities(self, object: str, rows: Sequence[Row], lane: Lane) -> list[Activity]:
        match object:
            case "Task":
                twice = "email_messages" not in self._without and self._session.readable("EmailMessage", lane=lane)
                kept = [row for row in rows if not (twice and is_email(row))]
                others = self._shared(object, kept, lane)
                return [fact for row in kept for fact in self.activities.task(row, others[row["Id"]])]
            case "Event":
                others = self._shared(object, rows, lane)
                return [fact for row in rows for fact in self.activities.event(row, others[row["Id"]])]
            case "CampaignMember":
                return [fact for row in rows for fact in self.activities.member(row)]
            case "EmailMessage":
                people = self._correspondents(rows, lane)
                return [fact for row in rows for fact in self.activities.email(row, people[row["Id"]])]
        raise LookupError(f"no facts are made of {object}")

    def _correspondents(self, rows: Sequence[Row], lane: Lane) -> dict[str, list[Row]]:
        """An e-mail names its people in rows of their own only."""
        relations: dict[str, list[Row]] = defaultdict(list)
        soql = "SELECT EmailMessageId, RelationId, RelationType FROM EmailMessageRelation WHERE EmailMessageId IN {ids}"
        for relation in self._session.query_ids(soql, (row["Id"] for row in rows), lane=lane):
            relations[relation["EmailMessageId"]].append(relation)
        return relations
