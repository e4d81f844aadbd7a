"""A task for the owner of a hot lead: one, whatever becomes of the answer; and none for whom nobody would read it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from connectors.alerts import Alerting
from connectors.records import Alert, RecordRef, WriteOutcome
from tests.contract.connectors.crm_contract import START
from tests.contract.connectors.crm_practice import Practice
from tests.contract.connectors.hubspot_portal import PracticePortal
from tests.contract.connectors.salesforce_org import PracticeOrg

Tasks = Callable[[], list[dict[str, Any]]]
TEXT = "Score 92 of 100 (hot).\nVisited pricing 3 times"


def alert(ref: RecordRef, mark: str = "Leadgauge 1f", *, tried: bool = False) -> Alert:
    return Alert(ref, mark, "New hot lead", TEXT, date(2026, 3, 3), START, tried)


class Told:
    """The law of alerts. `owned`: a record that a person owns; `orphan`: one that nobody would be told of."""

    practice: Practice
    owned: RecordRef
    orphan: RecordRef
    owner: str
    tasks: Tasks

    @property
    def crm(self) -> Alerting:
        crm = self.practice.open()
        assert isinstance(crm, Alerting)
        return crm


class Org(Told):
    def __init__(self, org: PracticeOrg) -> None:
        store = org.org
        self.practice, self.owned = org, org.lead(OwnerId=store.admin)
        queue = store.insert("Group", {"Name": "New leads", "Type": "Queue"})
        self.orphan = org.lead(OwnerId=queue)

        def tasks() -> list[dict[str, Any]]:
            return [
                {"who": row["WhoId"], "owner": row["OwnerId"], "subject": row["Subject"], "text": row["Description"],
                 "due": row["ActivityDate"]}
                for row in store.tables["Task"].visible.values()
            ]  # fmt: skip

        self.tasks = tasks
        self.owner = store.admin


class Portal(Told):
    def __init__(self, practice: PracticePortal) -> None:
        store = practice.portal
        self.owner = store.add_owner("rep@acme.test", "Rep", "Resentative")
        self.practice = practice
        self.owned = practice.ref(practice.site.people(1, hubspot_owner_id=self.owner)[0])
        self.orphan = practice.ref(practice.site.people(1)[0])

        def tasks() -> list[dict[str, Any]]:
            return [
                {
                    "who": str(store.live_links(task, "contacts")[0][0]),
                    "owner": task.values.get("hubspot_owner_id"),
                    "subject": task.values["hs_task_subject"],
                    "text": task.values["hs_task_body"],
                    "due": task.values["hs_timestamp"][:10],
                }
                for task in store.objects("tasks")
            ]

        self.tasks = tasks


@pytest.fixture(params=["salesforce", "hubspot"])
def told(request: pytest.FixtureRequest) -> Told:
    if request.param == "salesforce":
        return Org(request.getfixturevalue("org"))
    return Portal(request.getfixturevalue("practice"))


def test_the_owner_gets_one_task_with_the_reasons(told: Told) -> None:
    (result,) = told.crm.alert([alert(told.owned)])
    assert result.outcome is WriteOutcome.WRITTEN
    assert result.made is not None
    (task,) = told.tasks()
    assert task == {
        "who": told.owned.id, "owner": told.owner, "subject": "New hot lead", "text": f"{TEXT}\n\nLeadgauge 1f",
        "due": "2026-03-03",
    }  # fmt: skip


def test_an_answer_that_was_lost_makes_no_second_task(told: Told) -> None:
    crm = told.crm
    crm.alert([alert(told.owned, "Leadgauge 0")])
    told.practice.faults.add([{"method": "POST", "path": "(composite/sobjects|objects/tasks)$", "count": 1,
                               "effect": {"reset_after": True}}])  # fmt: skip
    (lost,) = crm.alert([alert(told.owned)])
    assert lost.outcome is WriteOutcome.UNRESOLVED
    (found,) = crm.alert([alert(told.owned, tried=True)])
    assert (found.outcome, found.made is not None) == (WriteOutcome.WRITTEN, True)
    assert len(told.tasks()) == 2
    (other,) = crm.alert([alert(told.owned, "Leadgauge 2", tried=True)])
    assert other.made != found.made
    assert len(told.tasks()) == 3, "what was not made yet is made"


def test_each_alert_has_an_outcome_of_its_own(told: Told) -> None:
    gone = told.practice.add_people(1)[0]
    told.practice.delete(gone)
    refs = [told.orphan, told.owned, gone]
    results = told.crm.alert([alert(ref, f"Leadgauge {n}") for n, ref in enumerate(refs)])
    assert [result.outcome for result in results] == [WriteOutcome.REFUSED, WriteOutcome.WRITTEN, WriteOutcome.GONE]
    assert results[0].code == "NO_OWNER"
    assert results[0].message
    assert len(told.tasks()) == 1
