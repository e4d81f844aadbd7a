"""What a portal is born with: HubSpot's own properties, the admin's custom fields and the score fields. Data only."""

from __future__ import annotations

from sandbox.hubspot.schema import (
    ENGAGEMENTS,
    TYPES,
    ObjectType,
    Option,
    PropertyDefinition,
    PropertyGroup,
    Schema,
)

LIFECYCLE_STAGES = (
    "subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer", "evangelist",
    "other",
)  # fmt: skip
"""The default stages in their order."""

DEAL_STAGES: tuple[tuple[str, str, str], ...] = (
    ("appointmentscheduled", "Appointment Scheduled", "0.2"),
    ("qualifiedtobuy", "Qualified To Buy", "0.4"),
    ("presentationscheduled", "Presentation Scheduled", "0.6"),
    ("decisionmakerboughtin", "Decision Maker Bought-In", "0.8"),
    ("contractsent", "Contract Sent", "0.9"),
    ("closedwon", "Closed Won", "1.0"),
    ("closedlost", "Closed Lost", "0.0"),
)
"""(id, label, probability) of the default sales pipeline."""

_INDUSTRIES = (
    "ACCOUNTING AIRLINES_AVIATION AUTOMOTIVE BANKING BIOTECHNOLOGY CHEMICALS CIVIL_ENGINEERING COMPUTER_HARDWARE "
    "COMPUTER_SOFTWARE CONSTRUCTION CONSUMER_ELECTRONICS CONSUMER_GOODS EDUCATION_MANAGEMENT ENTERTAINMENT "
    "FINANCIAL_SERVICES FOOD_BEVERAGES GOVERNMENT_ADMINISTRATION HIGHER_EDUCATION HOSPITAL_HEALTH_CARE HOSPITALITY "
    "HUMAN_RESOURCES INDUSTRIAL_AUTOMATION INFORMATION_TECHNOLOGY_AND_SERVICES INSURANCE INTERNET "
    "LOGISTICS_AND_SUPPLY_CHAIN MACHINERY MANAGEMENT_CONSULTING MARKETING_AND_ADVERTISING "
    "MECHANICAL_OR_INDUSTRIAL_ENGINEERING MEDICAL_DEVICES OIL_ENERGY PHARMACEUTICALS REAL_ESTATE RETAIL "
    "TELECOMMUNICATIONS TRANSPORTATION_TRUCKING_RAILROAD UTILITIES WHOLESALE"
)

_OPTIONS: dict[str, tuple[str, ...]] = {
    "lifecyclestage": LIFECYCLE_STAGES,
    "hs_lead_status": (
        "NEW", "OPEN", "IN_PROGRESS", "OPEN_DEAL", "UNQUALIFIED", "ATTEMPTED_TO_CONTACT", "CONNECTED", "BAD_TIMING",
    ),
    "industry": tuple(_INDUSTRIES.split()),
    "hs_analytics_source": (
        "ORGANIC_SEARCH", "PAID_SEARCH", "EMAIL_MARKETING", "SOCIAL_MEDIA", "REFERRALS", "OTHER_CAMPAIGNS",
        "DIRECT_TRAFFIC", "OFFLINE", "PAID_SOCIAL",
    ),
    "buying_timeline": ("This month", "This quarter", "This year", "No timeline"),
    "authority": ("Decision maker", "Influencer", "User", "Unknown"),
    "lead_gauge_bucket": ("hot", "warm", "nurture", "cold", "unscored"),
    "lead_gauge_stage": (
        "new", "nurturing", "mql", "accepted", "sql", "opportunity", "customer", "recycled", "disqualified",
    ),
    "pipeline": ("default",),
    "dealstage": tuple(stage for stage, _, _ in DEAL_STAGES),
    "dealtype": ("newbusiness", "existingbusiness"),
    "hs_call_direction": ("INBOUND", "OUTBOUND"),
    "hs_call_status": (
        "BUSY", "CALLING_CRM_USER", "CANCELED", "COMPLETED", "CONNECTING", "FAILED", "IN_PROGRESS", "MISSED",
        "NO_ANSWER", "QUEUED", "RINGING",
    ),
    "hs_email_direction": ("EMAIL", "INCOMING_EMAIL", "FORWARDED_EMAIL"),
    "hs_email_status": ("BOUNCED", "FAILED", "SCHEDULED", "SENDING", "SENT"),
    "hs_meeting_outcome": ("SCHEDULED", "COMPLETED", "RESCHEDULED", "NO_SHOW", "CANCELED"),
    "hs_task_status": ("NOT_STARTED", "IN_PROGRESS", "WAITING", "COMPLETED", "DEFERRED"),
    "hs_task_type": ("EMAIL", "CALL", "TODO"),
    "hs_task_priority": ("LOW", "MEDIUM", "HIGH"),
    "hs_communication_channel_type": ("SMS", "WHATS_APP", "LINKEDIN_MESSAGE"),
    "hs_communication_logged_from": ("CRM",),
}  # fmt: skip

