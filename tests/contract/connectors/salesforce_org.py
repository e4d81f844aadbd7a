"""A practice Salesforce org behind a host, with the hands of its admin and its reps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from time import sleep
from typing import Any

from connectors.port import Crm
from connectors.quota import Gate, OpenGate
from connectors.records import RecordRef
from connectors.salesforce.crm import SalesforceCrm, open_salesforce
from connectors.salesforce.settings import SalesforceSettings
from connectors.tokens import MemoryTokens
from connectors.transport import Observer
from sandbox.clock import Clock
from sandbox.salesforce.app import build_app
from sandbox.salesforce.automation import ValidationRule
from sandbox.salesforce.org import Org
from sandbox.salesforce.settings import SalesforceServer
from sandbox.tls import signing_key
from tests.contract.connectors.crm_contract import (
    MINUTE,
    START,
    Populated,
    Practice,
    drain,
)
from tests.contract.connectors.practice import Host

KEY, SECRET, USER = "3MVG9key", "S3CRET", "leadgauge@practice.example"


class PracticeOrg(Practice):
    """A practice Salesforce org; `org` is its store."""

    people_stream = "leads"

    def __init__(self, host: Host, directory: Path, *, page_rows: int = 2000, bulk_from: int = 2000) -> None:
        self.clock = Clock(START)
        self.clock.hold(START)
        self.org = Org(self.clock)
        self.private_key = directory / "salesforce.key"
        server = SalesforceServer(
            base_url=host.url,
            consumer_key=KEY,
            consumer_secret=SECRET,
            jwt_public_key_pem=signing_key(self.private_key),
            username=USER,
            page_rows=page_rows,
            bulk_delay=0.01,
        )
        self._bulk_from = bulk_from
        self.faults = host.show(build_app(self.org, server), self.clock)
        self.url = host.url
        self.ca = host.ca
        self._tokens = MemoryTokens()
        self._opened: list[Crm] = []

    def open(
        self,
        *,
        gate: Gate | None = None,
        page_size: int | None = None,
        observer: Observer = lambda exchange: None,
        **settings: Any,
    ) -> SalesforceCrm:
        given: dict[str, Any] = {
            "kind": "salesforce",
            "name": "acme",
            "auth": {"type": "client_credentials", "consumer_key": KEY, "consumer_secret": {"env": "SF_SECRET"}},
            "login_url": self.url,
            "ca_bundle": self.ca,
            "page_size": page_size or 2000,
            "bulk_page_size": page_size or 10_000,
            "bulk_from": self._bulk_from,
            **settings,
        }
        crm = open_salesforce(
            SalesforceSettings.model_validate(given),
            gate=gate or OpenGate(),
            tokens=self._tokens,
            observer=observer,
            sleep=lambda seconds: sleep(min(seconds, 0.02)),
        )
        self._opened.append(crm)
        return crm

    def close(self) -> None:
        for crm in self._opened:
            crm.close()

    def open_with_wrong_credentials(self) -> Crm:
        auth = {"type": "client_credentials", "consumer_key": "another", "consumer_secret": {"env": "SF_SECRET"}}
        return self.open(auth=auth)

    def open_nowhere(self) -> Crm:
        return self.open(login_url="https://localhost:1")

    def ref(self, object: str, id: str) -> RecordRef:
        return RecordRef("acme", object, id)

    def lead(self, **fields: Any) -> RecordRef:
        plain = {"LastName": "Berg", "Company": "Acme", "Email": f"lead{self.org.sequences.get('00Q', 0)}@example.com"}
        return self.ref("Lead", self.org.insert("Lead", {**plain, **fields}))

    def contact(self, **fields: Any) -> RecordRef:
        return self.ref("Contact", self.org.insert("Contact", {"LastName": "Lund", **fields}))

    def populate(self) -> Populated:
        org = self.org
        account = org.insert("Account", {"Name": "Acme", "Industry": "Energy", "NumberOfEmployees": 1200})
        contact = self.contact(AccountId=account, Email="c@example.com", MobilePhone="+49 1", Title="CTO")
        lead = self.lead(Phone="+49 2", Title="CFO", HasOptedOutOfEmail=True)
        deal = {
            "Name": "New",
            "AccountId": account,
            "ContactId": contact.id,
            "StageName": "Prospecting",
            "Amount": 9000,
        }
        opportunity = org.insert("Opportunity", {**deal, "CloseDate": "2026-04-01"})
        call = {"TaskSubtype": "Call", "CallType": "Inbound", "Status": "Completed", "CallDurationInSeconds": 90}
        org.insert("Task", {"WhoId": lead.id, "Subject": "Call", **call})
        org.insert("Task", {"WhoId": contact.id, "Subject": "Follow up", "ActivityDate": "2026-05-01"})
        org.insert("Event", {"WhoId": contact.id, "Subject": "Demo", "StartDateTime": "2026-03-09T10:00:00Z"})
        email = self.email(lead, FirstOpenedDate=START + MINUTE)
        org.insert("Task", {"WhoId": lead.id, "Subject": "Email: hello", "TaskSubtype": "Email", "Status": "Completed"})
        assert email
        webinar = org.insert("Campaign", {"Name": "Pricing webinar", "Type": "Webinar"})
        org.insert("CampaignMember", {"CampaignId": webinar, "LeadId": lead.id, "Status": "Attended"})
        org.insert("CampaignMember", {"CampaignId": webinar, "ContactId": contact.id, "Status": "Sent"})
        return Populated(
            people=frozenset({lead, contact}),
            accounts=frozenset({self.ref("Account", account)}),
            activities=7,  # a call, a plan, a meeting, an e-mail and its opening, an attendance, a mailing
            outcomes=frozenset({self.ref("Opportunity", opportunity)}),
        )

    def email(self, to: RecordRef, **fields: Any) -> str:
        id = self.org.insert("EmailMessage", {"Subject": "Hello", "Incoming": False, "MessageDate": START, **fields})
        relation = {"EmailMessageId": id, "RelationId": to.id, "RelationType": "ToAddress"}
        self.org.insert("EmailMessageRelation", relation)
        return id

    def add_people(self, count: int) -> list[RecordRef]:
        return [self.lead() for _ in range(count)]

    def add_person_seen_late(self, delay: timedelta) -> RecordRef:
        with self.org.transaction(commits_at=self.clock.now() + delay):
            return self.lead()

    def edit(self, ref: RecordRef) -> None:
        self.org.update(ref.object, ref.id, {"Title": "CEO"})

    def delete(self, ref: RecordRef) -> None:
        self.org.delete(ref.object, ref.id)

    def erase(self, ref: RecordRef) -> None:
        self.org.delete(ref.object, ref.id, purge=True)

    def merge(self, winner: RecordRef, loser: RecordRef) -> RecordRef:
        self.org.merge(winner.object, winner.id, [loser.id])
        return winner

    def forbid_writes(self, ref: RecordRef) -> None:
        rule = ValidationRule(ref.object, "Budget is required for hot leads", lambda row: row["Id"] == ref.id)
        self.org.automation.validation_rules.append(rule)

    def remove_score_field(self) -> str:
        self.org.access.hidden |= {"Lead.Lead_Score__c", "Contact.Lead_Score__c"}
        return "Lead_Score__c"

    def writes(self) -> Sequence[Mapping[str, Any]]:
        return self.org.writes


def pull(crm: Crm, stream: str) -> list[Any]:
    """All facts of a first load of one stream."""
    pages = drain(crm, stream, None)
    return [
        fact for page in pages for part in (page.leads, page.accounts, page.activities, page.outcomes) for fact in part
    ]
