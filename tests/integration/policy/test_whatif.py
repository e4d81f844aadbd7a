"""`leadgauge policy capacity` and `policy replay` over recorded scores."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import create_engine, text

from tests.integration.policy.conftest import Run
from worker.lifecycle.materiality import Writes
from worker.lifecycle.policy import PolicyError
from worker.store import stages, tallies

NOW = datetime(2026, 11, 2, tzinfo=UTC)  # a Monday
WEEKS = 9

_WORLD = """
INSERT INTO subject (source, object, key) SELECT 'org', 'Lead', n::text FROM generate_series(1, 180) n;
UPDATE subject SET person_id = id;
INSERT INTO record (subject_id, kind, name, attributes, created_at, modified_at, observed_at, since)
    SELECT id, 'person', 'Person ' || id, jsonb_build_object('owner', 'rep ' || id % 2, 'lead_source', 'Web'),
           :now, :now, :now, :now FROM subject;
INSERT INTO person (id, changed_at) SELECT id, :now FROM subject;
-- Twenty new people a week: ten reach 60, of them five 75; those who reach 75 buy a week later.
INSERT INTO score_history (goal, person_id, as_of, score, status, bucket, stage, rules_revision, policy_revision)
    SELECT 'default', n, :now - make_interval(days => 7 * (n / 20) + 1 + n % 7), CASE WHEN n % 4 = 0 THEN 75
           WHEN n % 4 = 2 THEN 60 ELSE 20 END, 'scored', 'cold',
           CASE WHEN n % 4 = 0 THEN 'mql' ELSE 'nurturing' END, 1, 1
    FROM generate_series(1, 180) n;
INSERT INTO score (goal, person_id, score, status, bucket, stage, stage_since, as_of, rules_revision, policy_revision)
    SELECT goal, person_id, score, status, bucket, stage, as_of, :now, 1, 1 FROM score_history;
INSERT INTO outcome (source, object, key, status, stage, amount, created_at, modified_at, closed_at, known_at)
    SELECT 'org', 'Opportunity', person_id, 'won', 'Won', 1000, as_of, as_of, as_of + interval '7 days',
           as_of + interval '7 days'
    FROM score_history WHERE score = 75 AND as_of < :now - interval '8 days';
INSERT INTO outcome_person SELECT o.id, s.id FROM outcome o JOIN subject s ON s.key = o.key AND s.object = 'Lead';
INSERT INTO outcome_change (outcome_id, status, stage, occurred_at, known_at)
    SELECT id, 'won', 'Won', closed_at, closed_at FROM outcome;
"""


@pytest.fixture
def world(run: Run, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("LEADGAUGE_CLOCK", NOW.isoformat())
    monkeypatch.setenv("LEADGAUGE_GOALS", json.dumps({"default": {"horizon_days": 14}}))
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("SET TIME ZONE 'UTC'"))
        for statement in _WORLD.split(";\n"):
            if statement.strip():
                connection.execute(text(statement), {"now": NOW} if ":now" in statement else {})
    engine.dispose()
    return run


def test_the_threshold_that_sales_can_take(world: Run) -> None:
    told = json.loads(world("policy", "capacity", "--reps", "2", "--leads", "3", "--weeks", str(WEEKS), "--json"))
    assert told["chosen"]["threshold"] == 61
    assert told["chosen"]["weekly"]["expected"] == pytest.approx(5, abs=0.3)
    assert told["chosen"]["weekly"]["low"] < 5 < told["chosen"]["weekly"]["high"]
    assert told["chosen"]["precision"]["hits"] == told["chosen"]["precision"]["of"] > 20
    assert told["chosen"]["missed"]["hits"] == 0
    at_60, at_80 = (next(its for its in told["curve"] if its["threshold"] == line) for line in (60, 80))
    assert at_60["precision"]["hits"] * 2 == pytest.approx(at_60["precision"]["of"], abs=2)
    assert at_80["missed"]["hits"] == at_80["missed"]["of"] > 20
    shown = world("policy", "capacity", "--reps", "2", "--leads", "3", "--draft", "calm")
    assert "From 61 points on" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert "mql.enter = 61 " in world("policy", "show", "--draft", "calm")
    with pytest.raises(PolicyError, match="--reps"):
        world("policy", "capacity")
    world("policy", "set", "segments.by=owner", "segments.of.rep 1.capacity.reps=4")
    shown = world("policy", "capacity", "--reps", "2", "--leads", "3", "--draft", "apart")
    assert re.search(r"^rep 1 +0 ", shown, re.MULTILINE), "who sells for themselves takes all of their ten"
    draft = world("policy", "show", "--draft", "apart")
    assert all(line in draft for line in ("  mql.enter = 61 ", "  segments.of.rep 1.mql.enter = 0 "))


def test_a_draft_is_replayed(world: Run) -> None:
    world("policy", "draft", "mql.enter=60", "mql.leave=50", "human.release_days=9")
    told = json.loads(world("policy", "replay", "--days", "70", "--json"))
    assert told["difference"]["entered"] == [45, 90]
    assert len(told["becoming"]) == 45
    assert not told["ceasing"]
    assert told["becoming"][0] == {"name": "Person 2", "record": "org/Lead/2"}
    assert told["groups"]["owner"] == {"rep 0": [45, 0]}
    (limit,) = told["limits"]
    assert told["retold"] == 0
    assert limit.endswith("the replay begins then"), "the scores of the world do not reach so far back"
    assert not json.loads(world("policy", "replay", "--days", "30", "--json"))["limits"]
    shown = world("policy", "replay", "--days", "70")
    assert "Would become MQL: 45" in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_what_the_policy_in_force_does(world: Run, database_url: str) -> None:
    world("policy", "set", "buckets.0.at_least=75", "guard.share=0.2")
    engine = create_engine(database_url)
    with engine.begin() as connection:
        tallies.add(connection, {"org": Writes(900, 90)}, NOW - timedelta(days=3))
        stages.give_back(connection, "default", [stages.Feedback(7, NOW, "mql", 80, "warm", None, "too small")])
    engine.dispose()
    told = json.loads(world("policy", "effect", "--json"))
    assert told["writes"] == {"org": {"moved": 900, "written": 90, "saved": 810, "calls_saved": 810}}
    assert told["given_back"] == [{"reason": "too small", "bucket": "warm", "leads": 1, "score": 80.0}]
    seen, kept = told["lift"]
    assert seen["ratio"] == pytest.approx(4, abs=0.6), "a quarter of the people buy, and nobody else"
    assert 10 < kept["all"]["people"] < seen["all"]["people"] / 2
    results = json.loads(world("results", "--json"))
    (cold,) = results["outcomes"]
    assert (cold["bucket"], 0 < cold["closed"]["hits"] < cold["closed"]["of"] / 4) == ("cold", True)
    assert cold["revenue"] == pytest.approx(1000 * cold["closed"]["hits"] / cold["closed"]["of"])
    assert results["lifts"] == told["lift"]
    shown = world("results")
    assert f"{cold['revenue']:.0f}" in shown
    assert "kept from view: who came" in shown
    assert max(map(len, shown.splitlines())) <= 80
    shown = world("policy", "effect")
    assert "too small" in shown
    assert "kept from view: who came to the top bucket converts" in shown
    assert max(map(len, shown.splitlines())) <= 80
