"""The law: a row computed when a person was scored live equals the row recomputed later, byte for byte."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Event
from time import monotonic

import adbc_driver_postgresql.dbapi as adbc
import polars as pl
import pytest
from sqlalchemy import Engine, text

from connectors.port import Page
from connectors.records import Activity, ActivityKind, RecordRef
from tests.integration.store.crm_world import CrmWorld
from worker.features.facts import INSTANT, Facts
from worker.features.features import Features
from worker.features.matrix import matrix
from worker.store import database, facts, live, people
from worker.store.arrow import open_arrow
from worker.store.facts import At
from worker.store.people import Scale
from worker.sync.apply import apply

SCALE = Scale("customer", 1, 1)
FEATURES = Features.shipped()
Rows = dict[tuple[int, datetime], bytes]


@pytest.fixture
def arrow(engine: Engine) -> Iterator[adbc.Connection]:
    with open_arrow(database.libpq(engine)) as connection:
        yield connection


def rows_of(known: Facts) -> Rows:
    """Each person's features and facts, in bytes that do not depend on who else was read, nor on the order of rows."""
    by_person: dict[int, list[str]] = {person: [] for person in known.people.get_column("person_id")}
    parts = (matrix(known, FEATURES), known.people, known.attributes, known.activities, colleagues_acts(known))
    for part in parts:
        for row in part.sort(pl.all()).iter_rows():
            by_person[row[0]].append(repr(row))
    instants = dict(known.people.select("person_id", "as_of").iter_rows())
    return {(person, instants[person]): "\n".join(lines).encode() for person, lines in by_person.items()}


def colleagues_acts(known: Facts) -> pl.DataFrame:
    """What each person sees of the acts at their account: cut at their own instant, which the read is not."""
    assert known.colleagues is not None
    return (
        known.people.join(known.colleagues, on="account")
        .filter(
            pl.max_horizontal("known_at", "occurred_at") <= pl.col("as_of"),
            pl.col("occurred_at") > pl.col("as_of") - timedelta(days=30),
            pl.col("until").is_null() | (pl.col("until") > pl.col("as_of")),
        )
        .select("person_id", "colleague", "occurred_at", "known_at")
    )


def score_live(engine: Engine, arrow: adbc.Connection, now: datetime) -> Rows:
    """As a worker does it: claimed, read, settled."""
    with engine.begin() as connection:
        due = people.claim_due(connection, SCALE, 0, 1, now, 1000)
        if not due:
            return {}
        as_of = max(now, *(person.changed_at for person in due))
        live.begin(engine, as_of)
        known = facts.read(arrow, At(as_of, [person.id for person in due]), colleagues=True)
        people.settle(connection, due, {person.id: as_of for person in due}, as_of)
        return rows_of(known)


def store(engine: Engine, page: Page, now: datetime) -> None:
    with engine.begin() as connection:
        apply(connection, page, now)


def rounds(rows: Rows) -> Iterator[pl.DataFrame]:
    """The instants of each person, one a frame."""
    by_person: dict[int, list[datetime]] = {}
    for person, as_of in sorted(rows):
        by_person.setdefault(person, []).append(as_of)
    for n in range(max(map(len, by_person.values()))):
        wanted = [(person, instants[n]) for person, instants in by_person.items() if n < len(instants)]
        yield pl.DataFrame(wanted, schema=[("person_id", pl.Int64()), ("as_of", INSTANT)], orient="row")


def test_a_live_row_equals_the_row_recomputed_later(engine: Engine, arrow: adbc.Connection) -> None:
    world = CrmWorld(random.Random(7), people=180)
    taken: Rows = {}
    store(engine, world.first_read("org", leads=170, activities=400), world.now)
    for step in range(150):
        if step == 40:
            store(engine, world.first_read("portal", leads=170, activities=400), world.now)
        # Machines' clocks differ.
        page = world.happen(events=world.random.randrange(1, 16))
        store(engine, page, world.now + timedelta(seconds=world.random.choice((0, 0, 3, -2, -500))))
        if world.random.random() < 0.4:
            taken |= score_live(engine, arrow, world.now + timedelta(seconds=world.random.choice((0, 0, 4, -5))))
    assert len(taken) >= 10_000

    again: Rows = {}
    for wanted in rounds(taken):
        again |= rows_of(facts.read(arrow, wanted, colleagues=True))
    assert again.keys() == taken.keys(), "everybody who was scored was there, and nobody else"
    assert [key for key, row in again.items() if taken[key] != row] == []


def test_a_page_that_is_stored_while_a_score_is_made_is_not_seen_by_it_later(
    engine: Engine, arrow: adbc.Connection
) -> None:
    """The page's clock says that it came first, but the score could not see it."""
    world = CrmWorld(random.Random(1), people=20)
    store(engine, world.first_read("org", leads=20, activities=20), world.now)
    (who, *_) = world.leads
    click = Activity(RecordRef("org", "Task", "late"), ActivityKind.EMAIL_CLICK, (who,), world.now, world.now)
    as_of = world.now + timedelta(seconds=5)
    with ThreadPoolExecutor(1) as other_machine, engine.begin() as connection:
        due = people.claim_due(connection, SCALE, 0, 1, as_of, 1000)
        live.begin(engine, as_of)
        before = rows_of(facts.read(arrow, At(as_of, [person.id for person in due]), colleagues=True))
        storing = other_machine.submit(store, engine, Page({}, True, activities=[click]), as_of - timedelta(seconds=2))
        deadline = monotonic() + 30
        while not waits_for_a_lock(engine):
            assert monotonic() < deadline, "the page waits for the people who are being scored"
            Event().wait(0.02)
        people.settle(connection, due, {person.id: as_of for person in due}, as_of)
        connection.commit()
        storing.result(timeout=30)
    assert rows_of(facts.read(arrow, At(as_of, [person.id for person in due]), colleagues=True)) == before
    after = facts.read(arrow, At(as_of + timedelta(seconds=1), [person.id for person in due]))
    assert after.activities.filter(pl.col("kind") == "email_click", pl.col("occurred_at") == world.now).height == 1


def waits_for_a_lock(engine: Engine) -> bool:
    with engine.connect() as connection:
        waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = :name")
        return bool(connection.execute(waiting, {"name": engine.url.database}).scalar_one())
