"""The options by which a CRM's own fields follow the stage: every way to write them wrongly has its answer."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from connectors.hubspot.settings import HubspotSettings
from connectors.records import EACH_GOAL, ScoreField
from connectors.salesforce.settings import SalesforceSettings

SECRET = {"env": "SECRET"}
GIVEN: dict[str, dict[str, Any]] = {
    "salesforce": {
        "kind": "salesforce", "name": "acme",
        "auth": {"type": "client_credentials", "consumer_key": "key", "consumer_secret": SECRET},
    },
    "hubspot": {"kind": "hubspot", "name": "acme-hs", "auth": {"type": "token", "token": SECRET}},
}  # fmt: skip


def settings(kind: str, **options: Any) -> SalesforceSettings | HubspotSettings:
    model = SalesforceSettings if kind == "salesforce" else HubspotSettings
    return model.model_validate({**GIVEN[kind], **options})


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("salesforce", {"lead_status": {"stages": {}}}, "names no stage; write as in `stages: {mql:"),
        ("salesforce", {"lead_status": {"stages": {"MQL": "Hot"}}}, "no stage is called MQL; there are new, nurturing"),
        ("salesforce", {"lead_status": {"stages": {"mql": ""}}}, "at least 1 character"),
        ("salesforce", {"lead_status": {"mql": "Hot"}}, "Extra inputs"),
        ("salesforce", {"lead_status": {"stages": {"mql": "Hot"}, "backward": True}}, "Extra inputs"),
        (
            "salesforce",
            {"lead_status": {"stages": {"disqualified": "Unqualified"}}},
            "lead_status.stages.disqualified: 'Unqualified' stands under disqualified",
        ),
        (
            "salesforce",
            {"lead_status": {"stages": {"mql": "Hot"}}, "fields": {"stage": "Status"}},
            "lead_status and fields.stage both write Status",
        ),
        (
            "hubspot",
            {"lifecycle_stage": {"stages": {"customer": "customer"}}},
            "stands under customer_stages",
        ),
        ("hubspot", {"lead_status": {"stages": {"mql": "UNQUALIFIED"}}}, "stands under disqualified_statuses"),
        ("hubspot", {"lifecycle_stage": {"stages": {"won": "x"}}}, "no stage is called won"),
        (
            "hubspot",
            {"lifecycle_stage": {"stages": {"mql": "lead"}}, "fields": {"stage": "lifecyclestage"}},
            "lifecycle_stage and fields.stage both write lifecyclestage",
        ),
        ("hubspot", {"alert": {"entering": "Hot leads"}}, "should match pattern"),
        ("hubspot", {"alert": {"due_days": -1}}, "greater than or equal to 0"),
        ("salesforce", {"alert": {"subject": ""}}, "at least 1 character"),
    ],
)
def test_a_wrong_option_is_refused_with_what_is_allowed(kind: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        settings(kind, **options)
    assert said in str(refused.value)


def test_all_of_it_is_off_unless_it_is_given() -> None:
    for kind in GIVEN:
        plain = settings(kind)
        assert not plain.followers
        assert plain.alert is None


def test_what_the_crms_set_by_themselves_may_be_replaced_and_its_attribute_is_known() -> None:
    (status,) = settings("salesforce", lead_status={"stages": {"mql": "Hot"}}).followers
    assert (status.object, status.attribute, status.replaces) == (
        "Lead",
        "status",
        frozenset({"Open - Not Contacted", "New"}),
    )
    (own,) = settings("salesforce", lead_status={"stages": {"mql": "Hot"}, "replaces": []},
                      attributes={"status": "Other__c", "phase": "Status"}).followers  # fmt: skip
    assert (own.attribute, own.replaces) == ("phase", frozenset())
    stage, lead = settings(
        "hubspot", lifecycle_stage={"stages": {"mql": "lead"}}, lead_status={"stages": {"mql": "OPEN"}},
        attributes={"status": None},
    ).followers  # fmt: skip
    assert (stage.attribute, stage.replaces) == ("lifecycle_stage", frozenset({"subscriber", "lead"}))
    assert (lead.attribute, lead.replaces) == (None, frozenset({"NEW"}))


def test_a_native_field_is_nobodys_goal_and_no_part_of_the_contract() -> None:
    status = ScoreField.follower("Status")
    assert ScoreField("crm:Status") is status
    assert (status.native, status.vendor, status.goal, status.kind) == (True, "Status", "", status)
    assert status not in {*ScoreField, *EACH_GOAL}
    for wrong in ("crm:", "crm:a b", "other:Status", "upgrade.crm:Status"):
        with pytest.raises(ValueError, match="is not a valid ScoreField"):
            ScoreField(wrong)
