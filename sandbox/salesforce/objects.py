"""The objects of the practice org: the standard ones, as far as they matter to scoring, and the custom fields its
administrator added to Lead and Contact. Names, types and lengths follow the vendor's object reference."""

from __future__ import annotations

from sandbox.salesforce.fields import (
    currency,
    day,
    email,
    flag,
    long_text,
    lookup,
    moment,
    number,
    percent,
    phone,
    picklist,
    read_only,
    system_fields,
    text,
    url,
    whole,
)
from sandbox.salesforce.relations import relations
from sandbox.salesforce.schema import Field, SObject
from sandbox.salesforce.setup_objects import setup_objects

INDUSTRIES = (
    "Agriculture", "Banking", "Biotechnology", "Chemicals", "Communications", "Construction", "Consulting", "Education",
    "Electronics", "Energy", "Engineering", "Entertainment", "Finance", "Food & Beverage", "Government", "Healthcare",
    "Hospitality", "Insurance", "Machinery", "Manufacturing", "Media", "Not For Profit", "Retail", "Technology",
    "Telecommunications", "Transportation", "Utilities", "Other",
)  # fmt: skip
LEAD_SOURCES = ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Trade Show", "Webinar", "Other")
LEAD_STATUSES = ("Open - Not Contacted", "Working - Contacted", "Closed - Converted", "Closed - Not Converted")
BUCKETS = ("hot", "warm", "nurture", "cold", "unscored")
LEAD_STAGES = (
    "new", "nurturing", "mql", "accepted", "sql", "opportunity", "customer", "recycled", "disqualified",
)  # fmt: skip
STAGES: dict[str, tuple[float, bool, bool, str]] = {
    # StageName: (default probability %, closed, won, forecast category)
    "Prospecting": (10.0, False, False, "Pipeline"),
    "Qualification": (20.0, False, False, "Pipeline"),
    "Needs Analysis": (30.0, False, False, "Pipeline"),
    "Proposal/Price Quote": (60.0, False, False, "BestCase"),
    "Negotiation/Review": (80.0, False, False, "Forecast"),
    "Closed Won": (100.0, True, True, "Closed"),
    "Closed Lost": (0.0, True, False, "Omitted"),
}
RESPONDED = frozenset({"Responded", "Registered", "Attended", "Downloaded", "Visited", "Requested"})
"""CampaignMember statuses that count as a response."""
CLOSED_TASK = "Completed"


def score_fields() -> list[Field]:
    """The field contract of Leadgauge, as an administrator would have provisioned it."""
    return [
        number("Lead_Score__c", 3, 0),
        number("Lead_Score_Probability__c", 4, 1),
        picklist("Lead_Score_Bucket__c", *BUCKETS, restricted=True),
        text("Lead_Score_Action__c", 80),
        text("Lead_Score_Grade__c", 2),
        picklist("Lead_Stage__c", *LEAD_STAGES, restricted=True),
        moment("MQL_Date__c", label="MQL Date"),
        text("Lead_Score_Reasons__c", 255),
        text("Lead_BANT__c", 80, label="Lead BANT"),
        picklist("Lead_Score_Status__c", "scored", "unscored_no_data", "unscored_excluded", "unscored_shared_address"),
        text("Lead_Score_Version__c", 40),
        moment("Lead_Scored_At__c"),
    ]


def qualification_fields() -> list[Field]:
    """What reps note about a buyer. The last two are filled in by sales after contact, so they leak the outcome."""
    return [
        currency("Budget__c"),
        picklist("Timeline__c", "This month", "This quarter", "This year", "No timeline"),
        text("Need__c", 255),
        picklist("Authority__c", "Decision maker", "Influencer", "User", "Unknown"),
        flag("Demo_Completed__c"),
        long_text("Discovery_Notes__c"),
    ]


