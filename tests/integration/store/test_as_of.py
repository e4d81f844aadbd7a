"""The law: a row computed when a person was scored live equals the row recomputed later, byte for byte."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Event
from time import monotonic

import adbc_driver_postgresql.dbapi as adbc
import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from sqlalchemy import Engine, text

from connectors.port import Page
from connectors.records import EMAIL, Activity, ActivityKind, Deletion, LeadRecord, RecordRef, RecordState
from tests.integration.store.crm_world import START, CrmWorld
from worker.features.catalogue import Catalogue
from worker.features.facts import INSTANT, Facts
from worker.features.features import Features
from worker.features.matrix import matrix
from worker.lifecycle.policy import Policy
from worker.rescoring.basis import EVERYBODY, Basis, Trained
from worker.rescoring.batch import rescore
from worker.scoring.model import Model
from worker.scoring.rules import load, shipped
from worker.store import database, facts, live, people, spans
from worker.store.arrow import open_arrow
from worker.store.facts import At, Wanted
from worker.store.people import Scale
from worker.sync.apply import apply
from worker.training.goal import Goal

ROWS = int(os.environ.get("LEADGAUGE_AS_OF_ROWS", "400"))
"""How many live rows are compared; 10000 takes a minute."""
SCALE = Scale("customer", 1, 1)
FEATURES = Features.shipped()
Rows = dict[tuple[int, datetime], bytes]


@dataclass(frozen=True)
class Witness(Model):
    """A model that gives everybody the base rate and keeps the rows that it was asked about."""

    seen: list[pl.DataFrame] = field(default_factory=list)

    def log_odds(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        self.seen.append(frame)
        return super().log_odds(frame)


def basis() -> Basis:
    witness = Witness(tuple(FEATURES), "base_rate", 0.05, False, (), ())
    rules = load(shipped(), "default_rules.yaml", Catalogue.shipped())
    return Basis(SCALE, rules, Policy(), Goal(), {EVERYBODY: Trained(1, witness)}, features=FEATURES)


@pytest.fixture
def arrow(engine: Engine) -> Iterator[adbc.Connection]:
    with open_arrow(database.libpq(engine)) as connection:
        yield connection


def rows_of(known: Facts, made: pl.DataFrame | None = None) -> Rows:
    """Each person's features (those that were `made`, if given) and facts, in bytes that do not depend on who else was
    read, nor on the order of rows."""
    by_person: dict[int, list[str]] = {person: [] for person in known.people.get_column("person_id")}
    features = (matrix(known, FEATURES) if made is None else made).select("person_id", "as_of", *NAMES)
    parts = (features, known.people, known.attributes, known.activities, colleagues_acts(known))
    for part in parts:
        for row in part.sort(pl.all()).iter_rows():
            by_person[row[0]].append(repr(row))
    instants = dict(known.people.select("person_id", "as_of").iter_rows())
    return {(person, instants[person]): "\n".join(lines).encode() for person, lines in by_person.items()}


NAMES = [feature.name for feature in FEATURES]


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


def score_live(engine: Engine, arrow: adbc.Connection, by: Basis, now: datetime) -> Rows:
    """The rows that rescoring itself scored, and the facts behind them as they are right after."""
    witness = by.champions[EVERYBODY].model
    assert isinstance(witness, Witness)
    witness.seen.clear()
    done = rescore(engine, arrow, [by], 0, 1, timedelta(days=365), {}, now)
    assert not done.mismatched
    if not witness.seen:
        return {}
    seen = pl.concat(witness.seen)
    (as_of,) = seen.get_column("as_of").unique()
    return rows_of(read(arrow, At(as_of, seen.get_column("person_id").to_list())), seen)


def read(arrow: adbc.Connection, wanted: Wanted) -> Facts:
    return facts.read(arrow, wanted, colleagues=True, stable=FEATURES.stable)


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
    """After further pages of everything that can happen - edits, merges, deletions, people who part - and the whole
    history of a second and a third CRM."""
    by = basis()
    size = 80 + ROWS // 40
    world = CrmWorld(random.Random(7), people=size)
    taken: Rows = {}
    store(engine, world.first_read("org", leads=size, activities=2 * size), world.now)
    while len(taken) < ROWS:
        if len(taken) > ROWS / 3 and "portal" not in world.sources:
            store(engine, world.first_read("portal", leads=size, activities=2 * size), world.now)
        # Machines' clocks differ.
        page = world.happen(events=world.random.randrange(1, 16))
        store(engine, page, world.now + timedelta(seconds=world.random.choice((0, 0, 3, -2, -500))))
        if world.random.random() < 0.4:
            taken |= score_live(engine, arrow, by, world.now + timedelta(seconds=world.random.choice((0, 0, 4, -5))))
    for _ in range(15):
        store(engine, world.happen(events=20), world.now)
    store(engine, world.first_read("other", leads=size, activities=2 * size), world.now)

    again: Rows = {}
    told: list[pl.DataFrame] = []
    for wanted in rounds(taken):
        known = read(arrow, wanted)
        told.append(matrix(known, FEATURES))
        again |= rows_of(known, told[-1])
    assert again.keys() == taken.keys(), "everybody who was scored was there, and nobody else"
    assert [key for key, row in again.items() if taken[key] != row] == []
    each = pl.concat(told).sort("person_id", "as_of")
    assert cut_from_one_read(arrow, each.select("person_id", "as_of")).equals(each), "as a replay sees them"


def cut_from_one_read(arrow: adbc.Connection, wanted: pl.DataFrame) -> pl.DataFrame:
    """The same rows without a read for each instant."""
    instants, people = wanted.get_column("as_of"), wanted.get_column("person_id").unique().to_list()
    known = spans.read(arrow, people, instants.min(), instants.max(), colleagues=True)  # type: ignore[arg-type]
    keyed = wanted.with_row_index("key").with_columns(pl.col("key").cast(pl.Int64))
    made = matrix(known.at(keyed), FEATURES).rename({"person_id": "key"}).drop("as_of")
    return keyed.join(made, on="key", maintain_order="left").drop("key")


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
        due = people.claim_due(connection, [SCALE], 0, 1, as_of, 1000)
        live.begin(engine, as_of)
        before = rows_of(read(arrow, At(as_of, [person.id for person in due])))
        storing = other_machine.submit(store, engine, Page({}, True, activities=[click]), as_of - timedelta(seconds=2))
        deadline = monotonic() + 30
        while not waits_for_a_lock(engine):
            assert monotonic() < deadline, "the page waits for the people who are being scored"
            Event().wait(0.02)
        people.settle(connection, due, {person.id: as_of for person in due}, as_of)
        connection.commit()
        storing.result(timeout=30)
    assert rows_of(read(arrow, At(as_of, [person.id for person in due]))) == before
    after = facts.read(arrow, At(as_of + timedelta(seconds=1), [person.id for person in due]))
    assert after.activities.filter(pl.col("kind") == "email_click", pl.col("occurred_at") == world.now).height == 1


def waits_for_a_lock(engine: Engine) -> bool:
    with engine.connect() as connection:
        waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = :name")
        return bool(connection.execute(waiting, {"name": engine.url.database}).scalar_one())


ANN, HUB, TWIN, CONTACT = (
    RecordRef("org", "Lead", "1"), RecordRef("portal", "contacts", "7"), RecordRef("org", "Lead", "2"),
    RecordRef("org", "Contact", "3"),
)  # fmt: skip


def linked() -> list[Page]:
    """Five records of one person, told one by one: by address, by conversion, by merge."""
    ago = [START - timedelta(days=days) for days in (90, 80, 70, 60, 50)]
    click = ActivityKind.EMAIL_CLICK

    def lead(ref: RecordRef, created: datetime, **more: object) -> Page:
        made = LeadRecord(ref, RecordState.OPEN, created, created, name="Ann", **more)  # type: ignore[arg-type]
        return Page({}, True, leads=[made], backfill=True)

    def act(id: str, who: RecordRef, at: datetime) -> Page:
        made = Activity(RecordRef(who.source, "Task", id), click, (who,), at, at, detail=id)
        return Page({}, True, activities=[made], backfill=True)

    return [
        lead(ANN, ago[0], email="ann@x.com", attributes={"title": "CTO"}),
        lead(HUB, ago[1], email="ANN@x.com", attributes={"country": "France"}),
        lead(TWIN, ago[2], same_as=(CONTACT,)),
        lead(CONTACT, ago[3], email="ann@x.com", attributes={"budget": "5000"}),
        act("a", RecordRef("portal", EMAIL, "ann@x.com"), ago[2]),
        act("b", TWIN, ago[4]),
        act("c", HUB, ago[3]),
        Page({}, True, deletions=[Deletion(RecordRef("org", "Lead", "9"), ago[4], merged_into=ANN)], backfill=True),
    ]


def test_links_known_by_then_give_the_same_row_in_any_order(engine: Engine, arrow: adbc.Connection) -> None:
    def rows(pages: list[Page]) -> list[pl.DataFrame]:
        """Everybody before the first score, and at it."""
        with engine.begin() as connection:
            connection.execute(text("TRUNCATE live, subject, person, activity, attribute, claim, record CASCADE"))
        for page in pages:
            store(engine, page, START)
        live.begin(engine, START)
        instants = (START - timedelta(days=55), START)
        return [matrix(read(arrow, At(at)), FEATURES).drop("person_id") for at in instants]

    told = linked()
    early, late = rows(told)
    assert (early.height, late.height) == (1, 1), "they are one person"
    assert late.get_column("mails_clicked_90d").to_list() == [3.0]
    for seed in range(3):
        random.Random(seed).shuffle(told)
        assert all(found.equals(told_before) for found, told_before in zip(rows(told), (early, late), strict=True))
