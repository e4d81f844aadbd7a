"""Fields of the CRM's own follow the stage, and what somebody set stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.alerts import AlertSettings
from connectors.records import Follower, ScoreField
from worker.lifecycle.following import Held, Pending, Sent, follow
from worker.lifecycle.policy import Policy, change
from worker.rescoring.reach import Reach

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
ENTERED = NOW - timedelta(days=2)
STATUS = "crm:Status"
FOLLOWER = Follower(
    ScoreField(STATUS), "Lead", "lead_status", "status", {"mql": "Qualified lead", "recycled": "Nurture"},
    frozenset({"New"}),
)  # fmt: skip


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


@pytest.mark.parametrize(
    ("held", "written", "why"),
    [
        (Held({}), True, None),
        (Held({STATUS: ""}), True, None),
        (Held({STATUS: "New"}), True, None),
        (Held({STATUS: "Qualified lead"}), False, None),
        (Held({STATUS: "Visited"}, {STATUS: ago(9)}), False, "'Visited' was set in the CRM on 2026-10-24 and stays"),
        (Held({STATUS: "Visited"}, {STATUS: ago(31)}), True, None),
        (Held({STATUS: "Nurture"}, sent={STATUS: Sent("Nurture", ago(9))}), True, None),
        (Held({STATUS: "Visited"}, sent={STATUS: Sent("Nurture", ago(9))}), False, "'Visited' was set in the CRM"),
        (Held({STATUS: "New"}, {STATUS: ago(1)}, {STATUS: Sent("Qualified lead", ago(2))}), False, "'New' was put"),
        (Held({}, {STATUS: ago(1)}, {STATUS: Sent("Qualified lead", ago(2))}), False, "it was cleared again"),
        (Held({STATUS: "New"}, {STATUS: ago(9)}, {STATUS: Sent("Qualified lead", ago(2))}), False, None),
        (Held({STATUS: "New"}, {STATUS: ago(1)}, {STATUS: Sent("Qualified lead", ago(9))}), True, None),
        (
            Held({STATUS: "New"}, kept={STATUS: {"by": "crm", "value": "Qualified lead", "over": "New", "why": "no"}}),
            False,
            "no",
        ),
        (
            Held({STATUS: None}, kept={STATUS: {"by": "crm", "value": "Qualified lead", "over": "New", "why": "no"}}),
            True,
            None,
        ),
    ],
    ids=[
        "empty", "blank", "what new leads get", "there already", "a person's", "released", "ours", "theirs over ours",
        "changed after we wrote", "cleared after we wrote", "our write is not shown yet", "of an earlier stay",
        "refused by the CRM", "refused over something else",
    ],
)  # fmt: skip
def test_who_set_it_decides(held: Held, written: bool, why: str | None) -> None:
    policy = change(Policy(), "human.release_days=30")
    found = follow([FOLLOWER], "Lead", "mql", ENTERED, held, policy, NOW)
    assert found.values == ({STATUS: "Qualified lead"} if written else {})
    assert found.over == ({STATUS: held.shown.get(STATUS) or None} if written else {})
    assert [why in its["why"] for its in found.kept.values()] == ([] if why is None else [True])


@pytest.mark.parametrize(("object", "stage"), [("Contact", "mql"), ("Lead", "nurturing")])
def test_other_objects_and_stages_that_are_not_mapped_are_left_alone(object: str, stage: str) -> None:
    found = follow([FOLLOWER], object, stage, ENTERED, Held({STATUS: "New"}), Policy(), NOW)
    assert (found.values, found.kept) == ({}, {})


def test_what_is_on_its_way_goes_on_and_what_is_wanted_no_more_is_called_back() -> None:
    held = Held({STATUS: "New"}, pending={STATUS: Pending("Qualified lead", "New")})
    going = follow([FOLLOWER], "Lead", "mql", ENTERED, held, Policy(), NOW)
    assert (going.values, going.over) == ({STATUS: "Qualified lead"}, {STATUS: "New"})
    assert held.on_its_way(going.values)
    assert not held.on_its_way(follow([FOLLOWER], "Lead", "nurturing", ENTERED, held, Policy(), NOW).values)
    landed = replace(held, shown={STATUS: "Qualified lead"})
    assert landed.on_its_way(follow([FOLLOWER], "Lead", "mql", ENTERED, landed, Policy(), NOW).values)


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ({"mql": "Working"}, "acme: lead_status.stages.mql: 'Working' stands under sales.accepted of the policy"),
        ({"sql": "BAD_TIMING"}, "acme: lead_status.stages.sql: 'BAD_TIMING' stands under sales.rejected"),
        ({"accepted": "Working", "recycled": "Recycled", "sql": "SQL"}, None),
        ({"mql": "Marketing Qualified"}, None),
    ],
)
def test_a_value_that_the_policy_reads_otherwise_is_refused(stages: dict[str, str], said: str | None) -> None:
    its = Follower(ScoreField(STATUS), "Lead", "lead_status", None, stages)
    found = list(Reach({"acme": [its]}).disagreements(Policy()))
    assert [said in str(wrong) for wrong in found if said] == ([True] if said else [])
    kept: list[Any] = [
        name for stage in stages for name in follow([its], "Lead", stage, ENTERED, Held({}), Policy(), NOW).kept
    ]
    assert len(kept) == len(found), "what was published against all advice is still not written"


@pytest.mark.parametrize(("entering", "right"), [("mql", True), ("hot", True), ("scorching", False)])
def test_an_alert_waits_for_a_stage_or_a_bucket_that_there_is(entering: str, right: bool) -> None:
    reach = Reach(alerts={"acme": AlertSettings(entering=entering)})
    found = [str(wrong) for wrong in reach.disagreements(Policy())]
    assert not found if right else "acme: alert.entering: 'scorching' is no stage and no bucket; there are" in found[0]