def _person_name(*, tracked: bool = False) -> list[Field]:
    return [
        text("LastName", 80, required=True),
        text("FirstName", 40),
        picklist("Salutation", "Mr.", "Ms.", "Mrs.", "Dr.", "Prof.", "Mx."),
        *read_only([text("Name", 121, name_field=True, label="Full Name", tracked=tracked)]),
    ]


def _lead() -> SObject:
    return SObject(
        "Lead",
        "00Q",
        [
            *system_fields(),
            *read_only([lookup("MasterRecordId", "Lead")]),
            *_person_name(),
            text("Title", 128),
            text("Company", 255, required=True),
            text("Street"), text("City", 40), text("State", 80), text("PostalCode", 20), text("Country", 80),
            phone(), phone("MobilePhone"), email(tracked=True), url(),
            long_text("Description"),
            picklist("LeadSource", *LEAD_SOURCES, tracked=True),
            picklist("Status", *LEAD_STATUSES, tracked=True, default=LEAD_STATUSES[0]),
            picklist("Industry", *INDUSTRIES, tracked=True),
            picklist("Rating", "Hot", "Warm", "Cold", tracked=True),
            currency("AnnualRevenue", 18, 0),
            whole("NumberOfEmployees", label="Employees", tracked=True),
            lookup("OwnerId", "Group", "User", tracked=True),
            flag("HasOptedOutOfEmail", label="Email Opt Out"),
            flag("DoNotCall"),
            flag("IsUnreadByOwner", default=True),
            *read_only(
                [
                    flag("IsConverted", label="Converted"),
                    day("ConvertedDate"),
                    lookup("ConvertedAccountId", "Account"),
                    lookup("ConvertedContactId", "Contact"),
                    lookup("ConvertedOpportunityId", "Opportunity"),
                    day("LastActivityDate", label="Last Activity"),
                    moment("EmailBouncedDate"),
                ]
            ),
            *qualification_fields(),
            *score_fields(),
        ],
    )  # fmt: skip


def _contact() -> SObject:
    return SObject(
        "Contact",
        "003",
        [
            *system_fields(),
            *read_only([lookup("MasterRecordId", "Contact")]),
            lookup("AccountId", "Account", child="Contacts", cascade=True),
            *_person_name(),
            text("Title", 128), text("Department", 80),
            text("MailingStreet"), text("MailingCity", 40), text("MailingState", 80), text("MailingPostalCode", 20),
            text("MailingCountry", 80),
            phone(), phone("MobilePhone"), email(tracked=True),
            long_text("Description"),
            picklist("LeadSource", *LEAD_SOURCES, tracked=True),
            lookup("ReportsToId", "Contact"),
            lookup("OwnerId", "User", tracked=True),
            flag("HasOptedOutOfEmail", label="Email Opt Out"),
            flag("DoNotCall"),
            *read_only(
                [day("LastActivityDate", label="Last Activity"), moment("EmailBouncedDate"), flag("IsEmailBounced")]
            ),
            *qualification_fields(),
            *score_fields(),
        ],
    )  # fmt: skip


def _account() -> SObject:
    return SObject(
        "Account",
        "001",
        [
            *system_fields(),
            *read_only([lookup("MasterRecordId", "Account")]),
            text("Name", 255, required=True, name_field=True, label="Account Name"),
            picklist("Type", "Prospect", "Customer - Direct", "Customer - Channel", "Partner", "Other"),
            lookup("ParentId", "Account", child="ChildAccounts"),
            text("BillingStreet"), text("BillingCity", 40), text("BillingState", 80), text("BillingPostalCode", 20),
            text("BillingCountry", 80),
            phone(), url(), long_text("Description"),
            picklist("Industry", *INDUSTRIES),
            picklist("Rating", "Hot", "Warm", "Cold"),
            currency("AnnualRevenue", 18, 0), whole("NumberOfEmployees", label="Employees"),
            lookup("OwnerId", "User"),
            *read_only([day("LastActivityDate", label="Last Activity")]),
        ],
    )  # fmt: skip