# Lines "name type": a bare type is the admin's, a type with * is written by the portal alone, # marks a unique value.
_OWNED = "hubspot_owner_id string\nhubspot_owner_assigneddate datetime*\nhs_object_source string*\n"
_MERGED = "hs_merged_object_ids string*\n"

_CONTACT = (
    "email string#\nhs_additional_emails string*\nfirstname string\nlastname string\nphone string\nmobilephone string\n"
    "jobtitle string\ncompany string\nindustry string\nwebsite string\ncity string\nstate string\ncountry string\n"
    "annualrevenue string\nhs_language string\nlifecyclestage enumeration\nhs_lead_status enumeration\n"
    "hs_email_optout bool\nhs_email_bounce number*\nhs_analytics_source enumeration\n"
    "hs_analytics_source_data_1 string*\n"
    "hs_analytics_average_page_views number*\nhs_analytics_num_page_views number*\nhs_analytics_num_visits number*\n"
    "hs_analytics_first_timestamp datetime*\n"
    "hs_analytics_last_timestamp datetime*\nhs_analytics_last_visit_timestamp datetime*\n"
    "hs_analytics_first_visit_timestamp datetime*\nhs_analytics_first_url string*\nhs_analytics_last_url string*\n"
    "num_conversion_events number*\nnum_unique_conversion_events number*\nfirst_conversion_date datetime*\n"
    "first_conversion_event_name string*\nrecent_conversion_date datetime*\nrecent_conversion_event_name string*\n"
    "hs_email_delivered number*\nhs_email_open number*\nhs_email_click number*\nhs_email_last_send_date datetime*\n"
    "hs_email_last_open_date datetime*\nhs_email_last_click_date datetime*\nhs_sales_email_last_opened datetime*\n"
    "hs_sales_email_last_clicked datetime*\nhs_sales_email_last_replied datetime*\nnotes_last_contacted datetime*\n"
    "notes_last_updated datetime*\nnum_notes number*\nnum_contacted_notes number*\n"
    "engagements_last_meeting_booked datetime*\nnum_associated_deals number*\nhs_calculated_merged_vids string*\n"
    + "".join(f"hs_lifecyclestage_{stage}_date datetime*\n" for stage in LIFECYCLE_STAGES)
)
_COMPANY = (
    "name string\ndomain string\nwebsite string\nphone string\ncity string\nstate string\ncountry string\n"
    "industry enumeration\nnumberofemployees number\nannualrevenue number\ntype string\ndescription string\n"
    "lifecyclestage enumeration\nnum_associated_contacts number*\n"
)
_DEAL = (
    "dealname string\ndealstage enumeration\npipeline enumeration\namount number\nclosedate datetime\n"
    "dealtype enumeration\nclosed_lost_reason string\nclosed_won_reason string\nhs_is_closed bool*\n"
    "hs_is_closed_won bool*\nhs_deal_stage_probability number*\n"
    + "".join(f"hs_v2_date_entered_{stage} datetime*\n" for stage, _, _ in DEAL_STAGES)
)
_ENGAGEMENT = {
    "calls": "hs_call_title string\nhs_call_body string\nhs_call_direction enumeration\nhs_call_disposition string\n"
    "hs_call_duration number\nhs_call_status enumeration\n",
    "emails": "hs_email_subject string\nhs_email_text string\nhs_email_html string\nhs_email_direction enumeration\n"
    "hs_email_status enumeration\nhs_email_from_email string\nhs_email_to_email string\n",
    "meetings": "hs_meeting_title string\nhs_meeting_body string\nhs_meeting_outcome enumeration\n"
    "hs_meeting_start_time datetime\nhs_meeting_end_time datetime\nhs_activity_type string\n",
    "notes": "hs_note_body string\n",
    "tasks": "hs_task_subject string\nhs_task_body string\nhs_task_status enumeration\nhs_task_type enumeration\n"
    "hs_task_priority enumeration\nhs_task_completion_date datetime*\n",
    "communications": "hs_communication_channel_type enumeration\nhs_communication_logged_from enumeration\n"
    "hs_communication_body string\n",
}
_CUSTOM = (
    "budget number\nbuying_timeline enumeration\nneed string\nauthority enumeration\ndiscovery_call_outcome string\n"
    "numberofemployees number\nsalesforceleadid string\nsalesforcecontactid string\n"
)
_SCORE = (
    "lead_gauge_score number\nlead_gauge_probability number\nlead_gauge_bucket enumeration\nlead_gauge_action string\n"
    "lead_gauge_grade string\nlead_gauge_stage enumeration\nlead_gauge_mql_date datetime\nlead_gauge_reasons string\n"
    "lead_gauge_bant string\nlead_gauge_status string\nlead_gauge_version string\nlead_gauge_scored_at datetime\n"
)
SCORE_GROUP = "lead_gauge"
SCORE_PROPERTIES = tuple(line.split()[0] for line in _SCORE.splitlines())
"""The score fields, in the order a rep reads them."""

