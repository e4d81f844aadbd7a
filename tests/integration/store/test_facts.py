"""Whose facts are whose at an instant: before anybody was scored, and since."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import adbc_driver_postgresql.dbapi as adbc
import polars as pl
import pytest
from sqlalchemy import Engine, text

from connectors.port import Page
from connectors.records import (
    AccountRecord,
    Activity,
    ActivityKind,
    AttributeChange,
    Deletion,
    LeadRecord,
    RecordRef,
    RecordState,
)
from worker.features.facts import INSTANT, Facts
from worker.store import colleagues, database, facts, live
from worker.store.arrow import open_arrow
from worker.store.facts import At
from worker.sync.apply import apply

NOW = datetime(2026, 3, 2, 12, 3, tzinfo=UTC)
ANN, BOB, HUB = RecordRef("org", "Lead", "1"), RecordRef("org", "Lead", "2"), RecordRef("portal", "contacts", "7")
COMPANY = RecordRef("org", "Account", "5")


@pytest.fixture
def arrow(engine: Engine) -> Iterator[adbc.Connection]:
    with open_arrow(database.libpq(engine)) as connection:
        yield connection


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def lead(ref: RecordRef, created: datetime, email: str | None = "ann@x.com", **more: Any) -> LeadRecord:
    return LeadRecord(ref, RecordState.OPEN, created, more.pop("at", created), email=email, **more)


def act(id: str, who: RecordRef, at: datetime, **more: Any) -> Activity:
    return Activity(RecordRef(who.source, "Task", id), ActivityKind.EMAIL_CLICK, (who,), at, at, detail=id, **more)


def store(engine: Engine, now: datetime = NOW, *, backfill: bool = False, **parts: Any) -> None:
    with engine.begin() as connection:
        apply(connection, Page({}, True, backfill=backfill, **parts), now)


def person(engine: Engine, ref: RecordRef) -> int:
    with engine.connect() as connection:
        query = text("SELECT person_id FROM subject WHERE (source, object, key) = (:source, :object, :id)")
        found: int = connection.execute(query, {"source": ref.source, "object": ref.object, "id": ref.id}).scalar_one()
    return found


def known(arrow: adbc.Connection, who: int, at: datetime, **more: Any) -> Facts:
    return facts.read(
        arrow, pl.DataFrame({"person_id": [who], "as_of": [at]}, schema_overrides={"as_of": INSTANT}), **more
    )


def acts(read: Facts) -> set[str]:
    return set(read.activities.get_column("detail"))


def test_before_the_first_score_a_backfilled_record_counts_since_it_was_created(
    engine: Engine, arrow: adbc.Connection
) -> None:
    """Ann was in the portal for a year before sales made a lead of her."""
    pages = [
        Page({}, True, leads=[lead(ANN, ago(30), attributes={"title": "CTO"})], backfill=True),
        Page({}, True, leads=[lead(HUB, ago(400))], backfill=True),
        Page({}, True, activities=[act("early", HUB, ago(300)), act("late", ANN, ago(20))], backfill=True),
    ]
    with engine.begin() as connection:
        for page in random.sample(pages, 3):
            apply(connection, page, NOW)
    who = person(engine, ANN)
    assert who == person(engine, HUB)
    assert known(arrow, who, ago(500)).people.is_empty(), "nobody knew her"
    before = known(arrow, who, ago(100))
    assert before.people.get_column("created_at").to_list() == [ago(400)]
    assert acts(before) == {"early"}
    assert "title" not in before.attributes.get_column("name")
    after = known(arrow, who, ago(10))
    assert acts(after) == {"early", "late"}
    assert "CTO" in after.attributes.get_column("value")


def test_before_the_first_score_people_are_who_the_claims_of_then_made_them(
    engine: Engine, arrow: adbc.Connection
) -> None:
    """Until a third name came to the address, it was the address of one person."""
    third = RecordRef("org", "Lead", "3")
    store(
        engine,
        leads=[lead(ANN, ago(90), name="Ann"), lead(BOB, ago(80), name="Bob"), lead(third, ago(40), name="Cid")],
        activities=[act(f"a{n}", ref, ago(70)) for n, ref in enumerate((ANN, BOB))],
        backfill=True,
    )
    assert len({person(engine, ref) for ref in (ANN, BOB, third)}) == 3
    assert acts(known(arrow, person(engine, ANN), ago(50))) == {"a0", "a1"}
    assert acts(known(arrow, person(engine, ANN), ago(30))) == {"a0"}


def test_since_the_first_score_a_backfill_changes_no_past_row(engine: Engine, arrow: adbc.Connection) -> None:
    store(engine, leads=[lead(ANN, ago(30))], now=ago(20))
    live.begin(engine, ago(10))
    store(engine, leads=[lead(HUB, ago(400))], activities=[act("early", HUB, ago(300))], backfill=True)
    who = person(engine, ANN)
    assert acts(known(arrow, who, ago(5))) == set(), "we did not know it then"
    assert acts(known(arrow, who, NOW)) == {"early"}
    assert acts(known(arrow, who, ago(15))) == {"early"}, "before, the CRM's own times count"


def test_a_read_of_few_people_is_that_of_many(engine: Engine, arrow: adbc.Connection) -> None:
    store(
        engine,
        accounts=[AccountRecord(COMPANY, ago(50), ago(50), attributes={"industry": "Software"})],
        leads=[lead(ANN, ago(30), account=COMPANY, attributes={"title": "CTO"}), lead(BOB, ago(30), "b@x.com")],
        activities=[act("call", ANN, ago(3), duration=timedelta(minutes=2)), act("b", BOB, ago(2))],
        now=ago(1),
    )
    live.begin(engine, ago(1))
    ids = [person(engine, ANN), person(engine, BOB)]
    few = facts.read(arrow, At(NOW, ids), colleagues=True)
    for wanted in (At(NOW), pl.DataFrame({"person_id": ids, "as_of": [NOW] * 2}, schema_overrides={"as_of": INSTANT})):
        many = facts.read(arrow, wanted, colleagues=True)
        for one, other in zip(parts(few), parts(many), strict=True):
            assert one.sort(pl.all()).equals(other.sort(pl.all()))
    assert few.people.get_column("account").null_count() == 1
    assert sorted(few.activities.get_column("duration").to_list(), key=str) == [120.0, None]
    assert few.attributes.filter(rank=1).get_column("value").to_list() == ["Software"]
    assert facts.read(arrow, At(NOW, [])).people.is_empty()


def parts(read: Facts) -> list[pl.DataFrame]:
    assert read.colleagues is not None
    return [read.people, read.attributes, read.activities, read.colleagues]


def test_a_person_may_be_wanted_once(arrow: adbc.Connection) -> None:
    twice = pl.DataFrame({"person_id": [1, 1], "as_of": [NOW, ago(1)]}, schema_overrides={"as_of": INSTANT})
    with pytest.raises(ValueError, match="wanted twice"):
        facts.read(arrow, twice)


def test_an_activity_that_lasted_otherwise_is_another_version(engine: Engine, arrow: adbc.Connection) -> None:
    live.begin(engine, ago(9))
    store(engine, leads=[lead(ANN, ago(9))], activities=[act("a", ANN, ago(8), duration=timedelta(1))], now=ago(8))
    store(engine, activities=[act("a", ANN, ago(8), duration=timedelta(2))], now=ago(4))
    who = person(engine, ANN)
    assert known(arrow, who, ago(5)).activities.get_column("duration").to_list() == [86_400.0]
    assert known(arrow, who, NOW).activities.get_column("duration").to_list() == [172_800.0]


def test_records_are_as_they_stood(engine: Engine, arrow: adbc.Connection) -> None:
    """Deleted and restored, at an account and at another, each at its time."""
    other = RecordRef("org", "Account", "6")
    live.begin(engine, ago(9))
    accounts = [AccountRecord(ref, ago(50), ago(50), attributes={"industry": ref.id}) for ref in (COMPANY, other)]
    titled = {"title": "CTO"}
    store(engine, accounts=accounts, leads=[lead(ANN, ago(9), account=COMPANY, attributes=titled)], now=ago(9))
    store(engine, leads=[lead(ANN, ago(9), account=other, at=ago(7), attributes=titled)], now=ago(7))
    store(engine, deletions=[Deletion(ANN, ago(5))], now=ago(5))
    store(engine, leads=[lead(ANN, ago(9), account=other, at=ago(3), attributes=titled)], now=ago(3))
    store(engine, deletions=[Deletion(other, ago(1))], now=ago(1))
    who = person(engine, ANN)
    held = {day: known(arrow, who, ago(day)).attributes.get_column("value").to_list() for day in (8, 6, 4, 2, 0)}
    domain = "x.com"
    assert {day: set(values) for day, values in held.items()} == {
        8: {domain, "CTO", "5"}, 6: {domain, "CTO", "6"}, 4: set(), 2: {domain, "CTO", "6"}, 0: {domain, "CTO"},
    }  # fmt: skip


def test_what_a_history_repeats_is_stored_once(engine: Engine) -> None:
    change = AttributeChange(ANN, "country", "France", ago(20), ago(20))
    store(engine, leads=[lead(ANN, ago(30))], history=[change], now=ago(2))
    store(engine, history=[change, replace(change, value="Norway", occurred_at=ago(10))], now=ago(1))
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT value FROM attribute WHERE name = 'country' ORDER BY occurred_at"))
        assert rows.scalars().all() == ["France", "Norway"]


def test_a_stable_attribute_is_assumed_to_have_been_there_before_the_first_score(
    engine: Engine, arrow: adbc.Connection
) -> None:
    account = AccountRecord(COMPANY, ago(400), ago(20), attributes={"industry": "Software"})
    store(engine, accounts=[account], leads=[lead(ANN, ago(300), at=ago(20), account=COMPANY,
          attributes={"country": "France", "title": "CTO"})], backfill=True, now=ago(15))  # fmt: skip
    live.begin(engine, ago(10))
    who = person(engine, ANN)
    assert known(arrow, who, ago(100)).attributes.is_empty()
    assumed = known(arrow, who, ago(100), stable=["country", "industry", "employees"]).attributes
    assert set(assumed.select("name", "value", "rank").iter_rows()) == {
        ("country", "France", 0), ("industry", "Software", 1),
    }  # fmt: skip
    assert (assumed.get_column("known_at") <= ago(100)).all()
    store(engine, leads=[lead(ANN, ago(300), at=ago(5), attributes={"country": "Spain", "employees": "7"})], now=ago(5))
    again = known(arrow, who, ago(100), stable=["country", "industry", "employees"]).attributes
    assert again.sort(pl.all()).equals(assumed.sort(pl.all())), "nothing is assumed of what was first known later"
    with pytest.raises(ValueError, match="no attribute"):
        known(arrow, who, ago(100), stable=["'; drop"])


def test_colleagues_acts_count_at_whole_steps_and_end_with_what_made_them_colleagues(
    engine: Engine, arrow: adbc.Connection
) -> None:
    live.begin(engine, ago(9))
    account = AccountRecord(COMPANY, ago(50), ago(50))
    store(engine, accounts=[account], leads=[lead(ANN, ago(9), account=COMPANY), lead(BOB, ago(9), "bob@x.com"),
          lead(HUB, ago(9), "bob@x.com", account=COMPANY)], now=ago(9))  # fmt: skip
    store(engine, activities=[act("click", BOB, NOW)])
    ann, bob = person(engine, ANN), person(engine, BOB)
    step = NOW.replace(minute=20)

    def seen(at: datetime) -> list[int]:
        read = known(arrow, ann, at, colleagues=True).colleagues
        assert read is not None
        counted = read.filter(pl.col("known_at") <= at, pl.col("until").is_null() | (pl.col("until") > at))
        return counted.get_column("colleague").to_list()

    assert seen(step - timedelta(seconds=1)) == []
    assert seen(step) == [bob], "he is at the account by his other record"
    parted = NOW + timedelta(hours=1)
    store(engine, leads=[lead(HUB, ago(9), "hub@x.com", at=parted, account=COMPANY)], now=parted)
    assert seen(parted) == [bob], "nor does it end before a step"
    assert seen(parted + timedelta(minutes=20)) == []
    assert seen(step) == [bob], "the past stays"


def test_before_the_first_score_colleagues_are_those_of_its_time(engine: Engine, arrow: adbc.Connection) -> None:
    account = AccountRecord(COMPANY, ago(400), ago(400))
    store(engine, accounts=[account], leads=[lead(ANN, ago(300), account=COMPANY),
          lead(BOB, ago(50), "bob@x.com", account=COMPANY)], backfill=True,
          activities=[act("click", BOB, ago(55))])  # fmt: skip
    live.begin(engine, NOW)
    store(engine, deletions=[Deletion(BOB, NOW)], now=NOW + timedelta(seconds=1))
    ann, bob = person(engine, ANN), person(engine, BOB)

    def seen(at: datetime) -> list[int]:
        read = known(arrow, ann, at, colleagues=True).colleagues
        assert read is not None
        return read.filter(pl.col("known_at") <= at).get_column("colleague").to_list()

    assert seen(ago(51)) == [], "he was no colleague yet"
    assert seen(ago(30)) == [bob]


def test_an_act_makes_colleagues_due_once_in_ten_minutes(engine: Engine) -> None:
    account = AccountRecord(COMPANY, ago(50), ago(50))
    store(engine, accounts=[account], leads=[lead(ANN, ago(9), account=COMPANY),
          lead(BOB, ago(9), "bob@x.com", account=COMPANY)], now=ago(9))  # fmt: skip
    ann = person(engine, ANN)
    far = NOW + timedelta(days=1)

    def due_after(now: datetime, id: str) -> datetime:
        with engine.begin() as connection:
            connection.execute(text("UPDATE person SET dirty_at = NULL, due_at = :far"), {"far": far})
        store(engine, activities=[act(id, BOB, now)], now=now)
        with engine.connect() as connection:
            row = connection.execute(text("SELECT dirty_at, due_at FROM person WHERE id = :id"), {"id": ann}).one()
        assert row.dirty_at is None
        at: datetime = row.due_at
        return at

    step = NOW.replace(minute=20)
    assert due_after(NOW, "first") == step
    assert due_after(NOW + timedelta(minutes=6), "second") == far, "said already"
    assert due_after(NOW + timedelta(minutes=8), "third") == step + timedelta(minutes=10)
    with engine.connect() as connection:
        subjects = {person(engine, BOB)}
        assert colleagues.of_subjects(connection, subjects, NOW + timedelta(minutes=9)) == set()