def _opportunity() -> SObject:
    return SObject(
        "Opportunity",
        "006",
        [
            *system_fields(),
            lookup("AccountId", "Account", child="Opportunities", cascade=True),
            lookup("ContactId", "Contact", child="Opportunities"),
            text("Name", 120, required=True, name_field=True),
            picklist("StageName", *STAGES, required=True, label="Stage"),
            currency("Amount"), percent("Probability"), day("CloseDate", required=True),
            picklist("Type", "New Customer", "Existing Customer - Upgrade", "Existing Customer - Replacement"),
            picklist("LeadSource", *LEAD_SOURCES),
            picklist("ForecastCategoryName", "Pipeline", "Best Case", "Commit", "Closed", "Omitted"),
            long_text("Description"), text("NextStep", 255),
            lookup("CampaignId", "Campaign", child="Opportunities"),
            lookup("OwnerId", "User"),
            *read_only(
                [
                    flag("IsClosed", label="Closed"), flag("IsWon", label="Won"), currency("ExpectedRevenue"),
                    picklist("ForecastCategory", "Pipeline", "BestCase", "Forecast", "Closed", "Omitted"),
                    day("LastActivityDate", label="Last Activity"), moment("LastStageChangeDate"),
                ]
            ),
        ],
        plural="Opportunities",
    )  # fmt: skip


def _opportunity_history() -> SObject:
    fields = [field for field in system_fields() if not field.name.startswith("LastModified")]
    own = [
        lookup("OpportunityId", "Opportunity", child="OpportunityHistories", cascade=True),
        picklist("StageName", *STAGES), currency("Amount"), currency("ExpectedRevenue"), day("CloseDate"),
        percent("Probability"), picklist("ForecastCategory"),
    ]  # fmt: skip
    return SObject(
        "OpportunityHistory", "008", [*fields, *read_only(own)],
        createable=False, updateable=False, deletable=False, history_of="Opportunity", plural="Opportunity History",
    )  # fmt: skip


_WHO = ("Contact", "Lead")
_WHAT = ("Account", "Campaign", "Opportunity")


def _task() -> SObject:
    return SObject(
        "Task",
        "00T",
        [
            *system_fields(),
            lookup("WhoId", *_WHO, child="Tasks", cascade=True), lookup("WhatId", *_WHAT, child="Tasks"),
            text("Subject", 255, name_field=True), day("ActivityDate", label="Due Date Only"),
            picklist(
                "Status", "Not Started", "In Progress", CLOSED_TASK, "Waiting on someone else", "Deferred",
                default="Not Started",
            ),
            picklist("Priority", "High", "Normal", "Low", default="Normal"),
            lookup("OwnerId", "Group", "User"), long_text("Description"),
            picklist("Type", "Call", "Email", "Meeting", "Other"),
            picklist("TaskSubtype", "Task", "Email", "Call", "ListEmail", default="Task", updateable=False),
            picklist("CallType", "Internal", "Inbound", "Outbound"),
            whole("CallDurationInSeconds"), text("CallDisposition", 255),
            *read_only(
                [
                    lookup("AccountId", "Account"), flag("IsClosed", label="Closed"), flag("IsHighPriority"),
                    flag("IsArchived", label="Archived"), moment("CompletedDateTime"), flag("IsRecurrence"),
                    whole("WhoCount"),
                ]
            ),
        ],
    )  # fmt: skip


