from __future__ import annotations

from typing import Any

import pytest

from connectors.port import Problem
from connectors.records import ScoreField
from connectors.salesforce.check import Check
from tests.unit.connectors.salesforce_stub import Asked, Reply, Stub, described, described_field

ROWS = {"records": [{"Id": "1", "TimeZoneSidKey": "UTC"}], "done": True, "totalSize": 1}
NO_LIMITS = Reply(403, [{"errorCode": "INSUFFICIENT_ACCESS", "message": "View Setup is missing"}])
OTHERS = ["contacts", "accounts", "opportunities", "tasks", "events", "email_messages", "campaign_members",
          "lead_history", "contact_history", "purges"]  # fmt: skip


def examine(
    stub: Stub, field: ScoreField, vendor: dict[str, Any], *, limits: Reply = NO_LIMITS, used: int = 1, **settings: Any
) -> list[Problem]:
    """The problems of an org whose Lead has one field, to which one score field is mapped."""

    def answer(asked: Asked) -> Reply:
        if asked.path == "/services/data/":
            return Reply(200, [{"version": "62.0"}])
        if asked.path.endswith("/limits"):
            return limits
        if asked.path.endswith("/describe"):
            return Reply(200, described("Lead", described_field("Mine__c", **vendor)))
        return Reply(200, ROWS, {"Sforce-Limit-Info": f"api-usage={used}/1000"})

    stub.answer = answer
    given = {"without": OTHERS, "fields": {**dict.fromkeys(ScoreField), field: "Mine__c"}, **settings}
    return list(Check(stub.settings(**given), stub.session(**given)).problems())


def picklist(*values: str, **more: Any) -> dict[str, Any]:
    return {"type": "picklist", "picklistValues": [{"value": value, "active": True} for value in values], **more}


BUCKETS = ("hot", "warm", "nurture", "cold", "unscored")
GOOD: list[tuple[ScoreField, dict[str, Any]]] = [
    (ScoreField.SCORE, {"type": "double", "precision": 3, "scale": 0}),
    (ScoreField.SCORE, {"type": "int"}),
    (ScoreField.PROBABILITY, {"type": "percent", "precision": 4, "scale": 1}),
    (ScoreField.MQL_DATE, {"type": "datetime"}),
    (ScoreField.REASONS, {"type": "textarea", "length": 32_768}),
    (ScoreField.BUCKET, picklist(*BUCKETS, restrictedPicklist=True)),
    (ScoreField.BUCKET, picklist("hot")),
    (ScoreField.BUCKET, {"type": "string"}),
]
BAD: list[tuple[str, ScoreField, dict[str, Any], bool]] = [
    ("field_read_only", ScoreField.SCORE, {"type": "double", "updateable": False}, True),
    ("field_type", ScoreField.SCORE, {"type": "string"}, True),
    ("field_type", ScoreField.MQL_DATE, {"type": "date"}, True),
    ("field_type", ScoreField.REASONS, {"type": "boolean"}, True),
    ("field_short", ScoreField.REASONS, {"length": 100}, False),
    ("field_short", ScoreField.SCORE, {"type": "double", "precision": 2, "scale": 0}, True),
    ("field_short", ScoreField.PROBABILITY, {"type": "double", "precision": 3, "scale": 1}, True),
    ("picklist_value_missing", ScoreField.BUCKET, picklist("hot", restrictedPicklist=True), True),
    ("picklist_value_missing", ScoreField.STAGE, picklist("mql", restrictedPicklist=True), True),
]


@pytest.mark.parametrize(("field", "vendor"), GOOD, ids=[f"{n}-{row[0]}" for n, row in enumerate(GOOD)])
def test_a_fitting_field_is_no_problem(stub: Stub, field: ScoreField, vendor: dict[str, Any]) -> None:
    assert examine(stub, field, vendor) == []


@pytest.mark.parametrize(
    ("code", "field", "vendor", "fatal"), BAD, ids=[f"{n}-{row[0]}-{row[1]}" for n, row in enumerate(BAD)]
)
def test_a_field_that_does_not_fit_is_told(
    stub: Stub, code: str, field: ScoreField, vendor: dict[str, Any], fatal: bool
) -> None:
    (problem,) = examine(stub, field, vendor)
    assert (problem.code, problem.where, problem.fatal) == (code, "acme/Lead.Mine__c", fatal)
    assert problem.fix


def test_all_missing_values_are_named_at_once(stub: Stub) -> None:
    (problem,) = examine(stub, ScoreField.BUCKET, picklist("hot", "cold", restrictedPicklist=True))
    assert "warm, nurture, unscored" in problem.what


def test_a_chosen_attribute_that_is_missing_is_told_but_does_not_stop(stub: Stub) -> None:
    (problem,) = examine(stub, ScoreField.SCORE, {"type": "int"}, attributes={"budget": "Budget__c"})
    assert (problem.code, problem.where, problem.fatal) == ("attribute_missing", "acme/Lead.Budget__c", False)


@pytest.mark.parametrize(
    ("limits", "used", "told"),
    [
        (Reply(200, {"DailyApiRequests": {"Max": 1000, "Remaining": 100, "App": {"Max": 0}}}), 1, ["quota_low"]),
        (Reply(200, {"DailyApiRequests": {"Max": 1000, "Remaining": 900}}), 1, []),
        (NO_LIMITS, 900, ["quota_low"]),  # without View Setup the header of the answers has to do
        (NO_LIMITS, 100, []),
        (Reply(200, {"DailyApiRequests": None}), 1, []),
    ],
    ids=["limits-low", "limits-fine", "header-low", "header-fine", "neither"],
)
def test_a_day_that_is_nearly_spent_is_told(stub: Stub, limits: Reply, used: int, told: list[str]) -> None:
    problems = examine(stub, ScoreField.SCORE, {"type": "int"}, limits=limits, used=used)
    assert [problem.code for problem in problems] == told
    assert not any(problem.fatal for problem in problems)


def test_a_host_that_is_no_salesforce_is_told(stub: Stub) -> None:
    stub.answer = lambda asked: Reply(200, b"<html>Welcome</html>")
    (problem,) = Check(stub.settings(), stub.session()).problems()
    assert problem.code == "misconfigured"
    assert "no Salesforce host" in problem.what
