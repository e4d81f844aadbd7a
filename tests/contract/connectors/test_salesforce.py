from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import Misconfigured
from connectors.port import Crm, Cursor, Tier
from connectors.quota import Gate, OpenGate
from connectors.records import ActivityKind, FieldWrite, RecordRef, RecordState, ScoreField, WriteOutcome
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
    NOW_ON,
    START,
    VALUES,
    CrmContract,
    Learning,
    Populated,
    Practice,
    deletions,
    drain,
    people,
    refs,
)
from tests.contract.connectors.practice import Host, hosted

KEY, SECRET, USER = "3MVG9key", "S3CRET", "leadgauge@practice.example"


class PracticeOrg(Practice):
    """A practice Salesforce org; `org` is its store."""

    people_stream = "leads"

    def __init__(self, host: Host, directory: Path, *, page_rows: int = 2000) -> None:
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
        )
        self.faults = host.show(build_app(self.org, server), self.clock)
        self.url = host.url
        self._ca = host.ca
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
            "ca_bundle": self._ca,
            "page_size": page_size or 2000,
            **settings,
        }
        crm = open_salesforce(
            SalesforceSettings.model_validate(given),
            gate=gate or OpenGate(),
            tokens=self._tokens,
            observer=observer,
            sleep=lambda seconds: None,
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
        deal = {"Name": "New", "AccountId": account, "ContactId": contact.id, "StageName": "Prospecting", "Amount": 9000}
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


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("salesforce")


@pytest.fixture(scope="module")
def host(directory: Path) -> Iterator[Host]:
    with hosted(directory) as running:
        yield running


@pytest.fixture
def org(host: Host, directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PracticeOrg]:
    monkeypatch.setenv("SF_SECRET", SECRET)
    practice = PracticeOrg(host, directory)
    yield practice
    practice.close()


class TestSalesforceKeepsTheContract(CrmContract):
    @pytest.fixture
    def practice(self, org: PracticeOrg) -> Practice:
        return org


def pull(crm: Crm, stream: str) -> list[Any]:
    """All facts of a first load of one stream."""
    pages = drain(crm, stream, None)
    return [
        fact
        for page in pages
        for part in (page.leads, page.accounts, page.activities, page.outcomes)
        for fact in part
    ]


# -- reading -----------------------------------------------------------------------------------------------------------


def test_a_converted_lead_is_the_same_person_as_its_contact(org: PracticeOrg) -> None:
    lead = org.lead()
    made = org.org.convert(lead.id, opportunity="Acme deal")
    org.clock.advance(NOW_ON)
    crm = org.open()
    (record,) = pull(crm, "leads")
    assert (record.state, record.same_as) == (RecordState.CONVERTED, (org.ref("Contact", made.contact),))
    (contact,) = pull(crm, "contacts")
    assert (contact.state, contact.account) == (RecordState.OPEN, org.ref("Account", made.account))
    (deal,) = pull(crm, "opportunities")
    assert deal.people == (contact.ref,)
    assert deal.account == contact.account


def test_leads_and_accounts_are_read_in_canonical_terms(org: PracticeOrg) -> None:
    lead = org.lead(
        Title="CFO", Industry="Energy", NumberOfEmployees=1200, AnnualRevenue=12_500_000.0, Country="Norway",
        LeadSource="Webinar", Phone="+47 1", HasOptedOutOfEmail=True, Website="https://acme.example",
        Budget__c=50_000, Status="Closed - Not Converted",
    )  # fmt: skip
    account = {"Name": "Acme", "Type": "Customer - Direct", "BillingCountry": "Norway", "NumberOfEmployees": 12}
    org.org.insert("Account", account)
    org.clock.advance(NOW_ON)
    crm = org.open(attributes={"budget": "Budget__c", "timeline": "Timeline__c", "lead_source": None})
    (record,) = pull(crm, "leads")
    owner = org.org.admin
    assert record.attributes == {
        "title": "CFO", "company": "Acme", "industry": "Energy", "employees": 1200, "annual_revenue": 12_500_000.0,
        "country": "Norway", "status": "Closed - Not Converted", "owner": owner, "has_phone": True, "opted_out": True,
        "bounced": False, "website": "https://acme.example", "budget": 50_000.0,
    }  # fmt: skip
    assert record.ref == lead
    assert record.state is RecordState.DISQUALIFIED
    assert (record.created_at, record.modified_by) == (START, owner)
    (read,) = pull(crm, "accounts")
    assert read.attributes == {"account_type": "Customer - Direct", "country": "Norway", "employees": 12}


def test_a_purged_record_is_found_in_the_deletion_log_only(org: PracticeOrg) -> None:
    purged, deleted, stays = org.add_people(3)
    campaign = org.org.insert("Campaign", {"Name": "Expo", "Type": "Trade Show"})
    member = {"CampaignId": campaign, "LeadId": stays.id, "Status": "Visited"}
    member_id = org.org.insert("CampaignMember", member)
    org.clock.advance(NOW_ON)
    crm = org.open()
    leads, purges = drain(crm, "leads", None), drain(crm, "purges", None)
    org.org.delete("Lead", purged.id, purge=True)
    org.org.delete("CampaignMember", member_id, purge=True)
    org.org.delete("Lead", deleted.id)
    org.clock.advance(NOW_ON)
    assert set(deletions(drain(crm, "leads", leads[-1].cursor))) == {deleted}
    gone = {org.ref("CampaignMember", member_id + fact) for fact in ("", "#responded")}
    later = drain(crm, "purges", purges[-1].cursor)
    assert set(deletions(later)) == {purged, *gone}
    assert not deletions(drain(crm, "purges", later[-1].cursor))


def test_the_facts_of_a_deleted_row_are_all_withdrawn(org: PracticeOrg) -> None:
    (lead,) = org.add_people(1)
    id = org.email(lead, FirstOpenedDate=START)
    org.clock.advance(NOW_ON)
    crm = org.open()
    made = drain(crm, "email_messages", None)
    org.org.delete("EmailMessage", id)
    org.clock.advance(NOW_ON)
    gone = deletions(drain(crm, "email_messages", made[-1].cursor))
    assert set(gone) == {activity.ref for page in made for activity in page.activities}
    assert len(gone) == 2


def test_what_was_archived_still_counts(org: PracticeOrg) -> None:
    (lead,) = org.add_people(1)
    org.org.insert("Task", {"WhoId": lead.id, "TaskSubtype": "Call", "Status": "Completed"})
    org.clock.advance(timedelta(days=400))
    (call,) = pull(org.open(), "tasks")
    assert call.kind is ActivityKind.SALES_CALL


def test_emails_count_as_tasks_only_where_they_cannot_be_read_themselves(org: PracticeOrg) -> None:
    (lead,) = org.add_people(1)
    org.org.insert("Task", {"WhoId": lead.id, "TaskSubtype": "Email", "Status": "Completed"})
    org.clock.advance(NOW_ON)
    assert pull(org.open(), "tasks") == []
    for crm in (org.open(without=["email_messages"]), org.open()):
        assert [activity.kind for activity in pull(crm, "tasks")] == [ActivityKind.SALES_EMAIL]
        org.org.access.hidden_objects.add("EmailMessage")
    assert "email_messages" not in {stream.name for stream in org.open(without=["email_messages"]).streams}


def test_a_field_that_is_hidden_while_running_is_left_out(org: PracticeOrg) -> None:
    org.lead(Title="CFO", Industry="Energy")
    org.clock.advance(NOW_ON)
    crm = org.open()
    (before,) = pull(crm, "leads")
    org.org.access.hidden.add("Lead.Industry")
    (after,) = pull(crm, "leads")
    assert before.attributes.keys() - after.attributes.keys() == {"industry"}


def test_an_object_that_is_hidden_is_named_with_its_cure(org: PracticeOrg) -> None:
    org.org.access.hidden_objects.add("CampaignMember")
    crm = org.open()
    with pytest.raises(Misconfigured, match="sobjects/CampaignMember"):
        crm.pull("campaign_members", None, Tier.COMPLETE)
    assert [(p.code, p.where, p.fatal) for p in crm.check() if p.fatal] == [
        ("object_missing", "acme/CampaignMember", True)
    ]


def test_what_is_in_flight_is_asked_for_at_most_every_five_minutes(org: PracticeOrg) -> None:
    org.add_people(1)
    org.clock.advance(NOW_ON)
    asked: list[str] = []
    crm = org.open(observer=lambda exchange: asked.append(exchange.endpoint))
    cursor: Cursor | None = None
    for _ in range(12):
        for tier in (Tier.COMPLETE, Tier.FAST):
            page = drain(crm, "leads", cursor, tier)[-1]
            cursor = page.cursor if tier is Tier.COMPLETE else cursor
        org.clock.advance(MINUTE)
    assert asked.count("sobjects/Lead/updated") == 3
    assert asked.count("sobjects/Lead/describe") == 1


def test_the_cursor_never_passes_what_is_in_flight(org: PracticeOrg) -> None:
    org.add_people(1)
    org.clock.advance(NOW_ON)
    crm = org.open()
    cursor = drain(crm, "leads", None)[-1].cursor
    begun = org.clock.now()
    late = org.add_person_seen_late(timedelta(minutes=50))  # longer than any overlap
    seen: list[RecordRef] = []
    for _ in range(60):
        org.clock.advance(MINUTE)
        pages = drain(crm, "leads", cursor)
        cursor = pages[-1].cursor
        seen += refs(pages)
        assert late in seen or str(cursor["since"]) <= begun.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert late in seen


def test_pages_that_come_shorter_than_asked_for_are_not_taken_for_the_last(
    host: Host, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SF_SECRET", SECRET)
    org = PracticeOrg(host, directory, page_rows=9)
    made = org.add_people(30)
    org.clock.advance(NOW_ON)
    pages = drain(org.open(page_size=25), "leads", None)
    assert [len(page) for page in pages] == [9, 9, 9, 3]
    assert sorted(refs(pages)) == sorted(made)
    org.close()


# -- writing -----------------------------------------------------------------------------------------------------------


def test_a_score_never_hands_a_lead_to_another_owner(org: PracticeOrg) -> None:
    (lead,) = org.add_people(1)
    crm = org.open()
    crm.read_back([lead])
    org.org.automation.lead_assignment.append(org.org.integration_user)
    crm.push([FieldWrite(lead, {ScoreField.SCORE: 70})])
    org.clock.advance(timedelta(hours=3))  # the session is over: the next write goes through a login
    crm.push([FieldWrite(lead, {ScoreField.SCORE: 71})])
    row = org.org.get("Lead", lead.id)
    assert row is not None
    assert (row["OwnerId"], row["Lead_Score__c"]) == (org.org.admin, 71)


def test_a_converted_lead_moves_on_to_its_contact(org: PracticeOrg) -> None:
    lead, other = org.add_people(2)
    crm = org.open()
    contact = org.ref("Contact", org.org.convert(lead.id).contact)
    moved, written = crm.push([FieldWrite(lead, VALUES), FieldWrite(other, VALUES)])
    assert (moved.outcome, moved.code, moved.moved_to) == (
        WriteOutcome.MOVED, "CANNOT_UPDATE_CONVERTED_LEAD", contact,
    )  # fmt: skip
    assert written.outcome is WriteOutcome.WRITTEN
    assert crm.push([FieldWrite(contact, VALUES)])[0].outcome is WriteOutcome.WRITTEN


def test_a_chain_of_merges_is_followed_to_its_end(org: PracticeOrg) -> None:
    first, second, third = org.add_people(3)
    org.merge(second, first)
    org.merge(third, second)
    (result,) = org.open().push([FieldWrite(first, VALUES)])
    assert (result.outcome, result.moved_to) == (WriteOutcome.MOVED, third)


def test_a_locked_row_is_for_later_and_holds_up_no_other(org: PracticeOrg) -> None:
    locked, free = org.add_people(2)
    org.org.automation.lock(locked.id, attempts=9)
    later, written = org.open().push([FieldWrite(ref, VALUES) for ref in (locked, free)])
    assert (later.outcome, later.code) == (WriteOutcome.RETRY, "UNABLE_TO_LOCK_ROW")
    assert later.retry_after
    assert written.outcome is WriteOutcome.WRITTEN


def test_leads_and_contacts_go_out_in_one_call_in_any_order(org: PracticeOrg) -> None:
    refs = [org.lead() if number % 2 else org.contact() for number in range(30)]
    crm = org.open()
    results = crm.push([FieldWrite(ref, {ScoreField.SCORE: 40}) for ref in refs])
    assert [(result.ref, result.outcome) for result in results] == [(ref, WriteOutcome.WRITTEN) for ref in refs]


def test_of_two_writes_to_a_record_the_later_holds(org: PracticeOrg) -> None:
    (lead,) = org.add_people(1)
    crm = org.open()
    results = crm.push([FieldWrite(lead, {ScoreField.SCORE: score}) for score in (10, 20)])
    assert [result.outcome for result in results] == [WriteOutcome.WRITTEN] * 2
    assert crm.read_back([lead]) == {lead: {ScoreField.SCORE: 20}}


def test_a_value_that_the_picklist_lacks_is_refused_before_it_is_sent(org: PracticeOrg) -> None:
    one, two = org.add_people(2)
    wrong = FieldWrite(one, {ScoreField.BUCKET: "scorching"})
    refused, written = org.open().push([wrong, FieldWrite(two, VALUES)])
    assert (refused.outcome, refused.code) == (WriteOutcome.REFUSED, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")
    assert "Lead_Score_Bucket__c" in (refused.message or "")
    assert written.outcome is WriteOutcome.WRITTEN
    assert len(org.writes()) == 1


def test_a_long_text_is_cut_to_the_field_in_characters(org: PracticeOrg) -> None:
    (lead,) = org.add_people(1)
    crm = org.open()
    crm.push([FieldWrite(lead, {ScoreField.REASONS: "ü" * 300})])
    assert crm.read_back([lead]) == {lead: {ScoreField.REASONS: "ü" * 255}}


def test_a_field_that_became_read_only_stops_the_writing_with_its_cure(org: PracticeOrg) -> None:
    (lead,) = org.add_people(1)
    org.org.access.read_only.add("Lead.Lead_Score__c")
    crm = org.open()
    with pytest.raises(Misconfigured, match="Lead_Score__c of Lead is read-only") as raised:
        crm.push([FieldWrite(lead, VALUES)])
    assert "permission set" in str(raised.value)
    assert org.writes() == []


def test_a_field_that_is_mapped_to_nothing_is_not_written(org: PracticeOrg) -> None:
    (lead,) = org.add_people(1)
    crm = org.open(fields={"score": None, "grade": "Title"})
    assert ScoreField.SCORE not in crm.writable
    crm.push([FieldWrite(lead, {ScoreField.SCORE: 5, ScoreField.GRADE: "B2", ScoreField.VERSION: "v1"})])
    assert crm.read_back([lead]) == {lead: {ScoreField.GRADE: "B2", ScoreField.VERSION: "v1"}}


# -- logins and orgs ---------------------------------------------------------------------------------------------------


def test_every_flow_logs_in(org: PracticeOrg, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SF_PASSWORD", "practice")
    secret = {"env": "SF_SECRET"}
    flows: list[dict[str, Any]] = [
        {"type": "client_credentials", "consumer_key": KEY, "consumer_secret": secret},
        {"type": "jwt_bearer", "consumer_key": KEY, "username": USER, "private_key": {"file": org.private_key}},
        {"type": "password", "consumer_key": KEY, "consumer_secret": secret, "username": USER,
         "password": {"env": "SF_PASSWORD"}},
    ]  # fmt: skip
    org.add_people(1)
    org.clock.advance(timedelta(days=200))  # the org's clock is not ours: an assertion is dated by the org's
    for auth in flows:
        assert len(pull(org.open(auth=auth), "leads")) == 1


def test_check_tells_a_foreign_time_zone_and_a_spent_day_without_failing_for_it(org: PracticeOrg) -> None:
    org.populate()
    org.org.update("Organization", org.org.id, {"TimeZoneSidKey": "Asia/Tokyo"})
    problems = org.open(time_zone="Europe/Berlin").check()
    assert [(problem.code, problem.fix, problem.fatal) for problem in problems] == [
        ("time_zone", "set time_zone to Asia/Tokyo", False)
    ]


def test_check_tells_a_version_that_is_not_offered(org: PracticeOrg) -> None:
    (problem,) = org.open(api_version="99.0").check()
    assert (problem.code, problem.fatal) == ("api_version", True)


def test_the_page_of_a_record_is_on_the_instance(org: PracticeOrg) -> None:
    (lead,) = org.add_people(1)
    crm = org.open()
    crm.read_back([lead])
    assert crm.location(lead) == f"{org.url}/{lead.id}"


def test_a_campaign_member_seen_before_and_after_the_response_keeps_both_facts(org: PracticeOrg) -> None:
    (lead,) = org.add_people(1)
    campaign = org.org.insert("Campaign", {"Name": "Cloud cost guide", "Type": "Whitepaper"})
    id = org.org.insert("CampaignMember", {"CampaignId": campaign, "LeadId": lead.id, "Status": "Sent"})
    org.clock.advance(timedelta(days=3))
    crm = org.open()
    before = {activity.ref: activity for activity in pull(crm, "campaign_members")}
    org.org.update("CampaignMember", id, {"Status": "Downloaded"})
    org.clock.advance(NOW_ON)
    after = {activity.ref: activity for activity in pull(crm, "campaign_members")}
    assert [activity.kind for activity in before.values()] == [ActivityKind.CAMPAIGN_SEND]
    assert before.items() <= after.items()
    response = after[org.ref("CampaignMember", f"{id}#responded")]
    assert (response.kind, response.detail) == (ActivityKind.CONTENT_DOWNLOAD, "Cloud cost guide")
    assert response.occurred_at <= org.clock.now() - NOW_ON < response.recorded_at


def test_reading_enters_the_lane_of_its_tier(org: PracticeOrg) -> None:
    org.add_people(1)
    org.clock.advance(NOW_ON)
    gate = Learning()
    crm = org.open(gate=gate)
    cursor = drain(crm, "leads", None)[-1].cursor
    gate.entered.clear()
    drain(crm, "leads", cursor)
    assert {str(lane) for lane in gate.entered} == {"refresh"}
    assert len(people(drain(crm, "leads", cursor, Tier.FAST))) == 0
