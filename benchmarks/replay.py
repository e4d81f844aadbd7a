"""A draft policy replayed over 90 days of 100,000 people, against the mere read of their recorded scores."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

from sqlalchemy import Engine, text

from benchmarks.figure import Figure, peak_mib
from worker import embedded
from worker.lifecycle.policy import Policy, change
from worker.store import journeys
from worker.store.arrow import open_arrow
from worker.store.database import connect, libpq
from worker.store.migrate import upgrade
from worker.training import whatif

PEOPLE, DAYS, ROWS = 100_000, 90, 20
UNTIL = datetime(2026, 11, 1, tzinfo=UTC)
SECONDS = 10.0
GOAL = f"a draft over {DAYS} days of {PEOPLE:,} people in at most {SECONDS:g} s"

# Scores wander as they do: most are low, an act lifts one, decay takes it down again; about a tenth come near the line.
_LOAD = """
CREATE FUNCTION pg_temp.pick(seed bigint, salt int) RETURNS double precision LANGUAGE sql IMMUTABLE AS
    $$ SELECT (hashint8(seed * 64 + salt) & 2147483647) / 2147483648.0 $$;
INSERT INTO subject (source, object, key) SELECT 'org', 'Lead', n::text FROM generate_series(1, :people) n;
UPDATE subject SET person_id = id;
INSERT INTO record (subject_id, kind, name, attributes, created_at, modified_at, observed_at, since)
    SELECT id, 'person', 'Person ' || id, jsonb_build_object('owner', id % 12, 'lead_source', id % 5),
           now(), now(), now(), now() FROM subject;
INSERT INTO person (id, changed_at) SELECT id, now() FROM subject;
INSERT INTO score_history (goal, person_id, as_of, score, status, bucket, stage, rules_revision, policy_revision)
    SELECT 'default', p, at, score, 'scored', 'cold', CASE WHEN score >= 70 THEN 'mql' ELSE 'nurturing' END, 1, 1
    FROM generate_series(1, :people) p, generate_series(0, :rows - 1) n,
    LATERAL (SELECT timestamptz '2026-07-28' + make_interval(secs => 86400 * 95.0
                    * (n + pg_temp.pick(p * 1000 + n, 1)) / :rows)) AS moment(at),
    LATERAL (SELECT least(100, greatest(0, round(80 * pg_temp.pick(p, 2) ^ 3 + 30 * pg_temp.pick(p * 1000 + n, 3)
                    - 10)))::int) AS points(score);
INSERT INTO score (goal, person_id, score, status, bucket, stage, stage_since, as_of, rules_revision, policy_revision)
    SELECT DISTINCT ON (person_id) goal, person_id, score, status, bucket, stage, as_of, as_of, 1, 1
    FROM score_history ORDER BY person_id, as_of DESC;
"""


def run() -> Figure:
    """Load a database of its own, read the scores, replay."""
    home = Path(tempfile.mkdtemp(prefix="leadgauge-bench-"))
    try:
        engine = connect(embedded.start(home, durable=False).database_url)
        fill(engine, PEOPLE, ROWS)
        return _measure(engine)
    finally:
        embedded.remove(home)
        shutil.rmtree(home, ignore_errors=True)


def fill(engine: Engine, people: int, rows: int) -> None:
    """An empty database with so many people, each with so many scores in 95 days."""
    upgrade(engine)
    statements = _LOAD.replace(":people", str(people)).replace(":rows", str(rows))
    with engine.begin() as connection:
        connection.execute(text(statements.replace(":", r"\:")))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE)"))


def _measure(engine: Engine) -> Figure:
    current, draft = Policy(), change(Policy(), "mql.enter=78", "mql.leave=65", "materiality.points=5")
    with open_arrow(libpq(engine)) as connection:
        began = perf_counter()
        rows = len(journeys.scores(connection, "default", whatif.days_before(UNTIL, DAYS), UNTIL))
        read = perf_counter() - began
        began = perf_counter()
        found = whatif.replay(connection, "default", current, draft, UNTIL, DAYS, {"org": "salesforce"})
        replayed = perf_counter() - began
    assert found.people == PEOPLE
    entered, fewer = found.difference.entered
    assert entered > fewer > 0
    saved = found.loads["org"][0].writes - found.loads["org"][1].writes
    return Figure(
        name="replay",
        ours=replayed,
        baseline=read,
        unit="s",
        goal=GOAL,
        met=replayed <= SECONDS,
        peak_mib=peak_mib(),
        note=f"{rows:,} recorded scores; {entered:,} MQLs in force, {fewer:,} by the draft; {saved:,} writes fewer",
    )
