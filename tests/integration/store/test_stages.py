"""What sales did and said becomes evidence; a stage that a person set in the CRM is kept until they clear it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, text

from connectors.port import Page
from connectors.records import (
    AccountRecord,
    Activity,
    ActivityKind,
    Deletion,
    LeadRecord,
    Outcome,
    OutcomeStatus,
    RecordRef,
    RecordState,
    Value,
)
from worker.lifecycle.evidence import Evidence, Hold
from worker.lifecycle.machine import Stage
from worker.lifecycle.materiality import Writes
from worker.lifecycle.policy import Policy, change
from worker.store import ledger, outbox, people, revisions, scores, stages, tallies
from worker.sync.apply import apply

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
POLICY = change(Policy(), "sales.reason=lost_reason", "mql.required=company")
LEAD, OTHER = RecordRef("org", "Lead", "1"), RecordRef("org", "Contact", "1")
ORG = "ann@acme.example"


def day(days: float) -> datetime:
    return NOW + timedelta(days=days)


def lead(ref: RecordRef, at: datetime, **attributes: Value) -> LeadRecord:
    return LeadRecord(ref, RecordState.OPEN, day(-50), at, email=ORG, attributes=attributes)


def activity(key: str, kind: ActivityKind, at: datetime) -> Activity:
    return Activity(RecordRef("org", "Event", key), kind, (LEAD,), at, at)


@pytest.fixture
def found(connection: Connection) -> Callable[..., Evidence]:
    """The evidence of the one person after pages were applied."""

    def found(*pages: Page, at: datetime = NOW) -> Evidence:
        for number, page in enumerate(pages):
            apply(connection, page, at + timedelta(seconds=number))
        (person,) = people.lookup(connection, ORG)
        return stages.evidence(connection, [person], POLICY, at + timedelta(minutes=1))[person]

    return found


def test_what_sales_says_of_any_record_with_when_it_said_it(found: Callable[..., Evidence]) -> None:
    first = found(Page({}, True, leads=[lead(LEAD, day(-9), status="Working - Contacted", company="Acme")]))
    assert first == Evidence(accepted_at=day(-9), filled=frozenset({"company"}))
    told = found(
        Page({}, True, leads=[lead(OTHER, day(-2), lifecycle_stage="salesqualifiedlead")]),
        Page({}, True, leads=[lead(LEAD, day(-1), status="BAD_TIMING", lost_reason="too small")]),
    )
    assert (told.accepted_at, told.confirmed_at, told.rejected_at) == (None, day(-2), day(-1))
    assert told.rejection == "too small"
    assert told.filled == frozenset()


def test_words_that_mean_nothing_are_named(connection: Connection, found: Callable[..., Evidence]) -> None:
    found(
        Page(
            {},
            True,
            leads=[lead(LEAD, day(-9), status="Open", lifecycle_stage="SQL"), lead(OTHER, day(-9), status="Hm")],
        )
    )
    assert stages.unheard(connection, POLICY) == ["Hm", "Open"]


def test_meetings_that_were_held_acts_and_open_deals(found: Callable[..., Evidence]) -> None:
    deal = Outcome(RecordRef("org", "Opportunity", "1"), OutcomeStatus.OPEN, "Offer", day(-3), day(-3), people=(LEAD,))
    told = found(
        Page(
            {}, True, leads=[lead(LEAD, day(-9))], outcomes=[deal],
            activities=[
                activity("1", ActivityKind.MEETING, day(-4)), activity("2", ActivityKind.MEETING, day(4)),
                activity("3", ActivityKind.EMAIL_CLICK, day(-2)), activity("4", ActivityKind.SALES_CALL, day(-1)),
            ],
        )
    )  # fmt: skip
    assert told == Evidence(meeting_at=day(-4), active_at=day(-2), deal_open=True)


def written(connection: Connection, stage: str, state: ledger.State = ledger.State.VERIFIED) -> int:
    """A write of ours of the lead's stage; returns the lead's subject."""
    subject, person = connection.exec_driver_sql("SELECT id, person_id FROM subject WHERE object = 'Lead'").one()
    ledger.intend(connection, [ledger.Intention(subject, person, "org", {"stage": stage}, "first")], 1, 1, NOW)
    (row,) = outbox.take(connection, "org", outbox.Limits(12, 3), NOW, 9).rows
    ledger.answer(connection, [ledger.Answer(row.id, state, NOW)], NOW)
    return int(subject)


def test_a_stage_that_a_person_set_holds_until_it_is_cleared(
    connection: Connection, found: Callable[..., Evidence]
) -> None:
    found(Page({}, True, leads=[lead(LEAD, day(-9))]))
    subject = written(connection, "mql")
    steps: list[tuple[str | None, set[int], Hold | None]] = [
        ("mql", set(), None),
        ("sql", {subject}, Hold(Stage.SQL, day(-7))),
        ("sql", set(), Hold(Stage.SQL, day(-7))),
        ("recycled", {subject}, Hold(Stage.RECYCLED, day(-5))),
        (None, {subject}, None),
        ("mql", set(), None),
    ]
    for number, (shown, changed, hold) in enumerate(steps):
        assert stages.note_shown(connection, {subject: (shown, day(number - 8))}) == changed
        assert found().hold == hold
    written(connection, "nurturing", ledger.State.ACCEPTED)
    assert not stages.note_shown(connection, {subject: ("mql", NOW)}), "ours is on its way"
    assert not stages.note_shown(connection, {subject: ("nurturing", NOW)})


def test_a_field_that_we_never_wrote_says_nothing(connection: Connection, found: Callable[..., Evidence]) -> None:
    found(Page({}, True, leads=[lead(LEAD, day(-9))]))
    subject = connection.exec_driver_sql("SELECT id FROM subject WHERE object = 'Lead'").scalar_one()
    assert not stages.note_shown(connection, {subject: ("sql", NOW)})
    assert found().hold is None


def test_feedback_is_kept_once_and_counted(connection: Connection) -> None:
    given = stages.Feedback(7, NOW, "mql", 80, "warm", 3, "too small")
    stages.give_back(connection, "won", [given])
    stages.give_back(connection, "won", [given, stages.Feedback(8, NOW, "accepted", 70, "warm", None, "too small")])
    assert [tuple(row) for row in stages.given_back(connection, "won", day(-1))] == [("too small", "warm", 2, 75.0)]
    assert not stages.given_back(connection, "won", day(1))


def test_writes_are_tallied_by_day(connection: Connection) -> None:
    tallies.add(connection, {"org": Writes(10, 2), "portal": Writes(1, 1)}, day(-3))
    tallies.add(connection, {"org": Writes(5, 1)}, day(-3))
    tallies.add(connection, {"org": Writes(700, 1)}, day(-9))
    assert tallies.since(connection, day(-4)) == {"org": Writes(15, 3), "portal": Writes(1, 1)}
    assert (Writes(415, 3).saved, Writes(415, 3).calls_saved(200), Writes(1, 1).calls_saved(200)) == (412, 3, 0)


def test_what_we_wrote_ourselves_is_no_word_of_sales(connection: Connection, found: Callable[..., Evidence]) -> None:
    first = found(Page({}, True, leads=[lead(LEAD, day(-9), status="New")]))
    assert first == Evidence()
    (row,) = connection.execute(text("SELECT id, person_id FROM subject WHERE key = '1' AND object = 'Lead'"))
    values, over = {"crm:Status": "Contacted"}, {"crm:Status": "New"}
    ledger.intend(connection, [ledger.Intention(row.id, row.person_id, "org", values, "stage", over=over)], 1, 1, NOW)
    outbox.take(connection, "org", outbox.Limits(9, 9), NOW, 9)
    told = found(Page({}, True, leads=[lead(LEAD, NOW + timedelta(minutes=1), status="Contacted")]), at=NOW)
    assert told.accepted_at is None
    found(Page({}, True, leads=[lead(LEAD, NOW + timedelta(minutes=2), status="Hm")]), at=day(1))
    again = found(Page({}, True, leads=[lead(LEAD, NOW + timedelta(minutes=3), status="Contacted")]), at=day(2))
    assert again.accepted_at == NOW + timedelta(minutes=3), "somebody chose it anew"


@pytest.mark.parametrize(("deals", "open_"), [("contacts", False), ("account", True)])
def test_a_deal_of_the_account_counts_for_all_its_people_where_the_policy_says_so(
    connection: Connection, deals: str, *, open_: bool
) -> None:
    policy = change(POLICY, f"sales.deals={deals}")
    deal, account, other = (RecordRef("org", object, key) for object, key in
                            (("Opportunity", "1"), ("Account", "1"), ("Account", "2")))  # fmt: skip
    person = replace(lead(LEAD, day(-9)), account=account)
    companies = [AccountRecord(ref, day(-9), day(-9)) for ref in (account, other)]
    apply(connection, Page({}, True, leads=[person], accounts=companies), NOW)
    revisions.publish(connection, "policy", "default", policy.model_dump(mode="json"), after=0, author="", comment="",
                      now=NOW)  # fmt: skip
    opened = Outcome(deal, OutcomeStatus.OPEN, "Offer", day(0), day(0), account=account)
    applied = apply(connection, Page({}, True, outcomes=[opened]), day(0.5))
    assert applied.dirtied == int(open_)
    (id,) = people.lookup(connection, ORG)
    assert stages.evidence(connection, [id], policy, day(1))[id].deal_open is open_
    for at, to in ((0.6, other), (0.7, account)):
        moved = apply(connection, Page({}, True, outcomes=[replace(opened, modified_at=day(at), account=to)]), day(at))
        assert moved.dirtied == int(open_), "whose account it leaves, and whose it comes to"
        assert stages.evidence(connection, [id], policy, day(1))[id].deal_open is (open_ and to == account)
    gone = apply(connection, Page({}, True, deletions=[Deletion(deal, day(1))]), day(1))
    assert gone.dirtied == int(open_)
    assert not stages.evidence(connection, [id], policy, day(2))[id].deal_open


def test_a_stage_that_is_handed_over_in_a_merge_is_recorded_with_its_cause(connection: Connection) -> None:
    new, old = (replace(lead(ref, day(-9)), email=None) for ref in (LEAD, OTHER))
    apply(connection, Page({}, True, leads=[new]), NOW)
    apply(connection, Page({}, True, leads=[old]), NOW)
    ids = [people.lookup(connection, f"org/{ref.object}/{ref.id}")[0] for ref in (LEAD, OTHER)]
    stood = [
        scores.Standing(person, 50, "scored", "cold", stage, NOW, mql_at, NOW, 1, 1, memory={"cause": stage})
        for person, stage, mql_at in zip(ids, ("nurturing", "accepted"), (None, NOW), strict=True)
    ]
    scores.save(connection, "default", stood)
    evidence = {"accepted_at": day(-1).isoformat()}
    moved = scores.Transition(ids[1], NOW, None, "accepted", "sales", 50, 1, evidence, {"cause": "accepted"})
    scores.record_transitions(connection, "default", [moved])
    apply(connection, Page({}, True, deletions=[Deletion(OTHER, day(1), merged_into=LEAD)]), day(1))
    (handed,) = scores.moves(connection, "default", ids[0])
    assert handed == scores.Transition(
        ids[0], day(1), "nurturing", "accepted", f"joined person {ids[1]}", 50, 1, evidence, {"cause": "accepted"}
    )
    changed_at = connection.execute(text("SELECT changed_at FROM person WHERE id = :id"), {"id": ids[0]}).scalar_one()
    assert changed_at > day(1), "the next decision is a later one"