def _event() -> SObject:
    return SObject(
        "Event",
        "00U",
        [
            *system_fields(),
            lookup("WhoId", *_WHO, child="Events", cascade=True), lookup("WhatId", *_WHAT, child="Events"),
            text("Subject", 255, name_field=True), text("Location", 255), flag("IsAllDayEvent"),
            moment("ActivityDateTime", label="Due Date Time"), day("ActivityDate", label="Due Date Only"),
            whole("DurationInMinutes", label="Duration"), moment("StartDateTime"), moment("EndDateTime"),
            long_text("Description"), lookup("OwnerId", "User"),
            picklist("Type", "Call", "Email", "Meeting", "Demo", "Other"),
            picklist("ShowAs", "Busy", "OutOfOffice", "Free", default="Busy"),
            *read_only(
                [
                    lookup("AccountId", "Account"), flag("IsChild"), flag("IsGroupEvent"),
                    flag("IsArchived", label="Archived"), flag("IsRecurrence"), picklist("EventSubtype", "Event"),
                    whole("WhoCount"),
                ]
            ),
        ],
    )  # fmt: skip


def _email_message() -> SObject:
    return SObject(
        "EmailMessage",
        "02s",
        [
            *system_fields(),
            lookup("RelatedToId", *_WHAT, child="Emails"), lookup("ActivityId", "Task", child="EmailMessages"),
            text("Subject", 3000), long_text("TextBody"), text("FromName", 1000), email("FromAddress"),
            text("ToAddress", 4000), flag("Incoming"), moment("MessageDate"),
            picklist("Status", "0", "1", "2", "3", "4", "5", default="3"), flag("IsTracked"),
            moment("FirstOpenedDate"), moment("LastOpenedDate"),
            *read_only([flag("IsOpened"), flag("IsBounced")]),
        ],
    )  # fmt: skip


def _email_message_relation() -> SObject:
    return SObject(
        "EmailMessageRelation",
        "0EM",
        [
            *system_fields(),
            lookup("EmailMessageId", "EmailMessage", required=True, child="EmailMessageRelations", cascade=True),
            lookup("RelationId", "Contact", "Lead", "User"),
            picklist("RelationType", "ToAddress", "CcAddress", "BccAddress", "FromAddress"),
            text("RelationAddress", 255),
            *read_only([picklist("RelationObjectType", "Contact", "Lead", "User")]),
        ],
    )


def _campaign() -> SObject:
    return SObject(
        "Campaign",
        "701",
        [
            *system_fields(),
            text("Name", 80, required=True, name_field=True),
            picklist("Type", "Webinar", "Whitepaper", "Trade Show", "Demo Video", "Email", "Advertisement", "Other"),
            picklist("Status", "Planned", "In Progress", "Completed", "Aborted", default="Planned"),
            day("StartDate"), day("EndDate"), flag("IsActive", label="Active"), long_text("Description"),
            currency("BudgetedCost", 18, 0), lookup("ParentId", "Campaign", child="ChildCampaigns"),
            lookup("OwnerId", "User"),
        ],
    )  # fmt: skip


def _campaign_member() -> SObject:
    return SObject(
        "CampaignMember",
        "00v",
        [
            *system_fields(),
            lookup("CampaignId", "Campaign", required=True, updateable=False, child="CampaignMembers", cascade=True),
            lookup("LeadId", "Lead", updateable=False, child="CampaignMembers", cascade=True),
            lookup("ContactId", "Contact", updateable=False, child="CampaignMembers", cascade=True),
            picklist("Status", "Sent", "Opened", "Clicked", *sorted(RESPONDED), default="Sent"),
            *read_only(
                [
                    flag("HasResponded", label="Responded"), day("FirstRespondedDate"),
                    lookup("LeadOrContactId", "Contact", "Lead", relationship=None),
                    picklist("Type", "Lead", "Contact"),
                ]
            ),
        ],
    )  # fmt: skip


def standard_objects() -> dict[str, SObject]:
    """A fresh schema, by object name. Each org has its own, as administrators change theirs."""
    objects = [
        _account(), _contact(), _lead(), _opportunity(), _opportunity_history(), _campaign(), _campaign_member(),
        _task(), _event(), _email_message(), _email_message_relation(), *relations(), *setup_objects(),
    ]  # fmt: skip
    return {sobject.name: sobject for sobject in objects}
