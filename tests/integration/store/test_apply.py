"""A page becomes facts about people, once, in any order, and can be taken back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from connectors.port import Page
from connectors.records import (
    EMAIL,
    AccountRecord,
    Activity,
    ActivityKind,
    Deletion,
    LeadRecord,
    Outcome,
    OutcomeStatus,
    RecordRef,
    RecordState,
    ScoreField,
    Value,
)
from worker.people import identity
from worker.store import database, ledger, outbox, people
from worker.sync.apply import Applied, apply

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


def ref(id: str, object: str = "Lead", source: str = "salesforce") -> RecordRef:
    return RecordRef(source, object, id)


def lead(id: RecordRef, email: str | None = None, *, at: datetime = NOW, **more: Any) -> LeadRecord:
    return LeadRecord(id, RecordState.OPEN, NOW - timedelta(days=30), at, email=email, **more)


def activity(id: str, *who: RecordRef, kind: ActivityKind = ActivityKind.EMAIL_CLICK, **more: Any) -> Activity:
    given = {"occurred_at": NOW - timedelta(days=1), "recorded_at": NOW - timedelta(days=1)} | more
    return Activity(ref(id, "Task"), kind, who, **given)


def page(**parts: Any) -> Page:
    return Page(cursor={}, done=True, **parts)


def persons(connection: Connection) -> dict[str, int | None]:
    rows = connection.execute(text("SELECT source || '/' || object || '/' || key AS ref, person_id FROM subject"))
    return {row.ref: row.person_id for row in rows}


def count(connection: Connection, table: str, where: str = "true") -> int:
    return int(connection.execute(text(f"SELECT count(*) FROM {table} WHERE {where}")).scalar_one())


def together(connection: Connection, *refs: RecordRef) -> bool:
    found = persons(connection)
    return len({found[f"{r.source}/{r.object}/{r.id}"] for r in refs}) == 1


HUB = ref("7", "contacts", "hubspot")


def test_a_page_that_comes_again_changes_nothing(connection: Connection) -> None:
    whole = page(
        leads=[lead(ref("1"), "Ann@x.com", attributes={"title": "CTO"}), lead(HUB, "ann@x.com")],
        activities=[activity("t1", ref("1"))],
        outcomes=[Outcome(ref("o1", "Opportunity"), OutcomeStatus.OPEN, "New", NOW, NOW, people=(ref("1"),))],
    )
    assert apply(connection, whole, NOW) == Applied(seen=4, dirtied=1)
    before = {
        t: count(connection, t) for t in ("subject", "record", "attribute", "activity", "claim", "outcome_change")
    }
    assert apply(connection, whole, LATER) == Applied(seen=4, dirtied=0)
    assert {t: count(connection, t) for t in before} == before


def test_activity_in_either_crm_is_the_persons(connection: Connection) -> None:
    click = RecordRef("hubspot", EMAIL, "ann@x.com")
    apply(connection, page(leads=[lead(ref("1"), "Ann@X.com"), lead(HUB, "ann@x.com")]), NOW)
    applied = apply(connection, page(activities=[activity("e1", click)]), NOW)
    assert applied.dirtied == 1
    assert together(connection, ref("1"), HUB, click)


def test_activity_that_comes_before_its_record_waits_for_it(connection: Connection) -> None:
    assert apply(connection, page(activities=[activity("t1", ref("1"))]), NOW).dirtied == 0
    assert apply(connection, page(leads=[lead(ref("1"))]), NOW).dirtied == 1
    assert count(connection, "activity a JOIN subject s ON s.id = a.subject_id", "s.person_id IS NOT NULL") == 1


def test_a_corrected_address_parts_what_it_joined(connection: Connection) -> None:
    apply(connection, page(leads=[lead(ref("1"), "ann@x.com"), lead(HUB, "ann@x.com")]), NOW)
    assert together(connection, ref("1"), HUB)
    applied = apply(connection, page(leads=[lead(HUB, "bob@x.com", at=LATER)]), LATER)
    assert not together(connection, ref("1"), HUB)
    assert applied.dirtied == 2
    assert count(connection, "claim", "withdrawn_at IS NOT NULL") > 0, "the past of the evidence stays"


def test_a_third_name_on_an_address_parts_all_three(connection: Connection) -> None:
    apply(connection, page(leads=[lead(ref("1"), "a@x.com", name="Ann"), lead(ref("2"), "a@x.com", name="Bob")]), NOW)
    assert together(connection, ref("1"), ref("2"))
    apply(connection, page(leads=[lead(ref("3"), "a@x.com", name="Cid")]), NOW)
    assert len(set(persons(connection).values())) == 3


def test_a_merged_record_gives_its_past_to_the_survivor(connection: Connection) -> None:
    apply(connection, page(leads=[lead(ref("1")), lead(ref("2"))], activities=[activity("t1", ref("2"))]), NOW)
    assert not together(connection, ref("1"), ref("2"))
    applied = apply(connection, page(deletions=[Deletion(ref("2"), LATER, merged_into=ref("1"))]), LATER)
    assert together(connection, ref("1"), ref("2"))
    assert applied.dirtied == 1
    assert count(connection, "person") == 1
    assert count(connection, "activity", "retracted_at IS NULL") == 1
    assert apply(connection, page(deletions=[Deletion(ref("2"), LATER, merged_into=ref("1"))]), LATER).dirtied == 0


def test_an_older_version_of_a_record_changes_nothing(connection: Connection) -> None:
    apply(connection, page(leads=[lead(ref("1"), "new@x.com", at=LATER, attributes={"title": "CTO"})]), LATER)
    applied = apply(connection, page(leads=[lead(ref("1"), "old@x.com", attributes={"title": "VP"})]), LATER)
    assert applied.dirtied == 0
    assert count(connection, "record", "email = 'new@x.com' AND attributes ->> 'title' = 'CTO'") == 1
    assert count(connection, "claim", "key = 'email:old@x.com'") == 0


def test_a_deleted_record_stays_so_until_it_is_restored(connection: Connection) -> None:
    apply(connection, page(leads=[lead(ref("1"))]), NOW)
    apply(connection, page(deletions=[Deletion(ref("1"), LATER)]), LATER)
    apply(connection, page(leads=[lead(ref("1"), at=NOW)]), LATER)
    assert count(connection, "record", "deleted_at IS NOT NULL") == 1
    apply(connection, page(leads=[lead(ref("1"), at=LATER + timedelta(seconds=1))]), LATER)
    assert count(connection, "record", "deleted_at IS NULL") == 1


def test_an_edited_activity_is_a_new_version_and_the_old_one_stays_in_the_past(connection: Connection) -> None:
    apply(connection, page(leads=[lead(ref("1"))], activities=[activity("t1", ref("1"), detail="draft")]), NOW)
    assert apply(connection, page(activities=[activity("t1", ref("1"), detail="sent")]), LATER).dirtied == 1
    assert (
        count(connection, "activity", "retracted_at IS NULL AND detail = 'sent' AND known_at = '2026-11-23 13:00+00'")
        == 1
    )
    assert count(connection, "activity", "retracted_at IS NOT NULL AND detail = 'draft'") == 1


def test_a_deleted_activity_no_longer_counts(connection: Connection) -> None:
    apply(connection, page(leads=[lead(ref("1"))], activities=[activity("t1", ref("1"))]), NOW)
    assert apply(connection, page(deletions=[Deletion(ref("t1", "Task"), LATER)]), LATER).dirtied == 1
    assert count(connection, "activity", "retracted_at IS NULL") == 0


def test_a_backfill_knows_facts_since_the_crm_recorded_them(connection: Connection) -> None:
    recorded = NOW - timedelta(days=10)
    whole = page(leads=[lead(ref("1"), at=recorded, attributes={"title": "CTO"})],
                 activities=[activity("t1", ref("1"), recorded_at=recorded)])  # fmt: skip
    apply(connection, replace(whole, backfill=True), NOW)
    known = "known_at = '2026-11-13 12:00+00'"
    assert count(connection, "attribute", known) == count(connection, "activity", known) == 1


def test_an_account_that_changes_makes_its_people_dirty(connection: Connection) -> None:
    company = ref("5", "companies", "hubspot")
    apply(connection, page(leads=[lead(HUB, account=company)]), NOW)
    grown = AccountRecord(company, NOW, NOW, attributes={"employees": 5000})
    assert apply(connection, page(accounts=[grown]), NOW).dirtied == 1


def test_a_won_deal_makes_its_people_dirty_once(connection: Connection) -> None:
    deal = Outcome(ref("o1", "Opportunity"), OutcomeStatus.OPEN, "New", NOW, NOW, people=(ref("1"),))
    apply(connection, page(leads=[lead(ref("1"))], outcomes=[deal]), NOW)
    won = replace(deal, status=OutcomeStatus.WON, stage="Closed Won", modified_at=LATER, closed_at=LATER)
    assert apply(connection, page(outcomes=[won]), LATER).dirtied == 1
    assert apply(connection, page(outcomes=[won]), LATER).dirtied == 0
    assert apply(connection, page(outcomes=[deal]), LATER).dirtied == 0, "an older version changes nothing"
    assert count(connection, "outcome_change") == 2


def test_our_own_write_coming_back_proves_it_and_makes_nobody_dirty(connection: Connection) -> None:
    apply(connection, page(leads=[lead(ref("1"))]), NOW)
    (subject,) = connection.execute(text("SELECT id FROM subject")).scalars()
    values = {"score": 71, "mql_date": None, "reasons": "+10 Downloaded"}
    ledger.intend(connection, [ledger.Intention(subject, subject, "salesforce", values, "first")], 1, 1, NOW)
    outbox.take(connection, "salesforce", outbox.Limits(12, 3), NOW, 10)
    shown: dict[ScoreField, Value] = {ScoreField.SCORE: 71.0, ScoreField.REASONS: "+10 Downloaded"}
    other = replace(lead(ref("1"), at=LATER), written={**shown, ScoreField.SCORE: 70.0})
    assert apply(connection, page(leads=[other]), LATER) == Applied(seen=1, dirtied=0, verified=0)
    echo = replace(lead(ref("1"), at=LATER), written=shown)
    assert apply(connection, page(leads=[echo]), LATER) == Applied(seen=1, dirtied=0, verified=1)


def test_what_was_erased_is_gone_and_a_replay_does_not_bring_it_back(connection: Connection) -> None:
    click = RecordRef("hubspot", EMAIL, "ann@x.com")
    whole = page(leads=[lead(HUB, "Ann@x.com", name="Ann Lee")], activities=[activity("e1", click)])
    apply(connection, whole, NOW)
    (person,) = connection.execute(text("SELECT id FROM person")).scalars()
    apply(connection, page(deletions=[Deletion(HUB, LATER, erased=True)]), LATER)
    apply(connection, whole, LATER + timedelta(hours=1))
    for table in connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).scalars():
        assert count(connection, table, f"{table}::text ILIKE '%ann%' OR {table}::text LIKE '%,7,%'") == 0, table
    assert people.lookup(connection, "ann@x.com") == []
    assert count(connection, "person", f"id = {person}") == 0
    new = page(leads=[lead(ref("8", "contacts", "hubspot"), "ann@x.com")],
               activities=[activity("e2", click, occurred_at=LATER + timedelta(minutes=5))])  # fmt: skip
    apply(connection, new, LATER + timedelta(hours=2))
    assert count(connection, "activity") == 1, "the address may come back, with what it does from then on"


def test_what_was_said_of_whoever_lives_on_forgets_the_reasons_and_of_whoever_is_gone_all(
    connection: Connection,
) -> None:
    apply(connection, page(leads=[lead(HUB, "ann@x.com"), lead(ref("1"), "ann@x.com"), lead(ref("2"), "b@x.com")]), NOW)
    connection.execute(
        text("""
        INSERT INTO ledger (source, subject_id, person_id, values, cause, rules_revision, policy_revision, state,
                            due_at, intended_at)
        SELECT source, id, person_id, '{"score": 7, "reasons": "x", "upgrade.reasons": "y", "bant": "z"}', 'first', 1,
               1, 'verified', :now, :now FROM subject
        """),
        {"now": NOW},
    )
    said = "INSERT INTO feedback SELECT 'default', id, :now, 'sql', 70, 'hot', NULL, 'no budget' FROM person"
    connection.execute(text(said), {"now": NOW})
    apply(connection, page(deletions=[Deletion(HUB, LATER, erased=True)]), LATER)
    kept = "SELECT s.key, l.values FROM ledger l JOIN subject s ON s.id = l.subject_id WHERE s.key < '3'"
    values = {row.key: set(row.values) for row in connection.execute(text(kept))}
    assert values == {"1": {"score"}, "2": {"score", "reasons", "upgrade.reasons", "bant"}}
    assert count(connection, "feedback") == 2
    apply(connection, page(deletions=[Deletion(ref("1"), LATER, erased=True)]), LATER)
    assert count(connection, "feedback") == count(connection, "person") == 1


def test_events_by_an_address_that_the_erased_contact_took_over_go_too(connection: Connection) -> None:
    taken_over = RecordRef("hubspot", EMAIL, "old@x.com")
    whole = page(leads=[lead(HUB, "ann@x.com", same_as=(taken_over,))], activities=[activity("e1", taken_over)])
    apply(connection, whole, NOW)
    apply(connection, page(deletions=[Deletion(HUB, LATER, erased=True)]), LATER)
    apply(connection, whole, LATER + timedelta(hours=1))
    assert count(connection, "subject") == count(connection, "activity") == count(connection, "claim") == 0


POOL = [
    page(leads=[lead(ref("1"), "a@x.com", name="Ann", attributes={"title": "CTO"})]),
    page(leads=[lead(HUB, "A@x.com", name="Ann", at=NOW)]),
    page(leads=[lead(HUB, "b@x.com", name="Ann", at=LATER)]),
    page(leads=[lead(ref("2"), "b@x.com", name="Bob", same_as=(ref("c", "Contact"),))]),
    page(leads=[lead(ref("c", "Contact"))]),
    page(activities=[activity("t1", ref("1"), ref("2"))]),
    page(activities=[activity("e1", RecordRef("hubspot", EMAIL, "b@x.com"))]),
    page(deletions=[Deletion(ref("3"), LATER, merged_into=ref("1"))]),
]


@pytest.fixture(scope="module")
def shared_engine(module_database_url: str) -> Iterator[Engine]:
    engine = database.connect(module_database_url)
    yield engine
    engine.dispose()


Everybody = tuple[set[frozenset[str]], set[tuple[str, ...]]]


def outcome(engine: Engine, pages: list[Page]) -> Everybody:
    """Who is one person, and the acts that count, after these pages; nothing of it stays."""
    with engine.connect() as connection, connection.begin() as transaction:
        for one in pages:
            apply(connection, one, LATER)
        groups: dict[int | None, set[str]] = {}
        for subject, person in persons(connection).items():
            groups.setdefault(person, set()).add(subject)
        facts = connection.execute(
            text("""
            SELECT s.key, a.key, a.kind FROM activity a JOIN subject s ON s.id = a.subject_id
            WHERE a.retracted_at IS NULL
            """)
        )
        result = ({frozenset(group) for group in groups.values()}, {tuple(row) for row in facts})
        transaction.rollback()
        return result


@pytest.fixture(scope="module")
def in_order(shared_engine: Engine) -> Everybody:
    return outcome(shared_engine, POOL)


@hypothesis_settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), repeats=st.lists(st.integers(0, len(POOL) - 1), max_size=4))
def test_pages_in_any_order_and_any_number_of_times_give_the_same_people(
    shared_engine: Engine, in_order: Everybody, seed: int, repeats: list[int]
) -> None:
    shuffled = [*POOL, *(POOL[i] for i in repeats)]
    random.Random(seed).shuffle(shuffled)
    assert outcome(shared_engine, shuffled) == in_order


def test_identity_agrees_with_the_pure_function(connection: Connection) -> None:
    for one in POOL:
        apply(connection, one, LATER)
    rows = connection.execute(
        text("""
        SELECT s.id, r.name, coalesce(r.kind = 'person', false) AS is_record,
               array_remove(array_agg(c.key) FILTER (WHERE c.withdrawn_at IS NULL), NULL) AS keys
        FROM subject s LEFT JOIN record r ON r.subject_id = s.id LEFT JOIN claim c ON c.subject_id = s.id
        GROUP BY s.id, r.name, r.kind
        """)
    )
    nodes = [identity.Node(r.id, frozenset(r.keys or ()), r.is_record, r.name) for r in rows]
    stored = {row.id: row.person_id for row in connection.execute(text("SELECT id, person_id FROM subject"))}
    assert identity.resolve(nodes) == stored
