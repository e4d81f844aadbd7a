"""Snapshots from a real database: drawn, built as live scoring builds rows, in memory and as a file."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import adbc_driver_postgresql.dbapi as adbc
import polars as pl
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from sqlalchemy import Engine

from connectors.port import Page
from connectors.records import Activity, ActivityKind, LeadRecord, Outcome, OutcomeStatus, RecordRef, RecordState
from worker.features.features import Features
from worker.features.matrix import matrix
from worker.store import completeness, facts
from worker.store.completeness import Kind
from worker.store.facts import At
from worker.sync.apply import apply
from worker.training import collection
from worker.training.collection import Draw, export, snapshots, table
from worker.training.goal import Goal

DAY_0 = datetime(2026, 1, 1, tzinfo=UTC)
END = DAY_0 + timedelta(days=300)
PEOPLE = 40
FEATURES = Features.shipped()


def day(number: float) -> datetime:
    return DAY_0 + timedelta(days=number)


def ref(object: str, number: int) -> RecordRef:
    return RecordRef("acme", object, str(number))


@pytest.fixture
def world(engine: Engine) -> Engine:
    """Forty people, each with a visit every ten days; each fourth buys on day 60 of their own."""
    leads = [
        LeadRecord(ref("Contact", n), RecordState.OPEN, day(n), day(n), attributes={"title": "CEO", "country": "Spain"})
        for n in range(PEOPLE)
    ]
    visits = [
        Activity(ref("Visit", 1000 * n + k), ActivityKind.PRICING_PAGE_VIEW, (ref("Contact", n),), at, at, "/pricing")
        for n in range(PEOPLE)
        for k, at in enumerate(day(n + 10 * k) for k in range(20))
    ]
    deals = [
        Outcome(
            ref("Deal", n), OutcomeStatus.WON, "Won", day(n), day(n + 60), closed_at=day(n + 60),
            people=(ref("Contact", n),),
        )
        for n in range(0, PEOPLE, 4)
    ]  # fmt: skip
    with engine.begin() as connection:
        page = Page(cursor={}, done=True, leads=leads, activities=visits, outcomes=deals, backfill=True)
        apply(connection, page, END)
    return engine


def test_a_snapshot_is_the_row_that_live_scoring_builds_at_that_instant(world: Engine, arrow: adbc.Connection) -> None:
    made = snapshots(arrow, Goal(), FEATURES, END, Draw(per_person=2, seed=1)).table
    assert made.at is not None
    for row in range(0, len(made), 9):
        at = made.at[row].item().replace(tzinfo=UTC)
        one = At(at, [int(made.person[row])])
        live = matrix(facts.read(arrow, one, colleagues=True, stable=FEATURES.stable), FEATURES)
        differing = [name for name in made.frame.columns if not live[name].equals(made.frame[row][name])]
        assert differing == []


def test_labels_and_weights_are_those_of_the_people(world: Engine, arrow: adbc.Connection) -> None:
    made = snapshots(arrow, Goal(), FEATURES, END, Draw(per_person=3)).table
    rows = pl.DataFrame({"person": made.person, "label": made.label, "weight": made.weight})
    people = rows.group_by("person").agg(pl.col("label").any(), pl.col("weight").sum())
    assert people.get_column("label").sum() == PEOPLE / 4
    assert people.height == PEOPLE
    assert people.get_column("weight").to_list() == pytest.approx([1.0] * PEOPLE)


def test_some_people_at_a_time_make_the_same_rows_as_all_at_once(
    world: Engine, arrow: adbc.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = snapshots(arrow, Goal(), FEATURES, END).table
    monkeypatch.setattr(collection, "PEOPLE_AT_ONCE", 17)
    told: list[float] = []
    parts = snapshots(arrow, Goal(), FEATURES, END, progress=told.append).table
    assert parts.frame.equals(whole.frame)
    assert (parts.person == whole.person).all()
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_the_file_holds_what_memory_would_and_says_where_it_is_from(
    world: Engine, arrow: adbc.Connection, tmp_path: Path
) -> None:
    file = tmp_path / "snapshots.parquet"
    goal = Goal.model_validate({"segment": "country"})
    how = Draw(per_person=2, seed=5)
    rows = export(arrow, goal, FEATURES, END, file, how)
    read = pl.read_parquet(file)
    assert read.height == rows
    assert set(read.get_column("segment")) == {"Spain"}
    memory = snapshots(arrow, goal, FEATURES, END, how)
    back = table(read, FEATURES)
    assert back.frame.equals(memory.table.frame)
    assert (back.label == memory.table.label).all()
    told = json.loads(pq.read_schema(file).metadata[b"leadgauge"])
    assert told == {"goal": goal.model_dump(mode="json"), "seed": 5, "until": END.isoformat()}


def test_a_file_is_whole_or_not_there(
    world: Engine, arrow: adbc.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(done: float) -> None:
        if done > 0.5:
            raise KeyboardInterrupt

    monkeypatch.setattr(collection, "PEOPLE_AT_ONCE", 10)
    with pytest.raises(KeyboardInterrupt):
        export(arrow, Goal(), FEATURES, END, tmp_path / "snapshots.parquet", progress=interrupted)
    assert list(tmp_path.iterdir()) == []


def test_without_anybody_there_is_nothing_to_train_on(engine: Engine, arrow: adbc.Connection, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leadgauge label"):
        snapshots(arrow, Goal(), FEATURES, END)
    assert export(arrow, Goal(), FEATURES, END, tmp_path / "none.parquet") == 0
    assert pl.read_parquet(tmp_path / "none.parquet").columns[:2] == ["person_id", "as_of"]


def test_nothing_is_learnt_from_days_that_were_not_read_whole(world: Engine, arrow: adbc.Connection) -> None:
    drawn = snapshots(arrow, Goal(), FEATURES, END).table.at
    assert drawn is not None
    middle = sorted(drawn.astype("datetime64[us]").tolist())[len(drawn) // 2].replace(tzinfo=UTC)
    mended = middle + timedelta(days=3)
    with world.begin() as connection:
        completeness.record(connection, "acme", Kind.DAY, "visits", middle.date(), rows=50, missed=1, now=mended)
        completeness.record(connection, "acme", Kind.DAY, "deals", day(20).date(), rows=200, missed=1, now=END)
    left = snapshots(arrow, Goal(), FEATURES, END).table.at
    assert left is not None
    begins = datetime.combine(middle.date(), datetime.min.time(), UTC)
    outside = [at for at in drawn.astype("datetime64[us]").tolist() if not begins <= at.replace(tzinfo=UTC) < mended]
    assert 0 < len(outside) < len(drawn)
    assert sorted(left.astype("datetime64[us]").tolist()) == sorted(outside)
