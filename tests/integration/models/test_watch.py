"""The weekly check: it says ok while the world stays, says so when it moves, and asks for a training."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.integration.models.conftest import GOAL, NOW, House, alter, without_memory
from tests.integration.models.history import history
from worker.lifecycle.policy import Policy
from worker.store import drifts, models, training
from worker.store.models import Event
from worker.store.training import Cause, Kind
from worker.sync.apply import apply
from worker.training import health
from worker.training.perform import perform


def ask(house: House, kind: Kind) -> training.Request:
    """A request under a lease, done in this process."""
    with house.process.engine.begin() as connection:
        training.ask(connection, GOAL, kind, Cause.CLI, "ann", house.time[0])
        taken = training.take(connection, "one", house.time[0], timedelta(seconds=60))
    assert taken is not None
    perform(taken, house.process.goals.shop(GOAL, {}, house.process.arrow), Policy())
    with house.process.engine.connect() as connection:
        ended = training.get(connection, taken.id)
    assert ended is not None
    return ended


def summary(house: House) -> health.Summary:
    with house.process.engine.connect() as connection:
        return health.summary(connection, GOAL, house.time[0])


def champion(house: House) -> int:
    with house.process.engine.begin() as connection:
        apply(connection, history(900, NOW), NOW)
    result = ask(house, Kind.TRAIN).result
    assert result is not None
    (number,) = result["models"]
    assert isinstance(number, int)
    with house.process.engine.begin() as connection:
        models.appoint(connection, GOAL, "", number, event=Event.PROMOTED, author="ann", reason="", figures={}, now=NOW)
    return number


def test_the_world_stays_then_moves_then_matures(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.training.trees.FOREST", 24)  # what is checked of a model is checked of a small one
    number = champion(house)
    assert summary(house).models[0].level == "unchecked"

    assert ask(house, Kind.WATCH).result == {"levels": {str(number): "ok"}, "asked": None}
    assert (summary(house).models[0].level, summary(house).problems) == ("ok", [])
    with house.process.engine.connect() as connection:
        checked = drifts.newest(connection, GOAL, number)
    assert checked is not None
    assert checked.body["closed"] is None, "nobody has matured on the day of the training"

    # From one day to the next everybody who comes looks at prices a lot.
    with house.process.engine.begin() as connection:
        connection.execute(
            text("""
            INSERT INTO activity (subject_id, source, object, key, kind, occurred_at, known_at, observed_at)
            SELECT id, 'crm', 'Visit', id || '-' || n, 'pricing_page_view', :at, :at, :at
            FROM subject, generate_series(1, 9) n WHERE object = 'Lead'
            """),
            {"at": NOW - timedelta(hours=1)},
        )
    house.later(days=7)
    result = ask(house, Kind.WATCH).result
    assert result is not None
    assert result["levels"] == {str(number): "alert"}
    told = summary(house)
    assert told.models[0].level == "alert"
    assert f"model {number} has drifted: score: PSI" in told.problems[0]
    assert result["asked"] is None, "it was trained this week"
    assert told.training is None
    assert health.level_value(told.models[0].level) == 2

    house.later(days=200)
    ask(house, Kind.WATCH)
    with house.process.engine.connect() as connection:
        matured = drifts.newest(connection, GOAL, number)
        waiting = training.newest(connection, GOAL, Kind.TRAIN)
    assert matured is not None
    assert " converted where " in matured.body["why"][0], "nobody bought any more"
    assert waiting is not None
    assert waiting.cause is Cause.DRIFT
    assert "waits for a trainer" in (summary(house).training or "")


def test_a_check_that_stays_away_is_overdue_and_a_broken_champion_needs_a_person(house: House) -> None:
    number = house.register()
    with house.process.engine.begin() as connection:
        models.appoint(connection, GOAL, "", number, event=Event.PROMOTED, author="ann", reason="", figures={}, now=NOW)
        drifts.save(connection, GOAL, drifts.Check(number, NOW, "ok", {"why": []}))
    house.later(days=15)
    assert summary(house).models[0].level == "overdue"
    assert health.level_value("overdue") == -1
    alter(house, number, "artefact = artefact || 'x'")
    without_memory(house)
    assert ask(house, Kind.WATCH).result == {"levels": {}, "asked": None}
    assert "not those that were registered" in summary(house).problems[0]