_FIELD_TYPE = {
    "string": "text", "number": "number", "enumeration": "select", "bool": "booleancheckbox", "datetime": "date",
}  # fmt: skip


def schemas() -> dict[str, Schema]:
    """A fresh portal's schema: object type -> definitions."""
    built = {name: Schema(kind) for name, kind in TYPES.items()}
    for name, schema in built.items():
        group = f"{schema.kind.singular}information" if name not in ENGAGEMENTS else "engagement"
        schema.groups[group] = PropertyGroup(group, f"{schema.kind.singular.capitalize()} information", 0)
        table = {"contacts": _CONTACT, "companies": _COMPANY, "deals": _DEAL}.get(name)
        if table is None:
            table = "hs_timestamp datetime\n" + _ENGAGEMENT[name]
        _fill(schema, _stamps(schema.kind) + table + _OWNED + _MERGED, group, hubspot_defined=True)
    contacts = built["contacts"]
    contacts.groups[SCORE_GROUP] = PropertyGroup(SCORE_GROUP, "Lead score", 1)
    _fill(contacts, _CUSTOM, "contactinformation", hubspot_defined=False)
    _fill(contacts, _SCORE, SCORE_GROUP, hubspot_defined=False)
    return built


def _stamps(kind: ObjectType) -> str:
    return f"hs_object_id number*\n{kind.created} datetime*\n{kind.modified} datetime*\n"


def _fill(schema: Schema, table: str, group: str, *, hubspot_defined: bool) -> None:
    for line in table.splitlines():
        name, marked = line.split()
        type_ = marked.rstrip("*#")
        schema.put(
            PropertyDefinition(
                name=name,
                label=name.removeprefix("hs_").replace("_", " ").capitalize(),
                type=type_,
                field_type=_FIELD_TYPE[type_],
                group=group,
                options=_options(name, type_),
                hubspot_defined=hubspot_defined,
                read_only=marked.endswith("*"),
                unique=marked.endswith("#"),
            )
        )


def _options(name: str, type_: str) -> tuple[Option, ...]:
    if type_ == "bool":
        return (Option("True", "true", 0), Option("False", "false", 1))
    labels = {stage: label for stage, label, _ in DEAL_STAGES} if name == "dealstage" else {}
    values = _OPTIONS[name] if type_ == "enumeration" else ()
    return tuple(Option(labels.get(value, value), value, order) for order, value in enumerate(values))
